"""Sums over tag paths, against the list of all paths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chains, partly_known
from util import all_paths, numeric_gradient, path_score, relative_error, split

from spacy_lstm_ner import linear_chain
from spacy_lstm_ner.layers.bio_moves import bio_moves
from spacy_lstm_ner.linear_chain import (
    LinearChain,
    PathSums,
    best_path,
    cross_entropy,
    negative_log_likelihood,
)

# Log-space sums in float64, of scores up to 4 * 400 * 9.
EXACT = {"rtol": 1e-12, "atol": 1e-9}
GRADIENTS = ("emit", "move", "start", "end")

several = settings(deadline=None, max_examples=150)


def random_chain(lengths, n_tags, *, seed=0, scale=1.0, dtype="float64"):
    rng = np.random.default_rng(seed)

    def scores(*shape):
        return (rng.standard_normal(shape) * scale).astype(dtype)

    lengths = np.array(lengths, dtype=int)
    emit = scores(int(lengths.sum()), n_tags)
    return LinearChain(
        emit, lengths, scores(n_tags, n_tags), scores(n_tags), scores(n_tags)
    )


def bio_chain(lengths, n_tags, *, seed=0, scale=1.0):
    move, start = bio_moves(n_tags)
    chain = random_chain(lengths, n_tags, seed=seed, scale=scale, dtype="f")
    return replace(chain, move=move, start=start, end=np.zeros(n_tags, dtype="f"))


def gradients(chain, allowed):
    gradient = negative_log_likelihood(chain, allowed)[1]
    return {name: getattr(gradient, name) for name in GRADIENTS}


# Sums and best paths against all paths


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
def test_expected_moves(chain):
    expected = sum(sequence.expected_moves() for sequence in all_paths(chain))
    found = PathSums(chain).expected_moves()
    assert found.shape == chain.move.shape
    np.testing.assert_allclose(found, found * 0 + expected, rtol=1e-9, atol=1e-9)


def test_expected_moves_in_several_blocks():
    # Blocks hold 2**20 elements: 104 rows of 100 tags, so 300 tokens are three blocks.
    chain = random_chain([299, 2], 100)
    found = PathSums(chain).expected_moves()
    parts = [
        PathSums(
            replace(chain, emit=emit, lengths=np.array([len(emit)]))
        ).expected_moves()
        for emit in split(chain.emit, chain.lengths)
    ]
    np.testing.assert_allclose(found, sum(parts), **EXACT)
    assert found.sum() == pytest.approx(298 + 1)


@several
@given(chains())
def test_best_path_has_the_best_score(chain):
    found = split(best_path(chain), chain.lengths)
    emits = split(chain.emit, chain.lengths)
    for sequence, tags, emit in zip(all_paths(chain), found, emits, strict=True):
        score = path_score(tags, emit, chain.move, chain.start, chain.end)
        assert score == pytest.approx(sequence.scores.max(), rel=1e-12, abs=1e-9)


@several
@given(st.lists(st.integers(0, 4), max_size=3), st.integers(1, 4), st.data())
def test_lower_tag_where_paths_tie(lengths, n_tags, data):
    chain = random_chain(lengths, n_tags, scale=0.0)
    shared = data.draw(st.sampled_from([0.0, 2.5]))
    assert not best_path(replace(chain, move=chain.move + shared)).any()
    # One better tag: it is chosen where it is, and the others stay at the lowest.
    if chain.emit.size:
        row = data.draw(st.integers(0, len(chain.emit) - 1))
        chain.emit[row, -1] = 1.0
        expected = np.zeros(len(chain.emit), dtype=int)
        expected[row] = n_tags - 1
        np.testing.assert_array_equal(best_path(chain), expected)


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


# Parts of a chain


@several
@given(chains(), st.data())
def test_restrict_keeps_the_paths_of_allowed_tags(chain, data):
    allowed = data.draw(partly_known(chain))
    before = chain.emit.copy()
    found = PathSums(chain.restrict(allowed)).log_z
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


# The loss and its gradient


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


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_whole_gradient(known, scale):
    chain = random_chain([4, 1, 0, 3], 3, scale=scale)
    allowed = KNOWN[known](chain.emit.shape, np.random.default_rng(1))

    def loss():
        return negative_log_likelihood(chain, allowed)[0]

    for name, found in gradients(chain, allowed).items():
        numeric = numeric_gradient(loss, getattr(chain, name), eps=1e-4)
        # The gradient of the moves, starts and ends is rounded to float32.
        assert relative_error(found, numeric) < 1e-6, name


def test_whole_gradient_under_the_bio_rules():
    chain = bio_chain([4, 2, 1], 5)
    arrays = {name: getattr(chain, name).astype("float64") for name in GRADIENTS}
    chain = replace(chain, **arrays)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[1] = [False, True, False, False, False]
    allowed[2] = [False, False, True, False, False]
    allowed[6] = [True, False, False, False, False]

    def loss():
        return negative_log_likelihood(chain, allowed)[0]

    for name, found in gradients(chain, allowed).items():
        numeric = numeric_gradient(loss, arrays[name], eps=1e-4)
        assert relative_error(found, numeric) < 1e-6, name
        assert not found[np.isneginf(arrays[name])].any()


def test_gradient_has_the_dtype_of_the_scores():
    chain = random_chain([3], 3, dtype="f")
    found = gradients(chain, KNOWN["known"]((3, 3), np.random.default_rng(0)))
    assert {array.dtype.name for array in found.values()} == {"float32"}


@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
def test_no_gradient_without_annotation(make_chain):
    chain = make_chain([4, 3, 5], 5, scale=3.0)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    loss, gradient = negative_log_likelihood(chain, allowed)
    assert loss == 0.0
    assert not any(getattr(gradient, name).any() for name in GRADIENTS)
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
    with pytest.raises(ValueError, match=r"\[L007\].*sequence 2 of the batch"):
        negative_log_likelihood(chain, allowed)


def test_no_allowed_tag_at_all():
    chain = random_chain([2, 3], 3)
    chain.emit[1] = -np.inf
    assert PathSums(chain).log_z.tolist()[0] == -np.inf
    assert np.isfinite(PathSums(chain).log_z[1])
    allowed = np.ones(chain.emit.shape, dtype=bool)
    with pytest.raises(ValueError, match=r"\[L007\].*sequence 0"):
        negative_log_likelihood(chain, allowed)


def test_forbidden_moves_everywhere():
    chain = random_chain([2, 1], 3)
    chain.move[:] = -np.inf
    log_z = PathSums(chain).log_z
    assert log_z[0] == -np.inf
    assert np.isfinite(log_z[1])


# Edges


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
def test_nothing_to_tag(lengths):
    chain = random_chain(lengths, 3)
    assert best_path(chain).shape == (0,)
    sums = PathSums(chain)
    np.testing.assert_array_equal(sums.log_z, np.zeros(len(lengths)))
    assert sums.marginals().shape == (0, 3)
    np.testing.assert_array_equal(sums.expected_moves(), np.zeros((3, 3)))
    assert sums.log_prob_of_spans(np.zeros((0, 4), dtype=int)).shape == (0,)
    loss, gradient = negative_log_likelihood(chain, np.ones((0, 3), dtype=bool))
    assert loss == 0.0
    assert not any(getattr(gradient, name).any() for name in GRADIENTS)


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


def test_extreme_neighbour_changes_no_loss():
    chain = random_chain([6, 6], 3, scale=1.0)
    allowed = KNOWN["known"](chain.emit.shape, np.random.default_rng(0))
    calm = replace(chain, emit=chain.emit[:6], lengths=np.array([6]))
    expected = negative_log_likelihood(calm, allowed[:6])[1].emit
    chain.emit[6:] *= 1e4
    found = negative_log_likelihood(chain, allowed)[1].emit[:6]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


# Long sequences and large scores


def extreme_chain():
    rng = np.random.default_rng(0)

    def scores(*shape):
        return rng.integers(-10_000, 10_001, shape).astype("f")

    return LinearChain(
        scores(10_000, 3), np.array([10_000]), scores(3, 3), scores(3), scores(3)
    )


def reduce_forward(chain, add):
    """The forward recursion in long double, one state per tag at a time."""
    emit, move, start, end = (
        np.asarray(a, dtype=np.longdouble)
        for a in (chain.emit, chain.move, chain.start, chain.end)
    )
    state = start + emit[0]
    for row in emit[1:]:
        state = add.reduce(state[:, None] + move, axis=0) + row
    return add.reduce(state + end)


def test_extreme_log_z():
    chain = extreme_chain()
    expected = reduce_forward(chain, np.logaddexp)
    assert PathSums(chain).log_z[0] == pytest.approx(float(expected), abs=1e-6)


def test_extreme_best_path():
    chain = extreme_chain()
    score = path_score(best_path(chain), chain.emit, chain.move, chain.start, chain.end)
    assert score == float(reduce_forward(chain, np.maximum))  # integers are exact


def test_extreme_gradient():
    chain = extreme_chain()
    marginals = PathSums(chain).marginals()
    np.testing.assert_allclose(marginals.sum(axis=1), 1.0, rtol=1e-6)
    # So large scores leave one path: all its tokens but ties have probability 1.
    tags = best_path(chain)
    assert (marginals[np.arange(len(tags)), tags] > 0.33).all()
    assert PathSums(chain).expected_moves().sum() == pytest.approx(9_999, rel=1e-6)
    allowed = np.eye(3, dtype=bool)[np.zeros(10_000, dtype=int)]
    loss, gradient = negative_log_likelihood(chain, allowed)
    first_tag_only = path_score(
        np.zeros(10_000, dtype=int), chain.emit, chain.move, chain.start, chain.end
    )
    expected = float(reduce_forward(chain, np.logaddexp)) - first_tag_only
    assert loss == pytest.approx(expected, rel=1e-12)
    assert all(np.isfinite(getattr(gradient, name)).all() for name in GRADIENTS)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_one_matrix_product_agrees_with_term_by_term(scale, monkeypatch):
    chain = random_chain([9, 4, 1], 4, scale=scale)
    chain.move[1, 2] = chain.move[3, 0] = -np.inf
    default = PathSums(chain)
    monkeypatch.setattr(linear_chain, "_UNDERFLOW", -1.0)
    term_by_term = PathSums(chain)
    np.testing.assert_allclose(default.log_z, term_by_term.log_z, **EXACT)
    np.testing.assert_allclose(
        default.marginals(), term_by_term.marginals(), rtol=1e-9, atol=1e-12
    )


# Uniform moves


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 10.0]))
@settings(deadline=None, max_examples=60)
def test_shortcut_for_uniform_moves_agrees_with_viterbi(seed, scale):
    chain = bio_chain([3, 0, 6, 1, 9], 7, seed=seed, scale=scale)
    chain.emit[:, 0] += scale  # often, but not always, the best tags are a legal path
    np.testing.assert_array_equal(best_path(chain), linear_chain._viterbi(chain))


def test_shortcut_is_not_taken_if_moves_differ():
    chain = random_chain([3], 2, scale=0.0)
    chain.emit[:] = [[1, 0], [1, 0], [1, 0]]
    chain.move[1, 1] = 5.0
    assert best_path(chain).tolist() == [1, 1, 1]
    chain.move[:] = 0.0
    chain.start[1] = 5.0
    assert best_path(chain).tolist() == [1, 0, 0]
    chain.start[:] = 0.0
    chain.end[1] = 5.0
    assert best_path(chain).tolist() == [0, 0, 1]


def test_many_tags():
    chain = bio_chain([30, 7], 401)
    tags = best_path(chain)
    np.testing.assert_array_equal(tags, linear_chain._viterbi(chain))
    sums = PathSums(chain)
    np.testing.assert_allclose(sums.marginals().sum(axis=1), 1.0, rtol=1e-10)
    assert sums.expected_moves().sum() == pytest.approx(29 + 6)
    assert sums.expected_moves()[0, 2::2].sum() == 0  # O, I-X
    # Without the shortcut: the end prefers the last label so much that both take it.
    chain = replace(chain, end=np.arange(401, dtype="f") * 100)
    assert {best_path(chain)[29], best_path(chain)[36]} == {400}


# Cross-entropy


def few_tags(chain, n_tags):
    """The chain over its first tags only."""
    return LinearChain(
        chain.emit[:, :n_tags],
        chain.lengths,
        chain.move[:n_tags, :n_tags],
        chain.start[:n_tags],
        chain.end[:n_tags],
    )


@pytest.mark.parametrize("n_old", [3, 2])
def test_cross_entropy_against_all_paths(n_old):
    lengths = [4, 1, 0, 3]
    chain, target = random_chain(lengths, 3), random_chain(lengths, 3, seed=1)
    target = few_tags(target, n_old)
    expected = 0.0
    for new, old in zip(all_paths(chain), all_paths(target), strict=True):
        log_probs = {
            tuple(p): s - new.log_z for p, s in zip(new.paths, new.scores, strict=True)
        }
        for path, prob in zip(old.paths, old.probs, strict=True):
            expected -= prob * log_probs[tuple(path)]
    loss, gradient = cross_entropy(chain, PathSums(target))
    assert loss == pytest.approx(expected, rel=1e-9)
    for name in GRADIENTS:
        numeric = numeric_gradient(
            lambda: cross_entropy(chain, PathSums(target))[0],
            getattr(chain, name),
            eps=1e-4,
        )
        assert relative_error(getattr(gradient, name), numeric) < 1e-6, name


def test_cross_entropy_is_minimal_at_the_target():
    chain = bio_chain([5, 2], 5)
    loss, gradient = cross_entropy(chain, PathSums(chain))
    entropy = 0.0
    for paths in all_paths(chain):
        probs = paths.probs[paths.probs > 0]
        entropy -= (probs * np.log(probs)).sum()
    assert loss == pytest.approx(entropy, rel=1e-6)
    assert all(not getattr(gradient, name).any() for name in GRADIENTS)
