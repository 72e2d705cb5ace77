"""Recurrent layers, forward and backward in time, for any cell.

At each step t a recurrent layer reads the vector x_t and its own output h_{t-1} of the
step before. What all layers share is here: the packed order, both directions in the
same step, dropout, backpropagation through time with clipping, and the stack of layers.
What is different between them is a `Cell`; lstm.py, gru.py and rnn.py have one each.

The products x_t Wx, for all steps at once, and h_{t-1} Wh feed the gates of a cell (of
the plain network: its only sum). Every gate has a bias. A cell may have gates that only
one of the products feeds; `Cell.inputs` and `Cell.recurrent` tell which.

Letters of array axes: B sequences, T tokens of the whole batch, D directions, I input
width, H width of one direction, O = DH width of the output, G the gates side by side,
each of width H (of Wx: those that the input feeds; of Wh: those that the output feeds),
K arrays that are kept for the way back. n is the number of running sequences.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, TypedDict

from thinc.api import Model, chain, get_width
from thinc.initializers import glorot_uniform_init
from thinc.types import Ragged

from ...errors import Errors
from ...packing import Packing, Run, by_step, pack
from ...types import Floats2d, Floats3d, Floats4d, Floats5d, FloatsXd, Ints2d
from ..kept import Kept
from ..no_backward import no_backward
from ..ragged import list2ragged, ragged2list
from .dropout import (
    DropoutSettings,
    VariationalDropout,
    rate_in_training,
)
from .matmul import multiplier, multiply_once, untransposed
from .skip import Skip

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


class StackSettings(TypedDict, total=False):
    """The settings of every recurrent encoder: see `recurrent_stack`."""

    bi: bool
    depth: int
    dropout: float | None
    input_dropout: float | None
    output_dropout: float | None
    recurrent_dropout: float
    skip: bool
    grad_clip: float | None


def recurrent_stack(
    cell: Cell,
    nO: int,
    nI: int | None = None,
    *,
    bi: bool = True,
    depth: int = 1,
    dropout: float | None = None,
    input_dropout: float | None = None,
    output_dropout: float | None = None,
    recurrent_dropout: float = 0.0,
    skip: bool = False,
    grad_clip: float | None = None,
) -> Model[list[Floats2d], list[Floats2d]]:
    """Stacked recurrent layers over sequences of any lengths, without padding.

    cell (Cell): Of all layers.
    nO (int): Width of the output, both directions together.
    nI (int | None): Width of the input; None infers it from the sample data.
    bi (bool): Read each sequence in both directions and concatenate the outputs.
    depth (int): Number of layers.
    dropout (float | None): Rate of the variational dropout between layers; None takes
        the rate of the training loop.
    input_dropout, output_dropout (float | None): The rate before the first layer and
        after the last one; None: as between layers.
    recurrent_dropout (float): The rate of what each layer reads of its own output of
        the step before.
    skip (bool): Add each layer's input to its output where their widths agree.
    grad_clip (float | None): Clip each element of the gradients that flow back from
        one step of time to the one before to [-grad_clip, grad_clip].
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (T_b, I) -> (T_b, O) for each b.
    RAISES ValueError: If a setting is out of its range (L001 to L004).
    """
    if depth < 1:
        raise ValueError(Errors.L001.format(depth=depth))
    if nO < 1 or (bi and nO % 2):
        raise ValueError(Errors.L002.format(nO=nO))
    if grad_clip is not None and grad_clip <= 0:
        raise ValueError(Errors.L003.format(grad_clip=grad_clip))
    rates = [dropout if input_dropout is None else input_dropout]
    rates += [dropout] * (depth - 1)
    rates += [dropout if output_dropout is None else output_dropout]
    for rate in (*rates, recurrent_dropout):
        if rate is not None and not 0 <= rate < 1:
            raise ValueError(Errors.L004.format(rate=rate))
    layers: list[Model[Ragged, Ragged]] = []
    for i in range(depth):
        layer = recurrent_layer(
            cell,
            nO,
            nI if i == 0 else nO,
            bi=bi,
            dropout=recurrent_dropout,
            grad_clip=grad_clip,
        )
        layers.append(VariationalDropout(rates[i]))
        layers.append(Skip(layer) if skip else layer)
    layers.append(VariationalDropout(rates[depth]))
    model: Model[list[Floats2d], list[Floats2d]] = chain(
        list2ragged(), *layers, ragged2list()
    )
    model.name = cell.name
    model.set_dim("nO", nO)
    return model


@dataclass(frozen=True)
class _Settings(DropoutSettings):
    """grad_clip: As of `recurrent_stack`."""

    grad_clip: float | None


def recurrent_layer(
    cell: Cell,
    nO: int,
    nI: int | None = None,
    *,
    bi: bool = True,
    dropout: float = 0.0,
    grad_clip: float | None = None,
) -> Model[Ragged, Ragged]:
    """One recurrent layer; both directions advance in the same step.

    cell, nO, nI, bi, grad_clip: As of `recurrent_stack`.
    dropout (float): The recurrent one: a mask for each sequence and feature of h_{t-1},
        the same at every step, and off where the rate of the training loop is 0.
    RETURNS (Model[Ragged, Ragged]): (T, I) -> (T, O), with parameters Wx (D, I, G),
        Wh (D, H, G) and b (D, G).
    """
    return Model(
        f"{cell.name}_layer",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI, "nD": 2 if bi else 1},
        params={"Wx": None, "Wh": None, "b": None},
        attrs={
            "cell": cell,
            "settings": _Settings(dropout, grad_clip),
            "dropout_rate": 0.0,
            "weights": Kept(),
        },
    )


def init(
    model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None
) -> None:
    """Infer the width of the input, and let the cell choose the initial weights."""
    if X is not None:
        model.set_dim("nI", get_width(X))
    nD, nI = model.get_dim("nD"), model.get_dim("nI")
    nH = model.get_dim("nO") // nD
    cell: Cell = model.attrs["cell"]
    directions = [cell.initial_weights(model.ops, nI, nH) for _ in range(nD)]
    for name, arrays in zip(_PARAMETERS, zip(*directions, strict=True), strict=True):
        model.set_param(name, model.ops.xp.stack(arrays))


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Run the layer over packed sequences."""
    if not len(X.data):
        Y_TO = model.ops.alloc2f(0, model.get_dim("nO"))
        return Ragged(Y_TO, X.lengths), partial(_no_rows, model)
    if not is_train:
        return Ragged(_predict(model, X), X.lengths), no_backward(model.name)
    unrolled = _unroll(model, X)
    model.attrs["weights"].note_training(_parameters(model))

    def backprop(dY: Ragged) -> Ragged:
        _, dgates = unrolled.back(dY.data)
        return Ragged(unrolled.learn(dgates), dY.lengths)

    return Ragged(unrolled.flat(unrolled.H), X.lengths), backprop


