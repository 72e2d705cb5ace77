"""Chains whose transitions are free: all score 0, as those of `LogSoftmax.v1`, but for
those to inside tags, which may follow two tags only and can't start, and are forbidden
else.

Each token's tag is then a choice of its own, but for inside tags, which are rare. So
much can be said without sums over paths.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .linear_chain import LinearChain, to_numpy

Pairs = tuple[slice, slice, slice]


def find_pairs(chain: LinearChain) -> Pairs | None:
    """Slices of tags, if the transitions are free.

    chain (LinearChain): The scores.
    RETURNS (Optional[Tuple[slice, slice, slice]]): The inside tags; the first and the
        second of the two tags that each may follow. None unless the transitions are
        free.
    """
    scores = (chain.transition, chain.start, chain.end)
    return _pairs_of(*(to_numpy(a).astype("float64").tobytes() for a in scores))


@lru_cache(maxsize=8)  # most chains of a process have the same transitions
def _pairs_of(move_bytes: bytes, start_bytes: bytes, end_bytes: bytes) -> Pairs | None:
    """`find_pairs` of scores as bytes, which can be looked up."""
    start, end = np.frombuffer(start_bytes), np.frombuffer(end_bytes)
    transition = np.frombuffer(move_bytes).reshape(len(start), len(start))
    is_free = transition == 0
    inner = np.flatnonzero(~is_free.all(axis=0))
    starts = np.where(is_free.all(axis=0), 0, -np.inf)
    if (
        np.isfinite(transition[~is_free]).any()
        or not len(inner)
        or (is_free[:, inner].sum(axis=0) != 2).any()
        or (start != starts).any()
        or end.any()
    ):
        return None
    first, second = np.nonzero(is_free[:, inner].T)[1].reshape(-1, 2).T
    slices = _as_slice(inner), _as_slice(first), _as_slice(second)
    if slices[0] is None or slices[1] is None or slices[2] is None:
        return None
    return slices[0], slices[1], slices[2]


def _as_slice(indices: NDArray[np.intp]) -> slice | None:
    """Indices at equal distances as a slice, which is quicker; None for others."""
    start, stop = indices[0], indices[-1] + 1
    step = int(indices[1] - start) if len(indices) > 1 else 1
    regular = np.arange(start, stop, step) if step > 0 else indices[:0]
    return slice(start, stop, step) if np.array_equal(regular, indices) else None
