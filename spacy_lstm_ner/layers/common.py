"""Small things that several layers share."""

from dataclasses import dataclass
from typing import Any

from ..errors import Errors


@dataclass(frozen=True)
class Settings:
    """Base of the settings that a layer takes from its config, kept in one attribute of
    the model. Thinc saves attributes that are numbers or texts, and they would override
    the config when a saved model is loaded. It does not save an object like this."""


def no_backward(name: str, dY: Any) -> Any:
    """The backward pass of a prediction, as `partial(no_backward, name)`.

    name (str): The name of the layer.
    dY: Ignored.
    RAISES ValueError (L008): Always, because a prediction keeps nothing for it.
    """
    raise ValueError(Errors.L008.format(name=name))
