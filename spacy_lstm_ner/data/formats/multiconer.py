"""MultiCoNER: a line "# id" per sentence, and lines of a token, "_", "_" and a tag."""

import re
from collections.abc import Iterator

from ..columns import UNKNOWN
from .annotated import AnnotatedText, refuse
from .source import Source
from .tokens import Tagged, from_tags

NAME = "multiconer"

_HEADER = re.compile(r"# id\b")
_ROW = re.compile(r"(.*\S)?\s+_\s+_\s+(\S+)\s*")


def looks_like(source: Source) -> bool:
    """Whether the first line is an identifier and the next one has two columns "_"."""
    lines = source.head
    return bool(lines[1:] and _HEADER.match(lines[0]) and _ROW.fullmatch(lines[1]))


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
