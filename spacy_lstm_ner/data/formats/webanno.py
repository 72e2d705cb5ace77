"""WebAnno TSV 3, of WebAnno and INCEpTION: tokens with offsets, and layers of spans.

Offsets count UTF-16 code units of the whole document.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...errors import Errors
from .annotated import AnnotatedText, CharSpan, Extent, mismatch, refuse, utf16_offsets
from .source import Source

NAME = "webanno"

_FORMAT = "#FORMAT=WebAnno TSV "
_KINDS = {"#T_SP=": "span", "#T_CH=": "chain", "#T_RL=": "relation"}
# Layers of every token, in which no entities are.
_TOKEN_LAYERS = re.compile(
    r"\.(POS|Lemma|Stem|MorphologicalFeatures|SurfaceForm|Token|Sentence"
    r"|SofaChangeAnnotation)$"
)
_NO_FEATURES = ""
# Sentence, token, and sub-token if there is one.
_UNIT = re.compile(r"(\d+)-(\d+)(\.\d+)?")
_OFFSETS = re.compile(r"(\d+)-(\d+)")
_VALUE = re.compile(r"((?:\\.|[^\\|[\]])*)(?:\[(\d+)\])?")
_ESCAPE = re.compile(r"\\(->|.)", re.S)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "b": "\b"}
_NONE, _NULL = "_", "*"


class _Column(NamedTuple):
    """A column of annotation: the kind and name of its layer, and the feature."""

    kind: str
    layer: str
    feature: str


class _Unit(NamedTuple):
    """A token or a part of one: its place, whether it is a token, its extent in the
    document in UTF-16 code units, its text, and its cells."""

    where: str
    is_token: bool
    start: int
    end: int
    text: str
    cells: list[str]


class _Sentence(NamedTuple):
    """A sentence: its place, its text, and its units."""

    where: str
    text: str
    units: list[_Unit]


def looks_like(source: Source) -> bool:
    """Whether the first line says so."""
    return bool(source.head) and source.head[0].startswith(_FORMAT)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read sentences.

    The layer of the entities is the one that is called NamedEntity, or the only layer
    of spans that is none of every token; the feature is "value", or the only one.

    A file without such a layer, which WebAnno does not list if it is empty, is not
    annotated.

    source (Source): The file. Its option `layer` names the layer, or "LAYER|FEATURE".
    YIELDS (AnnotatedText): A text per sentence.
    RAISES ValueError (L276): If several layers or features may be meant.
    """
    version = source.head[0].removeprefix(_FORMAT).strip() if source.head else ""
    where = source.lines[0][0]
    if not version.startswith("3"):
        raise refuse(where, source.head[0] if source.head else "", f"{_FORMAT}3")
    columns = _columns(source)
    column = _choose(columns, source.options.layer, where)
    sentences = list(_sentences(source, len(columns)))
    numbers = Counter(n for s in sentences for n in _numbers(s, column))
    crossing = {number for number, n in numbers.items() if n > 1}
    for sentence in sentences:
        yield _read_sentence(sentence, columns, column, crossing, str(source.path))


def _columns(source: Source) -> list[_Column]:
    columns = []
    for line in source.head:
        for prefix, kind in _KINDS.items():
            if line.startswith(prefix):
                layer, *features = line.removeprefix(prefix).strip().split("|")
                for feature in features or [_NO_FEATURES]:
                    columns.append(_Column(kind, layer, feature))
    return columns


def _choose(columns: list[_Column], asked: str | None, where: str) -> int | None:
    """The number of the column of the entities; None if there are no spans."""
    spans = [c for c in columns if c.kind == "span" and "ROLE_" not in c.feature]
    if asked is not None:
        layer, _, feature = asked.partition("|")
        found = [
            c
            for c in spans
            if c.layer in (asked, layer) or c.layer.endswith(f".{layer}")
        ]
        found = [c for c in found if not feature or c.feature == feature]
        if not found:
            names = ", ".join(_full_name(c) for c in spans)
            raise mismatch(where, f"no layer {asked!r}", f"one of {names}")
    else:
        found = [c for c in spans if not _TOKEN_LAYERS.search(c.layer)]
        named = [c for c in found if c.layer.endswith("NamedEntity")]
        found = named or found
    if len({c.layer for c in found}) == 1 and len(found) > 1:
        found = [c for c in found if c.feature == "value"] or found
    if len(found) > 1:
        names = ", ".join(map(_full_name, found))
        raise ValueError(Errors.L276.format(where=where, names=names))
    return columns.index(found[0]) if found else None


def _full_name(column: _Column) -> str:
    return f"'{column.layer}|{column.feature}'".replace("|'", "'")


def _sentences(source: Source, n_columns: int) -> Iterator[_Sentence]:
    texts: list[str] = []
    units: list[_Unit] = []
    start = ""
    for where, line in [*source.lines, ("", "")]:
        if line.startswith("#Text="):
            start = start or where
            texts.append(_unescape(line.removeprefix("#Text=")))
        elif line.startswith("#") and not units:
            continue
        elif line.strip():
            units.append(_unit(where, line, n_columns))
        elif units or texts:
            yield _Sentence(start or units[0].where, "\n".join(texts), units)
            texts, units, start = [], [], ""


