"""Measures of confidence and what is fitted to it, against slow and plain ways."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from spacy_lstm_ner.component.reliability import (
    best_threshold,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from spacy_lstm_ner.reports.metrics import area_under_roc, wilson_interval

# Few values, so that there are ties, or any.
probabilities = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0.0, 1.0)
betas = st.sampled_from([0.5, 1.0, 2.0, 3.0])


@st.composite
def marked_spans(draw, min_size=0):
    rows = draw(
        st.lists(
            st.tuples(probabilities, st.booleans()), min_size=min_size, max_size=25
        )
    )
    return np.array([p for p, _ in rows]), np.array([r for _, r in rows], dtype=bool)


def sampled(n, *, temperature=1.0, seed=0):
    """Logits, and marks drawn with the probabilities they give at a temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(1.0, 3.0, n)
    return logits, rng.random(n) < sigmoid(logits / temperature)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Bins and calibration error


def test_bins_of_a_worked_case():
    confidences = np.array([0.9, 0.1, 0.5, 0.3, 0.8])
    correct = np.array([True, False, True, False, False])
    bins = reliability_bins(confidences, correct, n_bins=2)
    assert bins.n_spans.tolist() == [2, 3]
    assert bins.confidence == pytest.approx([0.2, 2.2 / 3])
    assert bins.accuracy == pytest.approx([0.0, 2 / 3])
    error = (2 * 0.2 + 3 * (2.2 / 3 - 2 / 3)) / 5
    found = expected_calibration_error(confidences, correct, n_bins=2)
    assert found == pytest.approx(error)


@given(marked_spans(), st.integers(1, 30))
def test_bins_divide_the_sorted_spans_evenly(spans, n_bins):
    confidences, correct = spans
    bins = reliability_bins(confidences, correct, n_bins)
    assert len(bins.n_spans) == min(n_bins, len(confidences))
    assert bins.n_spans.sum() == len(confidences)
    assert max(bins.n_spans, default=0) - min(bins.n_spans, default=0) <= 1
    rows = sorted(zip(confidences, correct, strict=True), key=lambda row: row[0])
    for confidence, accuracy, n in zip(*bins, strict=True):
        part, rows = rows[:n], rows[n:]
        assert confidence == pytest.approx(sum(p for p, _ in part) / n)
        assert accuracy == pytest.approx(sum(r for _, r in part) / n)


@given(marked_spans(min_size=1), st.integers(1, 12))
def test_calibration_error_by_a_loop(spans, n_bins):
    confidences, correct = spans
    rows = sorted(zip(confidences, correct, strict=True), key=lambda row: row[0])
    sizes = reliability_bins(confidences, correct, n_bins).n_spans
    error = 0.0
    for n in sizes:
        part, rows = rows[:n], rows[n:]
        error += abs(sum(r - p for p, r in part)) / len(confidences)
    found = expected_calibration_error(confidences, correct, n_bins)
    assert found == pytest.approx(error, abs=1e-12)
    assert 0 <= found <= 1


def test_ties_keep_their_order():
    correct = np.array([True, True, False, False])
    bins = reliability_bins(np.full(4, 0.5), correct, n_bins=2)
    assert bins.accuracy.tolist() == [1.0, 0.0]


def test_ten_bins_by_default():
    confidences, correct = np.linspace(0, 1, 103), np.arange(103) % 2 == 0
    assert sorted(reliability_bins(confidences, correct).n_spans) == [10] * 7 + [11] * 3


def test_calibration_error_of_true_probabilities_is_small():
    logits, correct = sampled(20_000)
    assert expected_calibration_error(sigmoid(logits), correct) < 0.015
    assert expected_calibration_error(sigmoid(3 * logits), correct) > 0.04


# Area under the ROC curve


@given(marked_spans())
def test_area_by_all_pairs(spans):
    confidences, correct = spans
    pairs = [(r, w) for r in confidences[correct] for w in confidences[~correct]]
    found = area_under_roc(confidences, correct)
    if not pairs:
        assert math.isnan(found)
    else:
        expected = sum(Fraction(int(r > w) + int(r >= w), 2) for r, w in pairs)
        assert found == pytest.approx(float(expected / len(pairs)))
        flipped = area_under_roc(confidences, ~correct)
        assert found + flipped == pytest.approx(1)


# Wilson's interval


def test_wilson_interval_as_published():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    lower, upper = wilson_interval(
        np.array([81, 15, 0, 1]), np.array([263, 148, 20, 29])
    )
    assert lower == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=1e-4)
    assert upper == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=1e-4)


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_wilson_interval_holds_the_share(n, part):
    n_right = round(part * n)
    (lower,), (upper,) = wilson_interval(np.array([n_right]), np.array([n]))
    assert lower <= n_right / n <= upper
    assert lower > -1e-9
    assert upper < 1 + 1e-9


