"""What a linear chain is trained by: losses of tag paths, and their gradients.

Pure array functions. A loss is summed over sequences, in nats; its gradient has the
form of the chain. Letters of axes as in `linear_chain`.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..types import Floats2d, Ints1d, Ints2d
from .exclusion import exclude_spans
from .linear_chain import LinearChain, NoPathError, first_and_last_rows
from .path_sums import PathSums


def negative_log_likelihood(
    chain: LinearChain,
    allowed: NDArray[np.bool_],
    *,
    excluded: Ints2d | None = None,
    costs: Floats2d | None = None,
) -> tuple[float, LinearChain]:
    """How improbable it is that the paths agree with what is known: log Z less the log
    of the sum over the paths that agree. A token that may have any tag costs nothing.

    With costs, a path's probability is taken as if its score were higher by its costs:
    the softmax-margin (Gimpel & Smith 2010), which asks for more distance where an
    error costs more.

    chain (LinearChain): The scores.
    allowed (ndarray): Whether each token may have each tag; one tag where it is
        known, all where it is not.  (T, N)
    excluded (Optional[Ints2d]): Spans that are known to be wrong, as
        `PathSums.log_prob_of_spans` takes them: no path that has exactly one of them
        agrees.  (S, 4)
    costs (Optional[Floats2d]): Cost of each tag at each token, 0 for right ones.
        (T, N)
    RETURNS (Tuple[float, LinearChain]): The loss and its gradient.
    RAISES NoPathError: If no path agrees.
    """
    agreeing = chain.constrain(allowed)
    if excluded is not None and len(excluded):
        agreeing, original = exclude_spans(agreeing, excluded)
    else:
        original = np.arange(len(chain.start))
    known = PathSums(agreeing)
    try:
        agreeing.require_paths(known.has_path())
    except NoPathError as err:
        tags = (sorted(set(original[t].tolist())) for t in (err.allowed, err.arriving))
        raise NoPathError(err.sequence, err.token, *tags) from None
    if costs is not None:
        xp = get_array_module(chain.emit)
        chain = replace(chain, emit=chain.emit + xp.asarray(costs))
    free = PathSums(chain)
    loss = float((free.log_z - known.log_z).sum())
    tags = known.marginals()
    transitions = known.expected_transitions() if chain.learns_transitions else None
    n_tags = len(chain.start)
    if len(original) > n_tags:  # copies of a tag count as the tag
        fold = get_array_module(tags).asarray(np.eye(n_tags)[original])
        tags = tags @ fold
        transitions = None if transitions is None else fold.T @ transitions @ fold
    d_transitions = (
        None if transitions is None else free.expected_transitions() - transitions
    )
    return loss, _gradient(chain, free.marginals() - tags, d_transitions)


def cross_entropy(chain: LinearChain, target: PathSums) -> tuple[float, LinearChain]:
    """How far the paths are from those of another distribution: its expectation of the
    negative log-likelihood. Minimal, and its entropy, where both are the same.

    chain (LinearChain): The scores.
    target (PathSums): The distribution to come close to, over the same sequences. It
        may have fewer tags: the others have no probability in it.
    RETURNS (Tuple[float, LinearChain]): The loss and its gradient.
    """
    free = PathSums(chain)
    d_tags = free.marginals()
    tags, transitions = target.marginals(), target.expected_transitions()
    n_tags = len(transitions)
    firsts, lasts = _first_and_last_rows(chain)
    scores = (
        (tags, chain.emit[:, :n_tags]),
        (transitions, chain.transition[:n_tags, :n_tags]),
        (tags[firsts].sum(axis=0), chain.start[:n_tags]),
        (tags[lasts].sum(axis=0), chain.end[:n_tags]),
    )
    loss = float(free.log_z.sum())
    for expected, score in scores:
        loss -= float((expected[expected > 0] * score[expected > 0]).sum())
    d_tags[:, :n_tags] -= tags
    if not chain.learns_transitions:
        return loss, _gradient(chain, d_tags, None)
    d_transitions = free.expected_transitions()
    d_transitions[:n_tags, :n_tags] -= transitions
    return loss, _gradient(chain, d_tags, d_transitions)


def expected_ratio(
    chain: LinearChain, counted: NDArray[np.bool_], low: float, high: float
) -> tuple[float, LinearChain]:
    """How far the expected share of tokens with certain tags is from a range of
    plausible shares: 0 within it. With entity tags, the expected entity ratio loss
    (Effland & Collins 2021), which keeps a model that never sees O in training from
    finding entities everywhere.

    chain (LinearChain): The scores.
    counted (ndarray): Which tags count.  (N,)
    low, high (float): The range, 0 <= low <= high <= 1.
    RETURNS (Tuple[float, LinearChain]): The distance, of the whole batch, between 0 and
        1, and its gradient.
    """
    xp = get_array_module(chain.emit)
    values = xp.broadcast_to(xp.asarray(counted, dtype="float64"), chain.emit.shape)
    expected, d_tags, d_transitions = PathSums(chain).covariance(values)
    n_tokens = len(chain.emit)
    ratio = float(expected.sum()) / n_tokens if n_tokens else low
    scale = ((ratio > high) - (ratio < low)) / max(n_tokens, 1)
    distance = max(0.0, low - ratio, ratio - high)
    d_learned = d_transitions * scale if chain.learns_transitions else None
    return distance, _gradient(chain, d_tags * scale, d_learned)


def add_gradients(
    gradient: LinearChain, other: LinearChain, weight: float
) -> LinearChain:
    """The gradient of a weighted sum of two losses of the same chain.

    gradient, other (LinearChain): The gradients.
    weight (float): The weight of the other loss.
    """
    return LinearChain(
        emit=gradient.emit + weight * other.emit,
        lengths=gradient.lengths,
        transition=gradient.transition + weight * other.transition,
        start=gradient.start + weight * other.start,
        end=gradient.end + weight * other.end,
    )


def _gradient(
    chain: LinearChain, d_tags: Floats2d, d_transitions: Floats2d | None
) -> LinearChain:
    """The gradient of a chain from those of its tags and of learned transitions."""
    firsts, lasts = _first_and_last_rows(chain)
    if d_transitions is None:
        d_transitions = get_array_module(d_tags).zeros_like(chain.transition)
    return LinearChain(
        emit=d_tags.astype(chain.emit.dtype),
        lengths=chain.lengths,
        transition=d_transitions.astype("f"),
        start=d_tags[firsts].sum(axis=0).astype("f"),
        end=d_tags[lasts].sum(axis=0).astype("f"),
    )


def _first_and_last_rows(chain: LinearChain) -> tuple[Ints1d, Ints1d]:
    """The rows of each sequence's first and last token, on the device of the chain."""
    xp = get_array_module(chain.emit)
    firsts, lasts = first_and_last_rows(chain.lengths)
    return xp.asarray(firsts), xp.asarray(lasts)
