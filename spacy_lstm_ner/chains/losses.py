"""Losses of tag paths, and their gradients.

A loss is summed over sequences, in nats. Letters of axes as in `linear_chain`.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module, to_numpy

from ..errors import Errors
from ..tags import TagSet
from ..types import Floats2d
from .learned_transitions import LearnedTransitions
from .linear_chain import Gradient, LinearChain, NoPathError, Spans
from .path_sums import PathSums

# The probability of a wrong span counts as this far below 1 at least, in nats.
_CERTAIN = 1e-9

# With more tags, sums over the annotation leave out labels that it does not have.
_MANY_TAGS = 64


def negative_log_likelihood(
    chain: LinearChain,
    allowed: NDArray[np.bool_],
    *,
    excluded: Spans | None = None,
    costs: Floats2d | None = None,
) -> tuple[float, Gradient]:
    """-log P(the path agrees with the annotation): the denominator, log Z, less the
    numerator, the log of the sum over the paths that agree. A token that may have any
    tag costs nothing.

    With costs, the denominator takes the score of a path as higher by its costs: the
    softmax-margin (Gimpel & Smith 2010), which asks for more distance where an error
    costs more.

    chain (LinearChain): The scores.
    allowed (ndarray): Whether each token may have each tag; one tag where it is
        known, all where it is not.  (T, N)
    excluded (Optional[Spans]): Spans that are known to be wrong: no path that has
        exactly one of them agrees.
    costs (Optional[Floats2d]): Cost of each tag at each token, 0 for right ones.
        (T, N)
    RETURNS (Tuple[float, Gradient]): The loss and its gradient.
    RAISES NoPathError: If no path agrees.
    """
    agreeing = chain.constrain(allowed)
    tags = None if excluded is not None and len(excluded) else _few_tags(allowed)
    numerator = PathSums(agreeing if tags is None else agreeing.take_tags(tags))
    agreeing.require_paths(numerator.has_path())
    if costs is not None:
        xp = get_array_module(chain.emit)
        chain = replace(chain, emit=chain.emit + xp.asarray(costs))
    denominator = PathSums(chain)
    loss = float((denominator.log_z - numerator.log_z).sum())
    known = numerator.expected()
    if tags is not None:
        known = _spread(known, tags, allowed.shape[1])
    gradient = denominator.expected().plus(known, -1.0)
    if excluded is not None and len(excluded):
        surplus, d_chain = _exclude(agreeing, numerator, excluded)
        loss, gradient = loss + surplus, gradient.plus(d_chain)
    return loss, gradient


def _few_tags(allowed: NDArray[np.bool_]) -> NDArray[np.intp] | None:
    """O and the tags of the labels that some token may have, ascending: all tags of the
    paths that agree. None if there are few tags, or if most are allowed."""
    n_tags = allowed.shape[1]
    is_allowed: NDArray[np.bool_] = np.any(allowed, axis=0)
    (labels,) = np.nonzero(is_allowed[TagSet.begins] | is_allowed[TagSet.insides])
    if n_tags <= _MANY_TAGS or len(labels) > n_tags // 4:
        return None
    pairs = np.stack([TagSet.begin(labels), TagSet.inside(labels)], axis=1)
    return np.append(TagSet.outside, pairs)


def _exclude(
    chain: LinearChain, sums: PathSums, spans: Spans
) -> tuple[float, Gradient]:
    """The sum of -log(1 - P(span)) over spans that are known to be wrong, and its
    gradient.

    chain (LinearChain): The chain over the paths that agree with other annotation.
    sums (PathSums): Its sums.
    RAISES NoPathError: If all agreeing paths have one of the spans.
    """
    xp = get_array_module(chain.emit)
    # A copy of the sequence for each span, over the paths that have the span.
    rows, lengths, allowed = _copies(chain, spans)
    copies = chain.take(xp.asarray(rows), lengths)
    with_span = PathSums(copies.constrain(allowed))
    if not with_span.has_path().all():  # what cannot be needs no exclusion
        return _exclude(chain, sums, spans.where(with_span.has_path()))
    others = copies.constrain(~allowed)
    has_others = to_numpy(xp.isfinite(others.emit).any(axis=1))
    is_certain = np.bincount(copies.sequences, has_others, len(lengths)) == 0
    if is_certain.any():
        i = int(is_certain.argmax())
        begin = int(TagSet.begin(spans.label[i]))
        raise NoPathError(int(spans.sequence[i]), int(spans.start[i]), [begin], [])
    sequence = xp.asarray(spans.sequence)
    log_prob = xp.minimum(with_span.log_z - sums.log_z[sequence], -_CERTAIN)
    # -d log(1 - p) = p / (1 - p) d log p, and d log p = E[.|span] - E[.]
    odds = xp.exp(log_prob) / -xp.expm1(log_prob)
    of_sequences = np.bincount(spans.sequence, to_numpy(odds), len(chain.lengths))
    given, free = with_span.expected(odds), sums.expected(xp.asarray(of_sequences))
    emit = xp.zeros_like(free.emit)
    xp.add.at(emit, xp.asarray(rows), given.emit)
    loss = float(-xp.log(-xp.expm1(log_prob)).sum())
    return loss, Gradient(emit, given.transitions).plus(free, -1.0)


def _copies(
    chain: LinearChain, spans: Spans
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """For each span a copy of its sequence: the rows of the chain, the lengths (S,),
    and the tags that each row has in paths with exactly this span."""
    lengths = np.asarray(chain.lengths)[spans.sequence]
    for start, end, n in zip(spans.start, spans.end, lengths, strict=True):
        if not 0 <= start < end <= n:
            raise ValueError(Errors.L018.format(span=(start, end), n=n))
    copy = np.repeat(np.arange(len(spans)), lengths)
    token = np.arange(len(copy)) - (np.cumsum(lengths) - lengths)[copy]
    rows = chain.first_rows[spans.sequence][copy] + token
    start, end, label = (a[copy] for a in (spans.start, spans.end, spans.label))
    inside = TagSet.inside(label)
    tag = np.where(token == start, TagSet.begin(label), inside)
    is_tag, is_inside = (
        np.arange(chain.emit.shape[1]) == wanted[:, None] for wanted in (tag, inside)
    )
    is_in_span = (start <= token) & (token < end)
    # At the token behind, any tag but I.
    allowed = np.where(
        is_in_span[:, None], is_tag, (token != end)[:, None] | ~is_inside
    )
    return rows, lengths, allowed


def cross_entropy(
    chain: LinearChain, target: LinearChain, temperature: float = 1.0
) -> tuple[float, Gradient]:
    """Cross-entropy with another distribution over paths: the expectation, under the
    target, of the negative log-likelihood. It is minimal, and the target's entropy, if
    both distributions are the same. The sum over paths is exact, from the marginals of
    tags and of transitions (structural distillation: Wang et al. 2020).

    With a temperature, both distributions are softened by it, and the loss is
    multiplied by its square, so that gradients keep their size (Hinton et al. 2015).

    chain (LinearChain): The scores.
    target (LinearChain): The scores of the target, over the same sequences. It may have
        fewer tags: the others have no probability in it.
    temperature (float): Positive. Divides the scores of both.
    RETURNS (Tuple[float, Gradient]): The loss and its gradient.
    """
    chain, target = (c.with_temperature(temperature) for c in (chain, target))
    learned = chain.transitions
    is_learned = isinstance(learned, LearnedTransitions)
    sums = PathSums(chain)
    expected = PathSums(_with_pairs(target) if is_learned else target).expected()
    tags = np.arange(expected.emit.shape[1])
    expected = _spread(expected, tags, chain.emit.shape[1])
    loss = float(sums.log_z.sum()) - _dot(expected.emit, chain.emit)
    if isinstance(learned, LearnedTransitions) and expected.transitions is not None:
        pairs = zip(expected.transitions.arrays, learned.arrays, strict=True)
        loss -= sum(_dot(*pair) for pair in pairs)
    else:
        expected = Gradient(expected.emit)
    gradient = sums.expected().plus(expected, -1.0)
    return temperature**2 * loss, gradient.scaled(temperature)


def _with_pairs(chain: LinearChain) -> LinearChain:
    """The same distribution, with a score for each pair of tags."""
    T = chain.transitions
    if isinstance(T, LearnedTransitions):
        return chain
    xp = get_array_module(chain.emit)
    may_follow = xp.asarray(TagSet.of_size(chain.emit.shape[1]).may_follow)
    scores = xp.where(may_follow, 0.0, -xp.inf)
    return replace(chain, transitions=LearnedTransitions(scores, T.start, T.end))


def expected_ratio(
    chain: LinearChain, counted: NDArray[np.bool_], low: float, high: float
) -> tuple[float, Gradient]:
    """How far the expected share of tokens with certain tags is from a range of
    plausible shares: 0 within it. With entity tags, the expected entity ratio loss
    (Effland & Collins 2021), which keeps a model that never sees O in training from
    finding entities everywhere.

    chain (LinearChain): The scores.
    counted (ndarray): Which tags count.  (N,)
    low, high (float): The range, 0 <= low <= high <= 1.
    RETURNS (Tuple[float, Gradient]): The distance, of the whole batch, between 0 and 1,
        and its gradient.
    """
    xp = get_array_module(chain.emit)
    values = xp.broadcast_to(xp.asarray(counted, dtype="float64"), chain.emit.shape)
    expected, gradient = PathSums(chain).covariance(values)
    n_tokens = len(chain.emit)
    ratio = float(expected.sum()) / n_tokens if n_tokens else low
    scale = ((ratio > high) - (ratio < low)) / max(n_tokens, 1)
    distance = max(0.0, low - ratio, ratio - high)
    return distance, gradient.scaled(scale)


def _spread(gradient: Gradient, tags: NDArray[np.intp], n_tags: int) -> Gradient:
    """A gradient by some of the tags as one by all N, 0 for the others."""
    xp = get_array_module(gradient.emit)
    tags = xp.asarray(tags)
    emit = xp.zeros((len(gradient.emit), n_tags))
    emit[:, tags] = gradient.emit
    T = gradient.transitions
    if T is not None:
        scores, ends = xp.zeros((n_tags, n_tags)), xp.zeros((2, n_tags))
        scores[tags[:, None], tags] = T.scores
        ends[:, tags] = xp.stack([T.start, T.end])
        T = LearnedTransitions(scores, *ends)
    return Gradient(emit, T)


def _dot(expected: Floats2d, scores: Floats2d) -> float:
    """Expected score; a score of -inf that is never taken counts nothing."""
    taken = expected > 0
    return float((expected[taken] * scores[taken]).sum())
