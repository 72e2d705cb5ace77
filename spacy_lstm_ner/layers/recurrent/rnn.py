"""The plain recurrent network, and the identity network.

Equation (Elman 1990)::

    h_t = f(x_t Wx + h_{t-1} Wh + b)          f: tanh or ReLU

Backward, step t sends to h_{t-1}::

    (dh_t * f'(the pre-activation at t)) Wh^T

The gradient is multiplied by the same matrix at every step, so it vanishes or explodes
with the number of steps (Bengio et al. 1994; Pascanu et al. 2013).

The identity network (Le, Jaitly & Hinton 2015, https://arxiv.org/abs/1504.00941) has
f = ReLU and starts with Wh = 1, b = 0. Without input it keeps its state, and the
gradient stays the same from step to step.
"""

from typing import Any, Literal, get_args

from ...checks import check_choice
from ...types import Floats2d, Floats3d, Floats4d
from ..common import Encoder
from .cell import Backward, Cell, Limit, Step
from .layer import recurrent_stack

Activation = Literal["tanh", "relu"]
Init = Literal["orthogonal", "identity"]


def RNN(
    nO: int,
    nI: int | None = None,
    *,
    activation: Activation = "tanh",
    init: Init = "orthogonal",
    **settings: Any,
) -> Encoder:
    """Stacked plain recurrent network over sequences of any lengths, without padding.
    It computes the same function as `torch.nn.RNN` with the same weights.

    activation (str): "tanh" or "relu".
    init (str): Initial recurrent weights: "orthogonal", with Glorot-uniform input
        weights; or "identity", with input weights of standard deviation 0.001.
    nO, nI, settings, RETURNS: See `recurrent_stack`.
    RAISES ValueError: If a setting is out of its range (L001 to L004, L100).
    """
    return recurrent_stack(RNNCell(activation, init), nO, nI, **settings)


class RNNCell(Cell):
    """activation, init: See `RNN`."""

    name, n_gates, scale = "rnn", 1, (1.0,)
    n_parts, n_kept = 1, 0

    def __init__(
        self, activation: Activation = "tanh", init: Init = "orthogonal"
    ) -> None:
        check_choice("activation", activation, get_args(Activation))
        check_choice("init", init, get_args(Init))
        self.activation, self.init = activation, init

    def initial_weights(
        self, ops: Any, nI: int, nH: int
    ) -> tuple[Floats3d, Floats3d, Floats2d]:
        """The weights of every cell, or those of the identity network."""
        if self.init == "orthogonal":
            return super().initial_weights(ops, nI, nH)
        Wx = ops.asarray(ops.xp.random.normal(scale=0.001, size=(nI, nH)), dtype="f")
        return Wx[None], ops.xp.eye(nH, dtype="f")[None], ops.alloc2f(1, nH)

    def forward(self, xp: Any, parts: Floats4d, b: Floats4d, is_scaled: bool) -> Step:
        """The step forward."""
        (product,), add, tanh, maximum = parts, xp.add, xp.tanh, xp.maximum
        is_tanh = self.activation == "tanh"

        def step(x: Floats4d, _: Floats3d, h: Floats3d, kept: Floats4d | None) -> None:
            add(product, x[0], h)
            if is_tanh:
                tanh(h, h)
            else:
                maximum(h, 0, out=h)

        return step

    def backward(
        self, xp: Any, kept: Floats4d, H: Floats3d, dgates: Floats4d, limit: Limit
    ) -> Backward:
        """The step backward: f' is known from the outputs."""
        if self.activation == "tanh":
            xp.subtract(1, H * H, out=dgates[0])
        else:
            dgates[0] = H > 0

        def step(dh: Floats3d, dgate: Floats3d) -> None:
            dgate *= dh

        return step, (dgates[0],)
