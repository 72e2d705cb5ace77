"""Clusters of words: the table, and the layer that embeds them.

The words of a cluster occur in similar contexts (Brown et al. 1992). So what training
learns about a cluster holds for its words that training has not seen (Turian et al.
2010).

`spacy_lstm_ner.data.clusters` makes tables.
"""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from thinc.api import Model, deserialize_attr, serialize_attr
from thinc.initializers import uniform_init

from ...errors import Errors
from ...types import Floats2d
from .distinct import Embed, Lexemes
from .forms import find_forms
from .keys import find_keys, pack_keys, read_arrays, unpack_keys


class ClusterTable(NamedTuple):
    """The clusters of W words.

    keys: The key of each word, ascending.  (W,)
    numbers: The number of its cluster, from 1.  (W,)
    """

    keys: NDArray[np.uint32]
    numbers: NDArray[np.uint16]

    @property
    def n_clusters(self) -> int:
        """The number of clusters, the greatest number of one."""
        return int(self.numbers.max(initial=0))

    def has(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each word has a cluster.

        hashes (ndarray): The 64-bit hashes of the words' texts.  (L,)
        """
        return find_keys(self.keys, hashes) >= 0

    def numbers_of(self, hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
        """The number of each word's cluster, or 0.

        hashes (ndarray): The 64-bit hashes of the words' texts.  (L,)
        """
        rows = find_keys(self.keys, hashes)
        found = np.flatnonzero(rows >= 0)
        numbers = np.zeros(len(rows), dtype=np.intp)
        numbers[found] = self.numbers[rows[found]]
        return numbers

    def to_bytes(self) -> bytes:
        """The table as a file in NumPy's format `npz`, compressed."""
        file = BytesIO()
        np.savez_compressed(file, **pack_keys(self.keys), clusters=self.numbers)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ClusterTable":
        """The table that `to_bytes` has written.

        RAISES TableError: If it is something else.
        """
        arrays = read_arrays(data, "clusters")
        return cls(unpack_keys(arrays), arrays["clusters"])


NO_CLUSTERS = ClusterTable(np.zeros(0, np.uint32), np.zeros(0, np.uint16))


def read_clusters(path: str | Path) -> ClusterTable:
    """Read a table from a file.

    RAISES ValueError (L230): If the file does not exist, or does not hold clusters.
    """
    try:
        return ClusterTable.from_bytes(Path(path).read_bytes())
    except (OSError, ValueError) as err:
        raise ValueError(Errors.L230.format(path=path, reason=err)) from err


def Clusters(nO: int, path: str | None = None) -> Embed:
    """A learned vector for each cluster, and one for all words without a cluster. The
    table of the clusters is saved with the model.

    path (str | None): File of the table, which initialization reads.
    RETURNS (Model[Lexemes, Floats2d]): L words -> (L, O); 0 for hidden words. Words are
        looked up as by `WordVectors`. Its parameter is E (1 + clusters, O), row 0 for
        words without a cluster.
    """
    return Model(
        "clusters",
        forward,
        init=partial(init, path),
        dims={"nO": nO},
        params={"E": None},
        attrs={"table": NO_CLUSTERS},
    )


def init(
    path: str | None,
    model: Embed,
    X: Lexemes | None = None,
    Y: Floats2d | None = None,
) -> None:
    """Read the table; uniform vectors."""
    if path is not None:
        model.attrs["table"] = read_clusters(path)
    shape = 1 + model.attrs["table"].n_clusters, model.get_dim("nO")
    E: Floats2d = uniform_init(model.ops, shape)
    model.set_param("E", E)
    model.set_grad("E", model.ops.xp.zeros_like(E))  # the old one may have other rows


def forward(
    model: Embed, X: Lexemes, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """Gather the rows of the clusters; sum their gradients."""
    ops: Any = model.ops
    E: Floats2d = model.get_param("E")
    table: ClusterTable = model.attrs["table"]
    numbers = table.numbers_of(find_forms(X.orths, X.vocab, table.has)[0])
    shown = np.flatnonzero(~X.hidden)
    at, rows = ops.asarray1i(shown), ops.asarray1i(numbers[shown])
    Y_LO: Floats2d = ops.alloc2f(len(numbers), E.shape[1])
    Y_LO[at] = E[rows]

    def backprop(dY_LO: Floats2d) -> list[Any]:
        dE = ops.xp.zeros_like(E)
        ops.scatter_add(dE, rows, dY_LO[at])
        model.inc_grad("E", dE)
        return []

    return Y_LO, backprop


@serialize_attr.register(ClusterTable)
def _save(_: ClusterTable, value: ClusterTable, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(ClusterTable)
def _load(_: ClusterTable, value: bytes, name: str, model: Any) -> ClusterTable:
    return ClusterTable.from_bytes(value)
