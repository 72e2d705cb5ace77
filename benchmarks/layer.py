"""Speed of the LSTM layer against `torch.nn.LSTM`, `thinc.api.LSTM` and the core.

    python benchmarks/layer.py

One layer with both directions, one thread, one process. The sequences have 5 to 45
tokens, evenly spread. All sides take turns for several rounds. The table shows ratios
within a round, `median (lowest to highest)`. Torch gets its input packed
(`PackedSequence`); the time of our layer includes everything that `Model.predict` and
`Model.begin_update` do.

"of peak" is the speed of the layer's arithmetic, 16 H (I + H) operations per token
forward and three times as many with backward, as a share of the speed of a product of
two matrices of 1,024 x 1,024. "products" is the time of the layer's matrix products
alone, step by step, as a share of the time of the forward pass. The other share is the
arithmetic of the gates (28 H operations and 10 H tanh per token, on 54 H numbers read
and 38 H written, mostly in the cache) and 8 calls per time step, or 9 if the batch has
fewer rows than the input is wide.
"""

import argparse
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import numpy as np
import srsly
import thinc.api
import torch
from speed import summary
from thinc.api import Model
from torch.nn.utils.rnn import pack_sequence

from spacy_lstm_ner.layers import LSTM
from spacy_lstm_ner.layers.recurrent.matmul import multiplier, multiply_once
from spacy_lstm_ner.layers.small_ops import use_small_ops
from spacy_lstm_ner.packing import pack

# (sequences, input width, width of one direction)
SHAPES = [
    (batch, width, hidden)
    for batch in (1, 8, 32, 128)
    for width, hidden in [(96, 64), (96, 96), (128, 128), (128, 256)]
]
Side = Callable[[], object]
Ratios = list[float]


def main() -> None:
    """Print a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each side")
    parser.add_argument("--thinc", action="store_true", help="include thinc.api.LSTM")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for shape in SHAPES:
        row = measure(*shape, args)
        if not rows:
            print("  ".join(f"{name:>22}" for name in row))
        cells = [
            value if isinstance(value, str) else summary(value)
            for value in row.values()
        ]
        print("  ".join(f"{cell:>22}" for cell in cells), flush=True)
        rows.append(row)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(args.json, rows)


def measure(
    n_sequences: int, nI: int, nH: int, args: argparse.Namespace
) -> dict[str, Any]:
    """One line of the table."""
    rng = np.random.default_rng(0)
    lengths = np.linspace(5, 45, n_sequences).astype(int) if n_sequences > 1 else [25]
    X = [rng.normal(size=(n, nI)).astype("f") for n in rng.permutation(lengths)]
    matrix = rng.normal(size=(1024, 1024)).astype("f")
    sides = {
        "peak": lambda: matrix @ matrix,
        "products": products(X, nH),
        **ours(X, nH),
        **torchs(X, nH),
        **(thincs(X, nH) if args.thinc else {}),
    }
    times = alternate(sides, args.rounds, args.seconds)
    n_operations = 16 * nH * (nI + nH) * sum(map(len, X))
    row: dict[str, Any] = {"batch, in, width": f"{n_sequences}, {nI}, {nH}"}
    for what, factor in (("forward", 1), ("with backward", 3)):
        for rival in ("torch", "thinc"):
            if f"{rival} {what}" in times:
                row[f"{rival} {what}"] = ratios(times, f"{rival} {what}", f"our {what}")
        of_peak = ratios(times, "peak", f"our {what}")
        share = factor * n_operations / (2 * 1024**3)
        row[f"of peak {what}"] = [share * one for one in of_peak]
    row["products"] = ratios(times, "products", "our forward")
    return row


def products(X: list[Any], nH: int) -> Side:
    """The matrix products of a forward pass alone, computed like in the layer."""
    packing = pack(np.array([len(x) for x in X]))
    x = np.concatenate(X)[None].repeat(2, axis=0)
    rng = np.random.default_rng(0)
    Wx, Wh = (rng.normal(size=(4, 2, n, nH)).astype("f") for n in (x.shape[2], nH))
    gates = np.empty((4, 2, x.shape[1], nH), "f")
    h = np.zeros((2, len(X), nH), "f")
    recurrent = {
        n: multiplier(np, Wh, np.empty((4, 2, n, nH), "f"))
        for n in range(1, len(X) + 1)
    }

    def run() -> None:
        multiply_once(np, x, Wx, gates)
        for start, end in pairwise(packing.starts):
            if start:
                n = end - start
                recurrent[n](h[:, :n])

    return run


def ours(X: list[Any], nH: int) -> dict[str, Side]:
    """The layer of this package."""
    model = LSTM(2 * nH, X[0].shape[1], dropout=0.0)
    use_small_ops(model)
    model.initialize(X=X)
    dY = [np.ones((len(x), 2 * nH), dtype="f") for x in X]
    return {
        "our forward": lambda: model.predict(X),
        "our with backward": lambda: step(model, X, dY),
    }


def thincs(X: list[Any], nH: int) -> dict[str, Side]:
    """Thinc's layer, whose gradients are wrong."""
    model: Any = thinc.api.with_padded(thinc.api.LSTM(2 * nH, X[0].shape[1], bi=True))
    use_small_ops(model)
    model.initialize(X=X)
    dY = [np.ones((len(x), 2 * nH), dtype="f") for x in X]
    return {
        "thinc forward": lambda: model.predict(X),
        "thinc with backward": lambda: step(model, X, dY),
    }


def step(model: Model[Any, Any], X: Any, dY: Any) -> None:
    """Forward and backward."""
    _, backprop = model.begin_update(X)
    backprop(dY)


def torchs(X: list[Any], nH: int) -> dict[str, Side]:
    """Torch's layer."""
    layer = torch.nn.LSTM(X[0].shape[1], nH, bidirectional=True)
    packed = pack_sequence([torch.tensor(x) for x in X], enforce_sorted=False)
    packed.data.requires_grad_(True)
    ones = torch.ones(len(packed.data), 2 * nH)

    def forward() -> object:
        with torch.inference_mode():
            return layer(packed)

    def both() -> None:
        layer(packed)[0].data.backward(ones)

    return {"torch forward": forward, "torch with backward": both}


def alternate(
    sides: dict[str, Side], n_rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Seconds of one call of each side, in each round."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    n_calls = {}
    for name, side in sides.items():
        side()
        start = time.perf_counter()
        side()
        n_calls[name] = max(1, int(seconds / (time.perf_counter() - start)))
    for _ in range(n_rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            for _ in range(n_calls[name]):
                side()
            times[name].append((time.perf_counter() - start) / n_calls[name])
    return times


def ratios(times: dict[str, list[float]], rival: str, own: str) -> Ratios:
    """How many times as fast as the rival, in each round."""
    return [a / b for a, b in zip(times[rival], times[own], strict=True)]


if __name__ == "__main__":
    main()
