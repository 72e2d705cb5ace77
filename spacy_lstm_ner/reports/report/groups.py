"""Groups of entities whose scores stand apart: by label, length, and by what the
training data has of their strings."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from spacy.tokens import Doc

from ...component.white_space import entities_of
from .entities import Entity

# Lower limits of groups of lengths, in tokens, and of numbers of entities.
_LENGTHS = (1, 2, 3, 4, 6)
_NUMBERS = (0, 1, 2, 5, 10, 50)
_SEEN = ("seen with this label", "seen with another label", "unseen")


class Grouping(NamedTuple):
    """A way to divide entities into groups.

    names (Tuple[str, ...]): The names of the groups, in their order.
    group_of (Callable[[Entity], str]): The group of an entity.
    """

    names: tuple[str, ...]
    group_of: Callable[[Entity], str]


class Training:
    """The entities of training data, by their strings, case included.

    docs (Iterable[Doc]): The annotated texts.
    """

    def __init__(self, docs: Iterable[Doc]) -> None:
        self.numbers: Counter[str] = Counter()
        self.labels: set[tuple[str, str]] = set()
        for doc in docs:
            for place in entities_of(doc):
                entity = Entity.of(doc, place)
                self.numbers[entity.string] += 1
                self.labels.add((entity.string, entity.label))


def by_label(labels: Iterable[str]) -> Grouping:
    """A group per label.

    labels (Iterable[str]): The labels.
    """
    return Grouping(tuple(labels), lambda entity: entity.label)


def by_length() -> Grouping:
    """Groups of entities of about the same number of tokens."""
    names = _ranges(_LENGTHS)
    return Grouping(names, lambda e: names[_place(_LENGTHS, e.n_tokens)])


def by_training(training: Training) -> dict[str, Grouping]:
    """Groups by what the training data has.

    training (Training): Its entities.
    RETURNS (Dict[str, Grouping]): "seen", whether the string of an entity is that of
        one in training, and "frequency", of how many.
    """
    names = _ranges(_NUMBERS)

    def seen(entity: Entity) -> str:
        if (entity.string, entity.label) in training.labels:
            return _SEEN[0]
        return _SEEN[1 if entity.string in training.numbers else 2]

    def frequency(entity: Entity) -> str:
        return names[_place(_NUMBERS, training.numbers[entity.string])]

    return {"seen": Grouping(_SEEN, seen), "frequency": Grouping(names, frequency)}


def _place(limits: tuple[int, ...], number: int) -> int:
    return sum(number >= limit for limit in limits[1:])


def _ranges(limits: tuple[int, ...]) -> tuple[str, ...]:
    """Names of ranges.

    >>> _ranges((1, 2, 4))
    ('1', '2 to 3', '4 or more')
    """
    names = []
    for first, end in pairwise(limits):
        names.append(str(first) if end == first + 1 else f"{first} to {end - 1}")
    return (*names, f"{limits[-1]} or more")
