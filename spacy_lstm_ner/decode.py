"""From scores of tag paths to spans with their confidence, on arrays alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from .linear_chain import LinearChain, PathSums
from .viterbi import best_path


class DecodedSpans(NamedTuple):
    """The spans of a batch, by sequence and position; one row per array and span.

    sequence: Number of its sequence.
    start, end: Tokens start <= i < end of the sequence.
    label: Number of the label, in the order of `bio.tag_names`.
    confidence: Probability of exactly this span with this label.
    """

    sequence: NDArray[np.intp]
    start: NDArray[np.intp]
    end: NDArray[np.intp]
    label: NDArray[np.intp]
    confidence: NDArray[np.float64]


def decode_best_path(chain: LinearChain) -> DecodedSpans:
    """The spans of the best path of each sequence.

    chain (LinearChain): Scores of BIO tags, in the order of `bio.tag_names`.
    RETURNS (DecodedSpans): The spans.
    """
    tags = best_path(chain)
    starts, ends = find_spans(tags)
    ends_of_sequences = np.cumsum(chain.lengths)
    sequence = np.searchsorted(ends_of_sequences, starts, side="right")
    first = (ends_of_sequences - chain.lengths)[sequence]
    return DecodedSpans(
        sequence=sequence,
        start=starts - first,
        end=ends - first,
        label=tags[starts] // 2,
        confidence=_confidence(chain, starts, ends, tags[starts], sequence),
    )


def find_spans(
    tags: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the spans lie in legal paths of BIO tags.

    tags (ndarray): Numbers of tags in the order of `bio.tag_names` (O is 0, B odd, I
        even), of any number of sequences, one after the other.  (T,)
    RETURNS (Tuple[ndarray, ndarray]): First row of each span, and the row behind its
        last.
    """
    is_inner = (tags > 0) & (tags % 2 == 0)
    others = np.append(np.flatnonzero(~is_inner), len(tags))
    starts = np.flatnonzero(tags % 2 == 1)
    return starts, others[np.searchsorted(others, starts, side="right")]


def _confidence(
    chain: LinearChain,
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    first_tags: NDArray[np.intp],
    sequence: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Probability of each span; only sequences that have one are summed over."""
    has_spans = np.bincount(sequence, minlength=len(chain.lengths)) > 0
    kept = np.repeat(has_spans, chain.lengths)
    new_row = np.cumsum(kept) - 1
    rows = get_array_module(chain.emit).asarray(np.flatnonzero(kept))
    sums = PathSums(chain.take(rows, chain.lengths[has_spans]))
    spans = np.stack(
        [new_row[starts], new_row[ends - 1] + 1, first_tags, first_tags + 1], axis=1
    )
    return np.asarray(np.exp(np.minimum(sums.log_prob_of_spans(spans), 0.0)))
