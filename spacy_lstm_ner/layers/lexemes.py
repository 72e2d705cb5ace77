"""From Docs to their distinct words, each of which is embedded once.

A word's vector depends on the word alone, and in a batch of texts about half of the
tokens are words that were there before. So a batch is reduced to its distinct words,
those are embedded, and each token gets the vector of its word; the gradient of a word
is the sum over its tokens. Besides the textbook's `word_index`, this is the only
layer that sees Docs.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import LOWER, NORM, ORTH, intify_attr
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ..errors import Errors
from ..types import Floats2d, Ints2d
from .kept import Kept
from .no_backward import no_backward
from .ragged import cut
from .word_cache import WordCache


class Lexemes(NamedTuple):
    """Words.

    orths: The hash of each word's text.  (L,)
    attrs: Hashes of lexical attributes, a column for each.  (L, A)
    hidden: Whether what identifies the word is hidden, by word dropout: the attributes
        that do are 0 then.  (L,)
    vocab: Where their texts and vectors are.
    """

    orths: NDArray[np.uint64]
    attrs: NDArray[np.uint64]
    hidden: NDArray[np.bool_]
    vocab: Vocab

    def take(self, chosen: NDArray[np.intp]) -> "Lexemes":
        """Some of the words.

        chosen (ndarray): Their indices.
        """
        orths, attrs, hidden, vocab = self
        return Lexemes(orths[chosen], attrs[chosen], hidden[chosen], vocab)

    def texts(self) -> list[str]:
        """The text of each word."""
        strings = self.vocab.strings
        return [strings[orth] for orth in self.orths.tolist()]


Embed = Model[Lexemes, Floats2d]

# Memory for vectors of words: 16,000 words of width 96.
CACHE_BYTES = 8_000_000

# Attributes that identify a word: those that word dropout hides.
_IDENTIFYING = (ORTH, LOWER, NORM)


def per_lexeme(
    embed: Embed,
    attrs: Sequence[str | int],
    *,
    word_dropout: float = 0.0,
    cache_bytes: int = CACHE_BYTES,
) -> Model[list[Doc], list[Floats2d]]:
    """Embed each distinct word of a batch once.

    embed (Model[Lexemes, Floats2d]): Gives a vector for each word.
    attrs (Sequence[Union[str, int]]): Names or ids of the attributes that it uses.
    word_dropout (float): Share of tokens whose word is hidden in training: what is left
        is its parts (affixes, shape, characters), as of unknown words (Lample et al.
        2016). A `drop` of 0 turns it off. In prediction, the words that training never
        met are hidden: an attribute that identifies them would be looked up in rows of
        hash tables that were learned for other words. But not if most steps of training
        had a `drop` of 0, and little was learned about hidden words.
    cache_bytes (int): Memory for the vectors of words, which are kept from batch to
        batch in prediction; 0 keeps none.
    RETURNS (Model[List[Doc], List[Floats2d]]): (T_b, O) for each Doc b.
    RAISES ValueError: If `word_dropout` is no probability (L040), or an attribute is
        unknown (L041).
    """
    if not 0 <= word_dropout < 1:
        raise ValueError(Errors.L040.format(rate=word_dropout))
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
            "word_dropout": word_dropout,
            "dropout_rate": 0.0,
            # The values that training has met, of each attribute that identifies words.
            "met": {},
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
    model.attrs.update(met={}, n_steps=0, n_hiding_steps=0)
    words = _distinct(*_tokens(X, model.attrs["attrs"], 0.0))[0] if X else None
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
    is_on = is_train and model.attrs["dropout_rate"] > 0
    rate = model.attrs["word_dropout"] if is_on else 0.0
    ids = model.attrs["attrs"]
    tokens, keys = _tokens(X, ids, rate)
    lengths = [len(doc) for doc in X]
    met, word_cache = model.attrs["met"], model.attrs["cache"]
    if not is_train:
        # A vector that is set anew, for a word that had one, goes unseen.
        vectors = tokens.vocab.vectors
        sources = [*_parameters(model), met, vectors.data, vectors.n_keys]
        hides = 2 * model.attrs["n_hiding_steps"] > model.attrs["n_steps"]

        def compute(chosen: NDArray[np.intp]) -> Floats2d:
            words = tokens.take(chosen)
            if hides:
                _hide_unknown(words.attrs, ids[1:], met)
            return model.layers[0].predict(words)

        Y_TO = word_cache.look_up(keys, sources, compute)
        return cut(Y_TO, lengths), no_backward("per_lexeme")
    words, word_of_token = _distinct(tokens, keys)
    rows = ops.asarray1i(word_of_token)
    model.attrs["n_steps"] += 1
    model.attrs["n_hiding_steps"] += rate > 0
    _note(words.attrs, ids[1:], met)
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


def _tokens(
    docs: Sequence[Doc], ids: Sequence[int], word_dropout: float
) -> tuple[Lexemes, NDArray[np.uint64]]:
    """The word of each token of Docs, and a number for it that tells it from all other
    words."""
    columns = np.concatenate(
        [doc.to_array(list(ids)).reshape(-1, len(ids)) for doc in docs]
    )
    hidden: NDArray[np.bool_] = np.zeros(len(columns), dtype=bool)
    if word_dropout:
        hidden = np.random.random(len(columns)) < word_dropout
        identifying = [i for i, id_ in enumerate(ids) if i and id_ in _IDENTIFYING]
        for column in identifying:
            columns[hidden, column] = 0
    # One number for each row: equal rows have equal ones, others practically never.
    keys = columns @ _factors(len(ids)) + hidden
    return Lexemes(columns[:, 0], columns[:, 1:], hidden, docs[0].vocab), keys


def _distinct(
    tokens: Lexemes, keys: NDArray[np.uint64]
) -> tuple[Lexemes, NDArray[np.intp]]:
    """The distinct words, and the index of the word of each token."""
    _, first, word_of_token = np.unique(keys, return_index=True, return_inverse=True)
    return tokens.take(first), word_of_token


Met = dict[int, dict[int, None]]


def _note(attrs: NDArray[np.uint64], ids: Sequence[int], met: Met) -> None:
    """Remember what identifies words (L, A)."""
    for column, id_ in enumerate(ids):
        if id_ in _IDENTIFYING:
            values = attrs[:, column].tolist()
            met.setdefault(id_, {}).update((value, None) for value in values if value)


def _hide_unknown(attrs: NDArray[np.uint64], ids: Sequence[int], met: Met) -> None:
    """Hide the words (L, A) that were never met, in place."""
    for column, id_ in enumerate(ids):
        if id_ in _IDENTIFYING:
            values = attrs[:, column].tolist()
            is_new = np.array([value not in met[id_] for value in values], dtype=bool)
            attrs[is_new, column] = 0


@cache
def _factors(n: int) -> NDArray[np.uint64]:
    """Powers of the golden ratio in 64 bits (Knuth's multiplicative hashing)."""
    powers = np.arange(1, n + 1, dtype="uint64")
    return np.asarray(np.uint64(0x9E3779B97F4A7C15) ** powers)


def lexical_attrs() -> Model[Lexemes, Ints2d]:
    """The attributes of words, for hash embeddings.

    RETURNS (Model[Lexemes, Ints2d]): Words -> (L, A).
    """
    return Model("lexical_attrs", _forward_attrs)


def _forward_attrs(
    model: Model[Lexemes, Ints2d], X: Lexemes, is_train: bool
) -> tuple[Ints2d, Callable[[Ints2d], list[Any]]]:
    return model.ops.xp.asarray(X.attrs), no_input_gradient


def no_input_gradient(dY: Any) -> list[Any]:
    """What a layer that begins with words gives back: they have no gradient."""
    return []
