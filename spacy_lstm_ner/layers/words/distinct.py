"""From Docs to their distinct words, each of which is embedded once.

A word's vector depends on the word alone, and about half of the tokens of a batch
repeat a word. So the distinct words are embedded, and each token gets the vector of its
word; the gradient of a word is the sum over its tokens. Besides `word_index`, this is
the only layer that reads Docs.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from thinc.api import Model

from ...errors import Errors
from ...types import Floats2d
from ..common import no_backward
from ..ragged import cut
from .cache import WordCache
from .frequencies import Hiding, SeenCounts, forget_counts
from .lexemes import Embed, Lexemes, lexemes_of

# Memory for the vectors of words: 16,000 words of width 96.
CACHE_BYTES = 8_000_000


def per_lexeme(
    embed: Embed,
    attrs: Sequence[str | int],
    *,
    word_dropout: float = 0.0,
    rare_dropout: float = 0.0,
    cache_bytes: int = CACHE_BYTES,
) -> Model[list[Doc], list[Floats2d]]:
    """Embed each distinct word of a batch once.

    embed (Model[Lexemes, Floats2d]): Gives a vector for each word.
    attrs (Sequence[Union[str, int]]): Names or ids of the attributes that it reads.
    word_dropout (float): Probability with which the word of a token is hidden in
        training: the attributes that identify it, and its static vector. Affixes, shape
        and characters remain (Lample et al. 2016).
    rare_dropout (float): A number r. In training, an attribute is hidden with the
        probability r / (r + n), where n is the number of times its value occurs in the
        training texts (Kiperwasser & Goldberg 2016, for words).
    cache_bytes (int): Memory for the vectors of words, which are kept from batch to
        batch in prediction; 0 keeps none.
    RETURNS (Model[List[Doc], List[Floats2d]]): (T_b, O) for each Doc b.
    RAISES ValueError: If `word_dropout` is not a probability below 1 (L040),
        `rare_dropout` is negative or infinite (L047), or an attribute is unknown
        (L041).

    Training hides nothing if its `drop` is 0. Prediction hides the values that training
    has not seen: of all attributes if `rare_dropout` is positive, of the identifying
    ones if `word_dropout` is. The first step of training decides whether it does: not
    if its `drop` was 0, because then the model does not learn about hidden values. The
    decision is saved, and lasts until `initialize` or `forget_counts`.
    """
    if not 0 <= word_dropout < 1:
        raise ValueError(Errors.L040.format(rate=word_dropout))
    if not 0 <= rare_dropout < math.inf:
        raise ValueError(Errors.L047.format(value=rare_dropout))
    ids = [intify_attr(name) for name in attrs]
    unknown = [name for name, id_ in zip(attrs, ids, strict=True) if id_ is None]
    if unknown:
        raise ValueError(Errors.L041.format(attrs=unknown))
    return Model(
        "per_lexeme",
        forward,
        init=init,
        dims={"nO": embed.maybe_get_dim("nO")},
        layers=[embed],
        attrs={
            "hiding": Hiding(tuple(ids), word_dropout, rare_dropout),
            "seen_counts": SeenCounts(),
            "hides_unseen": False,
            "dropout_rate": 0.0,
            "cache": WordCache(cache_bytes),
        },
    )


def init(
    model: Model[list[Doc], list[Floats2d]],
    X: list[Doc] | None = None,
    Y: list[Floats2d] | None = None,
) -> None:
    """Forget the seen counts; initialize the embedding by the words of sample Docs."""
    forget_counts(model)
    words = _distinct(lexemes_of(X, model.attrs["hiding"].attrs))[0] if X else None
    embed = model.layers[0]
    embed.initialize(X=words)
    model.set_dim("nO", embed.get_dim("nO"))


def forward(
    model: Model[list[Doc], list[Floats2d]], X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Gather the vectors of the words; sum their gradients."""
    ops: Any = model.ops
    embed, attrs = model.layers[0], model.attrs
    if not any(len(doc) for doc in X):
        nO = model.get_dim("nO")
        return [ops.alloc2f(0, nO) for _ in X], _no_tokens
    hiding: Hiding = attrs["hiding"]
    seen: SeenCounts = attrs["seen_counts"]
    tokens = lexemes_of(X, hiding.attrs)
    lengths = [len(doc) for doc in X]
    if not is_train:

        def compute(chosen: NDArray[np.intp]) -> Floats2d:
            words, word_of_token = _distinct(tokens.take(chosen))
            if attrs["hides_unseen"]:
                hiding.unseen(words, seen)
            return embed.predict(words)[word_of_token]

        Y_TO = attrs["cache"].look_up(tokens.keys(), model, tokens.vocab, compute)
        return cut(Y_TO, lengths), _NO_BACKWARD
    if not seen:
        attrs["hides_unseen"] = attrs["dropout_rate"] > 0
    seen.add(hiding.attrs, tokens, lengths)
    if attrs["dropout_rate"]:
        tokens = hiding.at_random(tokens, seen)
    words, word_of_token = _distinct(tokens)
    rows = ops.asarray1i(word_of_token)
    Y_LO, backprop_embed = embed(words, is_train)
    attrs["cache"].suspend(model)

    def backprop(dY: list[Floats2d]) -> list[Doc]:
        dY_LO = ops.xp.zeros_like(Y_LO)
        ops.scatter_add(dY_LO, rows, ops.xp.concatenate(dY))
        backprop_embed(dY_LO)
        return []

    return cut(Y_LO[rows], lengths), backprop


_NO_BACKWARD = partial(no_backward, "per_lexeme")


def _no_tokens(dY: list[Floats2d]) -> list[Doc]:
    return []


def _distinct(tokens: Lexemes) -> tuple[Lexemes, NDArray[np.intp]]:
    """The distinct words, and the index of the word of each token."""
    _, first, word_of_token = np.unique(
        tokens.keys(), return_index=True, return_inverse=True
    )
    return tokens.take(first), word_of_token
