"""The vectors of words that were embedded before."""

from collections.abc import Callable
from operator import is_
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.vocab import Vocab
from thinc.api import Model, get_array_module

from ...types import Floats2d

# Memory of an entry of the index, without the vector.
_ENTRY_BYTES = 104

# Words that the first table of vectors has room for.
_FIRST_ROWS = 1024
# All parameters are read if they have at most this many bytes.
_READ_BYTES, _READ_BYTES_PER_TOKEN = 1 << 16, 1 << 10
# Integers in a cache line, and lines in a sample of an array: a prime, so that they do
# not all lie in the same columns of a matrix.
_LINE, _N_LINES = 8, 37


def clear_cache(model: Model[Any, Any]) -> None:
    """Drop the vectors of words that a model keeps, such as that of a component
    `lstm_ner` or `tok2vec`. Needed only after a change in place that `WordCache` cannot
    see."""
    for node in model.walk():
        if "cache" in node.attrs:
            node.attrs["cache"].clear()


class WordCache:
    """Keeps the vectors of words from batch to batch in prediction.

    The vectors are dropped if the model is trained; if other arrays become its
    parameters (loading, averages, most optimizers); if the seen counts or the static
    vectors are replaced, or the static vectors get new keys; and if the cache is full.
    After a training step, none are kept until `clear` or until other arrays become the
    parameters, because an optimizer may change the old arrays at any time. Copies begin
    empty.

    Changes in place are looked for before each batch. If the parameters and the static
    vectors have at most 64 KB and 1 KB per token of the batch, all of them are read: a
    change is seen unless the sum of an array's bits stays the same, as it does if two
    rows are swapped. If they have more, 37 pieces of 64 bytes of each array are read,
    and arrays of up to 2.3 KB entirely: a change of a whole array is seen, a change of
    a few elements of a large table usually is not. Call `clear_cache` after it. The
    static vectors of the words of a batch are part of their keys, so a single vector
    may change at any time, as by `Vocab.set_vector`.

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
        self._trained: list[Any] | None = None

    def suspend(self, model: Model[Any, Any]) -> None:
        """Drop the vectors, and keep none as long as the parameters are these arrays:
        the model is in training."""
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
        compute (Callable): Gives the vectors of the tokens with these indices.
        RETURNS (Floats2d): (T, O)
        """
        words = self._words  # once, because another thread may replace it
        if words is None or not words.are_valid(model, vocab, len(keys)):
            self._words = words = self._begin(model, vocab)
        if words is None:
            return compute(np.arange(len(keys)))
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

    def _begin(self, model: Model[Any, Any], vocab: Vocab) -> "_Words | None":
        """An empty store; None if the vectors may change unseen."""
        parameters = _parameters(model)
        watched = arrays = _arrays(parameters)
        table = getattr(vocab.vectors, "data", None)
        if table is not None:
            watched = [*arrays, table]
        trained = self._trained
        if (
            not self.n_bytes
            or (trained is not None and _are_same(arrays, trained))
            or any(node.shims for node in model.walk())  # PyTorch has the parameters
            or not all(array.flags.c_contiguous for array in watched)
        ):
            return None
        return _Words(self.n_bytes, parameters, watched, model, vocab)


class _Words:
    """Words and their vectors, and the arrays and objects that these depend on."""

    def __init__(
        self,
        n_bytes: int,
        parameters: list[tuple[Callable[[str], Any], str]],
        watched: list[Any],
        model: Model[Any, Any],
        vocab: Vocab,
    ) -> None:
        self._n_bytes, self._parameters = n_bytes, parameters
        self._arrays = watched[: len(parameters)]
        self._others, self._n_keys = _others(model, vocab)
        self._contents = [
            array.reshape(-1).view("uint8" if array.nbytes % 8 else "uint64")
            for array in watched
        ]
        self._samples = [_sample(content) for content in self._contents]
        self._n_watched = sum(content.nbytes for content in self._contents)
        self._sampled, self._sums = self._read_samples(), self._read_all()
        self._lock = Lock()
        self._rows: dict[int, int] = {}
        self._n_used = 0
        self._table: Floats2d = None

    def are_valid(self, model: Model[Any, Any], vocab: Vocab, n_tokens: int) -> bool:
        """Whether nothing has changed, as far as can be seen in a small part of the
        time for this many tokens."""
        others, n_keys = _others(model, vocab)
        return (
            _are_same(_arrays(self._parameters), self._arrays)
            and _are_same(others, self._others)
            and n_keys == self._n_keys
            and self._read_samples() == self._sampled
            and (
                self._n_watched > _READ_BYTES + n_tokens * _READ_BYTES_PER_TOKEN
                or self._read_all() == self._sums
            )
        )

    def _read_samples(self) -> list[bytes]:
        return [sample.tobytes() for sample in self._samples]

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
        n_rows = self._n_bytes // (4 * width + _ENTRY_BYTES)
        names = names[:n_rows]
        with self._lock:
            if self._n_used + len(names) > n_rows:
                self._rows, self._n_used = {}, 0
            rows = range(self._n_used, self._n_used + len(names))
            if self._table is None or rows.stop > len(self._table):
                self._make_room(vectors, rows.stop, n_rows)
            self._table[rows.start : rows.stop] = vectors[: len(names)]
            # A word that another thread has added meanwhile gets a second row.
            self._rows.update(zip(names, rows, strict=True))
            self._n_used = rows.stop

    def _make_room(self, vectors: Floats2d, n_needed: int, n_most: int) -> None:
        """A larger table, at least twice as large if the limit allows it."""
        old = self._table
        n_rows = min(
            n_most, max(n_needed, _FIRST_ROWS if old is None else 2 * len(old))
        )
        xp = get_array_module(vectors)
        self._table = xp.empty((n_rows, vectors.shape[1]), "f")
        if old is not None:
            self._table[: self._n_used] = old[: self._n_used]


def _parameters(model: Model[Any, Any]) -> list[tuple[Callable[[str], Any], str]]:
    """How to get each parameter; to find them takes longer than to get them."""
    return [
        (node.get_param, name)
        for node in model.walk()
        for name in node.param_names
        if node.has_param(name)
    ]


def _arrays(parameters: list[tuple[Callable[[str], Any], str]]) -> list[Any]:
    return [get_param(name) for get_param, name in parameters]


def _are_same(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


def _others(model: Model[Any, Any], vocab: Vocab) -> tuple[list[Any], int | None]:
    """Objects that vectors depend on, besides the parameters, and the number of keys of
    the static vectors."""
    vectors: Any = vocab.vectors
    attrs, table = model.attrs, getattr(vectors, "data", None)
    hiding = attrs["seen_counts"], attrs["hides_unseen"]
    return [*model.layers, *hiding, vectors, table], getattr(vectors, "n_keys", None)


def _sample(content: Any) -> Any:
    """A view of some cache lines, evenly spread; of a small array, all."""
    step = len(content) // _N_LINES
    if step <= _LINE:
        return content
    return content[: step * _N_LINES].reshape(_N_LINES, step)[:, :_LINE]
