"""Words as arrays of attributes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import LOWER, NORM, ORTH
from spacy.vocab import Vocab
from thinc.api import Model

from ...types import Floats2d, Ints2d
from ..common import Settings


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


# Attributes that identify a word: those that word dropout hides.
_IDENTIFYING = (ORTH, LOWER, NORM)


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
