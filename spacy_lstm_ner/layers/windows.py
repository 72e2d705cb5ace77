"""Long sequences in overlapping windows."""

from collections.abc import Callable
from functools import partial
from itertools import accumulate, chain, groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
from thinc.api import Model

from ..errors import Errors
from ..types import Floats2d
from .common import Encoder, no_backward


class Window(NamedTuple):
    """The layer reads rows `start <= i < end`; rows `first <= i < last` of its output
    are used."""

    start: int
    end: int
    first: int
    last: int


def with_windows(
    layer: Encoder, size: int | None, overlap: int, n_rows: int = 16_384
) -> Encoder:
    """Let a layer read long sequences in overlapping windows, in parallel.

    An LSTM remembers little of distant words. Therefore a sequence that is longer than
    a window is cut into windows of equal size, and a token costs the same in texts of
    any length. The outputs in the middle of each window are used; the rest of it is
    context. The result does not depend on the other sequences of the batch.

    layer (Model[List[Floats2d], List[Floats2d]]): The layer.
    size (Optional[int]): Most tokens of a window; None: one window for any length.
    overlap (int): Fewest tokens of context on either side, except at the ends of the
        sequence.
    n_rows (int): About so many rows are computed at once in prediction, which bounds
        its memory.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (T_b, I) -> (T_b, O) for each b.
    RAISES ValueError (L045): If the windows have no middle.
    """
    if size is not None and (overlap < 0 or size <= 2 * overlap):
        raise ValueError(Errors.L045.format(window=size, overlap=overlap))
    return Model(
        f"with_windows({layer.name})",
        partial(forward, size=size, overlap=overlap, n_rows=n_rows),
        init=init,
        dims={"nO": layer.maybe_get_dim("nO")},
        layers=[layer],
    )


def init(model: Encoder, X: Any = None, Y: Any = None) -> None:
    """Let the layer infer its widths from the sample."""
    model.layers[0].initialize(X, Y)


def forward(
    model: Encoder,
    X: list[Floats2d],
    is_train: bool,
    *,
    size: int | None,
    overlap: int,
    n_rows: int,
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Cut the sequences into windows, run the layer, and join the middles."""
    layer, xp = model.layers[0], model.ops.xp
    windows = [windows_of(len(x), size, overlap) for x in X]
    if is_train and all(len(of_x) == 1 for of_x in windows):
        return layer(X, is_train)
    pieces = [
        x[w.start : w.end] for x, of_x in zip(X, windows, strict=True) for w in of_x
    ]
    outputs: list[Floats2d] = []
    backprop_layer: Any = partial(no_backward, model.name)
    if is_train:
        outputs, backprop_layer = layer(pieces, is_train)
    else:
        # Group by group, so that memory does not grow with the text.
        starts = accumulate(map(len, pieces), initial=0)
        for _, group in groupby(
            zip(pieces, starts, strict=False), lambda pair: pair[1] // n_rows
        ):
            outputs += layer.predict([piece for piece, _ in group])
    Y = []
    left = iter(outputs)
    for x, of_x in zip(X, windows, strict=True):
        y = next(left)
        if len(of_x) > 1:
            whole = xp.empty((len(x), y.shape[1]), dtype="f")
            for w, y_w in zip(of_x, chain([y], left), strict=False):
                whole[w.first : w.last] = y_w[w.first - w.start : w.last - w.start]
            y = whole
        Y.append(y)

    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        d_outputs = []
        for dy, of_x in zip(dY, windows, strict=True):
            for w in of_x:
                d_output = xp.zeros((w.end - w.start, dy.shape[1]), dtype="f")
                d_output[w.first - w.start : w.last - w.start] = dy[w.first : w.last]
                d_outputs.append(d_output)
        d_pieces = iter(backprop_layer(d_outputs))
        dX = [xp.zeros_like(x) for x in X]
        for dx, of_x in zip(dX, windows, strict=True):
            for w in of_x:
                dx[w.start : w.end] += next(d_pieces)
        return dX

    return Y, backprop if is_train else backprop_layer


def windows_of(length: int, size: int | None, overlap: int) -> list[Window]:
    """The windows of a sequence.

    length (int): Its number of tokens.
    size, overlap: See `with_windows`.
    RETURNS (List[Window]): One window if the sequence is short enough.
    """
    if size is None or length <= size:
        return [Window(0, length, 0, length)]
    n = -((length - 2 * overlap) // -(size - 2 * overlap))  # rounded up
    # The smallest size with which n windows are enough.
    size = -((length + (n - 1) * 2 * overlap) // -n)
    starts = np.linspace(0, length - size, n).astype(int).tolist()
    # Middles meet in the centre of the overlap.
    cuts = [0, *((a + b + size) // 2 for a, b in pairwise(starts)), length]
    return [
        Window(start, start + size, first, last)
        for start, (first, last) in zip(starts, pairwise(cuts), strict=True)
    ]
