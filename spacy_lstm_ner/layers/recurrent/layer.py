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

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from thinc.api import Model, get_width
from thinc.types import Ragged

from ...errors import Errors
from ...packing import Packing, Run, by_step, pack
from ...types import Floats2d, Floats3d, Floats4d, FloatsXd, Ints2d
from ..kept import Kept
from ..no_backward import no_backward
from .cell import Cell, _by_gate, add_later
from .dropout import DropoutSettings, rate_in_training
from .matmul import multiplier, multiply_once, untransposed


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
