"""Transitions from tag to tag with learned scores.

Sums over pairs of tags are matrix products of exponentials or, if scores are too far
apart for these, logarithms of sums in blocks of bounded memory.

Scores may be complex in the operations of sums: an imaginary part so small that its
square vanishes carries a derivative along (Squire & Trapp 1998).

Letters of array axes: as in `bio_transitions`.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module, to_numpy

from ..tags import TagSet
from ..types import Floats1d, Floats2d, Floats3d, FloatsXd, Ints1d, IntsXd
from .bio_transitions import FEW_TAGS, BioTransitions, Multiply, n_best_insides
from .log_space import (
    BLOCK,
    UNDERFLOW,
    blocks,
    finite,
    less_top,
    log_sum,
    top_n,
)

# Of scores: more than rounding can move one.
_ROUNDING = 1e-9

_BEGINS, _INSIDES = TagSet.begins, TagSet.insides


class LearnedTransitions:
    """A score for each pair of tags, in float64; also a gradient of such scores. The
    operations are those of `BioTransitions`.

    scores (Floats2d): Score of the transition from tag [row] to tag [column]; -inf
        forbids it.  (N, N)
    start, end (Floats1d): As of `BioTransitions`.
    """

    def __init__(self, scores: Floats2d, start: Floats1d, end: Floats1d) -> None:
        self.arrays = tuple(
            array.astype(np.promote_types(array.dtype, "float64"), copy=False)
            for array in (scores, start, end)  # may be complex
        )
        self.scores, self.start, self.end = self.arrays

    def scaled(self, factor: complex) -> "LearnedTransitions":
        """All scores multiplied by a factor."""
        return LearnedTransitions(*(array * factor for array in self.arrays))

    def take(self, tags: Ints1d) -> "LearnedTransitions":
        """The scores of some of the tags."""
        scores = self.scores[tags[:, None], tags]
        return LearnedTransitions(scores, self.start[tags], self.end[tags])

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
        top = float(self.scores.real.max())
        return top if top > -np.inf else 0.0

    @cached_property
    def spread(self) -> float:
        """How far the lowest finite score is below the highest."""
        xp, scores = get_array_module(self.scores), self.scores.real
        return self.top - float(xp.where(scores > -xp.inf, scores, self.top).min())

    @cached_property
    def _exp(self) -> Floats2d:
        """exp(T - top)"""
        return get_array_module(self.scores).exp(self.scores - self.top)

    @cached_property
    def _to_others(self) -> tuple[Ints1d, Floats2d]:
        """The tags that are not I, and exp(T - top) of the transitions to them.
        (L + 1,), (N, L + 1)"""
        xp = get_array_module(self.scores)
        others = xp.flatnonzero(~TagSet.is_inside(xp.arange(len(self.scores))))
        return others, xp.exp(self.scores[:, others] - self.top)

    @cached_property
    def _exp_to_insides(self) -> Floats2d:
        """exp(T - top) of the transitions to each I tag from B and I of its label.
        (2, L)"""
        xp = get_array_module(self.scores)
        return xp.exp(_to_insides(self.scores) - self.top).T

    @property
    def _is_large_bio(self) -> bool:
        """Whether products of half the matrix are worth their calls: a transition to an
        I tag comes from two tags only."""
        return self.scores.size > BLOCK and self._is_bio

    @cached_property
    def _to_from(self) -> Floats2d:
        """T with the tag to which a transition leads first."""
        return get_array_module(self.scores).ascontiguousarray(self.scores.T)

    @cached_property
    def _highest(self) -> Floats1d:
        """The highest score of a transition to each tag.  (N,)"""
        return self.scores.max(axis=0)

    @cached_property
    def _is_bio(self) -> bool:
        """Whether an I tag may follow no other tags than the BIO rules allow."""
        xp, to_inside = get_array_module(self.scores), self.scores[:, _INSIDES]
        n_allowed = xp.isfinite(_to_insides(self.scores)).sum()
        return bool(xp.isfinite(to_inside).sum() == n_allowed)

    def between(self, prev: Ints1d, tag: Ints1d) -> NDArray[np.float64]:
        """The score of each transition, on the CPU."""
        found: NDArray[np.float64] = to_numpy(self.scores[prev, tag])
        return found

    def log_sums(self, scores: FloatsXd, *, backwards: bool = False) -> FloatsXd:
        """Log sums over the tag before or, backwards, behind."""
        xp = get_array_module(scores)
        T, exp_T = (a.T if backwards else a for a in (self.scores, self._exp))
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
        if self._is_large_bio:
            return self._multiply_half(backwards)
        matrices = [self._exp.T if back else self._exp for back in backwards]
        if self.scores.size <= BLOCK:  # a copy of the transpose is faster as well
            stacked = xp.stack(matrices)
            return lambda X, out: xp.matmul(X, stacked, out=out)

        def multiply(X: Floats3d, out: Floats3d) -> None:
            for x, y, matrix in zip(X, out, matrices, strict=True):
                xp.matmul(x, matrix, out=y)

        return multiply

    def _multiply_half(self, backwards: list[bool]) -> Multiply:
        """`multiplier`, without the zeros of the transitions to I tags."""
        others, matrix = self._to_others
        from_begin, from_inside = self._exp_to_insides

        def multiply(X: Floats3d, out: Floats3d) -> None:
            for x, y, is_backward in zip(X, out, backwards, strict=True):
                if is_backward:
                    y[...] = x[:, others] @ matrix.T
                    y[:, _BEGINS] += x[:, _INSIDES] * from_begin
                    y[:, _INSIDES] += x[:, _INSIDES] * from_inside
                else:
                    y[:, others] = x @ matrix
                    y[:, _INSIDES] = x[:, _BEGINS] * from_begin
                    y[:, _INSIDES] += x[:, _INSIDES] * from_inside

        return multiply

    def n_best(self, scores: Floats3d) -> tuple[IntsXd, Floats3d]:
        """Best tags before each tag."""
        xp = get_array_module(scores)
        n_tags, n = scores.shape[1:]
        where, best = xp.empty(scores.shape, dtype=np.intp), xp.empty_like(scores)
        tags: Any = slice(None)
        to_tags = tags
        if n_tags > FEW_TAGS and len(scores) and self._is_bio:
            to_insides = _to_insides(self.scores)
            found, best[:, _INSIDES] = n_best_insides(xp, scores, to_insides)
            where[:, _INSIDES] = found
            to_tags = xp.flatnonzero(~TagSet.is_inside(xp.arange(n_tags)))
            tags = self._candidates(scores, to_tags)
            T = xp.ascontiguousarray(self.scores[tags][:, to_tags].T)
        else:
            T = self._to_from
        number = (n * xp.arange(n_tags)[tags, None] + xp.arange(n)).reshape(-1)
        for block in blocks(len(scores), T.size * n):
            sums = scores[block, None, tags] + T[:, :, None]
            found, top = top_n(xp, sums.reshape(*sums.shape[:2], -1), n)
            where[block, to_tags], best[block, to_tags] = number[found], top
        return where, best

    def _candidates(self, scores: Floats3d, to_tags: Ints1d) -> Ints1d:
        """The tags that may be among the best before one of `to_tags`.

        The n paths to the tag of the highest score go on to each tag; a tag that cannot
        reach their n-th score, even by the best transition, is out.
        """
        xp, highest = get_array_module(scores), scores[:, :, 0]
        first = highest.argmax(axis=1)
        reached = scores[xp.arange(len(scores)), first, -1]
        loss = self._highest[to_tags] - self.scores[first][:, to_tags]
        least = reached - loss.max(axis=1)
        least -= _ROUNDING * (1 + xp.abs(finite(xp, least)))
        return xp.flatnonzero(~(highest < least[:, None]).all(axis=0))

    def best(self, scores: Floats2d) -> Floats2d:
        """Highest score to each tag."""
        if len(scores) * self.scores.size <= BLOCK:
            best: Floats2d = (scores[:, :, None] + self.scores).max(axis=1)
            return best
        return self.n_best(scores[..., None])[1][..., 0]

    def senders(self, scores: Floats2d) -> Callable[[int, int], int]:
        """The best tag before a tag."""
        if len(self.scores) <= FEW_TAGS:
            where = get_array_module(scores).empty(scores.shape, dtype=np.intp)
            for block in blocks(len(scores), self.scores.size):
                # NumPy finds the highest score of the last axis in a fifth of the time.
                where[block] = (scores[block, None] + self._to_from).argmax(axis=2)
            sender: Callable[[int, int], int] = to_numpy(where).item
            return sender
        # A path asks for one of the many tags of each row.
        return lambda row, tag: int((scores[row] + self.scores[:, tag]).argmax())

    def expected(self, before: Floats2d, onward: Floats2d) -> Floats2d:
        """Sum over rows of exp(before[a] + T[a, b] + onward[b]).
        (K, N) each -> (N, N)"""
        xp = get_array_module(before)
        top, below, _ = less_top(xp, before)
        log_right = onward + (top + self.top)[:, None]
        if not len(before) or float(log_right.real.max()) < UNDERFLOW / 2:
            left, right = xp.exp(below), xp.exp(log_right)
            if self._is_large_bio:
                return self._expected_half(left, right)
            pairs: Floats2d = left.T @ right
            pairs *= self._exp
            return pairs
        total = xp.zeros(self.scores.shape, dtype=before.dtype)
        for block in blocks(len(before), total.size):
            pairs = before[block, :, None] + self.scores + onward[block, None, :]
            total += xp.exp(pairs).sum(axis=0)
        return total

    def _expected_half(self, left: Floats2d, right: Floats2d) -> Floats2d:
        """Sum over rows of left[a] exp(T[a, b] - top) right[b], without the zeros of
        the transitions to I tags.  (K, N) each -> (N, N)"""
        xp = get_array_module(left)
        others, matrix = self._to_others
        pairs: Floats2d = xp.zeros(self.scores.shape, dtype=left.dtype)
        pairs[:, others] = (left.T @ right[:, others]) * matrix
        begins, insides = (xp.arange(len(pairs))[tags] for tags in (_BEGINS, _INSIDES))
        for tags, scores in zip((begins, insides), self._exp_to_insides, strict=True):
            pairs[tags, insides] = (left[:, tags] * right[:, insides]).sum(
                axis=0
            ) * scores
        return pairs


# The transitions of a chain.
Transitions: TypeAlias = BioTransitions | LearnedTransitions


def _to_insides(T: Floats2d) -> Floats2d:
    """The transitions to each I tag from B and from I of its label.  (L, 2)"""
    xp = get_array_module(T)
    begins, insides = (xp.arange(len(T))[tags] for tags in (_BEGINS, _INSIDES))
    return xp.stack([T[begins, insides], T[insides, insides]], axis=1)
