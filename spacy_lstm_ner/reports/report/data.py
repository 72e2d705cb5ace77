"""What the script of the page reads: texts and entities, in few characters."""

import json
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from .entities import Answers, Entity, Found
from .pairs import KINDS, UNJUDGED
from .run import Report

_KINDS = {kind: i for i, kind in enumerate((*KINDS, UNJUDGED))}


def page_data(report: Report) -> dict[str, Any]:
    """The texts and entities of a report. Entities are lists of numbers: start and end
    in UTF-16 code units, as JavaScript counts them, and the number of the label; of
    predicted ones also the confidence (-1: none), the number of the kind and that of
    the gold entity (-1: none). Each model has the probability of each gold entity, too.

    report (Report): The report.
    """
    numbers = {label: i for i, label in enumerate(report.labels)}
    # Entities that are not judged may have other labels.
    for figures in report.models:
        for found in figures.answers.found:
            for each in found:
                numbers.setdefault(each.entity.label, len(numbers))
    units = [_units(text.text) for text in report.texts]

    def place(entity: Entity, unit: Callable[[int], int]) -> list[Any]:
        return [unit(entity.start), unit(entity.end), numbers[entity.label]]

    def prediction(found: Found, unit: Callable[[int], int]) -> list[Any]:
        gold = -1 if found.gold is None else found.gold
        sureness = _probability(found.confidence)
        return [*place(found.entity, unit), sureness, _KINDS[found.kind], gold]

    def model(answers: Answers) -> dict[str, Any]:
        return {
            "name": answers.name,
            "threshold": answers.threshold,
            "lowest": answers.lowest,
            "gold": [
                list(map(_probability, each))
                for each in answers.gold_probabilities
                or [[None] * len(text.gold) for text in answers.texts]
            ],
            "found": [
                [prediction(each, unit) for each in found]
                for found, unit in zip(answers.found, units, strict=True)
            ],
        }

    return {
        "kinds": list(_KINDS),
        "labels": list(numbers),
        "texts": [text.text for text in report.texts],
        "gold": [
            [place(entity, unit) for entity in text.gold]
            for text, unit in zip(report.texts, units, strict=True)
        ],
        "models": [model(figures.answers) for figures in report.models],
    }


def _probability(value: float | None) -> float:
    return -1 if value is None else round(value, 7)


def script_json(content: object) -> str:
    """JSON that may stand in a script element: ASCII, without "<", which could end the
    element or begin a comment.

    content (object): The content.

    >>> script_json("</script>\u2028")
    '"\\\\u003c/script>\\\\u2028"'
    """
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _units(text: str) -> Callable[[int], int]:
    """The function from numbers of characters to numbers of UTF-16 code units."""
    if not text or max(text) <= "\uffff":
        return lambda place: place
    units = (1 + (character > "\uffff") for character in text)
    starts = list(accumulate(units, initial=0))
    return lambda place: starts[place]
