"""The gated recurrent unit.

Equations (Cho et al. 2014; the reset gate after the product, as in cuDNN and
`torch.nn.GRU`), with * the element-wise product::

    r_t, z_t = sigmoid(x_t Wx + h_{t-1} Wh + b)      reset, update gate
    a_t      = h_{t-1} Wh + b                        what the candidate sees of h_{t-1}
    n_t      = tanh(x_t Wx + b + r_t * a_t)          candidate
    h_t      = n_t + z_t * (h_{t-1} - n_t)           output

On its way back in time the gradient has a path past the products, whose factor is z_t
alone. From step t there flows to h_{t-1}::

    (gradient of the gates' sums at t) Wh^T + dh_t * z_t

Letters of array axes: as in recurrent.py; the gates stand in the order n, r, z, a, of
which the input feeds n, r, z and the previous output r, z, a.
"""

from typing import TYPE_CHECKING, Any

from thinc.api import Model

from ...types import Floats2d, Floats3d, Floats4d, FloatsXd
from .cell import Cell, Step, Steps, StepsBack
from .stack import recurrent_stack

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .stack import StackSettings


def GRU(
    nO: int, nI: int | None = None, **settings: "Unpack[StackSettings]"
) -> Model[list[Floats2d], list[Floats2d]]:
    """Stacked GRU over sequences of any lengths: the same function as `torch.nn.GRU`
    for the same weights, without padding. Recurrent dropout hides from the products
    what it drops of h_{t-1}, not from z_t * h_{t-1}.

    nO, nI, settings, RETURNS, RAISES: As of `recurrent_stack`.
    """
    return recurrent_stack(GRUCell(), nO, nI, **settings)


class _Steps(Steps):
    """Forward. The order of the memory is r, z, a, n, h_{t-1} - n."""

    n_parts = 5

    def arrange(self, parts: Floats4d) -> Step:
        """A step that keeps r, z, a, n and h_{t-1} - n."""
        add, multiply, tanh = self.xp.add, self.xp.multiply, self.xp.tanh
        subtract, half = self.xp.subtract, self.half
        sigmoids = parts[:2]
        r, z, a, n, change = parts
        bias = self.b[3]  # of a

        def step(
            x: Floats4d, previous: Floats3d, h: Floats3d, kept: Floats4d | None
        ) -> None:
            add(sigmoids, x[1:], out=sigmoids)
            tanh(sigmoids, out=sigmoids)
            multiply(sigmoids, half, out=sigmoids)
            add(sigmoids, half, out=sigmoids)
            add(a, bias, out=a)
            multiply(r, a, out=n)
            add(n, x[0], out=n)
            tanh(n, out=n)
            subtract(previous, n, out=change)
            if kept is not None:
                kept[:] = parts
            multiply(z, change, out=h)
            add(h, n, out=h)

        return step


class _StepsBack(StepsBack):
    def prepare(self, kept_KDTH: Floats4d, H_DTH: Floats3d) -> None:
        r, z, a, n, change = kept_KDTH
        dn, dr, dz, da = self.dgates
        dn[:] = (1 - z) * (1 - n * n)
        self.xp.multiply(dn, r, out=da)
        dr[:] = da * a * (1 - r)
        dz[:] = change * z * (1 - z)
        self.views = self.dgates, z

    def step(self, dh: Floats3d, *views: FloatsXd) -> Floats3d:
        dgates, z = views
        dgates *= dh
        return dh * z


class GRUCell(Cell):
    """What is different in the GRU: two gates feed on one product alone."""

    name, n_gates, n_kept = "gru", 4, 5
    inputs, recurrent = slice(0, 3), slice(1, 4)
    steps, steps_back = _Steps, _StepsBack

    def put_in_order(
        self, xp: Any, param: FloatsXd, gates: slice, ordered: FloatsXd
    ) -> None:
        """The sums of the two sigmoids halved: sigmoid(x) = (1 + tanh(x / 2)) / 2."""
        half = xp.asarray([1, 0.5, 0.5, 1], dtype="f")[gates]
        xp.multiply(param, half.reshape(-1, *[1] * (param.ndim - 1)), out=ordered)
