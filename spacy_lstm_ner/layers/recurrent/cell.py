"""What makes one recurrent layer different from another: its cell."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import repeat
from typing import Any

from thinc.initializers import glorot_uniform_init

from ...types import Floats2d, Floats3d, Floats4d, Floats5d, FloatsXd
from .matmul import multiplier

# One step of a cell: reads x_t Wx + b by gate, (number of inputs, D, n, H), and
# h_{t-1}; puts h_t, (D, n, H), into the third array and what the way back needs,
# (K, D, n, H), into the fourth, if there is one.
Step = Callable[[Floats4d, Floats3d, Floats3d, Floats4d | None], None]


class Steps(ABC):
    """The way forward: sequences that run in parallel, in all directions, and how they
    get from one step of time to the next.

    All that a step computes lies in one piece of memory, gate by gate, cut anew when
    sequences end: NumPy is twice as fast on it as on columns of a matrix. What can be
    done once for many steps, is: of a single sequence, calls cost more than the
    arithmetic.

    Wh: Recurrent weights by gate.  (number of gates they feed, D, H, H)
    b: The whole bias by gate.  (number of gates, D, 1, H)
    n_first: Number of sequences of the first step. Later steps may have fewer: the
        sequences that end leave from the back.
    mask_DBH: What the product with the weights sees of h_{t-1}; None: all.
    """

    n_parts: int  # arrays (D, n, H) that a step needs room for
    first_product = 0  # the first of them that receives h_{t-1} Wh

    def __init__(
        self,
        xp: Any,
        Wh: Floats4d,
        b: Floats4d,
        n_first: int,
        mask_DBH: Floats3d | None = None,
    ) -> None:
        self.xp, self.b = xp, b
        self.half = xp.asarray(0.5, dtype="f")  # quicker than a number
        self._Wh, self._mask = Wh, mask_DBH
        _, nD, nH, _ = Wh.shape
        self._memory = xp.empty(self.n_parts * nD * n_first * nH, dtype="f")
        self._n = 0  # before the first step
        self._h: Floats3d = xp.zeros((nD, n_first, nH), dtype="f")

    @abstractmethod
    def arrange(self, parts: Floats4d) -> Step:
        """The equations of the cell on a piece of memory, into which the state of the
        first n sequences is moved, if the cell has one beside h.

        parts: Room for `n_parts` arrays. Before each step, h_{t-1} Wh is put into
            those from `first_product` on, by gate.  (n_parts, D, n, H)
        """

    def advance(
        self, inputs: Floats5d, H: Floats4d, kept: Floats5d | None = None
    ) -> None:
        """Advance by some steps, with the first n of the sequences so far.

        inputs: x_t Wx + b of each step, by gate.  (steps, number of inputs, D, n, H)
        H: Receives the outputs, and is read at the next step.  (steps, D, n, H)
        kept: Receives what the way back needs, if given.  (steps, K, D, n, H)
        """
        is_first = not self._n
        if H.shape[2] != self._n:
            self._take(H.shape[2])
        multiply, step, mask = self._multiply, self._step, self._mask
        keeps = repeat(None) if kept is None else kept
        previous = self._h
        for x, h, keep in zip(inputs, H, keeps, strict=False):
            if is_first:
                self._products[:] = 0
                is_first = False
            else:
                multiply(previous if mask is None else previous * mask)
            step(x, previous, h, keep)
            previous = h
        self._h = previous

    def _take(self, n: int) -> None:
        """Keep the first n sequences."""
        n_gates, nD, nH, _ = self._Wh.shape
        self._n = n
        self._h = self._h[:, :n]
        if self._mask is not None:
            self._mask = self._mask[:, :n]
        size = self.n_parts * nD * n * nH
        parts = self._memory[:size].reshape(self.n_parts, nD, n, nH)
        first = self.first_product
        self._products = parts[first : first + n_gates]
        self._multiply = multiplier(self.xp, self._Wh, self._products)
        self._step = self.arrange(parts)


class StepsBack(ABC):
    """The way back in time.

    kept_KDTH: What `Steps` kept.
    H_DTH: The outputs.
    n_gates: Number of gates of the cell.
    limit: Of each element of what flows from a step to the one before; None: none.

    dgates: The gradient of the gates' sums, by gate, (n_gates, D, T, H), as a view:
        in memory the gates of a row lie side by side. Until `step` comes by, only what
        depends on the forward pass alone, computed for all steps at once.
    views: The arrays (..., T, H) of which `step` gets the rows of its step.
    """

    views: tuple[FloatsXd, ...]

    def __init__(
        self,
        xp: Any,
        kept_KDTH: Floats4d,
        H_DTH: Floats3d,
        n_gates: int,
        limit: float | None,
    ) -> None:
        self.xp, self._limit = xp, limit
        nD, nT, nH = H_DTH.shape
        memory = xp.empty_like(H_DTH, shape=(nD, nT, n_gates * nH))
        self.dgates: Floats4d = _by_gate(memory, nH)
        self.prepare(kept_KDTH, H_DTH)

    @abstractmethod
    def prepare(self, kept_KDTH: Floats4d, H_DTH: Floats3d) -> None:
        """Put the derivatives of the outputs with respect to the gates' sums into
        `dgates`, and set `views`. Arguments: as of the class."""

    @abstractmethod
    def step(self, dh: Floats3d, *views: FloatsXd) -> Floats3d | None:
        """Go back by one step: complete `dgates`.

        dh: The whole gradient of the outputs of the step.  (D, n, H)
        views: Of `self.views`.  (..., n, H)
        RETURNS: What reaches h_{t-1} by another way than the product; None: nothing.
        """

    def clip(self, gradient: Floats3d) -> None:
        """Limit what flows to the step before, in place, element by element."""
        if self._limit is not None:
            self.xp.clip(gradient, -self._limit, self._limit, out=gradient)


def add_later(xp: Any, gradient: Floats3d, later: Floats3d) -> None:
    """Add what flows back from the next step, which may have fewer sequences.

    gradient: Changed in place.  (D, n, H)
    later: (D, n or fewer, H)
    """
    n = later.shape[1]
    if n != gradient.shape[1]:
        gradient = gradient[:, :n]
    xp.add(gradient, later, out=gradient)


class Cell:
    """What makes one recurrent layer different from another."""

    name: str
    n_gates: int
    n_kept: int  # arrays (D, T, H) that the way back needs
    inputs = slice(None)  # the gates that x_t Wx feeds
    recurrent = slice(None)  # the gates that h_{t-1} Wh feeds
    steps: type[Steps]
    steps_back: type[StepsBack]

    def initial_weights(
        self, ops: Any, nI: int, nH: int
    ) -> tuple[Floats2d, Floats2d, Floats2d]:
        """Wx (I, G), Wh (H, G) and b (G,) of one direction: Glorot-uniform input
        weights, orthogonal recurrent weights (Saxe et al. 2014), zero bias."""
        gates = range(self.n_gates)
        Wx, Wh = [], []
        # Each gate is a matrix of its own: its fans are (I, H), not (I, G).
        for gate in gates:
            if gate in gates[self.inputs]:
                Wx.append(glorot_uniform_init(ops, (nI, nH)))
            if gate in gates[self.recurrent]:
                Wh.append(_orthogonal(ops, nH))
        b = ops.alloc1f(self.n_gates * nH)
        return ops.xp.concatenate(Wx, axis=1), ops.xp.concatenate(Wh, axis=1), b

    def put_in_order(
        self, xp: Any, param: FloatsXd, gates: slice, ordered: FloatsXd
    ) -> None:
        """Fill a parameter in as `steps` wants it: the gates may stand in another
        order, if `inputs` and `recurrent` stay true.

        param: By gate.  (number of gates, D, ..., H)
        gates: Which they are.
        ordered: Room for it.
        """
        ordered[:] = param


def _orthogonal(ops: Any, nH: int) -> Floats2d:
    normal = ops.asarray(ops.xp.random.normal(size=(nH, nH)), dtype="f")
    Q, R = ops.xp.linalg.qr(normal)
    return Q * ops.xp.sign(ops.xp.diag(R))


def _by_gate(param: FloatsXd, nH: int) -> FloatsXd:
    """A view with the gates first: (D, ..., G) -> (number of gates, D, ..., H)."""
    *others, nG = param.shape
    at = len(others)
    return param.reshape(*others, nG // nH, nH).transpose(at, *range(at), at + 1)
