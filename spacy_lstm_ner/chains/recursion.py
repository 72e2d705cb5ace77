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

import numpy as np
from numpy.typing import NDArray

from ..packing import Packing, by_step, pack
from ..types import Floats1d, Floats2d, FloatsXd

# Tokens of a block. Sequences of twice that are cut.
_BLOCK = 128
# Rounds before blocks that hang together too closely are given up.
_MAX_ROUNDS = 4
# Messages that differ by less are equal, in nats.
_TOLERANCE = 1e-12
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


def send(
    xp: Any,
    emit: Floats2d,
    lengths: NDArray[np.integer],
    first: Floats1d,
    product: Product,
    *,
    backwards: bool = False,
) -> Floats2d:
    """The message into each token.

    xp (module): NumPy or CuPy.
    emit (Floats2d): Log score of each tag at each token, in float64, one sequence after
        the other.  (T, N)
    lengths (ndarray): Number of tokens of each sequence.  (B,)
    first (Floats1d): The message into the first token of each sequence.  (N,)
    product (Product): Makes the messages.
    backwards (bool): Run from the last token to the first.
    RETURNS (Floats2d): For each token, in the order of `emit`.  (T, N)
    """
    lengths = np.asarray(lengths, dtype=np.intp)
    if len(lengths) and lengths.max() >= 2 * _BLOCK:
        messages = _send_in_blocks(xp, emit, lengths, first, product, backwards)
        if messages is not None:
            return messages
    packing = pack(lengths)
    rows = xp.asarray(packing.reversed_rows if backwards else packing.rows)
    incoming = xp.broadcast_to(first, (packing.n_first, len(first)))
    messages = xp.empty_like(emit)
    messages[rows] = product.run(emit[rows], packing, incoming)
    return messages


def send_both_ways(
    xp: Any,
    emit: Floats2d,
    lengths: NDArray[np.integer],
    first: Floats1d,
    last: Floats1d,
    move: Floats2d,
) -> tuple[Floats2d, Floats2d]:
    """Log sums over paths, as messages from both sides, which advance together.

    xp, emit, lengths, first: As of `send`.
    last (Floats1d): The message into the last token, from behind.  (N,)
    move (Floats2d): Log score of moving from tag [row] to tag [column].  (N, N)
    RETURNS (Tuple[Floats2d, Floats2d]): For each token, in the order of `emit`, what
        those before it and those behind it tell.  (T, N)
    """
    if len(lengths) and lengths.max() >= 2 * _BLOCK:
        forward, backward = LogProduct(xp, move), LogProduct(xp, move.T)
        return send(xp, emit, lengths, first, forward), send(
            xp, emit, lengths, last, backward, backwards=True
        )
    packing = pack(lengths)
    forwards, backwards = rows = xp.asarray(packing.both_rows)
    incoming = xp.empty((2, packing.n_first, len(first)))
    incoming[0], incoming[1] = first, last
    product = LogProduct(xp, xp.stack([move, move.T]))
    messages = product.run(emit[rows], packing, incoming)
    before, after = xp.empty_like(emit), xp.empty_like(emit)
    before[forwards], after[backwards] = messages
    return before, after


def _send_in_blocks(
    xp: Any,
    emit: Floats2d,
    lengths: NDArray[np.integer],
    first: Floats1d,
    product: Product,
    backwards: bool,
) -> Floats2d | None:
    """`send`, with long sequences in blocks; None where that does not settle."""
    n_blocks = np.maximum(lengths // _BLOCK, 1)
    place = np.arange(n_blocks.sum()) - np.repeat(
        np.cumsum(n_blocks) - n_blocks, n_blocks
    )
    n_of_block, length = np.repeat(n_blocks, n_blocks), np.repeat(lengths, n_blocks)
    # As equal as can be.
    packing = pack((place + 1) * length // n_of_block - place * length // n_of_block)
    rows = xp.asarray(packing.reversed_rows if backwards else packing.rows)
    emit_packed = emit[rows]
    # The blocks that hear from another, and which.
    hears = np.flatnonzero(place < n_of_block - 1 if backwards else place > 0)
    sender = xp.asarray(hears + (1 if backwards else -1))
    of_packed = xp.asarray(packing.sequences)
    is_last = np.ones(len(packing.rows), dtype=bool)
    is_last[packing.previous] = False
    last = xp.asarray(np.flatnonzero(is_last))
    incoming = xp.empty((len(length), len(first)), dtype="float64")
    incoming[:] = first
    incoming[xp.asarray(hears)] = 0.0
    outgoing = xp.zeros_like(incoming)
    for _ in range(_MAX_ROUNDS):
        into_first = incoming[of_packed[: packing.n_first]]
        messages = product.run(emit_packed, packing, into_first)
        outgoing[of_packed[last]] = product(messages[last] + emit_packed[last])
        # Only how tags compare goes on; what they have in common is added at the end.
        common = finite(xp, outgoing.max(axis=1))
        heard = (outgoing - common[:, None])[sender]
        known, incoming[xp.asarray(hears)] = incoming[xp.asarray(hears)], heard
        if _equal(xp, known, heard):
            break
    else:
        return None
    scales = np.zeros(len(length))
    scales[hears] = common[sender] if xp is np else common[sender].get()
    order = slice(None, None, -1 if backwards else 1)
    sums = np.cumsum(scales[order])[order]
    # Sums begin anew with each sequence.
    begins = np.flatnonzero(place == (n_of_block - 1 if backwards else 0))
    sums -= np.repeat(sums[begins], n_blocks)
    messages += xp.asarray(sums)[of_packed][:, None]
    in_order = xp.empty_like(emit)
    in_order[rows] = messages
    return in_order


def _equal(xp: Any, one: Floats2d, other: Floats2d) -> bool:
    """Whether messages agree."""
    differs = one != other  # infinite ones do not differ by a number
    return bool((xp.abs(one[differs] - other[differs]) < _TOLERANCE).all())


class LogProduct(Product):
    """Log of the product of exponentials, log(exp(scores) @ exp(move)).

    As long as no term can underflow, one matrix product; else term by term.

    move (FloatsXd): Log scores of moving from tag [row] to tag [column], or several
        such matrices for as many runs side by side.  (..., N, N)
    """

    def __init__(self, xp: Any, move: FloatsXd) -> None:
        super().__init__(xp)
        self._move = move = xp.asarray(move, dtype="float64")
        is_finite = xp.isfinite(move)
        self._top = float(move[is_finite].max()) if is_finite.any() else 0.0
        below = move - self._top
        self._spread = -float(finite(xp, below).min())
        self._exp_move = xp.exp(below)

    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The messages that tokens send."""
        xp = self._xp
        top, below, spread = _less_top(xp, scores)
        if spread + self._spread < _UNDERFLOW:
            product = xp.exp(below) @ self._exp_move
            return xp.log(product) + (top + self._top)[..., None]
        pairs = scores[..., :, None] + self._move[..., None, :, :]
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
        exp_emit, exp_move = xp.exp(below, out=below), self._exp_move
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
                    matmul(product, exp_move, out=now)
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
