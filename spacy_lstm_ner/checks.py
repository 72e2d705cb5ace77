"""Checks of settings and arguments; each raises a ValueError that names the value."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import Errors


def check_at_least(least: int, **settings: float | None) -> None:
    """Refuse settings that are too small.

    least (int): The smallest allowed value.
    settings (Optional[float]): The values by name; None is not checked.
    RAISES ValueError (L048): If a value is less.
    """
    for name, value in settings.items():
        if value is not None and value < least:
            message = Errors.L048.format(name=name, value=value, least=least)
            raise ValueError(message)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a setting that is not one of its allowed values.

    name (str): The name of the setting in the config.
    value (str): Its value.
    choices (Iterable[str]): The allowed values.
    RAISES ValueError (L100): If `value` is not among `choices`.
    """
    choices = list(choices)
    if value not in choices:
        message = Errors.L100.format(name=name, value=value, choices=choices)
        raise ValueError(message)


def check_beta(beta: float) -> None:
    """Refuse a beta for which F-beta is undefined.

    beta (float): How many times as important as precision recall is.
    RAISES ValueError (L023): If it is not positive, or its square is not finite.
    """
    if not (beta > 0 and math.isfinite(beta * beta)):
        raise ValueError(Errors.L023.format(beta=beta))


def check_confidences(
    confidences: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Convert confidences and marks of right and wrong to arrays of their types.

    confidences (ArrayLike): Probability of each span.  (S,)
    correct (ArrayLike): Whether each span is right.  (S,)
    RETURNS (Tuple[ndarray, ndarray]): The arrays.
    RAISES ValueError: If the shapes differ or are not one-dimensional (L020), or if a
        confidence is not within 0 to 1 (L021).
    """
    confidences = np.asarray(confidences, dtype="float64")
    correct = np.asarray(correct, dtype="bool")
    if confidences.shape != correct.shape or confidences.ndim != 1:
        raise ValueError(
            Errors.L020.format(confidences=confidences.shape, correct=correct.shape)
        )
    is_probability = (confidences >= 0) & (confidences <= 1)
    if not is_probability.all():
        i = int(is_probability.argmin())
        raise ValueError(Errors.L021.format(confidence=confidences[i], i=i))
    return confidences, correct
