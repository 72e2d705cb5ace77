"""Distributions over tag paths.

A linear chain gives every path of tags through a sequence a score: the sum of one score
per token and one per transition from tag to tag. The probability of a path is the
exponential of its score over the sum of all (Lafferty et al. 2001). A score of -inf
forbids a tag or a transition, so one set of sums answers every question: training on
partly known tags, constraints from preset entities, confidence, uncertainty.

Everything here is a function of arrays, batched over sequences of uneven length and
linear in tokens (forward and backward recursions: Rabiner 1989). All sums run in
float64 log space: scores of +-1e4 over 10,000 tokens stay exact to 1e-7. Tags are the
BIO tags of `TagSet`.

Letters of array axes: T tokens of the whole batch, B sequences, N tags (of transitions:
row = from, column = to), L labels, S spans.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module, to_numpy

from ..errors import Errors
from ..tags import TagSet
from ..types import Floats2d, Ints1d
from .learned_transitions import LearnedTransitions, Transitions


@dataclass(frozen=True)
class LinearChain:
    """Scores of the tag paths of a batch of sequences.

    emit: Score of each tag at each token, one sequence after the other.  (T, N)
    lengths: Number of tokens of each sequence, on the CPU.  (B,)
    transitions: Scores of the transitions between tags.
    """

    emit: Floats2d
    lengths: NDArray[np.integer]
    transitions: Transitions

    @cached_property
    def first_rows(self) -> NDArray[np.intp]:
        """The row of `emit` where each sequence begins, or would, if empty.  (B,)"""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    @cached_property
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
        xp = get_array_module(self.emit)
        rows = np.flatnonzero(np.repeat(chosen, self.lengths))
        return self.take(xp.asarray(rows), self.lengths[chosen])

    def take_tags(self, tags: Ints1d) -> "LinearChain":
        """The chain over some of the tags only: O, and both tags of some labels.

        tags (Ints1d): Their numbers, ascending.
        """
        xp = get_array_module(self.emit)
        tags = xp.asarray(tags)
        transitions = self.transitions.take(tags)
        return replace(self, emit=self.emit[:, tags], transitions=transitions)

    def constrain(self, allowed: NDArray[np.bool_]) -> "LinearChain":
        """The chain over the paths of allowed tags.

        allowed (ndarray): Whether each token may have each tag.  (T, N)
        """
        xp = get_array_module(self.emit)
        return replace(self, emit=xp.where(xp.asarray(allowed), self.emit, -xp.inf))

    def with_temperature(self, temperature: float) -> "LinearChain":
        """The chain with all scores divided by a temperature (Guo et al. 2017). Above 1
        it brings probabilities closer together, below 1 it spreads them; the order of
        paths stays.

        temperature (float): Positive.
        """
        if temperature == 1.0:
            return self
        transitions = self.transitions.scaled(1 / temperature)
        return replace(self, emit=self.emit / temperature, transitions=transitions)

    def require_paths(self, has_path: NDArray[np.bool_]) -> None:
        """Tell where paths end if a sequence has none.

        has_path (ndarray): Whether each sequence has an allowed path.  (B,)
        RAISES NoPathError: If one has not.
        """
        if not has_path.all():
            i = int(has_path.argmin())
            raise NoPathError(i, *self._dead_end(i))

    def _dead_end(self, i: int) -> tuple[int, list[int], list[int]]:
        """For a sequence without an allowed path: the token that no path gets past, the
        tags it may have, and the tags before it that paths can have."""
        xp = get_array_module(self.emit)
        first, length = self.first_rows[i], self.lengths[i]
        allowed = to_numpy(xp.isfinite(self.emit[first : first + length]))
        before = reached = to_numpy(xp.isfinite(self.transitions.start)) & allowed[0]
        token = 0
        while reached.any() and token + 1 < length:
            token += 1
            before = reached
            scores = xp.asarray(np.where(before, 0.0, -np.inf))
            onward = xp.isfinite(
                self.transitions.n_best(scores[None, :, None])[1][0, :, 0]
            )
            reached = to_numpy(onward) & allowed[token]
        if reached.any():  # at the last token, but none of its tags may end a path
            before = reached
        arriving = np.flatnonzero(before) if token else np.zeros(0, dtype=int)
        return token, np.flatnonzero(allowed[token]).tolist(), arriving.tolist()


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

        start, end (ndarray): The first row, and the row behind the last.  (S,)
        label (ndarray): Index of the label.  (S,)
        """
        sequence, ones = chain.sequences[start], np.ones(len(start))
        first = chain.first_rows[sequence]
        return Spans(sequence, start - first, end - first, label, ones, ones > 0)

    @staticmethod
    def of_path(chain: LinearChain, tags: NDArray[np.intp]) -> "Spans":
        """The spans of a legal path of each sequence; all are chosen.

        tags (ndarray): Number of the tag of each token, one sequence after the other.
            (T,)
        """
        starts = np.flatnonzero(TagSet.is_begin(tags))
        others = np.append(np.flatnonzero(~TagSet.is_inside(tags)), len(tags))
        ends = others[np.searchsorted(others, starts, side="right")]
        return Spans.from_rows(chain, starts, ends, TagSet.label_of(tags[starts]))

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All arrays, in the order of the fields."""
        return tuple(vars(self).values())

    def where(self, kept: NDArray[np.bool_]) -> "Spans":
        """Some of the spans.

        kept (ndarray): Whether to keep each, or the indices of those to keep.
        """
        return Spans(*(array[kept] for array in self.arrays))


@dataclass(frozen=True)
class Gradient:
    """Derivatives by the scores of a chain.

    emit: By the scores of tags.  (T, N)
    transitions: By the scores of transitions; None if these are not learned, or if all
        derivatives are 0.
    """

    emit: Floats2d
    transitions: LearnedTransitions | None = None

    def scaled(self, factor: float) -> "Gradient":
        """The gradient multiplied by a factor."""
        T = self.transitions
        return Gradient(self.emit * factor, None if T is None else T.scaled(factor))

    def plus(self, other: "Gradient", weight: float = 1.0) -> "Gradient":
        """The sum of this gradient and `weight` times another of the same chain."""
        other = other.scaled(weight)
        emit, T = self.emit + other.emit, other.transitions
        if self.transitions is not None:
            T = self.transitions if T is None else self.transitions.plus(T)
        return Gradient(emit, T)


class NoPathError(ValueError):
    """The known tags of a sequence contradict each other.

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
