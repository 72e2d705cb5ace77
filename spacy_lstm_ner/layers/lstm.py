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

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from thinc.api import Model, chain, get_width, list2ragged, ragged2list
from thinc.initializers import glorot_uniform_init
from thinc.types import Ragged

from ..errors import Errors
from ..packing import Packing, pack
from ..types import Floats2d, Floats3d, Ints2d
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
        attrs={"grad_clip": grad_clip, "rate": dropout, "dropout_rate": 0.0},
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
    gates_DTG, C_DTH, tanhC_DTH, H_DTH = _run_and_keep(model, X_DTI, packing, mask_DBH)
    Y_TO = _unpack(xp, H_DTH, rows_DT).reshape(-1, nO)

    def backprop(dY: Ragged) -> Ragged:
        dY_TO: Floats2d = dY.dataXd
        Wx_DIG: Floats3d = model.get_param("Wx")
        dY_TDH = dY_TO.reshape(len(X_TI), nD, -1)
        dH_DTH = xp.stack([dY_TDH[rows_DT[d], d] for d in range(nD)])
        kept = gates_DTG, C_DTH, tanhC_DTH
        dgates_DTG = _run_back(model, dH_DTH, *kept, packing, mask_DBH)
        Hprev_DTH = _previous(xp, H_DTH, packing)
        if mask_DBH is not None:
            Hprev_DTH *= mask_DBH[:, xp.asarray(packing.ranks)]
        model.inc_grad("Wx", xp.matmul(X_DTI.transpose(0, 2, 1), dgates_DTG))
        model.inc_grad("Wh", xp.matmul(Hprev_DTH.transpose(0, 2, 1), dgates_DTG))
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
    Wx_DIG, Wh_DHG, b_DG = _half_scaled_weights(model)
    nD, nH = Wh_DHG.shape[:2]
    Y_TDH = xp.empty((len(X_TI), nD, nH), dtype="f")
    n_block = max(_BLOCK, packing.n_first)
    gates = xp.empty((nD, n_block, 4 * nH), dtype="f")
    h, c, tanhc = (xp.empty((nD, packing.n_first, nH), dtype="f") for _ in range(3))
    block_end = 0
    for start, end in packing.steps():
        if end > block_end:
            block_start = start
            i = bisect_right(packing.starts, start + n_block) - 1
            block_end = packing.starts[i]
            block = gates[:, : block_end - block_start]
            xp.matmul(X_TI[rows_DT[:, block_start:block_end]], Wx_DIG, out=block)
            block += b_DG[:, None]
        now = slice(0, end - start)
        g = block[:, start - block_start : end - block_start]
        previous = (h[:, now], c[:, now]) if start else None
        _step(xp, g, previous, Wh_DHG, c[:, now], tanhc[:, now], h[:, now])
        for d in range(nD):
            Y_TDH[rows_DT[d, start:end], d] = h[d, now]
    return Y_TDH


# Rows of a block of steps: its buffers stay in the cache.
_BLOCK = 1024


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
) -> tuple[Floats3d, Floats3d, Floats3d, Floats3d]:
    """The recurrence for training: activated gates, cells, tanh of the cells and
    outputs of all steps, in the packed order."""
    xp = model.ops.xp
    Wx_DIG, Wh_DHG, b_DG = _half_scaled_weights(model)
    gates = xp.matmul(X_DTI, Wx_DIG)
    gates += b_DG[:, None]
    nD, nT = gates.shape[:2]
    C, tanhC, H = (xp.empty((nD, nT, Wh_DHG.shape[1]), dtype="f") for _ in range(3))
    last = 0
    for start, end in packing.steps():
        now, before = slice(start, end), slice(last, last + end - start)
        previous = (H[:, before], C[:, before]) if start else None
        if previous and mask_DBH is not None:
            previous = previous[0] * mask_DBH[:, : end - start], previous[1]
        _step(xp, gates[:, now], previous, Wh_DHG, C[:, now], tanhC[:, now], H[:, now])
        last = start
    return gates, C, tanhC, H


