"""From the scores of tag paths to spans with their confidence."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .arrays import to_numpy
from .linear_chain import LinearChain
from .path_sums import PathSums
from .spans import Spans, find_spans
from .viterbi import best_path, n_best_paths

# Spans of a lower probability are never listed: there would be no end of them.
MIN_LISTED = 0.01


def decode_best_path(chain: LinearChain) -> Spans:
    """The spans of the best path of each sequence; all are chosen.

    chain (LinearChain): The scores.
    RETURNS (Spans): By sequence and position.
    RAISES NoPathError: If a sequence has no allowed path.
    """
    spans = find_spans(chain, best_path(chain))
    return replace(spans, confidence=confidences_of(chain, spans))


def confidences_of(chain: LinearChain, spans: Spans) -> NDArray[np.float64]:
    """Probability of exactly these spans with these labels. The spans may come from
    another chain over the same sequences, for instance at another temperature.

    chain (LinearChain): The scores.
    spans (Spans): The spans.
    RETURNS (ndarray): (S,)
    """
    # Only sequences that have a span need sums over paths.
    has_spans = np.zeros(len(chain.lengths), dtype=bool)
    has_spans[spans.sequence] = True
    number = np.cumsum(has_spans) - 1
    sums = PathSums(chain.take_sequences(has_spans))
    moved = replace(spans, sequence=number[spans.sequence])
    return spans.with_log_probs(sums.log_prob_of_spans(moved)).confidence


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
    sums = PathSums(chain)
    chain.require_paths(sums.has_path())
    spans = sums.probable_spans(np.maximum(thresholds, MIN_LISTED))
    taken = np.zeros(len(chain.emit), dtype=bool)
    chosen = np.zeros(len(spans), dtype=bool)
    starts, ends = (rows.tolist() for rows in spans.rows(chain))
    for i in np.argsort(-spans.confidence, kind="stable").tolist():
        rows = slice(starts[i], ends[i])
        if not taken[rows].any():
            taken[rows] = chosen[i] = True
    return replace(spans, chosen=chosen)


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
        spans = find_spans(chain, path)
        spans = spans.where(np.isfinite(log_prob[spans.sequence]))
        decoded.append((spans.with_log_probs(log_prob[spans.sequence]), log_prob))
    return decoded
