"""Distributions over tag paths: best path, sums over paths, probability of a span.

A linear chain gives every path of tags through a sequence a score, the sum of one
score per token and one per move from tag to tag; its probability is the exponential
of the score over the sum of all (Lafferty et al. 2001). What is known or forbidden is
a score of -inf, so one set of sums answers every question: training on partly known
tags, constraints from entities that are already there, confidence.

Pure array functions, batched over sequences of uneven length and linear in tokens
(forward and backward recursions: Rabiner 1989). All sums run in float64 log space:
scores of +-1e4 over 10,000 tokens stay exact to 1e-7.

Letters of array axes: T tokens of the whole batch, B sequences, N tags (of moves: row
= from, column = to), S spans.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from .errors import Errors
from .packing import Packing, pack
from .types import Floats1d, Floats2d, Ints1d, Ints2d


@dataclass(frozen=True)
class LinearChain:
    """Scores of the tag paths of a batch of sequences; also their gradient.

    emit: Score of each tag at each token, one sequence after the other.  (T, N)
    lengths: Number of tokens of each sequence, on the CPU.  (B,)
    move: Score of moving from tag [row] to tag [column].  (N, N)
    start: Score of each tag at a sequence's first token.  (N,)
    end: Score of each tag at a sequence's last token.  (N,)
    """

    emit: Floats2d
    lengths: NDArray[np.integer]
    move: Floats2d
    start: Floats1d
    end: Floats1d

    def take(self, rows: Ints1d, lengths: NDArray[np.integer]) -> "LinearChain":
        """The chain over some of the tokens only.

        rows (Ints1d): The rows of `emit` to keep, in order.
        lengths (ndarray): How many of them belong to each sequence.
        """
        return replace(self, emit=self.emit[rows], lengths=lengths)

    def restrict(self, allowed: NDArray[np.bool_]) -> "LinearChain":
        """The chain over the paths that keep to allowed tags.

        allowed (ndarray): Whether each token may have each tag.  (T, N)
        """
        xp = get_array_module(self.emit)
        return replace(self, emit=xp.where(xp.asarray(allowed), self.emit, -xp.inf))


def best_path(chain: LinearChain) -> NDArray[np.intp]:
    """The path of the highest score of each sequence (Viterbi 1967).

    chain (LinearChain): The scores.
    RETURNS (ndarray): Tag of each token, one sequence after the other, on the CPU; the
        lower tag where paths tie.  (T,)
    """
    xp = get_array_module(chain.emit)
    tags = chain.emit.argmax(axis=1)
    rest = ~_is_best(chain, tags)
    if rest.any():
        rows = xp.asarray(np.repeat(rest, chain.lengths))
        tags[rows] = _viterbi(chain.take(rows, chain.lengths[rest]))
    return _to_numpy(tags)


class PathSums:
    """Sums of the exponential scores of all tag paths, by the forward and backward
    recursions.

    chain (LinearChain): The scores.
    log_z (ndarray): Log of the sum over all paths of each sequence, in nats; 0 for an
        empty sequence, -inf where no path is allowed: there, nothing else is defined.
        (B,)
    """

    def __init__(self, chain: LinearChain):
        self.chain = chain
        self._xp = xp = get_array_module(chain.emit)
        self._packing = pack(chain.lengths)
        self._rows = xp.asarray(self._packing.rows)
        # Log sum over the paths up to a token, and over those after it, that have
        # this tag at the token. In the packed order; only _before counts the token.
        with _quiet_log_of_zero():
            self._before_TN = self._forward()
            self._after_TN = self._backward()
            through = _log_sum(xp, self._before_TN + self._after_TN)
        self.log_z: Floats1d = xp.zeros(len(chain.lengths), dtype="float64")
        first = self._packing.n_first
        self.log_z[xp.asarray(self._packing.sequences[:first])] = through[:first]

    def marginals(self) -> Floats2d:
        """Probability of each tag at each token.  (T, N)"""
        log_probs = self._before_TN + self._after_TN - self._log_z_of_rows()[:, None]
        return self._unpack(self._xp.exp(log_probs))

    def expected_moves(self) -> Floats2d:
        """Expected number of moves from tag [row] to tag [column], of all sequences
        together.  (N, N)"""
        xp = self._xp
        first = self._packing.n_first
        rows = self._rows[first:]
        log_from = self._before_TN[xp.asarray(self._packing.previous)]
        log_to = (self._emit(rows) + self._after_TN[first:]) - self._log_z_of_rows()[
            first:, None
        ]
        move = xp.asarray(self.chain.move, dtype="float64")
        expected = xp.zeros_like(move)
        # Moves are summed in blocks, so that memory stays bounded.
        block = max(1, 2**20 // move.size)
        for i in range(0, len(rows), block):
            part = slice(i, i + block)
            log_probs = log_from[part, :, None] + move + log_to[part, None]
            expected += xp.exp(log_probs).sum(axis=0)
        return expected

    def log_prob_of_spans(self, spans: Ints2d) -> NDArray[np.float64]:
        """Log probability that the path has exactly these spans: the first tag at the
        first token, the inner tag at the others and not at the token behind (Culotta
        & McCallum 2004).

        spans (Ints2d): Of each span the first row of `emit`, the row behind its last,
            the tag of its first token, the tag of the others.  (S, 4)
        RETURNS (ndarray): In nats.  (S,)
        """
        if not len(spans):
            return np.zeros(0)
        start, end, first_tag, inner_tag = np.asarray(spans, dtype=np.intp).T
        lengths = self.chain.lengths
        emit, move = (
            _to_numpy(a).astype("float64") for a in (self.chain.emit, self.chain.move)
        )
        before, after = (
            _to_numpy(self._unpack(a)) for a in (self._before_TN, self._after_TN)
        )
        # Inside: every token but the first, and the moves to it.
        n_inner = end - start - 1
        span = np.repeat(np.arange(len(start)), n_inner)
        offset = np.arange(len(span)) - (np.cumsum(n_inner) - n_inner)[span]
        rows = start[span] + 1 + offset
        from_tag = np.where(offset == 0, first_tag[span], inner_tag[span])
        inside = move[from_tag, inner_tag[span]] + emit[rows, inner_tag[span]]
        log_inside = np.bincount(span, inside, len(start))
        # Behind: every continuation but the inner tag, or the end of the sequence.
        sequence = np.repeat(np.arange(len(lengths)), lengths)[start]
        is_last = end == np.cumsum(lengths)[sequence]
        behind = np.where(is_last, start, end)
        last_tag = np.where(n_inner > 0, inner_tag, first_tag)
        onward = move[last_tag] + emit[behind] + after[behind]
        onward[np.arange(len(start)), inner_tag] = -np.inf
        with _quiet_log_of_zero():
            log_onward = _log_sum(np, onward)
        log_behind = np.where(is_last, _to_numpy(self.chain.end)[last_tag], log_onward)
        log_z = _to_numpy(self.log_z)[sequence]
        log_probs = before[start, first_tag] + log_inside + log_behind - log_z
        return np.asarray(log_probs)

    def _emit(self, rows: Ints1d) -> Floats2d:
        return self._xp.asarray(self.chain.emit[rows], dtype="float64")

    def _forward(self) -> Floats2d:
        xp, chain = self._xp, self.chain
        step = _LogProduct(xp, chain.move)
        before = self._emit(self._rows)
        last = 0
        for start, end in self._packing.steps():
            if start:
                before[start:end] += step(before[last : last + end - start])
            else:
                before[:end] += xp.asarray(chain.start, dtype="float64")
            last = start
        return before

    def _backward(self) -> Floats2d:
        xp, chain = self._xp, self.chain
        step = _LogProduct(xp, chain.move.T)
        emit = self._emit(self._rows)
        after = xp.empty_like(emit)
        after[:] = xp.asarray(chain.end, dtype="float64")
        later = (0, 0)
        for start, end in _backwards(self._packing):
            n_later = later[1] - later[0]
            if n_later:
                rows = slice(*later)
                after[start : start + n_later] = step(emit[rows] + after[rows])
            later = (start, end)
        return after

    def _log_z_of_rows(self) -> Floats1d:
        """Log Z of each packed row's sequence."""
        return self.log_z[self._xp.asarray(self._packing.sequences)]

    def _unpack(self, packed_TN: Floats2d) -> Floats2d:
        flat = self._xp.empty_like(packed_TN)
        flat[self._rows] = packed_TN
        return flat