def _half_scaled_weights(
    model: Model[Ragged, Ragged],
) -> tuple[Floats3d, Floats3d, Floats2d]:
    """Wx, Wh and b with the inputs of the three gates halved, for `_step`."""
    Wx: Floats3d
    Wh: Floats3d
    b: Floats2d
    Wx, Wh, b = (model.get_param(name) for name in ("Wx", "Wh", "b"))
    half_G = model.ops.xp.ones(b.shape[1], dtype="f")
    half_G[: len(half_G) * 3 // 4] = 0.5
    return Wx * half_G, Wh * half_G, b * half_G


def _step(
    xp: Any,
    gates: Floats3d,
    previous: tuple[Floats3d, Floats3d] | None,
    Wh_DHG: Floats3d,
    c: Floats3d,
    tanhc: Floats3d,
    h: Floats3d,
) -> None:
    """One step of time, all sequences and directions at once.

    gates: The inputs of the gates without the recurrent part, half-scaled; overwritten
        by the activated gates. One tanh serves all four, as sigmoid(x) is
        (1 + tanh(x / 2)) / 2.
    previous: h and c of the step before; None at the first one.
    c, tanhc, h: Receive the cell, its tanh and the output; may be the previous ones.
    """
    nH = h.shape[2]
    if previous is not None:
        gates += xp.matmul(previous[0], Wh_DHG)
    xp.tanh(gates, out=gates)
    sigmoids = gates[:, :, : 3 * nH]
    sigmoids *= 0.5
    sigmoids += 0.5
    o, f, i, candidate = (gates[:, :, k * nH : (k + 1) * nH] for k in range(4))
    if previous is None:
        xp.multiply(i, candidate, out=c)
    else:
        xp.multiply(f, previous[1], out=c)
        c += i * candidate
    xp.tanh(c, out=tanhc)
    xp.multiply(o, tanhc, out=h)


def _run_back(
    model: Model[Ragged, Ragged],
    dH_DTH: Floats3d,
    gates_DTG: Floats3d,
    C_DTH: Floats3d,
    tanhC_DTH: Floats3d,
    packing: Packing,
    mask_DBH: Floats3d | None,
) -> Floats3d:
    """Backpropagation through time: the gradient of the gates' inputs, of all steps.

    dH_DTH is overwritten. What depends on the forward pass alone is computed for all
    steps at once: the derivative of each gate's input with respect to the cell (of
    the output gate: to the output), and dh/dc.
    """
    xp = model.ops.xp
    nD, nT, nH = dH_DTH.shape
    gates = gates_DTG.reshape(nD, nT, 4, nH)
    o, f, i, candidate = (gates[:, :, k] for k in range(4))
    dgates = xp.empty_like(gates)
    xp.multiply(gates[:, :, :3], 1 - gates[:, :, :3], out=dgates[:, :, :3])
    dgates[:, :, 0] *= tanhC_DTH
    dgates[:, :, 1] *= _previous(xp, C_DTH, packing)
    dgates[:, :, 2] *= candidate
    dgates[:, :, 3] = i * (1 - candidate * candidate)
    dh_dc_DTH = o * (1 - tanhC_DTH * tanhC_DTH)
    Wh_DHG: Floats3d = model.get_param("Wh")
    WhT_DGH = Wh_DHG.transpose(0, 2, 1)
    limit = model.attrs["grad_clip"]
    dh_next = dc_next = None  # gradients of h and c that come from the next step
    for start, end in reversed(list(packing.steps())):
        now = slice(start, end)
        dh, dg = dH_DTH[:, now], dgates[:, now]
        if dh_next is not None:
            dh[:, : dh_next.shape[1]] += dh_next
        dc = dh * dh_dc_DTH[:, now]
        if dc_next is not None:
            dc[:, : dc_next.shape[1]] += dc_next
        dg[:, :, 0] *= dh
        dg[:, :, 1:] *= dc[:, :, None]
        if start:
            dh_next = xp.matmul(dg.reshape(nD, -1, 4 * nH), WhT_DGH)
            dc_next = dc * f[:, now]
            if mask_DBH is not None:
                dh_next *= mask_DBH[:, : end - start]
            if limit is not None:
                xp.clip(dh_next, -limit, limit, out=dh_next)
                xp.clip(dc_next, -limit, limit, out=dc_next)
    return dgates.reshape(nD, nT, 4 * nH)


def _previous(xp: Any, values_DTH: Floats3d, packing: Packing) -> Floats3d:
    """The value of each row's sequence one step earlier; 0 at its first step."""
    previous = xp.zeros_like(values_DTH)
    previous[:, packing.n_first :] = values_DTH[:, xp.asarray(packing.previous)]
    return previous


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
