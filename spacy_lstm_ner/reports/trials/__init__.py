"""Trainings on parts of the user's data, and what they tell.

- `training` trains a config on given Docs and scores it.
- `ledger` keeps the results in a file, so that an interrupted run continues.
- `learning_curve` measures F1 by the number of texts, `power_law` extrapolates it.
"""

from .learning_curve import Curve, Point, learning_curve, rows_of
from .ledger import Ledger, digests
from .power_law import Forecast, forecast
from .training import Scores, Trained, Trainer, adopt

__all__ = [
    "Curve",
    "Forecast",
    "Ledger",
    "Point",
    "Scores",
    "Trained",
    "Trainer",
    "adopt",
    "digests",
    "forecast",
    "learning_curve",
    "rows_of",
]
