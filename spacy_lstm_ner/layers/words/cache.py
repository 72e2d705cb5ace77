"""The vectors of words that were embedded before."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.vocab import Vocab
from thinc.api import Model, get_array_module

from ...types import Floats2d

# Memory of an entry of the index, without the vector.
_BYTES_OF_ENTRY = 104
# How much of the parameters is read beside a batch, to see whether they have changed.
_READ_BYTES, _READ_BYTES_PER_TOKEN = 1 << 16, 1 << 10
# Integers in a cache line, and lines in a sample of an array: a prime, so that they do
# not all lie in the same columns of a matrix.
_LINE, _N_LINES = 8, 37


def clear_cache(model: Model[Any, Any]) -> None:
    """Drop the vectors of words that a model keeps; the next batch computes them again.

    Needed only after a change in place that `WordCache` cannot see.

    model (Model): The model, of a component `lstm_ner` or `tok2vec` for instance.
    """
    for node in model.walk():
        if "cache" in node.attrs:
            node.attrs["cache"].clear()


class WordCache:
    """Keeps the vectors of words from batch to batch in prediction.

    They are dropped if

    - the model is trained: after a step in training, none are kept for these parameters
      until `clear`, because the optimizer may change them at any time;
    - other arrays become the parameters (loading, averages); copies begin empty;
    - the static vectors are replaced or get new keys;
    - the parameters or static vectors change in place. If to read all of them takes
      little time beside the batch (64 KB, and 1 KB per token), a sum of each array is
      compared, else cache lines spread over it. So beside a small batch, a change of
      a few elements of a large array can go unseen: call `clear_cache`;
    - the cache is full.

    Only numbers are kept, no strings, Docs or lexemes, so `nlp.memory_zone()` frees its
    words. Threads may share a cache.

    n_bytes (int): Memory for the vectors; 0 keeps none.
    """

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        return WordCache, (self.n_bytes,)

    def clear(self) -> None:
        """Drop the vectors."""
        self._words: _Words | None = None
        self._trained: list[Any] = []

    def suspend(self, model: Model[Any, Any]) -> None:
        """Drop the vectors, and keep none as long as the parameters are these arrays.

        model (Model): The embedding, in training.
        """
        self._words, self._trained = None, _arrays(_parameters(model))

    def look_up(
        self,
        keys: NDArray[np.uint64],
        model: Model[Any, Any],
        vocab: Vocab,
        compute: Callable[[NDArray[np.intp]], Floats2d],
    ) -> Floats2d:
        """The vectors of words.

        keys (ndarray): Identifies the word of each token.  (T,)
        model (Model): The embedding.
        vocab (Vocab): Holds the static vectors.
        compute (Callable): Gives the vectors of the tokens with these indices.
        RETURNS (Floats2d): (T, O)
        """
        words = self._words  # once, because another thread may replace it
        if words is None or not words.are_valid(model, vocab, len(keys)):
            words = _Words(model, vocab)
            is_trained = _are_same(words.arrays, self._trained)
            if is_trained or not (self.n_bytes and words.can_be_watched()):
                return compute(np.arange(len(keys)))
            words.make_room(self.n_bytes)
            self._words = words
        names = keys.tolist()
        is_new, found = words.find(names)
        if is_new.any():
            missing = np.flatnonzero(is_new)
            new = compute(missing)
            if found is None:
                found = new
            else:
                found[missing] = new
            index = {names[i]: j for j, i in enumerate(missing.tolist())}
            words.keep(list(index), new[list(index.values())])
        return found


class _Words:
    """Words and their vectors, and what these were computed from.

    model (Model): The embedding.
    vocab (Vocab): Holds the static vectors.
    """

    def __init__(self, model: Model[Any, Any], vocab: Vocab) -> None:
        self._parameters = _parameters(model)
        self._has_shims = any(node.shims for node in model.walk())
        self.arrays = _arrays(self._parameters)
        self._others = _others(model, vocab)
        data = self._others[-1]
        self._watched = self.arrays if data is None else [*self.arrays, data]
        self._lock = Lock()
        self._rows: dict[int, int] = {}
        self._n_used = 0
        self._table: Floats2d = None

    def can_be_watched(self) -> bool:
        """Whether changes can be seen: not of parameters of PyTorch, nor of arrays
        whose elements do not lie in order."""
        in_order = [array.flags.c_contiguous for array in self._watched]
        return not self._has_shims and all(in_order)

    def make_room(self, n_bytes: int) -> None:
        """Begin to keep vectors, of the parameters as they are now."""
        self._n_bytes = n_bytes
        self._contents = [
            array.reshape(-1).view("uint8" if array.nbytes % 8 else "uint64")
            for array in self._watched
        ]
        self._samples = [_sample(content) for content in self._contents]
        self._n_watched = sum(content.nbytes for content in self._contents)
        self._sampled, self._sums = self._read_samples(), self._read_all()

    def are_valid(self, model: Model[Any, Any], vocab: Vocab, n_tokens: int) -> bool:
        """Whether nothing has changed, as far as can be seen beside a batch of this
        many tokens."""
        return (
            _are_same(_arrays(self._parameters), self.arrays)
            and _are_same(_others(model, vocab), self._others)
            and self._read_samples() == self._sampled
            and (
                self._n_watched > _READ_BYTES + n_tokens * _READ_BYTES_PER_TOKEN
                or self._read_all() == self._sums
            )
        )

    def _read_samples(self) -> bytes:
        return b"".join([sample.tobytes() for sample in self._samples])

    def _read_all(self) -> list[int]:
        return [int(content.sum()) for content in self._contents]

    def find(self, names: list[int]) -> tuple[NDArray[np.bool_], Floats2d]:
        """Which words are missing, and the vectors of the others; None if all are
        missing."""
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
            # A word that another thread has added meanwhile gets a second row.
            self._rows.update(zip(names, rows, strict=True))
            self._n_used = rows.stop


def _parameters(model: Model[Any, Any]) -> list[tuple[Model[Any, Any], str]]:
    """The node and name of each; to find them takes longer than to look them up."""
    return [(node, name) for node in model.walk() for name in node.param_names]


def _arrays(parameters: list[tuple[Model[Any, Any], str]]) -> list[Any]:
    found = [node.maybe_get_param(name) for node, name in parameters]
    return [array for array in found if array is not None]


def _others(model: Model[Any, Any], vocab: Vocab) -> list[Any]:
    """Layers, seen counts, static vectors, their number of keys and their table."""
    vectors: Any = vocab.vectors
    table = getattr(vectors, "n_keys", None), getattr(vectors, "data", None)
    return [*model.layers, model.attrs["seen_counts"], vectors, *table]


def _are_same(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and all(
        one is other or (isinstance(one, int) and one == other)
        for one, other in zip(some, others, strict=True)
    )


def _sample(content: Any) -> Any:
    """A view of some cache lines, evenly spread; of a small array, all."""
    step = len(content) // _N_LINES
    if step <= _LINE:
        return content
    return content[: step * _N_LINES].reshape(_N_LINES, step)[:, :_LINE]
