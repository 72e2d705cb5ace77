"""A file or a folder to read, parsed once for all formats that look at it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ...errors import Errors
from ..lines import Lines, read_lines
from .scripts import ENDING as SCRIPT
from .scripts import read_script

# The start of a file that is JSON. A file of columns may begin with a bracket too.
_JSON = re.compile(r"[\[{]\s*([\[{\"\]}]|$)", re.M)


class Item(NamedTuple):
    """A value of a JSON file, and its place: the line or the number of the item."""

    where: str
    value: Any


class Options(NamedTuple):
    """What a user says about files, beyond what they say themselves.

    layer (Optional[str]): The layer or column of the entities, if a file has several.
    labels (Optional[Path]): A file with the names of numbered tags.
    conll (Mapping[str, Any]): The settings of `ConllCorpus`.
    """

    layer: str | None = None
    labels: Path | None = None
    conll: Mapping[str, Any] = MappingProxyType({})


# Files beside the data, which name numbered tags, end so.
COMPANION = "labels.txt"
PARQUET = ".parquet"
# Files with these endings are no text.
BINARY = (PARQUET, ".spacy")


class Source:
    """A file or a folder.

    path (Path): Its path.
    options (Options): What the user says about it.
    """

    def __init__(self, path: Path, options: Options | None = None) -> None:
        self.path = path
        self.options = options or Options()

    @property
    def is_text(self) -> bool:
        """Whether this is a file or a pipe, and not of a binary format."""
        return not self.path.is_dir() and self.path.suffix.lower() not in BINARY

    @cached_property
    def file(self) -> Lines:
        """The lines of the file. A pipe can be read only once.

        RAISES ValueError: As of `lines`.
        """
        lines = read_lines(self.path)
        lines.log_marks()
        return lines

    @cached_property
    def lines(self) -> list[tuple[str, str]]:
        """The place of each line, and the line. None of a folder or a binary file.

        RAISES ValueError: At bytes that are not UTF-8 (L113), or a carriage return
            within a line (L117).
        """
        return self.file.texts if self.is_text else []

    @cached_property
    def head(self) -> list[str]:
        """The first lines that are not empty."""
        lines = (line for _, line in self.lines[:1000] if line.strip())
        return [line for line, _ in zip(lines, range(100), strict=False)]

    @cached_property
    def is_json(self) -> bool:
        """Whether one of the first two lines begins as JSON does."""
        return any(_JSON.match(line.strip()) for line in self.head[:2])

    @cached_property
    def items(self) -> list[Item]:
        """The values of a JSON file: the items of a list, the lines of JSON lines, or
        a single object; the rows of a Parquet file; the lists of texts of a Python
        script. None of another file.

        RAISES ValueError: If it is not valid JSON (L270), or no Parquet file or script
            (L274).
        RAISES ImportError (L284): If Parquet needs a package that is not installed.
        """
        if self._table is not None:
            rows = enumerate(self._table.to_pylist(), start=1)
            return [Item(f"{self.path}, row {i}", row) for i, row in rows]
        text = "\n".join(line for _, line in self.lines)
        if self.path.suffix.lower() == SCRIPT:
            found = read_script(self.path, text)
            return [Item(f"{self.path}, line {line}", value) for line, value in found]
        if not self.is_json:
            return []
        try:
            value = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as err:
            if len(self.head) > 1 and mostly(map(_is_json, self.head)):
                return list(self._json_lines())
            line = err.lineno if isinstance(err, json.JSONDecodeError) else 1
            raise _not_json(self.lines[line - 1][0], err) from err
        if isinstance(value, list):
            return [
                Item(f"{self.path}, item {i}", item)
                for i, item in enumerate(value, start=1)
            ]
        is_line = len(self.head) == 1
        return [Item(self.lines[0][0] if is_line else str(self.path), value)]

    @cached_property
    def _table(self) -> Any:
        """The table of a Parquet file; None of another file."""
        if self.path.suffix.lower() != PARQUET or not self.path.is_file():
            return None
        try:
            import pyarrow.parquet as pq  # noqa: PLC0415 (needs an extra)
        except ImportError as err:
            raise ImportError(Errors.L284) from err
        try:
            return pq.read_table(self.path)
        except ValueError as err:  # ArrowInvalid is one
            message = Errors.L274.format(
                where=self.path, found=err, expected="a Parquet file"
            )
            raise ValueError(message) from err

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """The metadata of the schema of a Parquet file."""
        return {} if self._table is None else self._table.schema.metadata or {}

    def _json_lines(self) -> Iterator[Item]:
        for where, line in self.lines:
            if line.strip():
                try:
                    yield Item(where, json.loads(line))
                except (json.JSONDecodeError, RecursionError) as err:
                    raise _not_json(where, err) from err

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The objects among the items, to look at."""
        return [item.value for item in self.items if isinstance(item.value, dict)]

    def blocks(self) -> Iterator[list[tuple[str, str]]]:
        """The lines between empty lines, with their places."""
        block: list[tuple[str, str]] = []
        for where, line in self.lines:
            if line.strip():
                block.append((where, line))
            elif block:
                yield block
                block = []
        if block:
            yield block


def mostly(values: Iterable[object]) -> bool:
    """Whether half of some values or more are true. A format is told so, because one
    damaged record must not hide it."""
    flags = [bool(value) for value in values]
    return any(flags) and sum(flags) >= len(flags) / 2


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _not_json(where: str, err: Exception) -> ValueError:
    if isinstance(err, json.JSONDecodeError):
        reason = f"{err.msg}, at character {err.colno}"
    else:
        reason = "nested too deeply"
    return ValueError(Errors.L270.format(where=where, reason=reason))