def negative_log_likelihood(
    chain: LinearChain, allowed: NDArray[np.bool_]
) -> tuple[float, LinearChain]:
    """How improbable it is that the paths keep to the allowed tags: log Z less the log
    of the sum over the paths that agree. A token that may have any tag costs nothing.

    chain (LinearChain): The scores.
    allowed (ndarray): Whether each token may have each tag; one tag where it is
        known, all where it is not.  (T, N)
    RETURNS (Tuple[float, LinearChain]): The loss, summed over sequences, in nats, and
        its gradient.
    RAISES ValueError (L007): If no path keeps to the allowed tags.
    """
    free, agreeing = PathSums(chain), PathSums(chain.restrict(allowed))
    impossible = np.flatnonzero(np.isneginf(_to_numpy(agreeing.log_z)))
    if impossible.size:
        raise ValueError(Errors.L007.format(i=impossible[0]))
    loss = float((free.log_z - agreeing.log_z).sum())
    d_tags = free.marginals() - agreeing.marginals()
    d_moves = free.expected_moves() - agreeing.expected_moves()
    return loss, _gradient(chain, d_tags, d_moves)


def cross_entropy(chain: LinearChain, target: PathSums) -> tuple[float, LinearChain]:
    """How far the paths are from those of another distribution: its expectation of the
    negative log-likelihood. Minimal, and its entropy, where both are the same.

    chain (LinearChain): The scores.
    target (PathSums): The distribution to come close to, over the same sequences. It
        may have fewer tags: the others have no probability in it.
    RETURNS (Tuple[float, LinearChain]): The loss, summed over sequences, in nats, and
        its gradient.
    """
    free = PathSums(chain)
    d_tags, d_moves = free.marginals(), free.expected_moves()
    tags, moves = target.marginals(), target.expected_moves()
    n_tags = len(moves)
    firsts, lasts = _first_and_last_rows(chain.lengths)
    scores = (
        (tags, chain.emit[:, :n_tags]),
        (moves, chain.move[:n_tags, :n_tags]),
        (tags[firsts].sum(axis=0), chain.start[:n_tags]),
        (tags[lasts].sum(axis=0), chain.end[:n_tags]),
    )
    loss = float(free.log_z.sum())
    for expected, score in scores:
        loss -= float((expected[expected > 0] * score[expected > 0]).sum())
    d_tags[:, :n_tags] -= tags
    d_moves[:n_tags, :n_tags] -= moves
    return loss, _gradient(chain, d_tags, d_moves)


