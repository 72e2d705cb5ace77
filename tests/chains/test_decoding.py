"""From scores to spans with their confidence, against all paths."""

import itertools
from collections import defaultdict
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from util import all_paths, random_chain, split

from spacy_lstm_ner.chains.bio_transitions import BioTransitions
from spacy_lstm_ner.chains.decoding import (
    MIN_LISTED,
    best_path,
    decode_best_path,
    decode_by_probability,
    decode_paths,
    merge_candidates,
)
from spacy_lstm_ner.chains.linear_chain import LinearChain, NoPathError, Spans
from spacy_lstm_ner.chains.path_sums import confidences_of
from spacy_lstm_ner.tags import TagSet

seeds = st.integers(0, 2**32 - 1)


def bio_chain(lengths, n_labels, *, seed=0, scale=1.0):
    n_tags = 2 * n_labels + 1
    rng = np.random.default_rng(seed)
    emit = (rng.standard_normal((sum(lengths), n_tags)) * scale).astype("f")
    return LinearChain(emit, np.array(lengths, dtype=int), BioTransitions(n_tags))


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
@settings(max_examples=60)
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
@settings(max_examples=60)
def test_never_an_illegal_path(lengths, n_labels, seed):
    chain = bio_chain(lengths, n_labels, seed=seed, scale=3.0)
    paths = split(best_path(chain), chain.lengths)
    expected = []
    for b, path in enumerate(paths):
        tags = [TagSet.outside, *path.tolist()]
        assert all(itertools.starmap(TagSet.follows, itertools.pairwise(tags)))
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
    assert len(decoded) == 0


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
    chain = bio_chain([5, 0, 3], 2)
    spans = Spans.of_path(chain, np.array([1, 2, 2, 0, 3, 1, 3, 4]))
    assert rows_of(spans) == [(0, 0, 3, 0), (0, 4, 5, 1), (2, 0, 1, 0), (2, 1, 3, 1)]
    assert spans.chosen.all()
    first = chain.first_rows[spans.sequence]
    assert (first + spans.start).tolist() == [0, 4, 5, 6]
    assert (first + spans.end).tolist() == [3, 5, 6, 8]


def test_spans_of_positions():
    positions = [(0, 0, 3, 0), (2, 1, 3, 1)]
    assert rows_of(Spans.of(positions)) == positions
    assert len(Spans.of([])) == 0


# Other ways of decoding, against the probability of every span


class Enumerated(NamedTuple):
    """A chain, and by enumeration the probability of all spans of each sequence."""

    chain: LinearChain
    n_labels: int
    span_probs: list[dict[tuple[int, int, int], float]]


@cache
def enumerated(i):
    """A chain of up to 5 tokens and 3 labels; in every other one, tags are ruled out
    at random."""
    lengths, n_labels = [
        ([4, 0, 2], 2),
        ([2, 5, 1], 2),
        ([3, 4], 3),
        ([1, 0, 4], 3),
        ([5], 1),
        ([4, 3, 0], 2),
    ][i]
    chain = bio_chain(lengths, n_labels, seed=i, scale=1.3)
    if i % 2:
        allowed = np.random.default_rng(i).random(chain.emit.shape) < 0.7
        allowed[:, 0] = True
        assert not allowed.all()
        chain = chain.constrain(allowed)
    return Enumerated(
        chain, n_labels, [probs_of_spans(each) for each in all_paths(chain)]
    )


def probs_of_spans(sequence):
    probs = defaultdict(float)
    for path, prob in zip(sequence.paths.tolist(), sequence.probs, strict=True):
        if prob:
            for span in spans_of(path):
                probs[span] += prob
    return dict(probs)


def choose(probs):
    """Of all spans, from the most probable on, those that share no token with one
    chosen before."""
    chosen = []
    for span in sorted(probs, key=probs.__getitem__, reverse=True):
        tokens = set(range(*span[:2]))
        if not any(tokens & set(range(*other[:2])) for other in chosen):
            chosen.append(span)
    return chosen


def dict_of(decoded):
    """Confidence of each span; none is listed twice."""
    found = dict(zip(rows_of(decoded), decoded.confidence.tolist(), strict=True))
    assert len(found) == len(decoded.sequence)
    return found


N_CHAINS = range(6)
THRESHOLDS = [
    [0.0, 0.0, 0.0],
    [0.004, 0.15, 0.02],
    [0.3, 0.01, 0.1],
    [0.5, 0.2, 1.0],
    [0.05, 0.05, 0.05],
]


