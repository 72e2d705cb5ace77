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
    xp, nH = model.ops.xp, model.get_dim("nO") // 2
    texts = [_shorten(text) for text in X.texts()]
    lengths = np.array([len(text) for text in texts], dtype="i")
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="uint32")
    ids = xp.asarray(codes[:, None].astype("uint64"))
    vectors, backprop_embed = embed(ids, is_train)
    states, backprop_lstm = lstm(Ragged(vectors, xp.asarray(lengths)), is_train)
    ends = np.cumsum(lengths)
    firsts, lasts = xp.asarray(ends - lengths), xp.asarray(ends - 1)
    Y = xp.concatenate([states.dataXd[lasts, :nH], states.dataXd[firsts, nH:]], axis=1)

    def backprop(dY: Floats2d) -> list[Any]:
        d_states = xp.zeros_like(states.dataXd)
        d_states[lasts, :nH] = dY[:, :nH]
        d_states[firsts, nH:] = dY[:, nH:]
        backprop_embed(backprop_lstm(Ragged(d_states, states.lengths)).dataXd)
        return no_input_gradient(dY)

    return Y, backprop


def _shorten(text: str) -> str:
    is_long = len(text) > 2 * _MAX_CHARS
    return text[:_MAX_CHARS] + text[-_MAX_CHARS:] if is_long else text
