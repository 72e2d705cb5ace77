"""Scores of the transitions from tag to tag, and the operations of the recursions.

`BioTransitions` are the BIO rules alone: their operations are linear in labels.
`LearnedTransitions` have a score for each pair of tags: sums over pairs are matrix
products of exponentials or, if scores are too far apart for these, logarithms of sums
in blocks of bounded memory.

Letters of array axes: K rows (tokens), N tags, n ranks, D runs.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..tags import TagSet
from ..types import Floats1d, Floats2d, Floats3d, FloatsXd, Ints1d, Ints2d, IntsXd

# exp(-x) is a normal float64 up to x = 708.
UNDERFLOW = 700.0
# Elements of the largest array of pairs of tags, unless one row has more.
_BLOCK = 2**20
# Up to so many tags, one product with a matrix takes less time than a few calls.
_FEW_TAGS = 64

_BEGINS, _INSIDES = TagSet.begins, TagSet.insides

# f(X, out)
Multiply = Callable[..., Any]


class BioTransitions:
    """The BIO rules alone: an allowed transition scores 0, a forbidden one -inf.

    I of a label may follow two tags and every other tag may follow all.

    n_tags (int): Number of tags, N.
    xp (module): NumPy or CuPy.
    start, end (Floats1d): Score of each tag at a sequence's first and last token.  (N,)
    top, spread (float): The highest score, and how far the lowest finite one is below.
    is_finite (bool): Whether no score is NaN or +inf.
    """

    top = spread = 0.0
    is_finite = True

    def __init__(self, n_tags: int, xp: Any = np) -> None:
        self.n_tags = n_tags
        may_start = xp.asarray(TagSet.of_size(n_tags).may_start)
        self.start: Floats1d = xp.where(may_start, 0.0, -xp.inf)
        self.end: Floats1d = xp.zeros(n_tags)

    def scaled(self, factor: float) -> "BioTransitions":
        """All scores multiplied by a positive factor: the same."""
        return self

    def between(self, prev: Ints1d, tag: Ints1d) -> NDArray[np.float64]:
        """Score of each transition from `prev` to `tag`, on the CPU."""
        may_follow = TagSet.of_size(self.n_tags).may_follow
        return np.where(may_follow[prev, tag], 0.0, -np.inf)

    def forward(self, scores: FloatsXd) -> FloatsXd:
        """log sum_a exp(scores[a] + T[a, b]) for each b.  (..., N) -> (..., N)"""
        xp = get_array_module(scores)
        sums = xp.empty_like(scores)
        sums[...] = log_sum(xp, scores)[..., None]
        begins, insides = scores[..., _BEGINS], scores[..., _INSIDES]
        sums[..., _INSIDES] = xp.logaddexp(begins, insides)
        return sums

    def backward(self, scores: FloatsXd) -> FloatsXd:
        """log sum_b exp(T[a, b] + scores[b]) for each a.  (..., N) -> (..., N)"""
        xp = get_array_module(scores)
        sums, others = xp.empty_like(scores), scores.copy()
        others[..., _INSIDES] = -xp.inf
        sums[...] = log_sum(xp, others)[..., None]
        onward = xp.logaddexp(sums[..., _INSIDES], scores[..., _INSIDES])
        sums[..., _BEGINS] = sums[..., _INSIDES] = onward
        return sums

    def multiplier(self, backwards: list[bool]) -> Multiply:
        """A function f(X, out) that multiplies each X[d] by the matrix exp(T - top), or
        by its transpose where `backwards[d]`.  (D, K, N) -> (D, K, N)"""
        xp = get_array_module(self.start)
        if self.n_tags <= _FEW_TAGS:
            matrices = xp.asarray(_allowed_matrices(self.n_tags, tuple(backwards)))
            return lambda X, out: xp.matmul(X, matrices, out=out)
        summed = xp.ones((len(backwards), self.n_tags, 1))
        for d, is_backward in enumerate(backwards):
            if is_backward:
                summed[d, _INSIDES] = 0.0

        def multiply(X: Floats3d, out: Floats3d) -> None:
            out[...] = X @ summed
            for x, y, is_backward in zip(X, out, backwards, strict=True):
                if is_backward:
                    y[:, _BEGINS] += x[:, _INSIDES]
                    y[:, _INSIDES] += x[:, _INSIDES]
                else:
                    xp.add(x[:, _BEGINS], x[:, _INSIDES], out=y[:, _INSIDES])

        return multiply

    def best(self, scores: Floats2d) -> Floats2d:
        """max_a (scores[a] + T[a, b]) for each b.  (K, N) -> (K, N)"""
        xp = get_array_module(scores)
        best = xp.empty_like(scores)
        best[:] = scores.max(axis=1, keepdims=True)
        begins, insides = scores[:, _BEGINS], scores[:, _INSIDES]
        best[:, _INSIDES] = xp.maximum(begins, insides)
        return best

    def senders(self, scores: Floats2d) -> Ints2d:
        """The lowest a that attains `best`.  (K, N) -> (K, N)"""
        xp = get_array_module(scores)
        senders = xp.empty(scores.shape, dtype=np.int32)
        senders[:] = scores.argmax(axis=1)[:, None]
        number = xp.arange(self.n_tags)
        is_begin = scores[:, _BEGINS] >= scores[:, _INSIDES]
        senders[:, _INSIDES] = xp.where(is_begin, number[_BEGINS], number[_INSIDES])
        return senders

    def n_best(self, scores: Floats3d) -> tuple[IntsXd, Floats3d]:
        """The n highest scores[a, rank] + T[a, b] for each b.

        scores (Floats3d): (K, N, n)
        RETURNS (Tuple[IntsXd, Floats3d]): n a + rank of each, and the score.  (K, N, n)
        """
        xp = get_array_module(scores)
        n_rows, n_tags, n = scores.shape
        where, best = xp.empty(scores.shape, dtype=np.intp), xp.empty_like(scores)
        of_all, top = top_n(xp, scores.reshape(n_rows, n_tags * n), n)
        where[:], best[:] = of_all[:, None], top[:, None]
        # B and I of a label are neighbours: their 2n scores are one row.
        of_two, top = top_n(xp, scores[:, 1:].reshape(n_rows, n_tags // 2, 2 * n), n)
        first = n * xp.arange(n_tags)[_BEGINS]
        where[:, _INSIDES], best[:, _INSIDES] = of_two + first[:, None], top
        return where, best


# The rules of each number of tags are made once.
bio_transitions = lru_cache(maxsize=16)(BioTransitions)


@lru_cache(maxsize=16)
def _allowed_matrices(n_tags: int, backwards: tuple[bool, ...]) -> NDArray[np.float64]:
    """Whether each transition is allowed, 0 or 1, or the transpose.  (D, N, N)"""
    allowed = TagSet.of_size(n_tags).may_follow.astype("float64")
    return np.stack([allowed.T if back else allowed for back in backwards])


class LearnedTransitions:
    """A score for each pair of tags, in float64; also a gradient of such scores. The
    operations are those of `BioTransitions`.

    scores (Floats2d): Score of the transition from tag [row] to tag [column]; -inf
        forbids it.  (N, N)
    start, end (Floats1d): As of `BioTransitions`.
    """

    def __init__(self, scores: Floats2d, start: Floats1d, end: Floats1d) -> None:
        xp = get_array_module(scores)
        self.arrays = tuple(
            xp.asarray(a, dtype="float64") for a in (scores, start, end)
        )
        self.scores, self.start, self.end = self.arrays

    def scaled(self, factor: float) -> "LearnedTransitions":
        """All scores multiplied by a factor."""
        return LearnedTransitions(*(array * factor for array in self.arrays))

    def plus(self, other: "LearnedTransitions") -> "LearnedTransitions":
        """The sum of these scores and others."""
        pairs = zip(self.arrays, other.arrays, strict=True)
        return LearnedTransitions(*(one + two for one, two in pairs))

    @cached_property
    def is_finite(self) -> bool:
        """Whether no score is NaN or +inf."""
        return all(float(array.max()) < np.inf for array in self.arrays)

    @cached_property
    def top(self) -> float:
        """The highest score."""
        xp = get_array_module(self.scores)
        is_finite = xp.isfinite(self.scores)
        return float(self.scores[is_finite].max()) if is_finite.any() else 0.0

    @cached_property
    def spread(self) -> float:
        """How far the lowest finite score is below the highest."""
        xp = get_array_module(self.scores)
        return -float(finite(xp, self.scores - self.top).min())

    @cached_property
    def _exp(self) -> Floats2d:
        """exp(T - top)"""
        return get_array_module(self.scores).exp(self.scores - self.top)

    @cached_property
    def _to_from(self) -> Floats2d:
        """T with the tag to which a transition leads first."""
        return get_array_module(self.scores).ascontiguousarray(self.scores.T)

    def between(self, prev: Ints1d, tag: Ints1d) -> NDArray[np.float64]:
        """The score of each transition, on the CPU."""
        return to_numpy(self.scores[prev, tag])

    def forward(self, scores: FloatsXd) -> FloatsXd:
        """Log sums over the tag before."""
        return self._log_product(scores, self.scores, self._exp)

    def backward(self, scores: FloatsXd) -> FloatsXd:
        """Log sums over the tag behind."""
        return self._log_product(scores, self.scores.T, self._exp.T)

    def _log_product(self, scores: FloatsXd, T: Floats2d, exp_T: Floats2d) -> FloatsXd:
        xp = get_array_module(scores)
        top, below, spread = less_top(xp, scores)
        if spread + self.spread < UNDERFLOW:
            return xp.log(xp.exp(below) @ exp_T) + (top + self.top)[..., None]
        rows = scores.reshape(-1, scores.shape[-1])
        sums = xp.empty_like(rows)
        for block in _blocks(len(rows), T.size):
            sums[block] = log_sum(xp, rows[block, :, None] + T, axis=1)
        return sums.reshape(scores.shape)

    def multiplier(self, backwards: list[bool]) -> Multiply:
        """Products with the matrix of exponentials."""
        xp = get_array_module(self.scores)
        matrices = xp.stack([self._exp.T if back else self._exp for back in backwards])
        return lambda X, out: xp.matmul(X, matrices, out=out)

    def best(self, scores: Floats2d) -> Floats2d:
        """Highest score to each tag."""
        best: Floats2d
        if len(scores) * self.scores.size <= _BLOCK:
            best = (scores[:, :, None] + self.scores).max(axis=1)
            return best
        best = get_array_module(scores).empty_like(scores)
        for block in _blocks(len(scores), self.scores.size):
            best[block] = (scores[block, :, None] + self.scores).max(axis=1)
        return best

    def senders(self, scores: Floats2d) -> Ints2d:
        """Best tag before each tag."""
        xp = get_array_module(scores)
        senders = xp.empty(scores.shape, dtype=np.int32)
        for block in _blocks(len(scores), self.scores.size):
            # NumPy finds the highest score of the last axis in a fifth of the time.
            senders[block] = (scores[block, None, :] + self._to_from).argmax(axis=2)
        return senders

    def n_best(self, scores: Floats3d) -> tuple[IntsXd, Floats3d]:
        """Best tags before each tag."""
        xp = get_array_module(scores)
        n_rows, n_tags, n = scores.shape
        where, best = xp.empty(scores.shape, dtype=np.intp), xp.empty_like(scores)
        for block in _blocks(n_rows * n_tags, n_tags * n):
            rows, tags = xp.divmod(xp.arange(n_rows * n_tags)[block], n_tags)
            sums = scores[rows] + self._to_from[tags][:, :, None]
            where.reshape(-1, n)[block], best.reshape(-1, n)[block] = top_n(
                xp, sums.reshape(len(rows), n_tags * n), n
            )
        return where, best

    def expected(
        self,
        before: Floats2d,
        onward: Floats2d,
        value_before: FloatsXd,
        value_onward: FloatsXd,
    ) -> Floats2d:
        """Sum over rows of exp(before[a] + T[a, b] + onward[b]), which are at most 1,
        times value_before[a] times value_onward[b].  (K, N) each -> (N, N)"""
        xp = get_array_module(before)
        top, below, _ = less_top(xp, before)
        log_right = onward + (top + self.top)[:, None]
        if not len(before) or float(log_right.max()) < UNDERFLOW / 2:
            left, right = xp.exp(below) * value_before, xp.exp(log_right) * value_onward
            return self._exp * (left.T @ right)
        total = xp.zeros_like(self.scores)
        left = xp.broadcast_to(value_before, before.shape)
        right = xp.broadcast_to(value_onward, onward.shape)
        for block in _blocks(len(before), total.size):
            pairs = before[block, :, None] + self.scores + onward[block, None, :]
            values = left[block, :, None] * right[block, None, :]
            total += (xp.exp(pairs) * values).sum(axis=0)
        return total


Transitions: TypeAlias = BioTransitions | LearnedTransitions


def log_sum(xp: Any, scores: Any, axis: int = -1) -> Any:
    """Log of the sum of exponentials along an axis; -inf where all are -inf."""
    top = finite(xp, scores.max(axis=axis, keepdims=True))
    total = xp.exp(scores - top).sum(axis=axis, keepdims=True)
    return (xp.log(total) + top).squeeze(axis)


def finite(xp: Any, scores: Any) -> Any:
    """The scores with 0 for infinite ones, so that they can be subtracted."""
    return xp.where(xp.isfinite(scores), scores, 0.0)


def less_top(xp: Any, scores: FloatsXd) -> tuple[FloatsXd, FloatsXd, float]:
    """The highest score of each row, the scores less it, and how far the lowest finite
    score of all rows is below the highest of its row.  (..., N) -> (...), (..., N)"""
    # NumPy takes a fifth of the time if the scores of one tag lie together.
    top = finite(xp, xp.ascontiguousarray(scores.T).max(axis=0).T)
    below = scores - top[..., None]
    return top, below, -float(finite(xp, below).min()) if below.size else 0.0


def top_n(xp: Any, scores: Any, n: int) -> tuple[Any, Any]:
    """Where the n highest scores of the last axis are, lowest first where they tie, and
    the scores."""
    if n == 1:
        where = scores.argmax(axis=-1)[..., None]
    else:
        where = xp.argsort(-scores, axis=-1, kind="stable")[..., :n]
    return where, xp.take_along_axis(scores, where, axis=-1)


def to_numpy(array: Any) -> NDArray[Any]:
    """The array on the CPU."""
    return array if isinstance(array, np.ndarray) else array.get()


def _blocks(n_rows: int, size: int) -> Iterator[slice]:
    """Rows of so many elements each, as many at a time as memory should hold."""
    n = max(1, _BLOCK // max(size, 1))
    return (slice(start, start + n) for start in range(0, n_rows, n))
