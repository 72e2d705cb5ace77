"""Tag schemes of files: spans as strings of tags, and back.

Only readers of files and writers of corpora need other schemes than BIO.
"""

from collections.abc import Iterable, Sequence

from ..checks import check_choice
from ..errors import Errors
from ..tags import OUTSIDE, TokenSpan

# The prefixes of each scheme. IOB2 is also called BIO; BILUO is also called BIOES.
SCHEMES = {"IOB1": "BI", "IOB2": "BI", "BILUO": "BILU"}

# What to do with a tag that its scheme forbids where it stands.
INVALID = ("repair", "error")

_PREFIXES = {"B": "B", "I": "I", "L": "L", "U": "U", "E": "L", "S": "U"}


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

    tags (Sequence[str]): A tag per token. A string that is not a tag of the scheme
        is always an error, never repaired.
    scheme (str): "IOB2" (BIO), "IOB1" or "BILUO" (BIOES).
    invalid (str): "repair" to read an invalid sequence all the same, "error" to
        reject it.
    RETURNS (Tuple[List[TokenSpan], int]): The spans, by position, and the number of
        tags that had to be repaired.
    RAISES TagError: At the first string that is not a tag of the scheme (L102), or, if
        `invalid` is "error", at the first tag that is invalid at its place (L103).
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
    """Raise a TagError (L102) at the first string that is not a tag of the scheme."""
    for i, tag in enumerate(tags):
        if not is_tag(tag) or split_tag(tag)[0] not in OUTSIDE + SCHEMES[scheme]:
            prefixes = ", ".join(
                p for p in _PREFIXES if _PREFIXES[p] in SCHEMES[scheme]
            )
            message = Errors.L102.format(tag=tag, i=i, scheme=scheme, prefixes=prefixes)
            raise TagError(message, i)
