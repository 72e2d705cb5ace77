"""From vectors to distributions over tag paths: linear-chain CRF, and log-softmax.

Both score each tag at each token, X W^T + b, and have the dimensions nO (tags) and nI
and the parameters W (N, I) and b (N,).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import Model, get_width
from thinc.initializers import glorot_uniform_init

from ..chains.bio_transitions import bio_transitions
from ..chains.learned_transitions import LearnedTransitions
from ..chains.linear_chain import Gradient, LinearChain
from ..errors import Errors
from ..tags import TagSet
from ..types import Floats1d, Floats2d

Decoder = Model[list[Floats2d], LinearChain]

# A new tag is at first 100 times less likely than O.
_MARGIN = 4.6
# The parameters of transitions, in the order of `LearnedTransitions.arrays`.
_LEARNED = ("transition", "start", "end")


def LogSoftmax(nO: int | None = None, nI: int | None = None) -> Decoder:
    """Decoder that scores each token's tags by themselves: log softmax(X W^T + b).

    The transitions between tags score 0 where BIO allows them and -inf where it does
    not, in training and in prediction: probability lies on legal paths alone.

    nO (int | None): Number of tags: O and two (B, I) for each label. None: set later.
    nI (int | None): Width of the input; None infers it from the sample data.
    RETURNS (Model[List[Floats2d], LinearChain]): (T_b, I) for each b -> scores of the
        tag paths, `emit` (T, N). Its parameters are W (N, I) and b (N,).
    """
    return Model(
        "log_softmax",
        _forward_log_softmax,
        init=_init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
        attrs={"grow": partial(_grow, LogSoftmax)},
    )


def CRF(nO: int | None = None, nI: int | None = None) -> Decoder:
    """Decoder that scores tags, X W^T + b, and learns how they follow each other
    (Lafferty et al. 2001; on an LSTM: Lample et al. 2016).

    Transitions that the BIO rules forbid have probability 0, in training and in
    prediction, whatever their parameters are.

    nO (int | None): Number of tags: O and two (B, I) for each label. None: set later.
    nI (int | None): Width of the input; None infers it from the sample data.
    RETURNS (Model[List[Floats2d], LinearChain]): (T_b, I) for each b -> scores of the
        tag paths. Its parameters are W (N, I), b (N,), transition (N, N) from tag [row]
        to tag [column], start (N,) and end (N,).
    """
    return Model(
        "crf",
        _forward_crf,
        init=_init,
        dims={"nO": nO, "nI": nI},
        params=dict.fromkeys(("W", "b", *_LEARNED)),
        attrs={"grow": partial(_grow, CRF)},
    )


def _init(
    model: Decoder, X: list[Floats2d] | None = None, Y: LinearChain | None = None
) -> None:
    """Glorot-uniform weights, zero bias; at first all allowed transitions are alike."""
    if X:
        model.set_dim("nI", get_width(X))
    nO, nI = model.get_dim("nO"), model.get_dim("nI")
    model.set_param("W", glorot_uniform_init(model.ops, (nO, nI)))
    model.set_param("b", model.ops.alloc1f(nO))
    for name, shape in zip(_LEARNED, ((nO, nO), (nO,), (nO,)), strict=True):
        if name in model.param_names:
            model.set_param(name, model.ops.alloc(shape))


def _emissions(
    model: Decoder, X: list[Floats2d]
) -> tuple[Floats2d, NDArray[np.intp], Callable[[Floats2d], list[Floats2d]]]:
    """The scores of tags (T, N), the lengths of the sequences (B,), and the backward
    pass from scores to vectors."""
    ops: Any = model.ops
    W: Floats2d = model.get_param("W")
    b: Floats1d = model.get_param("b")
    lengths = np.array([len(x) for x in X], dtype=np.intp)
    X_TI = ops.xp.concatenate(X or [ops.alloc2f(0, W.shape[1])]).astype("f", copy=False)
    if X_TI.shape[1] != W.shape[1]:
        raise ValueError(Errors.L006.format(found=X_TI.shape[1], nI=W.shape[1]))
    Y_TN = ops.xp.matmul(X_TI, W.T)
    Y_TN += b

    def backprop(dY_TN: Floats2d) -> list[Floats2d]:
        model.inc_grad("W", ops.xp.matmul(dY_TN.T, X_TI))
        model.inc_grad("b", dY_TN.sum(axis=0))
        dX: list[Floats2d] = ops.unflatten(ops.xp.matmul(dY_TN, W), lengths)
        return dX

    return Y_TN, lengths, backprop


def _forward_log_softmax(
    model: Decoder, X: list[Floats2d], is_train: bool
) -> tuple[LinearChain, Callable[[Gradient], list[Floats2d]]]:
    """The scores less their log-sum-exp, and transitions by the BIO rules alone."""
    xp = model.ops.xp
    Y_TN, lengths, backprop_emissions = _emissions(model, X)
    Y_TN -= xp.ascontiguousarray(Y_TN.T).max(axis=0)[:, None]
    ones = xp.ones((Y_TN.shape[1], 1), dtype="f")
    Y_TN -= xp.log(xp.exp(Y_TN) @ ones)  # quicker than a sum of each row
    chain = LinearChain(Y_TN, lengths, bio_transitions(Y_TN.shape[1], xp))

    def backprop(d_chain: Gradient) -> list[Floats2d]:
        dY_TN = d_chain.emit.astype("f")
        dY_TN = dY_TN - xp.exp(Y_TN) * dY_TN.sum(axis=1, keepdims=True)
        return backprop_emissions(dY_TN)

    return chain, backprop


def _forward_crf(
    model: Decoder, X: list[Floats2d], is_train: bool
) -> tuple[LinearChain, Callable[[Gradient], list[Floats2d]]]:
    """The scores of tags, and of the transitions that the BIO rules allow."""
    xp = model.ops.xp
    Y_TN, lengths, backprop_emissions = _emissions(model, X)
    tags = TagSet.of_size(Y_TN.shape[1])
    transitions = LearnedTransitions(
        xp.where(xp.asarray(tags.may_follow), model.get_param("transition"), -xp.inf),
        xp.where(xp.asarray(tags.may_start), model.get_param("start"), -xp.inf),
        model.get_param("end"),
    )

    def backprop(d_chain: Gradient) -> list[Floats2d]:
        if d_chain.transitions is not None:
            arrays = d_chain.transitions.arrays
            for name, gradient in zip(_LEARNED, arrays, strict=True):
                model.inc_grad(name, gradient.astype("f"))
        return backprop_emissions(d_chain.emit.astype("f"))

    return LinearChain(Y_TN, lengths, transitions), backprop


def _grow(make: Callable[..., Decoder], model: Decoder, nO: int) -> Decoder:
    """The same decoder with tags appended; its predictions stay the same.

    A new tag starts as a rare kind of O: O's weights and transitions, and O's bias less
    a margin. So it never outranks O before it is trained.

    make (Callable): `LogSoftmax` or `CRF`.
    model (Model): A decoder, initialized or not.
    nO (int): The number of tags to grow to. With fewer than before, the new decoder
        has no weights: those of other labels are about to be loaded.
    RETURNS (Model): A new decoder, with the gradients gathered so far. A new node,
        because an optimizer's moments belong to a node and have the shapes of its
        parameters.
    """
    grown = make(nO, model.maybe_get_dim("nI"))
    if not model.has_param("W") or nO < model.get_dim("nO"):
        return grown
    grown.ops = model.ops
    # The tag that each tag copies: itself, or O.
    like = [*range(model.get_dim("nO"))] + [0] * (nO - model.get_dim("nO"))
    for name in model.param_names:
        param: Any = model.get_param(name)[like]
        grown.set_param(name, param[:, like] if name == "transition" else param)
        if model.has_grad(name):  # gathered, and not yet used by an optimizer
            gradient: Any = model.get_grad(name)
            widened = model.ops.xp.zeros_like(grown.get_param(name))
            widened[tuple(map(slice, gradient.shape))] = gradient
            grown.inc_grad(name, widened)
    b: Floats1d = grown.get_param("b")
    b[model.get_dim("nO") :] -= _MARGIN
    return grown
