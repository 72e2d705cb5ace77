"""The best tag paths of a linear chain, by dynamic programming (Viterbi 1967)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..errors import Errors
from ..packing import pack
from ..types import Floats2d, Ints2d
from .free_moves import Pairs, find_pairs
from .linear_chain import LinearChain, first_and_last_rows, to_numpy
from .long_sequences import send
from .recursion import Product, top_of_rows


def best_path(chain: LinearChain) -> NDArray[np.intp]:
    """The path of the highest score of each sequence.

    chain (LinearChain): The scores.
    RETURNS (ndarray): Tag of each token, one sequence after the other, on the CPU; the
        lower tag where paths tie.  (T,)
    RAISES NoPathError: If a sequence has no allowed path.
    """
    pairs = find_pairs(chain)
    tags = np.zeros(len(chain.emit), dtype=np.intp)
    rest = np.ones(len(chain.lengths), dtype=bool)
    # CuPy can't accumulate a maximum.
    if pairs is not None and isinstance(chain.emit, np.ndarray):
        tags, rest = _without_inner(chain, pairs)
    if rest.any():
        has_path = np.ones(len(rest), dtype=bool)
        found, has_path[rest] = _search(chain.take_sequences(rest), pairs)
        chain.require_paths(has_path)
        tags[np.repeat(rest, chain.lengths)] = found
    return tags


def _search(
    chain: LinearChain, pairs: Pairs | None
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The best path of each sequence (T,), and whether there is one (B,)."""
    xp = get_array_module(chain.emit)
    emit, transition, start, end = (
        xp.asarray(a, dtype="float64")
        for a in (chain.emit, chain.transition, chain.start, chain.end)
    )
    product = _MaxProduct(xp, transition, pairs)
    best = emit + send(xp, emit, chain.lengths, start, product)
    _, lasts = first_and_last_rows(chain.lengths)
    final = best[xp.asarray(lasts)] + end
    has_path = np.ones(len(chain.lengths), dtype=bool)
    has_path[chain.lengths > 0] = to_numpy(xp.isfinite(final.max(axis=1)))
    # The best tag before each tag; at the last token, the best one to end with.
    before = to_numpy(product.senders(best))
    ends_with = dict(
        zip(lasts.tolist(), to_numpy(final.argmax(axis=1)).tolist(), strict=True)
    )
    tag, path = 0, []
    tag_before = before.data  # quicker to look up in than an array
    for row in range(len(best) - 1, -1, -1):
        tag = ends_with[row] if row in ends_with else tag_before[row, tag]
        path.append(tag)
    return np.array(path[::-1], dtype=np.intp), has_path


