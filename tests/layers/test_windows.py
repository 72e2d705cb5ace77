"""Long sequences in windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model, fix_random_seed
from util import gradient_errors, random_sum, random_vectors

from spacy_lstm_ner.layers import LSTM
from spacy_lstm_ner.layers.windows import windows_of, with_windows

UNEVEN = [9, 0, 17, 4, 10]


def make_layer(size, overlap, **settings):
    fix_random_seed(0)
    return with_windows(LSTM(4, 3, **settings), size, overlap).initialize()


@given(st.integers(0, 400), st.integers(1, 40), st.integers(0, 19))
def test_windows(length, size, overlap):
    overlap = min(overlap, (size - 1) // 2)
    windows = windows_of(length, size, overlap)
    read = [i for w in windows for i in range(w.first, w.last)]
    assert read == list(range(length))
    for w in windows:
        assert w.end - w.start == windows[0].end <= min(size, length)
        assert w.first - w.start >= overlap or w.first == 0
        assert w.end - w.last >= overlap or w.last == length
    # No larger than they need be.
    n_read = length + (len(windows) - 1) * 2 * overlap
    assert windows[0].end == -(n_read // -len(windows))
    # No more than it takes.
    assert (len(windows) - 1) * (size - 2 * overlap) < max(length - 2 * overlap, 1)


def test_short_sequences_are_read_in_one_piece():
    layer = make_layer(10, 2)
    X = random_vectors([10, 0, 3], 3)
    for y, expected in zip(layer.predict(X), layer.layers[0].predict(X), strict=True):
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("is_train", [False, True])
def test_middles_of_windows(is_train):
    layer = make_layer(10, 2, dropout=0.0)
    lstm = layer.layers[0]
    X = random_vectors(UNEVEN, 3)
    Y = layer(X, is_train=is_train)[0]
    for x, y in zip(X, Y, strict=True):
        for w in windows_of(len(x), 10, 2):
            (expected,) = lstm.predict([x[w.start : w.end]])
            expected = expected[w.first - w.start : w.last - w.start]
            np.testing.assert_allclose(y[w.first : w.last], expected, atol=1e-6)


@pytest.mark.parametrize(("size", "overlap"), [(6, 2), (6, 0), (5, 1)])
@pytest.mark.parametrize("bi", [False, True])
def test_gradient(size, overlap, bi):
    layer = make_layer(size, overlap, bi=bi, dropout=0.0)
    errors = gradient_errors(layer, random_vectors(UNEVEN, 3), random_sum())
    assert len(errors) == 4
    assert max(errors.values()) < 1e-3, errors


def test_memory_does_not_grow_with_the_text():
    sizes = []

    def forward(model, X, is_train):
        sizes.append(sum(map(len, X)))
        return X, lambda dY: dY

    X = random_vectors([*UNEVEN, 50], 3)
    layer = with_windows(Model("identity", forward), 6, 1, n_rows=12)
    for x, y in zip(X, layer.predict(X), strict=True):
        np.testing.assert_array_equal(x, y)
    assert max(sizes) < 12 + 6


def test_more_overlap_is_nearer_to_one_piece():
    fix_random_seed(0)
    lstm = LSTM(32, 16, depth=2, dropout=0.0, skip=True).initialize()
    X = random_vectors([600], 16)
    (whole,) = lstm.predict(X)
    errors = []
    for overlap in (0, 16, 48):
        (cut,) = with_windows(lstm, 128, overlap).predict(X)
        errors.append(np.abs(cut - whole).mean())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize(("size", "overlap"), [(10, 5), (0, 0), (10, -1)])
def test_windows_need_a_middle(size, overlap):
    with pytest.raises(ValueError, match="leaves nothing in the middle"):
        with_windows(LSTM(4, 3), size, overlap)


def test_no_windows():
    layer = make_layer(None, 5)
    X = random_vectors([40], 3)
    np.testing.assert_array_equal(layer.predict(X)[0], layer.layers[0].predict(X)[0])


def test_width_of_the_input_from_a_sample():
    layer = with_windows(LSTM(4), 6, 1).initialize(X=random_vectors([2], 3))
    assert layer.predict(random_vectors([9], 3))[0].shape == (9, 4)


@pytest.mark.parametrize("length", [6, 30])
def test_prediction_has_no_backward_pass(length):
    layer = make_layer(8, 2)
    Y, backprop = layer(random_vectors([length], 3), is_train=False)
    with pytest.raises(ValueError, match=r"L008.*begin_update"):
        backprop(Y)
