"""Small tables of word vectors, by product quantization.

Each vector is cut into parts. A part is stored as the number of the nearest of a few
centroids, which all words share (Jegou et al. 2011).

`spacy_lstm_ner.data.quantize` makes tables. The folder `tables` holds those that come
with the package, a file per language.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import Errors
from ...types import Floats2d
from .keys import KeyedTable


@dataclass(frozen=True, eq=False)
class WordTable(KeyedTable):
    """Quantized vectors of W words, in P parts of D dimensions, with C centroids each.

    keys: See `KeyedTable`.  (W,)
    codes: The number of the centroid of each part.  (W, P)
    centroids: The centroids.  (P, C, D)
    """

    codes: NDArray[np.uint8]
    centroids: NDArray[np.float32]

    unreadable = Errors.L058

    @property
    def width(self) -> int:
        """Width of the vectors, P * D."""
        parts, _, dims = self.centroids.shape
        return int(parts * dims)

    def vectors_of(
        self, rows: NDArray[np.intp], forms: NDArray[np.uint64], ops: Any
    ) -> Floats2d:
        """The vectors of words, as `vectors.Source`.  (L, P * D)"""
        parts, there = np.arange(len(self.centroids)), np.flatnonzero(rows >= 0)
        vectors = np.zeros((len(rows), self.width), dtype="f")
        found = self.centroids[parts, self.codes[rows[there]]]
        vectors[there] = found.reshape(len(there), self.width)
        return ops.asarray2f(vectors)


NO_WORDS = WordTable(
    np.zeros(0, np.uint32), np.zeros((0, 1), np.uint8), np.zeros((1, 1, 0), np.float32)
)


def packaged_table(lang: str) -> WordTable:
    """The table of a language that comes with the package, or `NO_WORDS`."""
    path = files(__package__) / "tables" / f"{lang}.npz"
    return WordTable.from_bytes(path.read_bytes()) if path.is_file() else NO_WORDS
