"""Tables of words by keys, so that they need no strings.

A word's key is 32 bits of the hash of its text. Of the words that a table of W words
lacks, about one in 2^32 / W is taken for one that it has.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from spacy.strings import get_string_id
from thinc.api import deserialize_attr, serialize_attr

_BITS = np.uint64(0xFFFFFFFF)
_ZIP = b"PK"

Table = TypeVar("Table", bound="KeyedTable")


class TableError(ValueError):
    """A table cannot be read; the message says what was found and expected."""


@dataclass(frozen=True, eq=False)
class KeyedTable:
    """Arrays with a row for each of W words. Its subclasses have the arrays.

    keys: The key of each word, ascending.  (W,)
    unreadable: The message about a file without such a table.
    is_compressed: Whether the file is compressed.
    """

    keys: NDArray[np.uint32]

    unreadable: ClassVar[str]
    is_compressed: ClassVar[bool] = False

    def rows_of(self, hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
        """The row of each word, or -1.

        hashes (ndarray): The 64-bit hashes of the words' texts.  (L,)
        RETURNS (ndarray): (L,)
        """
        if not len(self.keys):
            return np.full(len(hashes), -1)
        wanted = (hashes & _BITS).astype(np.uint32)
        rows = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[rows] == wanted, rows, -1)

    def to_bytes(self) -> bytes:
        """The table as a file in NumPy's format `npz`. It has the lower 16 bits of each
        key, and for each value of the upper 16 bits, how many keys begin with it."""
        counts = np.bincount(self.keys >> np.uint32(16), minlength=1 << 16)
        counts = counts.astype(np.min_scalar_type(counts.max()))
        others = {name: array for name, array in vars(self).items() if name != "keys"}
        file = BytesIO()
        save: Any = np.savez_compressed if self.is_compressed else np.savez
        save(file, keys=self.keys.astype(np.uint16), counts=counts, **others)
        return file.getvalue()

    @classmethod
    def from_bytes(cls: type[Table], data: bytes) -> Table:
        """The table that `to_bytes` has written.

        RAISES TableError: If it has another format, or other arrays.
        """
        others = [each.name for each in fields(cls)[1:]]
        expected, found = ["keys", "counts", *others], ["no table of arrays"]
        if data.startswith(_ZIP):
            upper = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
            try:
                with np.load(BytesIO(data), allow_pickle=False) as arrays:
                    found = list(arrays)
                    if set(expected) <= set(found):
                        keys = np.repeat(upper, arrays["counts"]) | arrays["keys"]
                        return cls(keys, *map(arrays.get, others))
            except (ValueError, EOFError, BadZipFile, zlib.error) as err:
                raise TableError(str(err)) from err
        listed = f"found {', '.join(found)}; expected {', '.join(expected)}"
        raise TableError(listed)

    @classmethod
    def read(cls: type[Table], path: str | Path) -> Table:
        """Read a table from a file.

        RAISES ValueError (L058, L230): If the file does not exist, or does not hold
            such a table.
        """
        try:
            return cls.from_bytes(Path(path).read_bytes())
        except (OSError, ValueError) as err:
            raise ValueError(cls.unreadable.format(path=path, reason=err)) from err


@serialize_attr.register(KeyedTable)
def _save(_: KeyedTable, value: KeyedTable, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(KeyedTable)
def _load(default: KeyedTable, value: bytes, name: str, model: Any) -> KeyedTable:
    return type(default).from_bytes(value)


def keys_of(words: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """The keys of words, ascending, and the index of the first word of each key.

    words (Sequence[str]): The words, the most frequent first.
    """
    hashes = np.array([get_string_id(word) for word in words], dtype="uint64")
    return np.unique(hashes.astype(np.uint32), return_index=True)