class _MaxProduct(Product):
    """The highest score of a path to each tag.

    By the BIO rules alone, most tags may follow all others, and what is best before one
    is best before all; an inside tag may follow two. That is found without looking at
    all pairs of tags.
    """

    def __init__(self, xp: Any, transition: Floats2d, pairs: Pairs | None) -> None:
        super().__init__(xp)
        self._transition, self._pairs = transition, pairs

    def __call__(self, scores: Floats2d) -> Floats2d:
        """The scores of the best paths through tokens to the tags behind."""
        best: Floats2d
        if self._pairs is None:
            best = (scores[:, :, None] + self._transition).max(axis=1)
            return best
        inner, first, second = self._pairs
        best = self._xp.empty_like(scores)
        best[:] = scores.max(axis=1, keepdims=True)
        best[:, inner] = self._xp.maximum(scores[:, first], scores[:, second])
        return best

    def senders(self, scores: Floats2d) -> Ints2d:
        """The tag at a token through which the best path to each tag behind it leads,
        the lower one where paths tie.

        scores (Floats2d): Of the best path to each tag at each token.  (T, N)
        RETURNS (Ints2d): (T, N)
        """
        xp, n_tags = self._xp, scores.shape[1]
        senders = xp.empty(scores.shape, dtype=np.int32)
        if self._pairs is None:
            n_rows = max(1, 2**20 // n_tags**2)  # so memory stays bounded
            for start in range(0, len(scores), n_rows):
                rows = slice(start, start + n_rows)
                senders[rows] = (scores[rows, :, None] + self._transition).argmax(
                    axis=1
                )
            return senders
        inner, first, second = self._pairs
        number = xp.arange(n_tags)
        senders[:] = scores.argmax(axis=1)[:, None]
        is_first = scores[:, first] >= scores[:, second]
        senders[:, inner] = xp.where(is_first, number[first], number[second])
        return senders


def _without_inner(
    chain: LinearChain, pairs: Pairs
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The best path without inside tags of each sequence, which is mostly the best one;
    and whether it may not be (B,).

    A run of inside tags, and the tag that begins it, has a score above or below that of
    the tags in its place. A path gains by each of its runs for itself, so where no run
    gains anything, there is no better path.
    """
    xp = get_array_module(chain.emit)
    inner, first, _ = pairs
    emit = xp.asarray(chain.emit, dtype="float64")
    open_tags = emit.copy()
    open_tags[:, inner] = -xp.inf
    tags = open_tags.argmax(axis=1)
    best = top_of_rows(xp, open_tags)[:, None]
    with np.errstate(invalid="ignore"):  # where there is no such path
        # What is forbidden loses enough, and the sums stay exact.
        gains = xp.maximum(emit[:, inner] - best, -_FORBIDDEN)
        sums = xp.cumsum(gains, axis=0)
        # The highest sum from here on, and on beyond the end of the sequence: more
        # sequences than need be are looked into.
        highest = xp.maximum.accumulate(sums[::-1], axis=0)[::-1]
        gain_of_run = emit[:-1, first] - best[:-1] + highest[1:] - sums[:-1]
        gains_nothing = gain_of_run < -_ROUNDING
    is_certain = xp.isfinite(best)[:, 0]
    rest = np.zeros(len(chain.lengths), dtype=bool)
    if not (gains_nothing.all() and is_certain.all()):
        is_certain[:-1] &= gains_nothing.all(axis=1)
        rows = np.flatnonzero(to_numpy(~is_certain))
        rest[np.searchsorted(np.cumsum(chain.lengths), rows, side="right")] = True
    return np.asarray(to_numpy(tags), dtype=np.intp), rest


# In nats.
_FORBIDDEN, _ROUNDING = 1e4, 1e-6


def n_best_paths(
    chain: LinearChain, n: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The paths of the n highest scores of each sequence, best first.

    chain (LinearChain): The scores.
    n (int): How many, at least 1.
    RETURNS (Tuple[ndarray, ndarray]): The tag of each token, one sequence after the
        other (n, T), and the score of each path (n, B), on the CPU. A path that is not
        there, as the sequence has fewer, has a score of -inf and any tags.
    RAISES ValueError (L034): If n is not positive.
    """
    if n < 1:
        raise ValueError(Errors.L034.format(n=n))
    xp = get_array_module(chain.emit)
    packing = pack(chain.lengths)
    n_tags = len(chain.start)
    transition, start_score, end_score = (
        xp.asarray(a, dtype="float64")
        for a in (chain.transition, chain.start, chain.end)
    )
    emit = xp.asarray(chain.emit[xp.asarray(packing.rows)], dtype="float64")
    # The n best scores of paths up to a token with this tag, and for each of them the
    # tag before and its rank there, as one number.
    best = xp.full((*emit.shape, n), -xp.inf)
    came_from = xp.zeros(best.shape, dtype=np.intp)
    steps = list(packing.steps())
    last = 0
    for start, end in steps:
        if start:
            before = best[last : last + end - start]
            scores = before[:, :, :, None] + transition[:, None]
            scores = scores.reshape(end - start, n_tags * n, n_tags)
            came_from[start:end], top = _top(xp, scores.transpose(0, 2, 1), n)
            best[start:end] = top + emit[start:end, :, None]
        else:
            best[:end, :, 0] = emit[:end] + start_score
        last = start
    # Walk back: a sequence joins at its last step, with its best final tags.
    final = (best + end_score[:, None]).reshape(len(emit), n_tags * n)
    chosen, final_scores = _top(xp, final, n)
    n_later = 0
    for start, end in reversed(steps):
        if n_later:
            later = slice(end, end + n_later)
            rows = xp.arange(end, end + n_later)[:, None]
            tag, rank = xp.divmod(chosen[later], n)
            chosen[start : start + n_later] = came_from[rows, tag, rank]
            final_scores[start : start + n_later] = final_scores[later]
        n_later = end - start
    paths = np.zeros((n, len(emit)), dtype=np.intp)
    paths[:, packing.rows] = to_numpy(chosen // n).T
    scores = np.zeros((n, len(chain.lengths)))
    scores[1:] = -np.inf  # a sequence without tokens has one path, of score 0
    first = packing.n_first
    scores[:, packing.sequences[:first]] = to_numpy(final_scores[:first]).T
    return paths, scores


def _top(xp: Any, scores: Any, n: int) -> tuple[Any, Any]:
    """Where the n highest scores of the last axis are, and they; lowest first where
    they tie."""
    if n == 1:
        where = scores.argmax(axis=-1)[..., None]
    else:
        where = xp.argsort(-scores, axis=-1, kind="stable")[..., :n]
    return where, xp.take_along_axis(scores, where, axis=-1)
