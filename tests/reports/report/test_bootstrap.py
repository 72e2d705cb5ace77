"""Intervals and significance."""

import numpy as np
import pytest

from spacy_lstm_ner.reports.report import make_report
from spacy_lstm_ner.reports.report.bootstrap import interval, p_value, resample

from .helpers import answers, example, random_examples


def test_sums_are_those_of_samples_drawn_one_by_one():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 3, size=(200, 4))
    sums = resample(counts, n_samples=4000)
    drawn = counts[rng.integers(0, 200, size=(4000, 200))].sum(axis=1)
    assert sums.shape == (4000, 4)
    assert sums.mean(axis=0) == pytest.approx(drawn.mean(axis=0), rel=0.01)
    assert np.cov(sums.T) == pytest.approx(np.cov(drawn.T), rel=0.15, abs=8)
    assert (
        resample(counts, n_samples=130) == sums[:100].tolist() + sums[100:130].tolist()
    ).all()


def test_columns_are_summed_over_the_same_samples():
    counts = np.random.default_rng(0).integers(0, 9, size=(50, 2))
    sums = resample(np.concatenate([counts, 2 * counts], axis=1), n_samples=30)
    assert (sums[:, 2:] == 2 * sums[:, :2]).all()


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_nothing_to_sum(shape: tuple[int, int]):
    sums = resample(np.zeros(shape, dtype=int), n_samples=5)
    assert (sums == np.zeros((5, shape[1]))).all()


def test_intervals_cover_the_true_value():
    """About 95 of 100 intervals of a mean do."""
    rng = np.random.default_rng(0)
    n_covering = 0
    for seed in range(100):
        counts = (rng.random((300, 1)) < 0.3).astype(int)
        found = interval(counts.mean(), resample(counts, 500, seed)[:, 0] / 300)
        n_covering += found.low <= 0.3 <= found.high
    assert 90 <= n_covering <= 99


def test_p_value():
    samples = np.arange(-49, 151) / 100  # centred at 0.5
    assert p_value(0.5, samples) == pytest.approx((50 + 1) / 201)
    assert p_value(-0.5, -samples) == p_value(0.5, samples)
    assert p_value(0.0, samples) == 1.0
    assert p_value(1.0, samples) == pytest.approx(1 / 201)


def test_p_values_of_equal_models_are_even():
    """Differences of models that are equally good are rarely significant."""
    rng = np.random.default_rng(0)
    n_significant = 0
    for seed in range(100):
        pairs = (rng.random((200, 2)) < 0.5).astype(int)
        sums = resample(pairs, 500, seed)
        difference = float(pairs[:, 1].mean() - pairs[:, 0].mean())
        p = p_value(difference, (sums[:, 1] - sums[:, 0]) / 200)
        n_significant += p < 0.05
    assert 2 <= n_significant <= 20  # one-sided, in the direction of the difference


def test_models_side_by_side():
    """The second model is right wherever the first one is, and in half of the rest."""
    texts = [f"w{i} a b" for i in range(40)]
    first = [
        example(t, [(0, 1, "A")], [(0, 1, "A")] if i < 10 else [])
        for i, t in enumerate(texts)
    ]
    second = [
        example(t, [(0, 1, "A")], [(0, 1, "A")] if i < 25 else [])
        for i, t in enumerate(texts)
    ]
    report = make_report([answers(*first, name="1"), answers(*second, name="2")])
    (pair,) = report.comparisons
    assert (pair.first, pair.second) == (0, 1)
    assert pair[4:] == (10, 0, 15, 15)
    assert pair.difference.value == pytest.approx(50 / 65 - 20 / 50)
    assert 0 < pair.difference.low < pair.difference.value < pair.difference.high
    assert pair.p < 0.01
    shown = report.to_json()["comparisons"][0]
    assert (shown["first"], shown["second"], shown["p"]) == ("1", "2", pair.p)


def test_the_same_model_twice():
    examples = random_examples(0)
    models = [answers(*examples, name=name) for name in "ab"]
    (pair,) = make_report(models).comparisons
    assert pair.difference == (0, 0, 0)
    assert pair.p == 1
    assert pair.only_first == pair.only_second == 0
