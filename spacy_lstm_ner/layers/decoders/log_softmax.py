"""Dense -> log-softmax: each token's tag by itself, under the BIO rules."""

from collections.abc import Callable

from thinc.api import Model

from ...chains.arrays import top_of_rows
from ...chains.bio_transitions import BioTransitions
from ...chains.linear_chain import Gradient, LinearChain
from ...types import Floats2d
from .linear import Decoder, emissions, grow_emissions, init_emissions


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
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
        attrs={"grow": grow},
    )


def init(
    model: Decoder, X: list[Floats2d] | None = None, Y: LinearChain | None = None
) -> None:
    """Set up the scores of the tags."""
    init_emissions(model, X)


def forward(
    model: Decoder, X: list[Floats2d], is_train: bool
) -> tuple[LinearChain, Callable[[Gradient], list[Floats2d]]]:
    """The scores less their log-sum-exp, and transitions by the BIO rules alone."""
    xp = model.ops.xp
    Y_TN, lengths, backprop_emissions = emissions(model, X)
    Y_TN -= top_of_rows(xp, Y_TN)[:, None]
    ones = xp.ones((Y_TN.shape[1], 1), dtype="f")
    Y_TN -= xp.log(xp.exp(Y_TN) @ ones)  # quicker than a sum of each row
    chain = LinearChain(Y_TN, lengths, BioTransitions(Y_TN.shape[1], xp))

    def backprop(d_chain: Gradient) -> list[Floats2d]:
        dY_TN = d_chain.emit
        dY_TN = dY_TN - xp.exp(Y_TN) * dY_TN.sum(axis=1, keepdims=True)
        return backprop_emissions(dY_TN)

    return chain, backprop


def grow(model: Decoder, nO: int) -> Decoder:
    """The same decoder with tags appended; what it predicts stays the same.

    model (Model): A decoder, initialized or not.
    nO (int): The number of tags to grow to.
    RETURNS (Model): A new decoder. A new node, as gradients and the optimizer's moments
        belong to a node and have the shapes of its parameters.
    """
    grown = LogSoftmax(nO, model.maybe_get_dim("nI"))
    if model.has_param("W"):
        grow_emissions(model, grown)
    return grown