@pytest.mark.parametrize("thresholds", THRESHOLDS)
@pytest.mark.parametrize("i", N_CHAINS)
def test_all_spans_that_reach_the_threshold_of_their_label(i, thresholds):
    chain, n_labels, span_probs = enumerated(i)
    at_least = np.maximum(thresholds, MIN_LISTED)
    probable = {
        (b, *span): prob
        for b, probs in enumerate(span_probs)
        for span, prob in probs.items()
        if prob >= at_least[span[2]]
    }
    decoded = decode_by_probability(chain, np.array(thresholds[:n_labels]))
    assert rows_of(decoded) == sorted(probable, key=lambda row: (*row[:2], row[3]))
    assert dict_of(decoded) == pytest.approx(probable, rel=1e-6)
    chosen = {
        (b, *span)
        for b, probs in enumerate(span_probs)
        for span in choose({s: p for s, p in probs.items() if p >= at_least[s[2]]})
    }
    assert set(rows_of(decoded.where(decoded.chosen))) == chosen


def test_the_chains_have_spans_of_all_kinds():
    """What the tests above need, so that they show anything."""
    probs = [
        p for i in N_CHAINS for ps in enumerated(i).span_probs for p in ps.values()
    ]
    assert sum(p < 0.004 for p in probs) > 20
    assert sum(0.004 < p < MIN_LISTED for p in probs) > 5
    assert sum(MIN_LISTED <= p < 0.02 for p in probs) > 5
    assert sum(p > 0.5 for p in probs) > 3
    n_rivals = n_chosen = 0
    for i in N_CHAINS:
        chain, n_labels, _ = enumerated(i)
        decoded = decode_by_probability(chain, np.zeros(n_labels))
        best = set(rows_of(decode_best_path(chain)))
        n_chosen += len(set(rows_of(decoded.where(decoded.chosen))) - best)
        n_rivals += len(set(rows_of(decoded)) - best)
    assert n_chosen > 5
    assert n_rivals > 50


@given(st.lists(st.integers(0, 30), max_size=4), st.integers(1, 4), seeds, st.data())
@settings(max_examples=60)
def test_spans_above_one_half_are_all_chosen(lengths, n_labels, seed, data):
    """The probabilities of two that overlap can't add up to more than 1."""
    chain = bio_chain(lengths, n_labels, seed=seed, scale=3.0)
    above = st.floats(0.5, 1, exclude_min=True)
    thresholds = data.draw(st.lists(above, min_size=n_labels, max_size=n_labels))
    decoded = decode_by_probability(chain, np.array(thresholds))
    assert decoded.chosen.all()
    assert (decoded.confidence >= np.array(thresholds)[decoded.label] - 1e-12).all()
    taken = [(b, i) for b, start, end, _ in rows_of(decoded) for i in range(start, end)]
    assert len(taken) == len(set(taken))


@given(st.lists(st.integers(0, 12), max_size=4), st.integers(1, 3), seeds)
@settings(max_examples=40)
def test_chosen_spans_never_overlap(lengths, n_labels, seed):
    chain = bio_chain(lengths, n_labels, seed=seed, scale=1.0)
    decoded = decode_by_probability(chain, np.zeros(n_labels))
    assert (decoded.confidence >= MIN_LISTED * (1 - 1e-12)).all()
    assert (decoded.confidence <= 1).all()
    covered = np.zeros((len(lengths), max(lengths, default=0)), dtype=int)
    for b, start, end, _ in rows_of(decoded.where(decoded.chosen)):
        covered[b, start:end] += 1
    assert covered.max(initial=0) <= 1
    for b, start, end, _ in rows_of(decoded.where(~decoded.chosen)):
        assert covered[b, start:end].any(), "left out without need"


def test_probable_spans_are_independent_of_the_batch():
    chain = bio_chain([6, 0, 9, 2], 2, seed=4)
    thresholds = np.array([0.02, 0.2])
    decoded = decode_by_probability(chain, thresholds)
    for b, emit in enumerate(split(chain.emit, chain.lengths)):
        alone = decode_by_probability(
            replace(chain, emit=emit, lengths=chain.lengths[b : b + 1]), thresholds
        )
        in_batch = decoded.where(decoded.sequence == b)
        assert len(in_batch.start) > 1 or b in (1, 3)
        for name in ("start", "end", "label", "chosen"):
            np.testing.assert_array_equal(
                getattr(alone, name), getattr(in_batch, name), err_msg=name
            )
        np.testing.assert_allclose(alone.confidence, in_batch.confidence, rtol=1e-12)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_is_probable_without_tokens(lengths):
    chain = bio_chain(lengths, 2)
    decoded = decode_by_probability(chain, np.zeros(2))
    assert len(decoded) == 0
    assert len(merge_candidates(decoded, decoded)) == 0