def _unit(where: str, line: str, n_columns: int) -> _Unit:
    cells = line.split("\t")
    unit = _UNIT.fullmatch(cells[0])
    offsets = _OFFSETS.fullmatch(cells[1]) if len(cells) > 2 else None
    if unit is None or offsets is None:
        raise refuse(
            where, line, "'SENTENCE-TOKEN', a tab, 'START-END', a tab, the token"
        )
    found = cells[3:-1] if not cells[-1] else cells[3:]
    if len(found) != n_columns:
        raise mismatch(where, f"{len(found)} columns", f"{n_columns}, by the header")
    start, end = map(int, offsets.groups())
    return _Unit(where, unit[3] is None, start, end, _unescape(cells[2]), found)


def _numbers(sentence: _Sentence, column: int | None) -> set[int]:
    """The numbers of the annotations of a sentence."""
    if column is None:
        return set()
    cells = (unit.cells[column] for unit in sentence.units)
    found = (re.findall(r"(?<!\\)\[(\d+)\]", cell) for cell in cells)
    return {int(number) for numbers in found for number in numbers}


def _unescape(text: str) -> str:
    r"""Characters for their escapes.

    >>> _unescape(r"a\_b\\n\n")
    'a_b\\n\n'
    """
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text)


def _read_sentence(
    sentence: _Sentence,
    columns: list[_Column],
    column: int | None,
    crossing: set[int],
    document: str,
) -> AnnotatedText:
    where, text, units = sentence
    if not units:
        raise mismatch(where, "no tokens", "a line for each token of the sentence")
    if not text:
        raise mismatch(where, "no line '#Text='", "one before the tokens of a sentence")
    try:
        extents = _extents(text, units, utf16_offsets(text))
    except ValueError as err:
        try:  # some scripts count code points
            extents = _extents(text, units, range(len(text) + 1))
        except ValueError:
            raise err from None
    _check_cover(text, units, extents)
    spans, unknown, left_out = _spans(units, extents, column, crossing)
    for i, other in enumerate(columns):
        if other.kind != "span" and other.feature[:3] != "BT_":
            n = sum(unit.cells[i] != _NONE for unit in units)
            left_out[f"annotations of the layer {other.layer}"] += n
    return AnnotatedText(
        where,
        text,
        spans,
        words=[unit.text for unit in units if unit.is_token],
        unknown=unknown,
        is_complete=column is not None,
        document=document,
        layer=None if column is None else columns[column].layer,
        left_out=left_out,
    )


def _extents(text: str, units: list[_Unit], points: Sequence[int]) -> list[Extent]:
    """The extents of units in their sentence, in code points.

    points (Sequence[int]): The code point at each of the offsets that the file counts.
    """
    base = units[0].start
    extents = []
    for unit in units:
        start, end = unit.start - base, unit.end - base
        if not 0 <= start <= end < len(points):
            found = f"the offsets {unit.start}-{unit.end}"
            raise mismatch(unit.where, found, f"at most {base + len(points) - 1}")
        extent = Extent(points[start], points[end])
        found = text[extent.start : extent.end]
        if found != unit.text:
            raise ValueError(
                Errors.L275.format(
                    where=unit.where,
                    start=unit.start,
                    end=unit.end,
                    found=found,
                    stated=unit.text,
                )
            )
        extents.append(extent)
    return extents


def _check_cover(text: str, units: list[_Unit], extents: list[Extent]) -> None:
    """Refuse tokens that overlap or leave out characters of the text."""
    end, where = 0, units[0].where
    for unit, extent in zip(units, extents, strict=True):
        if unit.is_token:
            where = unit.where
            gap = text[end : extent.start]
            if extent.start < end or gap.strip():
                expected = "a token that follows the one before"
                raise refuse(where, unit.text, expected)
            end = extent.end
    if text[end:].strip():
        raise mismatch(where, f"no token of {text[end:]!r}", "tokens of the whole text")


def _spans(
    units: list[_Unit], extents: list[Extent], column: int | None, crossing: set[int]
) -> tuple[list[CharSpan], list[Extent], Counter[str]]:
    """The spans of a column: units with the same number are parts of one. Annotations
    that cross sentences are no spans; their parts are unknown."""
    spans: dict[object, CharSpan] = {}
    left_out: Counter[str] = Counter()
    for i, (unit, extent) in enumerate(zip(units, extents, strict=True)):
        cell = _NONE if column is None else unit.cells[column]
        for value in re.split(r"(?<!\\)\|", cell):
            match = _VALUE.fullmatch(value)
            if match is None:
                raise refuse(unit.where, cell, "values, each with [NUMBER] or without")
            if match[1] in ("", _NONE):
                continue
            if extent.start == extent.end:
                left_out["annotations of no characters"] += 1
                continue
            label = match[1] if match[1] == _NULL else _unescape(match[1])
            key = (label, i) if match[2] is None else int(match[2])
            first = spans.setdefault(key, CharSpan(*extent, label))
            if first.label != label:
                expected = f"{first.label!r}, as before, for the annotation {key}"
                raise refuse(unit.where, label, expected)
            end = max(first.end, extent.end)
            spans[key] = CharSpan(min(first.start, extent.start), end, label)
    empty = [span for span in spans.values() if span.label == _NULL]
    cut = [s for key, s in spans.items() if key in crossing and s.label != _NULL]
    left_out["annotations without a value (left unknown)"] = len(empty)
    left_out["parts of annotations across sentences (left unknown)"] = len(cut)
    unknown = [Extent(start, end) for start, end, _ in (*empty, *cut)]
    known = [span for span in spans.values() if span not in (*empty, *cut)]
    return known, unknown, left_out
