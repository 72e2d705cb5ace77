"""Dropout with one mask per sequence."""

from collections.abc import Callable

from thinc.api import Model, get_width
from thinc.types import Ragged


def VariationalDropout(rate: float | None = None) -> Model[Ragged, Ragged]:
    """Drop features of whole sequences: one mask per sequence and feature, the same
    at every token (Gal & Ghahramani 2016). Tokens keep telling apart what a mask
    per token would blur, which is what taggers need (Reimers & Gurevych 2017).

    rate (float | None): Probability of dropping a feature. None takes the rate of
        the training loop (`nlp.update(drop=...)`, `[training] dropout`), which also
        switches dropout off where it is 0.
    RETURNS (Model[Ragged, Ragged]): (T, I) -> (T, I).
    """
    return Model(
        "variational_dropout",
        forward,
        attrs={"rate": rate, "dropout_rate": 0.0},
    )


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Scale the kept features by 1 / (1 - rate), so that the mean stays."""
    rate = model.attrs["dropout_rate"] if is_train else 0.0
    if rate and model.attrs["rate"] is not None:
        rate = model.attrs["rate"]
    if not rate:
        return X, _identity
    shape = (len(X.lengths), get_width(X.dataXd))
    mask_BI = model.ops.get_dropout_mask(shape, rate)
    lengths = model.ops.to_numpy(X.lengths).tolist()
    mask_TI = model.ops.xp.repeat(mask_BI, lengths, axis=0)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(dY.dataXd * mask_TI, dY.lengths)

    return Ragged(X.dataXd * mask_TI, X.lengths), backprop


def _identity(dY: Ragged) -> Ragged:
    return dY
