"""What is made of a model's parameters, kept from one prediction to the next."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from thinc.api import Model

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Keeps a value in prediction until what it is made of changes.

    Loading a model, and using averaged parameters, puts other arrays in place of the
    parameters; training changes them in place. So a value is made anew when the arrays
    are others, and always while they are those of the last step of training, which the
    optimizer may yet change. It is not saved with the model; copies are empty.
    """

    def __init__(self) -> None:
        self._trained: list[Any] = []
        self._kept: tuple[list[Any], Value] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, ()

    def get(self, sources: Sequence[Any], make: Callable[[], Value]) -> Value:
        """The value.

        sources (Sequence): What it is made of, arrays and numbers.
        make (Callable): Makes it.
        """
        trained = set(map(id, self._trained))
        if any(id(source) in trained for source in sources):
            return make()
        kept = self._kept  # once, as another thread may replace it
        if kept is None or not _are_same(sources, kept[0]):
            kept = self._kept = list(sources), make()
        return kept[1]

    def note_training(self, sources: Sequence[Any]) -> None:
        """Tell that there is a step of training.

        sources (Sequence): The parameters.
        """
        self._trained = list(sources)
        self._kept = None

    def note_update(self) -> None:
        """Tell that the optimizer has changed what was trained, and its averages."""
        if self._trained:
            self._kept = None


def note_update(model: Model[Any, Any]) -> None:
    """Tell all layers of a model that the optimizer has changed their parameters, and
    the averages of these. Steps of training tell as well, but not each change comes
    right behind one: gradients may have been added up, and moments go on by themselves.

    model (Model): The model.
    """
    for node in model.walk():
        for value in node.attrs.values():
            if hasattr(value, "note_update"):
                value.note_update()


def _are_same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(
        one is other or (isinstance(one, int) and one == other)
        for one, other in zip(some, others, strict=True)
    )
