"""The plain recurrent network, and the identity network.

Equation (Elman 1990)::

    h_t = f(x_t Wx + h_{t-1} Wh + b)          f: tanh or max(0, .)

On its way back in time the gradient is multiplied by the same matrix at every step, so
that it vanishes or explodes with their number (Bengio et al. 1994; Pascanu et al.
2013). From step t there flows to h_{t-1}::

    (dh_t * f'(the sum at t)) Wh^T

The identity network (Le, Jaitly & Hinton 2015, https://arxiv.org/abs/1504.00941) has
f = max(0, .) and starts at Wh = 1, b = 0: without an input it keeps its state for ever,
and the gradient with it.

Letters of array axes: as in recurrent.py; there is one gate, the sum.
"""

from typing import TYPE_CHECKING, Any, Literal, get_args

from thinc.api import Model

from ...checks import check_choice
from ...types import Floats2d, Floats3d, Floats4d, FloatsXd
from .cell import Cell, Step, Steps, StepsBack
from .stack import recurrent_stack

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .stack import StackSettings

Activation = Literal["tanh", "relu"]
Init = Literal["orthogonal", "identity"]


def RNN(
    nO: int,
    nI: int | None = None,
    *,
    activation: Activation = "tanh",
    init: Init = "orthogonal",
    **settings: "Unpack[StackSettings]",
) -> Model[list[Floats2d], list[Floats2d]]:
    """Stacked plain recurrent network over sequences of any lengths: the same function
    as `torch.nn.RNN` for the same weights, without padding.

    activation (str): "tanh" or "relu".
    init (str): Initial recurrent weights: "orthogonal", with Glorot-uniform input
        weights, or "identity", with small input weights, normal with deviation 0.001.
    nO, nI, settings, RETURNS: As of `recurrent_stack`.
    RAISES ValueError: If a setting is out of its range (L001 to L004, L100).
    """
    return recurrent_stack(RNNCell(activation, init), nO, nI, **settings)


class _TanhSteps(Steps):
    n_parts = 1

    def arrange(self, parts: Floats4d) -> Step:
        (sums,), add, tanh = parts, self.xp.add, self.xp.tanh

        def step(x: Floats4d, _: Floats3d, h: Floats3d, kept: Floats4d | None) -> None:
            add(sums, x[0], out=h)
            tanh(h, out=h)

        return step


class _StepsBack(StepsBack):
    def step(self, dh: Floats3d, *views: FloatsXd) -> None:
        (dsums,) = views
        dsums *= dh


class _TanhStepsBack(_StepsBack):
    def prepare(self, kept_KDTH: Floats4d, H_DTH: Floats3d) -> None:
        self.views = (self.dgates[0],)
        self.xp.subtract(1, H_DTH * H_DTH, out=self.dgates[0])


class _ReLUSteps(Steps):
    n_parts = 1

    def arrange(self, parts: Floats4d) -> Step:
        (sums,), add, maximum = parts, self.xp.add, self.xp.maximum

        def step(x: Floats4d, _: Floats3d, h: Floats3d, kept: Floats4d | None) -> None:
            add(sums, x[0], out=h)
            maximum(h, 0, out=h)

        return step


class _ReLUStepsBack(_StepsBack):
    def prepare(self, kept_KDTH: Floats4d, H_DTH: Floats3d) -> None:
        self.views = (self.dgates[0],)
        self.dgates[0] = H_DTH > 0


_ACTIVATIONS: dict[Activation, tuple[type[Steps], type[StepsBack]]] = {
    "tanh": (_TanhSteps, _TanhStepsBack),
    "relu": (_ReLUSteps, _ReLUStepsBack),
}


class RNNCell(Cell):
    """activation, init: As of `RNN`."""

    name, n_gates, n_kept = "rnn", 1, 0

    def __init__(
        self, activation: Activation = "tanh", init: Init = "orthogonal"
    ) -> None:
        check_choice("activation", activation, _ACTIVATIONS)
        check_choice("init", init, get_args(Init))
        self.activation, self.init = activation, init
        self.steps, self.steps_back = _ACTIVATIONS[activation]

    def initial_weights(
        self, ops: Any, nI: int, nH: int
    ) -> tuple[Floats2d, Floats2d, Floats2d]:
        """As of all cells; or (Le, Jaitly & Hinton 2015) the identity for the recurrent
        weights, and small input weights."""
        if self.init == "orthogonal":
            return super().initial_weights(ops, nI, nH)
        Wx = ops.asarray(ops.xp.random.normal(scale=0.001, size=(nI, nH)), dtype="f")
        return Wx, ops.xp.eye(nH, dtype="f"), ops.alloc1f(nH)
