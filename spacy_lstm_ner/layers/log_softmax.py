"""Dense -> log-softmax: each token's tag by itself, under the BIO rules."""

from collections.abc import Callable
from typing import Any

import numpy as np
from thinc.api import Model, get_width
from thinc.initializers import glorot_uniform_init

from ..errors import Errors
from ..linear_chain import LinearChain
from ..types import Floats1d, Floats2d
from .bio_moves import bio_moves


def LogSoftmax(
    nO: int | None = None, nI: int | None = None
) -> Model[list[Floats2d], LinearChain]:
    """Decoder that scores each token's tags by themselves: log softmax(X W + b).

    The moves between tags score 0 where BIO allows them and -inf where it does not,
    in training and in prediction: probability lies on legal paths alone.

    nO (int | None): Number of tags: O and two (B, I) for each label. None: set later.
    nI (int | None): Width of the input; None infers it from the sample data.
    RETURNS (Model[List[Floats2d], LinearChain]): (T_b, I) for each b -> scores of the
        tag paths, `emit` (T, N). Its parameters are W (N, I) and b (N,).
    """
    return Model(
        "log_softmax",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
        attrs={"grow": grow},
    )


def init(
    model: Model[list[Floats2d], LinearChain],
    X: list[Floats2d] | None = None,
    Y: LinearChain | None = None,
) -> None:
    """Glorot-uniform weights, zero bias."""
    if X:
        model.set_dim("nI", get_width(X))
    nO, nI = model.get_dim("nO"), model.get_dim("nI")
    model.set_param("W", glorot_uniform_init(model.ops, (nO, nI)))
    model.set_param("b", model.ops.alloc1f(nO))


def forward(
    model: Model[list[Floats2d], LinearChain], X: list[Floats2d], is_train: bool
) -> tuple[LinearChain, Callable[[LinearChain], list[Floats2d]]]:
    """Y = X W^T + b less its log-sum-exp, for all tokens of the batch at once."""
    ops: Any = model.ops
    xp = ops.xp
    W: Floats2d = model.get_param("W")
    b: Floats1d = model.get_param("b")
    lengths = np.array([len(x) for x in X], dtype="i")
    X_TI = ops.flatten(X)
    if not len(X_TI):
        X_TI = ops.alloc2f(0, W.shape[1])
    if X_TI.shape[1] != W.shape[1]:
        raise ValueError(Errors.L006.format(found=X_TI.shape[1], nI=W.shape[1]))
    Y_TN = xp.matmul(X_TI, W.T)
    Y_TN += b
    Y_TN -= Y_TN.max(axis=1, keepdims=True)
    Y_TN -= xp.log(xp.exp(Y_TN).sum(axis=1, keepdims=True))
    move, start = (xp.asarray(scores) for scores in bio_moves(len(b)))
    end = xp.zeros_like(b)
    chain = LinearChain(Y_TN, lengths, move, start, end)

    def backprop(d_chain: LinearChain) -> list[Floats2d]:
        dY_TN = d_chain.emit
        dY_TN = dY_TN - xp.exp(Y_TN) * dY_TN.sum(axis=1, keepdims=True)
        model.inc_grad("W", xp.matmul(dY_TN.T, X_TI))
        model.inc_grad("b", dY_TN.sum(axis=0))
        dX: list[Floats2d] = ops.unflatten(xp.matmul(dY_TN, W), lengths)
        return dX

    return chain, backprop


def grow(
    model: Model[list[Floats2d], LinearChain], nO: int
) -> Model[list[Floats2d], LinearChain]:
    """The same decoder with tags appended; what it predicts stays the same.

    A new tag starts as a rare kind of O: O's weights, and O's bias less a margin. So
    it never outranks O before it is trained, and O's evidence is where it starts.

    model (Model): A decoder, initialized or not.
    nO (int): The number of tags to grow to.
    RETURNS (Model): A new decoder. A new node, as gradients and the optimizer's moments
        belong to a node and have the shapes of its parameters.
    """
    grown = LogSoftmax(nO, model.get_dim("nI") if model.has_dim("nI") else None)
    if model.has_param("W"):
        n_new = nO - model.get_dim("nO")
        W, b = model.get_param("W"), model.get_param("b")
        xp = model.ops.xp
        grown.set_param("W", xp.concatenate([W, xp.tile(W[:1], (n_new, 1))]))
        grown.set_param("b", xp.concatenate([b, xp.tile(b[:1] - _MARGIN, n_new)]))
    grown.ops = model.ops
    return grown


# A new tag is at first 100 times less likely than O.
_MARGIN = 4.6
