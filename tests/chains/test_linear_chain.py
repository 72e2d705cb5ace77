"""Sums over tag paths, against the list of all paths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chains, partly_known, several
from util import (
    all_paths,
    bio_chain,
    extreme_chain,
    numeric_gradient,
    random_chain,
    reduce_forward,
    relative_error,
    split,
)

from spacy_lstm_ner.chains import recursion as messages
from spacy_lstm_ner.chains.linear_chain import NoPathError
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.chains.viterbi import best_path, n_best_paths

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
@given(chains())
def test_expected_transitions(chain):
    expected = sum(sequence.expected_transitions() for sequence in all_paths(chain))
    found = PathSums(chain).expected_transitions()
    assert found.shape == chain.transition.shape
    np.testing.assert_allclose(found, found * 0 + expected, rtol=1e-9, atol=1e-9)


def test_expected_transitions_in_several_blocks():
    # Blocks hold 2**20 elements: 104 rows of 100 tags, so 300 tokens are three blocks.
    chain = random_chain([299, 2], 100)
    found = PathSums(chain).expected_transitions()
    parts = [
        PathSums(
            replace(chain, emit=emit, lengths=np.array([len(emit)]))
        ).expected_transitions()
        for emit in split(chain.emit, chain.lengths)
    ]
    np.testing.assert_allclose(found, sum(parts), **EXACT)
    assert found.sum() == pytest.approx(298 + 1)


@several
@given(chains(), st.data())
def test_log_prob_of_spans(chain, data):
    bounds = [
        (b, start, end)
        for b, n in enumerate(chain.lengths.tolist())
        for start in range(n)
        for end in range(start + 1, n + 1)
    ]
    n_tags = len(chain.start)
    tags = st.integers(0, n_tags - 1)
    offsets = np.cumsum(chain.lengths) - chain.lengths
    sequences = all_paths(chain)
    spans, expected = [], []
    for b, start, end in bounds:
        first, inner = data.draw(tags), data.draw(tags)
        span = [first, *[inner] * (end - start - 1)]

        def is_exactly(path, start=start, end=end, span=span, inner=inner):
            return path[start:end] == span and path[end : end + 1] != [inner]

        spans.append((offsets[b] + start, offsets[b] + end, first, inner))
        expected.append(sequences[b].prob(is_exactly))
    found = PathSums(chain).log_prob_of_spans(np.array(spans, dtype=int))
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_exclusive_spans_have_at_most_all_probability(seed):
    chain = bio_chain([5, 3], 5, seed=seed, scale=3.0)
    for row in range(8):
        end_of_sequence = 5 if row < 5 else 8
        # Spans of any label that begin at this token exclude each other.
        spans = [
            (row, end, first, first + 1)
            for end in range(row + 1, end_of_sequence + 1)
            for first in (1, 3)
        ]
        probs = np.exp(PathSums(chain).log_prob_of_spans(np.array(spans)))
        begins = PathSums(chain).marginals()[row, [1, 3]].sum()
        assert probs.sum() == pytest.approx(begins, abs=1e-9)
        assert probs.sum() <= 1 + 1e-9


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
    chain.transition[:] = -np.inf
    log_z = PathSums(chain).log_z
    assert log_z[0] == -np.inf
    assert np.isfinite(log_z[1])


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
def test_nothing_to_tag(lengths):
    chain = random_chain(lengths, 3)
    sums = PathSums(chain)
    np.testing.assert_array_equal(sums.log_z, np.zeros(len(lengths)))
    assert sums.marginals().shape == (0, 3)
    np.testing.assert_array_equal(sums.expected_transitions(), np.zeros((3, 3)))
    assert sums.log_prob_of_spans(np.zeros((0, 4), dtype=int)).shape == (0,)
    assert sums.log_prob_of_paths(np.zeros(0, dtype=int)).tolist() == [0] * len(lengths)
    spans, log_probs = sums.probable_spans(np.array([[1, 2]]), np.array([0.1]))
    assert (spans.shape, log_probs.shape) == ((0, 4), (0,))
    assert sums.entropy().tolist() == [0] * len(lengths)
    assert not any(array.any() for array in sums.covariance(np.zeros((0, 3))))
    assert chain.find_non_finite() is None


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
def test_one_matrix_product_agrees_with_term_by_term(scale, monkeypatch):
    chain = random_chain([9, 4, 1], 4, scale=scale)
    chain.transition[1, 2] = chain.transition[3, 0] = -np.inf
    default = PathSums(chain)
    monkeypatch.setattr(messages, "_UNDERFLOW", -1.0)
    term_by_term = PathSums(chain)
    np.testing.assert_allclose(default.log_z, term_by_term.log_z, **EXACT)
    np.testing.assert_allclose(
        default.marginals(), term_by_term.marginals(), rtol=1e-9, atol=1e-12
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
    n_tags = len(chain.start)
    # Kinds with different minima: (first tag, inner tag).
    kinds = np.array([(a, b) for a in range(n_tags) for b in range(n_tags) if a != b])
    kinds = kinds.reshape(-1, 2)
    at_least = np.where(np.arange(len(kinds)) % 2, least, 2 * least)
    ends = np.repeat(np.cumsum(chain.lengths), chain.lengths)
    every = [
        (row, end, *kind)
        for row in range(len(chain.emit))
        for kind in kinds.tolist()
        for end in range(row + 1, ends[row] + 1)
    ]
    sums = PathSums(chain)
    probs = np.exp(sums.log_prob_of_spans(np.array(every, dtype=int).reshape(-1, 4)))
    limits = {tuple(k): p for k, p in zip(kinds.tolist(), at_least, strict=True)}
    # Which side of the limit the sums round to does not matter.
    clear = {s: p for s, p in zip(every, probs, strict=True)
             if abs(p - limits[s[2:]]) > 1e-9}  # fmt: skip
    spans, log_probs = sums.probable_spans(kinds, at_least)
    found = dict(zip(map(tuple, spans.tolist()), np.exp(log_probs), strict=True))
    assert set(found) & set(clear) == {s for s, p in clear.items() if p > limits[s[2:]]}
    for span in set(found) & set(clear):
        assert found[span] == pytest.approx(clear[span], rel=1e-9)
    assert spans.tolist() == sorted(
        spans.tolist(), key=lambda s: (s[0], kinds.tolist().index(s[2:]), s[1])
    )


def test_covariance_is_the_derivative_of_the_expectation():
    chain = random_chain([4, 1, 0, 3], 3, scale=2.0)
    chain.transition[1, 2] = chain.start[2] = chain.emit[5, 0] = -np.inf
    values = np.random.default_rng(1).standard_normal(chain.emit.shape)

    def expectation():
        return (PathSums(chain).marginals() * values).sum()

    expected, d_tags, d_transitions = PathSums(chain).covariance(values)
    by_sequence = split(PathSums(chain).marginals() * values, chain.lengths)
    np.testing.assert_allclose(expected, [part.sum() for part in by_sequence])
    assert (
        relative_error(d_tags, numeric_gradient(expectation, chain.emit, 1e-4)) < 1e-8
    )
    assert (
        relative_error(
            d_transitions, numeric_gradient(expectation, chain.transition, 1e-4)
        )
        < 1e-8
    )


@several
@given(chains())
def test_covariance_with_transitions_and_tags_against_all_paths(chain):
    values = np.random.default_rng(0).standard_normal(chain.emit.shape)
    expected, d_tags, d_transitions = PathSums(chain).covariance(values)
    parts = zip(
        all_paths(chain), split(values, chain.lengths), expected,
        split(d_tags, chain.lengths), strict=True,
    )  # fmt: skip
    by_transition = np.zeros_like(d_transitions)
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
    np.testing.assert_allclose(d_transitions, by_transition, rtol=1e-7, atol=1e-7)


def test_temperature_divides_all_scores():
    chain = bio_chain([3, 2], 5)
    cooled = chain.with_temperature(2.0)
    for sequence, half in zip(all_paths(chain), all_paths(cooled), strict=True):
        np.testing.assert_allclose(half.scores, sequence.scores / 2, rtol=1e-6)
    np.testing.assert_array_equal(best_path(cooled), best_path(chain))
    assert chain.with_temperature(1.0) is chain


# What is wrong with a chain


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_find_non_finite(bad):
    chain = bio_chain([2, 0, 3], 5)
    assert chain.find_non_finite() is None
    chain.emit[3, 4] = bad
    assert chain.find_non_finite() == (2, 1)
    chain.emit[1, 0] = bad
    assert chain.find_non_finite() == (0, 1)


@pytest.mark.parametrize("name", ["transition", "start", "end"])
def test_find_non_finite_transitions(name):
    chain = random_chain([2], 3)
    getattr(chain, name).flat[1] = -np.inf  # forbidden
    assert chain.find_non_finite() is None
    getattr(chain, name).flat[1] = np.nan
    assert chain.find_non_finite() == (0, 0)


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
    ended = replace(chain, end=np.full(3, -np.inf, dtype="f"))
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
    allowed[4, 2::2] = False  # a cut
    chain = chain.constrain(allowed)
    sums = PathSums(chain)
    paths, scores = n_best_paths(chain, 4)
    marginals = split(sums.marginals(), chain.lengths)
    spans = np.array([(0, 2, 1, 2), (2, 4, 3, 4), (5, 6, 5, 6), (8, 13, 1, 2)])
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
        for i, (start, end, begin, inner) in enumerate(spans.tolist()):
            if first <= start < last:
                tags = [begin, *[inner] * (end - start - 1)]
                is_span = (sequence.paths[:, start - first : end - first] == tags).all(
                    axis=1
                )
                if end < last:
                    is_span &= sequence.paths[:, end - first] != inner
                expected[i] = sequence.probs[is_span].sum()
        first = last
    assert (expected > 0).all()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
