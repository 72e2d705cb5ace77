"""From scores of tag paths to spans with their confidence, on arrays alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from .free_moves import find_pairs
from .linear_chain import LinearChain, first_and_last_rows, to_numpy
from .path_sums import PathSums
from .recursion import top_of_rows
from .viterbi import best_path, n_best_paths

# Spans of a lower probability are never listed: there would be no end of them.
MIN_LISTED = 0.01
# So far below 1, rounding decides nothing.
_NEARLY_ONE = 0.999


class DecodedSpans(NamedTuple):
    """Spans of a batch, by sequence and position; one row per array and span.

    sequence: Number of its sequence.
    start, end: Tokens start <= i < end of the sequence.
    label: Number of the label, in the order of `bio.tag_names`.
    confidence: Probability of exactly this span with this label.
    chosen: Whether it is an entity; else it is listed because it is probable. Chosen
        spans do not overlap each other.
    """

    sequence: NDArray[np.intp]
    start: NDArray[np.intp]
    end: NDArray[np.intp]
    label: NDArray[np.intp]
    confidence: NDArray[np.float64]
    chosen: NDArray[np.bool_]

    def where(self, kept: NDArray[np.bool_]) -> "DecodedSpans":
        """Some of the spans.

        kept (ndarray): Whether to keep each.
        """
        return DecodedSpans._make(array[kept] for array in self)


def decode_best_path(chain: LinearChain) -> DecodedSpans:
    """The spans of the best path of each sequence; all are chosen.

    chain (LinearChain): Scores of BIO tags, in the order of `bio.tag_names`.
    RETURNS (DecodedSpans): The spans.
    RAISES NoPathError: If a sequence has no allowed path.
    """
    spans = find_spans(best_path(chain))
    log_probs = _log_probs(chain, spans)
    return _decoded(chain, spans, log_probs, chosen=np.ones(len(spans), dtype=bool))


def confidences_of(chain: LinearChain, spans: DecodedSpans) -> NDArray[np.float64]:
    """The confidences that spans of one chain have in another, as at another
    temperature.

    chain (LinearChain): Scores of BIO tags, in the order of `bio.tag_names`.
    spans (DecodedSpans): The spans.
    RETURNS (ndarray): Probability of exactly this span with this label, of each.
    """
    first_row = chain.first_rows[spans.sequence]
    limits = (spans.start + first_row, spans.end + first_row)
    first_tag = 1 + 2 * spans.label
    rows = np.stack([*limits, first_tag, first_tag + 1], axis=1)
    return np.asarray(np.exp(np.minimum(_log_probs(chain, rows), 0.0)))


def decode_by_probability(
    chain: LinearChain, thresholds: NDArray[np.floating]
) -> DecodedSpans:
    """All spans that are probable enough; of them, the most probable ones that do not
    overlap are chosen, highest first.

    chain (LinearChain): Scores of BIO tags, in the order of `bio.tag_names`.
    thresholds (ndarray): Smallest probability of the spans of each label; if lower,
        MIN_LISTED counts.
    RETURNS (DecodedSpans): The spans.
    RAISES NoPathError: If a sequence has no allowed path.
    """
    at_least = np.maximum(thresholds, MIN_LISTED)
    may_have = _may_have_spans(chain, at_least)
    if not may_have.any():
        none = np.zeros((0, 4), dtype=np.intp)
        return _decoded(chain, none, np.zeros(0), chosen=np.zeros(0, dtype=bool))
    part = chain.take_sequences(may_have)
    sums = PathSums(part)
    has_path = np.ones(len(chain.lengths), dtype=bool)
    has_path[may_have] = sums.has_path()
    chain.require_paths(has_path)
    first_tags = 1 + 2 * np.arange(len(thresholds))
    kinds = np.stack([first_tags, first_tags + 1], axis=1)
    spans, log_probs = sums.probable_spans(kinds, at_least)
    taken = np.zeros(len(part.emit), dtype=bool)
    chosen = np.zeros(len(spans), dtype=bool)
    for i in np.argsort(-log_probs, kind="stable").tolist():
        rows = slice(*spans[i, :2].tolist())
        if not taken[rows].any():
            taken[rows] = chosen[i] = True
    decoded = _decoded(part, spans, log_probs, chosen)
    return decoded._replace(sequence=np.flatnonzero(may_have)[decoded.sequence])


def _may_have_spans(
    chain: LinearChain, at_least: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Whether a sequence may have a span of such a probability, of one label at least.
    If not, it needs no sums over paths, and there is a path.  (B,)

    Where transitions are free, let the tags that are no inside tags have a weight of 1
    in all at each token. In the place of a tag that begins a span at t, any of them is
    legal, with any of them behind; and the more tokens are left, the more paths there
    are. So the probability that a span of a label begins at t is at most

        b_t (1 + i_{t+1} (1 + i_{t+2} (1 + ...)))

    where b and i are the weights of its first and its inside tag.
    """
    pairs = find_pairs(chain)
    if pairs is None or not len(chain.emit):
        return np.ones(len(chain.lengths), dtype=bool)
    inner, first, _ = pairs
    xp = get_array_module(chain.emit)
    _, last_rows = first_and_last_rows(chain.lengths)
    with np.errstate(all="ignore"):  # no path, or weights without end: it may have
        weights = xp.exp(chain.emit - top_of_rows(xp, chain.emit)[:, None])
        begins, goes_on = weights[:, first], weights[:, inner].copy()
        weights[:, inner] = 0.0
        of_others = weights.sum(axis=1)[:, None]
        goes_on[:-1] = goes_on[1:] / of_others[1:]  # at the token behind
        goes_on[xp.asarray(last_rows)] = 0.0
        # The sums over spans of up to n tokens, and the products of their last terms.
        sums, n = xp.ones_like(goes_on), 1
        while n < chain.lengths.max():
            sums[:-n] += goes_on[:-n] * sums[n:]
            goes_on[:-n] = goes_on[:-n] * goes_on[n:]
            goes_on[-n:] = 0.0
            n *= 2
        bounds = begins / of_others * sums / xp.asarray(at_least, dtype="f")
        is_far = to_numpy((bounds < _NEARLY_ONE).all(axis=1))
    return np.bincount(chain.sequences, ~is_far, len(chain.lengths)) > 0


