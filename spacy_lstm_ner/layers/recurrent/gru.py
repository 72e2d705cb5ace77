"""The gated recurrent unit.

Equations (Cho et al. 2014; the reset gate after the product, as in cuDNN and
`torch.nn.GRU`), with * the element-wise product::

    r_t, z_t = sigmoid(x_t Wx + h_{t-1} Wh + b)      reset gate, update gate
    a_t      = h_{t-1} Wh + b                        the candidate's view of h_{t-1}
    n_t      = tanh(x_t Wx + b + r_t * a_t)          candidate
    h_t      = n_t + z_t * (h_{t-1} - n_t)           output

Each gate has weights of its own. Parameters hold them in the order n, r, z, a: Wx those
of n, r, z; Wh those of r, z, a; b all four.

Backward, step t sends to h_{t-1}::

    (gradient of the pre-activations at t) Wh^T + dh_t * z_t

The second path has the factor z_t alone: near 1, it keeps the gradient.
"""

from typing import Any

from ...types import Floats3d, Floats4d
from ..common import Encoder
from .cell import Backward, Cell, Limit, Step
from .layer import recurrent_stack


def GRU(nO: int, nI: int | None = None, **settings: Any) -> Encoder:
    """Stacked GRU over sequences of any lengths, without padding. It computes the same
    function as `torch.nn.GRU` with the same weights. Recurrent dropout drops features
    of h_{t-1} in the products, not in z_t * h_{t-1}.

    nO, nI, settings, RETURNS, RAISES: See `recurrent_stack`.
    """
    return recurrent_stack(GRUCell(), nO, nI, **settings)


class GRUCell(Cell):
    """The GRU: two gates with one product each."""

    name, n_gates, scale = "gru", 4, (1.0, 0.5, 0.5, 1.0)
    inputs, recurrent = slice(0, 3), slice(1, 4)
    # r, z, a, n, h_{t-1} - n
    n_parts, products, n_kept = 5, slice(0, 3), 5

    def forward(self, xp: Any, parts: Floats4d, b: Floats4d, is_scaled: bool) -> Step:
        """The step forward: it keeps all parts."""
        add, multiply, subtract, tanh = xp.add, xp.multiply, xp.subtract, xp.tanh
        half = xp.asarray(0.5, dtype="f")  # faster than a Python number
        r, z, a, n, change = parts
        sigmoids, a_bias = parts[:2], b[3]

        # The third argument is the output: faster than `out=`.
        def step(
            x: Floats4d, h_before: Floats3d, h: Floats3d, kept: Floats4d | None
        ) -> None:
            add(sigmoids, x[1:], sigmoids)
            if not is_scaled:  # sigmoid(s) = (1 + tanh(s / 2)) / 2
                multiply(sigmoids, half, sigmoids)
            tanh(sigmoids, sigmoids)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            add(a, a_bias, a)
            multiply(r, a, n)
            add(n, x[0], n)
            tanh(n, n)
            subtract(h_before, n, change)
            if kept is not None:
                kept[:] = parts
            multiply(z, change, h)
            add(h, n, h)  # h_t = n_t + z_t * (h_{t-1} - n_t)

        return step

    def backward(
        self, xp: Any, kept: Floats4d, H: Floats3d, dgates: Floats4d, limit: Limit
    ) -> Backward:
        """The step backward: all factors are known before."""
        r, z, a, n, change = kept
        dn, dr, dz, da = dgates
        dn[:] = (1 - z) * (1 - n * n)
        xp.multiply(dn, r, out=da)
        dr[:] = da * a * (1 - r)
        dz[:] = change * z * (1 - z)

        def step(dh: Floats3d, dgates: Floats4d, z: Floats3d) -> Floats3d:
            dgates *= dh
            return dh * z

        return step, (dgates, z)
