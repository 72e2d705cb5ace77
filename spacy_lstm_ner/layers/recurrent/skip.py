"""Skip connection around a layer."""

from collections.abc import Callable

from thinc.api import Model, get_width
from thinc.types import Ragged


def Skip(layer: Model[Ragged, Ragged]) -> Model[Ragged, Ragged]:
    """Add the input of a layer to its output, F(x) + x, if their widths agree. If not,
    the result is F(x), where `thinc.api.residual` fails. The identity path carries the
    gradient past the layer undiminished (He et al. 2016).

    layer (Model[Ragged, Ragged]): F, (T, I) -> (T, O).
    RETURNS (Model[Ragged, Ragged]): (T, I) -> (T, O).
    """
    return Model(f"skip({layer.name})", forward, init=init, layers=[layer])


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Y = F(X) + X, or F(X)."""
    Y, backprop_layer = model.layers[0](X, is_train)
    if get_width(X.dataXd) != get_width(Y.dataXd):
        return Y, backprop_layer

    def backprop(dY: Ragged) -> Ragged:
        dX = backprop_layer(dY)
        return Ragged(dX.dataXd + dY.dataXd, dY.lengths)

    return Ragged(Y.dataXd + X.dataXd, Y.lengths), backprop


def init(
    model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None
) -> None:
    """Let the layer infer its widths from the sample."""
    model.layers[0].initialize(X, Y)