def hidden_gradients(layer: Model[Ragged, Ragged], X: Ragged, dY: Ragged) -> Floats2d:
    """Backpropagation through time, looked at from inside: the gradient that reaches
    the output of each step, from the loss at that step and through all later ones.

    What flows from step t to step t-1 has passed recurrent dropout and clipping, as in
    training; the parameters' gradients stay as they are.

    layer (Model[Ragged, Ragged]): From `recurrent_layer`, initialized.
    X (Ragged): Its input.  (T, I)
    dY (Ragged): Gradient of a loss with respect to its output, the direct one: of each
        step as if the outputs of the others did not depend on it.  (T, O)
    RETURNS (Floats2d): dL/dh_t, in the rows and columns of dY.  (T, O)
    RAISES ValueError (L005): If X has another width than the layer was built for.
    """
    if not len(X.data):
        return layer.ops.alloc2f(0, layer.get_dim("nO"))
    unrolled = _unroll(layer, X)
    dH_DTH, _ = unrolled.back(dY.data)
    return unrolled.flat(dH_DTH)


def _layout(model: Model[Ragged, Ragged], X: Ragged) -> tuple[Packing, Ints2d]:
    """The packed order of a batch, and its flat rows in each direction."""
    X_TI: Floats2d = X.data
    nI = model.get_dim("nI")
    if X_TI.shape[1] != nI:
        raise ValueError(Errors.L005.format(found=X_TI.shape[1], nI=nI))
    packing = pack(model.ops.to_numpy(X.lengths))
    return packing, model.ops.xp.asarray(packing.both_rows[: model.get_dim("nD")])


