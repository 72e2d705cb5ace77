"""Precision, recall and F1 with confidence intervals, and the significance of a
difference, by resampling texts (Efron & Tibshirani 1993)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_SAMPLES = 2000
# Samples of one step: bounds the memory.
_STEP = 100
# Limits of a 95% interval, in percent.
_LIMITS = (2.5, 97.5)


class Interval(NamedTuple):
    """A value with its 95% interval, by percentiles.

    value (float): The value for all texts.
    low, high (float): The limits.
    """

    value: float
    low: float
    high: float


def resample(
    counts: NDArray[np.integer], n_samples: int = N_SAMPLES, seed: int = 0
) -> Floats:
    """Sum counts over random samples of texts, drawn with replacement, as many as there
    are. All columns are summed over the same samples, so figures from different columns
    can be compared sample by sample.

    counts (ndarray): The counts of each text.  (D, K)
    n_samples (int): Number of samples.
    seed (int): Seed of the random numbers.
    RETURNS (ndarray): The sums.  (n_samples, K)
    """
    n_texts, n_columns = counts.shape
    if not n_texts or not n_columns:
        return np.zeros((n_samples, n_columns))
    # Texts with equal counts are drawn together: their number is multinomial, too.
    rows, numbers = np.unique(counts, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    sums = []
    for start in range(0, n_samples, _STEP):
        n = min(_STEP, n_samples - start)
        drawn = rng.multinomial(n_texts, numbers / n_texts, size=n)
        sums.append(drawn.astype("float64") @ rows.astype("float64"))
    return np.concatenate(sums)


def prf(gold: Floats, predicted: Floats, right: Floats) -> tuple[Floats, ...]:
    """Precision, recall and F1 of numbers of entities; 0 where nothing is counted, as
    in spaCy.

    gold, predicted, right (ndarray): The numbers; arrays of the same shape.
    RETURNS (Tuple[ndarray, ndarray, ndarray]): Precision, recall, F1; of that shape.
    """
    return (
        right / np.maximum(predicted, 1),
        right / np.maximum(gold, 1),
        2 * right / np.maximum(gold + predicted, 1),
    )


def interval(value: float, samples: Floats) -> Interval:
    """A value with the percentiles of its samples.

    value (float): The value.
    samples (ndarray): Its value in each sample.  (R,)
    """
    low, high = np.percentile(samples, _LIMITS)
    return Interval(float(value), float(low), float(high))


def p_value(difference: float, samples: Floats) -> float:
    """How probable so large a difference is by chance, in the texts, if there is none
    (paired bootstrap, one-sided: Berg-Kirkpatrick et al. 2012).

    The samples are centred at the difference, not at 0. So the share of those that
    exceed twice the difference is the share that exceeds it, once centred at 0.

    difference (float): The difference in all texts.
    samples (ndarray): The difference in each sample.  (R,)
    RETURNS (float): From 1 / (R + 1) to 1; 1 if there is no difference.
    """
    if difference == 0:
        return 1.0
    sign = 1 if difference > 0 else -1
    n_above = int((sign * samples > 2 * abs(difference)).sum())
    return (n_above + 1) / (len(samples) + 1)
