"""Transitions with a score for each pair of tags.

Sums over pairs are matrix products of exponentials; if scores are too far apart for
these, logarithms of sums in blocks of bounded memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..tags import TagSet
from ..types import Floats1d, Floats2d, Floats3d, FloatsXd, Ints1d, Ints2d, IntsXd
from .arrays import (
    UNDERFLOW,
    blocks,
    finite,
    less_top,
    log_sum,
    ratio,
    to_numpy,
    top_n,
    weighted_mean,
)
from .transitions import FEW_TAGS, Multiply, Transitions


@dataclass(frozen=True)
class LearnedTransitions(Transitions):
    """A score for each pair of tags; also a gradient of such scores.

    scores: Score of the transition from tag [row] to tag [column]; -inf forbids it.
        (N, N)
    start, end: As of `Transitions`.
    """

    scores: Floats2d
    start: Floats1d
    end: Floats1d

    def on(self, xp: Any) -> "LearnedTransitions":
        """The same scores in float64 on a device."""
        return self._map(lambda a: xp.asarray(a, dtype="float64"))

    def scaled(self, factor: float) -> "LearnedTransitions":
        """All scores multiplied by a factor."""
        return self._map(lambda a: a * factor)

    def plus(self, other: "LearnedTransitions | None") -> "LearnedTransitions":
        """The sum of these scores and others, if there are any."""
        if other is None:
            return self
        pairs = zip(self.arrays, other.arrays, strict=True)
        return LearnedTransitions(*(one + two for one, two in pairs))

    def like(self, other: Transitions) -> "LearnedTransitions":
        """These scores in the floating point type of others."""
        return self._map(lambda a: a.astype(other.start.dtype))

    @property
    def arrays(self) -> tuple[Floats2d, Floats1d, Floats1d]:
        """The scores, start and end."""
        return self.scores, self.start, self.end

    def _map(self, change: Callable[[Any], Any]) -> "LearnedTransitions":
        return LearnedTransitions(*map(change, self.arrays))

    def is_finite(self) -> bool:
        """Whether no score is NaN or +inf."""
        return all(float(array.max()) < np.inf for array in self.arrays)

    def between(self, prev: Ints1d, tag: Ints1d) -> NDArray[np.float64]:
        """The score of each transition."""
        return np.asarray(to_numpy(self.scores[prev, tag]), dtype="float64")

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
        for block in blocks(len(rows), T.size):
            sums[block] = log_sum(xp, rows[block, :, None] + T, axis=1)
        return sums.reshape(scores.shape)

    def multiplier(self, backwards: list[bool]) -> Multiply:
        """Products with the matrix of exponentials."""
        xp = get_array_module(self.scores)
        matrices = [
            self._exp.T if is_backward else self._exp for is_backward in backwards
        ]
        if len(self.start) <= FEW_TAGS:
            stacked = xp.stack(matrices)
            return lambda X, out: xp.matmul(X, stacked, out=out)

        def multiply(X: Floats3d, out: Floats3d) -> None:
            for x, matrix, y in zip(X, matrices, out, strict=True):
                xp.matmul(x, matrix, out=y)

        return multiply

    @cached_property
    def top(self) -> float:  # type: ignore[override]
        """The highest score."""
        xp = get_array_module(self.scores)
        is_finite = xp.isfinite(self.scores)
        return float(self.scores[is_finite].max()) if is_finite.any() else 0.0

    @cached_property
    def spread(self) -> float:  # type: ignore[override]
        """How far the lowest finite score is below the highest."""
        xp = get_array_module(self.scores)
        return -float(finite(xp, self.scores - self.top).min())

    @cached_property
    def _exp(self) -> Floats2d:
        """exp(T - top)"""
        return get_array_module(self.scores).exp(self.scores - self.top)

    def best(self, scores: Floats2d) -> Floats2d:
        """Highest score to each tag."""
        best: Floats2d
        if len(self.start) <= FEW_TAGS:
            best = (scores[:, :, None] + self.scores).max(axis=1)
            return best
        best = get_array_module(scores).empty_like(scores)
        for block in blocks(len(scores), self.scores.size):
            best[block] = (scores[block, :, None] + self.scores).max(axis=1)
        return best

    def senders(self, scores: Floats2d) -> Ints2d:
        """Best tag before each tag."""
        xp = get_array_module(scores)
        senders = xp.empty(scores.shape, dtype=np.int32)
        for block in blocks(len(scores), self.scores.size):
            # NumPy finds the highest score of the last axis in a fifth of the time.
            senders[block] = (scores[block, None, :] + self._to_from).argmax(axis=2)
        return senders

    def n_best(self, scores: Floats3d) -> tuple[IntsXd, Floats3d]:
        """Best tags before each tag."""
        xp = get_array_module(scores)
        n_rows, n_tags, n = scores.shape
        where, best = xp.empty(scores.shape, dtype=np.intp), xp.empty_like(scores)
        for block in blocks(n_rows * n_tags, n_tags * n):
            rows, tags = xp.divmod(xp.arange(n_rows * n_tags)[block], n_tags)
            sums = scores[rows] + self._to_from[tags][:, :, None]
            where.reshape(-1, n)[block], best.reshape(-1, n)[block] = top_n(
                xp, sums.reshape(len(rows), n_tags * n), n
            )
        return where, best

    @cached_property
    def _to_from(self) -> Floats2d:
        """T with the tag to which a transition leads first."""
        return get_array_module(self.scores).ascontiguousarray(self.scores.T)

    def mean_before(self, log_weights: Floats2d, values: Floats2d) -> Floats2d:
        """Expected value of the tag before."""
        return self._mean(log_weights, values, self.scores, self._exp)

    def mean_after(self, log_weights: Floats2d, values: Floats2d) -> Floats2d:
        """Expected value of the tag behind."""
        return self._mean(log_weights, values, self.scores.T, self._exp.T)

    def _mean(
        self, log_weights: Floats2d, values: Floats2d, T: Floats2d, exp_T: Floats2d
    ) -> Floats2d:
        xp = get_array_module(values)
        _, below, spread = less_top(xp, log_weights)
        if spread + self.spread < UNDERFLOW:
            weights = xp.exp(below)
            return ratio(xp, (weights * values) @ exp_T, weights @ exp_T)
        means = xp.empty_like(values)
        for block in blocks(len(values), T.size):
            pairs = below[block, :, None] + T
            means[block] = weighted_mean(xp, pairs, values[block, :, None], axis=1)
        return means

    def entropy_before(self, log_weights: Floats2d) -> Floats2d:
        """Entropy of the tag before."""
        xp = get_array_module(log_weights)
        _, below, spread = less_top(xp, log_weights)
        T = finite(xp, self.scores)
        if spread + self.spread < UNDERFLOW:
            weights = xp.exp(below)
            total = weights @ self._exp
            # -log p(a | b) = log total - log weight of a - (T - top) of a, b
            sums = (weights * finite(xp, below)) @ self._exp
            sums += weights @ (self._exp * (T - self.top))
            return finite(xp, xp.log(total)) - ratio(xp, sums, total)
        entropy = xp.empty_like(log_weights)
        for block in blocks(len(below), T.size):
            pairs = below[block, :, None] + self.scores
            surprise = log_sum(xp, pairs, axis=1)[:, None] - finite(xp, pairs)
            entropy[block] = weighted_mean(xp, pairs, surprise, axis=1)
        return entropy

    def leaving(
        self, tag: Ints1d, scores: Floats2d, row: Ints1d
    ) -> NDArray[np.float64]:
        """Behind a span comes any tag but the inside tag of its label."""
        T, inside = to_numpy(self.scores), TagSet.inside(TagSet.label_of(tag))
        sums = np.empty(len(tag))
        for block in blocks(len(tag), T.shape[1]):
            onward = T[tag[block]] + scores[row[block]]
            onward[np.arange(len(onward)), inside[block]] = -np.inf
            sums[block] = log_sum(np, onward)
        return sums

    def expected(
        self,
        before: Floats2d,
        onward: Floats2d,
        value_before: Floats2d = None,
        value_onward: Floats2d = None,
    ) -> Floats2d:
        """Sum over rows of exp(before[a] + T[a, b] + onward[b]), which are at most 1,
        times value_before[a] + value_onward[b], if given.  (K, N) each -> (N, N)"""
        xp = get_array_module(before)
        top, below, _ = less_top(xp, before)
        log_right = onward + (top + self.top)[:, None]
        if not len(before) or float(log_right.max()) < UNDERFLOW / 2:
            left, right = xp.exp(below), xp.exp(log_right)
            if value_before is None:
                return self._exp * (left.T @ right)
            return self._exp * (
                (left * value_before).T @ right + left.T @ (right * value_onward)
            )
        total = xp.zeros_like(self.scores)
        for block in blocks(len(before), total.size):
            pairs = before[block, :, None] + self.scores + onward[block, None, :]
            probs = xp.exp(pairs)
            if value_before is not None:
                probs *= value_before[block, :, None] + value_onward[block, None, :]
            total += probs.sum(axis=0)
        return total
