"""Linear-chain conditional random field: tags that depend on each other."""

from collections.abc import Callable

from thinc.api import Model

from ...chains.learned_transitions import LearnedTransitions
from ...chains.linear_chain import Gradient, LinearChain
from ...tags import TagSet
from ...types import Floats1d, Floats2d
from .linear import Decoder, emissions, grow_emissions, init_emissions


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
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None, "transition": None, "start": None, "end": None},
        attrs={"grow": grow},
    )


def init(
    model: Decoder, X: list[Floats2d] | None = None, Y: LinearChain | None = None
) -> None:
    """Set up the scores of the tags; at first all allowed transitions are alike."""
    init_emissions(model, X)
    nO = model.get_dim("nO")
    model.set_param("transition", model.ops.alloc2f(nO, nO))
    model.set_param("start", model.ops.alloc1f(nO))
    model.set_param("end", model.ops.alloc1f(nO))


def forward(
    model: Decoder, X: list[Floats2d], is_train: bool
) -> tuple[LinearChain, Callable[[Gradient], list[Floats2d]]]:
    """The scores of tags, and of the transitions that the BIO rules allow."""
    xp = model.ops.xp
    Y_TN, lengths, backprop_emissions = emissions(model, X)
    tags = TagSet.of_size(Y_TN.shape[1])
    transitions = LearnedTransitions(
        xp.where(xp.asarray(tags.may_follow), model.get_param("transition"), -xp.inf),
        xp.where(xp.asarray(tags.may_start), model.get_param("start"), -xp.inf),
        model.get_param("end"),
    )

    def backprop(d_chain: Gradient) -> list[Floats2d]:
        if d_chain.transitions is not None:
            model.inc_grad("transition", d_chain.transitions.scores)
            model.inc_grad("start", d_chain.transitions.start)
            model.inc_grad("end", d_chain.transitions.end)
        return backprop_emissions(d_chain.emit)

    return LinearChain(Y_TN, lengths, transitions), backprop


def grow(model: Decoder, nO: int) -> Decoder:
    """The same decoder with tags appended; what it predicts stays the same, as the
    transitions of new tags are those of O.

    model (Model): A decoder, initialized or not.
    nO (int): The number of tags to grow to.
    RETURNS (Model): A new decoder. A new node, as gradients and the optimizer's moments
        belong to a node and have the shapes of its parameters.
    """
    grown = CRF(nO, model.maybe_get_dim("nI"))
    if model.has_param("W"):
        grow_emissions(model, grown)
        # Of each tag the tag whose transitions it takes: its own, or O's.
        like = [*range(model.get_dim("nO"))] + [0] * (nO - model.get_dim("nO"))
        transition: Floats2d = model.get_param("transition")
        grown.set_param("transition", transition[like][:, like])
        for name in ("start", "end"):
            param: Floats1d = model.get_param(name)
            grown.set_param(name, param[like])
    return grown
