"""Words per second of `lstm_ner` against spaCy's `ner`, on one core, in one process.

    python benchmarks/speed.py train.conll

All pipelines are tokenizer + entity recognizer: `lstm_ner` of configs/default.cfg, the
same in other settings, that of configs/small.cfg, and `ner` of spaCy's quickstart
(`spacy init config -p ner -o efficiency`). Each is trained for three passes, so that it
finds entities; then all annotate the texts in turn, several times. What counts is the
ratio within a round: absolute figures depend on the machine.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import numpy as np
import spacy
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, minibatch

from spacy_lstm_ner import decode
from spacy_lstm_ner.readers import ConllCorpus

CONFIGS = Path(__file__).parent.parent / "configs"
PROBABILITY = {"decoding": "probability", "threshold": 0.2}
# Configs and settings of lstm_ner, and what to compare each with.
VARIANTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "lstm_ner": ("default", {}, "ner"),
    "no confidence": ("default", {}, "lstm_ner"),
    "probability": ("default", PROBABILITY, "lstm_ner"),
    "CRF": ("default", {"model.decode.@layers": "spacy_lstm_ner.CRF.v1"}, "lstm_ner"),
    "small": ("small", {}, "lstm_ner"),
}


def main() -> None:
    """Print a table of the rounds, and the ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="CoNLL file with tokens and BIO tags")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=256)
    args = parser.parse_args()
    examples = list(ConllCorpus(args.corpus)(spacy.blank("en")))
    quickstart = init_config(
        lang="en", pipeline=["ner"], optimize="efficiency", silent=True
    )
    rivals = {"ner": load_model_from_config(quickstart, auto_fill=True)}
    for name, (stem, settings, _) in VARIANTS.items():
        overrides = {f"components.lstm_ner.{key}": v for key, v in settings.items()}
        config = load_config(CONFIGS / f"{stem}.cfg", overrides=overrides)
        rivals[name] = load_model_from_config(config, auto_fill=True)
    texts = [eg.reference.text for eg in examples]
    n_words = sum(len(doc) for doc in spacy.blank("en").pipe(texts))
    n_entities = []
    for nlp in rivals.values():
        fit(nlp, examples, n_passes=3)
        n_entities.append(sum(len(doc.ents) for doc in nlp.pipe(texts)))
    print(f"{'words/s':>8}", *(f"{name:>14}" for name in rivals))
    print(f"{'entities':>8}", *(f"{n:>14,}" for n in n_entities))
    rounds = []
    for i in range(args.rounds):
        speeds = {}
        for name, nlp in rivals.items():
            with without_confidences() if name == "no confidence" else nullcontext():
                speeds[name] = n_words / seconds(nlp, texts, args.batch_size)
        rounds.append(speeds)
        print(f"{i + 1:>8}", *(f"{speed:>14,.0f}" for speed in speeds.values()))
    result: dict[str, Any] = {
        "corpus": args.corpus.name,
        "words": n_words,
        "batch_size": args.batch_size,
    }
    for name, (_, _, rival) in VARIANTS.items():
        ratios = [speeds[name] / speeds[rival] for speeds in rounds]
        median, low, high = statistics.median(ratios), min(ratios), max(ratios)
        result[f"{name} / {rival}"] = f"{median:.2f} ({low:.2f} to {high:.2f})"
    print(json.dumps(result, indent=2))


def fit(nlp: Language, examples: list[Example], *, n_passes: int) -> None:
    """Train a new pipeline in batches of 30 sentences."""
    examples = [Example(nlp.make_doc(eg.text), eg.reference) for eg in examples]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(n_passes):
        for batch in minibatch(examples, 30):
            nlp.update(batch, sgd=sgd, drop=0.1)


def seconds(nlp: Language, texts: list[str], batch_size: int) -> float:
    """Time that a pipeline takes to annotate raw texts."""
    start = time.perf_counter()
    for _ in nlp.pipe(texts, batch_size=batch_size):
        pass
    return time.perf_counter() - start


@contextmanager
def without_confidences() -> Iterator[None]:
    """Leave out the sums over paths: all confidences are 1."""
    sums = decode._log_probs
    decode._log_probs = lambda chain, spans: np.zeros(len(spans))
    yield
    decode._log_probs = sums


if __name__ == "__main__":
    main()
