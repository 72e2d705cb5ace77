"""Sentences in the textbook's form: padded to one length, with a mask; the accuracy of
their tags.

The layers of this package pack sequences instead (see `packing`). This is for layers
that need padding, and for a look at their input::

    words   9  6  1  2        tags   0  0  3  0        mask   1  1  1  1
            1  5  0  0               1  0  0  0               1  1  0  0
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example

from ..checks import check_at_least
from ..component.gold import UNKNOWN, gold_tags
from ..layers.words.vocabulary import PAD
from ..tags import TagSet
from ..types import FloatsXd, IntsXd


class PaddedBatch(NamedTuple):
    """Sentences side by side, as long as the longest of them.

    words: The number of each word; 0, <PAD>, after the end.  (B, T)
    tags: The number of each tag in a `TagSet`; 0 where the mask is False.  (B, T)
    mask: Whether there is a token with an annotated tag.  (B, T)
    """

    words: NDArray[np.intp]
    tags: NDArray[np.intp]
    mask: NDArray[np.bool_]


def padded_batches(
    examples: Iterable[Example],
    number_words: Callable[[Doc], Sequence[int]],
    labels: Sequence[str],
    *,
    size: int = 64,
    seed: int | None = None,
    endless: bool = False,
) -> Iterator[PaddedBatch]:
    """Generate padded batches of a corpus, which is kept in memory as numbers.

    examples (Iterable[Example]): The corpus, from any reader.
    number_words (Callable[[Doc], Sequence[int]]): Numbers the words of a predicted Doc:
        `partial(word_index.word_numbers, model)`.
    labels (Sequence[str]): The labels of entities.
    size (int): Sentences of a batch; the last batch of a pass may have fewer.
    seed (Optional[int]): Seed to shuffle the sentences with, in each pass anew; None
        keeps their order.
    endless (bool): Start again after the last sentence.
    YIELDS (PaddedBatch): The batches.
    RAISES ValueError: If `size` is not positive (L048), or if gold data has a label
        that is none of `labels` (L012).
    """
    check_at_least(1, size=size)
    examples = list(examples)
    words = [np.array(number_words(eg.predicted), dtype=np.intp) for eg in examples]
    tags = gold_tags(examples, TagSet(labels))
    order = np.arange(len(words))
    rng = np.random.default_rng(seed)
    for _ in count() if endless and len(order) else range(1):
        if seed is not None:
            rng.shuffle(order)
        for start in range(0, len(order), size):
            chosen = order[start : start + size].tolist()
            padded_tags = _pad([tags[i] for i in chosen], fill=UNKNOWN)
            mask = padded_tags != UNKNOWN
            padded_words = _pad([words[i] for i in chosen], fill=PAD)
            yield PaddedBatch(padded_words, np.where(mask, padded_tags, PAD), mask)


def masked_accuracy(scores: FloatsXd, tags: IntsXd, mask: IntsXd) -> float | None:
    """The share of tokens whose tag has the highest score, among those that count.

    The textbook's formula masks the denominator alone::

        sum(argmax(scores) == tags) / sum(mask)

    Padding whose best tag happens to be right then counts above the line only, and the
    accuracy may exceed 1. Here the mask counts on both sides::

        sum((argmax(scores) == tags) * mask) / sum(mask)

    scores (FloatsXd): Of each tag at each token, such as logarithms of probabilities.
        (..., N)
    tags (IntsXd): The numbers of the right tags.  (...)
    mask (IntsXd): Which tokens count.  (...)
    RETURNS (Optional[float]): None if none does.
    """
    mask = mask != 0
    n = int(mask.sum())
    is_right = scores.argmax(axis=-1) == tags
    return int((is_right & mask).sum()) / n if n else None


def _pad(rows: Sequence[NDArray[np.intp]], fill: int) -> NDArray[np.intp]:
    """Rows of different lengths in one array (B, T), filled up at their ends."""
    padded = np.full((len(rows), max(map(len, rows))), fill, dtype=np.intp)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded
