"""A table that grows with what training meets."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import Model

from ...types import Floats2d

Keys = NDArray[np.int64]
Table = Model[Keys, Floats2d]


def SeenTable(nO: int | None = None) -> Table:
    """A learned vector for each key that training has met; 0 for all others, and at
    first.

    The rows are parameters in blocks ("E0", "E1", ...): what the optimizer remembers
    of a block stays right when a new one comes. So memory is proportional to the number
    of keys met.

    nO (int | None): Width of the vectors.
    RETURNS (Model[Keys, Floats2d]): (N,) -> (N, O). Key -1 stands for none.
    """
    return Model(
        "seen_table", forward, init=init, dims={"nO": nO}, attrs={"row_of_key": {}}
    )


# Rows of a block.
_BLOCK = 1024


def init(model: Table, X: Keys | None = None, Y: Floats2d | None = None) -> None:
    """Forget all keys."""
    model.attrs["row_of_key"] = {}
    for name in model.param_names:
        model.set_param(name, model.ops.xp.zeros_like(model.get_param(name)))


def forward(
    model: Table, X: Keys, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """Gather the rows of the keys; in training, new keys get one first."""
    ops: Any = model.ops
    row_of_key: dict[int, int] = model.attrs["row_of_key"]
    keys = X.tolist()
    if is_train:
        _add_rows(model, (key for key in keys if key != -1))
    rows = np.array([row_of_key.get(key, -1) for key in keys], dtype=np.intp)
    Y: Floats2d = ops.alloc2f(len(rows), model.get_dim("nO"))
    gathered = []
    for block in np.unique(rows[rows >= 0] // _BLOCK).tolist():
        at = np.flatnonzero(rows // _BLOCK == block)
        gathered.append(
            (f"E{block}", ops.asarray1i(at), ops.asarray1i(rows[at] % _BLOCK))
        )
    for name, at, row in gathered:
        Y[at] = model.get_param(name)[row]

    def backprop(dY: Floats2d) -> list[Any]:
        for name, at, row in gathered:
            dE = ops.xp.zeros_like(model.get_param(name))
            ops.scatter_add(dE, row, dY[at])
            model.inc_grad(name, dE)
        return []

    return Y, backprop


def _add_rows(model: Table, keys: Any) -> None:
    """Give each new key the next row."""
    row_of_key: dict[int, int] = model.attrs["row_of_key"]
    for key in keys:
        row_of_key.setdefault(key, len(row_of_key))
    for block in range(-(-len(row_of_key) // _BLOCK)):
        if not model.has_param(f"E{block}"):
            model.set_param(f"E{block}", model.ops.alloc2f(_BLOCK, model.get_dim("nO")))
