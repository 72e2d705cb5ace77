"""A recurrent layer, forward and backward in time, with any cell.

Each gate's pre-activation is x_t Wx + h_{t-1} Wh + b. Here is what all recurrent layers
share: parameters, recurrent dropout, backpropagation through time with clipping. The
equations are in a `Cell` (lstm.py, gru.py, rnn.py), the forward loop in workspace.py.

Letters of array axes: B sequences, T tokens of the batch, D directions, I input width,
H width of one direction, O = DH output width, G gates side by side, each of width H.
n is the number of running sequences.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from thinc.api import Model, get_width
from thinc.types import Ragged

from ...errors import Errors
from ...packing import Packing, by_step, pack
from ...types import Floats2d, Floats3d, Floats4d, FloatsXd, Ints2d
from ..common import no_backward
from .cell import Cell, add_later
from .dropout import DropoutSettings, rate_in_training
from .matmul import multiplier, untransposed
from .workspace import Workspace


@dataclass(frozen=True)
class _Settings(DropoutSettings):
    """grad_clip: See `recurrent_stack`."""

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

    cell, nO, nI, bi, grad_clip: See `recurrent_stack`.
    dropout (float): Rate of recurrent dropout: one mask for each sequence and feature
        of h_{t-1}, the same at every step. It is off if the training loop's rate is 0.
    RETURNS (Model[Ragged, Ragged]): (T, I) -> (T, O), with the parameters
        Wx (gates, D, I, H), Wh (gates, D, H, H) and b (gates, D, H).
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
        },
    )


def init(
    model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None
) -> None:
    """Infer the input width, and let the cell choose the initial weights."""
    if X is not None:
        model.set_dim("nI", get_width(X))
    nD, nI = model.get_dim("nD"), model.get_dim("nI")
    nH = model.get_dim("nO") // nD
    cell: Cell = model.attrs["cell"]
    directions = [cell.initial_weights(model.ops, nI, nH) for _ in range(nD)]
    for name, arrays in zip(
        ("Wx", "Wh", "b"), zip(*directions, strict=True), strict=True
    ):
        model.set_param(name, model.ops.xp.stack(arrays, axis=1))


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Run the layer over packed sequences."""
    if not len(X.data):
        Y_TO = model.ops.alloc2f(0, model.get_dim("nO"))
        return Ragged(Y_TO, X.lengths), partial(_no_rows, model)
    if not is_train:
        packing, rows_DT = _pack(model, X)
        Y_TO = _workspace(model, packing, rows_DT).predict(X.data)
        return Ragged(Y_TO, X.lengths), partial(no_backward, model.name)
    unrolled = _unroll(model, X)

    def backprop(dY: Ragged) -> Ragged:
        _, dgates = unrolled.back(dY.data)
        return Ragged(unrolled.learn(dgates), dY.lengths)

    return Ragged(unrolled.flat(unrolled.H), X.lengths), backprop


def hidden_gradients(layer: Model[Ragged, Ragged], X: Ragged, dY: Ragged) -> Floats2d:
    """The gradient of the loss with respect to each output h_t, through the loss at
    step t and at all later steps.

    The gradient that flows from step t to step t-1 passes recurrent dropout and
    clipping, as in training. The gradients of the parameters stay unchanged.

    layer (Model[Ragged, Ragged]): From `recurrent_layer`, initialized.
    X (Ragged): Its input.  (T, I)
    dY (Ragged): The direct gradient of the loss with respect to each output, not
        through later steps.  (T, O)
    RETURNS (Floats2d): dL/dh_t, in the rows and columns of dY.  (T, O)
    RAISES ValueError (L005): If X has another width than the layer was built for.
    """
    if not len(X.data):
        return layer.ops.alloc2f(0, layer.get_dim("nO"))
    unrolled = _unroll(layer, X)
    dH_DTH, _ = unrolled.back(dY.data)
    return unrolled.flat(dH_DTH)


