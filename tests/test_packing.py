"""Time-major layout without padding."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from strategies import lengths

from spacy_lstm_ner.packing import pack


def test_example_of_the_module():
    packing = pack(np.array([3, 1, 2]))
    flat = np.array(["a0", "a1", "a2", "b0", "c0", "c1"])
    assert flat[packing.both_rows[0]].tolist() == ["a0", "c0", "b0", "a1", "c1", "a2"]
    assert flat[packing.both_rows[1]].tolist() == ["a2", "c1", "b0", "a1", "c0", "a0"]
    assert packing.sequences.tolist() == [0, 2, 1, 0, 2, 0]
    assert packing.starts == [0, 3, 5, 6]
    assert list(pairwise(packing.starts)) == [(0, 3), (3, 5), (5, 6)]
    assert packing.previous.tolist() == [0, 1, 3]
    assert packing.n_first == 3


@given(lengths)
def test_each_step_has_the_sequences_that_are_long_enough(lengths):
    packing = pack(np.array(lengths, dtype=int))
    tokens = [(b, t) for b, n in enumerate(lengths) for t in range(n)]
    packed = [tokens[row] for row in packing.both_rows[0]]
    backwards = [tokens[row] for row in packing.both_rows[1]]
    steps = list(pairwise(packing.starts))
    assert len(steps) == max(lengths, default=0)
    order = sorted(range(len(lengths)), key=lambda b: (-lengths[b], b))
    for t, (start, end) in enumerate(steps):
        alive = [b for b in order if lengths[b] > t]
        assert packing.sequences[start:end].tolist() == alive
        assert packed[start:end] == [(b, t) for b in alive]
        assert backwards[start:end] == [(b, lengths[b] - 1 - t) for b in alive]
    assert sorted(packed) == sorted(backwards) == tokens
    for row, previous in enumerate(packing.previous.tolist(), packing.n_first):
        b, t = packed[row]
        assert packed[previous] == (b, t - 1)


@given(lengths)
def test_first_step_has_the_sequences_that_are_not_empty(lengths):
    packing = pack(np.array(lengths, dtype=int))
    assert packing.n_first == sum(n > 0 for n in lengths)


def steps_of(runs):
    return [(row, row + n) for start, end, n in runs for row in range(start, end, n)]


@given(lengths)
def test_runs_are_all_steps_in_order(lengths):
    packing = pack(np.array(lengths, dtype=int))
    assert steps_of(packing.runs) == list(pairwise(packing.starts))
    for run, following in pairwise(packing.runs):
        assert run.n > following.n


@given(lengths)
def test_outputs_of_both_directions(lengths):
    packing = pack(np.array(lengths, dtype=int))
    written = [
        2 * row + direction
        for start, end in pairwise(packing.starts)
        for direction in (0, 1)
        for row in packing.both_rows[direction, start:end].tolist()
    ]
    assert packing.outputs.tolist() == written


def test_layouts_of_short_texts_alone_are_kept():
    assert pack(np.array([7])) is pack(np.array([7]))
    kept = pack(np.array([128]))
    for n in range(128):
        pack(np.array([n]))
    assert pack(np.array([128])) is kept
