"""The transitions from tag to tag by the BIO rules alone.

Their operations are linear in labels: I of a label may follow two tags, and every other
tag may follow all.

Letters of array axes: K rows (tokens), N tags, L labels, n ranks, D runs.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module, to_numpy

from ..tags import TagSet
from ..types import Floats1d, Floats2d, Floats3d, FloatsXd, Ints1d, IntsXd
from .log_space import log_sum, top_n

# Up to so many tags, one product with a matrix takes less time than a few calls.
FEW_TAGS = 64

_BEGINS, _INSIDES = TagSet.begins, TagSet.insides

# f(X, out)
Multiply = Callable[..., Any]


class BioTransitions:
    """The BIO rules alone: an allowed transition scores 0, a forbidden one -inf.

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

    def scaled(self, factor: complex) -> "BioTransitions":
        """All scores multiplied by a factor: the same."""
        return self

    def take(self, tags: Ints1d) -> "BioTransitions":
        """The rules of some of the tags: O, and both tags of some labels."""
        return bio_transitions(len(tags), get_array_module(self.start))

    def between(self, prev: Ints1d, tag: Ints1d) -> NDArray[np.float64]:
        """Score of each transition from `prev` to `tag`, on the CPU."""
        return np.where(TagSet.follows(prev, tag), 0.0, -np.inf)

    def log_sums(self, scores: FloatsXd, *, backwards: bool = False) -> FloatsXd:
        """log sum_a exp(scores[a] + T[a, b]) for each b or, backwards,
        log sum_b exp(T[a, b] + scores[b]) for each a.  (..., N) -> (..., N)"""
        xp = get_array_module(scores)
        sums, others = xp.empty_like(scores), scores.copy()
        if backwards:
            others[..., _INSIDES] = -xp.inf
        sums[...] = log_sum(xp, others)[..., None]
        other = sums[..., _INSIDES] if backwards else scores[..., _BEGINS]
        onward = log_sum(xp, xp.stack([other, scores[..., _INSIDES]]), axis=0)
        sums[..., _INSIDES] = onward
        if backwards:
            sums[..., _BEGINS] = onward
        return sums

    def multiplier(self, backwards: list[bool]) -> Multiply:
        """A function f(X, out) that multiplies each X[d] by the matrix exp(T - top), or
        by its transpose where `backwards[d]`.  (D, K, N) -> (D, K, N)"""
        xp = get_array_module(self.start)
        if self.n_tags <= FEW_TAGS:
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

    def n_best(self, scores: Floats3d) -> tuple[IntsXd, Floats3d]:
        """The n highest scores[a, rank] + T[a, b] for each b.

        scores (Floats3d): By rank, highest first.  (K, N, n)
        RETURNS (Tuple[IntsXd, Floats3d]): n a + rank of each, the lower one where they
            tie, and the score.  (K, N, n)
        """
        xp = get_array_module(scores)
        n_rows, n_tags, n = scores.shape
        where, best = xp.empty(scores.shape, dtype=np.intp), xp.empty_like(scores)
        of_all, top = top_n(xp, scores.reshape(n_rows, n_tags * n), n)
        where[:], best[:] = of_all[:, None], top[:, None]
        where[:, _INSIDES], best[:, _INSIDES] = n_best_insides(xp, scores)
        return where, best

    def best(self, scores: Floats2d) -> Floats2d:
        """max_a (scores[a] + T[a, b]) for each b.  (K, N) -> (K, N)"""
        xp = get_array_module(scores)
        best = xp.empty_like(scores)
        best[:] = scores.max(axis=1, keepdims=True)
        best[:, _INSIDES] = xp.maximum(scores[:, _BEGINS], scores[:, _INSIDES])
        return best

    def senders(self, scores: Floats2d) -> Callable[[int, int], int]:
        """A function from a row and a tag b to the lowest a of the highest
        scores[row, a] + T[a, b].  (K, N)"""
        where, _ = self.n_best(scores[..., None])
        sender: Callable[[int, int], int] = to_numpy(where[..., 0]).item
        return sender


# The rules of each number of tags are made once.
bio_transitions = lru_cache(maxsize=16)(BioTransitions)


@lru_cache(maxsize=16)
def _allowed_matrices(n_tags: int, backwards: tuple[bool, ...]) -> NDArray[np.float64]:
    """Whether each transition is allowed, 0 or 1, or the transpose.  (D, N, N)"""
    allowed = TagSet.of_size(n_tags).may_follow.astype("float64")
    return np.stack([allowed.T if back else allowed for back in backwards])


def n_best_insides(
    xp: Any, scores: Floats3d, T: Floats2d | None = None
) -> tuple[IntsXd, Floats3d]:
    """`n_best` of the I tags, which follow B and I of their label.

    T (Optional[Floats2d]): Scores of these transitions, if not 0.  (L, 2)
    """
    n_rows, n_tags, n = scores.shape
    # B and I of a label are neighbours: their 2n scores are one row.
    pairs = scores[:, 1:].reshape(n_rows, n_tags // 2, 2, n)
    if T is not None:
        pairs = pairs + T[:, :, None]
    where, best = top_n(xp, pairs.reshape(n_rows, n_tags // 2, 2 * n), n)
    return where + n * xp.arange(n_tags)[_BEGINS][:, None], best
