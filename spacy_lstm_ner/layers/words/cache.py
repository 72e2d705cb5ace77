"""The vectors of words that were embedded before."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ...types import Floats2d
from ..kept import Kept

# What an entry of the index takes, besides the vector.
_BYTES_OF_ENTRY = 104


class WordCache:
    """Keeps the vectors of words from batch to batch, in prediction.

    It holds numbers alone, no strings, Docs or lexemes, so that `nlp.memory_zone()`
    frees all its words as ever. When it is full it begins anew. What it is made of may
    change as `Kept` says. Threads may share it.

    n_bytes (int): Memory for it; 0 keeps nothing.
    """

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.words: Kept[_Words] = Kept()

    def __reduce__(self) -> tuple[Any, ...]:
        return WordCache, (self.n_bytes,)

    def note_update(self) -> None:
        """Tell that the optimizer has changed the parameters."""
        self.words.note_update()

    def look_up(
        self,
        keys: NDArray[np.uint64],
        sources: Sequence[Any],
        compute: Callable[[NDArray[np.intp]], Floats2d],
    ) -> Floats2d:
        """The vectors of words, which may repeat.

        keys (ndarray): A number for each that tells it from all others.  (T,)
        sources (Sequence): What the vectors are made of, objects and numbers. When one
            is another than the last time, everything is computed anew.
        compute (Callable): Gives the vectors of the words with these indices, each
            word once.
        RETURNS (Floats2d): (T, O)
        """
        words = self.words.get(sources, lambda: _Words(self.n_bytes))
        names = keys.tolist()
        is_new, found = words.find(names)
        missing = np.flatnonzero(is_new)
        if len(missing):
            new_names = [names[i] for i in missing.tolist()]
            place = dict(zip(new_names, missing.tolist(), strict=True))
            new = compute(np.array(list(place.values()), dtype=np.intp))
            row = {name: i for i, name in enumerate(place)}
            vectors = new[[row[name] for name in new_names]]
            if found is None:
                found = vectors
            else:
                found[missing] = vectors
            words.keep(list(row), new)
        return found


class _Words:
    """Some words and their vectors."""

    def __init__(self, n_bytes: int) -> None:
        self._lock = Lock()
        self._n_bytes = n_bytes
        self._rows: dict[int, int] = {}
        self._n_used = 0
        self._table: Floats2d = None

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, names: list[int]) -> tuple[NDArray[np.bool_], Floats2d]:
        """Which words are not there; and the vectors, where they are, None if none
        is."""
        with self._lock:
            rows = np.array([self._rows.get(name, -1) for name in names], dtype=np.intp)
            is_new = rows < 0
            return is_new, None if is_new.all() else self._table[rows]

    def keep(self, names: list[int], vectors: Floats2d) -> None:
        """Add words, as many as there is room for."""
        width = vectors.shape[1]
        n_rows = self._n_bytes // (4 * width + _BYTES_OF_ENTRY)
        names = names[:n_rows]
        with self._lock:
            if self._table is None:
                self._table = get_array_module(vectors).empty((n_rows, width), "f")
            if self._n_used + len(names) > n_rows:
                self._rows, self._n_used = {}, 0
            rows = range(self._n_used, self._n_used + len(names))
            self._table[rows.start : rows.stop] = vectors[: len(names)]
            # Those that another thread has kept meanwhile get another row.
            self._rows.update(zip(names, rows, strict=True))
            self._n_used = rows.stop
