"""Static word vectors, looked up in several forms of a word, with learned offsets."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from thinc.api import Model
from thinc.initializers import glorot_uniform_init

from ...errors import Errors, Warnings
from ...types import Floats2d
from .distinct import Embed, Lexemes
from .forms import VocabVectors, find_forms
from .word_table import NO_WORDS, WordTable, packaged_table

logger = logging.getLogger("spacy.lstm_ner")

# As the path of a table: the one of the language that comes with the package.
PACKAGED = "packaged"

Keys = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Table = Model[Keys, Floats2d]


def WordVectors(nO: int, nM: int | None = None, *, fine_tune: bool = False) -> Embed:
    """Project the static vectors of words: X W^T. The vectors themselves stay fixed.

    A word without a vector is looked up in lower case, and then with its digits
    replaced by 0. So capitalized names have vectors in a table of lower-case words.
    (spaCy does not save `Vectors.attr`, which names the form of a table's keys.)

    nM (int | None): Width of the vectors; None infers it from the sample data.
    fine_tune (bool): Learn an offset for the vector of each word seen in training.
        Words that are found in the same form share it. Words without a vector have no
        offset, so their names are not memorized.
    RETURNS (Model[Lexemes, Floats2d]): L words -> (L, O); 0 for words without a vector
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


def QuantizedVectors(nO: int, path: str, *, fine_tune: bool = False) -> Embed:
    """Project the vectors of a `WordTable`: X W^T. A word that the table lacks has a
    learned vector u instead. The table is saved with the model.

    path (str): File of the table, which initialization reads; "packaged" stands for the
        one of the vocab's language that comes with the package. Where there is none,
        the width of the output is 0.
    fine_tune (bool): As of `WordVectors`.
    RETURNS (Model[Lexemes, Floats2d]): L words -> (L, O); 0 for hidden words. Words are
        looked up as by `WordVectors`. Its parameters are W (O, M) and u (O,).
    """
    return Model(
        "quantized_vectors",
        forward,
        init=partial(_init_quantized, path, nO),
        dims={"nO": None, "nM": None},
        params={"W": None, "u": None},
        layers=[SeenTable()] if fine_tune else [],
        attrs={"table": NO_WORDS},
    )


def init(model: Embed, X: Lexemes | None = None, Y: Floats2d | None = None) -> None:
    """Glorot-uniform weights.

    RAISES ValueError (L042): If the vocab has no vectors.
    """
    if X is not None:
        nM = X.vocab.vectors.shape[1]
        if not nM:
            raise ValueError(Errors.L042)
        model.set_dim("nM", nM)
    _init_params(model)


def _init_quantized(
    path: str,
    width: int,
    model: Embed,
    X: Lexemes | None = None,
    Y: Floats2d | None = None,
) -> None:
    """Read the table; Glorot-uniform weights, and 0 for unknown words.

    RAISES ValueError (L059): If the table depends on a language that is not known.
    """
    if path != PACKAGED:
        table = WordTable.read(path)
    elif X is None:
        raise ValueError(Errors.L059)
    else:
        table = packaged_table(X.vocab.lang)
        if table is NO_WORDS:
            logger.info(Warnings.L507.format(lang=X.vocab.lang))
    model.attrs["table"] = table
    model.set_dim("nM", table.width, force=True)
    model.set_dim("nO", width if table.width else 0, force=True)
    _init_params(model)
    model.set_param("u", model.ops.alloc1f(model.get_dim("nO")))


def _init_params(model: Embed) -> None:
    for table in model.layers:
        table.set_dim("nO", model.get_dim("nM"), force=True)
        table.initialize()
    shape = model.get_dim("nO"), model.get_dim("nM")
    W = glorot_uniform_init(model.ops, shape) if all(shape) else model.ops.alloc(shape)
    model.set_param("W", W)


def forward(
    model: Embed, X: Lexemes, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """Look up, add the offsets and project."""
    ops: Any = model.ops
    W: Floats2d = model.get_param("W")
    source: Source = model.attrs.get("table") or VocabVectors(X.vocab.vectors)
    forms, found = find_forms(X.orths, X.vocab, source.rows_of)
    rows = np.where(X.hidden, -1, found)
    V_LM = source.vectors_of(rows, forms, ops)
    if V_LM.shape[1] != W.shape[1]:
        raise ValueError(Errors.L043.format(found=V_LM.shape[1], nM=W.shape[1]))
    keys = np.where(rows >= 0, forms.view(np.int64), -1)
    backprops = []
    for table in model.layers:  # at most one
        offsets, backprop_table = table(keys, is_train)
        V_LM = V_LM + offsets
        backprops.append(backprop_table)
    Y_LO = ops.xp.matmul(V_LM, W.T)
    unknown = ops.xp.asarray(np.flatnonzero((found < 0) & ~X.hidden))
    if model.has_param("u"):
        Y_LO[unknown] += model.get_param("u")

    def backprop(dY_LO: Floats2d) -> list[Any]:
        model.inc_grad("W", ops.xp.matmul(dY_LO.T, V_LM))
        if model.has_param("u"):
            model.inc_grad("u", dY_LO[unknown].sum(axis=0))
        for backprop_table in backprops:
            backprop_table(ops.xp.matmul(dY_LO, W))
        return []

    return Y_LO, backprop


class Source(Protocol):
    """Where vectors come from. Words are named by the 64-bit hashes of their texts."""

    def rows_of(self, hashes: Hashes) -> NDArray[np.intp]:
        """A number for each word, -1 if it has no vector.  (L,)"""

    def vectors_of(self, rows: NDArray[np.intp], forms: Hashes, ops: Any) -> Floats2d:
        """The vectors of words, by their numbers and hashes; 0 for a number of -1.
        (L, M)"""


def SeenTable(nO: int | None = None, *, block_rows: int = 1024) -> Table:
    """A learned vector for each key seen in training, initially 0; 0 for other keys.

    The rows are parameters in blocks ("E0", "E1", ...), so the moments that an
    optimizer keeps for a block stay valid when the table grows.

    RETURNS (Model[Keys, Floats2d]): (N,) -> (N, O). Key -1 has no vector.
    """
    return Model(
        "seen_table",
        _forward_table,
        init=_init_table,
        dims={"nO": nO},
        attrs={"row_of_key": {}, "block_rows": block_rows},
    )


def _init_table(model: Table, X: Keys | None = None, Y: Floats2d | None = None) -> None:
    """Forget all keys."""
    model.attrs["row_of_key"] = {}
    for name in model.param_names:
        model.set_param(name, model.ops.xp.zeros_like(model.get_param(name)))


def _forward_table(
    model: Table, X: Keys, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """Gather the rows of the keys; in training, new keys get a row first."""
    ops: Any = model.ops
    row_of_key: dict[int, int] = model.attrs["row_of_key"]
    block_rows = model.attrs["block_rows"]
    keys = X.tolist()
    if is_train:
        for key in keys:
            if key != -1:
                row_of_key.setdefault(key, len(row_of_key))
        for block in range(-(-len(row_of_key) // block_rows)):
            if not model.has_param(f"E{block}"):
                E = ops.alloc2f(block_rows, model.get_dim("nO"))
                model.set_param(f"E{block}", E)
    rows = np.array([row_of_key.get(key, -1) for key in keys], dtype=np.intp)
    Y: Floats2d = ops.alloc2f(len(rows), model.get_dim("nO"))
    gathered = []
    for block in np.unique(rows[rows >= 0] // block_rows).tolist():
        here = np.flatnonzero(rows // block_rows == block)
        at, row = ops.asarray1i(here), ops.asarray1i(rows[here] % block_rows)
        gathered.append((f"E{block}", at, row))
        Y[at] = model.get_param(f"E{block}")[row]

    def backprop(dY: Floats2d) -> list[Any]:
        for name, at, row in gathered:
            dE = ops.xp.zeros_like(model.get_param(name))
            ops.scatter_add(dE, row, dY[at])
            model.inc_grad(name, dE)
        return []

    return Y, backprop
