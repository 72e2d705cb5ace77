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

from ...types import Floats2d, Floats3d, Floats4d, FloatsXd
from .cell import Cell, Step, Steps, StepsBack, add_later
from .stack import recurrent_stack

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .stack import StackSettings


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

        c_{t-1}   c~   f   i   o   f c_{t-1}   i c~   tanh(c_t)        each (D, n, H)

    so that one tanh serves all four gates, as sigmoid(x) is (1 + tanh(x / 2)) / 2, one
    product and one sum make f c_{t-1} + i c~, and one copy keeps what the way back
    needs. With a single sequence, where calls cost more than the arithmetic, fewer of
    them count most.
    """

    n_parts = 8
    first_product = 1
    _c: Floats3d | None = None  # before the first step

    def arrange(self, parts: Floats4d) -> Step:
        """A step that keeps all but c_{t-1}."""
        add, multiply, tanh = self.xp.add, self.xp.multiply, self.xp.tanh
        half = self.half
        gates, sigmoids, to_keep = parts[1:5], parts[2:5], parts[1:]
        old_new, f_i, weighted = parts[:2], parts[2:4], parts[5:7]
        o, (old, new), tanh_c = parts[4], weighted, parts[7]
        c_before = 0.0 if self._c is None else self._c[:, : parts.shape[2]].copy()
        self._c = c = parts[0]
        c[:] = c_before

        def step(x: Floats4d, _: Floats3d, h: Floats3d, kept: Floats4d | None) -> None:
            # Where results go stands third: quicker than by its name.
            add(gates, x, gates)
            tanh(gates, gates)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            multiply(f_i, old_new, weighted)
            add(old, new, c)
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)
            if kept is not None:
                kept[:] = to_keep

        return step


class _StepsBack(StepsBack):
    """Backward: beside dh, dc flows from step to step."""

    _dc_next: Floats3d | None = None  # the gradient that comes from the next step

    def prepare(self, kept_KDTH: Floats4d, H_DTH: Floats3d) -> None:
        """The derivatives with respect to the cell (of the output gate: to the
        output), and dh/dc. Some of their factors have been multiplied already: h is
        o tanh(c), and there are f c_{t-1} and i c~."""
        xp = self.xp
        candidate, f, i, o, _, new, tanh_c = kept_KDTH
        do, _, _, dcandidate = self.dgates
        xp.multiply(1 - o, H_DTH, out=do)
        xp.multiply(1 - kept_KDTH[1:3], kept_KDTH[4:6], out=self.dgates[1:3])
        xp.subtract(i, new * candidate, out=dcandidate)
        dh_dc = H_DTH * tanh_c
        xp.subtract(o, dh_dc, out=dh_dc)
        self.views = do, self.dgates[1:], dh_dc, f

    def step(self, dh: Floats3d, *views: FloatsXd) -> None:
        multiply = self.xp.multiply
        do, others, dc, f = views
        multiply(dc, dh, dc)
        if self._dc_next is not None:
            add_later(self.xp, dc, self._dc_next)
        multiply(do, dh, do)
        multiply(others, dc, others)
        multiply(dc, f, dc)
        self.clip(dc)
        self._dc_next = dc


class LSTMCell(Cell):
    """forget_bias (float): Initial bias of the forget gate."""

    name, n_gates, n_kept = "lstm", 4, 7
    steps, steps_back = _Steps, _StepsBack

    def __init__(self, forget_bias: float = 1.0) -> None:
        self.forget_bias = forget_bias

    def initial_weights(
        self, ops: Any, nI: int, nH: int
    ) -> tuple[Floats2d, Floats2d, Floats2d]:
        """As of all cells, but with the bias of the forget gate."""
        Wx, Wh, b = super().initial_weights(ops, nI, nH)
        b[nH : 2 * nH] = self.forget_bias
        return Wx, Wh, b

    def put_in_order(
        self, xp: Any, param: FloatsXd, gates: slice, ordered: FloatsXd
    ) -> None:
        """The gates o, f, i, c~ as c~, f, i, o, and the sums of the three sigmoids
        halved."""
        ordered[0] = param[3]
        xp.multiply(param[1:3], 0.5, out=ordered[1:3])
        xp.multiply(param[0], 0.5, out=ordered[3])
