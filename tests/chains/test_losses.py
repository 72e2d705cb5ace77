"""Losses and their gradients, against the list of all paths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chains, partly_known, several
from util import (
    GRADIENTS,
    all_paths,
    bio_chain,
    extreme_chain,
    numeric_gradient,
    path_score,
    random_chain,
    reduce_forward,
    relative_error,
    split,
)

from spacy_lstm_ner.chains.linear_chain import LinearChain, NoPathError
from spacy_lstm_ner.chains.losses import (
    add_gradients,
    cross_entropy,
    expected_ratio,
    negative_log_likelihood,
)
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.chains.viterbi import best_path


def gradients(chain, allowed):
    gradient = negative_log_likelihood(chain, allowed)[1]
    return {name: getattr(gradient, name) for name in GRADIENTS}


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
        # The gradient of the transitions, starts and ends is rounded to float32.
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


def every_loss(chain: LinearChain) -> dict[str, tuple[float, LinearChain]]:
    allowed = KNOWN["partly known"](chain.emit.shape, np.random.default_rng(3))
    costs = np.random.default_rng(4).random(chain.emit.shape)
    excluded = np.array([[0, 2, 1, 2], [5, 6, 3, 4]])
    target = PathSums(bio_chain([4, 2, 1], 3, seed=5))
    return {
        "likelihood": negative_log_likelihood(chain, allowed),
        "with costs": negative_log_likelihood(chain, allowed, costs=costs),
        "with exclusion": negative_log_likelihood(chain, allowed, excluded=excluded),
        "cross-entropy": cross_entropy(chain, target),
    }


def test_transitions_that_nobody_learns_are_left_out_of_the_gradient(monkeypatch):
    chain = bio_chain([4, 2, 1], 5)
    everything = every_loss(chain)
    transitions_of = []
    expected_transitions = PathSums.expected_transitions
    monkeypatch.setattr(
        PathSums,
        "expected_transitions",
        lambda sums: transitions_of.append(sums.chain) or expected_transitions(sums),
    )
    found = every_loss(replace(chain, learns_transitions=False))
    assert len(transitions_of) == 1, "only those of the target, whose scores may count"
    for name, (loss, gradient) in everything.items():
        assert found[name][0] == loss, name
        for part in GRADIENTS:
            expected = getattr(gradient, part) * (part != "transition")
            np.testing.assert_array_equal(getattr(found[name][1], part), expected)
        assert gradient.transition.any()


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
    assert PathSums(chain).expected_transitions().sum() == pytest.approx(
        9_999, rel=1e-6
    )
    allowed = np.eye(3, dtype=bool)[np.zeros(10_000, dtype=int)]
    loss, gradient = negative_log_likelihood(chain, allowed)
    first_tag_only = path_score(
        np.zeros(10_000, dtype=int),
        chain.emit,
        chain.transition,
        chain.start,
        chain.end,
    )
    expected = float(reduce_forward(chain, np.logaddexp)) - first_tag_only
    assert loss == pytest.approx(expected, rel=1e-12)
    assert all(np.isfinite(getattr(gradient, name)).all() for name in GRADIENTS)


def few_tags(chain, n_tags):
    """The chain over its first tags only."""
    return LinearChain(
        chain.emit[:, :n_tags],
        chain.lengths,
        chain.transition[:n_tags, :n_tags],
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


# Spans that are known to be wrong


def spans_of(path, inner):
    """Spans of a path of any tags: a first tag, then its inner tags.

    inner (dict): The inner tag of each first tag.
    """
    spans = set()
    for i, tag in enumerate(path):
        if tag in inner:
            end = i + 1
            while end < len(path) and path[end] == inner[tag]:
                end += 1
            spans.add((i, end, tag, inner[tag]))
    return spans


def log_z_without(chain, allowed, excluded, inner):
    """Log of the sum over the paths of each sequence that keep to allowed tags and have
    no excluded span."""
    offsets = np.cumsum(chain.lengths) - chain.lengths
    parts = zip(
        all_paths(chain), split(allowed, chain.lengths), offsets.tolist(), strict=True
    )
    for sequence, part, offset in parts:
        agreeing = [
            score
            for path, score in zip(
                sequence.paths.tolist(), sequence.scores, strict=True
            )
            if all(part[i, tag] for i, tag in enumerate(path))
            and not any(
                (start + offset, end + offset, *tags) in excluded
                for start, end, *tags in spans_of(path, inner)
            )
        ]
        yield float(np.logaddexp.reduce(agreeing, initial=-np.inf))


def draw_spans(data, chain, inner):
    """Any spans, with those that begin alike, overlap, touch or end a sequence."""
    every = [
        (offset + start, offset + end, first, last)
        for offset, n in zip(
            (np.cumsum(chain.lengths) - chain.lengths).tolist(),
            chain.lengths.tolist(),
            strict=True,
        )
        for start in range(n)
        for end in range(start + 1, n + 1)
        for first, last in inner.items()
    ]
    return data.draw(st.lists(st.sampled_from(every), max_size=8)) if every else []


@several
@given(chains(), st.data())
def test_excluded_spans(chain, data):
    # Tag 0 begins no span, so a path remains.
    inner = {1: 2} if len(chain.start) > 2 else {}
    if len(chain.start) > 3:
        inner[3] = data.draw(st.sampled_from([2, 0]))
    excluded = draw_spans(data, chain, inner)
    allowed = data.draw(partly_known(chain))
    expected = list(log_z_without(chain, allowed, set(excluded), inner))
    log_z = [sequence.log_z for sequence in all_paths(chain)]
    loss, _ = negative_log_likelihood(chain, allowed, excluded=np.array(excluded))
    assert loss == pytest.approx(sum(log_z) - sum(expected), rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("make_chain", [random_chain, bio_chain])
@pytest.mark.parametrize("known", KNOWN)
def test_gradient_with_excluded_spans_and_costs(make_chain, known):
    chain = make_chain([4, 1, 0, 5], 5, scale=2.0)
    arrays = {name: getattr(chain, name).astype("float64") for name in GRADIENTS}
    chain = replace(chain, **arrays)
    rng = np.random.default_rng(2)
    allowed = KNOWN[known](chain.emit.shape, rng)
    allowed[:, 0] = True
    costs = rng.random(chain.emit.shape) * 3
    excluded = np.zeros((9, 4), dtype=int)
    excluded[:, 0] = [0, 0, 1, 2, 4, 5, 7, 8, 8]
    excluded[:, 1] = [1, 3, 3, 4, 5, 10, 8, 10, 10]
    excluded[:, 2] = [1, 1, 1, 3, 3, 1, 1, 1, 3]
    excluded[:, 3] = excluded[:, 2] + 1

    def get_loss():
        return negative_log_likelihood(chain, allowed, excluded=excluded, costs=costs)

    gradient = get_loss()[1]
    for name in GRADIENTS:
        numeric = numeric_gradient(lambda: get_loss()[0], arrays[name], eps=1e-4)
        assert relative_error(getattr(gradient, name), numeric) < 1e-6, name


def test_exclusion_takes_away_the_span_alone():
    chain = bio_chain([3], 3)
    excluded = np.array([(0, 2, 1, 2)])
    everything = np.ones(chain.emit.shape, dtype=bool)
    loss, _ = negative_log_likelihood(chain, everything, excluded=excluded)
    prob = np.exp(PathSums(chain).log_prob_of_spans(excluded))[0]
    assert loss == pytest.approx(-np.log1p(-prob))


@pytest.mark.parametrize(
    "span", [(0, 0, 1, 2), (2, 1, 1, 2), (-1, 1, 1, 2), (1, 3, 1, 2), (4, 6, 1, 2)]
)
def test_excluded_span_beyond_its_sequence(span):
    chain = bio_chain([2, 3], 3)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    with pytest.raises(ValueError, match=r"\[L018\] Span .* can't be excluded"):
        negative_log_likelihood(chain, allowed, excluded=np.array([span]))


def test_annotation_that_excluded_spans_contradict():
    chain = bio_chain([2, 2], 3)
    allowed = np.ones(chain.emit.shape, dtype=bool)
    allowed[2] = [False, True, False]  # B at the second sequence's first token
    excluded = np.array([(2, 3, 1, 2), (2, 4, 1, 2)])
    negative_log_likelihood(chain, allowed, excluded=excluded[:1])
    with pytest.raises(NoPathError) as info:
        negative_log_likelihood(chain, allowed, excluded=excluded)
    # Of tags, not of their copies.
    assert (info.value.sequence, info.value.token) == (1, 1)
    assert max(info.value.allowed) < 3


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
def test_expected_ratio(low, high, side):
    chain = random_chain([4, 1, 0, 3], 3)
    expected = sum(s.marginals()[:, 1:].sum() for s in all_paths(chain)) / 8
    assert 0.1 < expected < 0.9
    loss, gradient = expected_ratio(chain, COUNTED, low, high)
    distance = {1: expected - high, -1: low - expected, 0: 0.0}[side]
    assert loss == pytest.approx(distance)
    for name in GRADIENTS:
        found = getattr(gradient, name)
        if not side:
            assert not found.any()
            continue
        numeric = numeric_gradient(
            lambda: expected_ratio(chain, COUNTED, low, high)[0],
            getattr(chain, name),
            eps=1e-4,
        )
        assert relative_error(found, numeric) < 1e-6, name


def test_expected_ratio_of_nothing():
    chain = random_chain([0], 3)
    loss, gradient = expected_ratio(chain, COUNTED, 0.1, 0.2)
    assert loss == 0.0
    assert not any(getattr(gradient, name).any() for name in GRADIENTS)


def test_add_gradients():
    chain, other = random_chain([2, 1], 3), random_chain([2, 1], 3, seed=1)
    total = add_gradients(chain, other, 10.0)
    for name in GRADIENTS:
        expected = getattr(chain, name) + 10 * getattr(other, name)
        np.testing.assert_allclose(getattr(total, name), expected, rtol=1e-6)
