"""Recurrent layers with any cell, and stacks of them.

Each gate's pre-activation is x_t Wx + h_{t-1} Wh + b. Here are the settings and the
parameters; the computation is in forward.py and backward.py, the equations are in a
`Cell` (lstm.py, gru.py, rnn.py).

Letters of array axes: B sequences, T tokens of the batch, D directions, I input width,
H width of one direction, O = DH output width, n running sequences. "By gate" means that
the gates are the first axis.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from thinc.api import Model, get_width
from thinc.types import Ragged

from ...errors import Errors
from ...types import Floats2d
from ..common import Encoder
from .cell import Cell
from .forward import forward, forward_layer, record


@dataclass(frozen=True)
class StackSettings:
    """The settings of every recurrent encoder. An attribute of this type is not saved
    with a model, so those of the config hold when the model is loaded.

    Dropout is variational: one mask per sequence and feature, the same at every token
    (Gal & Ghahramani 2016). It suits taggers better than a mask per token (Reimers &
    Gurevych 2017). Each rate is the probability of dropping a feature. If the training
    loop's rate is 0, dropout is off in any case.

    bi (bool): Read each sequence in both directions and concatenate the outputs.
    depth (int): Number of layers.
    dropout (float | None): Rate of dropout between layers; None takes the training
        loop's rate (`nlp.update(drop=...)`, `[training] dropout`).
    skip (bool): Add each layer's input to its output, F(x) + x, if their widths agree.
        The identity path carries the gradient past the layer undiminished (He et al.
        2016).
    grad_clip (float | None): Clip each element of the gradients that flow from one step
        of time to the one before to [-grad_clip, grad_clip]. None: no limit.
    input_dropout, output_dropout (float | None): The rate before the first layer and
        after the last one; None: `dropout`.
    recurrent_dropout (float): The rate on h_{t-1}, each layer's own last output.
    RAISES ValueError: If a setting is out of its range (L001, L003, L004).
    """

    bi: bool = True
    depth: int = 1
    dropout: float | None = None
    skip: bool = False
    grad_clip: float | None = None
    input_dropout: float | None = None
    output_dropout: float | None = None
    recurrent_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(Errors.L001.format(depth=self.depth))
        if self.grad_clip is not None and self.grad_clip <= 0:
            raise ValueError(Errors.L003.format(grad_clip=self.grad_clip))
        for rate in (*self.rates, self.recurrent_dropout):
            if rate is not None and not 0 <= rate < 1:
                raise ValueError(Errors.L004.format(rate=rate))

    @cached_property
    def rates(self) -> tuple[float | None, ...]:
        """Rate of dropout before each layer and after the last one."""
        first, last = (
            self.dropout if rate is None else rate
            for rate in (self.input_dropout, self.output_dropout)
        )
        return (first, *[self.dropout] * (self.depth - 1), last)


def recurrent_stack(
    cell: Cell, nO: int, nI: int | None = None, **settings: Any
) -> Encoder:
    """Stacked recurrent layers over sequences of any lengths, without padding.

    cell (Cell): The equations of all layers.
    nO (int): Output width, both directions together.
    nI (int | None): Input width; None infers it from the sample data.
    settings: See `StackSettings`.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (T_b, I) -> (T_b, O) for each b.
        Its layers are from `recurrent_layer`.
    RAISES ValueError: If a setting is out of its range (L001 to L004).
    """
    of_stack = StackSettings(**settings)
    widths = [nI, *[nO] * (of_stack.depth - 1)]
    return Model(
        cell.name,
        forward,
        init=_init_stack,
        dims={"nO": nO, "nI": nI},
        layers=[recurrent_layer(cell, nO, width, of_stack) for width in widths],
        attrs={"settings": of_stack, "dropout_rate": 0.0},
    )


def recurrent_layer(
    cell: Cell,
    nO: int,
    nI: int | None = None,
    settings: StackSettings = StackSettings(),
) -> Model[Ragged, Ragged]:
    """One recurrent layer; both directions advance in the same step.

    cell, nO, nI: See `recurrent_stack`.
    settings (StackSettings): Its `bi` and `grad_clip` count.
    RETURNS (Model[Ragged, Ragged]): (T, I) -> (T, O), with the parameters
        Wx (gates, D, I, H), Wh (gates, D, H, H) and b (gates, D, H).
    RAISES ValueError (L002): If the width is not positive, or odd and for two
        directions.
    """
    nD = 2 if settings.bi else 1
    if nO < 1 or nO % nD:
        raise ValueError(Errors.L002.format(nO=nO))
    return Model(
        f"{cell.name}_layer",
        forward_layer,
        init=_init_layer,
        dims={"nO": nO, "nI": nI, "nD": nD},
        params={"Wx": None, "Wh": None, "b": None},
        attrs={"cell": cell, "settings": settings},
    )


def _init_stack(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Infer the input width, and initialize the layers."""
    if X:
        model.set_dim("nI", get_width(X))
        model.layers[0].set_dim("nI", get_width(X))
    for layer in model.layers:
        layer.initialize()


def _init_layer(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Let the cell choose the initial weights."""
    nD, nI = model.get_dim("nD"), model.get_dim("nI")
    nH = model.get_dim("nO") // nD
    cell: Cell = model.attrs["cell"]
    directions = [cell.initial_weights(model.ops, nI, nH) for _ in range(nD)]
    for name, arrays in zip(
        ("Wx", "Wh", "b"), zip(*directions, strict=True), strict=True
    ):
        model.set_param(name, model.ops.xp.stack(arrays, axis=1))


def hidden_gradients(model: Encoder, X: list[Floats2d], dY: list[Floats2d]) -> Floats2d:
    """The gradient of the loss with respect to each output h_t of the first layer,
    through all paths to the loss: later steps and later layers.

    The gradient that flows from step t to step t-1 passes recurrent dropout and
    clipping, as in training. The gradients of the parameters stay unchanged.

    model (Model[List[Floats2d], List[Floats2d]]): From `recurrent_stack`, initialized.
    X (List[Floats2d]): Its input.  (T_b, I) for each b
    dY (List[Floats2d]): The gradient of the loss with respect to its output.
        (T_b, O) for each b
    RETURNS (Floats2d): dL/dh_t, sequence after sequence.  (T, O)
    RAISES ValueError (L005): If X has another width than the model was built for.
    """
    _, tape = record(model.copy(), X)  # the copy's parameters learn
    first = tape.layers[0]
    packed_DTH, _ = first.through_time(tape.into_first(dY))
    nD, nT, nH = packed_DTH.shape
    dH: Any = model.ops.alloc3f(nT, nD, nH)
    for d, rows in enumerate(first.rows):
        dH[rows, d] = packed_DTH[d]
    return dH.reshape(nT, nD * nH)
