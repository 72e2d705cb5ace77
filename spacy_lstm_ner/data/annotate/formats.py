"""The file formats: Parquet and JSON lines.

The readers and writers of Ray Data do not keep the rows as they are, so these are our
own: `read_json` makes numbers of one type of a column, nulls of missing fields and
times of dates, `write_parquet` drops the metadata of the schema, and Ray Data decides
where files begin.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader, BytesIO
from itertools import count, islice
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import Errors
from ..json_lines import ENDINGS, parse_json, to_json
from .folders import Folder
from .shards import Columns, Shard

# Bytes of one read.
_BUFFER = 4 << 20
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
    """The rows of a shard: their texts, and a function that makes the content of a file
    of the rows with their entities."""

    texts: list[str | None]
    render: Callable[[list[Entities]], bytes]


class Format(Protocol):
    """A file format. `where` is the name of the open file in messages."""

    def check(self, file: IO[bytes], where: str, columns: Columns) -> None:
        """Look at the columns of a file, as far as that is quick.

        RAISES ValueError: If the text column is missing, or the entities column exists
            (L402 to L405).
        """

    def cut(
        self, file: IO[bytes], where: str, n_rows: int, columns: Columns
    ) -> Iterator[tuple[int, int, int]]:
        """Cut a file into shards of at most `n_rows` rows, and check all its texts: a
        file that is corrected later is another input, for which all is computed again.

        YIELDS (Tuple[int, int, int]): Start, stop and offset of each shard.
        """

    def read(self, file: IO[bytes], where: str, shard: Shard, columns: Columns) -> Rows:
        """Read the rows of a shard."""


class Parquet:
    """Rows of Parquet files. Other columns and the metadata of the schema stay."""

    def check(self, file: IO[bytes], where: str, columns: Columns) -> None:
        try:
            schema = pq.read_schema(file)
        except pa.ArrowInvalid as error:
            raise ValueError(Errors.L403.format(path=where, reason=error)) from error
        if schema.names.count(columns.text) != 1:
            found: Any = "missing, or there twice"
        else:
            found = schema.field(columns.text).type
        is_dictionary = isinstance(found, pa.DictionaryType)
        if (found.value_type if is_dictionary else found) not in _text_types():
            message = Errors.L402.format(
                path=where, column=columns.text, found=found, columns=schema.names
            )
            raise ValueError(message)
        if columns.entities in schema.names:
            raise ValueError(Errors.L404.format(where=where, column=columns.entities))

    def cut(
        self, file: IO[bytes], where: str, n_rows: int, columns: Columns
    ) -> Iterator[tuple[int, int, int]]:
        total = pq.read_metadata(file).num_rows
        for start in range(0, total, n_rows):
            yield start, min(start + n_rows, total), 0

    def read(self, file: IO[bytes], where: str, shard: Shard, columns: Columns) -> Rows:
        parquet = pq.ParquetFile(file)
        batches = _row_range(parquet, shard.start, shard.stop)
        table = pa.Table.from_batches(batches, parquet.schema_arrow)

        def render(entities: list[Entities]) -> bytes:
            column = pa.array(entities, _SCHEMA)
            output = BytesIO()
            pq.write_table(table.append_column(columns.entities, column), output)
            return output.getvalue()

        return Rows(table[columns.text].to_pylist(), render)


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

    def check(self, file: IO[bytes], where: str, columns: Columns) -> None:
        with _buffered(file) as lines:
            for number, line in enumerate(lines, start=1):
                if _record(line):
                    _read_text(line, f"{where}, line {number}", columns)
                    return

    def cut(
        self, file: IO[bytes], where: str, n_rows: int, columns: Columns
    ) -> Iterator[tuple[int, int, int]]:
        start = offset = 0
        with _buffered(file) as reader:
            while lines := list(islice(reader, n_rows)):
                _read_texts(where, start, lines, columns)
                yield start, start + len(lines), offset
                start, offset = start + len(lines), offset + sum(map(len, lines))

    def read(self, file: IO[bytes], where: str, shard: Shard, columns: Columns) -> Rows:
        file.seek(shard.offset)
        with _buffered(file) as reader:
            lines = list(islice(reader, shard.n_rows))
        texts = _read_texts(where, shard.start, lines, columns)
        records = [record for line in lines if (record := _record(line))]

        def render(entities: list[Entities]) -> bytes:
            name = to_json(columns.entities)
            # A record is copied up to its last brace.
            return b"".join(
                b"%b, %b: %b}\n" % (record[:-1].rstrip(), name, to_json(found))
                for record, found in zip(records, entities, strict=True)
            )

        return Rows(texts, render)


def _buffered(file: Any) -> IO[bytes]:
    """The file, read in pieces of a size that suits object stores. Files of pyarrow
    have no lines."""
    return BufferedReader(file, _BUFFER)


def _record(line: bytes) -> bytes:
    """The JSON of a line, empty if the line is blank."""
    return line.removeprefix(BOM_UTF8).strip()


def _read_texts(
    where: str, start: int, lines: Iterable[bytes], columns: Columns
) -> list[str | None]:
    """The texts of consecutive lines; `start` is the number of lines before them."""
    return [
        _read_text(line, f"{where}, line {number}", columns)
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


def format_of(name: str) -> Format:
    """The format of a file, by its ending.

    name (str): A name that ends in one of `INPUT_ENDINGS`, in upper or lower case.
    """
    return _FORMATS[PurePosixPath(name).suffix.lower()]


def cut(
    folder: Folder, names: Iterable[str], n_rows: int, columns: Columns
) -> Iterator[Shard]:
    """Cut files into shards, numbered in the order of the files and their rows.

    folder (Folder): The folder of the input.
    names (Iterable[str]): The names of the files in it.
    n_rows (int): Greatest number of rows of a shard.
    columns (Columns): Names of the columns.
    YIELDS (Shard): Each shard.
    RAISES ValueError: At a text that cannot be read (L404, L405).
    """
    numbers = count()
    for name in names:
        ending = PurePosixPath(name).suffix
        with folder.open(name) as file:
            pieces = format_of(name).cut(file, folder.where(name), n_rows, columns)
            for rows in pieces:
                yield Shard(f"part-{next(numbers):08d}{ending}", name, *rows)
