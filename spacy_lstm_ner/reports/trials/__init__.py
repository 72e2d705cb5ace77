"""Trainings on parts of the user's data, and what they tell.

- `training` trains a config on given Docs and scores it.
- `ledger` keeps the results in a file, so that an interrupted run continues.
- `learning_curve` measures F1 by the number of texts, `power_law` extrapolates it.
- `simulation` measures what choosing texts by uncertainty saves, `savings`
  sums it up.
"""

from .learning_curve import Curve, Point, learning_curve, rows_of
from .ledger import Ledger, digests
from .power_law import Forecast, forecast
from .savings import Saving, savings, score_lines
from .simulation import RANDOM, Needed, Round, Settings, Simulation, simulate
from .training import Scores, Trained, Trainer, adopt

__all__ = [
    "RANDOM",
    "Curve",
    "Forecast",
    "Ledger",
    "Needed",
    "Point",
    "Round",
    "Saving",
    "Scores",
    "Settings",
    "Simulation",
    "Trained",
    "Trainer",
    "adopt",
    "digests",
    "forecast",
    "learning_curve",
    "rows_of",
    "savings",
    "score_lines",
    "simulate",
]
