"""Array functions that the chains share."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatsXd

# exp(-x) is a normal float64 up to x = 708.
UNDERFLOW = 700.0
# Elements of the largest array of pairs of tags, unless one row has more.
_BLOCK = 2**20


def log_sum(xp: Any, scores: Any, axis: int = -1) -> Any:
    """Log of the sum of exponentials along an axis; -inf where all are -inf.

    xp (module): NumPy or CuPy.
    scores (FloatsXd): The exponents.
    axis (int): The axis to sum over.
    """
    top = finite(xp, scores.max(axis=axis, keepdims=True))
    total = xp.exp(scores - top).sum(axis=axis, keepdims=True)
    return (xp.log(total) + top).squeeze(axis)


def top_of_rows(xp: Any, scores: Any) -> Any:
    """The highest score of each row, the last axis. NumPy takes a fifth of the time if
    the scores of one tag lie together.

    xp (module): NumPy or CuPy.
    scores (FloatsXd): Scores.  (..., N)
    RETURNS (FloatsXd): (...)
    """
    return xp.ascontiguousarray(scores.T).max(axis=0).T


def finite(xp: Any, scores: Any) -> Any:
    """The scores with 0 for infinite ones, so that they can be subtracted.

    xp (module): NumPy or CuPy.
    scores (FloatsXd): Scores.
    """
    return xp.where(xp.isfinite(scores), scores, 0.0)


def less_top(xp: Any, scores: FloatsXd) -> tuple[FloatsXd, FloatsXd, float]:
    """The highest score of each row, the scores less it, and how far the lowest finite
    score of all rows is below the highest of its row.

    xp (module): NumPy or CuPy.
    scores (FloatsXd): Scores.  (..., N)
    """
    top = finite(xp, top_of_rows(xp, scores))
    below = scores - top[..., None]
    return top, below, -float(finite(xp, below).min()) if below.size else 0.0


def to_numpy(array: Any) -> NDArray[Any]:
    """The array on the CPU.

    array (ArrayXd): NumPy's or CuPy's.
    """
    return array if isinstance(array, np.ndarray) else array.get()


def weighted_mean(xp: Any, log_weights: Any, values: Any, axis: int = -1) -> Any:
    """Weighted mean along an axis; 0 where all weights are 0."""
    top = finite(xp, log_weights.max(axis=axis, keepdims=True))
    weights = xp.exp(log_weights - top)
    return ratio(xp, (weights * values).sum(axis=axis), weights.sum(axis=axis))


def ratio(xp: Any, sums: Any, total: Any) -> Any:
    """Sums by their total weight; 0 where that is 0."""
    return sums / xp.where(total > 0, total, 1.0)


def top_n(xp: Any, scores: Any, n: int) -> tuple[Any, Any]:
    """Where the n highest scores of the last axis are, lowest first where they tie, and
    the scores."""
    if n == 1:
        where = scores.argmax(axis=-1)[..., None]
    else:
        where = xp.argsort(-scores, axis=-1, kind="stable")[..., :n]
    return where, xp.take_along_axis(scores, where, axis=-1)


def blocks(n_rows: int, size: int) -> Iterator[slice]:
    """Rows of so many elements each, as many at a time as memory should hold."""
    n = max(1, _BLOCK // max(size, 1))
    return (slice(start, start + n) for start in range(0, n_rows, n))
