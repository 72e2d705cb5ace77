"""Distributions over tag paths: what every sum over paths tells.

A linear chain gives every path of tags through a sequence a score, the sum of one
score per token and one per transition from tag to tag; its probability is the
exponential of the score over the sum of all (Lafferty et al. 2001). What is known or
forbidden is a score of -inf, so one set of sums answers every question: training on
partly known tags, constraints from entities that are already there, confidence,
uncertainty.

Pure array functions, batched over sequences of uneven length and linear in tokens
(forward and backward recursions: Rabiner 1989). All sums run in float64 log space:
scores of +-1e4 over 10,000 tokens stay exact to 1e-7.

Letters of array axes: T tokens of the whole batch, B sequences, N tags (of transitions:
row = from, column = to), S spans, K kinds of spans.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..errors import Errors
from ..types import Floats1d, Floats2d, Ints1d


@dataclass(frozen=True)
class LinearChain:
    """Scores of the tag paths of a batch of sequences; also their gradient.

    emit: Score of each tag at each token, one sequence after the other.  (T, N)
    lengths: Number of tokens of each sequence, on the CPU.  (B,)
    transition: Score of moving from tag [row] to tag [column].  (N, N)
    start: Score of each tag at a sequence's first token.  (N,)
    end: Score of each tag at a sequence's last token.  (N,)
    learns_transitions: Whether somebody learns `transition`. If not, losses leave it
        out of their gradient (0), as an expectation of all transitions takes N^2
        exponentials per token.
    """

    emit: Floats2d
    lengths: NDArray[np.integer]
    transition: Floats2d
    start: Floats1d
    end: Floats1d
    learns_transitions: bool = True

    @property
    def first_rows(self) -> NDArray[np.intp]:
        """The row of `emit` where each sequence begins, or would, if empty.  (B,)"""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    @property
    def sequences(self) -> NDArray[np.intp]:
        """The number of the sequence of each row of `emit`.  (T,)"""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def take(self, rows: Ints1d, lengths: NDArray[np.integer]) -> "LinearChain":
        """The chain over some of the tokens only.

        rows (Ints1d): The rows of `emit` to keep, in order.
        lengths (ndarray): How many of them belong to each sequence.
        """
        return replace(self, emit=self.emit[rows], lengths=lengths)

    def take_sequences(self, chosen: NDArray[np.bool_]) -> "LinearChain":
        """The chain over some of the sequences only.

        chosen (ndarray): Whether to keep each sequence.  (B,)
        """
        if chosen.all():
            return self
        xp = get_array_module(self.emit)
        rows = np.flatnonzero(np.repeat(chosen, self.lengths))
        return self.take(xp.asarray(rows), self.lengths[chosen])

    def constrain(self, allowed: NDArray[np.bool_]) -> "LinearChain":
        """The chain over the paths that keep to allowed tags.

        allowed (ndarray): Whether each token may have each tag.  (T, N)
        """
        xp = get_array_module(self.emit)
        return replace(self, emit=xp.where(xp.asarray(allowed), self.emit, -xp.inf))

    def with_temperature(self, temperature: float) -> "LinearChain":
        """The chain with all scores divided by a temperature: above 1, probabilities
        move towards each other, below 1 apart; the order of paths stays (Guo et al.
        2017).

        temperature (float): Positive.
        """
        if temperature == 1.0:
            return self
        scores = (self.transition, self.start, self.end)
        transition, start, end = (array / temperature for array in scores)
        return replace(
            self,
            emit=self.emit / temperature,
            transition=transition,
            start=start,
            end=end,
        )

    def find_non_finite(self) -> tuple[int, int] | None:
        """Where the first score lies that is NaN or infinite, if any.

        RETURNS (Optional[Tuple[int, int]]): Number of the sequence, and token in it.
            Transitions that are NaN or +inf count as the first token's of all.
        """
        xp = get_array_module(self.emit)
        transitions = (self.transition, self.start, self.end)
        if not all(float(a.max()) < np.inf for a in transitions):  # as NaN is not
            return int((self.lengths > 0).argmax()), 0
        if bool(xp.isfinite(self.emit).all()):
            return None
        bad = to_numpy(~xp.isfinite(self.emit).all(axis=1))
        row = int(bad.argmax())
        ends = np.cumsum(self.lengths)
        i = int(np.searchsorted(ends, row, side="right"))
        return i, row - int(ends[i] - self.lengths[i])

    def require_paths(self, has_path: NDArray[np.bool_]) -> None:
        """Tell where paths end if a sequence has none.

        has_path (ndarray): Whether each sequence has an allowed path.  (B,)
        RAISES NoPathError: If one has not.
        """
        if not has_path.all():
            i = int(has_path.argmin())
            raise NoPathError(i, *self._dead_end(i))

    def _dead_end(self, i: int) -> tuple[int, list[int], list[int]]:
        """Of a sequence without an allowed path: the token that none gets past, the
        tags it may have, and those that paths arrive with."""
        first = int(self.lengths[:i].sum())
        emit, transition, start, end = (
            np.isfinite(to_numpy(a))
            for a in (self.emit, self.transition, self.start, self.end)
        )
        length = int(self.lengths[i])
        before = reached = start & emit[first]
        token = 0
        while reached.any() and token + 1 < length:
            token += 1
            before = reached
            reached = transition[before].any(axis=0) & emit[first + token]
        if reached.any():  # the last token, but none of its tags may end a path
            before, reached = reached, reached & end
        arriving = np.flatnonzero(before) if token else np.zeros(0, dtype=int)
        return token, np.flatnonzero(emit[first + token]).tolist(), arriving.tolist()


def no_tokens(lengths: NDArray[np.integer], n_tags: int) -> LinearChain:
    """The chain of sequences without tokens.

    lengths (ndarray): A zero for each sequence.  (B,)
    n_tags (int): Number of tags.
    """
    zeros = np.zeros(n_tags)
    return LinearChain(
        np.zeros((0, n_tags)), lengths, np.zeros((n_tags, n_tags)), zeros, zeros
    )


class NoPathError(ValueError):
    """What is known about a sequence's tags contradicts itself.

    sequence (int): Its number in the batch.
    token (int): The token that no allowed path gets past.
    allowed (List[int]): The tags that the token may have.
    arriving (List[int]): The tags with which allowed paths come to it.
    """

    def __init__(
        self, sequence: int, token: int, allowed: list[int], arriving: list[int]
    ) -> None:
        super().__init__(
            Errors.L007.format(
                i=sequence, token=token, allowed=allowed, arriving=arriving or "a start"
            )
        )
        self.sequence = sequence
        self.token = token
        self.allowed = allowed
        self.arriving = arriving


def first_and_last_rows(
    lengths: NDArray[np.integer],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of the first and of the last token of each sequence that has any.

    lengths (ndarray): Number of tokens of each sequence.  (B,)
    """
    ends = np.cumsum(lengths)[lengths > 0]
    return ends - lengths[lengths > 0], ends - 1


def to_numpy(array: Any) -> NDArray[Any]:
    """The array on the CPU.

    array (ArrayXd): NumPy's or CuPy's.
    """
    return array if isinstance(array, np.ndarray) else array.get()
