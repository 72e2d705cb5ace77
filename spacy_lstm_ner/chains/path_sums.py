"""Sums over the tag paths of a linear chain: probabilities, entropy, spans.

Letters of array axes as in `linear_chain`.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..packing import pack
from ..tags import TagSet
from ..types import Floats1d, Floats2d
from .arrays import log_sum, to_numpy
from .learned_transitions import LearnedTransitions
from .linear_chain import Gradient, LinearChain, first_and_last_rows
from .long_sequences import send_both_ways
from .spans import Spans


class PathSums:
    """Sums of the exponential scores of all tag paths, by the forward and backward
    recursions (Rabiner 1989).

    chain (LinearChain): The scores.
    log_z (ndarray): Log of the sum over all paths of each sequence, in nats; 0 for an
        empty sequence. If it is -inf, no path is allowed and nothing else is defined.
        (B,)
    """

    def __init__(self, chain: LinearChain):
        self.chain = chain
        self._xp = xp = get_array_module(chain.emit)
        self._emit = xp.asarray(chain.emit, dtype="float64")
        self._transitions = chain.transitions.on(xp)
        self._sequences = chain.sequences
        self._firsts, self._lasts = first_and_last_rows(chain.lengths)
        # Log sums over the paths up to a token, and over the paths behind it, that have
        # this tag at the token; only _before counts the token.
        with _quiet_log_of_zero():
            self._before_TN, self._after_TN = send_both_ways(
                xp, self._emit, np.asarray(chain.lengths), self._transitions
            )
            self._before_TN += self._emit
            first = xp.asarray(self._firsts)
            through = log_sum(xp, self._before_TN[first] + self._after_TN[first])
        self.log_z: Floats1d = xp.zeros(len(chain.lengths), dtype="float64")
        self.log_z[xp.asarray(self._sequences[self._firsts])] = through

    def has_path(self) -> NDArray[np.bool_]:
        """Whether each sequence has an allowed path.  (B,)"""
        return ~np.isneginf(to_numpy(self.log_z))

    def marginals(self) -> Floats2d:
        """Probability of each tag at each token.  (T, N)"""
        marginals: Floats2d = self._xp.exp(self._log_tags())
        return marginals

    def expected(self, weights: Floats1d | None = None) -> Gradient:
        """Expected number of times that each score counts: the gradient of the sum of
        all log_z. For transitions, the sum over all sequences.

        weights (Optional[Floats1d]): Weight of each sequence, at least 0.  (B,)
        """
        xp, T = self._xp, self._transitions
        tags, later = self.marginals(), xp.asarray(self._later)
        onward = self._log_onward(later)
        if weights is not None:
            of_rows = weights[xp.asarray(self._sequences)][:, None]
            tags *= of_rows
            with _quiet_log_of_zero():
                onward += xp.log(of_rows[later])
        if not isinstance(T, LearnedTransitions):
            return Gradient(tags)
        pairs = T.expected(self._before_TN[later - 1], onward)
        return Gradient(tags, self._with_ends(tags, pairs))

    def entropy(self) -> NDArray[np.float64]:
        """Entropy of the distribution over the paths of each sequence, in nats: of the
        last tag, and of each tag given the next one (Hernando et al. 2005).  (B,)"""
        xp = self._xp
        tags = self.marginals()
        last, later = xp.asarray(self._lasts), xp.asarray(self._later)
        # Each token's own share, and for all but the first, that of the one before.
        of_rows = xp.zeros(len(tags), dtype="float64")
        of_rows[last] = -_x_log_x(xp, tags[last]).sum(axis=1)
        with _quiet_log_of_zero():
            given = self._transitions.entropy_before(self._before_TN[later - 1])
        of_rows[later] += (tags[later] * given).sum(axis=1)
        n_sequences = len(self.chain.lengths)
        total = np.bincount(self._sequences, to_numpy(of_rows), n_sequences)
        return np.maximum(total, 0.0)  # rounding may leave it just below

    def covariance(self, values: Floats2d) -> tuple[Floats1d, Gradient]:
        """Expectation of a sum of values along the path, one for each token's tag, and
        its gradient: the covariances of the sum with the tags and the transitions of
        the path (an expectation semiring: Li & Eisner 2009).

        values (Floats2d): Value of each tag at each token.  (T, N)
        RETURNS (Tuple[Floats1d, Gradient]): The expected sum of each sequence, (B,),
            and the gradient of their total.
        """
        xp, packing, T = self._xp, pack(self.chain.lengths), self._transitions
        values = xp.asarray(values, dtype="float64")
        # Expected sum up to a token, and behind it, given its tag.
        before, after = values.copy(), xp.zeros_like(values)
        steps = [xp.asarray(packing.rows[slice(*step)]) for step in packing.steps()]
        for rows in steps[1:]:
            before[rows] += T.mean_before(self._before_TN[rows - 1], before[rows - 1])
        for rows in reversed(steps[1:]):
            onward = self._emit[rows] + self._after_TN[rows]
            after[rows - 1] = T.mean_after(onward, values[rows] + after[rows])
        tags, firsts = self.marginals(), xp.asarray(self._firsts)
        expected = xp.zeros_like(self.log_z)
        expected[xp.asarray(self._sequences[self._firsts])] = (
            tags[firsts] * (before + after)[firsts]
        ).sum(axis=1)
        mean = expected[xp.asarray(self._sequences)][:, None]
        d_tags = tags * (before + after - mean)
        if not isinstance(T, LearnedTransitions):
            return expected, Gradient(d_tags)
        later = xp.asarray(self._later)
        # The token before gives the sum up to it, this one its value and the rest.
        pairs = T.expected(
            self._before_TN[later - 1],
            self._log_onward(later),
            before[later - 1],
            (values + after - mean)[later],
        )
        return expected, Gradient(d_tags, self._with_ends(d_tags, pairs))

    def log_prob_of_paths(self, tags: NDArray[np.integer]) -> NDArray[np.float64]:
        """Log probability of one path of each sequence.

        tags (ndarray): Tag of each token, one sequence after the other.  (T,)
        RETURNS (ndarray): In nats.  (B,)
        """
        T, later = self._transitions, self._later
        score = to_numpy(self._emit)[np.arange(len(tags)), tags]
        score[self._firsts] += to_numpy(T.start)[tags[self._firsts]]
        score[self._lasts] += to_numpy(T.end)[tags[self._lasts]]
        score[later] += T.between(tags[later - 1], tags[later])
        total = np.bincount(self._sequences, score, len(self.chain.lengths))
        return np.asarray(total - to_numpy(self.log_z))

    def log_prob_of_spans(self, spans: Spans) -> NDArray[np.float64]:
        """Log probability that the path has exactly these spans: B at the first token,
        I at the others and not at the token behind (Culotta & McCallum 2004).

        spans (Spans): The spans.
        RETURNS (ndarray): In nats.  (S,)
        """
        if not len(spans):
            return np.zeros(0)
        T = self._transitions
        emit, before, after = self._on_cpu
        start, end = spans.rows(self.chain)
        begin, inside = TagSet.begin(spans.label), TagSet.inside(spans.label)
        # Every token but the first, and the transition to it.
        n_inside = end - start - 1
        span = np.repeat(np.arange(len(start)), n_inside)
        offset = np.arange(len(span)) - (np.cumsum(n_inside) - n_inside)[span]
        previous = np.where(offset == 0, begin[span], inside[span])
        inner = T.between(previous, inside[span])
        inner += emit[start[span] + 1 + offset, inside[span]]
        log_inside = np.bincount(span, inner, len(start))
        # The token behind, or the end of the sequence.
        last_tag = np.where(n_inside > 0, inside, begin)
        log_behind = to_numpy(T.end)[last_tag]
        goes_on = spans.end < self.chain.lengths[spans.sequence]
        behind, row = np.unique(end[goes_on], return_inverse=True)
        with _quiet_log_of_zero():
            log_behind[goes_on] = T.leaving(
                last_tag[goes_on], emit[behind] + after[behind], row
            )
        log_z = to_numpy(self.log_z)[spans.sequence]
        return np.asarray(before[start, begin] + log_inside + log_behind - log_z)

    def probable_spans(self, at_least: NDArray[np.floating]) -> Spans:
        """All spans whose probability reaches a minimum; they may overlap. There are at
        most T L / minimum.

        at_least (ndarray): Smallest probability of the spans of each label, above 0.
            (L,)
        RETURNS (Spans): By sequence, start, label and end.
        """
        T, chain = self._transitions, self.chain
        emit, before, after = self._on_cpu
        begins = TagSet.begins
        log_z = to_numpy(self.log_z)[self._sequences]
        last_rows = (chain.first_rows + chain.lengths - 1)[self._sequences]
        log_least = np.log(at_least)
        # A span is at most as probable as that it reaches to its last token: extend
        # all by one token until none of them does.
        log_prefix = before[:, begins] - log_z[:, None]
        starts, labels = np.nonzero(log_prefix + after[:, begins] >= log_least)
        rows, log_prefix = starts, log_prefix[starts, labels]
        tags = TagSet.begin(labels)
        found = [np.zeros((0, 3), dtype=np.intp)]
        while len(rows):
            found.append(np.stack([starts, labels, rows + 1], axis=1))
            inside = TagSet.inside(labels)
            onward = np.minimum(rows + 1, last_rows[rows])
            log_prefix = log_prefix + T.between(tags, inside) + emit[onward, inside]
            reaches = (onward > rows) & (
                log_prefix + after[onward, inside] >= log_least[labels]
            )
            starts, labels, rows = starts[reaches], labels[reaches], onward[reaches]
            log_prefix, tags = log_prefix[reaches], inside[reaches]
        start, label, end = np.concatenate(found).T
        order = np.lexsort((end, label, start))
        spans = Spans.from_rows(chain, start[order], end[order], label[order])
        log_probs = self.log_prob_of_spans(spans)
        spans = spans.with_log_probs(log_probs)
        return spans.where(log_probs >= log_least[spans.label])

    @cached_property
    def _on_cpu(self) -> tuple[NDArray[np.float64], ...]:
        """The scores of tags, and the log sums before and behind each token."""
        emit, before, after = self._emit, self._before_TN, self._after_TN
        return to_numpy(emit), to_numpy(before), to_numpy(after)

    @cached_property
    def _later(self) -> NDArray[np.intp]:
        """The rows that have a row of their sequence before."""
        return np.delete(np.arange(len(self._sequences)), self._firsts)

    def _log_tags(self) -> Floats2d:
        """Log probability of each tag at each token."""
        log_z = self.log_z[self._xp.asarray(self._sequences)]
        return self._before_TN + self._after_TN - log_z[:, None]

    def _log_onward(self, rows: Any) -> Floats2d:
        """What each tag at a row adds to the log probability of a path."""
        log_z = self.log_z[self._xp.asarray(self._sequences)[rows]]
        return self._emit[rows] + self._after_TN[rows] - log_z[:, None]

    def _with_ends(self, d_tags: Floats2d, pairs: Floats2d) -> LearnedTransitions:
        firsts, lasts = map(self._xp.asarray, (self._firsts, self._lasts))
        start, end = (d_tags[rows].sum(axis=0) for rows in (firsts, lasts))
        return LearnedTransitions(pairs, start, end)


def _x_log_x(xp: Any, probs: Any) -> Any:
    return probs * xp.log(xp.where(probs > 0, probs, 1.0))


def _quiet_log_of_zero() -> Any:
    """The log of an empty sum is -inf, as it should be."""
    return np.errstate(divide="ignore")
