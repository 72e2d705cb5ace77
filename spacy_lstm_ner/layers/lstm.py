"""The long short-term memory network, forward and backward in time.

Equations (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), with * the
element-wise product::

    o_t, f_t, i_t = sigmoid(x_t Wx + h_{t-1} Wh + b)      output, forget, input gate
    c~_t          = tanh(x_t Wx + h_{t-1} Wh + b)         candidate
    c_t           = f_t * c_{t-1} + i_t * c~_t            cell
    h_t           = o_t * tanh(c_t)                       output

Letters of array axes: B sequences, T tokens of the whole batch, D directions, I input
width, H width of one direction, G = 4H the gates in the order o, f, i, c~.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from thinc.api import Model, chain, get_width, list2ragged, ragged2list
from thinc.initializers import glorot_uniform_init
from thinc.types import Ragged

from ..errors import Errors
from ..packing import Packing, pack
from ..types import Floats2d, Floats3d, Floats4d, Ints2d
from .kept import Kept
from .skip import Skip
from .variational_dropout import VariationalDropout, rate_in_training


def LSTM(
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
    """Stacked LSTM over sequences of any lengths: the same function as
    `torch.nn.LSTM` for the same weights, without padding.

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
    RAISES ValueError: if a setting is out of its range.
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
        layer = lstm_layer(
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
    model.name = "lstm"
    model.set_dim("nO", nO)
    return model


def lstm_layer(
    nO: int,
    nI: int | None = None,
    *,
    bi: bool = True,
    dropout: float = 0.0,
    grad_clip: float | None = None,
) -> Model[Ragged, Ragged]:
    """One LSTM layer; both directions advance in the same step.

    nO, nI, bi, grad_clip: As of `LSTM`.
    dropout (float): The recurrent one: a mask for each sequence and feature of h_{t-1},
        the same at every step, and off where the rate of the training loop is 0.
    RETURNS (Model[Ragged, Ragged]): (T, I) -> (T, O), with parameters Wx (D, I, G),
        Wh (D, H, G) and b (D, G).
    """
    return Model(
        "lstm_layer",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI, "nD": 2 if bi else 1},
        params={"Wx": None, "Wh": None, "b": None},
        attrs={
            "grad_clip": grad_clip,
            "rate": dropout,
            "dropout_rate": 0.0,
            "weights": Kept(),
        },
    )


