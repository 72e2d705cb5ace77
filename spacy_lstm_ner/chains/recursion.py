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
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module, to_numpy

from ..packing import Packing, pack
from ..types import Floats1d, Floats2d, Floats3d, FloatsXd, Ints2d
from .learned_transitions import Transitions
from .log_space import UNDERFLOW, finite, less_top, log_sum

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
    xp, T = get_array_module(emit), transitions
    directions = [False, True]
    with np.errstate(divide="ignore"):  # the log of an empty sum is -inf
        product = LogProduct(T, directions)
        before, after = send(emit, lengths, [T.start, T.end], product, directions)
        before += emit
        log_z = xp.zeros(len(lengths), dtype=emit.dtype)
        last_rows = xp.asarray(np.cumsum(lengths)[lengths > 0] - 1)
        log_z[xp.asarray(lengths > 0)] = log_sum(xp, before[last_rows] + T.end)
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
    product = Product(lambda scores: T.best(scores[0])[None])
    best = emit + send(emit, lengths, [T.start], product, [False])[0]
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


class Product:
    """Makes messages: the product of a semiring.

    step (Callable): From the log scores of the tags of tokens, the message into each
        token plus its own scores, to the messages that they send.
        (D, K, N) -> (D, K, N)
    """

    def __init__(self, step: Callable[[FloatsXd], FloatsXd]) -> None:
        self.step = step

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
                messages[:, start:end] = self.step(
                    messages[:, senders] + emit[:, senders]
                )
            else:
                messages[:, :end] = incoming
            before = start
        return messages


class LogProduct(Product):
    """The log sum over the paths to each tag, on scaled exponentials (Rabiner 1989) if
    no number can underflow.

    backwards (List[bool]): For each of D runs whether it is the backward recursion.
    """

    def __init__(self, transitions: Transitions, backwards: list[bool]) -> None:
        super().__init__(self._log_sums)
        self._transitions = transitions
        self._backwards = backwards

    def _log_sums(self, scores: FloatsXd) -> FloatsXd:
        log_sums = self._transitions.log_sums
        runs = zip(scores, self._backwards, strict=True)
        return get_array_module(scores).stack(
            [log_sums(run, backwards=is_backward) for run, is_backward in runs]
        )

    def run(self, emit: FloatsXd, packing: Packing, incoming: FloatsXd) -> FloatsXd:
        """The messages into all tokens, on exponentials if nothing can underflow."""
        run = self._run_on_exponentials
        messages = run(emit, packing, incoming) if emit.size else None
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
    firsts: list[Floats1d],
    product: Product,
    backwards: list[bool],
) -> Floats3d:
    """The message into each token, of D runs side by side.

    emit, lengths: As of `forward_backward`.
    firsts (List[Floats1d]): For each run, the message into the first token of each
        sequence.  (N,) each
    product (Product): Makes the messages.
    backwards (List[bool]): For each run whether it goes from the last token to the
        first.
    RETURNS (Floats3d): For each run and token, in the order of `emit`.  (D, T, N)
    """
    xp, into_first = get_array_module(emit), get_array_module(emit).stack(firsts)
    if len(lengths) and lengths.max() >= 2 * BLOCK:
        messages = _send_in_blocks(emit, lengths, into_first, product, backwards)
        if messages is not None:
            return messages
    packing = pack(lengths)
    rows = xp.asarray(packing.both_rows[list(map(int, backwards))])
    return _unpacked(rows, product.run(emit[rows], packing, into_first[:, None]))


def _unpacked(rows: Ints2d, packed: Floats3d) -> Floats3d:
    """Packed rows of each run, in the order of the tokens."""
    messages = get_array_module(packed).empty_like(packed)
    for each, of_run, sent in zip(messages, rows, packed, strict=True):
        each[of_run] = sent
    return messages


def _send_in_blocks(
    emit: Floats2d,
    lengths: NDArray[np.integer],
    into_first: Floats2d,
    product: Product,
    backwards: list[bool],
) -> Floats3d | None:
    """`send` with long sequences in blocks; None if the messages do not settle."""
    xp = get_array_module(emit)
    n_blocks = np.maximum(lengths // BLOCK, 1).astype(np.intp)
    sequence = np.repeat(np.arange(len(lengths)), n_blocks)
    place = np.arange(len(sequence)) - (np.cumsum(n_blocks) - n_blocks)[sequence]
    # Blocks of a sequence differ by at most one token.
    begin, end = ((place + i) * lengths[sequence] // n_blocks[sequence] for i in (0, 1))
    packing = pack(end - begin)
    rows = xp.asarray(packing.both_rows[list(map(int, backwards))])
    emit = emit[rows]
    block_of = xp.asarray(packing.sequences)
    is_last = np.ones(len(packing.sequences), dtype=bool)
    is_last[packing.previous] = False
    last = xp.asarray(np.flatnonzero(is_last))
    # The blocks that receive a message from the one before or, backwards, behind.
    follows = np.flatnonzero(place > 0)
    receivers = [xp.asarray(follows - back) for back in backwards]
    senders = [xp.asarray(follows - (not back)) for back in backwards]
    runs = range(len(backwards))
    incoming = xp.zeros((len(runs), len(place), emit.shape[-1]), dtype=emit.dtype)
    incoming += into_first[:, None]
    for d in runs:
        incoming[d, receivers[d]] = 0.0
    outgoing = xp.zeros_like(incoming)
    for _ in range(_MAX_ROUNDS):
        known = incoming.copy()
        messages = product.run(emit, packing, known[:, block_of[: packing.n_first]])
        outgoing[:, block_of[last]] = product.step(messages[:, last] + emit[:, last])
        # Blocks exchange how tags compare; the common part is added at the end.
        best = outgoing.real.argmax(axis=-1)[..., None]
        common = finite(xp, xp.take_along_axis(outgoing, best, axis=-1))
        for d in runs:
            incoming[d, receivers[d]] = (outgoing[d] - common[d])[senders[d]]
        if _equal(xp, known, incoming):
            break
    else:
        return None
    for d, back in enumerate(backwards):
        scales = np.zeros(len(place), dtype=emit.dtype)
        scales[to_numpy(receivers[d])] = to_numpy(common[d, senders[d], 0])
        # Sums begin anew with each sequence.
        order = slice(None, None, -1 if back else 1)
        sums = np.cumsum(scales[order])[order]
        first = np.cumsum(n_blocks) - (1 if back else n_blocks)
        sums -= sums[first][sequence]
        messages[d] += xp.asarray(sums)[block_of][:, None]
    return _unpacked(rows, messages)


def _equal(xp: Any, one: FloatsXd, other: FloatsXd) -> bool:
    """Whether messages agree."""
    differs = one != other  # also finds an infinite score where the other is finite
    difference = one[differs] - other[differs]
    distance = xp.abs(difference.real) + xp.abs(difference.imag) / STEP.imag
    return bool((distance < _TOLERANCE).all())
