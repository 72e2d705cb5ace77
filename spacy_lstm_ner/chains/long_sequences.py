"""Recursions over long sequences, cut into blocks that advance side by side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..packing import pack
from ..types import Floats1d, Floats2d
from .recursion import LogProduct, Product, finite

# Tokens of a block. Sequences of twice that are cut.
_BLOCK = 128


# Rounds before blocks that hang together too closely are given up.
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
    transition: Floats2d,
) -> tuple[Floats2d, Floats2d]:
    """Log sums over paths, as messages from both sides, which advance together.

    xp, emit, lengths, first: As of `send`.
    last (Floats1d): The message into the last token, from behind.  (N,)
    transition (Floats2d): Log score of moving from tag [row] to tag [column].  (N, N)
    RETURNS (Tuple[Floats2d, Floats2d]): For each token, in the order of `emit`, what
        those before it and those behind it tell.  (T, N)
    """
    if len(lengths) and lengths.max() >= 2 * _BLOCK:
        forward, backward = LogProduct(xp, transition), LogProduct(xp, transition.T)
        return send(xp, emit, lengths, first, forward), send(
            xp, emit, lengths, last, backward, backwards=True
        )
    packing = pack(lengths)
    forwards, backwards = rows = xp.asarray(packing.both_rows)
    incoming = xp.empty((2, packing.n_first, len(first)))
    incoming[0], incoming[1] = first, last
    product = LogProduct(xp, xp.stack([transition, transition.T]))
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
