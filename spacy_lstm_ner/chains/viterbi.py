"""The best tag paths of a linear chain, by dynamic programming (Viterbi 1967)."""

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..errors import Errors
from ..packing import pack
from ..tags import TagSet
from .arrays import to_numpy, top_n, top_of_rows
from .bio_transitions import BioTransitions
from .linear_chain import LinearChain, first_and_last_rows
from .long_sequences import send
from .recursion import MaxProduct

# In nats: a score that loses against all others, and one that rounding can reach.
_FORBIDDEN, _ROUNDING = 1e4, 1e-6


def best_path(chain: LinearChain) -> NDArray[np.intp]:
    """The path of the highest score of each sequence.

    chain (LinearChain): The scores.
    RETURNS (ndarray): Tag of each token, one sequence after the other, on the CPU; the
        lower tag where paths tie.  (T,)
    RAISES NoPathError: If a sequence has no allowed path.
    """
    tags = np.zeros(len(chain.emit), dtype=np.intp)
    rest = np.ones(len(chain.lengths), dtype=bool)
    # CuPy has no maximum.accumulate.
    is_on_cpu = isinstance(chain.emit, np.ndarray)
    if isinstance(chain.transitions, BioTransitions) and is_on_cpu:
        tags, rest = _without_insides(chain)
    if rest.any():
        has_path = np.ones(len(rest), dtype=bool)
        found, has_path[rest] = _search(chain.take_sequences(rest))
        chain.require_paths(has_path)
        tags[np.repeat(rest, chain.lengths)] = found
    return tags


def _search(chain: LinearChain) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The best path of each sequence (T,), and whether there is one (B,)."""
    xp = get_array_module(chain.emit)
    emit = xp.asarray(chain.emit, dtype="float64")
    T = chain.transitions.on(xp)
    best = emit + send(xp, emit, chain.lengths, T.start, MaxProduct(xp, T))
    _, lasts = first_and_last_rows(chain.lengths)
    final = best[xp.asarray(lasts)] + T.end
    has_path = np.ones(len(chain.lengths), dtype=bool)
    has_path[chain.lengths > 0] = to_numpy(xp.isfinite(final.max(axis=1)))
    # The best tag before each tag; at the last token, the best one to end with.
    before = to_numpy(T.senders(best))
    ends_with = dict(
        zip(lasts.tolist(), to_numpy(final.argmax(axis=1)).tolist(), strict=True)
    )
    tag, path = 0, []
    tag_before = before.data  # quicker to look up in than an array
    for row in range(len(best) - 1, -1, -1):
        tag = ends_with[row] if row in ends_with else tag_before[row, tag]
        path.append(tag)
    return np.array(path[::-1], dtype=np.intp), has_path


def _without_insides(
    chain: LinearChain,
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """By the BIO rules alone: the best path without I tags of each sequence, which is
    mostly the best one (T,), and whether it may not be (B,).

    A run of I tags, and the B before it, has a score above or below that of the tags in
    its place. Each run adds its gain to the path independently, so if no run gains
    anything, there is no better path.
    """
    begins, insides = TagSet.begins, TagSet.insides
    emit = np.asarray(chain.emit, dtype="float64")
    open_tags = emit.copy()
    open_tags[:, insides] = -np.inf
    tags = open_tags.argmax(axis=1)
    best = top_of_rows(np, open_tags)[:, None]
    with np.errstate(invalid="ignore"):  # where there is no such path
        # A forbidden tag loses enough, and the sums stay exact.
        gains = np.maximum(emit[:, insides] - best, -_FORBIDDEN)
        sums = np.cumsum(gains, axis=0)
        # The highest sum from here on. It may lie beyond the end of the sequence: more
        # sequences are searched than need be.
        highest = np.maximum.accumulate(sums[::-1], axis=0)[::-1]
        gain_of_run = emit[:-1, begins] - best[:-1] + highest[1:] - sums[:-1]
        gains_nothing = gain_of_run < -_ROUNDING
    is_certain = np.isfinite(best)[:, 0]
    rest = np.zeros(len(chain.lengths), dtype=bool)
    if not (gains_nothing.all() and is_certain.all()):
        is_certain[:-1] &= gains_nothing.all(axis=1)
        rest[chain.sequences[~is_certain]] = True
    return tags, rest


def n_best_paths(
    chain: LinearChain, n: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The paths of the n highest scores of each sequence, best first.

    chain (LinearChain): The scores.
    n (int): How many, at least 1.
    RETURNS (Tuple[ndarray, ndarray]): The tag of each token, one sequence after the
        other (n, T), and the score of each path (n, B), on the CPU. If a sequence has
        fewer paths, the others have a score of -inf and any tags.
    RAISES ValueError (L034): If n is not positive.
    """
    if n < 1:
        raise ValueError(Errors.L034.format(n=n))
    xp = get_array_module(chain.emit)
    packing, T = pack(chain.lengths), chain.transitions.on(xp)
    emit = xp.asarray(chain.emit[xp.asarray(packing.rows)], dtype="float64")
    # The n best scores of paths up to a token with this tag, and for each of them the
    # tag before and its rank there, as one number.
    best = xp.full((*emit.shape, n), -xp.inf)
    came_from = xp.zeros(best.shape, dtype=np.intp)
    steps = list(packing.steps())
    last = 0
    for start, end in steps:
        if start:
            came_from[start:end], top = T.n_best(best[last : last + end - start])
            best[start:end] = top + emit[start:end, :, None]
        else:
            best[:end, :, 0] = emit[:end] + T.start
        last = start
    # Walk back: a sequence joins at its last step, with its best final tags.
    final = (best + T.end[:, None]).reshape(len(emit), emit.shape[1] * n)
    chosen, final_scores = top_n(xp, final, n)
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