@dataclass(frozen=True)
class _Unrolled:
    """A layer unrolled in time over one batch: the result of the forward pass, in
    packed order, and the backward pass.

    rows: The flat rows in packed order, for each direction.  (D, T)
    mask: Recurrent dropout.  (D, B, H)
    X: The input.  (T, I)
    H: The outputs.  (D, T, H)
    kept: The parts of each step that the cell needs.  (n_kept, D, T, H)
    """

    model: Model[Ragged, Ragged]
    packing: Packing
    rows: Ints2d
    mask: Floats3d | None
    X: Floats2d
    H: Floats3d
    kept: Floats4d

    def back(self, dY_TO: Floats2d) -> tuple[Floats3d, Floats4d]:
        """Backpropagation through time: the gradients of the outputs, (D, T, H), and of
        the pre-activations, (gates, D, T, H)."""
        xp = self.model.ops.xp
        cell: Cell = self.model.attrs["cell"]
        settings: _Settings = self.model.attrs["settings"]
        limit = settings.grad_clip
        Wh: Floats4d = self.model.get_param("Wh")
        WhT_DGH = _side_by_side(Wh).transpose(0, 2, 1)
        WhT_DGH = untransposed(xp, WhT_DGH, self.packing.n_first)

        def clip(gradient: Floats3d) -> None:
            if limit is not None:
                xp.clip(gradient, -limit, limit, out=gradient)

        dH_DTH = self._packed(dY_TO)
        nD, nT, nH = dH_DTH.shape
        # In memory, the gates of a row lie side by side: one product sums over them.
        dgates = _by_gate(xp.empty((nD, nT, cell.n_gates * nH), dtype="f"), nH)
        step, own = cell.backward(xp, self.kept, self.H, dgates, clip)
        views = dH_DTH, _side_by_side(dgates[cell.recurrent]), *own
        d_later: Floats3d | None = None  # gradient of the gates of the next step
        direct: Floats3d | None = None  # what the next step sends past the product
        dh_next: Floats3d | None = None  # what the next step sends
        for start, end, n in reversed(self.packing.runs):
            now = [by_step(view[..., start:end, :], n)[::-1] for view in views]
            for dh, d_now, *own_now in zip(*now, strict=True):
                if d_later is not None:
                    if dh_next is None or dh_next.shape[1] != d_later.shape[1]:
                        dh_next = xp.empty((nD, d_later.shape[1], nH), dtype="f")
                        multiply = multiplier(xp, WhT_DGH, dh_next)
                    multiply(d_later)
                    if self.mask is not None:
                        dh_next *= self.mask[:, : d_later.shape[1]]
                    if direct is not None:
                        dh_next += direct
                    clip(dh_next)
                    add_later(xp, dh, dh_next)
                direct = step(dh, *own_now)
                d_later = d_now
        return dH_DTH, dgates

    def learn(self, dgates: Floats4d) -> Floats2d:
        """Add to the gradients of the parameters; return the gradient of the input.

        dgates: From `back`.  (gates, D, T, H)
        RETURNS: (T, I)
        """
        xp, model = self.model.ops.xp, self.model
        cell: Cell = model.attrs["cell"]
        nH = dgates.shape[-1]
        dinputs_DTG = _side_by_side(dgates[cell.inputs])
        # The first step has no output before it.
        dlater_DTG = _side_by_side(dgates[cell.recurrent, :, self.packing.n_first :])
        XT_DIT = self.X[self.rows].transpose(0, 2, 1)
        HT_DHT = self._outputs_before().transpose(0, 2, 1)
        model.inc_grad("Wx", _by_gate(xp.matmul(XT_DIT, dinputs_DTG), nH))
        model.inc_grad("Wh", _by_gate(xp.matmul(HT_DHT, dlater_DTG), nH))
        model.inc_grad("b", _by_gate(_side_by_side(dgates).sum(axis=1), nH))
        WxT_DGI = _side_by_side(model.get_param("Wx")).transpose(0, 2, 1)
        return self._unpacked(xp.matmul(dinputs_DTG, WxT_DGI)).sum(axis=1)

    def flat(self, packed_DTH: Floats3d) -> Floats2d:
        """Packed rows in flat order, the directions side by side: (T, O)."""
        flat_TDH = self._unpacked(packed_DTH)
        return flat_TDH.reshape(len(flat_TDH), -1)

    def _packed(self, flat_TO: Floats2d) -> Floats3d:
        """The reverse of `flat`."""
        flat_TDH = flat_TO.reshape(len(flat_TO), len(self.rows), -1)
        packed_DTH = self.model.ops.xp.empty_like(self.H)
        for d, rows in enumerate(self.rows):
            packed_DTH[d] = flat_TDH[rows, d]
        return packed_DTH

    def _unpacked(self, packed_DTK: Floats3d) -> Floats3d:
        """Packed rows in flat order: (D, T, K) -> (T, D, K)."""
        nD, nT, nK = packed_DTK.shape
        flat_TDK = self.model.ops.xp.empty((nT, nD, nK), dtype="f")
        for d, rows in enumerate(self.rows):
            flat_TDK[rows, d] = packed_DTK[d]
        return flat_TDK

    def _outputs_before(self) -> Floats3d:
        """h_{t-1} of all steps from the second one on, after dropout."""
        xp, packing = self.model.ops.xp, self.packing
        before_DTH = self.H[:, xp.asarray(packing.previous)]
        if self.mask is not None:
            before_DTH *= self.mask[:, xp.asarray(packing.ranks[packing.n_first :])]
        return before_DTH


