"""From scores to spans with their confidence, against all paths."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from util import all_paths, split

from spacy_lstm_ner.bio import may_follow, tag_names
from spacy_lstm_ner.decode import decode_best_path, find_spans
from spacy_lstm_ner.layers.bio_moves import bio_moves
from spacy_lstm_ner.linear_chain import LinearChain
from spacy_lstm_ner.viterbi import best_path

seeds = st.integers(0, 2**32 - 1)


def bio_chain(lengths, n_labels, *, seed=0, scale=1.0):
    n_tags = 2 * n_labels + 1
    move, start = bio_moves(n_tags)
    rng = np.random.default_rng(seed)
    emit = (rng.standard_normal((sum(lengths), n_tags)) * scale).astype("f")
    end = np.zeros(n_tags, dtype="f")
    return LinearChain(emit, np.array(lengths, dtype=int), move, start, end)


def chain_of(*paths, n_labels=2, margin=9.0):
    """A chain whose best path is given, by a wide margin."""
    chain = bio_chain([len(path) for path in paths], n_labels, scale=0.0)
    rows = np.arange(len(chain.emit))
    tags = [tag for path in paths for tag in path]
    chain.emit[rows, np.array(tags, dtype=int)] = margin
    return chain


def spans_of(path):
    """(start, end, label) of the spans of a legal path, token by token."""
    spans = []
    for i, tag in enumerate(path):
        if tag % 2 == 1:
            spans.append([i, i + 1, tag // 2])
        elif tag:
            assert spans[-1][1:] == [i, tag // 2 - 1]
            spans[-1][1] = i + 1
    return [tuple(span) for span in spans]


def rows_of(decoded):
    arrays = (decoded.sequence, decoded.start, decoded.end, decoded.label)
    return list(zip(*(a.tolist() for a in arrays), strict=True))


@given(st.lists(st.integers(0, 4), max_size=3), st.integers(1, 2), seeds)
@settings(deadline=None, max_examples=60)
def test_spans_and_confidence_against_all_paths(lengths, n_labels, seed):
    chain = bio_chain(lengths, n_labels, seed=seed, scale=2.0)
    decoded = decode_best_path(chain)
    expected, confidence = [], []
    for b, sequence in enumerate(all_paths(chain)):
        best = sequence.paths[sequence.scores.argmax()].tolist()
        is_legal = sequence.probs > 0
        probs = sequence.probs[is_legal]
        found = [set(spans_of(path)) for path in sequence.paths[is_legal].tolist()]
        for span in spans_of(best):
            expected.append((b, *span))
            has_span = [span in spans for spans in found]
            confidence.append(probs[has_span].sum())
    assert rows_of(decoded) == expected
    np.testing.assert_allclose(decoded.confidence, confidence, rtol=1e-5)


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(0, 4), seeds)
@settings(deadline=None, max_examples=60)
def test_never_an_illegal_path(lengths, n_labels, seed):
    chain = bio_chain(lengths, n_labels, seed=seed, scale=3.0)
    names = tag_names([str(i) for i in range(n_labels)])
    paths = split(best_path(chain), chain.lengths)
    expected = []
    for b, path in enumerate(paths):
        tags = ["O", *(names[tag] for tag in path)]
        for previous, tag in itertools.pairwise(tags):
            assert may_follow(previous, tag)
        expected += [(b, *span) for span in spans_of(path.tolist())]
    decoded = decode_best_path(chain)
    assert rows_of(decoded) == expected
    assert ((decoded.confidence > 0) & (decoded.confidence <= 1)).all()


def test_adjacent_entities_stay_apart():
    # B-0 I-0 B-0 B-1 I-1 | (empty) | B-0 | B-0 I-0 | O B-1
    chain = chain_of([1, 2, 1, 3, 4], [], [1], [1, 2], [0, 3])
    decoded = decode_best_path(chain)
    assert rows_of(decoded) == [
        (0, 0, 2, 0),
        (0, 2, 3, 0),
        (0, 3, 5, 1),
        (2, 0, 1, 0),
        (3, 0, 2, 0),
        (4, 1, 2, 1),
    ]
    assert (decoded.confidence > 0.99).all()


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [3]])
def test_no_spans(lengths):
    decoded = decode_best_path(chain_of(*[[0] * n for n in lengths]))
    assert [len(array) for array in decoded] == [0] * 6


def test_confidence_is_independent_of_the_batch():
    chain = bio_chain([6, 9, 2], 2, seed=4)
    decoded = decode_best_path(chain)
    assert {0, 1} <= set(decoded.sequence.tolist())
    for b, emit in enumerate(split(chain.emit, chain.lengths)):
        alone = decode_best_path(
            replace(chain, emit=emit, lengths=chain.lengths[b : b + 1])
        )
        in_batch = decoded.sequence == b
        np.testing.assert_array_equal(alone.start, decoded.start[in_batch])
        np.testing.assert_allclose(
            alone.confidence, decoded.confidence[in_batch], rtol=1e-12
        )


def test_confidence_is_at_most_1():
    decoded = decode_best_path(chain_of([1, 2, 2], [3], margin=1e4))
    assert decoded.confidence.tolist() == [1.0, 1.0]


def test_find_spans():
    starts, ends, first_tags, inner_tags = find_spans(
        np.array([1, 2, 2, 0, 3, 1, 3, 4])
    ).T
    assert first_tags.tolist() == [1, 3, 1, 3]
    assert inner_tags.tolist() == [2, 4, 2, 4]
    assert starts.tolist() == [0, 4, 5, 6]
    assert ends.tolist() == [3, 5, 6, 8]
