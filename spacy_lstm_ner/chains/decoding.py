"""From the scores of tag paths to the best paths and to spans with their confidence."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module, to_numpy

from ..errors import Errors
from ..packing import pack
from ..tags import TagSet
from .bio_transitions import BioTransitions
from .linear_chain import LinearChain, Spans
from .log_space import top_n
from .path_sums import PathSums, confidences_of
from .recursion import viterbi

# Spans of a lower probability are never listed: there would be no end of them.
MIN_LISTED = 0.01
# In nats: a score that loses against all others, and one that rounding can reach.
_FORBIDDEN, _ROUNDING = 1e4, 1e-6


def decode_best_path(chain: LinearChain) -> Spans:
    """The spans of the best path of each sequence; all are chosen.

    chain (LinearChain): The scores.
    RETURNS (Spans): By sequence and position.
    RAISES NoPathError: If a sequence has no allowed path.
    """
    spans = Spans.of_path(chain, best_path(chain))
    return replace(spans, confidence=confidences_of(chain, spans))


def decode_by_probability(
    chain: LinearChain, thresholds: NDArray[np.floating]
) -> Spans:
    """All spans that are probable enough; of them, the most probable ones that do not
    overlap are chosen, highest first.

    chain (LinearChain): The scores.
    thresholds (ndarray): Smallest probability of the spans of each label; if lower,
        MIN_LISTED counts.  (L,)
    RETURNS (Spans): By sequence, start, label and end.
    RAISES NoPathError: If a sequence has no allowed path.
    """
    at_least = np.maximum(thresholds, MIN_LISTED)
    if _has_no_spans(chain, at_least):
        return Spans.of([])
    sums = PathSums(chain)
    chain.require_paths(sums.has_path())
    spans = sums.probable_spans(at_least)
    taken = np.zeros(len(chain.emit), dtype=bool)
    chosen = np.zeros(len(spans), dtype=bool)
    first = chain.first_rows[spans.sequence]
    starts, ends = ((first + token).tolist() for token in (spans.start, spans.end))
    for i in np.argsort(-spans.confidence, kind="stable").tolist():
        rows = slice(starts[i], ends[i])
        if not taken[rows].any():
            taken[rows] = chosen[i] = True
    return replace(spans, chosen=chosen)


def _has_no_spans(chain: LinearChain, at_least: NDArray[np.floating]) -> bool:
    """Whether a bound shows, without sums over paths, that no span is so probable.

    By the BIO rules alone, any tag other than I is legal in place of the B at token t,
    with any of them behind it. So the probability that a span begins at t is at most
    b_t (1 + i_{t+1} (1 + i_{t+2} (...))) <= max b / (1 - max i), where b and i are the
    weights of B and I relative to all tags other than I.
    """
    if not isinstance(chain.transitions, BioTransitions) or not len(chain.emit):
        return False
    xp = get_array_module(chain.emit)
    with np.errstate(all="ignore"):  # no bound if a token has no tag other than I
        weights = xp.exp(chain.emit - chain.emit.max(axis=1, keepdims=True))
        insides = weights[:, TagSet.insides]
        others = (weights.sum(axis=1) - insides.sum(axis=1))[:, None]
        begin = (weights[:, TagSet.begins] / others).max(axis=0)
        inside = (insides / others).max(axis=0)
        is_far = begin < 0.99 * xp.asarray(at_least) * (1 - inside)
    return bool(is_far.all()) and bool((others > 0).all())


def merge_candidates(best: Spans, probable: Spans) -> Spans:
    """The spans of the best path, which stay chosen, and other probable ones.

    best (Spans): From `decode_best_path`.
    probable (Spans): From `decode_by_probability`, for the same chain.
    RETURNS (Spans): The spans of both, by sequence, position and label.
    """
    both = Spans(*map(np.concatenate, zip(best.arrays, probable.arrays, strict=True)))
    is_best = np.arange(len(both)) < len(best)
    keys = np.stack([both.sequence, both.start, both.end, both.label], axis=1)
    # Equal spans are neighbours in this order, the span of the best path first.
    order = np.lexsort((~is_best, *keys.T[::-1]))
    keys = keys[order]
    is_new = np.append(True, (keys[1:] != keys[:-1]).any(axis=1))[: len(keys)]
    kept = order[is_new]
    return replace(both.where(kept), chosen=is_best[kept])


def decode_paths(chain: LinearChain, n: int) -> list[tuple[Spans, NDArray[np.float64]]]:
    """The spans of the n most probable paths of each sequence.

    chain (LinearChain): The scores.
    n (int): How many, at least 1.
    RETURNS (List[Tuple[Spans, ndarray]]): For each rank, the spans, each with the
        probability of its path for confidence, and the log probability of the path of
        each sequence (B,), -inf if there is none.
    RAISES ValueError (L034): If n is not positive.
    """
    paths, scores = n_best_paths(chain, n)
    log_probs = np.minimum(scores - to_numpy(PathSums(chain).log_z), 0.0)
    decoded = []
    for path, log_prob in zip(paths, log_probs, strict=True):
        spans = Spans.of_path(chain, path)
        of_spans = log_prob[spans.sequence]
        spans = replace(spans, confidence=np.exp(of_spans))
        decoded.append((spans.where(np.isfinite(of_spans)), log_prob))
    return decoded


def best_path(chain: LinearChain) -> NDArray[np.intp]:
    """The path of the highest score of each sequence.

    chain (LinearChain): The scores.
    RETURNS (ndarray): Tag of each token, one sequence after the other, on the CPU; the
        lower tag where paths tie.  (T,)
    RAISES NoPathError: If a sequence has no allowed path.
    """
    xp = get_array_module(chain.emit)
    tags = np.zeros(len(chain.emit), dtype=np.intp)
    rest = np.ones(len(chain.lengths), dtype=bool)
    # CuPy has no maximum.accumulate.
    if isinstance(chain.transitions, BioTransitions) and xp is np:
        tags, rest = _without_insides(chain)
    if rest.any():
        part = chain if rest.all() else chain.take_sequences(rest)
        has_path = np.ones(len(rest), dtype=bool)
        emit = part.emit.astype("float64", copy=False)
        found, has_path[rest] = viterbi(emit, part.lengths, part.transitions)
        chain.require_paths(has_path)
        tags[np.repeat(rest, chain.lengths)] = found
    return tags


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
    best = open_tags[np.arange(len(tags)), tags][:, None]
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
        ends = np.cumsum(chain.lengths)
        rows = np.flatnonzero(~is_certain)
        rest[np.searchsorted(ends, rows, side="right")] = True
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
    packing, T = pack(chain.lengths), chain.transitions
    emit = xp.asarray(chain.emit[xp.asarray(packing.both_rows[0])], dtype="float64")
    # The n best scores of paths up to a token with this tag, and for each of them the
    # tag before and its rank there, as one number.
    best = xp.full((*emit.shape, n), -xp.inf)
    came_from = xp.zeros(best.shape, dtype=np.intp)
    steps = list(pairwise(packing.starts))
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
    paths[:, packing.both_rows[0]] = to_numpy(chosen // n).T
    scores = np.zeros((n, len(chain.lengths)))
    scores[1:] = -np.inf  # a sequence without tokens has one path, of score 0
    first = packing.sequences[: packing.n_first]
    scores[:, first] = to_numpy(final_scores[: len(first)]).T
    return paths, scores
