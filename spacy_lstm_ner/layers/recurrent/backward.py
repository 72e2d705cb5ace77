"""The backward pass: backpropagation through time, and through the stack of layers.

Letters of array axes: see layer.py. G are the gates side by side, each of width H.
"""

from dataclasses import dataclass
from typing import Any

from thinc.api import Model
from thinc.types import Ragged

from ...packing import Packing
from ...types import Floats2d, Floats3d, Floats4d, FloatsXd, Ints2d
from ..common import Encoder
from . import matmul
from .cell import Cell
from .matmul import multiplier


@dataclass(frozen=True)
class Unrolled:
    """A layer unrolled in time over one batch: the result of the forward pass, in
    packed order, and the backward pass.

    rows: The flat row of each packed row, for each direction.  (D, T)
    X: The input, after dropout.  (T, I)
    dropout: Factors of the input.  (T, I)
    mask: Recurrent dropout: factors of h_{t-1} in the product.  (D, B, H)
    has_skip: Whether the input is added to the output.
    H: The outputs, without the input.  (D, T, H)
    kept: The parts of each step that the cell needs.  (n_kept, D, T, H)
    """

    layer: Model[Ragged, Ragged]
    packing: Packing
    rows: Ints2d
    X: Floats2d
    dropout: Floats2d | None
    mask: Floats3d | None
    has_skip: bool
    H: Floats3d
    kept: Floats4d

    def backprop(self, dY: Floats2d) -> Floats2d:
        """Add to the gradients of the parameters: (T, O) -> (T, I)."""
        _, dgates = self.through_time(dY)
        dX = self._learn(dgates)
        if self.has_skip:
            dX += dY
        if self.dropout is not None:
            dX *= self.dropout
        return dX

    def through_time(self, dY: Floats2d) -> tuple[Floats3d, Floats4d]:
        """Backpropagation through time: the gradients of the outputs, (D, T, H), and of
        the pre-activations, (gates, D, T, H)."""
        xp = self.layer.ops.xp
        cell: Cell = self.layer.attrs["cell"]
        limit: float | None = self.layer.attrs["settings"].grad_clip
        WhT_DGH = _side_by_side(self.layer.get_param("Wh")).transpose(0, 2, 1)
        if matmul.SMALL_KERNELS and self.packing.n_first > 1:
            WhT_DGH = xp.ascontiguousarray(WhT_DGH)  # see `matmul._MOST`

        nD, nT, nH = self.H.shape
        dH = xp.empty_like(self.H)
        for d, rows in enumerate(self.rows):
            dH[d] = dY[rows, d * nH : (d + 1) * nH]
        # In memory, the gates of a row lie side by side: one product sums over them.
        dgates = _by_gate(xp.empty((nD, nT, cell.n_gates * nH), dtype="f"), nH)
        step, own = cell.backward(xp, self.kept, self.H, dgates, limit)
        views = dH, _side_by_side(dgates[cell.recurrent]), *own
        d_later: Floats3d | None = None  # gradient of the gates of the next step
        direct: Floats3d | None = None  # what the next step sends past the product
        dh_next: Floats3d | None = None  # what the next step sends
        for start, end, n in reversed(self.packing.runs):
            now = [_steps_back(view[..., start:end, :], n) for view in views]
            for dh, d_now, *own_now in zip(*now, strict=True):
                if d_later is not None:
                    if dh_next is None or dh_next.shape[1] != d_later.shape[1]:
                        dh_next = xp.empty((nD, d_later.shape[1], nH), dtype="f")
                        multiply = multiplier(xp, WhT_DGH, dh_next)
                    multiply(d_later)
                    if self.mask is not None:
                        dh_next *= self.mask[:, : d_later.shape[1]]
                    if direct is not None:
                        dh_next += direct
                    if limit is not None:
                        xp.clip(dh_next, -limit, limit, out=dh_next)
                    lasting = dh[:, : dh_next.shape[1]]  # the others end here
                    xp.add(lasting, dh_next, out=lasting)
                direct = step(dh, *own_now)
                d_later = d_now
        return dH, dgates

    def _learn(self, dgates: Floats4d) -> Floats2d:
        """Add to the gradients of the parameters, from the gradients of the
        pre-activations; return the gradient of the input, (T, I)."""
        layer, packing, xp = self.layer, self.packing, self.layer.ops.xp
        cell: Cell = layer.attrs["cell"]
        nH = dgates.shape[-1]
        dinputs_DTG = _side_by_side(dgates[cell.inputs])
        # The first step has no output before it.
        dlater_DTG = _side_by_side(dgates[cell.recurrent, :, packing.n_first :])
        before_DTH = self.H[:, xp.asarray(packing.previous)]
        if self.mask is not None:
            before_DTH *= self.mask[:, xp.asarray(packing.ranks[packing.n_first :])]
        XT_DIT = self.X[self.rows].transpose(0, 2, 1)
        HT_DHT = before_DTH.transpose(0, 2, 1)
        layer.inc_grad("Wx", _by_gate(xp.matmul(XT_DIT, dinputs_DTG), nH))
        layer.inc_grad("Wh", _by_gate(xp.matmul(HT_DHT, dlater_DTG), nH))
        layer.inc_grad("b", _by_gate(_side_by_side(dgates).sum(axis=1), nH))
        WxT_DGI = _side_by_side(layer.get_param("Wx")).transpose(0, 2, 1)
        dX = xp.zeros_like(self.X)
        for rows, packed in zip(
            self.rows, xp.matmul(dinputs_DTG, WxT_DGI), strict=True
        ):
            dX[rows] += packed
        return dX


