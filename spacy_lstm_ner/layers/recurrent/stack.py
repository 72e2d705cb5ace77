"""Stacked recurrent layers."""

from typing import TypedDict

from thinc.api import Model, chain
from thinc.types import Ragged

from ...errors import Errors
from ...types import Floats2d
from ..ragged import list2ragged, ragged2list
from .cell import Cell
from .dropout import VariationalDropout
from .layer import recurrent_layer
from .skip import Skip


class StackSettings(TypedDict, total=False):
    """The settings of every recurrent encoder; see `recurrent_stack`."""

    bi: bool
    depth: int
    dropout: float | None
    input_dropout: float | None
    output_dropout: float | None
    recurrent_dropout: float
    skip: bool
    grad_clip: float | None


def recurrent_stack(
    cell: Cell,
    nO: int,
    nI: int | None = None,
    *,
    bi: bool = True,
    depth: int = 1,
    dropout: float | None = None,
    input_dropout: float | None = None,
    output_dropout: float | None = None,
    recurrent_dropout: float = 0.0,
    skip: bool = False,
    grad_clip: float | None = None,
) -> Model[list[Floats2d], list[Floats2d]]:
    """Stacked recurrent layers over sequences of any lengths, without padding.

    cell (Cell): The equations of all layers.
    nO (int): Output width, both directions together.
    nI (int | None): Input width; None infers it from the sample data.
    bi (bool): Read each sequence in both directions and concatenate the outputs.
    depth (int): Number of layers.
    dropout (float | None): Rate of variational dropout between layers; None takes the
        training loop's rate.
    input_dropout, output_dropout (float | None): The rate before the first layer and
        after the last one; None: `dropout`.
    recurrent_dropout (float): The rate on h_{t-1}, each layer's own last output.
    skip (bool): Add each layer's input to its output if their widths agree.
    grad_clip (float | None): Clip each element of the gradients that flow from one step
        of time to the one before to [-grad_clip, grad_clip].
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (T_b, I) -> (T_b, O) for each b.
    RAISES ValueError: If a setting is out of its range (L001 to L004).
    """
    if depth < 1:
        raise ValueError(Errors.L001.format(depth=depth))
    if nO < 1 or (bi and nO % 2):
        raise ValueError(Errors.L002.format(nO=nO))
    if grad_clip is not None and grad_clip <= 0:
        raise ValueError(Errors.L003.format(grad_clip=grad_clip))
    rates = [dropout if input_dropout is None else input_dropout]
    rates += [dropout] * (depth - 1)
    rates += [dropout if output_dropout is None else output_dropout]
    for rate in (*rates, recurrent_dropout):
        if rate is not None and not 0 <= rate < 1:
            raise ValueError(Errors.L004.format(rate=rate))
    layers: list[Model[Ragged, Ragged]] = []
    for i in range(depth):
        layer = recurrent_layer(
            cell,
            nO,
            nI if i == 0 else nO,
            bi=bi,
            dropout=recurrent_dropout,
            grad_clip=grad_clip,
        )
        layers.append(VariationalDropout(rates[i]))
        layers.append(Skip(layer) if skip else layer)
    layers.append(VariationalDropout(rates[depth]))
    model: Model[list[Floats2d], list[Floats2d]] = chain(
        list2ragged(), *layers, ragged2list()
    )
    model.name = cell.name
    model.set_dim("nO", nO)
    return model
