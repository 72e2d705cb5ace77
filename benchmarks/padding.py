"""Cost of padding: the LSTM layer on padded sentences against packed ones.

    python benchmarks/padding.py FILE.conll

One layer, left to right, forward and backward, one thread. The sentences are shuffled
and cut into batches. The padded side extends all sentences of a batch to the longest
one. Both sides take turns for several rounds. "share" is the share of padding among the
computed tokens. "times" is the time of the padded side as a multiple of the time of the
packed side, `median (lowest to highest)` of the rounds.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import numpy as np
import spacy
import srsly
from thinc.api import Model

from spacy_lstm_ner.data.conll import ConllCorpus
from spacy_lstm_ner.layers import LSTM
from spacy_lstm_ner.layers.small_ops import use_small_ops

SIZES = (64, 128, 256, 512)
Batch = list[Any]


def main() -> None:
    """Print a line for each size of batches."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="CoNLL file")
    parser.add_argument("--width", type=int, default=64, help="of input and output")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=2048, help="at most")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table")
    args = parser.parse_args()
    examples = ConllCorpus(args.corpus)(spacy.blank("xx"))
    lengths = np.array([len(eg.predicted) for eg in examples])
    lengths = np.random.default_rng(0).permutation(lengths)[: args.sentences]
    rows = []
    for size in SIZES:
        row = {"sentences": size, **measure(lengths, size, args.width, args.rounds)}
        if not rows:
            print("  ".join(f"{name:>20}" for name in row))
        print("  ".join(f"{value!s:>20}" for value in row.values()), flush=True)
        rows.append(row)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(args.json, rows)


def measure(lengths: Any, size: int, width: int, n_rounds: int) -> dict[str, str]:
    """One line of the table."""
    cut = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    packed = [vectors(batch, width) for batch in cut]
    padded = [vectors([batch.max()] * len(batch), width) for batch in cut]
    model = LSTM(width, width, bi=False, dropout=0.0)
    use_small_ops(model)
    model.initialize(X=packed[0])
    pairs = [(seconds(model, padded), seconds(model, packed)) for _ in range(n_rounds)]
    ratios = [a / b for a, b in pairs]
    n_computed = sum(len(batch) * int(batch.max()) for batch in cut)
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    return {
        "share": f"{1 - lengths.sum() / n_computed:.2f}",
        "times": f"{statistics.median(ratios):.2f} {spread}",
    }


def vectors(lengths: Any, width: int) -> Batch:
    """Random vectors for sentences of these lengths."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(int(n), width)).astype("f") for n in lengths]


def seconds(model: Model[Batch, Batch], batches: list[Batch]) -> float:
    """Time of a forward and a backward pass over all batches."""
    start = time.perf_counter()
    for X in batches:
        Y, backprop = model.begin_update(X)
        backprop(Y)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
