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

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..errors import Errors
from ..types import Floats2d, Ints1d
from .arrays import to_numpy
from .bio_transitions import BioTransitions
from .learned_transitions import LearnedTransitions
from .transitions import Transitions


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

    @property
    def n_tags(self) -> int:
        """Number of tags, N."""
        return int(self.emit.shape[1])

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

    def find_non_finite(self) -> tuple[int, int] | None:
        """Find the first score that is NaN or infinite.

        RETURNS (Optional[Tuple[int, int]]): Number of the sequence, and token in it.
            Transitions that are NaN or +inf count as the first token's of all.
        """
        if not self.transitions.is_finite():
            return int((self.lengths > 0).argmax()), 0
        xp = get_array_module(self.emit)
        if bool(xp.isfinite(self.emit).all()):
            return None
        bad = to_numpy(~xp.isfinite(self.emit).all(axis=1))
        row = int(bad.argmax())
        i = int(self.sequences[row])
        return i, row - int(self.first_rows[i])

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
        transitions = self.transitions.on(xp)
        first, length = self.first_rows[i], self.lengths[i]
        allowed = to_numpy(xp.isfinite(self.emit[first : first + length]))
        before = reached = to_numpy(xp.isfinite(transitions.start)) & allowed[0]
        token = 0
        while reached.any() and token + 1 < length:
            token += 1
            before = reached
            scores = xp.asarray(np.where(before, 0.0, -np.inf))
            onward = xp.isfinite(transitions.best(scores[None])[0])
            reached = to_numpy(onward) & allowed[token]
        if reached.any():  # at the last token, but none of its tags may end a path
            before = reached
        arriving = np.flatnonzero(before) if token else np.zeros(0, dtype=int)
        return token, np.flatnonzero(allowed[token]).tolist(), arriving.tolist()


@dataclass(frozen=True)
class Gradient:
    """Derivatives by the scores of a chain.

    emit: By the scores of tags.  (T, N)
    transitions: By the scores of transitions; None if these are not learned, or if all
        derivatives are 0.
    """

    emit: Floats2d
    transitions: LearnedTransitions | None = None

    def plus(self, other: "Gradient", weight: float = 1.0) -> "Gradient":
        """The sum of this gradient and `weight` times another of the same chain."""
        emit = self.emit + weight * other.emit
        one, two = self.transitions, other.transitions
        if two is not None:
            two = two.scaled(weight)
        return Gradient(emit, two if one is None else one.plus(two))

    def scaled(self, factor: float) -> "Gradient":
        """The gradient multiplied by a factor."""
        T = self.transitions
        return Gradient(self.emit * factor, None if T is None else T.scaled(factor))

    def like(self, chain: LinearChain) -> "Gradient":
        """The gradient in the floating point types that the scores of a chain have."""
        T = self.transitions
        emit = self.emit.astype(chain.emit.dtype)
        return Gradient(emit, None if T is None else T.like(chain.transitions))


def no_tokens(lengths: NDArray[np.integer], n_tags: int) -> LinearChain:
    """The chain of sequences without tokens.

    lengths (ndarray): A zero for each sequence.  (B,)
    n_tags (int): Number of tags.
    """
    return LinearChain(np.zeros((0, n_tags)), lengths, BioTransitions(n_tags))


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


def first_and_last_rows(
    lengths: NDArray[np.integer],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of the first and of the last token of each sequence that has any.

    lengths (ndarray): Number of tokens of each sequence.  (B,)
    """
    ends = np.cumsum(lengths)[lengths > 0]
    return ends - lengths[lengths > 0], ends - 1
