"""Static word vectors that reach names: they are looked up in several forms."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.strings import get_string_id
from spacy.vectors import BaseVectors
from thinc.api import Model, get_array_module
from thinc.initializers import glorot_uniform_init

from ...errors import Errors
from ...types import Floats2d
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
        that are found in the same form share it. Words without a vector have none, so
        their names are not learned by heart.
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
    width = X.vocab.vectors.shape[1]
    if width != W.shape[1]:
        raise ValueError(Errors.L043.format(found=width, nM=W.shape[1]))
    found, keys = _look_up(X)
    V_LM = ops.asarray2f(found, dtype="f")
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
    """The vectors of words (L, M), and the form that each was found in, as its hash
    (L,): -1 for none."""
    vectors: BaseVectors = words.vocab.vectors
    forms = words.orths.tolist()
    is_found = np.array([form in vectors for form in forms], dtype=bool)
    strings = words.vocab.strings
    for i in np.flatnonzero(~is_found).tolist():
        for form in _other_forms(strings[forms[i]]):
            if form in vectors:
                forms[i], is_found[i] = form, True
                break
    is_found &= ~words.hidden
    if not is_found.any():
        nothing = np.zeros((len(forms), vectors.shape[1]), dtype="f")
        return nothing, np.full(len(forms), -1)
    V_LM = vectors.get_batch(forms)
    xp = get_array_module(V_LM)
    keys = np.where(is_found, np.array(forms, dtype="uint64").view(np.int64), -1)
    return xp.where(xp.asarray(is_found)[:, None], V_LM, 0), keys


def _other_forms(text: str) -> list[int]:
    """The hashes of a word's other forms, in the order in which they are looked up."""
    lower = text.lower()
    return [get_string_id(form) for form in (lower, _DIGIT.sub("0", lower))]


_DIGIT = re.compile(r"\d")
