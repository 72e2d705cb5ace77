"""Static word vectors that reach names: they are looked up in several forms."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.strings import get_string_id
from spacy.vectors import Mode, Vectors
from thinc.api import Model, get_array_module
from thinc.initializers import glorot_uniform_init

from ..errors import Errors
from ..linear_chain import to_numpy
from ..types import Floats2d
from .lexemes import Embed, Lexemes, no_input_gradient
from .seen_table import Keys, SeenTable


def WordVectors(nO: int, nM: int | None = None, *, fine_tune: bool = False) -> Embed:
    """Project the vectors of words: X W^T. The table itself stays as it is.

    A word that is not in the table is looked up in lower case, and then with zeros for
    digits. So the capitals of names don't cost them their vectors, on any table. (That
    a table was made for lower case, spaCy forgets when it is saved.)

    nO (int): Width of the output.
    nM (int | None): Width of the vectors; None infers it from the sample data.
    fine_tune (bool): Learn an offset of the vector of each word met in training. Words
        that share a vector share its offset. Words without a vector have none, so their
        names are not learned by heart.
    RETURNS (Model[Lexemes, Floats2d]): Words -> (L, O); 0 for words without a vector
        and for hidden ones. Its parameter is W (O, M).
    """
    return Model(
        "word_vectors",
        forward,
        init=init,
        dims={"nO": nO, "nM": nM},
        params={"W": None},
        layers=[SeenTable(nM)] if fine_tune else [],
    )


def init(model: Embed, X: Lexemes | None = None, Y: Floats2d | None = None) -> None:
    """Glorot-uniform weights.

    RAISES ValueError (L042): If there are no vectors.
    """
    if X is not None:
        nM = X.vocab.vectors.shape[1]
        if not nM:
            raise ValueError(Errors.L042)
        model.set_dim("nM", nM)
    for table in model.layers:
        table.set_dim("nO", model.get_dim("nM"))
        table.initialize()
    shape = model.get_dim("nO"), model.get_dim("nM")
    model.set_param("W", glorot_uniform_init(model.ops, shape))


def forward(
    model: Embed, X: Lexemes, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """Look up, add the offsets and project."""
    ops: Any = model.ops
    W: Floats2d = model.get_param("W")
    found, keys = _look_up(X)
    V_LM = ops.asarray2f(found, dtype="f")
    if V_LM.shape[1] != W.shape[1]:
        raise ValueError(Errors.L043.format(found=V_LM.shape[1], nM=W.shape[1]))
    backprops = []
    for table in model.layers:
        offsets, backprop_table = table(keys, is_train)
        V_LM = V_LM + offsets
        backprops.append(backprop_table)
    Y_LO = ops.xp.matmul(V_LM, W.T)

    def backprop(dY_LO: Floats2d) -> list[Any]:
        model.inc_grad("W", ops.xp.matmul(dY_LO.T, V_LM))
        for backprop_table in backprops:
            backprop_table(ops.xp.matmul(dY_LO, W))
        return no_input_gradient(dY_LO)

    return Y_LO, backprop


def _look_up(words: Lexemes) -> tuple[Any, Keys]:
    """The vectors of words (L, M), and what tells them apart (L,): -1 for none."""
    vectors: Vectors = words.vocab.vectors
    if vectors.mode == Mode.floret:  # any form has a vector, made of its parts
        V_LM = vectors.get_batch(words.orths.tolist())
        V_LM[words.hidden] = 0
        return V_LM, np.where(words.hidden, -1, words.orths.view(np.int64))
    if not len(vectors.data):
        nothing = np.zeros((len(words.orths), vectors.data.shape[1]), dtype="f")
        return nothing, np.full(len(words.orths), -1)
    rows = to_numpy(vectors.find(keys=words.orths))
    missing = np.flatnonzero(rows < 0)
    strings = words.vocab.strings
    for i, orth in zip(missing.tolist(), words.orths[missing].tolist(), strict=True):
        rows[i] = _row_of_other_form(vectors, strings[orth])
    rows[words.hidden] = -1
    xp = get_array_module(vectors.data)
    V_LM = vectors.data[xp.asarray(rows)]
    V_LM[xp.asarray(rows < 0)] = 0
    return V_LM, rows.astype(np.int64)


def _row_of_other_form(vectors: Vectors, text: str) -> int:
    """The row of a word in another form, or -1."""
    lower = text.lower()
    for form in (lower, _DIGIT.sub("0", lower)):
        row = vectors.find(key=get_string_id(form))
        if row >= 0:
            return int(row)
    return -1


_DIGIT = re.compile(r"\d")
