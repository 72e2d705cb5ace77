"""BRAT standoff: a text in FILE.txt, and its annotation in FILE.ann."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...errors import Errors
from ..files import find_files
from ..lines import read_lines, read_text
from .annotated import (
    AnnotatedText,
    Extent,
    Surface,
    code_points,
    make_span,
    refuse,
)
from .source import COMPANION, Source

NAME = "brat"

# The first letter of an identifier tells what a line is, beside text-bound ones.
_OTHERS = {
    "R": "relations",
    "*": "equivalences",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalizations",
    "#": "notes",
}
_BOUND = re.compile(r"(T\S+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")


class _Bound(NamedTuple):
    """A text-bound annotation: its place, identifier, label, fragments and text."""

    where: str
    name: str
    label: str
    fragments: list[Extent]
    text: str | None


def looks_like(source: Source) -> bool:
    """Whether this is a folder with .ann files, or one of a pair of files."""
    path = source.path
    if path.is_dir():
        return bool(find_files(path, [".ann"]))
    suffix = path.suffix.lower()
    return suffix == ".ann" or (suffix == ".txt" and path.with_suffix(".ann").is_file())


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read pairs of files.

    The triggers of events are no entities. Fragments of an entity that only white space
    separates, as BRAT writes them where a line ends, are one span; an entity of other
    fragments can't be in a Doc, and its characters are unknown.

    source (Source): A folder, or one of the files.
    YIELDS (AnnotatedText): A text per .ann file, completely annotated.
    RAISES ValueError: If a file of a pair is missing (L280).
    """
    path = source.path
    if not path.is_dir():
        files = [path.with_suffix(".ann")]
    else:
        files = find_files(path, [".ann"])
    for file in files:
        for other, missing in ((".txt", file), (".ann", path)):
            if not file.with_suffix(other).is_file():
                name = file.with_suffix(other).name
                message = Errors.L280.format(path=missing, other=name)
                raise ValueError(message)
        yield _read_pair(file)
    if path.is_dir():
        alone = [
            file
            for file in find_files(path, [".txt"])
            if not file.with_suffix(".ann").is_file()
            and not file.name.endswith(COMPANION)
        ]
        for file in alone:
            yield AnnotatedText(str(file), read_text(file), is_complete=False)


def _read_pair(path: Path) -> AnnotatedText:
    bounds, left_out = _read_lines(path)
    text, extents = _resolve(path.with_suffix(".txt"), bounds)
    spans, unknown = [], []
    for bound in bounds:
        fragments = [extents.pop(0) for _ in bound.fragments]
        joined = _join(text, fragments)
        for start, end in joined:
            span = make_span(text, start, end, bound.label, bound.where)
            if len(joined) == 1:
                spans.append(span)
            else:
                unknown.append(Extent(start, end))
        left_out["discontinuous spans (left unknown)"] += len(joined) > 1
    return AnnotatedText(
        str(path),
        text,
        spans,
        unknown=unknown,
        left_out=left_out,
    )


def _read_lines(path: Path) -> tuple[list[_Bound], Counter[str]]:
    """The text-bound annotations of a file, without triggers, and what else it has."""
    bounds, triggers = [], set()
    left_out: Counter[str] = Counter()
    for where, line in read_lines(path).texts:
        if not line.strip():
            continue
        if line[0] in _OTHERS:
            left_out[_OTHERS[line[0]]] += 1
            if line[0] == "E":
                trigger = line.partition("\t")[2].partition(" ")[0]
                triggers.add(trigger.rpartition(":")[2])
            continue
        match = _BOUND.fullmatch(line)
        if match is None:
            raise refuse(
                where, line, r"'T1\tLABEL START END\tTEXT', or another line of BRAT"
            )
        fragments = [Extent(*map(int, part.split())) for part in match[3].split(";")]
        bounds.append(_Bound(where, match[1], match[2], fragments, match[4]))
    left_out["triggers of events"] = sum(bound.name in triggers for bound in bounds)
    return [bound for bound in bounds if bound.name not in triggers], left_out


def _resolve(path: Path, bounds: list[_Bound]) -> tuple[str, list[Extent]]:
    """The text, and the fragments of all annotations in code points. Offsets of some
    tools do not count the carriage returns of the text."""
    surfaces = [s for bound in bounds for s in _surfaces(bound)]
    text = read_text(path)
    error = None
    for candidate in (text, text.replace("\r\n", "\n")):
        try:
            return candidate, code_points(candidate, surfaces)
        except ValueError as err:
            error = error or err
    assert error is not None
    raise error


def _surfaces(bound: _Bound) -> Iterator[Surface]:
    """The fragments of an annotation, with their part of its text."""
    if len(bound.fragments) == 1:
        yield Surface(bound.where, *bound.fragments[0], bound.text)
        return
    rest = bound.text
    for start, end in bound.fragments:
        part = None if rest is None else rest[: end - start]
        yield Surface(bound.where, start, end, part)
        rest = None if rest is None else rest[end - start :].lstrip()


def _join(text: str, fragments: list[Extent]) -> list[Extent]:
    """Fragments in order, joined where only white space is between them."""
    joined: list[Extent] = []
    for fragment in sorted(fragments):
        if joined and not text[joined[-1].end : fragment.start].strip():
            joined[-1] = Extent(joined[-1].start, fragment.end)
        else:
            joined.append(fragment)
    return joined
