"""The recursions along sequences: forward, backward and Viterbi's.

All three are one recursion in different semirings (Goodman 1999). The message into the
first token is given. The message into each later token is a product: the message into
the token before, plus the scores of that token, times the transitions. All sequences of
a batch advance one token per step.

A sequence of 100,000 tokens would take as many steps, each with the work of a single
row. So long sequences are cut into blocks that advance side by side, each from the
message that the block before it sent out in the last round; in the first round, from
none. A message forgets tokens that are far away, so the second round mostly changes
nothing any more: then all messages are right.
"""

import math
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..packing import Packing, pack
from ..types import Floats1d, Floats2d, FloatsXd
from .transitions import UNDERFLOW, Transitions, finite, less_top, log_sum, to_numpy

# Tokens of a block. Sequences of twice that are cut.
BLOCK = 128
# Rounds before blocks that depend on each other too closely are given up.
_MAX_ROUNDS = 4
# Messages that differ by less are equal, in nats.
_TOLERANCE = 1e-12
# A step of scores whose square vanishes: sums of scores that have moved by it carry the
# derivative in their imaginary part (Squire & Trapp 1998).
STEP = 1e-24j


def forward_backward(
    emit: Floats2d, lengths: NDArray[np.integer], transitions: Transitions
) -> tuple[Floats2d, Floats2d, Floats1d]:
    """Log sums over tag paths (Rabiner 1989).

    emit (Floats2d): Log score of each tag at each token, in float64, one sequence after
        the other.  (T, N)
    lengths (ndarray): Number of tokens of each sequence.  (B,)
    transitions (Transitions): The transitions.
    RETURNS (Tuple[Floats2d, Floats2d, Floats1d]): For each token and tag, the log sum
        over the paths up to the token, with its score, and over the paths behind it
        (T, N); the log sum over all paths of each sequence, 0 for an empty one (B,).
    """
    xp = get_array_module(emit)
    start, end = transitions.start, transitions.end
    with np.errstate(divide="ignore"):  # the log of an empty sum is -inf
        if _has_long(lengths):
            forward, backward = (
                LogProduct(transitions, [back]) for back in (False, True)
            )
            before = send(emit, lengths, start, forward)
            after = send(emit, lengths, end, backward, backwards=True)
        else:  # both recursions advance together
            packing = pack(lengths)
            rows = xp.asarray(packing.both_rows)
            incoming = xp.stack([start, end])[:, None]
            product = LogProduct(transitions, [False, True])
            before, after = xp.empty_like(emit), xp.empty_like(emit)
            before[rows[0]], after[rows[1]] = product.run(emit[rows], packing, incoming)
        before += emit
        log_z = xp.zeros(len(lengths), dtype=emit.dtype)
        last_rows = xp.asarray(np.cumsum(lengths)[lengths > 0] - 1)
        log_z[xp.asarray(lengths > 0)] = log_sum(xp, before[last_rows] + end)
    return before, after, log_z


