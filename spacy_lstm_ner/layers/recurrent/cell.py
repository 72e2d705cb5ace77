"""The interface of a cell: the equations of one step of time, forward and backward.

Letters of array axes: see layer.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

from thinc.initializers import glorot_uniform_init

from ...types import Floats2d, Floats3d, Floats4d, FloatsXd

# step(x, h_before, h, kept): one step forward.
# x: x_t Wx + b by gate, read.  (gates that the input feeds, D, n, H)
# h_before: h_{t-1}, read.  (D, n, H)
# h: Receives h_t.  (D, n, H)
# kept: Receives the arrays that the backward pass needs; None in prediction.
#     (n_kept, D, n, H)
Step: TypeAlias = Callable[[Floats4d, Floats3d, Floats3d, Floats4d | None], None]

# A step backward, step(dh, *views), and the arrays (..., T, H) of which it gets its
# rows as views. It completes the gradient of the gates.
# dh: Gradient of h_t.  (D, n, H)
# Returns the gradient of h_{t-1} that does not pass the product with Wh, or None.
Backward: TypeAlias = tuple[Callable[..., Floats3d | None], tuple[FloatsXd, ...]]

# The greatest size of a gradient that flows to the step before, or None.
Limit: TypeAlias = float | None


class Cell(ABC):
    """The equations of a recurrent layer.

    Each gate's pre-activation is x_t Wx + h_{t-1} Wh + b. A plain RNN has exactly one.
    A cell may have gates without one of the two products.

    name: Of the layer.
    n_gates: Number of gates.
    inputs, recurrent: The gates that x_t Wx feeds, and those that h_{t-1} Wh feeds.
    scale: For each gate, the factor of its pre-activation in the step: 1/2 for a
        sigmoid, because sigmoid(s) = (1 + tanh(s / 2)) / 2. NumPy has no sigmoid, and
        one call of tanh serves all gates.
    n_parts: Number of arrays (D, n, H) that a step computes.
    products: The parts that receive h_{t-1} Wh.
    n_states: Number of parts that the next step reads, the last ones; 0 before step 0.
    n_kept: Number of parts that the backward pass needs.
    """

    name: str
    n_gates: int
    inputs = recurrent = products = slice(None)
    scale: tuple[float, ...]
    n_parts: int
    n_states = 0
    n_kept: int

    @abstractmethod
    def forward(self, xp: Any, parts: Floats4d, b: Floats4d, is_scaled: bool) -> Step:
        """Set up the step forward.

        xp: NumPy or CuPy.
        parts: The memory that each step works in. The products h_{t-1} Wh are there
            before the step.  (n_parts, D, n, H)
        b: The bias by gate.  (n_gates, D, 1, H)
        is_scaled: Whether x and the products contain `scale` already.
        """

    @abstractmethod
    def backward(
        self, xp: Any, kept: Floats4d, H: Floats3d, dgates: Floats4d, limit: Limit
    ) -> Backward:
        """Set up the step backward. Factors of the gradients that depend on the forward
        pass alone are computed here, for all steps at once.

        kept: The parts that the forward pass kept.  (n_kept, D, T, H)
        H: The outputs.  (D, T, H)
        dgates: Receives the gradient of the pre-activations by gate, partly here and
            partly in the steps.  (n_gates, D, T, H)
        limit: `grad_clip`, for a gradient other than dh.
        """

    def initial_weights(
        self, ops: Any, nI: int, nH: int
    ) -> tuple[Floats3d, Floats3d, Floats2d]:
        """Wx (gates, I, H), Wh (gates, H, H) and b (gates, H) of one direction:
        Glorot-uniform input weights, orthogonal recurrent weights (Saxe et al. 2014),
        zero bias."""
        gates = range(self.n_gates)
        Wx, Wh = [], []
        for gate in gates:
            if gate in gates[self.inputs]:
                Wx.append(glorot_uniform_init(ops, (nI, nH)))
            if gate in gates[self.recurrent]:
                normal = ops.asarray(ops.xp.random.normal(size=(nH, nH)), dtype="f")
                Q, R = ops.xp.linalg.qr(normal)
                Wh.append(Q * ops.xp.sign(ops.xp.diag(R)))
        return ops.xp.stack(Wx), ops.xp.stack(Wh), ops.alloc2f(self.n_gates, nH)
