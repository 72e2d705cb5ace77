"""What training has seen of words, and what is hidden because of it.

A hash embedding looks up a value that training has never seen in rows that were learned
for other values. Instead, training hides values at random, the rarer the more often
(Kiperwasser & Goldberg 2016, for words), and prediction hides the values that training
has not seen. To hide a value is to replace it by 0.

The first step of training after `initialize` or `forget_counts` decides whether
prediction hides: not if its dropout rate was 0, because then the model does not learn
about hidden values. Later steps do not change the decision, whatever their rate. It is
saved with the model, in the attribute "hides_unseen".
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import srsly
from numpy.typing import NDArray
from spacy.attrs import LOWER, NORM, ORTH
from thinc.api import Model, deserialize_attr

from ...errors import Errors

logger = logging.getLogger("spacy.lstm_ner")

# `rare_dropout` where the config leaves it open. What a model knows of words by their
# vectors, it should not learn by heart by their names.
_RARE_WITH_VECTORS = 3.0
_RARE_WITHOUT = 0.3
# The attributes that identify a word; the others are shared by many words.
_IDENTIFYING = (ORTH, LOWER, NORM)


@dataclass(frozen=True)
class Hiding:
    """What is hidden, by the config. Thinc does not save an object like this one.

    Training hides nothing if its `drop` is 0. Prediction hides values of all attributes
    if `rare_dropout` is positive, of the identifying ones if `word_dropout` is.

    attrs: Ids of the lexical attributes.
    word_dropout: Probability with which the word of a token is hidden in training: the
        attributes that identify it, and its static vector. Affixes, shape and
        characters remain (Lample et al. 2016).
    rare_dropout: A number r. In training, an attribute is hidden with the probability
        r / (r + n), where n is the number of times its value occurs in the training
        texts. None: 3 if words have vectors, else 0.3; see
        `choose_rare_dropout`.
    RAISES ValueError: See `per_lexeme`.
    """

    attrs: tuple[int, ...]
    word_dropout: float
    rare_dropout: float | None

    def __post_init__(self) -> None:
        if not 0 <= self.word_dropout < 1:
            raise ValueError(Errors.L040.format(rate=self.word_dropout))
        if self.rare_dropout is not None and not 0 <= self.rare_dropout < math.inf:
            raise ValueError(Errors.L047.format(value=self.rare_dropout))


def choose_rare_dropout(model: Model[Any, Any]) -> None:
    """Initialization: if the config leaves `rare_dropout` open, choose it by whether
    words have vectors. The choice is saved with the model, in "chosen_rare_dropout"."""
    if model.attrs["hiding"].rare_dropout is None:
        # nM is the width of word vectors; 0 if there are none for the language.
        widths = [n.get_dim("nM") for n in model.walk() if "nM" in n.dim_names]
        chosen = _RARE_WITH_VECTORS if any(widths) else _RARE_WITHOUT
        having = "have" if any(widths) else "have no"
        logger.info("rare_dropout is %s, because words %s vectors.", chosen, having)
        model.attrs["chosen_rare_dropout"] = chosen


def _rare_dropout(model: Model[Any, Any]) -> float:
    rate: float | None = model.attrs["hiding"].rare_dropout
    return model.attrs["chosen_rare_dropout"] if rate is None else rate


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

    def are_new(self, texts: Sequence[NDArray[np.uint64]]) -> list[bool]:
        """Whether texts, given by the hashes of their words, are still uncounted. They
        count from now on."""
        is_new = []
        for text in map(hash, (orths.tobytes() for orths in texts)):
            is_new.append(text not in self._texts)
            self._texts.add(text)
        if len(self._texts) > self.max_texts:
            self._texts.clear()
        return is_new


@deserialize_attr.register(SeenCounts)
def _(default: SeenCounts, value: bytes, name: str, model: Any) -> SeenCounts:
    return SeenCounts(srsly.msgpack_loads(value))


def count_and_hide(
    model: Model[Any, Any],
    orths: NDArray[np.uint64],
    columns: NDArray[np.uint64],
    lengths: Sequence[int],
) -> NDArray[np.bool_]:
    """A step of training: count the values of new texts; hide words, and values by how
    rare they are.

    model (Model): The layer, with the dropout rate of the training loop.
    orths (ndarray): Hash of each token's text.  (T,)
    columns (ndarray): The values of its attributes, hidden in place.  (T, A)
    lengths (Sequence[int]): Number of tokens of each text.
    RETURNS (ndarray): Whether word dropout hides the token.  (T,)
    """
    hiding: Hiding = model.attrs["hiding"]
    rare_dropout = _rare_dropout(model)
    seen: SeenCounts = model.attrs["seen_counts"]
    hides = model.attrs["dropout_rate"] > 0
    if not seen:
        model.attrs["hides_unseen"] = hides
    texts = np.split(orths, np.cumsum(lengths)[:-1])
    new = columns[np.repeat(seen.are_new(texts), lengths)]
    hidden = np.zeros(len(orths), dtype=np.bool_)
    if hides and (hiding.word_dropout or rare_dropout):
        hidden = np.random.random(len(orths)) < hiding.word_dropout
    for attr, new_values in dict(zip(hiding.attrs, new.T, strict=True)).items():
        counts = seen.setdefault(attr, {})
        values, n = np.unique(new_values, return_counts=True)
        for value, n_value in zip(values.tolist(), n.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + n_value
    for attr, column in zip(hiding.attrs, columns.T, strict=True):
        counts = seen[attr]
        if hides and rare_dropout:
            found = np.array([counts.get(value, 0) for value in column.tolist()])
            rate = rare_dropout / (rare_dropout + found)
            column[np.random.random(len(found)) < rate] = 0
        if attr in _IDENTIFYING:
            column[hidden] = 0
    return hidden


def hide_unseen(model: Model[Any, Any], columns: NDArray[np.uint64]) -> None:
    """Prediction: hide the values that training has not seen, in place.

    model (Model): The layer. It hides nothing before the first text is counted.
    columns (ndarray): The values of each word's attributes.  (L, A)
    """
    hiding: Hiding = model.attrs["hiding"]
    seen: SeenCounts = model.attrs["seen_counts"]
    rare_dropout = _rare_dropout(model)
    if not model.attrs["hides_unseen"]:
        return
    for attr, column in zip(hiding.attrs, columns.T, strict=True):
        is_identifying = hiding.word_dropout and attr in _IDENTIFYING
        if (rare_dropout or is_identifying) and attr in seen:
            counts = seen[attr]
            column[[value not in counts for value in column.tolist()]] = 0


def forget_counts(model: Model[Any, Any]) -> None:
    """Reset the seen counts of all layers of a model, and the decision to hide."""
    for node in model.walk():
        if "seen_counts" in node.attrs:
            node.attrs["seen_counts"] = SeenCounts()
            node.attrs["hides_unseen"] = False
