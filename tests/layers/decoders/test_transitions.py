"""The BIO rules as a mask."""

import numpy as np
import pytest

from spacy_lstm_ner.layers.decoders.transitions import bio_moves


def test_table():
    F = -np.inf
    transition, start = bio_moves(5)
    # To:  O  B0 I0 B1 I1
    expected = [
        [0, 0, F, 0, F],  # from O
        [0, 0, 0, 0, F],  # from B-0
        [0, 0, 0, 0, F],  # from I-0
        [0, 0, F, 0, 0],  # from B-1
        [0, 0, F, 0, 0],  # from I-1
    ]
    np.testing.assert_array_equal(transition, expected)
    np.testing.assert_array_equal(start, [0, 0, F, 0, F])
    assert transition.dtype == start.dtype == "float32"


def test_no_labels():
    transition, start = bio_moves(1)
    assert (transition.tolist(), start.tolist()) == ([[0.0]], [0.0])


def test_shared_and_read_only():
    assert bio_moves(5)[0] is bio_moves(5)[0]
    for scores in bio_moves(5):
        with pytest.raises(ValueError, match="read-only"):
            scores[0] = 1
