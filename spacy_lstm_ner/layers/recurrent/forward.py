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

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from thinc.api import Model
from thinc.types import Ragged

from ...errors import Errors
from ...packing import Packing, Run, pack
from ...types import Floats2d, Floats3d, Floats4d, FloatsXd
from ..common import no_backward
from ..ragged import cut, joined
from .backward import Tape, Unrolled
from .cell import Cell
from .matmul import multiplier, multiply_once

# Rows of a block of steps.
_BLOCK = 256


def forward(
    model: Model[list[Floats2d], list[Floats2d]], X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Layer after layer over all rows of the batch."""
    if not X:
        return [], list
    if is_train:
        rows, tape = record(model, X)
        return cut(rows, tape.lengths), tape.backprop
    skip = model.attrs["settings"].skip
    rows, lengths = joined(model, X), [len(x) for x in X]
    packing = pack(np.array(lengths))
    for layer in model.layers:
        outputs = _Pass(layer, packing, rows).predict()
        skips = skip and rows.shape == outputs.shape
        rows = outputs + rows if skips else outputs
    return cut(rows, lengths), partial(no_backward, model.name)


def record(
    model: Model[list[Floats2d], list[Floats2d]], X: list[Floats2d]
) -> tuple[Floats2d, Tape]:
    """The forward pass in training: the outputs, (T, O), and their backward pass."""
    settings = model.attrs["settings"]
    rows, lengths = joined(model, X), [len(x) for x in X]
    packing = pack(np.array(lengths))
    layers: list[Unrolled] = []
    for rate, layer in zip(settings.rates, model.layers, strict=False):
        rows, dropout = _drop(model, rate, rows, lengths)
        nD = layer.get_dim("nD")
        nH = layer.get_dim("nO") // nD
        mask = _mask(model, settings.recurrent_dropout, nD, packing.n_first, nH)
        run = _Pass(layer, packing, rows, mask)
        rows, unrolled = run.unroll(dropout, settings.skip)
        layers.append(unrolled)
    rows, dropout = _drop(model, settings.rates[-1], rows, lengths)
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


def _drop(
    model: Model[Any, Any], rate: float | None, rows: Floats2d, lengths: list[int]
) -> tuple[Floats2d, Floats2d | None]:
    """The rows after dropout, and its factors."""
    mask = _mask(model, rate, len(lengths), rows.shape[1])
    if mask is None:
        return rows, None
    factors = model.ops.xp.repeat(mask, lengths, axis=0)
    return rows * factors, factors


def _mask(model: Model[Any, Any], rate: float | None, *shape: int) -> FloatsXd | None:
    """Dropout: zeros, and 1 / (1 - rate) for kept features, so that the mean stays the
    same. None if the training loop's rate is 0."""
    of_loop = model.attrs["dropout_rate"]
    rate = of_loop if rate is None or not of_loop else rate
    return model.ops.get_dropout_mask(shape, rate) if rate else None


class _Pass:
    """One forward pass of a layer.

    layer: The layer.
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
        self._layer, self._xp, self._packing = layer, layer.ops.xp, packing
        self._cell: Cell = layer.attrs["cell"]
        self._X, self._mask = X, mask
        b: Any = layer.get_param("b")
        self._Wx: Floats4d = layer.get_param("Wx")
        self._Wh: Floats4d = layer.get_param("Wh")
        self._b: Floats4d = b[:, :, None]
        self._nD = layer.get_dim("nD")
        self._nH = layer.get_dim("nO") // self._nD
        self._rows = self._xp.asarray(packing.both_rows[: self._nD])
        self._has_copies = len(X) > nI
        if self._has_copies:
            self._copy_weights()
        self._n = 0  # running sequences
        shape = (self._nD, packing.n_first, self._nH)
        self._h: Floats3d = self._xp.zeros(shape, dtype="f")
        parts = self._xp.zeros((self._cell.n_parts, *shape), dtype="f")
        self._parts, self._memory = parts, parts.reshape(-1)

    def predict(self) -> Floats2d:
        """Flat outputs, (T, O). Nothing is kept."""
        xp, nD, nH = self._xp, self._nD, self._nH
        packing = self._packing
        order = xp.asarray(packing.outputs if nD == 2 else packing.rows)
        Y = xp.empty((len(self._X), nD * nH), dtype="f")
        rows_of_Y = Y.reshape(-1, nH)
        for runs, inputs in self._input_blocks():
            first, last = runs[0].start, runs[-1].end
            # In the order of the steps, the outputs of both directions lie together.
            block = xp.empty((nD * (last - first), nH), dtype="f")
            for start, end, n in runs:
                H = block[nD * (start - first) : nD * (end - first)]
                x = inputs[:, :, start - first : end - first]
                self._advance(x, H.reshape(-1, nD, n, nH))
            rows_of_Y[order[nD * first : nD * last]] = block
        return Y

    def unroll(
        self, dropout: Floats2d | None = None, has_skip: bool = False
    ) -> tuple[Floats2d, Unrolled]:
        """Flat outputs, (T, O), and the backward pass. For the arguments see
        `Unrolled`."""
        nD, nT, nH = self._nD, len(self._X), self._nH
        mask = self._mask  # cut in the loop
        H_DTH: Floats3d = self._empty(nD, n_rows=nT)
        kept: Floats4d = self._empty(self._cell.n_kept, nD, n_rows=nT)
        for runs, inputs in self._input_blocks():
            first = runs[0].start
            for start, end, n in runs:
                H = H_DTH[:, start:end].reshape(nD, -1, n, nH).transpose(1, 0, 2, 3)
                x = inputs[:, :, start - first : end - first]
                self._advance(x, H, kept[:, :, start:end])
        Y_TDH = self._xp.empty((nT, nD, nH), dtype="f")
        for d, rows in enumerate(self._rows):
            Y_TDH[rows, d] = H_DTH[d]
        X, Y = self._X, Y_TDH.reshape(nT, nD * nH)
        skips = has_skip and X.shape == Y.shape
        unrolled = Unrolled(
            self._layer, self._packing, X, dropout, mask, skips, H_DTH, kept
        )
        return Y + X if skips else Y, unrolled

    def _copy_weights(self) -> None:
        """Spare passes over the results by a copy of the weights, if there are many
        rows: the bias becomes the weight of one more input, 1, and the weights of the
        gates with a sigmoid are halved (see `Cell.forward`)."""
        xp, cell = self._xp, self._cell
        scale = xp.asarray(cell.scale, dtype="f").reshape(-1, 1, 1, 1)
        Wx = xp.concatenate([self._Wx, self._b[cell.inputs]], axis=2)
        self._Wx = Wx * scale[cell.inputs]
        self._Wh = self._Wh * scale[cell.recurrent]

    def _input_blocks(self) -> Iterator[tuple[list[Run], Floats4d]]:
        """x_t Wx + b by gate, (gates, D, rows, H), for some runs of steps at a time."""
        xp, X, Wx, bias = self._xp, self._X, self._Wx, self._b[self._cell.inputs]
        if self._has_copies:
            X = xp.concatenate([X, xp.ones((len(X), 1), dtype="f")], axis=1)
        n_block = min(max(_BLOCK, self._packing.n_first), len(X))
        buffer = self._empty(*Wx.shape[:2], n_rows=n_block)
        for runs in _blocks(self._packing.runs, n_block):
            first, last = runs[0].start, runs[-1].end
            inputs = buffer[:, :, : last - first]
            multiply_once(xp, X[self._rows[:, first:last]], Wx, inputs)
            if not self._has_copies:
                xp.add(inputs, bias, out=inputs)
            yield runs, inputs

    def _advance(
        self, inputs: Floats4d, H: Floats4d, kept: Floats4d | None = None
    ) -> None:
        """Advance by some steps, with the first n of the sequences so far.

        inputs: x_t Wx + b of all steps, by gate.  (gates, D, steps n, H)
        H: Receives the outputs.  (steps, D, n, H)
        kept: Receives the parts that the backward pass needs.
            (n_kept, D, steps n, H)
        """
        n_steps, nD, n, nH = H.shape
        by_step, steps_first = (-1, nD, n_steps, n, nH), (2, 0, 1, 3, 4)
        X = inputs.reshape(by_step).transpose(steps_first)
        keeps: Any = repeat(None)
        if kept is not None and len(kept):
            keeps = kept.reshape(by_step).transpose(steps_first)
        is_first_step = not self._n
        if n != self._n:
            self._cut(n)
        multiply, step, mask = self._multiply, self._step, self._mask
        h_before = self._h
        for x, h, keep in zip(X, H, keeps, strict=False):
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
        self._step = cell.forward(self._xp, self._parts, self._b, self._has_copies)

    def _empty(self, *before: int, n_rows: int) -> FloatsXd:
        """Room for packed rows: (*before, rows, H)."""
        if self._packing.n_first > 1:
            return self._xp.empty((*before, n_rows, self._nH), dtype="f")
        axes = (*range(1, len(before) + 1), 0, len(before) + 1)
        room = self._xp.empty((n_rows, *before, self._nH), dtype="f")
        return room.transpose(axes)


def _blocks(runs: list[Run], n_rows: int) -> Iterator[list[Run]]:
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
