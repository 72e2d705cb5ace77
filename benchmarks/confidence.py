"""Quality of the confidences of trained pipelines, and the gain from decoding by them.

    python benchmarks/confidence.py --dev dev.spacy --test test.spacy MODEL [MODEL ...]

The first table compares three measures of confidence on the entities of the best path,
each at the temperature fitted to the dev part: the exact probability of the span
(ours), the product of the softmaxes of its tokens' tags, and the mean of their marginal
probabilities. The second table compares F1 of the best path with F1 of the most
probable spans, with the threshold fitted to the dev part. Figures are means over the
pipelines, which should differ in their seed only.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import numpy as np
import spacy
from spacy.training import Corpus
from thinc.api import get_array_module

from spacy_lstm_ner.chains.decoding import decode_best_path
from spacy_lstm_ner.chains.linear_chain import LinearChain, Spans
from spacy_lstm_ner.chains.path_sums import PathSums, confidences_of
from spacy_lstm_ner.component.analysis import judge_spans
from spacy_lstm_ner.component.reliability import (
    expected_calibration_error,
    fit_temperature,
)
from spacy_lstm_ner.reports.metrics import area_under_roc
from spacy_lstm_ner.tags import TagSet

Measure = Callable[[LinearChain, Spans], Any]


def exact(chain: LinearChain, spans: Spans) -> Any:
    """Probability of exactly the span."""
    return confidences_of(chain, spans)


def product_of_softmaxes(chain: LinearChain, spans: Spans) -> Any:
    """Product of each token's softmax, which knows nothing of the other tokens."""
    xp = get_array_module(chain.emit)
    probs = xp.exp(chain.emit - chain.emit.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    return over_tokens(probs, chain, spans, np.prod)


def mean_of_marginals(chain: LinearChain, spans: Spans) -> Any:
    """Mean of each token's marginal probability of its tag."""
    return over_tokens(PathSums(chain).marginals(), chain, spans, np.mean)


MEASURES: tuple[Measure, ...] = (exact, product_of_softmaxes, mean_of_marginals)


def over_tokens(
    probs: Any, chain: LinearChain, spans: Spans, reduce: Callable[[Any], Any]
) -> Any:
    """Reduce the probabilities of the tags of each span to one number."""
    firsts = (np.cumsum(chain.lengths) - chain.lengths)[spans.sequence]
    tokens = [
        np.arange(start, end)
        for start, end in zip(spans.start + firsts, spans.end + firsts, strict=True)
    ]
    tags = [
        np.where(rows == rows[0], TagSet.begin(label), TagSet.inside(label))
        for rows, label in zip(tokens, spans.label, strict=True)
    ]
    values = [reduce(probs[r, t]) for r, t in zip(tokens, tags, strict=True)]
    return np.minimum(np.array(values, dtype="float64"), 1.0)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--dev", type=Path, required=True, metavar="DEV.spacy")
    parser.add_argument("--test", type=Path, required=True, metavar="TEST.spacy")
    args = parser.parse_args()
    table: dict[str, list[list[float]]] = {}
    f_scores = []
    for model in args.models:
        nlp = spacy.load(model)
        ner = nlp.get_pipe("lstm_ner")
        examples = list(Corpus(args.dev)(nlp))
        paths = ner.paths([eg.predicted for eg in examples], ner.settings)
        chain = paths.chain
        spans, is_right = judge_spans(examples, paths, decode_best_path(chain))
        right = np.array(is_right)
        for measure in MEASURES:
            row = quality(measure, chain, spans, right)
            table.setdefault(measure.__name__, []).append(row)
        f_scores.append(by_path_and_by_probability(model, args.dev, args.test))
    print(f"{'dev, mean of models':<24}{'temperature':>12}{'ECE at 1':>10}"
          f"{'ECE':>8}{'AUROC':>8}")  # fmt: skip
    for name, rows in table.items():
        t, ece_before, ece, auroc = np.mean(rows, axis=0)
        print(f"{name:<24}{t:>12.2f}{ece_before:>10.3f}{ece:>8.3f}{auroc:>8.3f}")
    print(f"\n{'F1 of the test part':<40}{'best path':>10}{'probability':>12}"
          f"{'threshold':>10}")  # fmt: skip
    for model, row in zip(args.models, f_scores, strict=True):
        print(f"{model!s:<40}{row[0]:>10.1f}{row[1]:>12.1f}{row[2]:>10.3f}")
    path, probability, _ = np.mean(f_scores, axis=0)
    print(f"{'mean':<40}{path:>10.1f}{probability:>12.1f}")


def quality(
    measure: Measure, chain: LinearChain, spans: Spans, right: Any
) -> list[float]:
    """Fitted temperature, calibration error before and after, and area under ROC."""

    def at(temperature: float) -> Any:
        return measure(chain.with_temperature(temperature), spans)

    temperature = fit_temperature(at, right)
    before, after = at(1.0), at(temperature)
    return [
        temperature,
        expected_calibration_error(before, right),
        expected_calibration_error(after, right),
        area_under_roc(after, right),
    ]


def by_path_and_by_probability(
    model: Path, dev: Path, test: Path
) -> tuple[float, float, float]:
    """F1 of the test part in percent, both ways, and the threshold."""
    f_scores = []
    for decoding in ("best_path", "probability"):
        settings = {"decoding": decoding, "threshold": 0.0}
        nlp = spacy.load(model, config={"components": {"lstm_ner": settings}})
        ner = nlp.get_pipe("lstm_ner")
        if decoding == "probability":
            examples = list(Corpus(dev)(nlp))
            ner.calibrate(examples, beta=1.0)
        f_scores.append(100 * nlp.evaluate(list(Corpus(test)(nlp)))["ents_f"])
    return f_scores[0], f_scores[1], ner.threshold


if __name__ == "__main__":
    main()
