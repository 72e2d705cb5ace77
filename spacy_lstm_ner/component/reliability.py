"""How far confidences can be trusted, and the settings fitted to them, on arrays alone.

Of each predicted span, all that counts here is its confidence and whether it is right:
a gold span has exactly its limits and its label.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_beta, check_confidences
from ..errors import Errors

# Confidences stay this far from 0, so that one sure error doesn't decide a fit alone.
_MIN_PROB = 1e-6

# Width of the last interval of a temperature's logarithm: one percent.
_LOG_TOLERANCE = 0.01

_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


class Bins(NamedTuple):
    """Spans grouped by confidence, in ascending order; one row per array and bin.

    confidence: Mean confidence of the spans of the bin.
    accuracy: Share of them that is right.
    n_spans: Number of them.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    n_spans: NDArray[np.intp]


def reliability_bins(
    confidences: NDArray[np.float64], correct: NDArray[np.bool_], n_bins: int = 10
) -> Bins:
    """Group spans into bins of equal mass (Nixon et al. 2019), whose sizes differ by at
    most one.

    confidences (ndarray): Confidence of each span.  (S,)
    correct (ndarray): Whether it is right.  (S,)
    n_bins (int): Number of bins; if there are fewer spans, each has its own bin.
    RETURNS (Bins): The bins. Equal confidences keep their order, also across bins.
    RAISES ValueError: L020 if the lengths differ, L021 if a confidence is not within
        0 to 1, L022 if n_bins is not positive.
    """
    confidences, correct = check_confidences(confidences, correct)
    if n_bins < 1:
        raise ValueError(Errors.L022.format(n_bins=n_bins))
    n = len(confidences)
    n_bins = min(n_bins, n)
    limits = np.arange(n_bins + 1) * n // max(n_bins, 1)
    order = np.argsort(confidences, kind="stable")
    sums = np.stack([confidences, correct], axis=1)[order]
    n_spans = np.diff(limits)
    means = np.add.reduceat(sums, limits[:-1], axis=0) / n_spans[:, None]
    return Bins(confidence=means[:, 0], accuracy=means[:, 1], n_spans=n_spans)


def expected_calibration_error(
    confidences: NDArray[np.float64], correct: NDArray[np.bool_], n_bins: int = 10
) -> float:
    """Mean distance between confidence and accuracy over bins of equal mass, each
    weighted by its spans (Naeini et al. 2015; equal mass: Nixon et al. 2019).

    confidences (ndarray): Confidence of each span.  (S,)
    correct (ndarray): Whether it is right.  (S,)
    n_bins (int): Number of bins.
    RETURNS (float): 0 is best, 1 is worst; NaN if there are no spans.
    RAISES ValueError: As `reliability_bins`.
    """
    bins = reliability_bins(confidences, correct, n_bins)
    if not len(bins.n_spans):
        return math.nan
    return float(
        np.average(np.abs(bins.accuracy - bins.confidence), weights=bins.n_spans)
    )


def best_threshold(
    confidences: NDArray[np.float64],
    correct: NDArray[np.bool_],
    n_gold: int,
    beta: float = 1.0,
    rounding: float = 0.0,
) -> tuple[float, float]:
    """The threshold of the best F-score, if spans of at least this confidence are kept
    and the others dropped.

    F-beta holds recall beta times as important as precision (van Rijsbergen 1979). It
    is computed for every threshold that makes a difference.

    confidences (ndarray): Confidence of each span; keeping or dropping one must not
        depend on the others, so spans must not overlap.  (S,)
    correct (ndarray): Whether it is right.  (S,)
    n_gold (int): Number of gold spans, found or not.
    beta (float): Positive; 0.5 prefers precision, 2 recall.
    rounding (float): No threshold parts confidences that differ by no more.
    RETURNS (Tuple[float, float]): The threshold and its F-score. It lies midway between
        the lowest confidence that is kept and the next lower one, or is 0 if all are
        kept. The lowest of equally good thresholds counts; 0.5 if no span is right.
    RAISES ValueError: L020 if the lengths differ, L021 if a confidence is not within
        0 to 1, L023 if beta is not positive and finite, L024 if there are more right
        spans than gold ones.
    """
    confidences, correct = check_confidences(confidences, correct)
    check_beta(beta)
    recall_weight = beta * beta
    if n_gold < correct.sum():
        raise ValueError(Errors.L024.format(n_gold=n_gold, n_right=correct.sum()))
    if not correct.any():
        return 0.5, 0.0
    values, place = np.unique(confidences, return_inverse=True)
    lowest_of_group = np.flatnonzero(np.append(True, np.diff(values) > rounding))
    group = np.searchsorted(lowest_of_group, place, side="right") - 1
    n_kept = _sums_from_each_on(np.bincount(group))
    n_right = _sums_from_each_on(np.bincount(group, weights=correct))
    f_scores = (1 + recall_weight) * n_right / (n_kept + recall_weight * n_gold)
    best = int(f_scores.argmax())
    kept = float(values[lowest_of_group[best]])
    dropped = float(values[lowest_of_group[best] - 1]) if best else 0.0
    midway = (kept + dropped) / 2
    # Between neighbouring floats there is none.
    threshold = midway if midway > dropped else kept
    return threshold, float(f_scores[best])


def fit_temperature(
    confidences_at: Callable[[float], NDArray[np.float64]],
    correct: NDArray[np.bool_],
    bounds: tuple[float, float] = (0.25, 4.0),
) -> float:
    """The temperature, by which all scores are divided, whose confidences give what is
    right and wrong the highest likelihood (Guo et al. 2017).

    The search is by golden section over the logarithm of the temperature. It takes for
    granted that likelihood first rises with temperature and then falls.

    confidences_at (Callable[[float], ndarray]): The confidence of each span at a
        temperature; the spans and their order are always the same.  (S,)
    correct (ndarray): Whether each span is right.  (S,)
    bounds (Tuple[float, float]): Lowest and highest temperature to try.
    RETURNS (float): The temperature, to about 1 percent; 1.0 if no other is better.
    RAISES ValueError: L020 if the lengths differ, L021 if a confidence is not within
        0 to 1.
    """

    def loss(log_temperature: float) -> float:
        confidences, right = check_confidences(
            confidences_at(math.exp(log_temperature)), correct
        )
        probs = np.where(right, confidences, 1 - confidences)
        return -float(np.log(np.maximum(probs, _MIN_PROB)).sum())

    low, high = map(math.log, bounds)
    log_temperature = _golden_section(loss, low, high)
    return math.exp(log_temperature) if loss(log_temperature) < loss(0.0) else 1.0


def _golden_section(
    function: Callable[[float], float], low: float, high: float
) -> float:
    """Where a function that first falls and then rises is lowest (Kiefer 1953)."""
    left = high - _GOLDEN_RATIO * (high - low)
    right = low + _GOLDEN_RATIO * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _LOG_TOLERANCE:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN_RATIO * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN_RATIO * (high - low)
            at_right = function(right)
    return (low + high) / 2


def _sums_from_each_on(
    values: NDArray[np.integer] | NDArray[np.float64],
) -> NDArray[np.float64]:
    return np.cumsum(values[::-1], dtype="float64")[::-1]
