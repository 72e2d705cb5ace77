"""From Docs to their distinct words, each of which is embedded once.

A word's vector depends on the word alone, and in a batch of texts about half of the
tokens are words that were there before. So a batch is reduced to its distinct words,
those are embedded, and each token gets the vector of its word; the gradient of a word
is the sum over its tokens. Besides the textbook's `word_index`, this is the only
layer that sees Docs.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ORTH, intify_attr
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ...errors import Errors
from ...types import Floats2d
from ..common import no_backward
from ..kept import Kept
from ..ragged import cut
from .cache import WordCache
from .frequencies import _count, _drop_out, _hide_unknown, forget_counts
from .lexemes import Embed, Lexemes, _Settings

# Memory for vectors of words: 16,000 words of width 96.
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
    attrs (Sequence[Union[str, int]]): Names or ids of the attributes that it uses.
    word_dropout (float): Share of tokens whose word is hidden in training: the
        attributes that identify it, and its vector. What is left is its parts (affixes,
        shape, characters), as of unknown words (Lample et al. 2016).
    rare_dropout (float): A number r: an attribute whose value occurs n times in the
        texts of training is hidden there with the probability r / (r + n) (Kiperwasser
        & Goldberg 2016, for words). So rare words, affixes and shapes are, and what
        stands beside them is not.
    cache_bytes (int): Memory for the vectors of words, which are kept from batch to
        batch in prediction; 0 keeps none.
    RETURNS (Model[List[Doc], List[Floats2d]]): (T_b, O) for each Doc b.
    RAISES ValueError: If `word_dropout` is no probability (L040), `rare_dropout` is
        negative or infinite (L047), or an attribute is unknown (L041).

    A `drop` of 0 turns either off. In prediction, either hides what training never met
    of the attributes that it hides: it would be looked up in rows of hash tables that
    were learned for something else. But not if most steps of training had a `drop` of
    0, and little was learned about what is hidden.
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
            "attrs": [ORTH, *ids],
            "settings": _Settings(word_dropout, rare_dropout),
            "dropout_rate": 0.0,
            # How often each value of each attribute occurs in the texts of training,
            # and which texts these are.
            "seen_counts": {},
            "texts": Kept(),
            # Steps of training, and those of them that hid words.
            "n_steps": 0,
            "n_hiding_steps": 0,
            "cache": WordCache(cache_bytes),
            "parameters": Kept(),
        },
    )


def init(
    model: Model[list[Doc], list[Floats2d]],
    X: list[Doc] | None = None,
    Y: list[Floats2d] | None = None,
) -> None:
    """Initialize the embedding by the words of sample Docs."""
    forget_counts(model)
    words = _distinct(_tokens(X, model.attrs["attrs"]))[0] if X else None
    embed = model.layers[0]
    embed.initialize(X=words)
    model.set_dim("nO", embed.get_dim("nO"))


def forward(
    model: Model[list[Doc], list[Floats2d]], X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Gather the vectors of the words; add up their gradients."""
    ops: Any = model.ops
    if not any(len(doc) for doc in X):
        nO = model.get_dim("nO")
        return [ops.alloc2f(0, nO) for _ in X], _no_tokens
    tokens = _tokens(X, model.attrs["attrs"])
    lengths = [len(doc) for doc in X]
    word_cache = model.attrs["cache"]
    if not is_train:
        sources = [
            *_parameters(model),
            model.attrs["seen_counts"],
            *_vectors(tokens.vocab),
        ]

        def compute(chosen: NDArray[np.intp]) -> Floats2d:
            words = tokens.take(chosen)
            _hide_unknown(model, words)
            return model.layers[0].predict(words)

        Y_TO = word_cache.look_up(_keys(tokens), sources, compute)
        return cut(Y_TO, lengths), partial(no_backward, "per_lexeme")
    _count(model, tokens, lengths)
    words, word_of_token = _distinct(_drop_out(model, tokens))
    rows = ops.asarray1i(word_of_token)
    Y_LO, backprop_embed = model.layers[0](words, is_train)
    word_cache.words.note_training(_parameters(model))

    def backprop(dY: list[Floats2d]) -> list[Doc]:
        dY_LO = ops.xp.zeros_like(Y_LO)
        ops.scatter_add(dY_LO, rows, ops.xp.concatenate(dY))
        backprop_embed(dY_LO)
        return []

    return cut(Y_LO[rows], lengths), backprop


def _no_tokens(dY: list[Floats2d]) -> list[Doc]:
    return []


def _parameters(model: Model[list[Doc], list[Floats2d]]) -> list[Any]:
    # To walk takes long, for a single text.
    names = model.attrs["parameters"].get(
        model.layers,
        lambda: [(node, name) for node in model.walk() for name in node.param_names],
    )
    found = [node.maybe_get_param(name) for node, name in names]
    return [parameter for parameter in found if parameter is not None]


def _vectors(vocab: Vocab) -> list[Any]:
    """What tells that word vectors have changed. One that is set anew, for a word that
    had one, goes unseen."""
    vectors = vocab.vectors
    # Only spaCy's own tables must have these.
    return [getattr(vectors, "data", vectors), getattr(vectors, "n_keys", None)]


def _tokens(docs: Sequence[Doc], ids: Sequence[int]) -> Lexemes:
    """The word of each token of Docs."""
    columns = np.concatenate(
        [doc.to_array(list(ids)).reshape(-1, len(ids)) for doc in docs]
    )
    hidden: NDArray[np.bool_] = np.zeros(len(columns), dtype=bool)
    return Lexemes(columns[:, 0], columns[:, 1:], hidden, docs[0].vocab)


def _keys(words: Lexemes) -> NDArray[np.uint64]:
    """A number for each word that tells it from all other words."""
    # Equal words have equal numbers, others practically never.
    keys: NDArray[np.uint64] = words.attrs @ _factors(words.attrs.shape[1])
    keys += words.orths
    keys += words.hidden
    return keys


def _distinct(tokens: Lexemes) -> tuple[Lexemes, NDArray[np.intp]]:
    """The distinct words, and the index of the word of each token."""
    _, first, word_of_token = np.unique(
        _keys(tokens), return_index=True, return_inverse=True
    )
    return tokens.take(first), word_of_token


@cache
def _factors(n: int) -> NDArray[np.uint64]:
    """Powers of the golden ratio in 64 bits (Knuth's multiplicative hashing)."""
    powers = np.arange(1, n + 1, dtype="uint64")
    return np.asarray(np.uint64(0x9E3779B97F4A7C15) ** powers)
