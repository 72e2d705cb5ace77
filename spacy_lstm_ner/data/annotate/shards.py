"""Shards: the units of work and of output."""

from typing import NamedTuple


class Columns(NamedTuple):
    """Names of the columns: the texts of the input, the entities of the output."""

    text: str
    entities: str


class Shard(NamedTuple):
    """Consecutive rows of an input file, which become one file of the output.

    name: Name of the file in the output.
    source: The input file, relative to the folder of the input.
    start, stop: Rows (Parquet) or lines (JSON lines), half-open.
    offset: The byte where `start` begins (JSON lines).
    """

    name: str
    source: str
    start: int
    stop: int
    offset: int

    @property
    def n_rows(self) -> int:
        """The number of its rows or lines."""
        return self.stop - self.start