def init(
    model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None
) -> None:
    """Glorot-uniform input weights, orthogonal recurrent weights (Saxe et al. 2014),
    zero bias, but 1 for the forget gate (Jozefowicz et al. 2015)."""
    if X is not None:
        model.set_dim("nI", get_width(X))
    ops: Any = model.ops
    nD, nI = model.get_dim("nD"), model.get_dim("nI")
    nH = model.get_dim("nO") // nD
    # Each gate is a matrix of its own: its fans are (I, H), not (I, G).
    Wx = ops.alloc4f(nD, 4, nI, nH)
    Wh = ops.alloc4f(nD, 4, nH, nH)
    for d in range(nD):
        for gate in range(4):
            Wx[d, gate] = glorot_uniform_init(ops, (nI, nH))
            normal = ops.asarray(ops.xp.random.normal(size=(nH, nH)), dtype="f")
            Q, R = ops.xp.linalg.qr(normal)
            Wh[d, gate] = Q * ops.xp.sign(ops.xp.diag(R))
    b = ops.alloc3f(nD, 4, nH)
    b[:, 1] = 1.0
    model.set_param("Wx", Wx.transpose(0, 2, 1, 3).reshape(nD, nI, 4 * nH))
    model.set_param("Wh", Wh.transpose(0, 2, 1, 3).reshape(nD, nH, 4 * nH))
    model.set_param("b", b.reshape(nD, 4 * nH))


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Run the layer over packed sequences.

    Each token's row is gathered into the packed order (once per direction) and the
    outputs are put back, so the recurrence itself only ever sees whole slices.
    """
    xp = model.ops.xp
    nO, nD = model.get_dim("nO"), model.get_dim("nD")
    X_TI: Floats2d = X.dataXd
    if not len(X_TI):
        return Ragged(model.ops.alloc2f(0, nO), X.lengths), partial(_no_rows, model)
    if X_TI.shape[1] != model.get_dim("nI"):
        message = Errors.L005.format(found=X_TI.shape[1], nI=model.get_dim("nI"))
        raise ValueError(message)
    packing = pack(model.ops.to_numpy(X.lengths))
    rows_DT = xp.asarray(np.stack([packing.rows, packing.reversed_rows][:nD]))
    if not is_train:
        Y_TO = _run(model, X_TI, rows_DT, packing).reshape(-1, nO)
        return Ragged(Y_TO, X.lengths), partial(_no_training, model)
    X_DTI = X_TI[rows_DT]
    mask_DBH = _recurrent_mask(model, packing)
    model.attrs["weights"].note_training(_parameters(model))
    kept_KDTH, H_DTH = _run_and_keep(model, X_DTI, packing, mask_DBH)
    Y_TO = _unpack(xp, H_DTH, rows_DT).reshape(-1, nO)

    def backprop(dY: Ragged) -> Ragged:
        dY_TO: Floats2d = dY.dataXd
        Wx_DIG: Floats3d = model.get_param("Wx")
        dY_TDH = dY_TO.reshape(len(X_TI), nD, -1)
        dH_DTH = xp.stack([dY_TDH[rows_DT[d], d] for d in range(nD)])
        dgates_DTG = _run_back(model, dH_DTH, kept_KDTH, packing, mask_DBH)
        # The first step has no output before it.
        first = packing.n_first
        Hprev_DTH = H_DTH[:, xp.asarray(packing.previous)]
        if mask_DBH is not None:
            Hprev_DTH *= mask_DBH[:, xp.asarray(packing.ranks[first:])]
        later_DTG = dgates_DTG[:, first:]
        model.inc_grad("Wx", xp.matmul(X_DTI.transpose(0, 2, 1), dgates_DTG))
        model.inc_grad("Wh", xp.matmul(Hprev_DTH.transpose(0, 2, 1), later_DTG))
        model.inc_grad("b", dgates_DTG.sum(axis=1))
        dX_DTI = xp.matmul(dgates_DTG, Wx_DIG.transpose(0, 2, 1))
        return Ragged(_unpack(xp, dX_DTI, rows_DT).sum(axis=1), dY.lengths)

    return Ragged(Y_TO, X.lengths), backprop


def _run(
    model: Model[Ragged, Ragged], X_TI: Floats2d, rows_DT: Ints2d, packing: Packing
) -> Floats3d:
    """The recurrence for prediction, which keeps nothing: flat outputs, (T, D, H).

    The inputs of the gates are computed for blocks of steps, into buffers that are used
    again: fresh memory for the whole batch costs more than the arithmetic on it.
    """
    xp = model.ops.xp
    Wx_DIG, Wh_DHG, b_DG = model.attrs["weights"].get(
        _parameters(model), lambda: _weights_in_order(model)
    )
    nD, nH, nG = Wh_DHG.shape
    Y_TDH = xp.empty((len(X_TI), nD, nH), dtype="f")
    n_block = min(max(_BLOCK, packing.n_first), len(X_TI))
    inputs_DTG = xp.empty((nD, n_block, nG), dtype="f")
    h_DTH = xp.empty((nD, n_block, nH), dtype="f")
    cells = _Cells(xp, Wh_DHG, packing.n_first)
    for steps in packing.blocks(n_block):
        first, last = steps[0][0], steps[-1][1]
        rows = rows_DT[:, first:last]
        block = inputs_DTG[:, : last - first]
        xp.matmul(X_TI[rows], Wx_DIG, out=block)
        block += b_DG[:, None]
        by_gate = _by_gate(block)
        for start, end in steps:
            now = slice(start - first, end - first)
            cells.step(by_gate[:, :, now], h_DTH[:, now])
        for d in range(nD):
            Y_TDH[rows[d], d] = h_DTH[d, : last - first]
    return Y_TDH


# Rows of a block of steps: its buffers stay in the cache.
_BLOCK = 512


def _recurrent_mask(model: Model[Ragged, Ragged], packing: Packing) -> Floats3d | None:
    """What is left of h_{t-1}, (D, B, H); None without dropout."""
    rate = rate_in_training(model)
    nD = model.get_dim("nD")
    shape = nD, packing.n_first, model.get_dim("nO") // nD
    mask: Floats3d | None = model.ops.get_dropout_mask(shape, rate) if rate else None
    return mask


def _run_and_keep(
    model: Model[Ragged, Ragged],
    X_DTI: Floats3d,
    packing: Packing,
    mask_DBH: Floats3d | None,
) -> tuple[Floats4d, Floats3d]:
    """The recurrence for training: what `_Cells` keeps, and the outputs, of all steps
    in the packed order."""
    xp = model.ops.xp
    Wx_DIG, Wh_DHG, b_DG = _weights_in_order(model)
    nD, nH, _ = Wh_DHG.shape
    inputs_DTG = xp.matmul(X_DTI, Wx_DIG)
    inputs_DTG += b_DG[:, None]
    by_gate = _by_gate(inputs_DTG)
    H_DTH = xp.empty((nD, X_DTI.shape[1], nH), dtype="f")
    kept_KDTH = xp.empty((6, *H_DTH.shape), dtype="f")
    cells = _Cells(xp, Wh_DHG, packing.n_first, mask_DBH)
    for start, end in packing.steps():
        now = slice(start, end)
        cells.step(by_gate[:, :, now], H_DTH[:, now], kept_KDTH[:, :, now])
    return kept_KDTH, H_DTH


def _parameters(model: Model[Ragged, Ragged]) -> list[Any]:
    return [model.get_param(name) for name in ("Wx", "Wh", "b")]


def _weights_in_order(
    model: Model[Ragged, Ragged],
) -> tuple[Floats3d, Floats3d, Floats2d]:
    """Wx, Wh and b for `_Cells`: the gates as i, f, o, c~, and the inputs of the three
    sigmoids halved."""
    xp = model.ops.xp
    weights = []
    for param in _parameters(model):
        gates = param.reshape(*param.shape[:-1], 4, -1)  # o, f, i, c~
        ordered = xp.empty_like(gates)
        xp.multiply(gates[..., 2::-1, :], 0.5, out=ordered[..., :3, :])
        ordered[..., 3, :] = gates[..., 3, :]
        weights.append(ordered.reshape(param.shape))
    Wx, Wh, b = weights
    return Wx, Wh, b


def _by_gate(inputs_DTG: Floats3d) -> Floats4d:
    """A view with the gates first: (D, T, 4H) -> (4, D, T, H)."""
    nD, nT, nG = inputs_DTG.shape
    return inputs_DTG.reshape(nD, nT, 4, nG // 4).transpose(2, 0, 1, 3)


class _Cells:
    """The cells of sequences that run in parallel, in all directions, and how they get
    from one step of time to the next.

    What is computed on the way lies in one piece of memory, one after the other::

        i   f   o   c~   c_{t-1}                       each (D, n, H)

    so that one tanh serves all four gates, as sigmoid(x) is (1 + tanh(x / 2)) / 2, and
    one product and one sum make i c~ + f c_{t-1}. NumPy is twice as fast on it as on
    columns of a matrix, and with a single sequence, where calls cost more than the
    arithmetic, it is quicker to start, too.

    Wh_DHG: The recurrent weights, from `_weights_in_order`.
    n_first: Number of sequences of the first step. Later steps may have fewer: the
        sequences that end leave from the back.
    mask_DBH: What is left of h_{t-1}.
    """

    def __init__(
        self,
        xp: Any,
        Wh_DHG: Floats3d,
        n_first: int,
        mask_DBH: Floats3d | None = None,
    ) -> None:
        self._xp, self._Wh, self._mask = xp, Wh_DHG, mask_DBH
        nD, nH, _ = Wh_DHG.shape
        # For each sequence: the state, a product with the weights, two more, tanh(c).
        self._memory = xp.empty((12, nD * n_first * nH), dtype="f")
        self._n = 0
        self._h: Floats3d | None = None  # before the first step
        self._c: Floats3d | None = None

    def _take(self, n: int) -> None:
        """Keep the first n sequences, with views for all steps that have as many."""
        nD, nH, nG = self._Wh.shape
        c_before = 0.0 if self._c is None else self._c[:, :n].copy()
        memory = self._memory.reshape(-1)[: 12 * nD * n * nH]
        parts = memory.reshape(12, nD, n, nH)
        self._state, self._gates, self._sigmoids = parts[:5], parts[:4], parts[:3]
        self._i_f, self._o, self._new_old = parts[:2], parts[2], parts[3:5]
        self._c, self._weighted, self._tanhc = parts[4], parts[9:11], parts[11]
        self._product = parts[5:9].reshape(nD, n, nG)
        self._product_by_gate = _by_gate(self._product)
        # A few rows are faster one by one: BLAS would repack the weights for them.
        self._few = n in (2, 3)
        self._c[:] = c_before
        if self._h is not None:
            self._h = self._h[:, :n]
        if self._mask is not None:
            self._mask = self._mask[:, :n]
        self._n = n

    def step(self, inputs: Floats4d, h: Floats3d, kept: Floats4d | None = None) -> None:
        """Advance by one step.

        inputs: Of the gates, without the recurrent part.  (4, D, n, H)
        h: Receives the outputs, and is read at the next step.  (D, n, H)
        kept: Receives i, f, o, c~, c_{t-1} and tanh(c_t), if given.  (6, D, n, H)
        """
        xp = self._xp
        if h.shape[1] != self._n:
            self._take(h.shape[1])
        previous = self._h
        if previous is None:
            self._gates[:] = inputs
        else:
            if self._mask is not None:
                previous = previous * self._mask
            if self._few:
                xp.matmul(
                    previous[:, :, None],
                    self._Wh[:, None],
                    out=self._product[:, :, None],
                )
            else:
                xp.matmul(previous, self._Wh, out=self._product)
            xp.add(self._product_by_gate, inputs, out=self._gates)
        xp.tanh(self._gates, out=self._gates)
        xp.multiply(self._sigmoids, 0.5, out=self._sigmoids)
        xp.add(self._sigmoids, 0.5, out=self._sigmoids)
        if kept is not None:
            kept[:5] = self._state
        xp.multiply(self._i_f, self._new_old, out=self._weighted)
        xp.add(self._weighted[0], self._weighted[1], out=self._c)
        xp.tanh(self._c, out=self._tanhc)
        if kept is not None:
            kept[5] = self._tanhc
        xp.multiply(self._o, self._tanhc, out=h)
        self._h = h


def _run_back(
    model: Model[Ragged, Ragged],
    dH_DTH: Floats3d,
    kept_KDTH: Floats4d,
    packing: Packing,
    mask_DBH: Floats3d | None,
) -> Floats3d:
    """Backpropagation through time: the gradient of the gates' inputs, of all steps,
    with the gates in the order of the parameters.

    dH_DTH is overwritten. What depends on the forward pass alone is computed for all
    steps at once: the derivative of each gate's input with respect to the cell (of
    the output gate: to the output), and dh/dc.
    """
    xp = model.ops.xp
    nD, nT, nH = dH_DTH.shape
    i, f, o, candidate, C_before, tanhC = kept_KDTH
    dgates = xp.empty((nD, nT, 4, nH), dtype="f")
    slopes = ((o, tanhC), (f, C_before), (i, candidate))
    slope = xp.empty_like(dH_DTH)
    for gate, (sigmoid, factor) in enumerate(slopes):
        xp.subtract(1, sigmoid, out=slope)
        slope *= sigmoid
        xp.multiply(slope, factor, out=dgates[:, :, gate])
    xp.multiply(candidate, candidate, out=slope)
    xp.subtract(1, slope, out=slope)
    xp.multiply(slope, i, out=dgates[:, :, 3])
    dh_dc_DTH = slope
    xp.multiply(tanhC, tanhC, out=dh_dc_DTH)
    xp.subtract(1, dh_dc_DTH, out=dh_dc_DTH)
    dh_dc_DTH *= o
    Wh_DHG: Floats3d = model.get_param("Wh")
    WhT_DGH = Wh_DHG.transpose(0, 2, 1)
    limit = model.attrs["grad_clip"]
    dh_next = dc_next = None  # gradients of h and c that come from the next step
    for start, end in reversed(list(packing.steps())):
        now = slice(start, end)
        dh, dc, dg = dH_DTH[:, now], dh_dc_DTH[:, now], dgates[:, now]
        if dh_next is not None:
            dh[:, : dh_next.shape[1]] += dh_next
        dc *= dh
        if dc_next is not None:
            dc[:, : dc_next.shape[1]] += dc_next
        dg[:, :, 0] *= dh
        dg[:, :, 1:] *= dc[:, :, None]
        if start:
            dh_next = xp.matmul(dg.reshape(nD, -1, 4 * nH), WhT_DGH)
            dc_next = dc
            dc_next *= f[:, now]
            if mask_DBH is not None:
                dh_next *= mask_DBH[:, : end - start]
            if limit is not None:
                xp.clip(dh_next, -limit, limit, out=dh_next)
                xp.clip(dc_next, -limit, limit, out=dc_next)
    return dgates.reshape(nD, nT, 4 * nH)


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


def _no_training(model: Model[Ragged, Ragged], dY: Ragged) -> Ragged:
    """Stands for the backward pass of a forward pass that kept nothing for it."""
    raise ValueError(Errors.L008.format(name=model.name))
