"""Scores of the transitions from tag to tag, and the operations of the recursions.

`BioTransitions` are the BIO rules alone, `LearnedTransitions` have a score for each
pair of tags. Letters of array axes: K rows (tokens), N tags, S spans, n ranks, D runs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Floats1d, Floats2d, Floats3d, FloatsXd, Ints1d, Ints2d, IntsXd

# Up to so many tags, one product with a matrix takes less time than a few calls.
FEW_TAGS = 64

# f(X, out)
Multiply = Callable[..., Any]


class Transitions(ABC):
    """Scores of the transitions of a chain.

    start: Score of each tag at a sequence's first token.  (N,)
    end: Score of each tag at a sequence's last token.  (N,)
    """

    start: Floats1d
    end: Floats1d
    # Range of the finite scores, and the highest one.
    spread: float
    top: float

    @abstractmethod
    def on(self, xp: Any) -> "Transitions":
        """The same scores in float64 on a device: NumPy's or CuPy's."""

    @abstractmethod
    def scaled(self, factor: float) -> "Transitions":
        """All scores multiplied by a positive factor."""

    @abstractmethod
    def is_finite(self) -> bool:
        """Whether no score is NaN or +inf."""

    @abstractmethod
    def between(self, prev: Ints1d, tag: Ints1d) -> NDArray[np.float64]:
        """Score of each transition from `prev` to `tag`, on the CPU."""

    @abstractmethod
    def forward(self, scores: FloatsXd) -> FloatsXd:
        """log sum_a exp(scores[a] + T[a, b]) for each b.  (..., N) -> (..., N)"""

    @abstractmethod
    def backward(self, scores: FloatsXd) -> FloatsXd:
        """log sum_b exp(T[a, b] + scores[b]) for each a.  (..., N) -> (..., N)"""

    @abstractmethod
    def multiplier(self, backwards: list[bool]) -> Multiply:
        """A function f(X, out) that multiplies each X[d] by the matrix exp(T - top), or
        by its transpose where `backwards[d]`.  (D, K, N) -> (D, K, N)"""

    @abstractmethod
    def best(self, scores: Floats2d) -> Floats2d:
        """max_a (scores[a] + T[a, b]) for each b.  (K, N) -> (K, N)"""

    @abstractmethod
    def senders(self, scores: Floats2d) -> Ints2d:
        """The lowest a that attains `best`.  (K, N) -> (K, N)"""

    @abstractmethod
    def n_best(self, scores: Floats3d) -> tuple[IntsXd, Floats3d]:
        """The n highest scores[a, rank] + T[a, b] for each b.

        scores (Floats3d): (K, N, n)
        RETURNS (Tuple[IntsXd, Floats3d]): n a + rank of each, and the score.  (K, N, n)
        """

    @abstractmethod
    def mean_before(self, log_weights: Floats2d, values: Floats2d) -> Floats2d:
        """Expected value of the tag before, given each tag.

        log_weights (Floats2d): Log weight of each tag at the token before.  (K, N)
        values (Floats2d): Its value.  (K, N)
        RETURNS (Floats2d): 0 for tags that cannot be reached.  (K, N)
        """

    @abstractmethod
    def mean_after(self, log_weights: Floats2d, values: Floats2d) -> Floats2d:
        """`mean_before` with the token behind for the token before."""

    @abstractmethod
    def entropy_before(self, log_weights: Floats2d) -> Floats2d:
        """Entropy of the tag before, given each tag.

        log_weights (Floats2d): Log weight of each tag at the token before.  (K, N)
        RETURNS (Floats2d): In nats; 0 for tags that cannot be reached.  (K, N)
        """

    @abstractmethod
    def leaving(
        self, tag: Ints1d, scores: Floats2d, row: Ints1d
    ) -> NDArray[np.float64]:
        """Log sum over all tags that can follow a span, at the token behind it.

        tag (Ints1d): The tag of the last token of each span.  (S,)
        scores (Floats2d): Log score of each tag at some tokens, on the CPU.  (K, N)
        row (Ints1d): Which of these tokens is the one behind the span.  (S,)
        """
