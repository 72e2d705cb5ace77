"""GermEval 2014: numbered tokens with outer and inner tags."""

import re
from collections.abc import Iterator

from ..lines import cut
from .annotated import AnnotatedText, mismatch
from .source import Source, mostly
from .tokens import Tagged, from_tags

NAME = "germeval"

_HEADER = "#\t"
_ROW = re.compile(r"\d+\t[^\t]*\t(O|[BI]-[^\t]+)\t(O|[BI]-[^\t]+)")


def looks_like(source: Source) -> bool:
    """Whether sentences begin with their source, and lines have a number, a token and
    two tags."""
    headers = [line.startswith(_HEADER) for line in source.head]
    rows = [
        r for r, is_header in zip(source.head, headers, strict=True) if not is_header
    ]
    return any(headers) and mostly(_ROW.fullmatch(row.strip()) for row in rows)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read sentences. Inner entities overlap outer ones.

    source (Source): The file.
    YIELDS (AnnotatedText): A text per sentence, completely annotated.
    """
    yield from from_tags(_sentences(source))


def _sentences(source: Source) -> Iterator[Tagged]:
    for block in source.blocks():
        rows = [
            (w, line.split("\t")) for w, line in block if not line.startswith(_HEADER)
        ]
        for where, cells in rows:
            if len(cells) != 4:
                found = f"{len(cells)} columns in {cut(chr(9).join(cells))!r}"
                raise mismatch(where, found, "4: number, token, outer tag, inner tag")
        if rows:
            places = [where for where, _ in rows]
            words, outer, inner = (
                [cells[i].strip() for _, cells in rows] for i in (1, 2, 3)
            )
            yield Tagged(
                places[0], words, [outer, inner], places, None, str(source.path)
            )
