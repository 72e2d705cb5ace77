"""From Docs to their distinct words, each of which is embedded once.

A word's vector depends on the word alone, and in a batch of texts about half of the
tokens are words that were there before. So a batch is reduced to its distinct words,
those are embedded, and each token gets the vector of its word; the gradient of a word
is the sum over its tokens. Besides the textbook's `word_index`, this is the only
layer that sees Docs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import LOWER, NORM, ORTH, intify_attr
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ...errors import Errors
from ...types import Floats2d, Ints2d
from ..kept import Kept
from ..no_backward import no_backward
from ..ragged import cut
from ..settings import Settings
from .cache import WordCache


class Lexemes(NamedTuple):
    """Words.

    orths: The hash of each word's text.  (L,)
    attrs: Hashes of lexical attributes, a column for each.  (L, A)
    hidden: Whether word dropout hides the word: the attributes that identify it are 0
        then.  (L,)
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


@dataclass(frozen=True)
class _Settings(Settings):
    """As of `per_lexeme`."""

    word_dropout: float
    rare_dropout: float


# Memory for vectors of words: 16,000 words of width 96.
CACHE_BYTES = 8_000_000

# Attributes that identify a word: those that word dropout hides.
_IDENTIFYING = (ORTH, LOWER, NORM)

# How many texts of training are told apart, in at most 100 MB.
_N_TEXTS = 1 << 20


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
            "met": {},
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


def forget_counts(model: Model[Any, Any]) -> None:
    """Have all layers of a model forget which words they have met in training.

    model (Model): The model.
    """
    for node in model.walk():
        if node.name == "per_lexeme":
            node.attrs.update(met={}, n_steps=0, n_hiding_steps=0)


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
        sources = [*_parameters(model), model.attrs["met"], *_vectors(tokens.vocab)]

        def compute(chosen: NDArray[np.intp]) -> Floats2d:
            words = tokens.take(chosen)
            _hide_unknown(model, words)
            return model.layers[0].predict(words)

        Y_TO = word_cache.look_up(_keys(tokens), sources, compute)
        return cut(Y_TO, lengths), no_backward("per_lexeme")
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


def _count(
    model: Model[list[Doc], list[Floats2d]], tokens: Lexemes, lengths: list[int]
) -> None:
    """Count the values of the attributes of a training batch, but not of texts that
    were there before, as in earlier epochs. Which texts these are is not saved: when
    training is resumed, they are counted once more."""
    met = model.attrs["met"]
    texts: set[int] = model.attrs["texts"].get([met], set)
    is_new = []
    for orths in cut(tokens.orths, lengths):
        text = hash(orths.tobytes())
        is_new.append(text not in texts)
        texts.add(text)
    if len(texts) > _N_TEXTS:
        texts.clear()
    new = np.repeat(is_new, lengths)
    for id_, column in zip(model.attrs["attrs"][1:], tokens.attrs[new].T, strict=True):
        counts = met.setdefault(id_, {})
        values, n = np.unique(column, return_counts=True)
        for value, n_value in zip(values.tolist(), n.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + n_value


def _drop_out(model: Model[list[Doc], list[Floats2d]], tokens: Lexemes) -> Lexemes:
    """Hide some of the tokens' words, and rare values of attributes, in place."""
    settings: _Settings = model.attrs["settings"]
    word_dropout, rare_dropout = settings.word_dropout, settings.rare_dropout
    hides = model.attrs["dropout_rate"] > 0 and (word_dropout or rare_dropout)
    model.attrs["n_steps"] += 1
    model.attrs["n_hiding_steps"] += bool(hides)
    if not hides:
        return tokens
    attrs = tokens.attrs
    hidden = np.random.random(len(attrs)) < word_dropout
    for column, id_ in enumerate(model.attrs["attrs"][1:]):
        if rare_dropout:
            counts = model.attrs["met"][id_]
            n = np.array([counts.get(value, 0) for value in attrs[:, column].tolist()])
            is_hidden = np.random.random(len(n)) < rare_dropout / (rare_dropout + n)
            attrs[is_hidden, column] = 0
        if id_ in _IDENTIFYING:
            attrs[hidden, column] = 0
    return tokens._replace(hidden=hidden)


def _hide_unknown(model: Model[list[Doc], list[Floats2d]], words: Lexemes) -> None:
    """Hide what training never met of words, in place, if it has hidden such things."""
    if 2 * model.attrs["n_hiding_steps"] <= model.attrs["n_steps"]:
        return
    for column, id_ in enumerate(model.attrs["attrs"][1:]):
        if model.attrs["settings"].rare_dropout or id_ in _IDENTIFYING:
            counts = model.attrs["met"][id_]
            values = words.attrs[:, column].tolist()
            is_new = np.array([value not in counts for value in values], dtype=bool)
            words.attrs[is_new, column] = 0


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