# Threshold


def f_beta(n_right, n_kept, n_gold, beta):
    """By precision and recall, without rounding."""
    if not n_right:
        return Fraction(0)
    precision, recall = Fraction(n_right, n_kept), Fraction(n_right, n_gold)
    weight = Fraction(beta) ** 2
    return (1 + weight) * precision * recall / (weight * precision + recall)


@given(marked_spans(), st.integers(0, 5), betas)
@example((np.array([0.5, np.nextafter(0.5, 1)]), np.array([False, True])), 0, 1.0)
@example((np.array([0.0, 5e-324]), np.array([False, True])), 0, 1.0)
def test_best_threshold_by_trying_each(spans, n_missed, beta):
    confidences, correct = spans
    n_gold = int(correct.sum()) + n_missed
    threshold, score = best_threshold(confidences, correct, n_gold, beta)
    assert 0 <= threshold <= 1
    if not correct.any():
        assert (threshold, score) == (0.5, 0.0)
        return
    scores = {}
    for lowest in sorted(set(confidences)):
        kept = confidences >= lowest
        scores[lowest] = f_beta(int(correct[kept].sum()), int(kept.sum()), n_gold, beta)
    best = max(scores.values())
    lowest = min(p for p in scores if scores[p] == best)
    below = max((p for p in scores if p < lowest), default=0.0)
    assert (confidences >= threshold).tolist() == (confidences >= lowest).tolist()
    assert threshold in ((lowest + below) / 2, lowest)
    assert score == pytest.approx(float(best))


@pytest.mark.parametrize("where", np.linspace(0.1234560, 0.1234570, 11))
def test_best_threshold_does_not_part_what_rounding_does(where):
    confidences = np.array([0.9, where + 2e-8, where, where - 2e-8, 0.05])
    correct = np.array([True, True, False, False, False])
    assert best_threshold(confidences, correct, 2)[0] == pytest.approx(where + 1e-8)
    threshold, score = best_threshold(confidences, correct, 2, rounding=1e-6)
    assert threshold == pytest.approx((0.05 + where) / 2, abs=1e-7)
    assert score == pytest.approx(2 / 3)
    # A chain of neighbours is one group.
    chain = where + np.arange(5) * 9e-7
    confidences = np.append(chain, 0.9)
    threshold, _ = best_threshold(confidences, confidences > 0.5, 1, rounding=1e-6)
    assert threshold == pytest.approx((0.9 + chain[-1]) / 2)


@given(marked_spans(min_size=1), betas, st.randoms())
def test_best_threshold_does_not_depend_on_order(spans, beta, random):
    confidences, correct = spans
    order = list(range(len(correct)))
    random.shuffle(order)
    found = best_threshold(confidences, correct, len(correct), beta)
    assert found == best_threshold(confidences[order], correct[order], len(order), beta)


def test_best_threshold_of_worked_cases():
    confidences = np.array([0.9, 0.8, 0.4, 0.2])
    correct = np.array([True, True, False, True])
    # Kept 1, 2, 3, 4 of which are right 1, 2, 2, 3: F1 against 3 is 2/4, 4/5, 4/6, 6/7.
    assert best_threshold(confidences, correct, 3) == pytest.approx((0.1, 6 / 7))
    # The more precision counts, the more are dropped.
    assert best_threshold(confidences, correct, 3, 0.5)[0] == pytest.approx(0.6)
    assert best_threshold(confidences, correct, 3, 1e-9)[0] == pytest.approx(0.6)
    assert best_threshold(confidences, correct, 3, 1e9)[0] == pytest.approx(0.1)


def test_of_equal_scores_the_lowest_threshold():
    # F1 against 2: 2/3 if one is kept, and if four are.
    confidences = np.array([0.8, 0.6, 0.5, 0.4])
    correct = np.array([True, False, False, True])
    assert best_threshold(confidences, correct, 2) == pytest.approx((0.2, 2 / 3))


@pytest.mark.parametrize(
    ("confidences", "correct", "n_gold"),
    [([], [], 0), ([], [], 7), ([0.9, 0.2], [False, False], 0), ([0.9], [False], 3)],
)
def test_without_right_spans_no_threshold_is_better(confidences, correct, n_gold):
    assert best_threshold(confidences, correct, n_gold) == (0.5, 0.0)


# Temperature


@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.7, 3.0])
def test_temperature_of_sampled_marks_is_found(temperature):
    logits, correct = sampled(200_000, temperature=temperature)
    found = fit_temperature(lambda t: sigmoid(logits / t), correct)
    assert found == pytest.approx(temperature, rel=0.03)


