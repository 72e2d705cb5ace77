"""A word's vector from its characters (Lample et al. 2016)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from thinc.api import HashEmbed, Model
from thinc.types import Ragged

from ..errors import Errors
from ..types import Floats2d, Ints2d
from .lexemes import Embed, Lexemes, no_input_gradient
from .lstm import lstm_layer


def CharLSTM(nO: int, *, nC: int = 32, rows: int = 1000) -> Embed:
    """Read the characters of each word in both directions; the last states are its
    vector.

    nO (int): Width of the output, even: both directions together.
    nC (int): Width of the vectors of characters.
    rows (int): Rows of their hash table: any character of any script has a vector.
    RETURNS (Model[Lexemes, Floats2d]): Words -> (L, O). Of words of more than 60
        characters, the first and the last 30 count.
    RAISES ValueError (L002): If the width is not positive and even.
    """
    if nO < 1 or nO % 2:
        raise ValueError(Errors.L002.format(nO=nO))
    embed: Model[Ints2d, Floats2d] = HashEmbed(nC, rows, column=0, seed=6)
    return Model(
        "char_lstm",
        forward,
        init=init,
        dims={"nO": nO},
        layers=[embed, lstm_layer(nO, nC)],
    )


# Characters of one end of a word, at most.
_MAX_CHARS = 30


def init(model: Embed, X: Lexemes | None = None, Y: Floats2d | None = None) -> None:
    """Initialize the table and the LSTM."""
    for layer in model.layers:
        layer.initialize()


def forward(
    model: Embed, X: Lexemes, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """The last state of each direction, of all words at once."""
    embed, lstm = model.layers
    xp, nO = model.ops.xp, model.get_dim("nO")
    codes = [_code_points(text) for text in X.texts()]
    lengths = np.array([len(c) for c in codes], dtype="i")
    if not lengths.any():
        return model.ops.alloc2f(len(codes), nO), no_input_gradient
    ids = xp.asarray(np.concatenate(codes)[:, None].astype("uint64"))
    vectors, backprop_embed = embed(ids, is_train)
    states, backprop_lstm = lstm(Ragged(vectors, xp.asarray(lengths)), is_train)
    # Words without characters have no state.
    words = xp.asarray(np.flatnonzero(lengths))
    ends = np.cumsum(lengths)[lengths > 0]
    lasts = xp.asarray(ends - 1)
    firsts = xp.asarray(ends - lengths[lengths > 0])
    nH = nO // 2
    Y: Floats2d = model.ops.alloc2f(len(codes), nO)
    Y[words, :nH] = states.dataXd[lasts, :nH]
    Y[words, nH:] = states.dataXd[firsts, nH:]

    def backprop(dY: Floats2d) -> list[Any]:
        d_states = xp.zeros_like(states.dataXd)
        d_states[lasts, :nH] = dY[words, :nH]
        d_states[firsts, nH:] = dY[words, nH:]
        backprop_embed(backprop_lstm(Ragged(d_states, states.lengths)).dataXd)
        return no_input_gradient(dY)

    return Y, backprop


def _code_points(text: str) -> Any:
    """The characters of a word as numbers; 0 is none of them."""
    if len(text) > 2 * _MAX_CHARS:
        text = text[:_MAX_CHARS] + text[-_MAX_CHARS:]
    return np.frombuffer(text.encode("utf-32-le"), dtype="uint32")
