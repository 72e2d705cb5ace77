"""Dropout with one mask per sequence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from thinc.api import Model, get_width
from thinc.types import Ragged

from ..common import Settings


@dataclass(frozen=True)
class DropoutSettings(Settings):
    """rate: Probability of dropping a feature; None takes the training loop's rate."""

    rate: float | None


def VariationalDropout(rate: float | None = None) -> Model[Ragged, Ragged]:
    """Drop features of whole sequences: one mask per sequence and feature, the same at
    every token (Gal & Ghahramani 2016). It suits taggers better than a mask per token
    (Reimers & Gurevych 2017).

    rate (float | None): Probability of dropping a feature. None takes the rate of the
        training loop (`nlp.update(drop=...)`, `[training] dropout`). If that is 0,
        dropout is off in any case.
    RETURNS (Model[Ragged, Ragged]): (T, I) -> (T, I).
    """
    return Model(
        "variational_dropout",
        forward,
        attrs={"settings": DropoutSettings(rate), "dropout_rate": 0.0},
    )


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Scale the kept features by 1 / (1 - rate), so that the mean stays the same."""
    rate = rate_in_training(model) if is_train else 0.0
    if not rate:
        return X, _identity
    shape = (len(X.lengths), get_width(X.dataXd))
    mask_BI = model.ops.get_dropout_mask(shape, rate)
    lengths = model.ops.to_numpy(X.lengths).tolist()
    mask_TI = model.ops.xp.repeat(mask_BI, lengths, axis=0)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(dY.dataXd * mask_TI, dY.lengths)

    return Ragged(X.dataXd * mask_TI, X.lengths), backprop


def rate_in_training(model: Model[Any, Any]) -> float:
    """The dropout rate of a layer in training: its own rate, or the training loop's if
    it has none; 0 if the training loop's is 0."""
    settings: DropoutSettings = model.attrs["settings"]
    own, of_loop = settings.rate, float(model.attrs["dropout_rate"])
    return of_loop if own is None or not of_loop else float(own)


def _identity(dY: Ragged) -> Ragged:
    return dY
