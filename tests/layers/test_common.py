"""Lists of sequences as one array of all their rows, and back."""

import numpy as np
import pytest
from thinc.api import Model
from util import random_vectors

from spacy_lstm_ner.layers.common import cut, joined

MODEL = Model("any", lambda model, X, is_train: (X, lambda dY: dY))


@pytest.mark.parametrize("lengths", [[3, 0, 1, 5], [4], [0, 2], [0, 0], [0], []])
def test_there_and_back(lengths):
    X = random_vectors(lengths, 3)
    rows = joined(MODEL, X)
    assert rows.shape == ((sum(lengths), 3) if lengths else (0, 0))
    assert rows.dtype == "float32"
    for found, x in zip(cut(rows, lengths), X, strict=True):
        np.testing.assert_array_equal(found, x)


def test_a_sequence_that_comes_alone_is_not_copied():
    (x,) = random_vectors([4], 3)
    assert np.shares_memory(joined(MODEL, [x]), x)
    assert np.shares_memory(cut(x, [4])[0], x)