def viterbi(
    emit: Floats2d, lengths: NDArray[np.integer], transitions: Transitions
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The path of the highest score of each sequence (Viterbi 1967).

    emit, lengths, transitions: As of `forward_backward`.
    RETURNS (Tuple[ndarray, ndarray]): The tag of each token, the lower one where paths
        tie (T,), and whether each sequence has an allowed path (B,), on the CPU.
    """
    xp, T = get_array_module(emit), transitions
    best = emit + send(emit, lengths, T.start, MaxProduct(T))
    last_rows = np.cumsum(lengths)[lengths > 0] - 1
    final = best[xp.asarray(last_rows)] + T.end
    has_path = np.ones(len(lengths), dtype=bool)
    has_path[lengths > 0] = to_numpy(xp.isfinite(final.max(axis=1)))
    # The best tag before each tag; at the last token, the best one to end with.
    sender = T.senders(best)
    last_tags = to_numpy(final.argmax(axis=1)).tolist()
    ends_with = dict(zip(last_rows.tolist(), last_tags, strict=True))
    tag, path = 0, []
    for row in range(len(best) - 1, -1, -1):
        tag = ends_with[row] if row in ends_with else sender(row, tag)
        path.append(tag)
    return np.array(path[::-1], dtype=np.intp), has_path


class Product(ABC):
    """Makes messages: the product of a semiring."""

    @abstractmethod
    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The messages that tokens send.

        scores (FloatsXd): Log scores of their tags: the message into the token plus its
            own scores.  (D, K, N)
        RETURNS (FloatsXd): (D, K, N)
        """

    def run(self, emit: FloatsXd, packing: Packing, incoming: FloatsXd) -> FloatsXd:
        """The messages into all tokens.

        emit (FloatsXd): Log scores of D runs side by side, in the packed order.
            (D, T, N)
        packing (Packing): The layout.
        incoming (FloatsXd): The messages into the first tokens.  (D, B or 1, N)
        RETURNS (FloatsXd): In the packed order.  (D, T, N)
        """
        messages = get_array_module(emit).empty_like(emit)
        before = 0
        for start, end in pairwise(packing.starts):
            if start:
                senders = slice(before, before + end - start)
                messages[:, start:end] = self(messages[:, senders] + emit[:, senders])
            else:
                messages[:, :end] = incoming
            before = start
        return messages


class MaxProduct(Product):
    """The highest score of a path to each tag."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The scores of the best paths through tokens to the tags behind."""
        return self._transitions.best(scores[0])[None]


class LogProduct(Product):
    """The log sum over the paths to each tag, on scaled exponentials (Rabiner 1989) if
    no number can underflow.

    backwards (List[bool]): For each of D runs whether it is the backward recursion.
    """

    def __init__(self, transitions: Transitions, backwards: list[bool]) -> None:
        self._transitions = transitions
        self._backwards = backwards

    def __call__(self, scores: FloatsXd) -> FloatsXd:
        """The log sums through tokens to the tags behind."""
        sums, T = get_array_module(scores).empty_like(scores), self._transitions
        for i, is_backward in enumerate(self._backwards):
            sums[i] = T.log_sums(scores[i], backwards=is_backward)
        return sums

    def run(self, emit: FloatsXd, packing: Packing, incoming: FloatsXd) -> FloatsXd:
        """The messages into all tokens, on exponentials if nothing can underflow."""
        messages = None
        if emit.size:
            messages = self._run_on_exponentials(emit, packing, incoming)
        return super().run(emit, packing, incoming) if messages is None else messages

    def _run_on_exponentials(
        self, emit: FloatsXd, packing: Packing, incoming: FloatsXd
    ) -> FloatsXd | None:
        """The messages, by the exponentials of the scores less the highest score of
        each row. Sums are scaled anew after so many steps as they cannot underflow in;
        None if that is not even one."""
        xp, transitions = get_array_module(emit), self._transitions
        tops, below, spread = less_top(xp, emit)
        first_tops, first, first_spread = less_top(xp, incoming)
        # How far a step may move sums apart, and how far it may raise them.
        per_step = spread + transitions.spread + math.log(emit.shape[-1])
        n_lasting = int(UNDERFLOW / 2 / per_step) if per_step else emit.shape[1]
        if not n_lasting or first_spread > UNDERFLOW / 2:
            return None
        exp_emit = xp.exp(below, out=below)
        n_first = packing.starts[1]
        sums, at_token = xp.empty_like(emit), xp.empty_like(emit[:, :n_first])
        # Log of the factor that scales each row, first by itself, then summed up.
        log_scales = xp.empty_like(tops)
        log_scales[:, :n_first] = first_tops
        previous = tops[:, xp.asarray(packing.previous)]
        log_scales[:, n_first:] = previous + transitions.top
        sums[:, :n_first] = xp.exp(first)
        multiply = transitions.multiplier(self._backwards)
        step = before = 0
        for begin, end, n in packing.runs:
            if begin:
                sent = log_scales[:, before : before + n]
                log_scales[:, begin : begin + n] += sent
            for row in range(begin, end, n):
                if row:
                    senders, rows = slice(before, before + n), slice(row, row + n)
                    scores, now = at_token[:, :n], sums[:, rows]
                    xp.multiply(sums[:, senders], exp_emit[:, senders], out=scores)
                    multiply(scores, out=now)
                    step += 1
                    if step % n_lasting == 0 and not _rescale(log_scales[:, rows], now):
                        return None
                before = row
            scales = log_scales[:, begin:end]
            by_step = scales.reshape(len(scales), -1, n)
            scales[:] = xp.cumsum(by_step, axis=1).reshape(scales.shape)
        xp.log(sums, out=sums)
        sums += log_scales[..., None]
        return sums


def _rescale(log_scales: FloatsXd, sums: FloatsXd) -> bool:
    """Divide sums by the highest sum of their row, in place. Whether all positive sums
    are far from underflow then."""
    xp = get_array_module(sums)
    highest = _positive(xp, sums.real.max(axis=-1))
    sums /= highest[..., None]
    log_scales += xp.log(highest)
    return bool(_positive(xp, sums.real).min() >= math.exp(-UNDERFLOW / 2))


def _positive(xp: Any, sums: Any) -> Any:
    """The sums with 1 for 0."""
    return xp.where(sums > 0, sums, 1.0)


def send(
    emit: Floats2d,
    lengths: NDArray[np.integer],
    first: Floats1d,
    product: Product,
    *,
    backwards: bool = False,
) -> Floats2d:
    """The message into each token.

    emit, lengths: As of `forward_backward`.
    first (Floats1d): The message into the first token of each sequence.  (N,)
    product (Product): Makes the messages of one run.
    backwards (bool): Run from the last token to the first.
    RETURNS (Floats2d): For each token, in the order of `emit`.  (T, N)
    """
    xp = get_array_module(emit)
    if _has_long(lengths):
        messages = _send_in_blocks(xp, emit, lengths, first, product, backwards)
        if messages is not None:
            return messages
    packing = pack(lengths)
    rows = xp.asarray(packing.both_rows[int(backwards)])
    messages = xp.empty_like(emit)
    messages[rows] = product.run(emit[rows][None], packing, first[None, None])[0]
    return messages


def _has_long(lengths: NDArray[np.integer]) -> bool:
    return bool(len(lengths)) and bool(lengths.max() >= 2 * BLOCK)


def _send_in_blocks(
    xp: Any,
    emit: Floats2d,
    lengths: NDArray[np.integer],
    first: Floats1d,
    product: Product,
    backwards: bool,
) -> Floats2d | None:
    """`send` with long sequences in blocks; None if the messages do not settle."""
    n_blocks = np.maximum(lengths // BLOCK, 1).astype(np.intp)
    place = np.arange(n_blocks.sum()) - np.repeat(
        np.cumsum(n_blocks) - n_blocks, n_blocks
    )
    n_of_block, length = np.repeat(n_blocks, n_blocks), np.repeat(lengths, n_blocks)
    # Blocks of a sequence differ by at most one token.
    packing = pack((place + 1) * length // n_of_block - place * length // n_of_block)
    rows = xp.asarray(packing.both_rows[int(backwards)])
    emit_packed = emit[rows]
    # The blocks that receive a message from another block, and from which.
    receives = np.flatnonzero(place < n_of_block - 1 if backwards else place > 0)
    receivers = xp.asarray(receives)
    senders = xp.asarray(receives + (1 if backwards else -1))
    of_packed = xp.asarray(packing.sequences)
    is_last = np.ones(len(emit), dtype=bool)
    is_last[packing.previous] = False
    last = xp.asarray(np.flatnonzero(is_last))
    incoming = xp.empty((len(length), len(first)), dtype=emit.dtype)
    incoming[:] = first
    incoming[receivers] = 0.0
    outgoing = xp.zeros_like(incoming)
    for _ in range(_MAX_ROUNDS):
        into_first = incoming[of_packed[: packing.starts[1]]]
        messages = product.run(emit_packed[None], packing, into_first[None])[0]
        outgoing[of_packed[last]] = product((messages[last] + emit_packed[last])[None])[
            0
        ]
        # Blocks exchange how tags compare; the common part is added at the end.
        common = finite(xp, outgoing.real.max(axis=1))
        received = (outgoing - common[:, None])[senders]
        known, incoming[receivers] = incoming[receivers], received
        if _equal(xp, known, received):
            break
    else:
        return None
    scales = np.zeros(len(length))
    scales[receives] = to_numpy(common[senders])
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
    differs = one != other  # also finds an infinite score where the other is finite
    difference = xp.abs(one[differs] - other[differs])
    if one.dtype.kind == "c":
        difference += xp.abs(one[differs].imag - other[differs].imag) / STEP.imag
    return bool((difference < _TOLERANCE).all())
