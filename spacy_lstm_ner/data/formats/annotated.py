"""The texts that readers of formats yield, and the checks that they share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...errors import Errors
from ..lines import cut


class CharSpan(NamedTuple):
    """The characters ``start <= i < end`` of a text, in code points, with a label."""

    start: int
    end: int
    label: str


class Extent(NamedTuple):
    """The characters ``start <= i < end`` of a text, in code points."""

    start: int
    end: int


@dataclass(frozen=True)
class AnnotatedText:
    """A text with annotation, as one annotator left it.

    where: Its place, for messages: the file, and the line or the number of the item.
    text: The text.
    spans: The entities. They may overlap.
    words: The tokens of the file, if the annotation stands on tokens. None: the text
        is still to be tokenized.
    is_joined: The file has tokens only, and `text` joins them by spaces.
    is_complete: Whether all entities are annotated. If not, other tokens are unknown.
    wrong: Spans that are known to be no entities.
    unknown: Extents without annotation, within a complete one.
    sentences: The first character of each sentence; None if they are not known.
    document: The document that a sentence belongs to.
    layer: The layer of the entities, if the file has several.
    key: Texts of one key are the same text, annotated several times.
    annotator: Who annotated it.
    left_out: What the file has and a Doc cannot have, with its number.
    """

    where: str
    text: str
    spans: Sequence[CharSpan] = ()
    words: Sequence[str] | None = None
    is_joined: bool = False
    is_complete: bool = True
    wrong: Sequence[CharSpan] = ()
    unknown: Sequence[Extent] = ()
    sentences: Sequence[int] | None = None
    document: str | None = None
    layer: str | None = None
    key: object = None
    annotator: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


def refuse(where: str, value: object, expected: str) -> ValueError:
    """The error of a value that is not as its format says (L274).

    where (str): The place.
    value (object): What stands there.
    expected (str): What should, in words.
    """
    return mismatch(where, cut(repr(value)), expected)


def mismatch(where: str, found: str, expected: str) -> ValueError:
    """The error of a file that is not as its format says (L274).

    where (str): The place.
    found, expected (str): What stands there and what should, in words.
    """
    return ValueError(Errors.L274.format(where=where, found=found, expected=expected))


def get_field(record: Mapping[str, Any], name: str, type_: type, where: str) -> Any:
    """A field of a record, which must have a type.

    record (Mapping[str, Any]): The record.
    name (str): The name of the field.
    type_ (type): The expected type.
    where (str): The place of the record.
    RAISES ValueError (L274): If the field is missing or has another type.
    """
    if name not in record:
        expected = f"the field {name!r}"
        raise mismatch(where, f"fields {', '.join(map(str, record))}", expected)
    return expect(record[name], type_, f"{where}, field {name!r}")


_NAMES = {str: "a string", list: "a list", dict: "an object", int: "a whole number"}


def expect(value: Any, type_: type, where: str) -> Any:
    """A value, which must have a type.

    RAISES ValueError (L274): If it has not.
    """
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        raise refuse(where, value, _NAMES[type_])
    return value


def size(value: Any) -> int:
    """The number of values in a field that is left out."""
    return len(value) if isinstance(value, list | dict) else int(bool(value))


def make_span(
    text: str, start: Any, end: Any, label: Any, where: str, *, unit: str = "characters"
) -> CharSpan:
    """A span of a text.

    text (str): The text, or the list of its tokens.
    unit (str): What is counted.
    RAISES ValueError: If it is not within the text (L273), or if the offsets are no
        whole numbers or the label is no string (L274).
    """
    for offset in (start, end):
        expect(offset, int, f"{where}, offset of a span")
    expect(label, str, f"{where}, label of a span")
    if not label.strip():
        raise refuse(f"{where}, label of a span", label, "a name")
    if not 0 <= start < end <= len(text):
        message = Errors.L273.format(
            where=where, span=(start, end, label), n=len(text), unit=unit
        )
        raise ValueError(message)
    return CharSpan(start, end, label)


class Surface(NamedTuple):
    """The offsets of a span in a file, its place, and the characters that the file says
    it has; None if it does not say."""

    where: str
    start: int
    end: int
    text: str | None


def code_points(text: str, surfaces: Iterable[Surface]) -> list[Extent]:
    """Offsets in code points, from offsets as the file counts them: in code points, or
    in the UTF-16 code units of JavaScript and Java; the end is behind the last one, or
    at it, as in old exports of Label Studio. The characters that the file says tell.

    text (str): The text.
    surfaces (Iterable[Surface]): The spans of the text.
    RETURNS (List[Extent]): The spans, in the given order.
    RAISES ValueError (L275): If they fit in no way.
    """
    surfaces = list(surfaces)
    wrong = _first_wrong(text, surfaces, [Extent(s.start, s.end) for s in surfaces])
    if wrong is None:
        return [Extent(s.start, s.end) for s in surfaces]
    for last in (0, 1):
        for points in (range(len(text) + 1), utf16_offsets(text)):
            if all(0 <= s.start <= s.end + last < len(points) for s in surfaces):
                extents = [
                    Extent(points[s.start], points[s.end + last]) for s in surfaces
                ]
                if _first_wrong(text, surfaces, extents) is None:
                    return extents
    where, start, end, stated = wrong
    raise ValueError(
        Errors.L275.format(
            where=where,
            start=start,
            end=end,
            found=cut(text[max(start, 0) : max(end, 0)]),
            stated=cut(stated or ""),
        )
    )


def _first_wrong(
    text: str, surfaces: Iterable[Surface], extents: Iterable[Extent]
) -> Surface | None:
    for surface, (start, end) in zip(surfaces, extents, strict=True):
        if surface.text is not None:
            found = text[max(start, 0) : max(end, 0)]
            if found.split() != surface.text.split():
                return surface
    return None


def utf16_offsets(text: str) -> list[int]:
    """The code point at each UTF-16 code unit of a text, and behind the last one.

    >>> utf16_offsets("a\U0001f30db")
    [0, 1, 1, 2, 3]
    """
    points = []
    for i, character in enumerate(text):
        points += [i] * (2 if ord(character) > 0xFFFF else 1)
    return [*points, len(text)]
