"""The best paths, against the list of all paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chains, several
from util import (
    all_paths,
    bio_chain,
    extreme_chain,
    fresh,
    path_score,
    random_chain,
    reduce_forward,
    split,
)

from spacy_lstm_ner.chains.decoding import best_path, n_best_paths
from spacy_lstm_ner.chains.linear_chain import NoPathError
from spacy_lstm_ner.chains.path_sums import PathSums


@several
@given(chains())
def test_best_path_has_the_best_score(chain):
    found = split(best_path(chain), chain.lengths)
    emits = split(chain.emit, chain.lengths)
    for sequence, tags, emit in zip(all_paths(chain), found, emits, strict=True):
        score = path_score(tags, emit, chain.transitions)
        assert score == pytest.approx(sequence.scores.max(), rel=1e-12, abs=1e-9)


@several
@given(st.lists(st.integers(0, 4), max_size=3), st.integers(0, 2), st.data())
def test_lower_tag_where_paths_tie(lengths, n_labels, data):
    chain = random_chain(lengths, 2 * n_labels + 1, scale=0.0)
    shared = data.draw(st.sampled_from([0.0, 2.5]))
    chain.transitions.scores[:] = shared
    assert not best_path(chain).any()
    # One better tag: it is chosen where it is, and the others stay at the lowest.
    if chain.emit.size:
        row = data.draw(st.integers(0, len(chain.emit) - 1))
        chain.emit[row, -1] = 1.0
        expected = np.zeros(len(chain.emit), dtype=int)
        expected[row] = chain.emit.shape[1] - 1
        np.testing.assert_array_equal(best_path(chain), expected)


def test_extreme_best_path():
    chain = extreme_chain()
    score = path_score(best_path(chain), chain.emit, chain.transitions)
    assert score == float(reduce_forward(chain, np.maximum))  # integers are exact


@given(st.data(), st.integers(0, 99), st.sampled_from([3, 7]))
@settings(max_examples=80)
def test_best_path_by_the_bio_rules_alone(data, seed, n_tags):
    lengths = data.draw(st.lists(st.integers(0, 9), max_size=6))
    chain = bio_chain(lengths, n_tags, seed=seed, scale=2.0)
    chain.emit[:, 0] += data.draw(st.sampled_from([0.0, 3.0]))
    if data.draw(st.booleans()):  # paths tie
        chain.emit[:] = np.round(chain.emit)
    if data.draw(st.booleans()):  # tags are known or forbidden
        rng = np.random.default_rng(seed)
        chain = chain.constrain(rng.random(chain.emit.shape) < 0.8)
    has_path = PathSums(chain).has_path()
    if has_path.all():
        np.testing.assert_array_equal(best_path(chain), n_best_paths(chain, 1)[0][0])
    else:
        with pytest.raises(NoPathError) as caught:
            best_path(chain)
        assert caught.value.sequence == has_path.argmin()


def test_scores_of_transitions_count():
    chain = random_chain([3], 3, scale=0.0)
    T = chain.transitions
    chain.emit[:, 0] = 1.0
    T.scores[1, 1] = 5.0
    assert best_path(chain).tolist() == [1, 1, 1]
    T.scores[:] = 0.0
    T.start[1] = 5.0
    chain = fresh(chain)
    assert best_path(chain).tolist() == [1, 0, 0]
    T.start[:] = 0.0
    T.end[1] = 5.0
    assert best_path(chain).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "n_tags", [401, 1201]
)  # a block of pairs holds 6 rows, or less
def test_many_learned_tags(n_tags):
    chain = random_chain([30, 7], n_tags, scale=3.0)
    np.testing.assert_array_equal(best_path(chain), n_best_paths(chain, 1)[0][0])
    chain.transitions.end[:] = np.arange(n_tags) * 100  # both end with the last tag
    assert best_path(chain)[[29, 36]].tolist() == [n_tags - 1] * 2


@several
@given(chains(), st.integers(1, 9))
def test_n_best_paths(chain, n):
    paths, scores = n_best_paths(chain, n)
    assert paths.shape == (n, len(chain.emit))
    assert scores.shape == (n, len(chain.lengths))
    emits = split(chain.emit, chain.lengths)
    for b, sequence in enumerate(all_paths(chain)):
        allowed = np.sort(sequence.scores[np.isfinite(sequence.scores)])[::-1][:n]
        n_found = len(allowed)
        np.testing.assert_allclose(scores[:n_found, b], allowed, rtol=1e-12, atol=1e-9)
        assert np.isneginf(scores[n_found:, b]).all()
        found = [tuple(split(path, chain.lengths)[b].tolist()) for path in paths]
        assert len(set(found[:n_found])) == n_found
        for tags, score in zip(found[:n_found], scores[:, b], strict=False):
            expected = path_score(tags, emits[b], chain.transitions)
            assert score == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_nothing_to_tag():
    for lengths in ([], [0], [0, 0]):
        chain = random_chain(lengths, 3)
        assert best_path(chain).shape == (0,)
        paths, scores = n_best_paths(chain, 2)
        assert paths.shape == (2, 0)
        assert scores.tolist() == [[0.0] * len(lengths), [-np.inf] * len(lengths)]


@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
def test_no_allowed_path(make_chain):
    chain = make_chain([2, 3], 3)
    chain.emit[2:, :2] = -np.inf  # only I-X in the second sequence
    if make_chain is random_chain:
        chain.transitions.start[2] = -np.inf
    with pytest.raises(NoPathError, match=r"sequence 1 of the batch.*token 0"):
        best_path(chain)
    assert np.isneginf(n_best_paths(chain, 1)[1][0]).tolist() == [False, True]


@pytest.mark.parametrize("lengths", [[1], [2, 1]])
def test_no_allowed_path_through_the_last_token_of_a_batch(lengths):
    chain = bio_chain(lengths, 3)
    chain.emit[-1, :2] = -np.inf  # only I-X in a sequence of one token
    last = len(lengths) - 1
    with pytest.raises(NoPathError, match=f"sequence {last} of the batch.*token 0"):
        best_path(chain)
