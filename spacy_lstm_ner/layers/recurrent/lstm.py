"""The long short-term memory network.

Equations (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), with * the
element-wise product::

    o_t, i_t, f_t = sigmoid(x_t Wx + h_{t-1} Wh + b)      output, input, forget gate
    c~_t          = tanh(x_t Wx + h_{t-1} Wh + b)         candidate
    c_t           = i_t * c~_t + f_t * c_{t-1}            cell
    h_t           = o_t * tanh(c_t)                       output

Each gate has weights of its own; parameters hold them in the order o, i, f, c~.

Backward, step t sends to h_{t-1} and c_{t-1}::

    (gradient of the pre-activations at t) Wh^T
    dc_t * f_t        with dc_t = dh_t * o_t * (1 - tanh(c_t)^2) + (sent by step t+1)

The path along the cells has the factor f_t alone: near 1, it keeps the gradient.

tests/layers/recurrent/reference_lstm.py has the same equations in 40 lines of plain
NumPy, forward and backward.
"""

from typing import Any

from ...types import Floats2d, Floats3d, Floats4d
from ..common import Encoder
from .cell import Backward, Cell, Limit, Step
from .layer import recurrent_stack


def LSTM(
    nO: int,
    nI: int | None = None,
    *,
    forget_bias: float = 1.0,
    **settings: Any,
) -> Encoder:
    """Stacked LSTM over sequences of any lengths, without padding. It computes the same
    function as `torch.nn.LSTM` with the same weights.

    forget_bias (float): Initial bias of the forget gate. If positive, the cells
        remember from the start (Jozefowicz et al. 2015).
    nO, nI, settings, RETURNS, RAISES: See `recurrent_stack`.
    """
    return recurrent_stack(LSTMCell(forget_bias), nO, nI, **settings)


class LSTMCell(Cell):
    """forget_bias (float): Initial bias of the forget gate."""

    name, n_gates, scale = "lstm", 4, (0.5, 0.5, 0.5, 1.0)
    # i c~, f c, tanh(c), o, i, f, c~, c: neighbours are computed by one call.
    n_parts, products, n_states, n_kept = 8, slice(3, 7), 1, 7

    def __init__(self, forget_bias: float = 1.0) -> None:
        self.forget_bias = forget_bias

    def initial_weights(
        self, ops: Any, nI: int, nH: int
    ) -> tuple[Floats3d, Floats3d, Floats2d]:
        """The weights of every cell, with `forget_bias` as the bias of f."""
        Wx, Wh, b = super().initial_weights(ops, nI, nH)
        b[2] = self.forget_bias
        return Wx, Wh, b

    def forward(self, xp: Any, parts: Floats4d, b: Floats4d, is_scaled: bool) -> Step:
        """The step forward: it keeps all parts except c."""
        add, multiply, tanh = xp.add, xp.multiply, xp.tanh
        half = xp.asarray(0.5, dtype="f")  # faster than a Python number
        added, remembered, tanh_c, o, _, _, _, c = parts
        gates, sigmoids, all_but_c = parts[3:7], parts[3:6], parts[:7]
        added_remembered, i_f, candidate_c = parts[:2], parts[4:6], parts[6:]

        # The third argument is the output: faster than `out=`.
        def step(x: Floats4d, _: Floats3d, h: Floats3d, kept: Floats4d | None) -> None:
            add(gates, x, gates)
            if not is_scaled:  # sigmoid(s) = (1 + tanh(s / 2)) / 2
                multiply(sigmoids, half, sigmoids)
            tanh(gates, gates)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            multiply(i_f, candidate_c, added_remembered)
            add(added, remembered, c)  # c_t = i_t * c~_t + f_t * c_{t-1}
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)  # h_t = o_t * tanh(c_t)
            if kept is not None:
                kept[:] = all_but_c

        return step

    def backward(
        self, xp: Any, kept: Floats4d, H: Floats3d, dgates: Floats4d, limit: Limit
    ) -> Backward:
        """The step backward, in which dc flows beside dh."""
        multiply = xp.multiply
        added, _, tanh_c, o, i, f, candidate = kept
        do, dothers, dcandidate = dgates[0], dgates[1:], dgates[3]
        # The factors of dh in do, of dc in the others; h is o * tanh(c).
        multiply(1 - o, H, out=do)
        multiply(1 - kept[4:6], kept[:2], out=dgates[1:3])
        xp.subtract(i, added * candidate, out=dcandidate)
        dh_dc = H * tanh_c
        xp.subtract(o, dh_dc, out=dh_dc)
        dc_later: Floats3d | None = None

        def step(
            dh: Floats3d, do: Floats3d, dothers: Floats4d, dc: Floats3d, f: Floats3d
        ) -> None:
            nonlocal dc_later
            multiply(dc, dh, dc)  # dc is dh_dc before
            if dc_later is not None:
                lasting = dc[:, : dc_later.shape[1]]  # the others end here
                xp.add(lasting, dc_later, out=lasting)
            multiply(do, dh, do)
            multiply(dothers, dc, dothers)
            multiply(dc, f, dc)
            if limit is not None:
                xp.clip(dc, -limit, limit, out=dc)
            dc_later = dc

        return step, (do, dothers, dh_dc, f)
