"""What decoders share: a score for each tag at each token, X W^T + b.

A decoder has the dimensions nO (tags) and nI and the parameters W (N, I) and b (N,).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import Model, get_width
from thinc.initializers import glorot_uniform_init

from ...chains.linear_chain import LinearChain
from ...errors import Errors
from ...types import Floats1d, Floats2d
from ..ragged import cut, joined

Decoder = Model[list[Floats2d], LinearChain]


def init_emissions(model: Decoder, X: list[Floats2d] | None) -> None:
    """Glorot-uniform weights, zero bias.

    model (Model): The decoder, which knows the number of tags.
    X (Optional[List[Floats2d]]): Sample vectors to infer the width from.
    """
    if X:
        model.set_dim("nI", get_width(X))
    nO, nI = model.get_dim("nO"), model.get_dim("nI")
    model.set_param("W", glorot_uniform_init(model.ops, (nO, nI)))
    model.set_param("b", model.ops.alloc1f(nO))


def emissions(
    model: Decoder, X: list[Floats2d]
) -> tuple[Floats2d, NDArray[np.int32], Callable[[Floats2d], list[Floats2d]]]:
    """Score the tags of all tokens of a batch at once.

    model (Model): The decoder.
    X (List[Floats2d]): Vectors of each sequence.  (T_b, I) for each b
    RETURNS (Tuple[Floats2d, ndarray, Callable]): The scores (T, N), the lengths of the
        sequences (B,), and the backward pass from scores to vectors.
    RAISES ValueError (L006): If the vectors have another width than the weights.
    """
    ops: Any = model.ops
    W: Floats2d = model.get_param("W")
    b: Floats1d = model.get_param("b")
    lengths = [len(x) for x in X]
    X_TI = joined(model, X) if X else ops.alloc2f(0, W.shape[1])
    if X_TI.shape[1] != W.shape[1]:
        raise ValueError(Errors.L006.format(found=X_TI.shape[1], nI=W.shape[1]))
    Y_TN = ops.xp.matmul(X_TI, W.T)
    Y_TN += b

    def backprop(dY_TN: Floats2d) -> list[Floats2d]:
        model.inc_grad("W", ops.xp.matmul(dY_TN.T, X_TI))
        model.inc_grad("b", dY_TN.sum(axis=0))
        return cut(ops.xp.matmul(dY_TN, W), lengths)

    return Y_TN, np.array(lengths, dtype="i"), backprop


def grow_emissions(model: Decoder, grown: Decoder) -> None:
    """Copy a decoder's weights to a larger one, whose new tags start as a rare kind of
    O: O's weights, and O's bias less a margin. So a new tag never outranks O before it
    is trained, and O's evidence is where it starts.

    model (Model): The decoder, initialized.
    grown (Model): A decoder of more tags; changed in place.
    """
    n_new = grown.get_dim("nO") - model.get_dim("nO")
    W, b = model.get_param("W"), model.get_param("b")
    xp = model.ops.xp
    grown.set_param("W", xp.concatenate([W, xp.tile(W[:1], (n_new, 1))]))
    grown.set_param("b", xp.concatenate([b, xp.tile(b[:1] - _MARGIN, n_new)]))
    grown.ops = model.ops


# A new tag is at first 100 times less likely than O.
_MARGIN = 4.6