_PARAMETERS = ("Wx", "Wh", "b")


def _parameters(model: Model[Ragged, Ragged]) -> list[Any]:
    return [model.get_param(name) for name in _PARAMETERS]


def _weights(model: Model[Ragged, Ragged]) -> tuple[Floats4d, Floats4d, Floats4d]:
    """The weights of the inputs and, below them, their bias (number of inputs, D,
    I + 1, H), Wh (number of gates it feeds, D, H, H) and the whole bias, for `Steps`.
    """
    cell: Cell = model.attrs["cell"]
    xp = model.ops.xp
    Wx_DIG, Wh_DHG, b_DG = _parameters(model)
    nD, nH, _ = Wh_DHG.shape
    by_gate = _by_gate(b_DG[:, None], nH)
    b = xp.empty(by_gate.shape, dtype="f")
    cell.put_in_order(xp, by_gate, slice(None), b)
    by_gate = _by_gate(Wh_DHG, nH)
    Wh = xp.empty(by_gate.shape, dtype="f")
    cell.put_in_order(xp, by_gate, cell.recurrent, Wh)
    by_gate = _by_gate(Wx_DIG, nH)
    W_inputs = xp.empty((len(by_gate), nD, by_gate.shape[2] + 1, nH), dtype="f")
    cell.put_in_order(xp, by_gate, cell.inputs, W_inputs[:, :, :-1])
    W_inputs[:, :, -1:] = b[cell.inputs]
    return W_inputs, Wh, b


def _input_blocks(
    xp: Any, X_TI: Floats2d, rows_DT: Ints2d, W_inputs: Floats4d, packing: Packing
) -> Iterator[tuple[list[Run], Floats4d]]:
    """x_t Wx + b by gate, (number of inputs, D, rows, H), for some runs of steps at a
    time, in a buffer that is used again: fresh memory for the whole batch costs more
    than the arithmetic on it."""
    # To add the bias to the product takes up to a tenth of its time. So it is the
    # weight of one more input, which is 1.
    X_T1 = xp.empty((len(X_TI), X_TI.shape[1] + 1), dtype="f")
    X_T1[:, :-1] = X_TI
    X_T1[:, -1] = 1
    n_inputs, nD, _, nH = W_inputs.shape
    n_block = min(max(_BLOCK, packing.n_first), len(X_TI))
    buffer = _rows(xp, (n_inputs, nD), n_block, nH, packing)
    for runs in packing.blocks(n_block):
        first, last = runs[0].start, runs[-1].end
        inputs = buffer[:, :, : last - first]
        multiply_once(xp, X_T1[rows_DT[:, first:last]], W_inputs, inputs)
        yield runs, inputs


# Rows of a block of steps: its buffers stay in the cache.
_BLOCK = 256


def _predict(model: Model[Ragged, Ragged], X: Ragged) -> Floats2d:
    """The recurrence for prediction, which keeps nothing: flat outputs, (T, O)."""
    xp = model.ops.xp
    packing, rows_DT = _layout(model, X)
    W_inputs, Wh, b = model.attrs["weights"].get(
        _parameters(model), lambda: _weights(model)
    )
    _, nD, nH, _ = Wh.shape
    Y_TO = xp.empty((len(X.data), nD * nH), dtype="f")
    outputs = Y_TO.reshape(-1, nH)
    order = xp.asarray(packing.outputs if nD == 2 else packing.rows)
    steps = model.attrs["cell"].steps(xp, Wh, b, packing.n_first)
    for runs, inputs in _input_blocks(xp, X.data, rows_DT, W_inputs, packing):
        first, last = runs[0].start, runs[-1].end
        # The outputs of each step lie together: NumPy is faster on them.
        h = xp.empty((nD * (last - first), nH), dtype="f")
        for start, end, n in runs:
            now = slice(start - first, end - first)
            H = h[nD * now.start : nD * now.stop].reshape(-1, nD, n, nH)
            steps.advance(by_step(inputs[:, :, now], n), H)
        outputs[order[nD * first : nD * last]] = h
    return Y_TO


