"""OntoNotes as in CoNLL-2012: entities in brackets, in the eleventh column."""

import re
from collections.abc import Iterator, Sequence

from ...tags import TokenSpan
from ..lines import cut
from .annotated import AnnotatedText, mismatch, refuse
from .source import Source, mostly
from .tokens import from_words

NAME = "conll2012"

_WORD, _ENTITIES, _N_COLUMNS = 3, 10, 12
_BEGIN, _END = "#begin document", "#end document"
# (ORG) may stand for (ORG*).
_CELL = re.compile(r"((?:\([^()*\s]+)*)(?:\*|(?=\)))(\)*)")


def looks_like(source: Source) -> bool:
    """Whether lines have entities in brackets, between the signs of documents."""
    rows = [line.split() for line in source.head if not line.startswith("#")]
    brackets = [r[_ENTITIES] for r in rows if len(r) >= _N_COLUMNS]
    has_sign = any(line.startswith((_BEGIN, _END)) for line in source.head)
    is_entity = mostly(map(_CELL.fullmatch, brackets))
    return is_entity and (has_sign or any("(" in cell for cell in brackets))


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read sentences.

    source (Source): The file.
    YIELDS (AnnotatedText): A text per sentence, completely annotated.
    """
    document = None
    rows: list[tuple[str, list[str]]] = []
    for where, line in [*source.lines, ("", "")]:
        if line.startswith("#") or not line.strip():
            if rows:
                yield _read_sentence(rows, document)
                rows = []
            if line.startswith(_BEGIN):
                document = f"{source.path} {line.removeprefix(_BEGIN).strip()}"
            elif line.startswith("#") and not line.startswith(_END):
                raise refuse(where, line, f"'{_BEGIN} ...' or '{_END}'")
            continue
        cells = line.split()
        if len(cells) < _N_COLUMNS:
            expected = f"at least {_N_COLUMNS} columns"
            raise mismatch(where, f"{len(cells)} columns in {cut(line)!r}", expected)
        rows.append((where, cells))


def _read_sentence(
    rows: Sequence[tuple[str, list[str]]], document: str | None
) -> AnnotatedText:
    spans, open_ = [], []
    for i, (where, cells) in enumerate(rows):
        cell = cells[_ENTITIES]
        match = _CELL.fullmatch(cell)
        if match is None:
            raise refuse(where, cell, "entities in brackets, such as (PERSON*, *) or *")
        open_ += [(i, label) for label in match[1].split("(")[1:]]
        for _ in match[2]:
            if not open_:
                raise refuse(where, cell, "a bracket that was opened before")
            start, label = open_.pop()
            spans.append(TokenSpan(start, i + 1, label))
    if open_:
        start, label = open_[-1]
        raise refuse(rows[start][0], f"({label}*", "')' in the same sentence")
    words = [cells[_WORD] for _, cells in rows]
    return from_words(rows[0][0], words, spans, document=document)
