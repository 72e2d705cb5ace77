"""The long short-term memory network.

Equations (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), with * the
element-wise product::

    o_t, f_t, i_t = sigmoid(x_t Wx + h_{t-1} Wh + b)      output, forget, input gate
    c~_t          = tanh(x_t Wx + h_{t-1} Wh + b)         candidate
    c_t           = f_t * c_{t-1} + i_t * c~_t            cell
    h_t           = o_t * tanh(c_t)                       output

On its way back in time the gradient has a path along the cells, whose factor is f_t
alone. From step t there flows to h_{t-1} and c_{t-1}::

    (gradient of the gates' sums at t) Wh^T
    dc_t * f_t        dc_t: dh_t * o_t * (1 - tanh(c_t)^2), and what step t+1 sent

Letters of array axes: as in recurrent.py; the gates stand in the order o, f, i, c~.
"""

from typing import TYPE_CHECKING, Any

from thinc.api import Model

from ..types import Floats2d, Floats3d, Floats4d, FloatsXd
from .recurrent import Cell, Step, Steps, StepsBack, recurrent_stack

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .recurrent import StackSettings


def LSTM(
    nO: int,
    nI: int | None = None,
    *,
    forget_bias: float = 1.0,
    **settings: "Unpack[StackSettings]",
) -> Model[list[Floats2d], list[Floats2d]]:
    """Stacked LSTM over sequences of any lengths: the same function as
    `torch.nn.LSTM` for the same weights, without padding.

    forget_bias (float): Initial bias of the forget gate. A positive one lets the cells
        remember from the start (Jozefowicz et al. 2015).
    nO, nI, settings, RETURNS, RAISES: As of `recurrent_stack`.
    """
    return recurrent_stack(LSTMCell(forget_bias), nO, nI, **settings)


class _Steps(Steps):
    """Forward. The order of the memory is::

        i   f   o   c~   c_{t-1}   i c~   f c_{t-1}   tanh(c_t)        each (D, n, H)

    so that one tanh serves all four gates, as sigmoid(x) is (1 + tanh(x / 2)) / 2, and
    one product and one sum make i c~ + f c_{t-1}. With a single sequence, where calls
    cost more than the arithmetic, fewer of them count most.
    """

    n_parts = 8
    _c: Floats3d | None = None  # before the first step

    def arrange(self, parts: Floats4d) -> Step:
        """A step that keeps i, f, o, c~, c_{t-1} and tanh(c_t)."""
        add, multiply, tanh = self.xp.add, self.xp.multiply, self.xp.tanh
        half = self.half
        state, gates, sigmoids = parts[:5], parts[:4], parts[:3]
        i_f, o, new_old, weighted = parts[:2], parts[2], parts[3:5], parts[5:7]
        (new, old), tanh_c = weighted, parts[7]
        c_before = 0.0 if self._c is None else self._c[:, : parts.shape[2]].copy()
        self._c = c = parts[4]
        c[:] = c_before

        def step(x: Floats4d, _: Floats3d, h: Floats3d, kept: Floats4d | None) -> None:
            add(gates, x, out=gates)
            tanh(gates, out=gates)
            multiply(sigmoids, half, out=sigmoids)
            add(sigmoids, half, out=sigmoids)
            if kept is not None:
                kept[:5] = state
            multiply(i_f, new_old, out=weighted)
            add(new, old, out=c)
            tanh(c, out=tanh_c)
            if kept is not None:
                kept[5] = tanh_c
            multiply(o, tanh_c, out=h)

        return step


class _StepsBack(StepsBack):
    """Backward: beside dh, dc flows from step to step."""

    _dc_next: Floats3d | None = None  # the gradient that comes from the next step

    def prepare(self, kept_KDTH: Floats4d, H_DTH: Floats3d) -> None:
        """The derivatives with respect to the cell (of the output gate: to the
        output), and dh/dc."""
        xp = self.xp
        i, f, o, candidate, C_before, tanhC = kept_KDTH
        slopes = ((o, tanhC), (f, C_before), (i, candidate))
        slope = xp.empty_like(H_DTH)
        for gate, (sigmoid, factor) in enumerate(slopes):
            xp.subtract(1, sigmoid, out=slope)
            slope *= sigmoid
            xp.multiply(slope, factor, out=self.dgates[:, :, gate])
        xp.multiply(candidate, candidate, out=slope)
        xp.subtract(1, slope, out=slope)
        xp.multiply(slope, i, out=self.dgates[:, :, 3])
        dh_dc = slope
        xp.multiply(tanhC, tanhC, out=dh_dc)
        xp.subtract(1, dh_dc, out=dh_dc)
        dh_dc *= o
        self._dh_dc, self._f = dh_dc, f

    def step(self, now: slice, dh: Floats3d) -> None:
        dc, dgates = self._dh_dc[:, now], self.dgates[:, now]
        dc *= dh
        if self._dc_next is not None:
            dc[:, : self._dc_next.shape[1]] += self._dc_next
        dgates[:, :, 0] *= dh
        dgates[:, :, 1:] *= dc[:, :, None]
        if now.start:
            dc *= self._f[:, now]
            self.clip(dc)
            self._dc_next = dc


class LSTMCell(Cell):
    """forget_bias (float): Initial bias of the forget gate."""

    name, n_gates, n_kept = "lstm", 4, 6
    steps, steps_back = _Steps, _StepsBack

    def __init__(self, forget_bias: float = 1.0) -> None:
        self.forget_bias = forget_bias

    def initial_weights(
        self, ops: Any, nI: int, nH: int
    ) -> tuple[Floats2d, Floats2d, Floats2d]:
        Wx, Wh, b = super().initial_weights(ops, nI, nH)
        b[nH : 2 * nH] = self.forget_bias
        return Wx, Wh, b

    def put_in_order(
        self, xp: Any, param: FloatsXd, gates: slice, ordered: FloatsXd
    ) -> None:
        """The gates o, f, i, c~ as i, f, o, c~, and the sums of the three sigmoids
        halved."""
        xp.multiply(param[2::-1], 0.5, out=ordered[:3])
        ordered[3] = param[3]