@dataclass(frozen=True)
class _Unrolled:
    """A layer unrolled in time over one batch: its forward pass in the packed order,
    and the way back.

    rows: Flat rows in the packed order of each direction.  (D, T)
    mask: Recurrent dropout.  (D, B, H)
    X: The input.  (D, T, I)
    kept: What the steps kept.  (K, D, T, H)
    H: The outputs.  (D, T, H)
    """

    model: Model[Ragged, Ragged]
    packing: Packing
    rows: Ints2d
    mask: Floats3d | None
    X: Floats3d
    kept: Floats4d
    H: Floats3d

    def back(self, dY_TO: Floats2d) -> tuple[Floats3d, Floats3d]:
        """Backpropagation through time: the gradients of the outputs, (D, T, H), and of
        the gates' sums, (n_gates, D, T, H), of all steps."""
        xp = self.model.ops.xp
        cell: Cell = self.model.attrs["cell"]
        settings: _Settings = self.model.attrs["settings"]
        limit = settings.grad_clip
        dH_DTH = self._packed(dY_TO)
        Wh_DHG: Floats3d = self.model.get_param("Wh")
        WhT_DGH = untransposed(xp, Wh_DHG.transpose(0, 2, 1), self.packing.n_first)
        nH = Wh_DHG.shape[1]
        steps = cell.steps_back(xp, self.kept, self.H, cell.n_gates, limit)
        drecurrent_DTG = _by_row(steps.dgates[cell.recurrent])
        views = dH_DTH, drecurrent_DTG, *steps.views
        sums = other_way = None  # of the next step; the first: gradients that Wh fed
        room: Floats3d | None = None
        for start, end, n in reversed(self.packing.runs):
            now = [by_step(view[..., start:end, :], n)[::-1] for view in views]
            for dh, now_sums, *own in zip(*now, strict=True):
                if sums is not None:
                    if room is None or room.shape[1] != sums.shape[1]:
                        room = xp.empty_like(sums, shape=(*sums.shape[:2], nH))
                        multiply = multiplier(xp, WhT_DGH, room)
                    multiply(sums)
                    dh_next = room
                    if self.mask is not None:
                        dh_next *= self.mask[:, : sums.shape[1]]
                    if other_way is not None:
                        dh_next += other_way
                    steps.clip(dh_next)
                    add_later(xp, dh, dh_next)
                other_way = steps.step(dh, *own)
                sums = now_sums
        return dH_DTH, steps.dgates

    def learn(self, dgates: Floats4d) -> Floats2d:
        """Add to the gradients of the parameters; the gradient of the input.

        dgates: From `back`.  (n_gates, D, T, H)
        RETURNS: Flat rows.  (T, I)
        """
        xp, model = self.model.ops.xp, self.model
        cell: Cell = model.attrs["cell"]
        Wx_DIG: Floats3d = model.get_param("Wx")
        dinputs_DTG = _by_row(dgates[cell.inputs])
        # The first step has no output before it.
        later_DTG = _by_row(dgates[cell.recurrent, :, self.packing.n_first :])
        Hprev_DTH = self._previous_outputs()
        model.inc_grad("Wx", xp.matmul(self.X.transpose(0, 2, 1), dinputs_DTG))
        model.inc_grad("Wh", xp.matmul(Hprev_DTH.transpose(0, 2, 1), later_DTG))
        model.inc_grad("b", _by_row(dgates).sum(axis=1))
        dX_DTI = xp.matmul(dinputs_DTG, Wx_DIG.transpose(0, 2, 1))
        return _unpack(xp, dX_DTI, self.rows).sum(axis=1)

    def flat(self, packed_DTH: Floats3d) -> Floats2d:
        """Packed rows in flat order, the directions side by side: (T, O)."""
        flat_TDH = _unpack(self.model.ops.xp, packed_DTH, self.rows)
        return flat_TDH.reshape(len(flat_TDH), -1)

    def _packed(self, flat_TO: Floats2d) -> Floats3d:
        """The reverse of `flat`."""
        nD = len(self.rows)
        flat_TDH = flat_TO.reshape(len(flat_TO), nD, -1)
        packed_DTH = self.model.ops.xp.empty_like(self.H)
        for d in range(nD):
            packed_DTH[d] = flat_TDH[self.rows[d], d]
        return packed_DTH

    def _previous_outputs(self) -> Floats3d:
        """What the steps from the second one on read of h_{t-1}."""
        xp, packing = self.model.ops.xp, self.packing
        Hprev_DTH = self.H[:, xp.asarray(packing.previous)]
        if self.mask is not None:
            Hprev_DTH *= self.mask[:, xp.asarray(packing.ranks[packing.n_first :])]
        return Hprev_DTH


