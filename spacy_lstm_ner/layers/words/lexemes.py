"""Words as arrays of lexical attributes."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ...types import Floats2d, Ints2d


class Lexemes(NamedTuple):
    """Words.

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
        """The text of each word."""
        strings = self.vocab.strings
        return [strings[orth] for orth in self.orths.tolist()]

    def keys(self) -> NDArray[np.uint64]:
        """A 64-bit hash of each word and its attributes.  (L,)"""
        keys: NDArray[np.uint64] = self.attrs @ _factors(self.attrs.shape[1])
        keys += self.orths
        keys += self.hidden
        return keys


Embed = Model[Lexemes, Floats2d]


def lexemes_of(docs: Sequence[Doc], attrs: Sequence[int]) -> Lexemes:
    """The word of each token.

    docs (Sequence[Doc]): At least one.
    attrs (Sequence[int]): Ids of the attributes to read.
    RETURNS (Lexemes): One per token, in order.
    """
    ids = [ORTH, *attrs]
    columns = np.concatenate([doc.to_array(ids).reshape(-1, len(ids)) for doc in docs])
    hidden = np.zeros(len(columns), dtype=np.bool_)
    return Lexemes(columns[:, 0], columns[:, 1:], hidden, docs[0].vocab)


@cache
def _factors(n: int) -> NDArray[np.uint64]:
    """Powers of the golden ratio in 64 bits (Knuth's multiplicative hashing)."""
    powers = np.arange(1, n + 1, dtype="uint64")
    return np.asarray(np.uint64(0x9E3779B97F4A7C15) ** powers)


def lexical_attrs() -> Model[Lexemes, Ints2d]:
    """Select the attributes of words, as input of hash embeddings.

    RETURNS (Model[Lexemes, Ints2d]): L words -> (L, A).
    """
    return Model("lexical_attrs", _forward_attrs)


def _forward_attrs(
    model: Model[Lexemes, Ints2d], X: Lexemes, is_train: bool
) -> tuple[Ints2d, Callable[[Ints2d], list[Any]]]:
    return model.ops.xp.asarray(X.attrs), no_input_gradient


def no_input_gradient(dY: Any) -> list[Any]:
    """End of the backward pass: words have no gradient."""
    return []
