"""The measures of SemEval 2013, task 9.1 (Segura-Bedmar et al. 2013), which also count
entities that are found in part, or with another label."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from .cases import Case
from .entities import Entity

# What an entity has to share with a gold one that it overlaps, to be correct.
_Match = Callable[[Entity, Entity], bool]
MEASURES: dict[str, _Match] = {
    "strict": lambda gold, found: gold[:3] == found[:3],
    "exact": lambda gold, found: gold[:2] == found[:2],
    "partial": lambda gold, found: gold[:2] == found[:2],
    "type": lambda gold, found: gold.label == found.label,
}


class Measure(NamedTuple):
    """Counts and scores of one measure.

    correct, incorrect, partial (int): Number of pairs.
    missed, spurious (int): Number of gold and predicted entities without partner.
    """

    correct: int
    incorrect: int
    partial: int
    missed: int
    spurious: int

    @property
    def precision(self) -> float:
        """Share of the predicted entities, a partial match as half."""
        n = self.correct + self.incorrect + self.partial + self.spurious
        return self._credit / n if n else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold entities, a partial match as half."""
        n = self.correct + self.incorrect + self.partial + self.missed
        return self._credit / n if n else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def _credit(self) -> float:
        return self.correct + self.partial / 2


def measure(cases: Sequence[Case]) -> dict[str, Measure]:
    """Count by each measure, with the results of the package `nervaluate`.

    Each measure pairs entities for itself: the predicted ones, from left to right, with
    a gold one that is correct, or else with the first that they overlap. A pair that is
    not correct is incorrect, or partial in the measure of this name.

    cases (Sequence[Case]): All cases, by text.
    RETURNS (Dict[str, Measure]): The result of each of `MEASURES`.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in MEASURES}
    for _, group in groupby(cases, key=lambda case: case.text):
        here = list(group)
        gold = sorted(case.gold for case in here if case.gold)
        found = sorted(case.found.entity for case in here if case.found)
        for name, is_match in MEASURES.items():
            other = "partial" if name == "partial" else "incorrect"
            counts[name].update(_count(gold, found, is_match, other))
    return {
        name: Measure(*(each[field] for field in Measure._fields))
        for name, each in counts.items()
    }


def _count(
    gold: Sequence[Entity], found: Sequence[Entity], is_match: _Match, other: str
) -> Counter[str]:
    free = list(gold)
    counts: Counter[str] = Counter()
    for entity in found:
        near = [g for g in free if g.start < entity.end and entity.start < g.end]
        matching = [g for g in near if is_match(g, entity)]
        if matching:
            counts["correct"] += 1
            free.remove(min(matching, key=lambda g: _distance(g, entity)))
        elif near:
            counts[other] += 1
            free.remove(near[0])
        else:
            counts["spurious"] += 1
    counts["missed"] = len(free)
    return counts


def _distance(first: Entity, second: Entity) -> int:
    return abs(first.start - second.start) + abs(first.end - second.end)
