"""How far confidences agree with what is right: bins of spans, calibration error."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_confidences
from ..errors import Errors


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
