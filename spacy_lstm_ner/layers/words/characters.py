"""A word's vector from its characters, by an LSTM or a convolution."""

from collections.abc import Callable
from typing import Any

import numpy as np
from thinc.api import (
    HashEmbed,
    Linear,
    Model,
    chain,
    expand_window,
    reduce_max,
    with_array,
)
from thinc.types import Ragged

from ...types import Floats2d, Ints2d
from ..recurrent.layer import recurrent_layer
from ..recurrent.lstm import LSTMCell
from .distinct import Embed, Lexemes

Summarize = Model[Ragged, Floats2d]
# Of a longer word, only this many first and last characters are read.
_MAX_CHARS = 30


def CharLSTM(nO: int, *, nC: int = 32, rows: int = 1000) -> Embed:
    """Read the characters of each word in both directions; the last states are its
    vector (Lample et al. 2016).

    nO (int): Width of the output, both directions together; even.
    nC (int): Width of the vectors of characters.
    rows (int): Rows of their hash table, which has a vector for any code point.
    RETURNS (Model[Lexemes, Floats2d]): L words -> (L, O). Of a word of more than 60
        characters, the first and the last 30 are read.
    RAISES ValueError (L002): If the width is not positive and even.
    """
    lstm = recurrent_layer(LSTMCell(), nO, nC)
    last: Summarize = Model("last_states", _last_states, init=_init_all, layers=[lstm])
    return _characters("char_lstm", nO, nC, rows, last)


def CharCNN(nO: int, *, nC: int = 32, rows: int = 1000) -> Embed:
    """Convolve windows of three characters; the maximum of each feature over the word
    is its vector (Ma & Hovy 2016).

    nO (int): Width of the output.
    nC, rows, RETURNS: See `CharLSTM`.
    """
    convolve: Summarize = chain(
        expand_window(1), with_array(Linear(nO, 3 * nC)), reduce_max()
    )
    return _characters("char_cnn", nO, nC, rows, convolve)


def _characters(name: str, nO: int, nC: int, rows: int, summarize: Summarize) -> Embed:
    embed: Model[Ints2d, Floats2d] = HashEmbed(nC, rows, column=0, seed=6)
    layers = [embed, summarize]
    return Model(name, forward, init=_init_all, dims={"nO": nO}, layers=layers)


def _init_all(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layers, whose widths are known."""
    for layer in model.layers:
        layer.initialize()


def forward(
    model: Embed, X: Lexemes, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """Embed the characters of all words, and summarize each word."""
    embed, summarize = model.layers
    xp = model.ops.xp
    texts = X.texts()
    for i, text in enumerate(texts):
        if len(text) > 2 * _MAX_CHARS:
            texts[i] = text[:_MAX_CHARS] + text[-_MAX_CHARS:]
    lengths = np.array([len(text) for text in texts], dtype="i")
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="uint32")
    ids = xp.asarray(codes[:, None].astype("uint64"))
    vectors, backprop_embed = embed(ids, is_train)
    Y, backprop_words = summarize(Ragged(vectors, xp.asarray(lengths)), is_train)

    def backprop(dY: Floats2d) -> list[Any]:
        backprop_embed(backprop_words(dY).dataXd)
        return []

    return Y, backprop


def _last_states(
    model: Summarize, X: Ragged, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Ragged]]:
    """The last state of each direction; the backward one ends at the first row."""
    xp = model.ops.xp
    states, backprop_lstm = model.layers[0](X, is_train)
    nH = states.dataXd.shape[1] // 2
    ends = np.cumsum(model.ops.to_numpy(X.lengths))
    lasts = xp.asarray(ends - 1)
    firsts = xp.asarray(ends) - X.lengths
    Y = xp.concatenate([states.dataXd[lasts, :nH], states.dataXd[firsts, nH:]], axis=1)

    def backprop(dY: Floats2d) -> Ragged:
        d_states = xp.zeros_like(states.dataXd)
        d_states[lasts, :nH] = dY[:, :nH]
        d_states[firsts, nH:] = dY[:, nH:]
        dX: Ragged = backprop_lstm(Ragged(d_states, states.lengths))
        return dX

    return Y, backprop
