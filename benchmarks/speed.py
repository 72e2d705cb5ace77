"""Speed of `lstm_ner` against spaCy's `ner`, on one core, in one process.

    python benchmarks/speed.py train.conll --json speed.json

Every pipeline is a tokenizer and an entity recognizer: `ner` of spaCy's quickstart
(`spacy init config -p ner -o efficiency`), `lstm_ner` of configs/default.cfg in several
settings, and that of configs/small.cfg. "torch" has the encoder
`spacy.TorchBiLSTMEncoder.v1`, whose width is the width of its input; "as torch" is our
encoder at the same widths. Each pipeline is trained for three passes, so that it finds
entities, and loaded again. All pipelines take turns for several rounds. The table shows
ratios within a round, `median (lowest to highest)`, because absolute figures depend on
the machine.

"pipe" is `nlp.pipe` on all texts, in the fastest batch size of each side (among 64 to
1,000 texts; `ner` gets 256, because the 1,000 of its quickstart take a fifth more
time). "one text" is `nlp(text)` on one text after the other. "training" is `nlp.update`
in batches of about 500 words.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import numpy as np
import spacy
import srsly
import torch
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, minibatch

from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.data.conll import ConllCorpus

CONFIGS = Path(__file__).parent.parent / "configs"
PROBABILITY = {"decoding": "probability", "threshold": 0.2}
TORCH = {"model.encode": {"@architectures": "spacy.TorchBiLSTMEncoder.v1"}}
TORCH["model.encode"] |= {"width": 96, "depth": 2, "dropout": 0.0}
AS_TORCH = {"model.encode.width": 96}
# Configs and settings of lstm_ner.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm_ner": ("default", {}),
    "small": ("small", {}),
    "no confidence": ("default", {}),
    "probability": ("default", PROBABILITY),
    "CRF": ("default", {"model.decode.@layers": "spacy_lstm_ner.CRF.v1"}),
    "as torch": ("default", AS_TORCH),
    "torch": ("default", TORCH),
}
Ratios = dict[str, dict[str, list[float]]]


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="CoNLL file with tokens and BIO tags")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table")
    args = parser.parse_args()
    torch.set_num_threads(1)
    examples = list(ConllCorpus(args.corpus)(spacy.blank("en")))
    rivals = build()
    for nlp in rivals.values():
        fit(nlp, examples, n_passes=3)
    texts = [eg.reference.text for eg in examples]
    found = [sum(len(doc.ents) for doc in nlp.pipe(texts)) for nlp in rivals.values()]
    n_words = sum(len(doc) for doc in spacy.blank("en").pipe(texts))
    print(f"{args.corpus.name}: {len(texts)} texts, {n_words} words\n")
    print_row("times as fast", rivals)
    print_row("entities", map(str, found))
    table: Ratios = {}
    tasks = {
        "pipe": lambda nlp: pipe(nlp, texts),
        "one text": lambda nlp: one_by_one(nlp, texts[:500]),
        "training": lambda nlp: train(nlp, examples[:600]),
    }
    for task, run in tasks.items():
        rounds = []
        for _ in range(args.rounds):
            speeds = {}
            for name, nlp in rivals.items():
                leave_out = name == "no confidence"
                with without_confidences() if leave_out else nullcontext():
                    start = time.perf_counter()
                    run(nlp)
                    speeds[name] = 1 / (time.perf_counter() - start)
            rounds.append(speeds)
        row = {name: [s[name] / s["ner"] for s in rounds] for name in rivals}
        row["small / lstm_ner"] = [s["small"] / s["lstm_ner"] for s in rounds]
        print_row(task, [summary(row[name]) for name in rivals])
        table[task] = row
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(args.json, table)


def build() -> dict[str, Language]:
    """The pipelines, untrained."""
    quickstart = init_config(
        lang="en", pipeline=["ner"], optimize="efficiency", silent=True
    )
    quickstart["nlp"]["batch_size"] = 256
    rivals = {"ner": load_model_from_config(quickstart, auto_fill=True)}
    for name, (stem, settings) in VARIANTS.items():
        overrides = {f"components.lstm_ner.{key}": v for key, v in settings.items()}
        config = load_config(CONFIGS / f"{stem}.cfg", overrides=overrides)
        rivals[name] = load_model_from_config(config, auto_fill=True)
    return rivals


def fit(nlp: Language, examples: list[Example], *, n_passes: int) -> None:
    """Train a new pipeline, and load it again."""
    examples = [Example(nlp.make_doc(eg.text), eg.reference) for eg in examples]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(n_passes):
        for batch in minibatch(examples, 30):
            nlp.update(batch, sgd=sgd, drop=0.1)
    nlp.from_bytes(nlp.to_bytes())


def pipe(nlp: Language, texts: list[str]) -> None:
    """Annotate raw texts in batches."""
    for _ in nlp.pipe(texts):
        pass


def one_by_one(nlp: Language, texts: list[str]) -> None:
    """Annotate raw texts, each by itself."""
    for text in texts:
        nlp(text)


def train(nlp: Language, examples: list[Example]) -> None:
    """Learn from annotated texts, in batches of 27, or about 500 words."""
    examples = [Example(nlp.make_doc(eg.text), eg.reference) for eg in examples]
    sgd = nlp.create_optimizer()
    for batch in minibatch(examples, 27):
        nlp.update(batch, sgd=sgd, drop=0.3)


@contextmanager
def without_confidences() -> Iterator[None]:
    """Leave out the sums over paths: all confidences are 1."""
    with mock.patch.object(
        PathSums, "log_prob_of_spans", lambda _, spans: np.zeros(len(spans))
    ):
        yield


def summary(ratios: list[float]) -> str:
    """Median, lowest and highest."""
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def print_row(name: str, cells: Any) -> None:
    """A row of the table."""
    print(f"{name:>13}", *(f"{cell:>21}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
