"""Messages along sequences: what the tokens before tell a token about its tag.

The forward and the backward recursion and Viterbi's are one (a semiring's: Goodman
1999): the message into the first token is given, that into every later one is made of
the message into the token before and that token's own scores. All sequences of a batch
advance together, one token per step.

A sequence of 100,000 tokens would take as many steps, each with the work of a single
row. Long sequences are cut into blocks that advance side by side, each from the message
that the block before it sent out the last time; at first, from none. A message forgets
what is far away, so the second round mostly changes nothing any more: then all of them
are right.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

from ..packing import Packing, by_step
from ..types import FloatsXd

# exp(-x) is a normal float64 up to x = 708.
_UNDERFLOW = 700.0


class Product(ABC):
    """What makes messages: the product of a semiring.

    xp (module): NumPy or CuPy.
    """

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    @abstractmethod
    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The messages that tokens send.

        scores (FloatsXd): Log scores of their tags, message and own together.
            (..., K, N)
        RETURNS (FloatsXd): (..., K, N)
        """

    def run(self, emit: FloatsXd, packing: Packing, incoming: FloatsXd) -> FloatsXd:
        """The messages into all tokens, step by step.

        emit (FloatsXd): Log scores, in the packed order.  (..., T, N)
        packing (Packing): The layout.
        incoming (FloatsXd): The messages into the first tokens.  (..., B, N)
        RETURNS (FloatsXd): In the packed order.  (..., T, N)
        """
        messages = self._xp.empty_like(emit)
        last = 0
        for start, end in packing.steps():
            if start:
                before = slice(last, last + end - start)
                scores = messages[..., before, :] + emit[..., before, :]
                messages[..., start:end, :] = self(scores)
            else:
                messages[..., :end, :] = incoming
            last = start
        return messages


class LogProduct(Product):
    """Log of the product of exponentials, log(exp(scores) @ exp(transition)).

    As long as no term can underflow, one matrix product; else term by term.

    transition (FloatsXd): Log scores of moving from tag [row] to tag [column], or
        several such matrices for as many runs side by side.  (..., N, N)
    """

    def __init__(self, xp: Any, transition: FloatsXd) -> None:
        super().__init__(xp)
        self._transition = transition = xp.asarray(transition, dtype="float64")
        is_finite = xp.isfinite(transition)
        self._top = float(transition[is_finite].max()) if is_finite.any() else 0.0
        below = transition - self._top
        self._spread = -float(finite(xp, below).min())
        self._exp_transition = xp.exp(below)

    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The messages that tokens send."""
        xp = self._xp
        top, below, spread = _less_top(xp, scores)
        if spread + self._spread < _UNDERFLOW:
            product = xp.exp(below) @ self._exp_transition
            return xp.log(product) + (top + self._top)[..., None]
        pairs = scores[..., :, None] + self._transition[..., None, :, :]
        return log_sum(xp, pairs, axis=-2)

    def run(self, emit: FloatsXd, packing: Packing, incoming: FloatsXd) -> FloatsXd:
        """The messages into all tokens; where nothing can underflow, without logarithms
        on the way."""
        if emit.size:
            messages = self._run_on_exponentials(emit, packing, incoming)
            if messages is not None:
                return messages
        return super().run(emit, packing, incoming)

    def _run_on_exponentials(
        self, emit: FloatsXd, packing: Packing, incoming: FloatsXd
    ) -> FloatsXd | None:
        """The messages, by the exponentials of all scores less what tags have in
        common; they are scaled anew after as many steps as they surely last. None where
        they might not."""
        xp = self._xp
        tops, below, spread = _less_top(xp, emit)
        first_tops, first, first_spread = _less_top(xp, incoming)
        # How far a step may move sums apart, and how far it may raise them.
        per_step = spread + self._spread + math.log(emit.shape[-1])
        n_lasting = int(_UNDERFLOW / 2 / per_step) if per_step else len(packing.rows)
        if not n_lasting or first_spread > _UNDERFLOW / 2:
            return None
        exp_emit, exp_transition = xp.exp(below, out=below), self._exp_transition
        multiply, matmul = xp.multiply, xp.matmul
        n_first = packing.n_first
        sums, at_token = xp.empty_like(emit), xp.empty_like(emit[..., :n_first, :])
        # What tags have in common: at first, that of a message beyond the one before.
        log_scales = xp.empty_like(tops)
        log_scales[..., :n_first] = first_tops
        log_scales[..., n_first:] = tops[..., xp.asarray(packing.previous)] + self._top
        xp.exp(first, out=sums[..., :n_first, :])
        before: Any = None  # the step before
        emit_before, log_scale_before = before, before
        step = 0
        for start, end, n in packing.runs:
            rows, product = slice(start, end), at_token[..., :n, :]
            scales = by_step(log_scales[..., rows, None], n)[..., 0]
            if start:
                before, emit_before = before[..., :n, :], emit_before[..., :n, :]
                scales[0] += log_scale_before[..., :n]
            for now, emit_now, scale in zip(
                by_step(sums[..., rows, :], n),
                by_step(exp_emit[..., rows, :], n),
                scales,
                strict=True,
            ):
                if before is not None:
                    multiply(before, emit_before, out=product)
                    matmul(product, exp_transition, out=now)
                    step += 1
                    if step % n_lasting == 0 and not _rescale(xp, now, scale):
                        return None
                before, emit_before = now, emit_now
            scales[:] = xp.cumsum(scales, axis=0)
            log_scale_before = scales[-1]
        xp.log(sums, out=sums)
        sums += log_scales[..., None]
        return sums


def _less_top(xp: Any, scores: FloatsXd) -> tuple[FloatsXd, FloatsXd, float]:
    """The highest score of each row, the scores less it, and how far the lowest of all
    is below it."""
    top = finite(xp, top_of_rows(xp, scores))
    below = scores - top[..., None]
    return top, below, -float(finite(xp, below).min())


def _rescale(xp: Any, sums: FloatsXd, log_scales: FloatsXd) -> bool:
    """Divide sums by the highest ones of their rows, in place; whether none of them is
    next to nothing then."""
    highest = _positive(xp, sums.max(axis=-1))
    sums /= highest[..., None]
    log_scales += xp.log(highest)
    return bool(_positive(xp, sums).min() >= math.exp(-_UNDERFLOW / 2))


def _positive(xp: Any, sums: Any) -> Any:
    """The sums with 1 for 0."""
    return xp.where(sums > 0, sums, 1.0)


def log_sum(xp: Any, scores: Any, axis: int = -1) -> Any:
    """Log of the sum of exponentials along an axis; -inf where all are -inf.

    xp (module): NumPy or CuPy.
    scores (FloatsXd): The exponents.
    axis (int): The axis to sum over.
    """
    top = finite(xp, scores.max(axis=axis, keepdims=True))
    total = xp.exp(scores - top).sum(axis=axis, keepdims=True)
    return (xp.log(total) + top).squeeze(axis)


def top_of_rows(xp: Any, scores: Any) -> Any:
    """The highest score of each row, the last axis. NumPy takes a fifth of the time
    where the scores of one tag lie together.

    xp (module): NumPy or CuPy.
    scores (FloatsXd): Scores.  (..., N)
    RETURNS (FloatsXd): (...)
    """
    return xp.ascontiguousarray(scores.T).max(axis=0).T


def finite(xp: Any, scores: Any) -> Any:
    """The scores with 0 for those of -inf, so that they can be subtracted.

    xp (module): NumPy or CuPy.
    scores (FloatsXd): Scores.
    """
    return xp.where(xp.isfinite(scores), scores, 0.0)
