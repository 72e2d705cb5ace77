"""Time-major layout of sequences of uneven length, without padding.

Recurrences (an LSTM, the sums over tag paths) advance all sequences of a batch by one
step at a time. If sequences are sorted by length, longest first, those longer than t
are a prefix of the batch. Their rows, step after step, fill an array without gaps, as
in PyTorch's `PackedSequence`::

    flat, one sequence after the other     packed, one step after the other
    a0 a1 a2 | b0 | c0 c1                  a0 c0 b0 | a1 c1 | a2

There is no arithmetic on padding and nothing to mask.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Run(NamedTuple):
    """Packed rows `start <= i < end`: consecutive steps with n rows each."""

    start: int
    end: int
    n: int


@dataclass(frozen=True)
class Packing:
    """The packed order of a batch of T rows.

    sequences: The index of each packed row's sequence.  (T,)
    ranks: The index of each packed row within its step.  (T,)
    both_rows: The flat row of each packed row; the same with every sequence running
        backwards.  (2, T)
    previous: For the packed rows from step 1 on, the packed row of the same sequence
        one step earlier.  (T - n_first,)
    starts: The first packed row of each step, and T at the end.
    n_first: Number of rows of the first step, one for each sequence with tokens.
    runs: The steps in order; consecutive steps with equally many rows are one run.
    """

    sequences: NDArray[np.intp]
    ranks: NDArray[np.intp]
    both_rows: NDArray[np.intp]
    previous: NDArray[np.intp]
    starts: list[int]
    n_first: int
    runs: list[Run]

    @cached_property
    def outputs(self) -> NDArray[np.intp]:
        """2 (flat row) + direction for each output, in the order step, direction, rank.
        (2T,)"""
        steps = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        outputs, keys = (
            (2 * array + [[0], [1]]).reshape(-1) for array in (self.both_rows, steps)
        )
        return np.asarray(outputs[keys.argsort(kind="stable")])


def pack(lengths: NDArray[np.integer]) -> Packing:
    """Lay out sequences of the given lengths time-major.

    lengths (ndarray): Length of each sequence, 0 allowed.  (B,)
    RETURNS (Packing): The layout; do not change its arrays. Recent layouts are cached,
        because every layer packs the same batch, and those of all short single texts.
    """
    lengths = np.asarray(lengths, dtype=np.intp)
    is_short = len(lengths) == 1 and lengths[0] <= _SHORT
    return (_pack_short if is_short else _pack_batch)(lengths.tobytes())


# Tokens of a short text.
_SHORT = 128


def _pack(buffer: bytes) -> Packing:
    """`pack` of lengths as bytes, which are hashable."""
    lengths = np.frombuffer(buffer, dtype=np.intp)
    first_rows = np.cumsum(lengths) - lengths
    order = np.argsort(-lengths, kind="stable")
    lengths, first_rows = lengths[order], first_rows[order]
    n_steps = int(lengths[0]) if len(lengths) else 0
    # A sequence is alive at step t if it is longer than t.
    alive = np.searchsorted(-lengths, -np.arange(n_steps), side="left")
    starts = np.concatenate(([0], np.cumsum(alive))).astype(np.intp)
    step = np.repeat(np.arange(n_steps), alive)
    ranks = np.arange(len(step)) - starts[step]
    later = step > 0
    both_rows = first_rows[ranks] + np.stack([step, lengths[ranks] - 1 - step])
    # The steps with another number of rows than the step before.
    changes = np.flatnonzero(np.diff(alive, prepend=0))
    run_starts = [*starts[changes].tolist(), len(step)]
    return Packing(
        sequences=order[ranks],
        ranks=ranks,
        both_rows=both_rows,
        previous=starts[step[later] - 1] + ranks[later],
        starts=starts.tolist(),
        n_first=int(alive[0]) if n_steps else 0,
        runs=list(map(Run, run_starts, run_starts[1:], alive[changes].tolist())),
    )


_pack_batch = lru_cache(maxsize=4)(_pack)
_pack_short = lru_cache(maxsize=_SHORT + 1)(_pack)
