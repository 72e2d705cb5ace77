"""The file formats: Parquet and JSON lines."""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import Errors
from ..json_lines import ENDINGS, parse_json, to_json
from .shards import Columns, Shard

# The entities of a row; None if the row has no text.
Entities = list[dict[str, Any]] | None

_SCHEMA = pa.list_(
    pa.struct(
        [
            pa.field("start", pa.int64(), nullable=False),
            pa.field("end", pa.int64(), nullable=False),
            pa.field("label", pa.string(), nullable=False),
            pa.field("confidence", pa.float64()),
        ]
    )
)


class Rows(NamedTuple):
    """The rows of a shard: their texts, and a function that writes the rows with their
    entities to a file."""

    texts: list[str | None]
    write: Callable[[list[Entities], IO[bytes]], None]


class Format(Protocol):
    """A file format."""

    def check(self, path: Path, columns: Columns) -> None:
        """Look at the columns of a file, as far as that is quick.

        RAISES ValueError: If the text column is missing, or the entities column exists
            (L402 to L405).
        """

    def cut(
        self, path: Path, n_rows: int, columns: Columns
    ) -> Iterator[tuple[int, int, int]]:
        """Cut a file into shards of at most `n_rows` rows, and check all its texts: a
        file that is corrected later is another input, for which all is computed again.

        YIELDS (Tuple[int, int, int]): Start, stop and offset of each shard.
        """

    def read(self, path: Path, shard: Shard, columns: Columns) -> Rows:
        """Read the rows of a shard."""


class Parquet:
    """Rows of Parquet files. Other columns and the metadata of the schema stay."""

    def check(self, path: Path, columns: Columns) -> None:
        try:
            schema = pq.read_schema(path)
        except pa.ArrowInvalid as error:
            raise ValueError(Errors.L403.format(path=path, reason=error)) from error
        if schema.names.count(columns.text) != 1:
            found: Any = "missing, or there twice"
        else:
            found = schema.field(columns.text).type
        is_dictionary = isinstance(found, pa.DictionaryType)
        if (found.value_type if is_dictionary else found) not in _text_types():
            message = Errors.L402.format(
                path=path, column=columns.text, found=found, columns=schema.names
            )
            raise ValueError(message)
        if columns.entities in schema.names:
            raise ValueError(Errors.L404.format(where=path, column=columns.entities))

    def cut(
        self, path: Path, n_rows: int, columns: Columns
    ) -> Iterator[tuple[int, int, int]]:
        total = pq.read_metadata(path).num_rows
        for start in range(0, total, n_rows):
            yield start, min(start + n_rows, total), 0

    def read(self, path: Path, shard: Shard, columns: Columns) -> Rows:
        with pq.ParquetFile(path) as file:
            table = pa.Table.from_batches(
                _row_range(file, shard.start, shard.stop), file.schema_arrow
            )

        def write(entities: list[Entities], output: IO[bytes]) -> None:
            column = pa.array(entities, _SCHEMA)
            pq.write_table(table.append_column(columns.entities, column), output)

        return Rows(table[columns.text].to_pylist(), write)


def _text_types() -> list[Any]:
    """The types of a column of texts; a column of nothing but nulls has its own."""
    return [pa.string(), pa.large_string(), pa.string_view(), pa.null()]


def _row_range(file: pq.ParquetFile, start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """Read the rows start <= i < stop from the row groups that contain them."""
    row, groups = 0, []
    for group in range(file.num_row_groups):
        end = row + file.metadata.row_group(group).num_rows
        if row < stop and end > start:
            groups.append((group, row))
        row = end
    row = groups[0][1]
    for batch in file.iter_batches(row_groups=[group for group, _ in groups]):
        first, last = max(start - row, 0), min(stop - row, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        row += batch.num_rows
        if row >= stop:
            return


class JsonLines:
    """Records of JSON lines. Other fields stay as they were written."""

    def check(self, path: Path, columns: Columns) -> None:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if _record(line):
                    _read_text(line, f"{path}, line {number}", columns)
                    return

    def cut(
        self, path: Path, n_rows: int, columns: Columns
    ) -> Iterator[tuple[int, int, int]]:
        start = offset = 0
        with path.open("rb") as file:
            while lines := list(islice(file, n_rows)):
                _read_texts(path, start, lines, columns)
                yield start, start + len(lines), offset
                start, offset = start + len(lines), offset + sum(map(len, lines))

    def read(self, path: Path, shard: Shard, columns: Columns) -> Rows:
        with path.open("rb") as file:
            file.seek(shard.offset)
            lines = list(islice(file, shard.stop - shard.start))
        texts = _read_texts(path, shard.start, lines, columns)
        records = [record for line in lines if (record := _record(line))]

        def write(entities: list[Entities], output: IO[bytes]) -> None:
            name = to_json(columns.entities)
            for record, found in zip(records, entities, strict=True):
                # The record is copied up to its last brace.
                fields = (record[:-1].rstrip(), name, to_json(found))
                output.write(b"%b, %b: %b}\n" % fields)

        return Rows(texts, write)


def _record(line: bytes) -> bytes:
    """The JSON of a line, empty if the line is blank."""
    return line.removeprefix(BOM_UTF8).strip()


def _read_texts(
    path: Path, start: int, lines: Iterable[bytes], columns: Columns
) -> list[str | None]:
    """The texts of consecutive lines; `start` is the number of lines before them."""
    return [
        _read_text(line, f"{path}, line {number}", columns)
        for number, line in enumerate(lines, start=start + 1)
        if _record(line)
    ]


def _read_text(line: bytes, where: str, columns: Columns) -> str | None:
    """The text of a record, which must not have a field of the entities' name."""
    record = parse_json(_record(line))
    if (
        not isinstance(record, dict)
        or columns.text not in record
        or not isinstance(record[columns.text], str | None)
    ):
        start = line[:50].decode("utf8", errors="replace")
        message = Errors.L405.format(where=where, line=start, column=columns.text)
        raise ValueError(message)
    if columns.entities in record:
        raise ValueError(Errors.L404.format(where=where, column=columns.entities))
    text: str | None = record[columns.text]
    return text


_FORMATS: dict[str, Format] = {
    ".parquet": Parquet(),
    **dict.fromkeys(ENDINGS, JsonLines()),
}
INPUT_ENDINGS = tuple(_FORMATS)


def format_of(path: Path) -> Format:
    """The format of a file, by its ending.

    path (Path): A file that ends in one of `INPUT_ENDINGS`, in upper or lower case.
    """
    return _FORMATS[path.suffix.lower()]


def cut(
    paths: Iterable[Path], root: Path, n_rows: int, columns: Columns
) -> list[Shard]:
    """Cut files into shards, numbered in the order of the files and their rows.

    paths (Iterable[Path]): The files.
    root (Path): The folder of the input.
    n_rows (int): Greatest number of rows of a shard.
    columns (Columns): Names of the columns.
    RAISES ValueError: At a text that cannot be read (L404, L405).
    """
    pieces = (
        (path, rows)
        for path in paths
        for rows in format_of(path).cut(path, n_rows, columns)
    )
    return [
        Shard(
            f"part-{number:08d}{path.suffix}", path.relative_to(root).as_posix(), *rows
        )
        for number, (path, rows) in enumerate(pieces)
    ]
