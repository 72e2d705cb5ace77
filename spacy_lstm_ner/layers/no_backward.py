"""What stands for the backward pass of a prediction."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import Errors


def no_backward(name: str) -> Callable[[Any], Any]:
    """The backward pass of a forward pass that kept nothing for it.

    name (str): Of the layer.
    RETURNS (Callable): Raises a ValueError (L008) when it is called.
    """
    return partial(_refuse, name)


def _refuse(name: str, dY: Any) -> Any:
    raise ValueError(Errors.L008.format(name=name))
