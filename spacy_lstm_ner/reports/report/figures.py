"""All figures of one model, and how they are counted."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...component.reliability import expected_calibration_error
from ..metrics import area_under_roc
from .bootstrap import Floats, prf
from .cases import Case
from .entities import Answers
from .pairs import KINDS, RIGHT, UNJUDGED
from .scores import Counts, Scores
from .semeval import Measure, measure

# The curve has at most about so many points.
_POINTS = 200


class Point(NamedTuple):
    """Precision and recall at a threshold.

    threshold (float): Entities of at least this confidence are kept.
    precision, recall, f1 (float): From 0 to 1.
    """

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Figures:
    """The figures of a model.

    answers (Answers): What it finds.
    cases (List[Case]): What became of each entity.
    n_unjudged (int): Number of its entities on tokens without annotation.
    total (Scores): The scores of all entities.
    scores (Dict[str, Dict[str, Scores]]): Scores by grouping and group.
    kinds (Dict[str, Dict[str, int]]): Numbers of cases by label and kind. The label is
        that of the gold entity, and of invented ones the predicted one.
    semeval (Dict[str, Measure]): The measures of SemEval 2013.
    confusion (Dict[str, Dict[str, int]]): Numbers of cases by the label of the gold and
        of the predicted entity; the empty string stands for no entity.
    confidences, correct (ndarray): Of each predicted entity with a confidence, the
        confidence, and whether it is right.  (S,)
    curve (List[Point]): Precision and recall by threshold, ascending.
    """

    answers: Answers
    cases: list[Case]
    n_unjudged: int
    total: Scores
    scores: dict[str, dict[str, Scores]]
    kinds: dict[str, dict[str, int]]
    semeval: dict[str, Measure]
    confusion: dict[str, dict[str, int]]
    confidences: Floats
    correct: NDArray[np.bool_]
    curve: list[Point]

    def to_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        confidence = None
        if len(self.confidences):
            confidence = {
                "entities": len(self.confidences),
                "calibration_error": self.calibration_error,
                "area_under_roc": self.area_under_roc,
            }
        return {
            "name": self.answers.name,
            "threshold": self.answers.threshold,
            "unjudged": self.n_unjudged,
            "all": _json(self.total),
            "scores": {
                name: {group: _json(each) for group, each in groups.items()}
                for name, groups in self.scores.items()
            },
            "kinds": self.kinds,
            "semeval": {
                name: {
                    **each._asdict(),
                    "precision": each.precision,
                    "recall": each.recall,
                    "f1": each.f1,
                }
                for name, each in self.semeval.items()
            },
            "confusion": self.confusion,
            "confidence": confidence,
            "curve": [point._asdict() for point in self.curve],
        }

    @property
    def calibration_error(self) -> float:
        """Expected calibration error; NaN if no entity has a confidence."""
        return expected_calibration_error(self.confidences, self.correct)

    @property
    def area_under_roc(self) -> float:
        """Area under the ROC curve; NaN unless some entities are right and some not."""
        return area_under_roc(self.confidences, self.correct)


def figures_of(
    answers: Answers,
    cases: list[Case],
    counts: Mapping[str, Counts],
    samples: Mapping[str, Floats],
) -> Figures:
    """Count the cases of a model.

    answers (Answers): What it finds.
    cases (List[Case]): What became of each entity.
    counts (Mapping[str, Counts]): Counts of entities by grouping; "label" is one.
    samples (Mapping[str, ndarray]): Their sums over samples of the texts.
    RETURNS (Figures): The figures.
    """
    kept = [
        (each.confidence, each.kind == RIGHT)
        for found in answers.found
        for each in found
        if answers.is_kept(each) and each.kind != UNJUDGED
        if each.confidence is not None
    ]
    return Figures(
        answers=answers,
        cases=cases,
        n_unjudged=sum(
            each.kind == UNJUDGED and answers.is_kept(each)
            for found in answers.found
            for each in found
        ),
        total=counts["label"].total(samples["label"]),
        scores={name: each.scores(samples[name]) for name, each in counts.items()},
        kinds=_kinds(cases, counts["label"].names),
        semeval=measure(cases),
        confusion=_confusion(cases, counts["label"].names),
        confidences=np.array([c for c, _ in kept], dtype="float64"),
        correct=np.array([right for _, right in kept], dtype="bool"),
        curve=_curve(answers),
    )


def _labels(case: Case) -> tuple[str, str]:
    return (
        case.gold.label if case.gold is not None else "",
        case.found.entity.label if case.found is not None else "",
    )


def _kinds(cases: Sequence[Case], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for case in cases:
        gold, found = _labels(case)
        counts[gold or found, case.kind] += 1
    return {label: {kind: counts[label, kind] for kind in KINDS} for label in labels}


def _confusion(
    cases: Sequence[Case], labels: Sequence[str]
) -> dict[str, dict[str, int]]:
    counts = Counter(map(_labels, cases))
    names = (*labels, "")
    return {gold: {found: counts[gold, found] for found in names} for gold in names}


def _curve(answers: Answers) -> list[Point]:
    """Precision and recall at each confidence, or at some if there are many."""
    judged = [
        each for found in answers.found for each in found if each.kind != UNJUDGED
    ]
    if answers.threshold is None or not judged:
        return []
    confidences = np.array(
        [math.inf if e.confidence is None else e.confidence for e in judged]
    )
    order = np.argsort(-confidences, kind="stable")
    confidences = confidences[order]
    right = np.cumsum([judged[i].kind == RIGHT for i in order])
    # The last of equal confidences stands for all of them.
    (last,) = np.nonzero(np.append(np.diff(confidences) != 0, True))
    last = last[np.isfinite(confidences[last])]
    step = max(len(last) // _POINTS, 1)
    last = last[::-1][::step]
    n_gold = np.full(len(last), sum(len(text.gold) for text in answers.texts))
    scores = prf(n_gold.astype("float64"), last + 1.0, right[last].astype("float64"))
    rows = zip(confidences[last].tolist(), *(s.tolist() for s in scores), strict=True)
    return [Point(*row) for row in rows]


def _json(scores: Scores) -> dict[str, Any]:
    numbers = {name: getattr(scores, name) for name in ("gold", "predicted", "right")}
    values = {
        name: getattr(scores, name)._asdict() for name in ("precision", "recall", "f1")
    }
    return {**numbers, **values}
