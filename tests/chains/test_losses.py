"""Losses and their gradients, against the list of all paths."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chains, partly_known, several
from util import (
    all_paths,
    as_learned,
    bio_chain,
    derivatives,
    extreme_chain,
    fresh,
    gradient_arrays,
    path_score,
    random_chain,
    reduce_forward,
    relative_error,
    split,
)

from spacy_lstm_ner.chains.bio_transitions import BioTransitions
from spacy_lstm_ner.chains.decoding import best_path
from spacy_lstm_ner.chains.learned_transitions import LearnedTransitions
from spacy_lstm_ner.chains.linear_chain import Gradient, LinearChain, NoPathError, Spans
from spacy_lstm_ner.chains.losses import (
    cross_entropy,
    expected_ratio,
    negative_log_likelihood,
)
from spacy_lstm_ner.chains.path_sums import PathSums


@several
@given(chains(), st.data())
def test_negative_log_likelihood(chain, data):
    allowed = data.draw(partly_known(chain))
    expected = sum(
        sequence.log_z - sequence.log_z_within(part)
        for sequence, part in zip(
            all_paths(chain), split(allowed, chain.lengths), strict=True
        )
    )
    loss = negative_log_likelihood(chain, allowed)[0]
    assert loss == pytest.approx(expected, rel=1e-9, abs=1e-8)


KNOWN = {
    "known": lambda shape, rng: np.eye(shape[1], dtype=bool)[
        rng.integers(0, shape[1], shape[0])
    ],
    "partly known": lambda shape, rng: (
        (rng.random(shape) < 0.5) | (np.arange(shape[1]) == 0)
    ),
    "some unknown": lambda shape, rng: (
        (rng.random(shape[0]) < 0.5)[:, None] | (np.arange(shape[1]) == 1)
    ),
}


@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
@pytest.mark.parametrize("used", [[], [3], [0, 17, 49]])
def test_labels_that_the_annotation_lacks(make_chain, used):
    """Of 50 labels, the numerator needs those that some token may have."""
    chain = in_double(make_chain([4, 0, 9], 101))
    if make_chain is random_chain:
        rules = as_learned(bio_chain(chain.lengths, 101)).transitions
        chain = replace(chain, transitions=chain.transitions.plus(rules))
    allowed = np.zeros((13, 101), dtype=bool)
    allowed[:, 0] = np.random.default_rng(0).random(13) < 0.7
    for label in used:
        allowed[:, [2 * label + 1, 2 * label + 2]] = True
    allowed[~allowed.any(axis=1), 0] = True
    loss, gradient = negative_log_likelihood(chain, allowed)
    free, known = PathSums(chain), PathSums(chain.constrain(allowed))
    assert loss == pytest.approx(float((free.log_z - known.log_z).sum()), rel=1e-12)
    expected = free.expected().plus(known.expected(), -1.0)
    np.testing.assert_allclose(gradient.emit, expected.emit, atol=1e-12)
    if make_chain is random_chain:
        arrays = zip(
            gradient.transitions.arrays, expected.transitions.arrays, strict=True
        )
        for found, other in arrays:
            np.testing.assert_allclose(found, other, atol=1e-12)


def in_double(chain):
    """The chain with scores in float64, for numeric gradients."""
    return replace(chain, emit=chain.emit.astype("float64"))


def assert_gradient(get_loss, chain):
    """Compare the gradient of a loss of a chain with central differences."""
    found = gradient_arrays(get_loss(chain)[1])
    expected = gradient_arrays(chain)
    assert found.keys() == expected.keys()
    along = [
        derivatives(lambda: get_loss(fresh(chain))[0], array, found[name], eps=1e-4)
        for name, array in expected.items()
    ]
    # Together: at large scores, the derivatives of one array may all be next to 0.
    assert relative_error(*map(np.concatenate, zip(*along, strict=True))) < 1e-6


def under_the_rules(lengths, n_tags, *, seed=0, scale=1.0):
    """Learned transitions where the BIO rules allow them, as of a CRF."""
    chain = random_chain(lengths, n_tags, seed=seed, scale=scale)
    rules = as_learned(bio_chain(lengths, n_tags)).transitions
    return replace(chain, transitions=chain.transitions.plus(rules))


every_kind = pytest.mark.parametrize(
    "make_chain", [random_chain, under_the_rules, bio_chain]
)


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("scale", [1.0, 20.0])
@every_kind
def test_whole_gradient(known, scale, make_chain):
    chain = in_double(make_chain([4, 1, 0, 3], 3, scale=scale))
    allowed = KNOWN[known](chain.emit.shape, np.random.default_rng(1))
    allowed[:, 0] |= make_chain is not random_chain  # so that a legal path remains
    assert_gradient(partial(negative_log_likelihood, allowed=allowed), chain)


@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
def test_no_gradient_without_annotation(make_chain):
    chain = make_chain([4, 3, 5], 5, scale=3.0)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    loss, gradient = negative_log_likelihood(chain, allowed)
    assert loss == 0.0
    assert not any(array.any() for array in gradient_arrays(gradient).values())
    # Nor where only a neighbour in the batch is annotated.
    allowed[4:7, 1:] = False
    loss, gradient = negative_log_likelihood(chain, allowed)
    assert loss > 0
    assert gradient.emit[4:7].any()
    assert not gradient.emit[:4].any()
    assert not gradient.emit[7:].any()


def test_contradicting_tags_name_their_sequence():
    chain = bio_chain([2, 0, 3], 3)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[2:] = [False, False, True]  # I without B
    with pytest.raises(NoPathError, match=r"\[L007\].*sequence 2 of the batch"):
        negative_log_likelihood(chain, allowed)


def test_extreme_neighbour_changes_no_loss():
    chain = random_chain([6, 6], 3, scale=1.0)
    allowed = KNOWN["known"](chain.emit.shape, np.random.default_rng(0))
    calm = replace(chain, emit=chain.emit[:6], lengths=np.array([6]))
    expected = negative_log_likelihood(calm, allowed[:6])[1].emit
    chain.emit[6:] *= 1e4
    found = negative_log_likelihood(chain, allowed)[1].emit[:6]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_extreme_gradient():
    chain = extreme_chain()
    marginals = PathSums(chain).marginals()
    np.testing.assert_allclose(marginals.sum(axis=1), 1.0, rtol=1e-6)
    # So large scores leave one path: all its tokens but ties have probability 1.
    tags = best_path(chain)
    assert (marginals[np.arange(len(tags)), tags] > 0.33).all()
    expected = PathSums(chain).expected().transitions.scores
    assert expected.sum() == pytest.approx(9_999, rel=1e-6)
    allowed = np.eye(3, dtype=bool)[np.zeros(10_000, dtype=int)]
    loss, gradient = negative_log_likelihood(chain, allowed)
    first_tag_only = path_score(
        np.zeros(10_000, dtype=int), chain.emit, chain.transitions
    )
    expected = float(reduce_forward(chain, np.logaddexp)) - first_tag_only
    assert loss == pytest.approx(expected, rel=1e-12)
    assert all(np.isfinite(a).all() for a in gradient_arrays(gradient).values())


def few_tags(chain, n_tags):
    """The chain over its first tags only."""
    T = chain.transitions
    if isinstance(T, BioTransitions):
        few = BioTransitions(n_tags)
    else:
        few = LearnedTransitions(
            T.scores[:n_tags, :n_tags], T.start[:n_tags], T.end[:n_tags]
        )
    return LinearChain(chain.emit[:, :n_tags], chain.lengths, few)


@pytest.mark.parametrize(("n_old", "temperature"), [(5, 1.0), (3, 2.5)])
@pytest.mark.parametrize("make_target", [under_the_rules, bio_chain])
@every_kind
def test_cross_entropy_against_all_paths(make_chain, make_target, n_old, temperature):
    lengths = [4, 1, 0, 3]
    chain = in_double(make_chain(lengths, 5))
    target = few_tags(make_target(lengths, 5, seed=1), n_old)
    expected = 0.0
    softened = (c.with_temperature(temperature) for c in (chain, target))
    for new, old in zip(*map(all_paths, softened), strict=True):
        log_probs = {
            tuple(p): s - new.log_z for p, s in zip(new.paths, new.scores, strict=True)
        }
        for path, prob in zip(old.paths, old.probs, strict=True):
            if prob:
                expected -= temperature**2 * prob * log_probs[tuple(path)]
    loss = partial(cross_entropy, target=target, temperature=temperature)
    assert loss(chain)[0] == pytest.approx(expected)
    assert_gradient(loss, chain)


def test_cross_entropy_is_minimal_at_the_target():
    chain = bio_chain([5, 2], 5)
    loss, gradient = cross_entropy(chain, chain)
    entropy = 0.0
    for paths in all_paths(chain):
        probs = paths.probs[paths.probs > 0]
        entropy -= (probs * np.log(probs)).sum()
    assert loss == pytest.approx(entropy, rel=1e-6)
    assert not any(array.any() for array in gradient_arrays(gradient).values())


# Spans that are known to be wrong


def log_prob_without(chain, allowed, span):
    """Log probability that a path of allowed tags does not have exactly this span."""
    b, start, end, label = span
    sequence = all_paths(chain)[b]
    part = split(allowed, chain.lengths)[b]
    tags = [2 * label + 1, *[2 * label + 2] * (end - start - 1)]
    without = []
    for path, score in zip(sequence.paths.tolist(), sequence.scores, strict=True):
        ends = end == len(path) or path[end] != 2 * label + 2
        has_span = path[start:end] == tags and ends
        if all(part[i, tag] for i, tag in enumerate(path)) and not has_span:
            without.append(score)
    total = np.logaddexp.reduce(without, initial=-np.inf)
    return total - sequence.log_z_within(part)


def draw_spans(data, chain):
    """Any spans, also such that begin alike, overlap, touch or end a sequence."""
    every = [
        (b, start, end, label)
        for b, n in enumerate(chain.lengths.tolist())
        for start in range(n)
        for end in range(start + 1, n + 1)
        for label in range(chain.emit.shape[1] // 2)
    ]
    return data.draw(st.lists(st.sampled_from(every), max_size=5)) if every else []


@several
@given(chains(max_length=3), st.data())
def test_excluded_spans(chain, data):
    chain = chain.with_temperature(max(1.0, abs(chain.emit).max(initial=0.0)))
    excluded = draw_spans(data, chain)
    allowed = data.draw(partly_known(chain))
    expected = negative_log_likelihood(chain, allowed)[0]
    expected -= sum(log_prob_without(chain, allowed, span) for span in excluded)
    loss, _ = negative_log_likelihood(chain, allowed, excluded=Spans.of(excluded))
    assert loss == pytest.approx(expected, rel=1e-7, abs=1e-7)


@every_kind
@pytest.mark.parametrize("known", KNOWN)
def test_gradient_with_excluded_spans_and_costs(make_chain, known):
    chain = in_double(make_chain([4, 1, 0, 5], 5, scale=2.0))
    rng = np.random.default_rng(2)
    allowed = KNOWN[known](chain.emit.shape, rng)
    allowed[:, 0] = True
    costs = rng.random(chain.emit.shape) * 3
    excluded = Spans.of(
        [
            (0, 0, 1, 0),
            (0, 0, 3, 0),
            (0, 1, 3, 0),
            (0, 2, 4, 1),
            (1, 0, 1, 1),
            (3, 0, 5, 0),
            (3, 2, 3, 0),
            (3, 3, 5, 0),
            (3, 3, 5, 1),
        ]
    )
    assert_gradient(
        partial(
            negative_log_likelihood, allowed=allowed, excluded=excluded, costs=costs
        ),
        chain,
    )


@pytest.mark.parametrize(
    "span", [(0, 0, 0, 0), (0, 2, 1, 0), (0, -1, 1, 0), (0, 1, 3, 0), (1, 2, 4, 0)]
)
def test_excluded_span_beyond_its_sequence(span):
    chain = bio_chain([2, 3], 3)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    with pytest.raises(ValueError, match=r"\[L018\] Span .* can't be excluded"):
        negative_log_likelihood(chain, allowed, excluded=Spans.of([span]))


def test_annotation_that_excluded_spans_contradict():
    chain = bio_chain([2, 2], 3)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[2] = [False, True, False]  # B at the second sequence's first token
    excluded = Spans.of([(0, 0, 1, 0), (1, 0, 1, 0)])
    negative_log_likelihood(chain, allowed, excluded=excluded)
    allowed[3] = [True, False, False]  # and O behind
    with pytest.raises(NoPathError) as info:
        negative_log_likelihood(chain, allowed, excluded=excluded)
    assert (info.value.sequence, info.value.token) == (1, 0)


def test_excluding_a_span_that_is_as_good_as_certain():
    chain = bio_chain([3], 3)
    chain.emit[:, 1:] -= 1e4
    chain.emit[0] = [0.0, 1e4, 0.0]
    allowed = np.ones(chain.emit.shape, dtype=bool)
    loss, gradient = negative_log_likelihood(
        chain, allowed, excluded=Spans.of([(0, 0, 1, 0)])
    )
    assert np.isfinite(loss)
    assert loss > 20
    assert np.isfinite(gradient.emit).all()


# Costs


@several
@given(chains(), st.data())
def test_costs_are_those_of_the_softmax_margin(chain, data):
    allowed = data.draw(partly_known(chain))
    costs = np.random.default_rng(0).random(chain.emit.shape) * 2
    costs[allowed] = 0.0
    expected = 0.0
    for sequence, part, cost in zip(
        all_paths(chain),
        split(allowed, chain.lengths),
        split(costs, chain.lengths),
        strict=True,
    ):
        rows = np.arange(len(part))
        of_paths = cost[rows, sequence.paths].sum(axis=1)
        expected += np.logaddexp.reduce(sequence.scores + of_paths)
        expected -= sequence.log_z_within(part)
    loss, _ = negative_log_likelihood(chain, allowed, costs=costs)
    assert loss == pytest.approx(expected, rel=1e-9, abs=1e-8)


# The expected entity ratio


COUNTED = np.array([False, True, True])


@pytest.mark.parametrize(
    ("low", "high", "side"), [(0.0, 0.1, 1), (0.9, 1.0, -1), (0.0, 1.0, 0)]
)
@every_kind
def test_expected_ratio(low, high, side, make_chain):
    chain = in_double(make_chain([4, 1, 0, 3], 3))
    expected = sum(s.marginals()[:, 1:].sum() for s in all_paths(chain)) / 8
    assert 0.1 < expected < 0.9
    loss, gradient = expected_ratio(chain, COUNTED, low, high)
    distance = {1: expected - high, -1: low - expected, 0: 0.0}[side]
    assert loss == pytest.approx(distance)
    if side:
        assert_gradient(lambda c: expected_ratio(c, COUNTED, low, high), chain)
    else:
        assert not any(array.any() for array in gradient_arrays(gradient).values())


def test_expected_ratio_of_nothing():
    chain = random_chain([0], 3)
    loss, gradient = expected_ratio(chain, COUNTED, 0.1, 0.2)
    assert loss == 0.0
    assert not any(array.any() for array in gradient_arrays(gradient).values())


@pytest.mark.parametrize("learned", ["both", "one", "other", "neither"])
def test_sums_of_gradients(learned):
    one, other = (Gradient(*_parts(random_chain([2, 1], 3, seed=i))) for i in (0, 1))
    if learned in ("other", "neither"):
        one = replace(one, transitions=None)
    if learned in ("one", "neither"):
        other = replace(other, transitions=None)
    total = gradient_arrays(one.plus(other, 10.0))
    assert ("start" in total) == (learned != "neither")
    zero = dict.fromkeys(total, 0.0)
    parts = [{**zero, **gradient_arrays(gradient)} for gradient in (one, other)]
    for name, array in total.items():
        expected = parts[0][name] + 10 * parts[1][name]
        np.testing.assert_allclose(array, expected, rtol=1e-6)


def _parts(chain):
    return chain.emit, chain.transitions
