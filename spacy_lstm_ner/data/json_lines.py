"""Files with a text per line, plain or as the field of a JSON record."""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import Errors
from .lines import cut, read_lines
from .replacing import replacing

# Files with these endings have a record per line, all others a text.
ENDINGS = (".jsonl", ".ndjson")
# Files with these endings have a token, a row of a table or a part of a document per
# line, or no lines.
_NO_TEXTS = {
    *(".json", ".conll", ".iob", ".iob2", ".conllu", ".conllup", ".gold_conll"),
    *(".tsv", ".csv", ".ann", ".html", ".xml", ".spacy", ".parquet", ".gz", ".zip"),
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_texts(path: Path) -> list[dict[str, Any]]:
    """Read records with the field "text" from JSON lines, or from lines of plain text.

    path (Path): The file. Blank lines are skipped.
    RETURNS (List[Dict[str, Any]]): The records. A line of plain text becomes a record
        with this field only.
    RAISES ValueError: If the lines of files with this ending are not texts (L214), at a
        record without the field (L207), and as `read_lines` (L113, L117).
    """
    ending = path.suffix.lower()
    if ending in _NO_TEXTS:
        raise ValueError(Errors.L214.format(path=path, ending=ending))
    read = read_lines(path)
    read.log_marks()
    lines = [(where, line) for where, line in read.texts if line.strip()]
    if ending not in ENDINGS:
        return [{"text": line} for _, line in lines]
    records = []
    for where, line in lines:
        record = parse_json(line, only_finite=True)
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise ValueError(Errors.L207.format(where=where, line=cut(line)))
        records.append(record)
    return records


def parse_json(text: str | bytes, *, only_finite: bool = False) -> Any:
    """Parse JSON, without an exception for what is none.

    text (Union[str, bytes]): The JSON; bytes are UTF-8, also of lone surrogates.
    only_finite (bool): Refuse NaN, and numbers that are too large for a float.
    RETURNS (Any): The value; None if the text is not JSON, or nested so deeply that
        Python cannot read it.
    """
    check = _finite if only_finite else None
    try:
        if isinstance(text, bytes):
            text = text.decode("utf8", "surrogatepass")
        return json.loads(text, parse_float=check, parse_constant=check)
    except (ValueError, RecursionError):
        return None


def _finite(number: str) -> float:
    """Parse a number; NaN, and a number too large for a float, is not valid JSON."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records as lines of JSON, with all digits of their numbers.

    path (Path): The file.
    records (Iterable[Dict[str, Any]]): The records.
    """
    with replacing(path) as new, new.open("wb") as file:
        file.writelines(to_json(record) + b"\n" for record in records)


def to_json(value: Any) -> bytes:
    """Encode as JSON on one line: as UTF-8, or as escaped ASCII if the text contains
    lone surrogates.

    value (Any): A value that `json.dumps` takes.
    """
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf8")
    except UnicodeEncodeError:
        return json.dumps(value).encode("ascii")


def for_spacy(text: str) -> str:
    """Replace lone surrogates, which spaCy refuses, by U+FFFD. They come from texts
    that were cut within an emoji.

    text (str): The text.
    RETURNS (str): The text of the same length.
    """
    return _SURROGATE.sub("\ufffd", text)
