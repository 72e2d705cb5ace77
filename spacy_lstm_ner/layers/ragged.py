"""Layers between a list of sequences and one array of all their rows.

They replace Thinc's layers of the same names: a single sequence is not copied, cutting
is faster, and sequences without rows keep their width.
"""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

from thinc.api import Model
from thinc.types import Ragged

from ..types import Floats2d


def list2ragged() -> Model[list[Floats2d], Ragged]:
    """Concatenate sequences.

    RETURNS (Model[List[Floats2d], Ragged]): (T_b, I) for each b -> (T, I).
    """
    return Model("list2ragged", _forward_list)


def ragged2list() -> Model[Ragged, list[Floats2d]]:
    """Cut rows into sequences.

    RETURNS (Model[Ragged, List[Floats2d]]): (T, O) -> (T_b, O) for each b.
    """
    return Model("ragged2list", _forward_ragged)


def joined(model: Model[Any, Any], sequences: list[Floats2d]) -> Floats2d:
    """All rows as one float32 array; a single sequence is not copied.

    model (Model): Its ops allocate the array.
    sequences (List[Floats2d]): (T_b, K) for each b.
    RETURNS (Floats2d): (T, K)
    """
    if len(sequences) == 1:
        return sequences[0].astype("f", copy=False)
    if not sequences:
        return model.ops.alloc2f(0, 0)
    return model.ops.xp.concatenate(sequences).astype("f", copy=False)


def cut(rows: Floats2d, lengths: list[int]) -> list[Floats2d]:
    """The sequences as views of the rows.

    rows (Floats2d): All rows.  (T, K)
    lengths (List[int]): The length of each sequence.
    RETURNS (List[Floats2d]): (T_b, K) for each b.
    """
    return [rows[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]


def _forward_list(
    model: Model[list[Floats2d], Ragged], X: list[Floats2d], is_train: bool
) -> tuple[Ragged, Callable[[Ragged], list[Floats2d]]]:
    lengths = [len(x) for x in X]

    def backprop(dY: Ragged) -> list[Floats2d]:
        return cut(dY.dataXd, lengths)

    return Ragged(joined(model, X), model.ops.asarray1i(lengths)), backprop


def _forward_ragged(
    model: Model[Ragged, list[Floats2d]], X: Ragged, is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], Ragged]]:
    def backprop(dY: list[Floats2d]) -> Ragged:
        return Ragged(joined(model, dY), X.lengths)

    return cut(X.dataXd, model.ops.to_numpy(X.lengths).tolist()), backprop
