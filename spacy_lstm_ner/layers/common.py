"""Small things that several layers share."""

from typing import Any, TypeAlias

from thinc.api import Model

from ..errors import Errors
from ..types import Floats2d

Encoder: TypeAlias = Model[list[Floats2d], list[Floats2d]]


def no_backward(name: str, dY: Any) -> Any:
    """The backward pass of a prediction, as `partial(no_backward, name)`.

    name (str): The name of the layer.
    RAISES ValueError (L008): Always, because a prediction keeps nothing for it.
    """
    raise ValueError(Errors.L008.format(name=name))
