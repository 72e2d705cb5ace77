"""The forward pass: the stack of layers, the loop over the steps of time, its memory.

Arrays lie in memory like this for speed alone:

- Sequences are packed, not padded, and both directions advance in the same step.
- Each step works in one preallocated buffer, cut into one contiguous array per gate and
  intermediate result. The buffer is cut anew when sequences end.
- x_t Wx + b is computed for a block of steps at a time, in a buffer that stays in the
  processor's cache. Fresh memory for the whole batch would cost more than the
  arithmetic on it.
- The time of a single sequence goes into calls, so all arrays of a step lie together.

Letters of array axes: see layer.py.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate, pairwise, repeat
from typing import Any

import numpy as np
from thinc.api import Model
from thinc.types import Ragged

from ...errors import Errors
from ...packing import Packing, Run, pack
from ...types import Floats2d, Floats3d, Floats4d, FloatsXd
from ..common import Encoder, no_backward
from .backward import Tape, Unrolled
from .cell import Cell
from .matmul import multiplier, multiply_once

# Rows of a block of steps.
_BLOCK = 256


def forward(
    model: Encoder, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Layer after layer over all rows of the batch."""
    if not X:
        return [], list
    backprop: Any = partial(no_backward, model.name)
    if is_train:
        rows, tape = record(model, X)
        backprop = tape.backprop
    else:
        packing = pack(np.array([len(x) for x in X]))
        rows = model.ops.xp.concatenate(X).astype("f", copy=False)
        for layer in model.layers:
            outputs = _Pass(layer, packing, rows).predict()
            skips = model.attrs["settings"].skip and rows.shape == outputs.shape
            rows = outputs + rows if skips else outputs
    starts = accumulate(map(len, X), initial=0)
    return [rows[start:end] for start, end in pairwise(starts)], backprop


