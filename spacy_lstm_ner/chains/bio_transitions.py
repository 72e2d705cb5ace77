"""The BIO rules as transitions, without a matrix.

An allowed transition scores 0, a forbidden one -inf. I of a label may follow two tags
and every other tag may follow all, so each operation is linear in labels.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..tags import TagSet
from ..types import Floats2d, Floats3d, FloatsXd, Ints1d, Ints2d, IntsXd
from .arrays import finite, log_sum, top_n, weighted_mean
from .transitions import FEW_TAGS, Multiply, Transitions

_BEGINS, _INSIDES = TagSet.begins, TagSet.insides


class BioTransitions(Transitions):
    """The BIO rules alone.

    n_tags (int): Number of tags, as of `TagSet`.
    """

    spread = top = 0.0

    def __init__(self, n_tags: int, xp: Any = np) -> None:
        self.n_tags = n_tags
        may_start = xp.asarray(TagSet.of_size(n_tags).may_start)
        self.start = xp.where(may_start, 0.0, -xp.inf)
        self.end = xp.zeros(n_tags)

    def on(self, xp: Any) -> "BioTransitions":
        """The same on a device."""
        if get_array_module(self.start) is xp:
            return self
        return BioTransitions(self.n_tags, xp)

    def scaled(self, factor: float) -> "BioTransitions":
        """The same: 0 and -inf do not change."""
        return self

    def is_finite(self) -> bool:
        """Always."""
        return True

    def between(self, prev: Ints1d, tag: Ints1d) -> NDArray[np.float64]:
        """0 or -inf for each transition."""
        return np.where(TagSet.follows(prev, tag), 0.0, -np.inf)

    def forward(self, scores: FloatsXd) -> FloatsXd:
        """Log sums over the tag before."""
        xp = get_array_module(scores)
        sums = xp.empty_like(scores)
        sums[...] = log_sum(xp, scores)[..., None]
        begins, insides = scores[..., _BEGINS], scores[..., _INSIDES]
        sums[..., _INSIDES] = xp.logaddexp(begins, insides)
        return sums

    def backward(self, scores: FloatsXd) -> FloatsXd:
        """Log sums over the tag behind."""
        xp = get_array_module(scores)
        sums = xp.empty_like(scores)
        sums[...] = log_sum(xp, _without_insides(xp, scores))[..., None]
        onward = xp.logaddexp(sums[..., _INSIDES], scores[..., _INSIDES])
        sums[..., _BEGINS] = sums[..., _INSIDES] = onward
        return sums

    def multiplier(self, backwards: list[bool]) -> Multiply:
        """Products with the matrix of allowed transitions, in linear time."""
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

    def best(self, scores: Floats2d) -> Floats2d:
        """Highest score to each tag."""
        xp = get_array_module(scores)
        best = xp.empty_like(scores)
        best[:] = scores.max(axis=1, keepdims=True)
        begins, insides = scores[:, _BEGINS], scores[:, _INSIDES]
        best[:, _INSIDES] = xp.maximum(begins, insides)
        return best

    def senders(self, scores: Floats2d) -> Ints2d:
        """Best tag before each tag."""
        xp = get_array_module(scores)
        senders = xp.empty(scores.shape, dtype=np.int32)
        senders[:] = scores.argmax(axis=1)[:, None]
        number = xp.arange(self.n_tags)
        is_begin = scores[:, _BEGINS] >= scores[:, _INSIDES]
        senders[:, _INSIDES] = xp.where(is_begin, number[_BEGINS], number[_INSIDES])
        return senders

    def n_best(self, scores: Floats3d) -> tuple[IntsXd, Floats3d]:
        """Best tags before each tag: of all tags, or of the two that I may follow."""
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

    def mean_before(self, log_weights: Floats2d, values: Floats2d) -> Floats2d:
        """Expected value of the tag before."""
        xp = get_array_module(values)
        means = xp.empty_like(values)
        means[:] = weighted_mean(xp, log_weights, values)[:, None]
        pairs = (
            a[:, 1:].reshape(len(a), self.n_tags // 2, 2) for a in (log_weights, values)
        )
        means[:, _INSIDES] = weighted_mean(xp, *pairs)
        return means

    def mean_after(self, log_weights: Floats2d, values: Floats2d) -> Floats2d:
        """Expected value of the tag behind."""
        xp = get_array_module(values)
        means = xp.empty_like(values)
        weights = _without_insides(xp, log_weights)
        means[:] = weighted_mean(xp, weights, values)[:, None]
        # B and I may also go on to I.
        total = xp.broadcast_to(log_sum(xp, weights)[:, None], values.shape)
        onward = weighted_mean(
            xp,
            xp.stack([total[:, _INSIDES], log_weights[:, _INSIDES]], axis=-1),
            xp.stack([means[:, _INSIDES], values[:, _INSIDES]], axis=-1),
        )
        means[:, _BEGINS] = means[:, _INSIDES] = onward
        return means

    def entropy_before(self, log_weights: Floats2d) -> Floats2d:
        """Entropy of the tag before."""
        xp = get_array_module(log_weights)
        # -log p(a | b) = (log sum for b) - (log weight of a).
        expected = self.mean_before(log_weights, finite(xp, log_weights))
        return finite(xp, self.forward(log_weights)) - expected

    def leaving(
        self, tag: Ints1d, scores: Floats2d, row: Ints1d
    ) -> NDArray[np.float64]:
        """Behind a span comes O or B of any label."""
        sums: NDArray[np.float64] = log_sum(np, _without_insides(np, scores))
        return sums[row]


@lru_cache(maxsize=16)
def _allowed_matrices(n_tags: int, backwards: tuple[bool, ...]) -> NDArray[np.float64]:
    """Whether each transition is allowed, 0 or 1, or the transpose.  (D, N, N)"""
    allowed = TagSet.of_size(n_tags).may_follow.astype("float64")
    return np.stack([allowed.T if back else allowed for back in backwards])


def _without_insides(xp: Any, scores: FloatsXd) -> FloatsXd:
    """The scores with -inf for I tags."""
    scores = scores.copy()
    scores[..., _INSIDES] = -xp.inf
    return scores