def merge_candidates(best: DecodedSpans, probable: DecodedSpans) -> DecodedSpans:
    """The spans of the best path, which stay chosen, and other probable ones.

    best (DecodedSpans): From `decode_best_path`.
    probable (DecodedSpans): From `decode_by_probability`, for the same chain.
    RETURNS (DecodedSpans): The spans of both, by sequence, position and label.
    """
    both = [np.concatenate(arrays) for arrays in zip(best, probable, strict=True)]
    is_best = np.arange(len(both[0])) < len(best.sequence)
    sequence, start, end, label = both[:4]
    # Equal spans are neighbours in this order, that of the best path first.
    order = np.lexsort((~is_best, label, end, start, sequence))
    keys = np.stack([sequence, start, end, label], axis=1)[order]
    is_new = np.append(True, (keys[1:] != keys[:-1]).any(axis=1))[: len(keys)]
    merged = DecodedSpans._make(array[order[is_new]] for array in both)
    return merged._replace(chosen=is_best[order[is_new]])


def decode_paths(
    chain: LinearChain, n: int
) -> list[tuple[DecodedSpans, NDArray[np.float64]]]:
    """The spans of the n most probable paths of each sequence.

    chain (LinearChain): Scores of BIO tags, in the order of `bio.tag_names`.
    n (int): How many, at least 1.
    RETURNS (List[Tuple[DecodedSpans, ndarray]]): For each rank, the spans, each with
        the probability of its path for confidence, and the log probability of the path
        of each sequence (B,), -inf where there is none.
    RAISES ValueError (L034): If n is not positive.
    """
    paths, scores = n_best_paths(chain, n)
    log_probs = np.minimum(scores - to_numpy(PathSums(chain).log_z), 0.0)
    decoded = []
    for path, log_prob in zip(paths, log_probs, strict=True):
        spans = find_spans(path)
        sequence = chain.sequences[spans[:, 0]]
        exists = np.isfinite(log_prob[sequence])
        spans, sequence = spans[exists], sequence[exists]
        all_chosen = np.ones(len(spans), dtype=bool)
        of_path = _decoded(chain, spans, log_prob[sequence], all_chosen)
        decoded.append((of_path, log_prob))
    return decoded


def find_spans(tags: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where the spans lie in legal paths of BIO tags.

    tags (ndarray): Numbers of tags in the order of `bio.tag_names` (O is 0, B odd, I
        even), of any number of sequences, one after the other.  (T,)
    RETURNS (ndarray): Of each span its first row, the row behind its last, and its
        first and its inner tag, as `PathSums.log_prob_of_spans` takes them.  (S, 4)
    """
    starts = np.flatnonzero(tags % 2 == 1)
    if not len(starts):
        return np.zeros((0, 4), dtype=np.intp)
    is_inner = (tags > 0) & (tags % 2 == 0)
    others = np.append(np.flatnonzero(~is_inner), len(tags))
    ends = others[np.searchsorted(others, starts, side="right")]
    return np.stack([starts, ends, tags[starts], tags[starts] + 1], axis=1)


def _log_probs(chain: LinearChain, spans: NDArray[np.intp]) -> NDArray[np.float64]:
    """Log probability of each span; only sequences that have one are summed over."""
    if not len(spans):
        return np.zeros(0)
    sequence = chain.sequences[spans[:, 0]]
    has_spans = np.bincount(sequence, minlength=len(chain.lengths)) > 0
    n_left_out = np.cumsum(np.repeat(~has_spans, chain.lengths))[spans[:, 0]]
    sums = PathSums(chain.take_sequences(has_spans))
    return sums.log_prob_of_spans(spans - np.outer(n_left_out, [1, 1, 0, 0]))


def _decoded(
    chain: LinearChain,
    spans: NDArray[np.intp],
    log_probs: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> DecodedSpans:
    """Spans in the form of `PathSums.log_prob_of_spans`, counted in their sequences."""
    start, end, first_tag, _ = spans.T
    sequence = chain.sequences[start]
    first_row = chain.first_rows[sequence]
    return DecodedSpans(
        sequence=sequence,
        start=start - first_row,
        end=end - first_row,
        label=first_tag // 2,
        confidence=np.exp(np.minimum(log_probs, 0.0)),
        chosen=chosen,
    )
