"""Sums over tag paths, against the list of all paths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chains, partly_known, several
from util import (
    all_paths,
    as_learned,
    bio_chain,
    extreme_chain,
    fresh,
    gradient_arrays,
    gradient_error,
    random_chain,
    reduce_forward,
    split,
)

from spacy_lstm_ner.chains import learned_transitions, recursion
from spacy_lstm_ner.chains.decoding import best_path, n_best_paths
from spacy_lstm_ner.chains.learned_transitions import LearnedTransitions
from spacy_lstm_ner.chains.linear_chain import NoPathError, Spans
from spacy_lstm_ner.chains.path_sums import PathSums

# Log-space sums in float64, of scores up to 4 * 400 * 9.
EXACT = {"rtol": 1e-12, "atol": 1e-9}


@several
@given(chains())
def test_log_z(chain):
    expected = [sequence.log_z for sequence in all_paths(chain)]
    np.testing.assert_allclose(PathSums(chain).log_z, expected, **EXACT)


@several
@given(chains())
def test_marginals(chain):
    expected = [sequence.marginals() for sequence in all_paths(chain)]
    found = split(PathSums(chain).marginals(), chain.lengths)
    for found_TN, expected_TN in zip(found, expected, strict=True):
        np.testing.assert_allclose(found_TN, expected_TN, rtol=1e-9, atol=1e-9)


@several
@given(chains(), st.booleans())
def test_expected_counts(chain, weighted):
    weights = np.arange(len(chain.lengths)) + 0.5 if weighted else None
    found = PathSums(chain).expected(weights)
    marginals, pairs = np.zeros(chain.emit.shape), 0.0
    parts = split(marginals, chain.lengths)
    for b, (sequence, part) in enumerate(zip(all_paths(chain), parts, strict=True)):
        weight = b + 0.5 if weighted else 1.0
        part[:] = weight * sequence.marginals()
        pairs = pairs + weight * sequence.expected_transitions()
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(found.emit, marginals, **close)
    if not isinstance(chain.transitions, LearnedTransitions):
        assert found.transitions is None
        return
    ends = (found.transitions.start.sum(), found.transitions.end.sum())
    total = sum(weights[chain.lengths > 0]) if weighted else (chain.lengths > 0).sum()
    np.testing.assert_allclose(ends, total)
    found = found.transitions.scores
    assert found.shape == (chain.emit.shape[1], chain.emit.shape[1])
    np.testing.assert_allclose(found, found * 0 + pairs, **close)


def test_expected_transitions_of_scores_far_apart():
    """Pairs of tags one block after the other, where exponentials could underflow."""
    chain = random_chain([299, 2], 101)
    emit, learned = chain.emit.copy(), chain.transitions
    emit[7:9] *= 500
    learned.scores[5, 6] = learned.scores[9, 1] = -2e3
    chain = replace(chain, emit=emit, transitions=learned)
    found = PathSums(chain).expected().transitions.scores
    parts = [
        PathSums(replace(chain, emit=part, lengths=np.array([len(part)]))).expected()
        for part in split(emit, chain.lengths)
    ]
    total = sum(part.transitions.scores for part in parts)
    np.testing.assert_allclose(found, total, rtol=1e-9, atol=1e-12)
    assert found.sum() == pytest.approx(298 + 1)


def every_span(chain):
    return Spans.of(
        (b, start, end, label)
        for b, n in enumerate(chain.lengths.tolist())
        for start in range(n)
        for label in range(chain.emit.shape[1] // 2)
        for end in range(start + 1, n + 1)
    )


@several
@given(chains())
def test_log_prob_of_spans(chain):
    spans, sequences = every_span(chain), all_paths(chain)
    expected = []
    for b, start, end, label in zip(
        *(a.tolist() for a in spans.arrays[:4]), strict=True
    ):
        begin, inside = 2 * label + 1, 2 * label + 2
        tags = [begin, *[inside] * (end - start - 1)]

        def is_exactly(path, start=start, end=end, tags=tags, inside=inside):
            return path[start:end] == tags and path[end : end + 1] != [inside]

        expected.append(sequences[b].prob(is_exactly))
    found = PathSums(chain).log_prob_of_spans(spans)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_spans_that_begin_alike_exclude_each_other(seed):
    chain = bio_chain([5, 3], 5, seed=seed, scale=3.0)
    spans, sums = every_span(chain), PathSums(chain)
    probs = np.exp(sums.log_prob_of_spans(spans))
    by_row = np.bincount(chain.first_rows[spans.sequence] + spans.start, probs, 8)
    begins = sums.marginals()[:, [1, 3]].sum(axis=1)
    np.testing.assert_allclose(by_row, begins, atol=1e-9)


@several
@given(chains(), st.data())
def test_constrain_keeps_the_paths_of_allowed_tags(chain, data):
    allowed = data.draw(partly_known(chain))
    before = chain.emit.copy()
    found = PathSums(chain.constrain(allowed)).log_z
    expected = [
        sequence.log_z_within(part)
        for sequence, part in zip(
            all_paths(chain), split(allowed, chain.lengths), strict=True
        )
    ]
    np.testing.assert_allclose(found, expected, **EXACT)
    np.testing.assert_array_equal(chain.emit, before)


def test_take_keeps_some_tokens():
    chain = random_chain([3, 2, 4], 3)
    taken = chain.take(np.array([0, 2, 5, 6, 7, 8]), np.array([2, 4]))
    np.testing.assert_array_equal(taken.emit, chain.emit[[0, 2, 5, 6, 7, 8]])
    assert PathSums(taken).log_z[1] == pytest.approx(
        PathSums(chain).log_z[2], rel=1e-14
    )


def test_no_allowed_tag_at_all():
    chain = random_chain([2, 3], 3)
    chain.emit[1] = -np.inf
    assert PathSums(chain).log_z.tolist()[0] == -np.inf
    assert np.isfinite(PathSums(chain).log_z[1])
    assert PathSums(chain).has_path().tolist() == [False, True]


def test_forbidden_transitions_everywhere():
    chain = random_chain([2, 1], 3)
    chain.transitions.scores[:] = -np.inf
    log_z = PathSums(chain).log_z
    assert log_z[0] == -np.inf
    assert np.isfinite(log_z[1])


@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
def test_nothing_to_tag(lengths, make_chain):
    chain = make_chain(lengths, 3)
    sums = PathSums(chain)
    np.testing.assert_array_equal(sums.log_z, np.zeros(len(lengths)))
    assert sums.marginals().shape == (0, 3)
    assert not any(a.any() for a in gradient_arrays(sums.expected()).values())
    assert sums.log_prob_of_spans(Spans.of([])).shape == (0,)
    assert sums.log_prob_of_paths(np.zeros(0, dtype=int)).tolist() == [0] * len(lengths)
    assert len(sums.probable_spans(np.array([0.1]))) == 0
    assert sums.entropy().tolist() == [0] * len(lengths)
    expected, gradient = sums.covariance(np.zeros((0, 3)))
    assert not expected.any()
    assert not any(a.any() for a in gradient_arrays(gradient).values())


def test_empty_sequences_among_others_change_nothing():
    chain = random_chain([3, 2], 3)
    with_empty = replace(chain, lengths=np.array([0, 3, 0, 2, 0]))
    np.testing.assert_array_equal(best_path(with_empty), best_path(chain))
    np.testing.assert_array_equal(
        PathSums(with_empty).log_z[[1, 3]], PathSums(chain).log_z
    )
    assert not PathSums(with_empty).log_z[[0, 2, 4]].any()


def test_result_is_independent_of_the_batch():
    chain = random_chain([7, 1, 12, 3], 5, scale=5.0)
    found = PathSums(chain)
    marginals = split(found.marginals(), chain.lengths)
    paths = split(best_path(chain), chain.lengths)
    for i, emit in enumerate(split(chain.emit, chain.lengths)):
        alone = replace(chain, emit=emit, lengths=chain.lengths[i : i + 1])
        np.testing.assert_array_equal(best_path(alone), paths[i])
        np.testing.assert_allclose(PathSums(alone).log_z, found.log_z[i], rtol=1e-14)
        np.testing.assert_allclose(
            PathSums(alone).marginals(), marginals[i], rtol=1e-11, atol=1e-14
        )


def test_extreme_log_z():
    chain = extreme_chain()
    expected = reduce_forward(chain, np.logaddexp)
    assert PathSums(chain).log_z[0] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
def test_matrix_products_agree_with_logarithms(scale, make_chain, monkeypatch):
    chain = make_chain([9, 4, 1], 5, scale=scale)
    if make_chain is random_chain:
        chain.transitions.scores[1, 2] = chain.transitions.scores[3, 0] = -np.inf
    values = np.random.default_rng(1).standard_normal(chain.emit.shape)

    def everything():
        sums = PathSums(chain)
        parts = [sums.log_z, sums.entropy(), *gradient_arrays(sums.expected()).values()]
        mean, gradient = sums.covariance(values)
        return [*parts, mean, *gradient_arrays(gradient).values()]

    default = everything()
    for module in (recursion, learned_transitions):
        monkeypatch.setattr(module, "UNDERFLOW", -1e9)
    for found, expected in zip(default, everything(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n_tags", [3, 201])
def test_the_rules_alone_are_a_matrix_of_zeros(n_tags):
    """Operations that are linear in labels, against those on the matrix."""
    chain = bio_chain([5, 0, 1, 30, 300], n_tags, scale=2.0)
    chain.emit[20, 0] = -np.inf
    rules, matrix = PathSums(chain), PathSums(as_learned(chain))
    values = np.random.default_rng(0).random(chain.emit.shape)
    close = {"rtol": 1e-9, "atol": 1e-11}
    for name in ("log_z", "marginals", "entropy"):
        one, two = (getattr(sums, name) for sums in (rules, matrix))
        if callable(one):
            one, two = one(), two()
        np.testing.assert_allclose(one, two, **close, err_msg=name)
    (one, d_one), (two, d_two) = (sums.covariance(values) for sums in (rules, matrix))
    np.testing.assert_allclose(one, two, **close)
    np.testing.assert_allclose(d_one.emit, d_two.emit, **close)
    least = np.full(n_tags // 2, 0.02)
    one, two = (sums.probable_spans(least) for sums in (rules, matrix))
    assert len(one)
    for array, other in zip(one.arrays, two.arrays, strict=True):
        np.testing.assert_allclose(array, other, **close)
    path = best_path(chain)
    np.testing.assert_array_equal(path, best_path(as_learned(chain)))
    for array, other in zip(
        n_best_paths(chain, 3), n_best_paths(as_learned(chain), 3), strict=True
    ):
        np.testing.assert_allclose(array, other, rtol=1e-12)
    np.testing.assert_allclose(
        *(sums.log_prob_of_paths(path) for sums in (rules, matrix)), **close
    )


# Entropy, expectations and paths


@several
@given(chains())
def test_entropy(chain):
    expected = [-xlogy(sequence.probs).sum() for sequence in all_paths(chain)]
    found = PathSums(chain).entropy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert (found >= 0).all()


def xlogy(probs):
    return probs * np.log(np.where(probs > 0, probs, 1))


def test_entropy_of_extreme_scores():
    chain = bio_chain([400, 1, 30], 7)
    n_legal = [0.0, np.log(4)]  # O and three B, all alike
    uniform = replace(chain, emit=chain.emit * 0)
    entropy = PathSums(uniform).entropy()
    np.testing.assert_allclose(entropy[:2], [PathSums(uniform).log_z[0], n_legal[1]])
    # One path is left: no uncertainty, and none by rounding.
    certain = replace(chain, emit=chain.emit * 1e4)
    assert (PathSums(certain).entropy() < 1e-6).all()
    assert (PathSums(extreme_chain()).entropy() >= 0).all()


@several
@given(chains())
def test_log_prob_of_paths(chain):
    sequences = all_paths(chain)
    rng = np.random.default_rng(0)
    chosen = [rng.integers(len(sequence.paths)) for sequence in sequences]
    tags = [s.paths[i] for s, i in zip(sequences, chosen, strict=True)]
    expected = [s.probs[i] for s, i in zip(sequences, chosen, strict=True)]
    flat = np.concatenate([np.zeros(0, dtype=int), *tags])
    found = np.exp(PathSums(chain).log_prob_of_paths(flat))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@several
@given(chains(), st.sampled_from([0.01, 0.1, 0.5]))
def test_probable_spans(chain, least):
    at_least = least * (1 + np.arange(chain.emit.shape[1] // 2))
    every, sums = every_span(chain), PathSums(chain)
    probs = np.exp(sums.log_prob_of_spans(every))
    limits = at_least[every.label]
    # Which side of the limit the sums round to does not matter.
    clear = abs(probs - limits) > 1e-9
    found = sums.probable_spans(at_least)
    columns = [np.stack(spans.arrays[:4], axis=1).tolist() for spans in (every, found)]
    is_found = np.array([row in columns[1] for row in columns[0]], dtype=bool)
    np.testing.assert_array_equal(is_found[clear], (probs > limits)[clear])
    assert columns[1] == [row for row in columns[0] if row in columns[1]]  # in order
    np.testing.assert_allclose(found.confidence, probs[is_found], rtol=1e-9)


@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
def test_covariance_is_the_derivative_of_the_expectation(make_chain):
    chain = make_chain([4, 1, 0, 3], 3, scale=2.0)
    chain = replace(chain, emit=chain.emit.astype("float64"))
    chain.emit[5, 0] = -np.inf
    if make_chain is random_chain:
        chain.transitions.scores[1, 2] = chain.transitions.start[2] = -np.inf
    values = np.random.default_rng(1).standard_normal(chain.emit.shape)

    def expectation():
        return (PathSums(fresh(chain)).marginals() * values).sum()

    expected, gradient = PathSums(chain).covariance(values)
    by_sequence = split(PathSums(chain).marginals() * values, chain.lengths)
    np.testing.assert_allclose(expected, [part.sum() for part in by_sequence])
    found = gradient_arrays(gradient)
    for name, array in gradient_arrays(chain).items():
        assert gradient_error(expectation, array, found[name], 1e-4) < 1e-8, name


@several
@given(chains())
def test_covariance_against_all_paths(chain):
    values = np.random.default_rng(0).standard_normal(chain.emit.shape)
    expected, gradient = PathSums(chain).covariance(values)
    parts = zip(
        all_paths(chain), split(values, chain.lengths), expected,
        split(gradient.emit, chain.lengths), strict=True,
    )  # fmt: skip
    by_transition = np.zeros((chain.emit.shape[1], chain.emit.shape[1]))
    for sequence, value, mean, d_tag in parts:
        rows = np.arange(len(value))
        sums = value[rows, sequence.paths].sum(axis=1)
        assert mean == pytest.approx((sequence.probs * sums).sum(), abs=1e-8)
        weights = sequence.probs * (sums - mean)
        by_tag = np.zeros_like(value)
        for path, weight in zip(sequence.paths, weights, strict=True):
            by_tag[rows, path] += weight
            np.add.at(by_transition, (path[:-1], path[1:]), weight)
        np.testing.assert_allclose(d_tag, by_tag, rtol=1e-7, atol=1e-7)
    if gradient.transitions is not None:
        found = gradient.transitions.scores
        np.testing.assert_allclose(found, by_transition, rtol=1e-7, atol=1e-7)


def test_temperature_divides_all_scores():
    for chain in (bio_chain([3, 2], 5), random_chain([3, 2], 5)):
        cooled = chain.with_temperature(2.0)
        for sequence, half in zip(all_paths(chain), all_paths(cooled), strict=True):
            np.testing.assert_allclose(half.scores, sequence.scores / 2, rtol=1e-6)
        np.testing.assert_array_equal(best_path(cooled), best_path(chain))
    assert chain.with_temperature(1.0) is chain


# What is wrong with a chain


def dead_end(chain):
    with pytest.raises(NoPathError) as info:
        chain.require_paths(PathSums(chain).has_path())
    err = info.value
    return err.sequence, err.token, err.allowed, err.arriving


def test_dead_end_in_the_middle():
    chain = bio_chain([2, 0, 3], 5)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[3, [0, 3]] = False  # B-0, I-0 or I-1
    allowed[3, 2] = False  # B-0 or I-1
    allowed[4] = [False, False, False, False, True]  # I-1
    chain.emit[2, 3] = -np.inf  # so no I-1 before
    allowed[3, 4] = True
    constrained = chain.constrain(allowed)
    assert dead_end(constrained) == (2, 2, [4], [1])


def test_dead_end_at_the_start_and_at_the_end():
    chain = bio_chain([2], 3)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[0, :2] = False
    assert dead_end(chain.constrain(allowed)) == (0, 0, [2], [])
    learned = as_learned(chain).transitions
    learned.end[:] = -np.inf
    ended = replace(chain, transitions=learned)
    assert dead_end(ended) == (0, 1, [0, 1, 2], [0, 1, 2])
    no_tag = chain.constrain(np.zeros(chain.emit.shape, dtype=bool))
    assert dead_end(no_tag) == (0, 0, [], [])


def test_take_sequences():
    chain = random_chain([3, 2, 0, 4], 3)
    taken = chain.take_sequences(np.array([True, False, True, True]))
    np.testing.assert_array_equal(taken.emit, chain.emit[[0, 1, 2, 5, 6, 7, 8]])
    assert taken.lengths.tolist() == [3, 0, 4]


# All at once


def test_six_tokens_and_seven_tags_against_all_paths():
    chain = bio_chain([6, 2, 0, 5], 7, seed=3, scale=2.0)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[2] = np.arange(7) == 3  # a known tag
    allowed[4, [2, 4, 6]] = False  # a cut
    chain = chain.constrain(allowed)
    sums = PathSums(chain)
    paths, scores = n_best_paths(chain, 4)
    marginals = split(sums.marginals(), chain.lengths)
    spans = Spans.of([(0, 0, 2, 0), (0, 2, 4, 1), (0, 5, 6, 2), (3, 0, 5, 0)])
    found = np.exp(sums.log_prob_of_spans(spans))
    expected = np.zeros(len(spans))
    first = 0
    for b, sequence in enumerate(all_paths(chain)):
        assert sums.log_z[b] == pytest.approx(sequence.log_z, abs=1e-9)
        assert sums.entropy()[b] == pytest.approx(-xlogy(sequence.probs).sum())
        np.testing.assert_allclose(marginals[b], sequence.marginals(), atol=1e-9)
        best = np.sort(sequence.scores)[::-1][:4]
        np.testing.assert_allclose(scores[: len(best), b], best)
        last = first + chain.lengths[b]
        order = np.argsort(-sequence.scores)[:1]
        assert paths[0, first:last].tolist() == sequence.paths[order[0]].tolist()
        for i in np.flatnonzero(spans.sequence == b):
            start, end, label = (int(a[i]) for a in spans.arrays[1:4])
            tags = [2 * label + 1, *[2 * label + 2] * (end - start - 1)]
            is_span = (sequence.paths[:, start:end] == tags).all(axis=1)
            if end < chain.lengths[b]:
                is_span &= sequence.paths[:, end] != 2 * label + 2
            expected[i] = sequence.probs[is_span].sum()
        first = last
    assert (expected > 0).all()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
