"""From Docs to their distinct words, each of which is embedded once.

A word's vector depends on the word alone, and about half of the tokens of a batch
repeat a word. So the distinct words are embedded, and each token gets the vector of its
word; the gradient of a word is the sum over its tokens. Besides `word_index`, this is
the only layer that reads Docs; the embeddings below it read `Lexemes`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IDS, ORTH, intify_attr
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ...errors import Errors
from ...types import Floats2d, Ints2d
from ..common import no_backward
from .cache import WordCache
from .forms import vector_stamps
from .frequencies import (
    Hiding,
    SeenCounts,
    choose_rare_dropout,
    count_and_hide,
    forget_counts,
    hide_unseen,
)

# Memory for the vectors of words: 24,000 words of width 64.
CACHE_BYTES = 8_000_000
# The golden ratio in 64 bits (Knuth's multiplicative hashing).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


# Names of the layers that read static vectors: ours and spaCy's.
READERS = "word_vectors", "static_vectors"

# Attributes that depend on other tokens.
_OF_PLACES = "HEAD", "SENT_START", "ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID"


class Lexemes(NamedTuple):
    """Words as arrays of lexical attributes.

    orths: Hash of each word's text.  (L,)
    attrs: Hashes of its lexical attributes, a column per attribute; 0 if the value is
        hidden.  (L, A)
    hidden: Whether word dropout hides the word.  (L,)
    vocab: Holds the strings and the static vectors.
    """

    orths: NDArray[np.uint64]
    attrs: NDArray[np.uint64]
    hidden: NDArray[np.bool_]
    vocab: Vocab

    def take(self, chosen: NDArray[np.intp]) -> "Lexemes":
        """The words with these indices, as copies."""
        orths, attrs, hidden, vocab = self
        return Lexemes(orths[chosen], attrs[chosen], hidden[chosen], vocab)

    def texts(self) -> list[str]:
        strings = self.vocab.strings
        return [strings[orth] for orth in self.orths.tolist()]

    def keys(self) -> NDArray[np.uint64]:
        """A 64-bit hash of each word and its attributes.  (L,)"""
        factors = _GOLDEN ** np.arange(1, self.attrs.shape[1] + 1, dtype="uint64")
        return np.asarray(self.attrs @ factors + self.orths + self.hidden)

    def distinct(self) -> tuple["Lexemes", NDArray[np.intp]]:
        """The distinct words, and the index of each word among them."""
        _, first, index = np.unique(self.keys(), return_index=True, return_inverse=True)
        return self.take(first), index


Embed = Model[Lexemes, Floats2d]
Tok2Vec = Model[list[Doc], list[Floats2d]]


def per_lexeme(
    embed: Embed,
    attrs: Sequence[str | int],
    *,
    word_dropout: float = 0.0,
    rare_dropout: float | None = 0.0,
    cache_bytes: int = CACHE_BYTES,
) -> Tok2Vec:
    """Embed each distinct word of a batch once.

    embed (Model[Lexemes, Floats2d]): Gives a vector for each word.
    attrs (Sequence[Union[str, int]]): Names or ids of the attributes that it reads.
    word_dropout, rare_dropout (float | None): See `Hiding`.
    cache_bytes (int): Memory for the vectors of words, which are kept from batch to
        batch in prediction; 0 keeps none.
    RETURNS (Model[List[Doc], List[Floats2d]]): (T_b, O) for each Doc b.
    RAISES ValueError: If `word_dropout` is not a probability below 1 (L040),
        `rare_dropout` is negative or infinite (L047), or an attribute is unknown
        (L041) or depends on other tokens (L046).
    """
    ids = [intify_attr(name) for name in attrs]
    unknown = [name for name, id_ in zip(attrs, ids, strict=True) if id_ is None]
    if unknown:
        raise ValueError(Errors.L041.format(attrs=unknown))
    of_places = [str(name) for name in _OF_PLACES if IDS[name] in ids]
    if of_places:
        raise ValueError(Errors.L046.format(attrs=of_places))
    return Model(
        "per_lexeme",
        forward,
        init=init,
        dims={"nO": embed.maybe_get_dim("nO")},
        layers=[embed],
        attrs={
            "hiding": Hiding(tuple(ids), word_dropout, rare_dropout),
            "chosen_rare_dropout": 0.0,
            "seen_counts": SeenCounts(),
            "hides_unseen": False,
            "dropout_rate": 0.0,
            "cache": WordCache(cache_bytes),
            "reads_vectors": any(node.name in READERS for node in embed.walk()),
        },
    )


def init(
    model: Tok2Vec, X: list[Doc] | None = None, Y: list[Floats2d] | None = None
) -> None:
    """Forget the seen counts; initialize the embedding by the words of sample Docs, and
    what depends on it."""
    forget_counts(model)
    embed = model.layers[0]
    X = X or []
    docs = [doc for doc in X if doc.vocab is X[0].vocab]
    embed.initialize(X=_words_of(model, docs).distinct()[0] if docs else None)
    model.set_dim("nO", embed.get_dim("nO"))
    choose_rare_dropout(model)


def forward(
    model: Tok2Vec, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Gather the vectors of the words; sum their gradients."""
    ops: Any = model.ops
    lengths = [len(doc) for doc in X]
    if not any(lengths):
        nO = model.get_dim("nO")
        return [ops.alloc2f(0, nO) for _ in X], lambda dY: []
    if any(doc.vocab is not X[0].vocab for doc in X):
        return _forward_by_vocab(model, X, is_train)
    bounds = list(pairwise(accumulate(lengths, initial=0)))
    embed, word_cache = model.layers[0], model.attrs["cache"]
    tokens = _words_of(model, X)
    if is_train:
        hidden = count_and_hide(model, tokens.orths, tokens.attrs, lengths)
        words, word_of_token = tokens._replace(hidden=hidden).distinct()
        rows = ops.asarray1i(word_of_token)
        Y_LO, backprop_embed = embed(words, is_train)
        Y_TO = Y_LO[rows]
        word_cache.suspend(model)

        def backprop(dY: list[Floats2d]) -> list[Doc]:
            dY_LO = ops.xp.zeros_like(Y_LO)
            ops.scatter_add(dY_LO, rows, ops.xp.concatenate(dY))
            backprop_embed(dY_LO)
            return []

        return [Y_TO[start:end] for start, end in bounds], backprop

    def compute(chosen: NDArray[np.intp]) -> Floats2d:
        words, word_of_token = tokens.take(chosen).distinct()
        hide_unseen(model, words.attrs)
        return embed.predict(words)[word_of_token]

    keys = tokens.keys()
    if word_cache.n_bytes and model.attrs["reads_vectors"]:
        keys += vector_stamps(tokens.orths, tokens.vocab)
    Y_TO = word_cache.look_up(keys, model, tokens.vocab, compute)
    Y = [Y_TO[start:end] for start, end in bounds]
    return Y, partial(no_backward, "per_lexeme")


