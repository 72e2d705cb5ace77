"""Messages along sequences of any length.

A sequence of 100,000 tokens takes as many steps, each with the work of a single row. So
long sequences are cut into blocks that advance side by side, each from the message that
the block before it sent out in the last round; in the first round, from none. A message
forgets what is far away, so the second round mostly changes nothing any more: then all
messages are right.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..packing import pack
from ..types import Floats1d, Floats2d
from .arrays import finite
from .recursion import LogProduct, Product
from .transitions import Transitions

# Tokens of a block. Sequences of twice that are cut.
_BLOCK = 128
# Rounds before blocks that depend on each other too closely are given up.
_MAX_ROUNDS = 4
# Messages that differ by less are equal, in nats.
_TOLERANCE = 1e-12


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
    product (Product): Makes the messages of one run.
    backwards (bool): Run from the last token to the first.
    RETURNS (Floats2d): For each token, in the order of `emit`.  (T, N)
    """
    lengths = np.asarray(lengths, dtype=np.intp)
    if _has_long(lengths):
        messages = _send_in_blocks(xp, emit, lengths, first, product, backwards)
        if messages is not None:
            return messages
    packing = pack(lengths)
    rows = xp.asarray(packing.reversed_rows if backwards else packing.rows)
    messages = xp.empty_like(emit)
    messages[rows] = product.run(emit[rows][None], packing, first)[0]
    return messages


def send_both_ways(
    xp: Any, emit: Floats2d, lengths: NDArray[np.integer], transitions: Transitions
) -> tuple[Floats2d, Floats2d]:
    """Log sums over paths, as messages from both sides, which advance together.

    xp, emit, lengths: As of `send`.
    transitions (Transitions): The transitions, on the device.
    RETURNS (Tuple[Floats2d, Floats2d]): For each token, in the order of `emit`, the log
        sums over the paths before it and over the paths behind it.  (T, N)
    """
    start, end = transitions.start, transitions.end
    if _has_long(lengths):
        forward, backward = (
            LogProduct(xp, transitions, [is_backward]) for is_backward in (False, True)
        )
        return send(xp, emit, lengths, start, forward), send(
            xp, emit, lengths, end, backward, backwards=True
        )
    packing = pack(lengths)
    forwards, backwards = rows = xp.asarray(packing.both_rows)
    incoming = xp.empty((2, packing.n_first, len(start)))
    incoming[0], incoming[1] = start, end
    product = LogProduct(xp, transitions, [False, True])
    messages = product.run(emit[rows], packing, incoming)
    before, after = xp.empty_like(emit), xp.empty_like(emit)
    before[forwards], after[backwards] = messages
    return before, after


def _has_long(lengths: NDArray[np.integer]) -> bool:
    return bool(len(lengths)) and bool(lengths.max() >= 2 * _BLOCK)


def _send_in_blocks(
    xp: Any,
    emit: Floats2d,
    lengths: NDArray[np.integer],
    first: Floats1d,
    product: Product,
    backwards: bool,
) -> Floats2d | None:
    """`send` with long sequences in blocks; None if the messages do not settle."""
    n_blocks = np.maximum(lengths // _BLOCK, 1)
    place = np.arange(n_blocks.sum()) - np.repeat(
        np.cumsum(n_blocks) - n_blocks, n_blocks
    )
    n_of_block, length = np.repeat(n_blocks, n_blocks), np.repeat(lengths, n_blocks)
    # Blocks of a sequence differ by at most one token.
    packing = pack((place + 1) * length // n_of_block - place * length // n_of_block)
    rows = xp.asarray(packing.reversed_rows if backwards else packing.rows)
    emit_packed = emit[rows]
    # The blocks that receive a message from another block, and from which.
    receives = np.flatnonzero(place < n_of_block - 1 if backwards else place > 0)
    receivers = xp.asarray(receives)
    senders = xp.asarray(receives + (1 if backwards else -1))
    of_packed = xp.asarray(packing.sequences)
    is_last = np.ones(len(packing.rows), dtype=bool)
    is_last[packing.previous] = False
    last = xp.asarray(np.flatnonzero(is_last))
    incoming = xp.empty((len(length), len(first)), dtype="float64")
    incoming[:] = first
    incoming[receivers] = 0.0
    outgoing = xp.zeros_like(incoming)
    for _ in range(_MAX_ROUNDS):
        into_first = incoming[of_packed[: packing.n_first]]
        messages = product.run(emit_packed[None], packing, into_first[None])[0]
        outgoing[of_packed[last]] = product((messages[last] + emit_packed[last])[None])[
            0
        ]
        # Blocks exchange how tags compare; the common part is added at the end.
        common = finite(xp, outgoing.max(axis=1))
        received = (outgoing - common[:, None])[senders]
        known, incoming[receivers] = incoming[receivers], received
        if _equal(xp, known, received):
            break
    else:
        return None
    scales = np.zeros(len(length))
    scales[receives] = common[senders] if xp is np else common[senders].get()
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
    return bool((xp.abs(one[differs] - other[differs]) < _TOLERANCE).all())
