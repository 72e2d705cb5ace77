"""Texts to be worked on: one per line, plain or as the field of a JSON record."""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import Errors
from .conll import read_lines

# Files with these endings have a record per line, all others a text.
_ENDINGS = (".jsonl", ".ndjson")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def read_texts(path: Path) -> list[dict[str, Any]]:
    """Records with the field "text", from lines of JSON or plain text.

    path (Path): The file. Lines of nothing but blanks are skipped.
    RETURNS (List[Dict[str, Any]]): Of plain text, records with that field alone.
    RAISES ValueError: If the file is one JSON document (L214), at a line without such a
        field (L207), and as `read_lines` (L113, L117).
    """
    ending = path.suffix.lower()
    if ending == ".json":
        raise ValueError(Errors.L214.format(path=path))
    lines = [(where, line) for where, line in read_lines(path) if line.strip()]
    if ending not in _ENDINGS:
        return [{"text": line} for _, line in lines]
    records = []
    for where, line in lines:
        try:
            record = json.loads(line, parse_float=_finite, parse_constant=_finite)
        except ValueError:
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise ValueError(Errors.L207.format(where=where, line=line[:50]))
        records.append(record)
    return records


def _finite(number: str) -> float:
    """A number that JSON can say: no NaN, and none that is too large for a float."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records as lines of JSON, with all digits of their numbers.

    path (Path): The file.
    records (Iterable[Dict[str, Any]]): The records.
    """
    path.write_bytes(b"".join(to_json(record) + b"\n" for record in records))


def to_json(value: Any) -> bytes:
    """JSON on one line: readable, but where UTF-8 has no bytes for it, as for one half
    of a pair of code units, which an escape may name.

    value (Any): What `json.dumps` takes.
    """
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf8")
    except UnicodeEncodeError:
        return json.dumps(value).encode("ascii")


def for_spacy(text: str) -> str:
    """A text of the same length that spaCy takes: halves of pairs of code units, as
    where an emoji was cut, are replaced.

    text (str): The text.
    """
    return _HALF_PAIR.sub("\ufffd", text)
