"""MultiCoNER: a line "# id" per sentence, and lines of a token, "_", "_" and a tag."""

import re
from collections.abc import Iterator

from ..columns import UNKNOWN
from .annotated import AnnotatedText, refuse
from .source import Source, mostly
from .tokens import Tagged, from_tags

NAME = "multiconer"

_HEADER = re.compile(r"# id\b")
_ROW = re.compile(r"(.*\S)?\s+_\s+_\s+(\S+)\s*")


def looks_like(source: Source) -> bool:
    """Whether there are lines with identifiers, and others with two columns "_"."""
    headers = [bool(_HEADER.match(line)) for line in source.head]
    rows = [
        r for r, is_header in zip(source.head, headers, strict=True) if not is_header
    ]
    return any(headers) and mostly(map(_ROW.fullmatch, rows))


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read sentences. Tokens with the tag "_", as in test files without the solution,
    are not annotated.

    source (Source): The file.
    YIELDS (AnnotatedText): A text per sentence.
    """
    yield from from_tags(_sentences(source))


def _sentences(source: Source) -> Iterator[Tagged]:
    for block in source.blocks():
        words, tags, places = [], [], []
        for where, line in block:
            if _HEADER.match(line):
                continue
            match = _ROW.fullmatch(line)
            if match is None:
                raise refuse(where, line, "a token, '_', '_' and a tag")
            words.append(match[1] or "")
            tags.append(UNKNOWN if match[2] == "_" else match[2])
            places.append(where)
        if words:
            yield Tagged(places[0], words, [tags], places)
