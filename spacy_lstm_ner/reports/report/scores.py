"""Scores of groups of entities, with confidence intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Floats, Interval, interval, prf
from .cases import Case
from .groups import Grouping
from .pairs import RIGHT

# Columns of counts.
_GOLD, _PREDICTED, _RIGHT = range(3)


class Scores(NamedTuple):
    """The scores of a group of entities.

    gold, predicted, right (int): Numbers of entities.
    precision, recall, f1 (Interval): From 0 to 1, with their 95% intervals.
    """

    gold: int
    predicted: int
    right: int
    precision: Interval
    recall: Interval
    f1: Interval


class Counts:
    """The numbers of gold, predicted and right entities of groups, for each text.

    cases (Sequence[Case]): The cases.
    n_texts (int): Number of texts.
    grouping (Grouping): The groups.
    """

    def __init__(self, cases: Sequence[Case], n_texts: int, grouping: Grouping) -> None:
        self.names = grouping.names
        numbers = {name: i for i, name in enumerate(self.names)}
        cells = []
        for case in cases:
            if case.gold is not None:
                group = numbers[grouping.group_of(case.gold)]
                cells.append((case.text, group, _GOLD))
                if case.kind == RIGHT:
                    cells.append((case.text, group, _RIGHT))
            if case.found is not None:
                group = numbers[grouping.group_of(case.found.entity)]
                cells.append((case.text, group, _PREDICTED))
        # (D, G, 3)
        self.array: NDArray[np.int32] = np.zeros((n_texts, len(self.names), 3), "int32")
        if cells:
            np.add.at(self.array, tuple(np.array(cells).T), 1)

    def scores(self, samples: Floats) -> dict[str, Scores]:
        """The scores of each group.

        samples (ndarray): The sums over samples of the texts.  (R, G, 3)
        """
        sums = self.array.sum(axis=0)
        return {
            name: _scores(sums[i], samples[:, i]) for i, name in enumerate(self.names)
        }

    def total(self, samples: Floats) -> Scores:
        """The scores of all groups together.

        samples (ndarray): As of `scores`.
        """
        return _scores(self.array.sum(axis=(0, 1)), samples.sum(axis=1))


def _scores(sums: NDArray[np.integer], samples: Floats) -> Scores:
    values = prf(*sums.astype("float64"))
    sampled = prf(*samples.T)
    gold, predicted, right = sums.tolist()
    intervals = (
        interval(float(value), each)
        for value, each in zip(values, sampled, strict=True)
    )
    return Scores(gold, predicted, right, *intervals)