def _unroll(model: Model[Ragged, Ragged], X: Ragged) -> _Unrolled:
    """The forward pass in training."""
    packing, rows_DT = _pack(model, X)
    mask_DBH = _recurrent_mask(model, packing)
    H, kept = _workspace(model, packing, rows_DT, mask_DBH).record(X.data)
    return _Unrolled(model, packing, rows_DT, mask_DBH, X.data, H, kept)


def _pack(model: Model[Ragged, Ragged], X: Ragged) -> tuple[Packing, Ints2d]:
    """The packed order of a batch, and the flat rows in it for each direction."""
    found, nI = X.data.shape[1], model.get_dim("nI")
    if found != nI:
        raise ValueError(Errors.L005.format(found=found, nI=nI))
    packing = pack(model.ops.to_numpy(X.lengths))
    return packing, model.ops.xp.asarray(packing.both_rows[: model.get_dim("nD")])


def _workspace(
    model: Model[Ragged, Ragged],
    packing: Packing,
    rows_DT: Ints2d,
    mask_DBH: Floats3d | None = None,
) -> Workspace:
    Wx, Wh, b = (model.get_param(name) for name in ("Wx", "Wh", "b"))
    cell: Cell = model.attrs["cell"]
    return Workspace(model.ops.xp, cell, Wx, Wh, b, packing, rows_DT, mask_DBH)


def _recurrent_mask(model: Model[Ragged, Ragged], packing: Packing) -> Floats3d | None:
    """Factors of h_{t-1}, (D, B, H); None without dropout."""
    rate = rate_in_training(model)
    nD = model.get_dim("nD")
    shape = nD, packing.n_first, model.get_dim("nO") // nD
    mask: Floats3d | None = model.ops.get_dropout_mask(shape, rate) if rate else None
    return mask


def _by_gate(side_by_side: FloatsXd, nH: int) -> FloatsXd:
    """A view with the gates first: (D, ..., G) -> (gates, D, ..., H)."""
    *others, nG = side_by_side.shape
    at = len(others)
    view = side_by_side.reshape(*others, nG // nH, nH)
    return view.transpose(at, *range(at), at + 1)


def _side_by_side(by_gate: Floats4d) -> Floats3d:
    """The reverse, (gates, D, K, H) -> (D, K, G): a view of gradients from `_by_gate`,
    a copy of parameters."""
    n_gates, nD, nK, nH = by_gate.shape
    return by_gate.transpose(1, 2, 0, 3).reshape(nD, nK, n_gates * nH)


def _no_rows(model: Model[Ragged, Ragged], dY: Ragged) -> Ragged:
    """The backward pass of a batch without tokens."""
    return Ragged(model.ops.alloc2f(0, model.get_dim("nI")), dY.lengths)
