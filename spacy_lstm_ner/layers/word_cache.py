"""The vectors of words that were embedded before."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..types import Floats2d

# What an entry of the index takes, besides the vector.
_BYTES_OF_ENTRY = 104


class WordCache:
    """Keeps the vectors of words from batch to batch, in prediction.

    It holds numbers alone, no strings, Docs or lexemes, so that `nlp.memory_zone()`
    frees all its words as ever. When it is full it begins anew. It is emptied when the
    parameters are others, and not used with those of the last step of training, which
    the optimizer may yet change. It is not saved with the model, and copies are empty.

    n_bytes (int): Memory for it; 0 keeps nothing.
    """

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self._lock = Lock()
        self._trained: list[Any] = []
        self._sources: list[Any] = []
        self._rows: dict[int, int] = {}
        self._n_used = 0
        self._table: Floats2d = None

    def __reduce__(self) -> tuple[Any, ...]:
        return WordCache, (self.n_bytes,)

    def __len__(self) -> int:
        return len(self._rows)

    def note_training(self, sources: Sequence[Any]) -> None:
        """Tell that there is a step of training.

        sources (Sequence): What the vectors are made of: arrays, which the optimizer
            changes in place.
        """
        with self._lock:
            self._trained = list(sources)
            self._forget([])

    def look_up(
        self,
        keys: NDArray[np.uint64],
        sources: Sequence[Any],
        compute: Callable[[NDArray[np.intp]], Floats2d],
    ) -> Floats2d:
        """The vectors of words.

        keys (ndarray): One for each word.  (L,)
        sources (Sequence): What the vectors are made of, objects and numbers. When one
            is another than the last time, everything is computed anew.
        compute (Callable): Gives the vectors of the words with these indices.
        RETURNS (Floats2d): (L, O)
        """
        names = keys.tolist()
        with self._lock:
            is_used = self.n_bytes and not _share(sources, self._trained)
            if is_used and not _are_same(sources, self._sources):
                self._forget(sources)
            of_now = self._sources
            rows = np.array([self._rows.get(name, -1) for name in names], dtype=np.intp)
            is_new = rows < 0
            found = None if is_new.all() else self._table[rows]
        missing = np.flatnonzero(is_new)
        if found is None:
            found = new = compute(missing)
        elif len(missing):
            new = found[missing] = compute(missing)
        else:
            return found
        with self._lock:
            if is_used and self._sources is of_now:
                self._keep([names[i] for i in missing.tolist()], new)
        return found

    def _keep(self, names: list[int], vectors: Floats2d) -> None:
        xp = get_array_module(vectors)
        if self._table is None:
            width = vectors.shape[1]
            n_rows = self.n_bytes // (4 * width + _BYTES_OF_ENTRY)
            self._table = xp.empty((n_rows, width), dtype="f")
        if self._n_used + len(names) > len(self._table):
            self._rows, self._n_used = {}, 0
        names = names[: len(self._table)]
        rows = range(self._n_used, self._n_used + len(names))
        self._table[rows.start : rows.stop] = vectors[: len(names)]
        # Those that another thread has kept meanwhile get another row.
        self._rows.update(zip(names, rows, strict=True))
        self._n_used = rows.stop

    def _forget(self, sources: Sequence[Any]) -> None:
        self._sources = list(sources)
        self._rows, self._n_used, self._table = {}, 0, None


def _share(some: Sequence[Any], others: Sequence[Any]) -> bool:
    ids = set(map(id, others))
    return any(id(source) in ids for source in some)


def _are_same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(
        one is other or (isinstance(one, int) and one == other)
        for one, other in zip(some, others, strict=True)
    )
