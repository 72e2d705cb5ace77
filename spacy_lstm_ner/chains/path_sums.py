"""Sums over the tag paths of a linear chain: probabilities, entropy, spans.

Forward and backward recursions (Rabiner 1989) in float64 log space. Letters of array
axes: T tokens of the whole batch, B sequences, N tags (of transitions: row = from,
column = to), S spans, K kinds of spans.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..packing import pack
from ..types import Floats1d, Floats2d, Floats3d, Ints1d, Ints2d
from .linear_chain import LinearChain, first_and_last_rows, to_numpy
from .long_sequences import send_both_ways
from .recursion import finite, log_sum


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
        lengths = chain.lengths
        self._emit, self._transition, start, end = (
            xp.asarray(a, dtype="float64")
            for a in (chain.emit, chain.transition, chain.start, chain.end)
        )
        # Number of each row's sequence; rows that have one before, of the sequence.
        self._sequences = chain.sequences
        firsts, self._lasts = first_and_last_rows(lengths)
        self._later = np.delete(np.arange(len(self._sequences)), firsts)
        # Log sum over the paths up to a token, and over those after it, that have
        # this tag at the token; only _before counts the token.
        with _quiet_log_of_zero():
            self._before_TN, self._after_TN = send_both_ways(
                xp, self._emit, np.asarray(lengths), start, end, self._transition
            )
            self._before_TN += self._emit
            first = xp.asarray(firsts)
            through = log_sum(xp, self._before_TN[first] + self._after_TN[first])
        self.log_z: Floats1d = xp.zeros(len(lengths), dtype="float64")
        self.log_z[xp.asarray(self._sequences[firsts])] = through

    def has_path(self) -> NDArray[np.bool_]:
        """Whether each sequence has an allowed path.  (B,)"""
        return ~np.isneginf(to_numpy(self.log_z))

    def marginals(self) -> Floats2d:
        """Probability of each tag at each token.  (T, N)"""
        marginals: Floats2d = self._xp.exp(self._log_tags())
        return marginals

    def expected_transitions(self) -> Floats2d:
        """Expected number of transitions from tag [row] to tag [column], of all
        sequences together.  (N, N)"""
        expected = self._xp.zeros(self.chain.transition.shape, dtype="float64")
        for _, log_pairs in self._log_pairs():
            expected += self._xp.exp(log_pairs).sum(axis=0)
        return expected

    def entropy(self) -> NDArray[np.float64]:
        """Entropy of the distribution over the paths of each sequence, in nats: that
        of the last tag, and of each tag given the next one (Hernando et al. 2005).
        (B,)"""
        xp = self._xp
        log_tags = self._log_tags()
        # Each token's own share, and for all but the first, that of the one before.
        of_rows = xp.zeros(len(log_tags), dtype="float64")
        last = xp.asarray(self._lasts)
        of_rows[last] = _expected_surprise(xp, log_tags[last], log_tags[last])
        for rows, log_pairs in self._log_pairs():
            log_given = log_pairs - finite(xp, log_tags[rows])[:, None]
            of_rows[rows] += _expected_surprise(xp, log_pairs, log_given)
        n_sequences = len(self.chain.lengths)
        total = np.bincount(self._sequences, to_numpy(of_rows), n_sequences)
        return np.maximum(total, 0.0)  # rounding may leave it just below

    def covariance(self, values: Floats2d) -> tuple[Floats1d, Floats2d, Floats2d]:
        """Expectation of a sum of values along the path, one for each token's tag, and
        its derivatives: its covariances with the tags and the transitions of the path
        (an expectation semiring: Li & Eisner 2009).

        values (Floats2d): What each tag counts at each token.  (T, N)
        RETURNS (Tuple[Floats1d, Floats2d, Floats2d]): The expected sum of each sequence
            (B,), and the derivatives of their total by the scores of tags (T, N) and of
            transitions (N, N).
        """
        xp, packing = self._xp, pack(self.chain.lengths)
        values = xp.asarray(values, dtype="float64")
        log_tags = self._log_tags()
        # Expected sum up to a token, and after it, given its tag.
        before, after = values.copy(), xp.zeros_like(values)
        first = packing.n_first
        later_steps = [
            xp.asarray(packing.rows[start:end])
            for start, end in packing.steps()
            if start
        ]
        for rows in later_steps:
            log_pairs = self._log_pairs_of(rows)
            given = xp.exp(log_pairs - finite(xp, log_tags[rows])[:, None])
            before[rows] += (given * before[rows - 1, :, None]).sum(axis=1)
        for rows in reversed(later_steps):
            log_pairs = self._log_pairs_of(rows)
            given = xp.exp(log_pairs - finite(xp, log_tags[rows - 1])[:, :, None])
            onward = values[rows] + after[rows]
            after[rows - 1] = (given * onward[:, None]).sum(axis=2)
        tags = xp.exp(log_tags)
        firsts = xp.asarray(packing.rows[:first])
        expected = xp.zeros_like(self.log_z)
        expected[xp.asarray(packing.sequences[:first])] = (
            tags[firsts] * (before + after)[firsts]
        ).sum(axis=1)
        mean = expected[xp.asarray(self._sequences)][:, None]
        d_tags = tags * (before + after - mean)
        d_transitions = xp.zeros(self.chain.transition.shape, dtype="float64")
        # The token before gives the sum up to it; this one its value and the rest.
        behind = (values + after - mean)[:, None]
        for rows, log_pairs in self._log_pairs():
            sums = before[rows - 1][:, :, None] + behind[rows]
            d_transitions += (xp.exp(log_pairs) * sums).sum(axis=0)
        return expected, d_tags, d_transitions

    def log_prob_of_paths(self, tags: NDArray[np.integer]) -> NDArray[np.float64]:
        """Log probability of one path of each sequence.

        tags (ndarray): Tag of each token, one sequence after the other.  (T,)
        RETURNS (ndarray): In nats.  (B,)
        """
        emit, transition, start, end = self._scores
        lengths = self.chain.lengths
        score = emit[np.arange(len(tags)), tags]
        firsts, lasts = first_and_last_rows(lengths)
        score[firsts] += start[tags[firsts]]
        score[lasts] += end[tags[lasts]]
        later = self._later
        score[later] += transition[tags[later - 1], tags[later]]
        total = np.bincount(self._sequences, score, len(lengths))
        return np.asarray(total - to_numpy(self.log_z))

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
        emit, transition, _, end_score = self._scores
        before, after = self._sums
        # Inside: every token but the first, and the transitions to it.
        n_inner = end - start - 1
        span = np.repeat(np.arange(len(start)), n_inner)
        offset = np.arange(len(span)) - (np.cumsum(n_inner) - n_inner)[span]
        rows = start[span] + 1 + offset
        from_tag = np.where(offset == 0, first_tag[span], inner_tag[span])
        inside = transition[from_tag, inner_tag[span]] + emit[rows, inner_tag[span]]
        log_inside = np.bincount(span, inside, len(start))
        # Behind: every continuation but the inner tag, or the end of the sequence.
        sequence = self._sequences[start]
        is_last = end == np.cumsum(lengths)[sequence]
        behind = np.where(is_last, start, end)
        last_tag = np.where(n_inner > 0, inner_tag, first_tag)
        onward = transition[last_tag] + emit[behind] + after[behind]
        onward[np.arange(len(start)), inner_tag] = -np.inf
        with _quiet_log_of_zero():
            log_onward = log_sum(np, onward)
        log_behind = np.where(is_last, end_score[last_tag], log_onward)
        log_z = to_numpy(self.log_z)[sequence]
        log_probs = before[start, first_tag] + log_inside + log_behind - log_z
        return np.asarray(log_probs)

    def probable_spans(
        self, kinds: Ints2d, at_least: NDArray[np.floating]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """All spans whose probability reaches a minimum; they may overlap. There are at
        most T K / minimum.

        kinds (Ints2d): Of each kind of span the tag of its first token and the tag of
            the others.  (K, 2)
        at_least (ndarray): Smallest probability of each kind, above 0.  (K,)
        RETURNS (Tuple[ndarray, ndarray]): The spans as `log_prob_of_spans` takes them
            (S, 4), by first row, kind and length, and their log probabilities (S,).
        """
        emit, transition, _, _ = self._scores
        before, after = self._sums
        lengths = self.chain.lengths
        log_z = np.repeat(to_numpy(self.log_z), lengths)
        ends = np.repeat(np.cumsum(lengths), lengths)
        first_tags, inner_tags = np.asarray(kinds, dtype=np.intp).T
        log_least = np.log(at_least)
        # A span is at most as probable as that it reaches to its last token: extend
        # all by one token until none of them does.
        log_prefix = before[:, first_tags] - log_z[:, None]
        rows, kind = np.nonzero(log_prefix + after[:, first_tags] >= log_least)
        starts, log_prefix, last_tags = rows, log_prefix[rows, kind], first_tags[kind]
        found: list[NDArray[np.intp]] = [np.zeros((0, 3), dtype=np.intp)]
        while len(rows):
            found.append(np.stack([starts, kind, rows + 1], axis=1))
            inner = inner_tags[kind]
            onward = np.minimum(rows + 1, ends[rows] - 1)
            log_prefix = log_prefix + transition[last_tags, inner] + emit[onward, inner]
            reaches = (onward > rows) & (
                log_prefix + after[onward, inner] >= log_least[kind]
            )
            starts, kind, rows = starts[reaches], kind[reaches], onward[reaches]
            log_prefix, last_tags = log_prefix[reaches], inner[reaches]
        start, kind, end = np.concatenate(found).T
        order = np.lexsort((end, kind, start))
        start, kind, end = start[order], kind[order], end[order]
        spans = np.stack([start, end, first_tags[kind], inner_tags[kind]], axis=1)
        log_probs = self.log_prob_of_spans(spans)
        probable = log_probs >= log_least[kind]
        return spans[probable], log_probs[probable]

    @cached_property
    def _scores(self) -> "_Scores":
        """The chain's scores, float64 on the CPU."""
        chain = self.chain
        transitions = (chain.transition, chain.start, chain.end)
        return _Scores(
            to_numpy(self._emit), *(to_numpy(a).astype("float64") for a in transitions)
        )

    @cached_property
    def _sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log sums before and after each token, on the CPU."""
        return to_numpy(self._before_TN), to_numpy(self._after_TN)

    def _log_tags(self) -> Floats2d:
        """Log probability of each tag at each token."""
        log_z = self.log_z[self._xp.asarray(self._sequences)]
        return self._before_TN + self._after_TN - log_z[:, None]

    def _log_pairs(self) -> Iterator[tuple[Ints1d, Floats3d]]:
        """Log probability of each tag at the row before with each tag at the row, for
        all rows that have one before, in blocks: so memory stays bounded."""
        n_rows = max(1, 2**20 // self._transition.size)
        for start in range(0, len(self._later), n_rows):
            rows = self._xp.asarray(self._later[start : start + n_rows])
            yield rows, self._log_pairs_of(rows)

    def _log_pairs_of(self, rows: Ints1d) -> Floats3d:
        log_z = self.log_z[self._xp.asarray(self._sequences)[rows]]
        onward = self._emit[rows] + self._after_TN[rows] - log_z[:, None]
        return (
            self._before_TN[rows - 1][:, :, None] + self._transition + onward[:, None]
        )


class _Scores(NamedTuple):
    """The scores of a chain as float64 arrays on the CPU."""

    emit: NDArray[np.float64]
    transition: NDArray[np.float64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]


def _expected_surprise(xp: Any, log_probs: Any, log_given: Any) -> Any:
    """Expectation of -log of a probability: the sum over all axes but the first, where
    what can't happen adds nothing."""
    surprise = -xp.exp(log_probs) * finite(xp, log_given)
    return surprise.sum(axis=tuple(range(1, surprise.ndim)))


def _quiet_log_of_zero() -> Any:
    """The log of an empty sum is -inf, as it should be."""
    return np.errstate(divide="ignore")