def _forward_by_vocab(
    model: Tok2Vec, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """`forward` for the Docs of each vocab apart: strings and static vectors of a word
    are looked up in the vocab of its Doc."""
    places: dict[int, list[int]] = {}
    for i, doc in enumerate(X):
        places.setdefault(id(doc.vocab), []).append(i)
    Y: list[Floats2d] = [None] * len(X)
    backprops = []
    for group in places.values():
        outputs, backprop_group = forward(model, [X[i] for i in group], is_train)
        backprops.append(backprop_group)
        for i, output in zip(group, outputs, strict=True):
            Y[i] = output

    def backprop(dY: list[Floats2d]) -> list[Doc]:
        for group, backprop_group in zip(places.values(), backprops, strict=True):
            backprop_group([dY[i] for i in group])
        return []

    return Y, backprop


def _words_of(model: Tok2Vec, docs: Sequence[Doc]) -> Lexemes:
    """The word of each token; at least one Doc, and all of one vocab."""
    ids = [ORTH, *model.attrs["hiding"].attrs]
    columns = np.concatenate([doc.to_array(ids).reshape(-1, len(ids)) for doc in docs])
    hidden = np.zeros(len(columns), dtype=np.bool_)
    return Lexemes(columns[:, 0], columns[:, 1:], hidden, docs[0].vocab)


def lexical_attrs() -> Model[Lexemes, Ints2d]:
    """Select the attributes of words, as input of hash embeddings: (L, A)."""
    return Model("lexical_attrs", _forward_attrs)


def _forward_attrs(
    model: Model[Lexemes, Ints2d], X: Lexemes, is_train: bool
) -> tuple[Ints2d, Callable[[Ints2d], list[Any]]]:
    return model.ops.xp.asarray(X.attrs), lambda dY: []
