"""Lists of sequences as one array of all their rows, and back."""

from itertools import accumulate, pairwise
from typing import Any

from thinc.api import Model

from ..types import Floats2d


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
