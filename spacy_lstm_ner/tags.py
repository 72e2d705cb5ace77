"""Tags and spans: BIO tags, their numbers and which may follow which.

Inside the package tags are BIO (the scheme IOB2): ``B-X`` begins an entity with the
label ``X``, ``I-X`` continues it, ``O`` is outside. `data.tag_schemes` reads others.
"""

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IOB_STRINGS

OUTSIDE = "O"

# Values of `Token.ent_iob`, in spaCy: 0 is a token without annotation.
IOB_INSIDE, IOB_OUTSIDE, IOB_BEGIN = map(IOB_STRINGS.index, "IOB")


class TokenSpan(NamedTuple):
    """Tokens ``start <= i < end`` with a label: an entity, without its Doc."""

    start: int
    end: int
    label: str


class TagSet:
    """The BIO tags of a list of labels, their numbers, and which may follow which.

    Tag 0 is O. The label with index k has the tags B = 2k + 1 and I = 2k + 2. I of a
    label may follow only B and I of the same label; every other tag may follow any tag
    and may be the first of a sequence. No other part of the package knows the numbers.

    labels (Iterable[str]): The labels of entities, each once.
    n_tags (int): Number of tags, N.

    >>> TagSet(["geo", "per"]).names
    ['O', 'B-geo', 'I-geo', 'B-per', 'I-per']
    """

    outside = 0  # number of O
    # All B tags and all I tags, by label, as slices of an axis of tags.
    begins = slice(1, None, 2)
    insides = slice(2, None, 2)

    def __init__(self, labels: Iterable[str]) -> None:
        self.labels = tuple(labels)
        self.n_tags = 1 + 2 * len(self.labels)

    @staticmethod
    @lru_cache(maxsize=16)
    def of_size(n_tags: int) -> "TagSet":
        """The tag set of a decoder, which knows the number of tags and no labels.

        n_tags (int): 1 for O, and 2 for each label.
        """
        return TagSet(map(str, range(n_tags // 2)))

    @cached_property
    def names(self) -> list[str]:
        """The tags as strings, by number: "O", then B and I of each label."""
        return [OUTSIDE] + [f"{p}-{label}" for label in self.labels for p in "BI"]

    @cached_property
    def label_numbers(self) -> dict[str, int]:
        """The index of each label."""
        return {label: k for k, label in enumerate(self.labels)}

    # These take the index of a label or the number of a tag, or an array of them.

    @staticmethod
    def begin(label: Any) -> Any:
        """Number of the B tag of a label."""
        return 2 * label + 1

    @staticmethod
    def inside(label: Any) -> Any:
        """Number of the I tag of a label."""
        return 2 * label + 2

    @staticmethod
    def label_of(tag: Any) -> Any:
        """Index of the label of a tag; -1 for O."""
        return (tag + 1) // 2 - 1

    @staticmethod
    def is_begin(tag: Any) -> Any:
        """Whether a tag is a B tag."""
        return tag % 2 == 1

    @staticmethod
    def is_inside(tag: Any) -> Any:
        """Whether a tag is an I tag."""
        return (tag % 2 == 0) & (tag > 0)

    @classmethod
    def follows(cls, prev: Any, tag: Any) -> Any:
        """Whether a tag may stand behind another: I only behind B or I of its label."""
        may_follow_any = (tag == cls.outside) | cls.is_begin(tag)
        return may_follow_any | (prev == tag) | (prev == tag - 1)

    @cached_property
    def may_start(self) -> NDArray[np.bool_]:
        """Whether a sequence may begin with each tag.  (N,)"""
        allowed = np.ones(self.n_tags, dtype=bool)
        allowed[self.insides] = False
        return _read_only(allowed)

    @cached_property
    def may_follow(self) -> NDArray[np.bool_]:
        """Whether tag [column] may stand behind tag [row].  (N, N)"""
        tags = np.arange(self.n_tags)
        return _read_only(self.follows(tags[:, None], tags))


def _read_only(array: NDArray[np.bool_]) -> NDArray[np.bool_]:
    array.flags.writeable = False
    return array