@dataclass(frozen=True)
class Tape:
    """The backward pass of a stack.

    lengths: The length of each sequence.
    layers: The layers from the first to the last.
    dropout: Factors of the last one's output.  (T, O)
    """

    model: Encoder
    lengths: list[int]
    layers: list[Unrolled]
    dropout: Floats2d | None

    def backprop(self, dY: list[Floats2d]) -> list[Floats2d]:
        """Add to the gradients of the parameters: (T_b, O) -> (T_b, I) for each b."""
        ops: Any = self.model.ops
        dX: list[Floats2d] = ops.unflatten(
            self.layers[0].backprop(self.into_first(dY)), self.lengths
        )
        return dX

    def into_first(self, dY: list[Floats2d]) -> Floats2d:
        """The gradient of the output of the first layer, (T, O); the parameters of the
        later layers learn."""
        d_rows: Floats2d = self.model.ops.xp.concatenate(dY).astype("f", copy=False)
        if self.dropout is not None:
            d_rows = d_rows * self.dropout
        for layer in self.layers[:0:-1]:
            d_rows = layer.backprop(d_rows)
        return d_rows


def _steps_back(packed: FloatsXd, n: int) -> FloatsXd:
    """A view of packed rows, n for each step, from the last step to the first:
    (..., T, K) -> (T / n, ..., n, K)."""
    *others, n_rows, width = packed.shape
    at = len(others)
    view = packed.reshape(*others, n_rows // n, n, width)
    return view.transpose(at, *range(at), at + 1, at + 2)[::-1]


def _by_gate(side_by_side: FloatsXd, nH: int) -> FloatsXd:
    """A view with the gates first: (D, ..., G) -> (gates, D, ..., H)."""
    *others, nG = side_by_side.shape
    at = len(others)
    view = side_by_side.reshape(*others, nG // nH, nH)
    return view.transpose(at, *range(at), at + 1)


def _side_by_side(by_gate: Floats4d) -> Floats3d:
    """The reverse, (gates, D, K, H) -> (D, K, G): a view of gradients from `_by_gate`,
    a copy of parameters."""
    n_gates, nD, nK, nH = by_gate.shape
    return by_gate.transpose(1, 2, 0, 3).reshape(nD, nK, n_gates * nH)
