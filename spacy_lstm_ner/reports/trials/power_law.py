"""How much better a model gets with more texts: a power law fitted to its errors.

The error of a model falls with the number of texts n as e(n) = c + a n^-b (Cortes et
al. 1993; Hestness et al. 2017). A handful of trainings leaves c and b open: curves that
agree at all measured points part behind them. So no single curve is chosen. Each curve
of a grid counts by its likelihood, and the spread of the answers is the uncertainty.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Three parameters need more than three sizes.
_LEAST_SIZES = 4
# Standard deviation of F1 between trainings is at least so large: with a few points, a
# curve can fit better by chance.
_NOISE = 0.005
_QUANTILES = (0.05, 0.5, 0.95)


class Forecast(NamedTuple):
    """The expected gain with more texts.

    texts (float): The number of texts.
    gain (float): Difference of F1 to the largest measured size: the median.
    low, high (float): The limits of 90% of its probability.
    """

    texts: float
    gain: float
    low: float
    high: float


def forecast(
    sizes: Sequence[float], f1s: Sequence[float], *, factor: float = 2.0
) -> Forecast | None:
    """Expected F1 with more texts than were measured.

    The likelihood of a curve is that of normal errors of an unknown standard deviation
    (Jeffreys prior), at least half a point of F1. Uniform before the measurements: b
    from 0 to 1, the error at the largest size, and the share of this error that no
    number of texts removes.

    sizes (Sequence[float]): Number of texts of each training.
    f1s (Sequence[float]): F1 of each training, from 0 to 1.
    factor (float): How many times as many texts as the largest size.
    RETURNS (Optional[Forecast]): None if there are fewer than 4 different sizes, or if
        the mean F1 of the largest is not above that of the smallest.
    """
    n = np.asarray(sizes, dtype="float64")
    errors = 1 - np.asarray(f1s, dtype="float64")
    is_first, is_last = n == n.min(initial=np.inf), n == n.max(initial=0)
    if len(np.unique(n)) < _LEAST_SIZES:
        return None
    if errors[is_last].mean() >= errors[is_first].mean():
        return None
    end = float(errors[is_last].mean())
    # Axes: exponent, error at the largest size, share of it that stays.
    b = np.linspace(0.01, 1, 100)[:, None, None]
    last = np.linspace(max(end - 0.1, 0), min(end + 0.1, 1), 81)[None, :, None]
    stays = np.linspace(0, 0.98, 50)
    misfit = _misfit(n / n.max(), errors, b, last, stays)
    log_likelihood = -0.5 * len(n) * np.log(misfit + len(n) * _NOISE**2)
    weights = np.exp(log_likelihood - log_likelihood.max())
    gains = last * (1 - stays) * (1 - factor**-b)
    low, median, high = _quantiles(gains, weights)
    return Forecast(factor * float(n.max()), median, low, high)


def _misfit(
    shares: NDArray[np.float64],
    errors: NDArray[np.float64],
    b: NDArray[np.float64],
    last: NDArray[np.float64],
    stays: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum of squared distances of each curve from the measured errors."""
    total = np.zeros(np.broadcast_shapes(b.shape, last.shape, stays.shape))
    for share, error in zip(shares.tolist(), errors.tolist(), strict=True):
        total += (last * (stays + (1 - stays) * share**-b) - error) ** 2
    return total


def _quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, ...]:
    order = np.argsort(values, axis=None)
    shares = np.cumsum(weights.ravel()[order])
    found = np.searchsorted(shares, np.array(_QUANTILES) * shares[-1])
    return tuple(values.ravel()[order][found].tolist())
