"""The forward pass over a batch: the loop over the steps of time, and its memory.

Only here it matters how arrays lie in memory, and only for speed:

- Sequences are packed, not padded, and both directions advance in the same step.
- Each step works in one preallocated buffer, cut into one contiguous array per gate and
  intermediate result. The buffer is cut anew when sequences end.
- x_t Wx + b is computed for a block of steps at a time, in a buffer that stays in the
  processor's cache. Fresh memory for the whole batch would cost more than the
  arithmetic on it.
- The time of a single sequence goes into calls, so all arrays of a step lie together.

Letters of array axes: T tokens of the batch, D directions, I input width, H width of
one direction, n running sequences.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

from ...packing import Packing, Run, by_step
from ...types import Floats2d, Floats3d, Floats4d, Floats5d, FloatsXd, Ints2d
from .cell import Cell
from .matmul import multiplier, multiply_once

# Rows of a block of steps.
_BLOCK = 256


class Workspace:
    """One forward pass of a layer.

    xp: NumPy or CuPy.
    cell: The equations.
    Wx, Wh, b: The parameters by gate, see `recurrent_layer`.
    packing: The packed order of the batch.
    rows: The flat rows in packed order, for each direction.  (D, T)
    mask: Recurrent dropout: factors of h_{t-1} in the product.  (D, B, H)
    """

    def __init__(
        self,
        xp: Any,
        cell: Cell,
        Wx: Floats4d,
        Wh: Floats4d,
        b: Floats3d,
        packing: Packing,
        rows: Ints2d,
        mask: Floats3d | None = None,
    ) -> None:
        self._xp, self._cell, self._packing, self._rows = xp, cell, packing, rows
        self._Wx, self._Wh, self._b = Wx, Wh, b[:, :, None]
        self._mask = mask
        self._nD, self._nH = Wh.shape[1], Wh.shape[3]
        self._has_copies = rows.shape[1] > Wx.shape[2]
        if self._has_copies:
            self._copy_weights()
        self._n = 0  # running sequences
        shape = (self._nD, packing.n_first, self._nH)
        self._h: Floats3d = xp.zeros(shape, dtype="f")
        self._parts: Floats4d = xp.zeros((cell.n_parts, *shape), dtype="f")
        self._memory = self._parts.reshape(-1)

    def predict(self, X_TI: Floats2d) -> Floats2d:
        """Flat outputs, (T, O). Nothing is kept."""
        xp, nD, nH = self._xp, self._nD, self._nH
        Y_TO = xp.empty((len(X_TI), nD * nH), dtype="f")
        rows_of_Y = Y_TO.reshape(-1, nH)
        order = xp.asarray(self._packing.outputs if nD == 2 else self._packing.rows)
        for runs, inputs in self._input_blocks(X_TI):
            first, last = runs[0].start, runs[-1].end
            # In the order of the steps, the outputs of both directions lie together.
            block = xp.empty((nD * (last - first), nH), dtype="f")
            for start, end, n in runs:
                now = slice(start - first, end - first)
                H = block[nD * now.start : nD * now.stop].reshape(-1, nD, n, nH)
                self._advance(by_step(inputs[:, :, now], n), H)
            rows_of_Y[order[nD * first : nD * last]] = block
        return Y_TO

    def record(self, X_TI: Floats2d) -> tuple[Floats3d, Floats4d]:
        """Packed outputs, (D, T, H), and the parts that the backward pass needs,
        (n_kept, D, T, H)."""
        H_DTH: Floats3d = self._empty(self._nD, n_rows=len(X_TI))
        kept: Floats4d = self._empty(self._cell.n_kept, self._nD, n_rows=len(X_TI))
        for runs, inputs in self._input_blocks(X_TI):
            first = runs[0].start
            for start, end, n in runs:
                self._advance(
                    by_step(inputs[:, :, start - first : end - first], n),
                    by_step(H_DTH[:, start:end], n),
                    by_step(kept[:, :, start:end], n),
                )
        return H_DTH, kept

    def _copy_weights(self) -> None:
        """Spare passes over the results by a copy of the weights, if there are many
        rows: the bias becomes the weight of one more input, 1, and the weights of the
        gates with a sigmoid are halved (see `Cell.forward`)."""
        xp, cell = self._xp, self._cell
        scale = xp.asarray(cell.scale, dtype="f").reshape(-1, 1, 1, 1)
        Wx = xp.concatenate([self._Wx, self._b[cell.inputs]], axis=2)
        self._Wx = Wx * scale[cell.inputs]
        self._Wh = self._Wh * scale[cell.recurrent]

    def _input_blocks(self, X_TI: Floats2d) -> Iterator[tuple[list[Run], Floats4d]]:
        """x_t Wx + b by gate, (gates, D, rows, H), for some runs of steps at a time."""
        xp, Wx, bias = self._xp, self._Wx, self._b[self._cell.inputs]
        nT = len(X_TI)
        if self._has_copies:
            X_TI = xp.concatenate([X_TI, xp.ones((nT, 1), dtype="f")], axis=1)
        n_block = min(max(_BLOCK, self._packing.n_first), nT)
        buffer = self._empty(*Wx.shape[:2], n_rows=n_block)
        for runs in self._packing.blocks(n_block):
            first, last = runs[0].start, runs[-1].end
            inputs = buffer[:, :, : last - first]
            multiply_once(xp, X_TI[self._rows[:, first:last]], Wx, inputs)
            if not self._has_copies:
                xp.add(inputs, bias, out=inputs)
            yield runs, inputs

    def _advance(
        self, inputs: Floats5d, H: Floats4d, kept: Floats5d | None = None
    ) -> None:
        """Advance by some steps, with the first n of the sequences so far.

        inputs: x_t Wx + b of each step, by gate.  (steps, gates, D, n, H)
        H: Receives the outputs.  (steps, D, n, H)
        kept: Receives the parts that the backward pass needs.  (steps, n_kept, D, n, H)
        """
        is_first_step = not self._n
        if H.shape[2] != self._n:
            self._cut(H.shape[2])
        multiply, step, mask = self._multiply, self._step, self._mask
        h_before = self._h
        keeps = repeat(None) if kept is None else kept
        for x, h, keep in zip(inputs, H, keeps, strict=False):
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
