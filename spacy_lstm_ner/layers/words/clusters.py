"""Clusters of words: the table, and the layer that embeds them.

The words of a cluster occur in similar contexts (Brown et al. 1992). So what training
learns about a cluster holds for its words that training has not seen (Turian et al.
2010).

`spacy_lstm_ner.data.clusters` makes tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import Model
from thinc.initializers import uniform_init

from ...errors import Errors
from ...types import Floats2d
from .distinct import Embed, Lexemes
from .forms import find_forms
from .keys import KeyedTable


@dataclass(frozen=True, eq=False)
class ClusterTable(KeyedTable):
    """The clusters of W words.

    keys: See `KeyedTable`.  (W,)
    clusters: The number of each word's cluster, from 1.  (W,)
    """

    clusters: NDArray[np.uint16]

    unreadable = Errors.L230
    is_compressed = True

    @property
    def n_clusters(self) -> int:
        """The number of clusters, the greatest number of one."""
        return int(self.clusters.max(initial=0))

    def numbers_of(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """The number of the cluster of each row, or 0 for -1.  (L,) -> (L,)"""
        return np.append(self.clusters, 0).astype(np.intp)[rows]


NO_CLUSTERS = ClusterTable(np.zeros(0, np.uint32), np.zeros(0, np.uint16))


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
        model.attrs["table"] = ClusterTable.read(path)
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
    _, found = find_forms(X.orths, X.vocab, table.rows_of)
    numbers = table.numbers_of(found)
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
