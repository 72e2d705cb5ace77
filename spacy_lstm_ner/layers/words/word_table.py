"""Small tables of word vectors, by product quantization.

Each vector is cut into parts. A part is stored as the number of the nearest of a few
centroids, which all words share (Jegou et al. 2011).

`spacy_lstm_ner.data.quantize` makes tables. The folder `tables` holds those that come
with the package, a file per language.
"""

from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from thinc.api import deserialize_attr, serialize_attr

from ...errors import Errors
from ...types import Floats2d
from .keys import find_keys, pack_keys, read_arrays, unpack_keys


class WordTable(NamedTuple):
    """Quantized vectors of W words, in P parts of D dimensions, with C centroids each.

    keys: The low 32 bits of the hash of each word, ascending.  (W,)
    codes: The number of the centroid of each part.  (W, P)
    centroids: The centroids.  (P, C, D)
    """

    keys: NDArray[np.uint32]
    codes: NDArray[np.uint8]
    centroids: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Width of the vectors, P * D."""
        parts, _, dims = self.centroids.shape
        return int(parts * dims)

    def has(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether the table has each word.

        hashes (ndarray): The 64-bit hashes of the words' texts.  (L,)
        """
        return find_keys(self.keys, hashes) >= 0

    def vectors_of(
        self, hashes: NDArray[np.uint64], wanted: NDArray[np.bool_], ops: Any
    ) -> Floats2d:
        """The vectors of words, 0 where none is wanted or there is none.

        hashes (ndarray): The 64-bit hashes of the words' texts.  (L,)
        wanted (ndarray): Whether to give the vector of each word.  (L,)
        ops (Ops): Allocates the vectors.
        RETURNS (Floats2d): (L, P * D)
        """
        rows = np.where(wanted, find_keys(self.keys, hashes), -1)
        parts, there = np.arange(len(self.centroids)), np.flatnonzero(rows >= 0)
        vectors = np.zeros((len(rows), self.width), dtype="f")
        found = self.centroids[parts, self.codes[rows[there]]]
        vectors[there] = found.reshape(len(there), self.width)
        return ops.asarray2f(vectors)

    def to_bytes(self) -> bytes:
        """The table as a file in NumPy's format `npz`."""
        file = BytesIO()
        keys = pack_keys(self.keys)
        np.savez(file, **keys, codes=self.codes, centroids=self.centroids)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "WordTable":
        """The table that `to_bytes` has written.

        RAISES TableError: If it is something else.
        """
        arrays = read_arrays(data, "codes", "centroids")
        return cls(unpack_keys(arrays), arrays["codes"], arrays["centroids"])


NO_WORDS = WordTable(
    np.zeros(0, np.uint32), np.zeros((0, 1), np.uint8), np.zeros((1, 1, 0), np.float32)
)


def packaged_table(lang: str) -> WordTable | None:
    """The table of a language that comes with the package, or None."""
    path = files(__package__) / "tables" / f"{lang}.npz"
    return WordTable.from_bytes(path.read_bytes()) if path.is_file() else None


def read_table(path: str | Path) -> WordTable:
    """Read a table from a file.

    RAISES ValueError (L058): If the file does not exist, or does not hold a table.
    """
    try:
        return WordTable.from_bytes(Path(path).read_bytes())
    except (OSError, ValueError) as err:
        raise ValueError(Errors.L058.format(path=path, reason=err)) from err


@serialize_attr.register(WordTable)
def _save(_: WordTable, value: WordTable, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(WordTable)
def _load(_: WordTable, value: bytes, name: str, model: Any) -> WordTable:
    return WordTable.from_bytes(value)
