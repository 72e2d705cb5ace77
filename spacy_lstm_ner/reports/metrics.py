"""Measures of confidences, on arrays: area under ROC, intervals."""

import math

import numpy as np
from numpy.typing import NDArray

from ..checks import check_confidences


def area_under_roc(
    confidences: NDArray[np.float64], correct: NDArray[np.bool_]
) -> float:
    """Probability that a right span has a higher confidence than a wrong one, where a
    tie counts half (Hanley & McNeil 1982).

    confidences (ndarray): Confidence of each span.  (S,)
    correct (ndarray): Whether it is right.  (S,)
    RETURNS (float): 1 is best, 0.5 is chance; NaN unless there are right spans and
        wrong ones.
    RAISES ValueError: L020 if the lengths differ, L021 if a confidence is not within
        0 to 1.
    """
    confidences, correct = check_confidences(confidences, correct)
    right, wrong = confidences[correct], np.sort(confidences[~correct])
    if not len(right) or not len(wrong):
        return math.nan
    n_below = np.searchsorted(wrong, right, side="left")
    n_not_above = np.searchsorted(wrong, right, side="right")
    return float((n_below + n_not_above).mean() / (2 * len(wrong)))


def wilson_interval(
    n_right: NDArray[np.integer], n: NDArray[np.integer], z: float = 1.96
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidence interval of the share of right spans (Wilson 1927), for each sample.

    n_right (ndarray): Number of right spans of each sample.
    n (ndarray): Number of spans of each sample, positive.
    z (float): Quantile of the normal distribution; 1.96 is for 95 percent.
    RETURNS (Tuple[ndarray, ndarray]): Lower and upper limits. The share of the sample
        lies between them.
    """
    center = (n_right + z**2 / 2) / (n + z**2)
    radius = z * np.sqrt(n_right * (n - n_right) / n + z**2 / 4) / (n + z**2)
    share = n_right / n
    return np.minimum(center - radius, share), np.maximum(center + radius, share)
