"""The report: the figures of one or more models on the same texts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc

from ...errors import Errors
from .bootstrap import Floats, Interval, interval, p_value, prf, resample
from .cases import Case, cases_of
from .entities import Answers, Text
from .figures import Figures, figures_of
from .groups import Grouping, Training, by_label, by_length, by_training
from .pairs import RIGHT
from .scores import Counts

# The field by which JSON of this module is known, and the version of its fields.
FIELD = "lstm_ner_report"
_VERSION = 1


class Comparison(NamedTuple):
    """Two models on the same texts.

    first, second (int): Their numbers in the report.
    difference (Interval): F1 of the second minus F1 of the first.
    p (float): How probable so large a difference is by chance (`bootstrap.p_value`).
    both, only_first, only_second, neither (int): How many gold entities they find.
    """

    first: int
    second: int
    difference: Interval
    p: float
    both: int
    only_first: int
    only_second: int
    neither: int


@dataclass(frozen=True)
class Report:
    """What models get wrong, in figures.

    texts (List[Text]): The texts, with their gold entities.
    labels (Tuple[str, ...]): All labels, the one of most gold entities first.
    models (List[Figures]): The figures of each model.
    comparisons (List[Comparison]): Each pair of models.
    n_training (Optional[int]): Number of entities in the training data, if it is given.
    """

    texts: list[Text]
    labels: tuple[str, ...]
    models: list[Figures]
    comparisons: list[Comparison]
    n_training: int | None

    def to_json(self) -> dict[str, Any]:
        """All figures as a JSON object."""
        return {
            FIELD: _VERSION,
            "texts": len(self.texts),
            "entities": sum(len(text.gold) for text in self.texts),
            "entities_in_training": self.n_training,
            "models": [model.to_json() for model in self.models],
            "comparisons": [
                {
                    **each._asdict(),
                    "first": self.models[each.first].answers.name,
                    "second": self.models[each.second].answers.name,
                    "difference": each.difference._asdict(),
                }
                for each in self.comparisons
            ],
        }


def make_report(
    models: Sequence[Answers], train: Iterable[Doc] | None = None
) -> Report:
    """Count what models get right and wrong.

    Intervals and significance are by bootstrap over texts, with a fixed seed: the same
    answers give the same report.

    models (Sequence[Answers]): What the models find in the same texts.
    train (Optional[Iterable[Doc]]): The training data, for the scores of strings that
        it has and does not have.
    RETURNS (Report): The figures.
    RAISES ValueError (L321): If the models have different texts or gold entities, or
        there is none.
    """
    if not models or any(each.texts != models[0].texts for each in models):
        raise ValueError(Errors.L321.format(names=[each.name for each in models]))
    training = None if train is None else Training(train)
    cases = [cases_of(answers) for answers in models]
    texts = models[0].texts
    labels = _labels(cases)
    groupings = {"label": by_label(labels), "length": by_length()}
    if training is not None:
        groupings.update(by_training(training))
    counts = [_counts(each, len(texts), groupings) for each in cases]
    samples = _samples(counts)
    return Report(
        texts=texts,
        labels=labels,
        models=[
            figures_of(*each)
            for each in zip(models, cases, counts, samples, strict=True)
        ],
        comparisons=[
            _compare(models, cases, counts, samples, pair)
            for pair in combinations(range(len(models)), 2)
        ],
        n_training=None if training is None else training.numbers.total(),
    )


def _labels(cases: Sequence[Sequence[Case]]) -> tuple[str, ...]:
    """The labels of all entities, by number of gold entities."""
    gold = Counter(case.gold.label for case in cases[0] if case.gold is not None)
    found = {
        c.found.entity.label for each in cases for c in each if c.found is not None
    }
    return tuple(sorted(gold.keys() | found, key=lambda label: (-gold[label], label)))


def _counts(
    cases: Sequence[Case], n_texts: int, groupings: dict[str, Grouping]
) -> dict[str, Counts]:
    return {
        name: Counts(cases, n_texts, grouping) for name, grouping in groupings.items()
    }


def _samples(counts: Sequence[dict[str, Counts]]) -> list[dict[str, Floats]]:
    """Sums of all counts of all models over the same samples of texts.  (R, G, 3)"""
    arrays = [each.array for model in counts for each in model.values()]
    flat = [each.reshape(len(each), 3 * each.shape[1]) for each in arrays]
    sums = resample(np.concatenate(flat, axis=1))
    limits = np.cumsum([each.shape[1] for each in flat])[:-1]
    pieces = iter(np.split(sums, limits, axis=1))
    return [
        {
            name: next(pieces).reshape(len(sums), len(each.names), 3)
            for name, each in model.items()
        }
        for model in counts
    ]


def _compare(
    models: Sequence[Answers],
    cases: Sequence[Sequence[Case]],
    counts: Sequence[dict[str, Counts]],
    samples: Sequence[dict[str, Floats]],
    pair: tuple[int, int],
) -> Comparison:
    values, sampled, right = [], [], []
    for i in pair:
        values.append(_f1(counts[i]["label"].array.sum(axis=(0, 1)).astype("float64")))
        sampled.append(_f1(samples[i]["label"].sum(axis=1)))
        right.append(
            {(case.text, case.gold) for case in cases[i] if case.kind == RIGHT}
        )
    difference, differences = values[1] - values[0], sampled[1] - sampled[0]
    n_gold = sum(len(text.gold) for text in models[0].texts)
    return Comparison(
        *pair,
        interval(float(difference), differences),
        p_value(float(difference), differences),
        both=len(right[0] & right[1]),
        only_first=len(right[0] - right[1]),
        only_second=len(right[1] - right[0]),
        neither=n_gold - len(right[0] | right[1]),
    )


def _f1(counts: Floats) -> Floats:
    """F1 of numbers of gold, predicted and right entities, in the last axis."""
    return prf(counts[..., 0], counts[..., 1], counts[..., 2])[2]