@pytest.mark.parametrize(
    "decode",
    [decode_best_path, lambda chain: decode_by_probability(chain, np.zeros(2))],
    ids=["best path", "probability"],
)
def test_no_path(decode):
    chain = bio_chain([2, 3], 2)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[3] = [False, False, True, False, False]  # I-0 ...
    allowed[2] = [True, False, False, True, True]  # ... behind anything but 0
    with pytest.raises(NoPathError, match="L007") as caught:
        decode(chain.constrain(allowed))
    assert (caught.value.sequence, caught.value.token) == (1, 1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("i", N_CHAINS)
def test_confidences_of_spans_at_another_temperature(i, temperature):
    chain, n_labels, _ = enumerated(i)
    decoded = decode_by_probability(chain, np.full(n_labels, 0.02))
    found = confidences_of(chain.with_temperature(temperature), decoded)
    expected = []
    for b, sequence in enumerate(all_paths(chain)):
        sequence.probs = sequence.probs ** (1 / temperature)
        sequence.probs /= sequence.probs.sum()
        probs = probs_of_spans(sequence)
        expected += [probs[row[1:]] for row in rows_of(decoded) if row[0] == b]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    unchanged = np.allclose(found, decoded.confidence, rtol=1e-3)
    assert unchanged == (temperature == 1.0)


def test_confidences_of_no_spans():
    chain = bio_chain([3, 0], 2)
    nothing = decode_best_path(chain)
    nothing = nothing.where(np.zeros(len(nothing.start), dtype=bool))
    assert confidences_of(chain, nothing).shape == (0,)


@pytest.mark.parametrize("n", [1, 2, 7, 400])
@pytest.mark.parametrize("i", N_CHAINS)
def test_spans_of_the_most_probable_paths(i, n):
    chain = enumerated(i).chain
    decoded = decode_paths(chain, n)
    assert len(decoded) == n
    for b, sequence in enumerate(all_paths(chain)):
        order = np.argsort(-sequence.probs, kind="stable")
        legal = order[sequence.probs[order] > 0]
        for rank, (spans, log_probs) in enumerate(decoded):
            probs = np.exp(log_probs)
            found = dict_of(spans.where(spans.sequence == b))
            if rank < len(legal):
                assert probs[b] == pytest.approx(sequence.probs[legal[rank]], rel=1e-5)
                path = sequence.paths[legal[rank]].tolist()
                assert list(found) == [(b, *span) for span in spans_of(path)]
                assert set(found.values()) <= {probs[b]}
            else:
                assert probs[b] == 0
                assert not found
    assert all(spans.chosen.all() for spans, _ in decoded)


def test_a_sequence_without_tokens_has_one_path():
    decoded = decode_paths(bio_chain([0, 2, 0], 1), 3)
    probs = [np.exp(log_probs).tolist() for _, log_probs in decoded]
    assert [[first, last] for first, _, last in probs] == [[1, 1], [0, 0], [0, 0]]
    assert all(prob > 0 for _, prob, _ in probs)


def test_a_path_that_is_not_there_has_no_spans():
    chain = bio_chain([2], 1)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[1] = [False, True, False]  # O B or B B
    chain.emit[0, 1] = 5.0
    decoded = decode_paths(chain.constrain(allowed), 4)
    both, last = [(0, 0, 1, 0), (0, 1, 2, 0)], [(0, 1, 2, 0)]
    assert [rows_of(spans) for spans, _ in decoded] == [both, last, [], []]


@pytest.mark.parametrize("i", N_CHAINS)
def test_merged_candidates(i):
    chain, n_labels, _ = enumerated(i)
    best = decode_best_path(chain)
    probable = decode_by_probability(chain, np.full(n_labels, 0.05))
    merged = merge_candidates(best, probable)
    assert rows_of(merged) == sorted({*rows_of(best), *rows_of(probable)})
    assert set(rows_of(merged.where(merged.chosen))) == set(rows_of(best))
    assert dict_of(merged) == pytest.approx({**dict_of(probable), **dict_of(best)})


def test_merging_keeps_what_only_one_has():
    chain = chain_of([1, 0, 3], [0], [3, 4], margin=6.0)
    best = decode_best_path(chain)
    assert rows_of(best) == [(0, 0, 1, 0), (0, 2, 3, 1), (2, 0, 2, 1)]
    probable = decode_by_probability(chain, np.array([1.0, 0.002]))
    assert rows_of(probable) == [(0, 2, 3, 1), (2, 0, 2, 1)]
    assert rows_of(merge_candidates(best, probable)) == rows_of(best)
    nothing = best.where(np.zeros(3, dtype=bool))
    assert merge_candidates(best, nothing).chosen.tolist() == [True] * 3
    assert merge_candidates(nothing, probable).chosen.tolist() == [False] * 2
    assert rows_of(merge_candidates(nothing, probable)) == rows_of(probable)


def test_rounding_lifts_no_probability_above_one():
    """Rounding may leave the log probability of a certain span above 0."""
    chain = random_chain([50] * 20, 3, scale=9.0)
    only_path = np.arange(3) == np.tile([1, 2], 500)[:, None]
    confidence = decode_best_path(chain.constrain(only_path)).confidence
    np.testing.assert_allclose(confidence, 1.0)
    assert (confidence <= 1.0).all()