def record(model: Encoder, X: list[Floats2d]) -> tuple[Floats2d, Tape]:
    """The forward pass in training: the outputs, (T, O), and their backward pass."""
    settings = model.attrs["settings"]
    ops: Any = model.ops
    rows = ops.xp.concatenate(X).astype("f", copy=False)
    lengths = [len(x) for x in X]
    packing = pack(np.array(lengths))

    def mask(rate: float | None, *shape: int) -> FloatsXd | None:
        """Zeros, and 1 / (1 - rate) for kept features, so that the mean stays the same.
        None if the training loop's rate is 0."""
        of_loop = model.attrs["dropout_rate"]
        rate = of_loop if rate is None or not of_loop else rate
        return ops.get_dropout_mask(shape, rate) if rate else None

    def drop(rate: float | None) -> tuple[Floats2d, Floats2d | None]:
        """The rows after dropout, and its factors."""
        of_sequences = mask(rate, len(lengths), rows.shape[1])
        if of_sequences is None:
            return rows, None
        factors = ops.xp.repeat(of_sequences, lengths, axis=0)
        return rows * factors, factors

    layers: list[Unrolled] = []
    for rate, layer in zip(settings.rates, model.layers, strict=False):
        rows, dropout = drop(rate)
        nD, nO = layer.get_dim("nD"), layer.get_dim("nO")
        recurrent = mask(settings.recurrent_dropout, nD, packing.n_first, nO // nD)
        run = _Pass(layer, packing, rows, recurrent)
        rows, unrolled = run.unroll(dropout, settings.skip)
        layers.append(unrolled)
    rows, dropout = drop(settings.rates[-1])
    return rows, Tape(model, lengths, layers, dropout)


def forward_layer(
    layer: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """One layer over all rows of the batch."""
    run = _Pass(layer, pack(layer.ops.to_numpy(X.lengths)), X.dataXd)
    if not is_train:
        return Ragged(run.predict(), X.lengths), partial(no_backward, layer.name)
    Y, unrolled = run.unroll()

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(unrolled.backprop(dY.dataXd), dY.lengths)

    return Ragged(Y, X.lengths), backprop


class _Pass:
    """One forward pass of a layer.

    packing: The packed order of the batch.
    X: The input.  (T, I)
    mask: Recurrent dropout: factors of h_{t-1} in the product.  (D, B, H)
    """

    def __init__(
        self,
        layer: Model[Ragged, Ragged],
        packing: Packing,
        X: Floats2d,
        mask: Floats3d | None = None,
    ) -> None:
        nI = layer.get_dim("nI")
        if X.shape[1] != nI:
            raise ValueError(Errors.L005.format(found=X.shape[1], nI=nI))
        self._layer, self._packing, self._X, self._mask = layer, packing, X, mask
        self._xp = xp = layer.ops.xp
        self._cell: Cell = layer.attrs["cell"]
        self._nD = layer.get_dim("nD")
        self._nH = layer.get_dim("nO") // self._nD
        self._rows = xp.asarray(packing.both_rows[: self._nD])
        self._weights(X)
        self._n = 0  # running sequences
        shape = (self._nD, packing.n_first, self._nH)
        self._h: Floats3d = xp.zeros(shape, dtype="f")
        self._parts: Floats4d = xp.zeros((self._cell.n_parts, *shape), dtype="f")
        self._memory = self._parts.reshape(-1)

    def _weights(self, X: Floats2d) -> None:
        """Take the parameters. If there are many rows, a copy of the weights spares
        passes over the results: the bias becomes the weight of one more input, 1, and
        the weights of the gates with a sigmoid are halved (see `Cell.forward`)."""
        xp, cell, get_param = self._xp, self._cell, self._layer.get_param
        b: Any = get_param("b")
        Wx: Any = get_param("Wx")
        Wh: Any = get_param("Wh")
        self._b: Floats4d = b[:, :, None]
        self._is_scaled = len(X) > X.shape[1]
        if self._is_scaled:
            scale = xp.asarray(cell.scale, dtype="f").reshape(-1, 1, 1, 1)
            Wx = xp.concatenate([Wx, self._b[cell.inputs]], axis=2)
            Wx, Wh = Wx * scale[cell.inputs], Wh * scale[cell.recurrent]
            X = xp.concatenate([X, xp.ones((len(X), 1), dtype="f")], axis=1)
        self._inputs, self._Wx, self._Wh = X, Wx, Wh

    def predict(self) -> Floats2d:
        """Flat outputs, (T, O). Nothing is kept."""
        xp, nD, nH = self._xp, self._nD, self._nH
        packing = self._packing
        order = xp.asarray(packing.outputs if nD == 2 else packing.both_rows[0])
        Y = xp.empty((len(self._X), nD * nH), dtype="f")
        rows_of_Y = Y.reshape(-1, nH)
        for first, last, runs in self._blocks():
            # In the order of the steps, the outputs of both directions lie together.
            block = xp.empty((nD * (last - first), nH), dtype="f")
            for start, end, n, x in runs:
                H = block[nD * (start - first) : nD * (end - first)]
                self._advance(n, x, H.reshape(-1, nD, n, nH), repeat(None))
            rows_of_Y[order[nD * first : nD * last]] = block
        return Y

    def unroll(
        self, dropout: Floats2d | None = None, has_skip: bool = False
    ) -> tuple[Floats2d, Unrolled]:
        """Flat outputs, (T, O), and the backward pass. For the arguments see
        `Unrolled`."""
        X, mask = self._X, self._mask  # the mask is cut in the loop
        H_DTH: Floats3d = self._empty(self._nD, n_rows=len(X))
        kept: Floats4d = self._empty(self._cell.n_kept, self._nD, n_rows=len(X))
        for _, _, runs in self._blocks():
            for start, end, n, x in runs:
                H = _by_step(H_DTH[:, start:end], n)
                self._advance(n, x, H, _by_step(kept[:, :, start:end], n))
        Y_TDH = self._xp.empty((len(X), self._nD, self._nH), dtype="f")
        for d, rows in enumerate(self._rows):
            Y_TDH[rows, d] = H_DTH[d]
        Y = Y_TDH.reshape(len(X), self._nD * self._nH)
        skips = has_skip and X.shape == Y.shape
        unrolled = Unrolled(
            self._layer, self._packing, self._rows, X, dropout, mask, skips, H_DTH, kept
        )
        return Y + X if skips else Y, unrolled

    def _blocks(self) -> Iterator[tuple[int, int, list[Any]]]:
        """Blocks of steps: the first and the last packed row, and for each run of steps
        start, end, n, and x_t Wx + b of each step.  (steps, gates, D, n, H)"""
        xp, Wx, bias = self._xp, self._Wx, self._b[self._cell.inputs]
        n_block = min(max(_BLOCK, self._packing.n_first), len(self._X))
        buffer = self._empty(*Wx.shape[:2], n_rows=n_block)
        for runs in _cut_runs(self._packing.runs, n_block):
            first, last = runs[0].start, runs[-1].end
            inputs = buffer[:, :, : last - first]
            multiply_once(xp, self._inputs[self._rows[:, first:last]], Wx, inputs)
            if not self._is_scaled:
                xp.add(inputs, bias, out=inputs)
            steps = []
            for start, end, n in runs:
                x = inputs[:, :, start - first : end - first]
                steps.append((start, end, n, _by_step(x, n)))
            yield first, last, steps

    def _advance(
        self, n: int, X: FloatsXd, H: FloatsXd, kept: Iterable[Floats4d | None]
    ) -> None:
        """Advance by some steps, with the first n of the sequences so far.

        X: x_t Wx + b of each step, by gate.  (steps, gates, D, n, H)
        H: Receives the outputs.  (steps, D, n, H)
        kept: Receives the parts that the backward pass needs.
            (steps, n_kept, D, n, H)
        """
        is_first_step = not self._n
        if n != self._n:
            self._cut(n)
        multiply, step, mask = self._multiply, self._step, self._mask
        h_before = self._h
        for x, h, keep in zip(X, H, kept, strict=False):
            if not is_first_step:  # of zeros the product is 0
                multiply(h_before if mask is None else h_before * mask)
            is_first_step = False
            step(x, h_before, h, keep)
            h_before = h
        self._h = h_before

    def _cut(self, n: int) -> None:
        """Continue with the first n sequences: the others have ended."""
        cell, shape = self._cell, (self._cell.n_parts, self._nD, n, self._nH)
        first_state = cell.n_parts - cell.n_states
        states = self._parts[first_state:, :, :n].copy()
        size = cell.n_parts * self._nD * n * self._nH
        self._parts = self._memory[:size].reshape(shape)
        self._parts[first_state:] = states
        self._n, self._h = n, self._h[:, :n]
        if self._mask is not None:
            self._mask = self._mask[:, :n]
        products = self._parts[cell.products]
        self._multiply = multiplier(self._xp, self._Wh, products)
        self._step = cell.forward(self._xp, self._parts, self._b, self._is_scaled)

    def _empty(self, *before: int, n_rows: int) -> FloatsXd:
        """Room for packed rows: (*before, rows, H)."""
        if self._packing.n_first > 1:
            return self._xp.empty((*before, n_rows, self._nH), dtype="f")
        room = self._xp.empty((n_rows, *before, self._nH), dtype="f")
        return room.transpose(*range(1, len(before) + 1), 0, -1)


# Axes in the order of `_by_step`, for each number of axes before the rows.
_STEPS_FIRST = {1: (1, 0, 2, 3), 2: (2, 0, 1, 3, 4)}


def _by_step(packed: FloatsXd, n: int) -> FloatsXd:
    """A view of packed rows, n for each step, with the steps as the first axis:
    (..., T, K) -> (T / n, ..., n, K)."""
    *others, n_rows, width = packed.shape
    if n_rows == n:
        return packed[None]
    view = packed.reshape(*others, n_rows // n, n, width)
    return view.transpose(_STEPS_FIRST[len(others)])


def _cut_runs(runs: list[Run], n_rows: int) -> Iterator[list[Run]]:
    """The runs in order, cut into blocks of at most `n_rows` rows."""
    block: list[Run] = []
    done, limit = 0, n_rows
    for _, end, n in runs:
        while done < end:
            until = min(end, done + (limit - done) // n * n)
            if until > done:
                block.append(Run(done, until, n))
                done = until
            else:
                yield block
                block, limit = [], done + n_rows
    if block:
        yield block
