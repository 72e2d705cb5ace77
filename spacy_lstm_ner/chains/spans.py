"""Spans of a batch of sequences, as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tags import TagSet
from .linear_chain import LinearChain


@dataclass(frozen=True)
class Spans:
    """Labelled spans of tokens; one element per array and span.

    A span lies in one sequence of a chain and is counted in the tokens of that
    sequence, which are not always the tokens of a Doc: white space has no tag.

    sequence: Number of its sequence.  (S,)
    start, end: Its tokens, start <= i < end.  (S,)
    label: Index of its label.  (S,)
    confidence: Probability of exactly this span with this label; 1 if not computed.
        (S,)
    chosen: Whether it is an entity; if not, it is only a probable span. Chosen spans do
        not overlap each other.  (S,)
    """

    sequence: NDArray[np.intp]
    start: NDArray[np.intp]
    end: NDArray[np.intp]
    label: NDArray[np.intp]
    confidence: NDArray[np.float64]
    chosen: NDArray[np.bool_]

    @staticmethod
    def of(positions: Iterable[tuple[int, int, int, int]]) -> "Spans":
        """Spans by sequence, start, end and label; all are chosen.

        positions (Iterable[Tuple[int, int, int, int]]): One tuple per span.
        """
        table = np.array(list(positions), dtype=np.intp).reshape(-1, 4)
        sequence, start, end, label = table.T
        ones = np.ones(len(table))
        return Spans(sequence, start, end, label, ones, ones > 0)

    @staticmethod
    def from_rows(
        chain: LinearChain,
        start: NDArray[np.intp],
        end: NDArray[np.intp],
        label: NDArray[np.intp],
    ) -> "Spans":
        """Spans by rows of `chain.emit`; all are chosen.

        chain (LinearChain): The chain.
        start, end (ndarray): The first row, and the row behind the last.  (S,)
        label (ndarray): Index of the label.  (S,)
        """
        sequence, ones = chain.sequences[start], np.ones(len(start))
        first = chain.first_rows[sequence]
        return Spans(sequence, start - first, end - first, label, ones, ones > 0)

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All arrays, in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def where(self, kept: NDArray[np.bool_]) -> "Spans":
        """Some of the spans.

        kept (ndarray): Whether to keep each, or the indices of those to keep.
        """
        return Spans(*(array[kept] for array in self.arrays))

    def rows(self, chain: LinearChain) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The first row of `chain.emit` and the row behind the last, of each span."""
        first = chain.first_rows[self.sequence]
        return first + self.start, first + self.end

    def with_log_probs(self, log_probs: NDArray[np.float64]) -> "Spans":
        """The spans with the confidences that log probabilities give; rounding may have
        left these just above 0.

        log_probs (ndarray): In nats.  (S,)
        """
        return replace(self, confidence=np.exp(np.minimum(log_probs, 0.0)))


def find_spans(chain: LinearChain, tags: NDArray[np.intp]) -> Spans:
    """The spans of a legal path of each sequence.

    chain (LinearChain): The chain.
    tags (ndarray): Number of the tag of each token, one sequence after the other.  (T,)
    """
    starts = np.flatnonzero(TagSet.is_begin(tags))
    others = np.append(np.flatnonzero(~TagSet.is_inside(tags)), len(tags))
    ends = others[np.searchsorted(others, starts, side="right")]
    return Spans.from_rows(chain, starts, ends, TagSet.label_of(tags[starts]))