def _gradient(chain: LinearChain, d_tags: Floats2d, d_moves: Floats2d) -> LinearChain:
    """The gradient of a chain from those of its tags and moves."""
    firsts, lasts = _first_and_last_rows(chain.lengths)
    return LinearChain(
        emit=d_tags.astype(chain.emit.dtype),
        lengths=chain.lengths,
        move=d_moves.astype("f"),
        start=d_tags[firsts].sum(axis=0).astype("f"),
        end=d_tags[lasts].sum(axis=0).astype("f"),
    )


def _first_and_last_rows(
    lengths: NDArray[np.integer],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of the first and of the last token of each sequence that has any."""
    ends = np.cumsum(lengths)[lengths > 0]
    return ends - lengths[lengths > 0], ends - 1


class _LogProduct:
    """Log of the product of exponentials, log(exp(scores) @ exp(move)).

    As long as no term can underflow, one matrix product; else term by term.
    """

    def __init__(self, xp: Any, move_NN: Floats2d):
        self._xp = xp
        self._move = move = xp.asarray(move_NN, dtype="float64")
        finite = xp.isfinite(move)
        top = xp.where(finite, move, -xp.inf).max(axis=0)
        self._top = xp.where(xp.isfinite(top), top, 0.0)
        self._exp_move = xp.exp(move - self._top)
        self._spread = float(xp.where(finite, self._top - move, 0.0).max())

    def __call__(self, scores_BN: Floats2d) -> Floats2d:
        xp = self._xp
        top = scores_BN.max(axis=1, keepdims=True)
        top = xp.where(xp.isfinite(top), top, 0.0)
        below = scores_BN - top
        lowest = float(xp.where(xp.isfinite(below), below, 0.0).min())
        if self._spread - lowest < _UNDERFLOW:
            product = xp.exp(below) @ self._exp_move
            return xp.log(product) + top + self._top
        return _log_sum(xp, scores_BN[:, :, None] + self._move, axis=1)


# exp(-x) is a normal float64 up to x = 708.
_UNDERFLOW = 700.0


def _log_sum(xp: Any, scores: Any, axis: int = -1) -> Any:
    """Log of the sum of exponentials along an axis; -inf where all are -inf."""
    top = scores.max(axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    total = xp.exp(scores - top).sum(axis=axis, keepdims=True)
    return (xp.log(total) + top).squeeze(axis)


def _is_best(chain: LinearChain, tags: Ints1d) -> NDArray[np.bool_]:
    """Whether each token's best tags are already the best path of their sequence: they
    are if they are allowed and every allowed move scores the same."""
    move, start, end = (_to_numpy(a) for a in (chain.move, chain.start, chain.end))
    n_sequences = len(chain.lengths)
    if not all(_is_uniform(scores) for scores in (move, start, end)):
        return np.zeros(n_sequences, dtype=bool)
    tag = _to_numpy(tags)
    sequence = np.repeat(np.arange(n_sequences), chain.lengths)
    allowed = np.isfinite(
        _to_numpy(chain.emit[get_array_module(tags).arange(len(tags)), tags])
    )
    first = np.diff(sequence, prepend=-1) > 0
    last = np.diff(sequence, append=n_sequences) > 0
    allowed[first] &= np.isfinite(start[tag[first]])
    allowed[last] &= np.isfinite(end[tag[last]])
    allowed[1:] &= first[1:] | np.isfinite(move[tag[:-1], tag[1:]])
    n_forbidden = np.bincount(sequence, ~allowed, n_sequences)
    return np.asarray(n_forbidden == 0)


def _is_uniform(scores: NDArray[np.floating]) -> bool:
    finite = scores[np.isfinite(scores)]
    return not finite.size or bool((finite == finite[0]).all())


def _viterbi(chain: LinearChain) -> Ints1d:
    """Best path by dynamic programming. Tags in the order of `emit`.  (T,)"""
    xp = get_array_module(chain.emit)
    packing = pack(chain.lengths)
    rows = xp.asarray(packing.rows)
    move = xp.asarray(chain.move, dtype="float64")
    best = xp.asarray(chain.emit[rows], dtype="float64")
    came_from = xp.zeros(best.shape, dtype=np.intp)
    last = 0
    for start, end in packing.steps():
        if start:
            scores = best[last : last + end - start, :, None] + move
            came_from[start:end] = scores.argmax(axis=1)
            best[start:end] += scores.max(axis=1)
        else:
            best[:end] += xp.asarray(chain.start, dtype="float64")
        last = start
    # Walk back: a sequence joins at its last step, with its best final tag.
    tags = (best + xp.asarray(chain.end, dtype="float64")).argmax(axis=1)
    later = (0, 0)
    for start, end in _backwards(packing):
        n_later = later[1] - later[0]
        if n_later:
            chosen = tags[slice(*later)]
            tags[start : start + n_later] = came_from[slice(*later)][
                xp.arange(n_later), chosen
            ]
        later = (start, end)
    flat = xp.empty_like(tags)
    flat[rows] = tags
    return flat


def _backwards(packing: Packing) -> Iterator[tuple[int, int]]:
    return reversed(list(packing.steps()))


def _quiet_log_of_zero() -> Any:
    """The log of an empty sum is -inf, as it should be."""
    return np.errstate(divide="ignore")


def _to_numpy(array: Any) -> NDArray[Any]:
    return array if isinstance(array, np.ndarray) else array.get()
