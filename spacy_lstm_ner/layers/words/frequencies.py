"""What training has seen of words, and what is hidden because of it.

A hash embedding looks up a value that training has never seen in rows that were learned
for other values. Instead, training hides values at random, the rarer the more often,
and prediction hides the values that training has not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import srsly
from spacy.attrs import LOWER, NORM, ORTH
from thinc.api import Model, deserialize_attr

from ..ragged import cut
from .lexemes import Lexemes

# The attributes that identify a word; the others are shared by many words.
_IDENTIFYING = (ORTH, LOWER, NORM)


class SeenCounts(dict[int, dict[int, int]]):
    """How often each value of each attribute occurs in the training texts:
    `counts[attribute][value]`.

    A text is counted once, however many epochs show it. The counts are saved with the
    model, the hashes of the texts are not: resumed training counts its texts once more.
    """

    def __init__(self, counts: Any = ()) -> None:
        super().__init__(counts)
        self.max_texts = 1 << 20  # about 100 MB of hashes; then it starts over
        self._texts: set[int] = set()

    def add(
        self, attrs: Sequence[int], tokens: Lexemes, lengths: Sequence[int]
    ) -> None:
        """Count the values in a training batch.

        attrs (Sequence[int]): Ids of the columns of `tokens.attrs`.
        tokens (Lexemes): All tokens of the batch.  T
        lengths (Sequence[int]): Number of tokens of each text.
        """
        is_new = []
        for orths in cut(tokens.orths, list(lengths)):
            text = hash(orths.tobytes())
            is_new.append(text not in self._texts)
            self._texts.add(text)
        if len(self._texts) > self.max_texts:
            self._texts.clear()
        new = np.repeat(is_new, lengths)
        for attr, column in zip(attrs, tokens.attrs[new].T, strict=True):
            counts = self.setdefault(attr, {})
            values, n = np.unique(column, return_counts=True)
            for value, n_value in zip(values.tolist(), n.tolist(), strict=True):
                counts[value] = counts.get(value, 0) + n_value


@deserialize_attr.register(SeenCounts)
def _(default: SeenCounts, value: bytes, name: str, model: Any) -> SeenCounts:
    return SeenCounts(srsly.msgpack_loads(value))


@dataclass(frozen=True)
class Hiding:
    """Which values of attributes are hidden, that is, replaced by 0.

    The settings come from the config; Thinc does not save an object like this one.

    attrs: Ids of the columns of `Lexemes.attrs`.
    word_dropout, rare_dropout: See `per_lexeme`.
    """

    attrs: tuple[int, ...]
    word_dropout: float
    rare_dropout: float

    def at_random(self, tokens: Lexemes, seen: SeenCounts) -> Lexemes:
        """Training: hide words, and values by how rare they are, in place.

        tokens (Lexemes): Words whose values all have been counted.
        seen (SeenCounts): The counts.
        RETURNS (Lexemes): The tokens, with `hidden` set.
        """
        if not (self.word_dropout or self.rare_dropout):
            return tokens
        hidden = np.random.random(len(tokens.attrs)) < self.word_dropout
        for attr, column in zip(self.attrs, tokens.attrs.T, strict=True):
            if self.rare_dropout:
                n = np.array([seen[attr].get(value, 0) for value in column.tolist()])
                rate = self.rare_dropout / (self.rare_dropout + n)
                column[np.random.random(len(n)) < rate] = 0
            if attr in _IDENTIFYING:
                column[hidden] = 0
        return tokens._replace(hidden=hidden)

    def unseen(self, words: Lexemes, seen: SeenCounts) -> None:
        """Prediction: hide values that training has not seen, in place.

        Nothing is hidden before the first text is counted.

        words (Lexemes): The words.
        seen (SeenCounts): The counts.
        """
        for attr, column in zip(self.attrs, words.attrs.T, strict=True):
            is_identifying = self.word_dropout and attr in _IDENTIFYING
            if (self.rare_dropout or is_identifying) and attr in seen:
                counts = seen[attr]
                column[[value not in counts for value in column.tolist()]] = 0


def forget_counts(model: Model[Any, Any]) -> None:
    """Reset the seen counts of all layers of a model.

    model (Model): The model.
    """
    for node in model.walk():
        if "seen_counts" in node.attrs:
            node.attrs["seen_counts"] = SeenCounts()
