"""Small things that several layers share."""

from itertools import accumulate, pairwise
from typing import Any, TypeAlias

from thinc.api import Model

from ..errors import Errors
from ..types import Floats2d

Encoder: TypeAlias = Model[list[Floats2d], list[Floats2d]]


def no_backward(name: str, dY: Any) -> Any:
    """The backward pass of a prediction, as `partial(no_backward, name)`.

    name (str): The name of the layer.
    RAISES ValueError (L008): Always, because a prediction keeps nothing for it.
    """
    raise ValueError(Errors.L008.format(name=name))


def no_input_gradient(dY: Any) -> list[Any]:
    """The backward pass of a layer whose input, such as words, has no gradient."""
    return []


def joined(model: Model[Any, Any], sequences: list[Floats2d]) -> Floats2d:
    """All rows of some sequences, (T_b, K) for each b, as one float32 array (T, K); a
    single sequence is not copied. The model's ops allocate it."""
    if len(sequences) == 1:
        return sequences[0].astype("f", copy=False)
    if not sequences:
        return model.ops.alloc2f(0, 0)
    return model.ops.xp.concatenate(sequences).astype("f", copy=False)


def cut(rows: Floats2d, lengths: list[int]) -> list[Floats2d]:
    """The reverse: sequences of these lengths, as views of the rows."""
    return [rows[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]
