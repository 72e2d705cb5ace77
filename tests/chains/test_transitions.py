"""What the transitions of a chain are."""

import numpy as np
import pytest

from spacy_lstm_ner.chains.bio_transitions import BioTransitions
from spacy_lstm_ner.chains.learned_transitions import LearnedTransitions
from spacy_lstm_ner.tags import TagSet

F = -np.inf
# To:  O  B0 I0 B1 I1
BIO = [
    [0, 0, F, 0, F],  # from O
    [0, 0, 0, 0, F],  # from B-0
    [0, 0, 0, 0, F],  # from I-0
    [0, 0, F, 0, 0],  # from B-1
    [0, 0, F, 0, 0],  # from I-1
]


def test_the_rules_alone():
    T, tags = BioTransitions(5), np.arange(5)
    found = T.between(np.repeat(tags, 5), np.tile(tags, 5))
    np.testing.assert_array_equal(found.reshape(5, 5), BIO)
    np.testing.assert_array_equal(T.start, [0, 0, F, 0, F])
    np.testing.assert_array_equal(T.end, np.zeros(5))
    assert T.scaled(0.5) is T
    assert T.is_finite


def test_no_labels():
    T = BioTransitions(1)
    assert T.start.tolist() == [0.0]
    assert T.between(np.array([0]), np.array([0])).tolist() == [0.0]


@pytest.mark.parametrize("n", [1, 3, 99])
def test_n_best_of_both_kinds(n):
    """Ties included: the lower tag and rank first."""
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.integers(-3, 3, (7, 5, n)).astype("d"), axis=2)
    scores[0, :, -1] = scores[2] = F
    learned = LearnedTransitions(np.array(BIO), np.zeros(5), np.zeros(5))
    (where, best), (expected, expected_best) = (
        T.n_best(scores) for T in (BioTransitions(5), learned)
    )
    np.testing.assert_array_equal(best, expected_best)
    np.testing.assert_array_equal(where[best > F], expected[best > F])


@pytest.mark.parametrize("n_tags", [1, 5, 101])
def test_best_of_both_kinds(n_tags):
    rng, tags = np.random.default_rng(0), np.arange(n_tags)
    scores = rng.integers(-3, 3, (7, n_tags)).astype("d")
    rules = BioTransitions(n_tags)
    pairs = rules.between(np.repeat(tags, n_tags), np.tile(tags, n_tags))
    learned = LearnedTransitions(pairs.reshape(n_tags, n_tags), rules.start, rules.end)
    (where, best), (expected, expected_best) = (
        T.n_best(scores[..., None]) for T in (rules, learned)
    )
    np.testing.assert_array_equal(best, expected_best)
    np.testing.assert_array_equal(where, expected)
    for T in (rules, learned):
        np.testing.assert_array_equal(T.best(scores), best[..., 0])
    for row, tag in np.ndindex(scores.shape):
        senders = [T.senders(scores)(row, tag) for T in (rules, learned)]
        assert senders == [where[row, tag, 0]] * 2


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("scale", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("has_path", [True, False])
def test_tags_that_cannot_win_are_left_out(has_path, scale, n):
    """Many tags: only some of them are searched, and the best are among these."""
    rng, n_tags = np.random.default_rng(1), 101
    scores = np.round(rng.standard_normal((9, n_tags, n)) * 2, 1)
    scores = -np.sort(-scores, axis=2)
    if not has_path:
        scores[1], scores[2, 1:] = F, F
    T = np.round(rng.standard_normal((n_tags, n_tags)) * scale, 1)
    T[~TagSet.of_size(n_tags).may_follow] = F
    learned = LearnedTransitions(T, np.zeros(n_tags), np.zeros(n_tags))
    where, best = learned.n_best(scores)
    sums = scores[:, None] + learned.scores.T[:, :, None]
    sums = sums.reshape(9, n_tags, n_tags * n)
    expected = np.argsort(-sums, axis=2, kind="stable")[..., :n]
    expected_best = np.take_along_axis(sums, expected, axis=2)
    np.testing.assert_array_equal(best, expected_best)
    np.testing.assert_array_equal(where[best > F], expected[best > F])
    for row, tag in zip(*np.nonzero(best[..., 0] > F), strict=True):
        senders = learned.senders(scores[..., 0])
        assert senders(row, tag) == sums[row, tag].argmax() // n


def test_products_of_many_labels_leave_out_zeros():
    """With 550 labels, products leave out the transitions that BIO forbids."""
    n_tags, rng = 1101, np.random.default_rng(0)
    allowed = TagSet.of_size(n_tags).may_follow
    scores = np.where(allowed, rng.normal(size=(n_tags, n_tags)), F)
    T = LearnedTransitions(scores, np.zeros(n_tags), np.zeros(n_tags))
    X = rng.random((2, 3, n_tags))
    found = np.empty_like(X)
    T.multiplier([False, True])(X, found)
    matrix = np.exp(scores - scores.max())
    np.testing.assert_allclose(found, [X[0] @ matrix, X[1] @ matrix.T], rtol=1e-12)
    before, onward = np.log(X)
    pairs = np.exp(before).T @ np.exp(onward) * np.exp(scores)
    np.testing.assert_allclose(T.expected(before, onward), pairs, rtol=1e-12)
