"""Sums over the tag paths of a linear chain: probabilities, entropy, spans.

Letters of array axes as in `linear_chain`.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module, to_numpy

from ..tags import TagSet
from ..types import Floats1d, Floats2d
from .learned_transitions import LearnedTransitions
from .linear_chain import Gradient, LinearChain, Spans
from .recursion import STEP, forward_backward


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
        self._xp = get_array_module(chain.emit)
        double = np.promote_types(chain.emit.dtype, "float64")  # may be complex
        self._emit = chain.emit.astype(double, copy=False)
        self._transitions = chain.transitions
        # Log sums over the paths up to a token, and over the paths behind it, that have
        # this tag at the token; only _before counts the token.
        self._before_TN, self._after_TN, self.log_z = forward_backward(
            self._emit, chain.lengths, chain.transitions
        )

    def has_path(self) -> NDArray[np.bool_]:
        """Whether each sequence has an allowed path.  (B,)"""
        return np.asarray(~np.isneginf(to_numpy(self.log_z)))

    def marginals(self) -> Floats2d:
        """Probability of each tag at each token.  (T, N)"""
        return self._marginals(self.log_z)

    def _marginals(self, log_z: Floats1d) -> Floats2d:
        log_z = self._xp.repeat(log_z, self.chain.lengths.tolist())[:, None]
        marginals: Floats2d = self._xp.exp(self._before_TN + self._after_TN - log_z)
        return marginals

    def expected(self, weights: Floats1d | None = None) -> Gradient:
        """Expected number of times that each score counts: the gradient of the sum of
        all log_z. For transitions, the sum over all sequences.

        weights (Optional[Floats1d]): Weight of each sequence, at least 0.  (B,)
        """
        xp, T, log_z = self._xp, self._transitions, self.log_z
        if weights is not None:  # a weight of exp(x) is a log_z that is less by x
            with np.errstate(divide="ignore"):  # log(0) is -inf
                log_z = log_z - xp.log(weights)
        tags = self._marginals(log_z)
        if not isinstance(T, LearnedTransitions):
            return Gradient(tags)
        firsts, lasts, later = map(xp.asarray, (*self._ends, self._later))
        onward = self._emit[later] + self._after_TN[later]
        onward -= log_z[xp.asarray(self.chain.sequences)[later]][:, None]
        pairs = T.expected(self._before_TN[later - 1], onward)
        start, end = (tags[rows].sum(axis=0) for rows in (firsts, lasts))
        return Gradient(tags, LearnedTransitions(pairs, start, end))

    def entropy(self) -> NDArray[np.float64]:
        """Entropy of the distribution over the paths of each sequence, in nats: log_z
        less the expected score, its derivative by a factor of all scores.  (B,)"""
        emit, T = self._emit * (1 + STEP), self._transitions.scaled(1 + STEP)
        log_z = PathSums(replace(self.chain, emit=emit, transitions=T)).log_z
        entropy = to_numpy(log_z.real - log_z.imag / STEP.imag)
        return np.asarray(np.maximum(entropy, 0.0))  # rounding may leave it below

    def covariance(self, values: Floats2d) -> tuple[Floats1d, Gradient]:
        """Expectation of a sum of values along the path, one for each token's tag, and
        its gradient: the covariances of the sum with the tags and the transitions of
        the path. They are the derivatives of log_z and of its gradient if the scores
        move in the direction of the values.

        values (Floats2d): Value of each tag at each token.  (T, N)
        RETURNS (Tuple[Floats1d, Gradient]): The expected sum of each sequence, (B,),
            and the gradient of their total.
        """
        moved = PathSums(replace(self.chain, emit=self._emit + values * STEP))
        emit, T = vars(moved.expected()).values()
        if T is not None:
            T = LearnedTransitions(*(array.imag / STEP.imag for array in T.arrays))
        return moved.log_z.imag / STEP.imag, Gradient(emit.imag / STEP.imag, T)

    def log_prob_of_paths(self, tags: NDArray[np.integer]) -> NDArray[np.float64]:
        """Log probability of one path of each sequence.

        tags (ndarray): Tag of each token, one sequence after the other.  (T,)
        RETURNS (ndarray): In nats.  (B,)
        """
        T = self._transitions
        (firsts, lasts), later = self._ends, self._later
        score = to_numpy(self._emit)[np.arange(len(tags)), tags]
        score[firsts] += to_numpy(T.start)[tags[firsts]]
        score[lasts] += to_numpy(T.end)[tags[lasts]]
        score[later] += T.between(tags[later - 1], tags[later])
        total = np.bincount(self.chain.sequences, score, len(self.chain.lengths))
        return np.asarray(total - to_numpy(self.log_z))

    def log_prob_of_spans(self, spans: Spans) -> NDArray[np.float64]:
        """Log probability that the path has exactly these spans: B at the first token,
        I at the others and not at the token behind (Culotta & McCallum 2004).

        spans (Spans): The spans.
        RETURNS (ndarray): In nats.  (S,)
        """
        if not len(spans.start):
            return np.zeros(0)
        xp, T = self._xp, self._transitions
        emit, before = to_numpy(self._emit), to_numpy(self._before_TN)
        first, lengths = self.chain.first_rows, self.chain.lengths
        start, end = (
            first[spans.sequence] + token for token in (spans.start, spans.end)
        )
        tags = np.arange(emit.shape[1])
        begin = tags[TagSet.begins][spans.label]
        inside = tags[TagSet.insides][spans.label]
        # Every token but the first, and the transition to it.
        n_inside = end - start - 1
        span = np.repeat(np.arange(len(start)), n_inside)
        offset = np.arange(len(span)) - (np.cumsum(n_inside) - n_inside)[span]
        previous = np.where(offset == 0, begin[span], inside[span])
        inner = T.between(previous, inside[span])
        inner += emit[start[span] + 1 + offset, inside[span]]
        log_inside = np.bincount(span, inner, len(start))
        # Any tag but I at the token behind, or the end of the sequence.
        last_tag = np.where(n_inside > 0, inside, begin)
        log_behind = to_numpy(T.end)[last_tag]
        goes_on = spans.end < lengths[spans.sequence]
        behind, each = xp.asarray(end[goes_on]), xp.arange(int(goes_on.sum()))
        onward = self._emit[behind] + self._after_TN[behind]
        onward[each, xp.asarray(inside[goes_on])] = -np.inf
        with np.errstate(divide="ignore"):  # the log of an empty sum is -inf
            onward = T.log_sums(onward, backwards=True)[
                each, xp.asarray(last_tag[goes_on])
            ]
        log_behind[goes_on] = to_numpy(onward)
        log_z = to_numpy(self.log_z)[spans.sequence]
        log_probs = before[start, begin] + log_inside + log_behind - log_z
        # Rounding may leave it just above.
        return np.asarray(np.minimum(log_probs, 0.0))

    def probable_spans(self, at_least: NDArray[np.floating]) -> Spans:
        """All spans whose probability reaches a minimum; they may overlap. There are at
        most T L / minimum.

        at_least (ndarray): Smallest probability of the spans of each label, above 0.
            (L,)
        RETURNS (Spans): By sequence, start, label and end.
        """
        T, chain = self._transitions, self.chain
        emit, before, after = map(
            to_numpy, (self._emit, self._before_TN, self._after_TN)
        )
        begins = TagSet.begins
        log_z = to_numpy(self.log_z)[self.chain.sequences]
        last_rows = (chain.first_rows + chain.lengths - 1)[self.chain.sequences]
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
        spans = replace(spans, confidence=np.exp(log_probs))
        return spans.where(log_probs >= log_least[spans.label])

    @cached_property
    def _ends(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The rows of the first and of the last token of each sequence that has any."""
        lengths = self.chain.lengths[self.chain.lengths > 0]
        ends = np.cumsum(lengths)
        return ends - lengths, ends - 1

    @cached_property
    def _later(self) -> NDArray[np.intp]:
        """The rows that have a row of their sequence before."""
        return np.flatnonzero(np.diff(self.chain.sequences, prepend=-1) == 0)


def confidences_of(chain: LinearChain, spans: Spans) -> NDArray[np.float64]:
    """Probability of exactly these spans with these labels. The spans may come from
    another chain over the same sequences, for instance at another temperature.

    chain (LinearChain): The scores.
    spans (Spans): The spans.
    RETURNS (ndarray): (S,)
    """
    # Only sequences that have a span need sums over paths.
    has_spans = np.zeros(len(chain.lengths), dtype=bool)
    has_spans[spans.sequence] = True
    if not has_spans.all():
        chain = chain.take_sequences(has_spans)
        number = np.cumsum(has_spans) - 1
        spans = replace(spans, sequence=number[spans.sequence])
    return np.asarray(np.exp(PathSums(chain).log_prob_of_spans(spans)))