@given(st.integers(0, 1000), st.integers(1, 60))
@settings(max_examples=50)
def test_temperature_against_a_fine_grid(seed, n):
    logits, correct = sampled(n, temperature=1.5, seed=seed)
    logits = np.clip(logits, -3, 3)  # far from where confidences are clipped
    assume(0 < correct.sum() < n)

    def loss(t):
        probs = sigmoid(np.where(correct, logits, -logits) / t)
        return -sum(map(math.log, probs))

    found = fit_temperature(lambda t: sigmoid(logits / t), correct)
    grid = np.geomspace(0.25, 4.0, 400)
    assert loss(found) <= min(map(loss, grid)) + 1e-3 * n
    assert 0.25 <= found <= 4.0
    assert loss(found) <= loss(1.0)


@pytest.mark.parametrize(
    ("right", "logit", "bound"),
    [(True, 1.0, 0.25), (False, 1.0, 4.0), (True, -1.0, 4.0), (False, -1.0, 0.25)],
)
def test_all_right_or_all_wrong_leads_to_a_bound(right, logit, bound):
    logits = np.full(5, logit)
    found = fit_temperature(lambda t: sigmoid(logits / t), np.full(5, right))
    assert found == pytest.approx(bound, rel=0.01)


def test_bounds_are_kept():
    logits, correct = sampled(5000, temperature=3.0)
    found = fit_temperature(lambda t: sigmoid(logits / t), correct, bounds=(0.5, 2.0))
    assert found == pytest.approx(2.0, rel=0.01)
    assert found <= 2.0


def test_without_anything_to_learn_the_temperature_stays():
    assert fit_temperature(lambda t: np.zeros(0), np.zeros(0, dtype=bool)) == 1.0
    sure = np.array([1.0, 1.0, 0.0])
    for correct in ([True, True, False], [False, False, True], [True, False, True]):
        assert fit_temperature(lambda t: sure, np.array(correct)) == 1.0


# Bad input

MEASURES = [
    reliability_bins,
    expected_calibration_error,
    area_under_roc,
    lambda confidences, correct: best_threshold(confidences, correct, 9),
    lambda confidences, correct: fit_temperature(lambda t: confidences, correct),
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("confidences", "correct", "message"),
    [
        ([0.5], [True, False], r"\[L020\].*shape \(1,\).*of shape \(2,\).*same length"),
        ([], [True], r"L020.*\(0,\).*\(1,\)"),
        ([[0.5]], [[True]], r"L020.*\(1, 1\).*one dimension"),
        (0.5, True, r"L020.*\(\).*one dimension"),
        ([0.5, 1.01], [True, False], r"\[L021\] Confidence 1.01 of span 1.*<= 1"),
        ([-1e-9, 0.5], [True, False], r"L021.*-1e-09 of span 0"),
        ([0.5, math.nan], [True, False], r"L021.*nan of span 1"),
        ([0.5, None], [True, False], r"L021.*nan of span 1.*Leave out.*None"),
        ([math.inf], [True], r"L021.*inf of span 0"),
    ],
)
def test_bad_confidences_and_marks(measure, confidences, correct, message):
    with pytest.raises(ValueError, match=message):
        measure(confidences, correct)


@pytest.mark.parametrize("measure", [reliability_bins, expected_calibration_error])
@pytest.mark.parametrize("n_bins", [0, -3])
def test_bad_number_of_bins(measure, n_bins):
    with pytest.raises(ValueError, match=rf"\[L022\].*n_bins = {n_bins}.*at least one"):
        measure([0.5], [True], n_bins)


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan, math.inf, 1e200])
def test_bad_beta(beta):
    with pytest.raises(ValueError, match=r"\[L023\] beta = .*positive"):
        best_threshold([0.5], [True], 1, beta)


@pytest.mark.parametrize("n_gold", [1, -1])
def test_fewer_gold_spans_than_right_ones(n_gold):
    with pytest.raises(ValueError, match=rf"\[L024\] n_gold = {n_gold}, but 2 spans"):
        best_threshold([0.5, 0.6], [True, True], n_gold)


def test_no_spans_have_no_bins_and_no_measures():
    assert [len(array) for array in reliability_bins([], [])] == [0, 0, 0]
    assert math.isnan(expected_calibration_error([], []))
    assert math.isnan(area_under_roc([], []))


def test_the_arrays_given_stay_as_they_are():
    confidences, correct = np.array([0.9, 0.1, 0.5]), np.array([True, False, True])
    copies = confidences.copy(), correct.copy()
    for measure in MEASURES:
        measure(confidences, correct)
    assert (confidences == copies[0]).all()
    assert (correct == copies[1]).all()