def _unroll(model: Model[Ragged, Ragged], X: Ragged) -> _Unrolled:
    """The recurrence for training."""
    xp = model.ops.xp
    cell: Cell = model.attrs["cell"]
    packing, rows_DT = _layout(model, X)
    mask_DBH = _recurrent_mask(model, packing)
    W_inputs, Wh, b = _weights(model)
    nD, nH = Wh.shape[1], Wh.shape[-1]
    nT = len(X.data)
    H_DTH = _rows(xp, (nD,), nT, nH, packing)
    kept_KDTH = _rows(xp, (cell.n_kept, nD), nT, nH, packing)
    steps = cell.steps(xp, Wh, b, packing.n_first, mask_DBH)
    for runs, inputs in _input_blocks(xp, X.data, rows_DT, W_inputs, packing):
        first = runs[0].start
        for start, end, n in runs:
            steps.advance(
                by_step(inputs[:, :, start - first : end - first], n),
                by_step(H_DTH[:, start:end], n),
                by_step(kept_KDTH[:, :, start:end], n),
            )
    X_DTI = X.data[rows_DT]
    return _Unrolled(model, packing, rows_DT, mask_DBH, X_DTI, kept_KDTH, H_DTH)


def _recurrent_mask(model: Model[Ragged, Ragged], packing: Packing) -> Floats3d | None:
    """What is left of h_{t-1}, (D, B, H); None without dropout."""
    rate = rate_in_training(model)
    nD = model.get_dim("nD")
    shape = nD, packing.n_first, model.get_dim("nO") // nD
    mask: Floats3d | None = model.ops.get_dropout_mask(shape, rate) if rate else None
    return mask


def _by_gate(param: FloatsXd, nH: int) -> FloatsXd:
    """A view with the gates first: (D, ..., G) -> (number of gates, D, ..., H)."""
    *others, nG = param.shape
    at = len(others)
    return param.reshape(*others, nG // nH, nH).transpose(at, *range(at), at + 1)


def _by_row(by_gate: Floats4d) -> Floats3d:
    """The reverse, as a view of gradients of the gates: (D, T, G)."""
    n_gates, nD, nT, nH = by_gate.shape
    return by_gate.transpose(1, 2, 0, 3).reshape(nD, nT, n_gates * nH)


def _rows(
    xp: Any, before: tuple[int, ...], n_rows: int, width: int, packing: Packing
) -> FloatsXd:
    """Room for packed rows, (*before, n_rows, width). Of a single sequence, all that
    belongs to a step lies together: NumPy is up to four times as quick on it."""
    if packing.n_first > 1:
        return xp.empty((*before, n_rows, width), dtype="f")
    axes = (*range(1, len(before) + 1), 0, len(before) + 1)
    return xp.empty((n_rows, *before, width), dtype="f").transpose(axes)


def _unpack(xp: Any, packed_DTK: Floats3d, rows_DT: Ints2d) -> Floats3d:
    """Packed rows, in one order per direction, to flat ones: (D, T, K) -> (T, D, K)."""
    nD, nT, nK = packed_DTK.shape
    flat_TDK = xp.empty((nT, nD, nK), dtype="f")
    for d in range(nD):
        flat_TDK[rows_DT[d], d] = packed_DTK[d]
    return flat_TDK


def _no_rows(model: Model[Ragged, Ragged], dY: Ragged) -> Ragged:
    """Backpropagation through a batch without tokens: nothing to learn from it."""
    return Ragged(model.ops.alloc2f(0, model.get_dim("nI")), dY.lengths)
