"""Tags and spans: the rules of BIO tagging, on strings, integers and arrays.

Inside the package tags are BIO, which is the scheme IOB2: ``B-X`` begins an entity
with the label ``X``, ``I-X`` continues it, ``O`` is outside. Other schemes are read
here and go no further. Models number the tags; `TagSet` has the numbers and the rules.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .checks import check_choice
from .errors import Errors

OUTSIDE = "O"

# The prefixes of each scheme. IOB2 is also called BIO; BILUO is also called BIOES.
SCHEMES = {"IOB1": "BI", "IOB2": "BI", "BILUO": "BILU"}

# What to do with a tag that its scheme forbids where it stands.
INVALID = ("repair", "error")

_PREFIXES = {"B": "B", "I": "I", "L": "L", "U": "U", "E": "L", "S": "U"}


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


class TagError(ValueError):
    """A tag that cannot be read.

    index (int): Its position in the sequence.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


def is_tag(tag: str) -> bool:
    """Whether a string is a tag of any scheme.

    tag (str): For instance "O", "B-PER" or "U-JOB-NAME".
    RETURNS (bool): False for "", "B", "I-" or "X-PER", for instance.
    """
    prefix, _, label = tag.partition("-")
    return tag == OUTSIDE or (prefix in _PREFIXES and bool(label.strip()))


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag at its first hyphen, so that labels may have hyphens too.

    tag (str): A tag of any scheme.
    RETURNS (Tuple[str, str]): The prefix (O, B, I, L or U: the E and S of BIOES are
        other names of L and U) and the label, which is empty for "O".
    RAISES ValueError (L101): If `tag` is not a tag.

    >>> split_tag("B-JOB-NAME"), split_tag("B-O"), split_tag("S-PER"), split_tag("O")
    (('B', 'JOB-NAME'), ('B', 'O'), ('U', 'PER'), ('O', ''))
    """
    if not is_tag(tag):
        raise ValueError(Errors.L101.format(tag=tag))
    prefix, _, label = tag.partition("-")
    return _PREFIXES.get(prefix, OUTSIDE), label


def _begins_entity(prev: str, tag: str) -> bool:
    """Whether an entity begins at `tag`, whatever the scheme and however invalid.

    The rule of the evaluation script of CoNLL-2000 and CoNLL-2003, conlleval
    (Tjong Kim Sang & Buchholz 2000; Tjong Kim Sang & De Meulder 2003).
    """
    prev_prefix, prev_label = split_tag(prev)
    prefix, label = split_tag(tag)
    return prefix != OUTSIDE and (
        prefix in ("B", "U") or prev_prefix in ("O", "L", "U") or label != prev_label
    )


def to_tags(
    spans: Iterable[TokenSpan], n_tokens: int, *, scheme: str = "IOB2"
) -> list[str]:
    """Write spans as tags.

    spans (Iterable[TokenSpan]): Entities in any order, without common tokens.
    n_tokens (int): The number of tokens.
    scheme (str): "IOB2" (BIO), "IOB1" or "BILUO".
    RETURNS (List[str]): A tag per token.
    RAISES ValueError: If a span is empty or out of range (L104), overlaps another
        (L105) or has no label (L106), or if the scheme is unknown (L100).

    >>> to_tags([TokenSpan(0, 2, "per"), TokenSpan(2, 3, "per")], 4)
    ['B-per', 'I-per', 'B-per', 'O']
    """
    check_choice("scheme", scheme, SCHEMES)
    tags = [OUTSIDE] * n_tokens
    prev = TokenSpan(0, 0, "")
    for span in sorted(spans):
        start, end, label = span
        if not 0 <= start < end <= n_tokens:
            raise ValueError(Errors.L104.format(span=tuple(span), n=n_tokens))
        if start < prev.end:
            message = Errors.L105.format(first=tuple(prev), second=tuple(span))
            raise ValueError(message)
        if not label.strip():
            raise ValueError(Errors.L106.format(span=tuple(span)))
        touches = (start, label) == (prev.end, prev.label)
        prefixes = _prefixes(end - start, scheme, touches)
        tags[start:end] = [f"{prefix}-{label}" for prefix in prefixes]
        prev = TokenSpan(*span)
    return tags


def _prefixes(length: int, scheme: str, touches: bool) -> str:
    """The prefixes of one entity.

    touches (bool): Whether it follows an entity with its label without a gap: IOB1
        writes B only there.
    """
    if scheme == "BILUO":
        return "U" if length == 1 else "B" + "I" * (length - 2) + "L"
    first = "I" if scheme == "IOB1" and not touches else "B"
    return first + "I" * (length - 1)


def to_spans(
    tags: Sequence[str], *, scheme: str = "IOB2", invalid: str = "repair"
) -> tuple[list[TokenSpan], int]:
    """Read tags as spans.

    A sequence is valid if writing its spans gives it back. The spans of one that is
    not are those that the CoNLL evaluation finds in it.

    tags (Sequence[str]): A tag per token. What is no tag of the scheme is an error
        and never repaired.
    scheme (str): "IOB2" (BIO), "IOB1" or "BILUO" (BIOES).
    invalid (str): "repair" to read an invalid sequence all the same, "error" to
        reject it.
    RETURNS (Tuple[List[TokenSpan], int]): The spans, by position, and the number of
        tags that had to be repaired.
    RAISES TagError: At the first token that is no tag of the scheme (L102) or,
        on demand, whose tag is invalid there (L103).
    RAISES ValueError (L100): If `scheme` or `invalid` is none of the above.

    >>> to_spans(["O", "I-per", "I-per"])
    ([TokenSpan(start=1, end=3, label='per')], 1)
    """
    check_choice("scheme", scheme, SCHEMES)
    check_choice("invalid", invalid, INVALID)
    _check_tags(tags, scheme)
    spans: list[TokenSpan] = []
    prev = OUTSIDE
    for i, tag in enumerate(tags):
        if _begins_entity(prev, tag):
            spans.append(TokenSpan(i, i + 1, split_tag(tag)[1]))
        elif tag != OUTSIDE:
            spans[-1] = spans[-1]._replace(end=i + 1)
        prev = tag
    valid = to_tags(spans, len(tags), scheme=scheme)
    wrong = [i for i, tag in enumerate(tags) if split_tag(tag) != split_tag(valid[i])]
    if wrong and invalid == "error":
        i = wrong[0]
        message = Errors.L103.format(tag=tags[i], i=i, scheme=scheme, expected=valid[i])
        raise TagError(message, i)
    return spans, len(wrong)


def _check_tags(tags: Iterable[str], scheme: str) -> None:
    """Raise a TagError (L102) at the first string that is no tag of the scheme."""
    for i, tag in enumerate(tags):
        if not is_tag(tag) or split_tag(tag)[0] not in OUTSIDE + SCHEMES[scheme]:
            prefixes = ", ".join(
                p for p in _PREFIXES if _PREFIXES[p] in SCHEMES[scheme]
            )
            message = Errors.L102.format(tag=tag, i=i, scheme=scheme, prefixes=prefixes)
            raise TagError(message, i)
