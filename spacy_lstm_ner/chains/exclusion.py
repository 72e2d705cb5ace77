"""Tag paths that avoid certain spans.

Whether a path has exactly a certain span shows only behind the span's end, while a
chain knows nothing but the tag before. So tags get copies that remember. Where a wrong
span begins, its first tag must be the copy; from there a path goes on in copies of the
inner tag, and from the one at the wrong end only inwards. Each path without a wrong
span then has one path among the copies, of the same score, and the others have none:
all sums over paths work as ever. Letters of axes as in `linear_chain`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..errors import Errors
from ..types import Ints2d
from .linear_chain import LinearChain

# Where the path may go on from a copy: out of the span or further into it; only further
# into it, as one wrong span ends here; likewise, but the last of them, so that it may
# forget.
_ANYWHERE, _INSIDE, _BACK = range(3)


class _Track(NamedTuple):
    """Wrong spans of the same tags that begin at the same row."""

    start: int
    first_tag: int
    inner_tag: int


class _Copy(NamedTuple):
    """A copy of a tag. Tracks that share rows have different channels."""

    channel: int
    first_tag: int
    inner_tag: int
    is_first: bool
    onward: int

    @property
    def tag(self) -> int:
        return self.first_tag if self.is_first else self.inner_tag


def exclude_spans(
    chain: LinearChain, spans: Ints2d
) -> tuple[LinearChain, NDArray[np.intp]]:
    """The chain over the paths that have none of some spans.

    chain (LinearChain): The scores.
    spans (Ints2d): Of each span the first row of `emit`, the row behind its last, the
        tag of its first token, the tag of the others, which is another one.  (S, 4)
    RETURNS (Tuple[LinearChain, ndarray]): A chain with the same tags and copies of some
        behind them, and the tag that each stands for.  (M,)
    RAISES ValueError (L018): If a span is empty or not within one sequence.
    """
    ends_by_track = _group(chain, spans)
    # The rows of each copy.
    places: dict[_Copy, list[int]] = {}
    taken: list[int] = []  # by channel, the row behind its last track
    for track in sorted(ends_by_track):
        ends = ends_by_track[track]
        channel = next(
            (c for c, row in enumerate(taken) if row <= track.start), len(taken)
        )
        taken[channel : channel + 1] = [max(ends)]
        for row in range(track.start, max(ends)):
            onward = _ANYWHERE if row + 1 not in ends else _INSIDE
            if row + 1 == max(ends):
                onward = _BACK
            is_first = row == track.start
            copy = _Copy(channel, track.first_tag, track.inner_tag, is_first, onward)
            places.setdefault(copy, []).append(row)
    return _with_copies(chain, ends_by_track, places)


def _group(chain: LinearChain, spans: Ints2d) -> dict[_Track, set[int]]:
    """The ends of the spans that begin alike."""
    sequence = chain.sequences
    n_rows = len(sequence)
    tracks: dict[_Track, set[int]] = {}
    for start, end, first_tag, inner_tag in np.asarray(spans).tolist():
        if not 0 <= start < end <= n_rows or sequence[start] != sequence[end - 1]:
            raise ValueError(Errors.L018.format(span=(start, end), n=n_rows))
        tracks.setdefault(_Track(start, first_tag, inner_tag), set()).add(end)
    return tracks


def _with_copies(
    chain: LinearChain, tracks: dict[_Track, set[int]], places: dict[_Copy, list[int]]
) -> tuple[LinearChain, NDArray[np.intp]]:
    xp = get_array_module(chain.emit)
    copies, n_tags = list(places), len(chain.start)
    tags = np.array([*range(n_tags), *(copy.tag for copy in copies)], dtype=np.intp)
    is_here = np.ones((len(chain.emit), len(tags)), dtype=bool)
    for track in tracks:
        is_here[track.start, track.first_tag] = False
    is_here[:, n_tags:] = False
    may_transition = np.ones((len(tags), len(tags)), dtype=bool)
    may_start = np.ones(len(tags), dtype=bool)
    may_end = np.ones(len(tags), dtype=bool)
    for i, (copy, rows) in enumerate(places.items(), start=n_tags):
        is_here[rows, i] = True
        may_start[i] = copy.is_first
        may_end[i] = copy.onward == _ANYWHERE
        may_transition[:n_tags, i] = copy.is_first
        may_transition[i, :n_tags] = copy.onward == _ANYWHERE
        may_transition[i, copy.inner_tag] = copy.onward == _BACK
        for j, other in enumerate(copies, start=n_tags):
            goes_in = not other.is_first and copy[:3] == other[:3]
            goes_out = other.is_first and copy.onward == _ANYWHERE
            may_transition[i, j] = goes_out or (goes_in and copy.onward != _BACK)
    columns = xp.asarray(tags)

    def where(is_allowed: NDArray[np.bool_], scores: Any) -> Any:
        return xp.where(xp.asarray(is_allowed), scores, -xp.inf)

    expanded = LinearChain(
        emit=where(is_here, chain.emit[:, columns]),
        lengths=chain.lengths,
        transition=where(may_transition, chain.transition[columns][:, columns]),
        start=where(may_start, chain.start[columns]),
        end=where(may_end, chain.end[columns]),
    )
    return expanded, tags
