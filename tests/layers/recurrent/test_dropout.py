"""Dropout with one mask per sequence and feature."""

import numpy as np
import pytest
from thinc.api import fix_random_seed, set_dropout_rate
from thinc.types import Ragged

from spacy_lstm_ner.layers.recurrent.dropout import VariationalDropout

LENGTHS = np.array([3, 0, 5, 1], dtype="i")


def ones(width=400):
    return Ragged(np.ones((int(LENGTHS.sum()), width), dtype="f"), LENGTHS)


def drop(own_rate, loop_rate, *, is_train=True):
    fix_random_seed(0)
    model = set_dropout_rate(VariationalDropout(own_rate), loop_rate)
    return model(ones(), is_train)


def test_one_mask_per_sequence_and_feature():
    Y, _ = drop(None, 0.5)
    first, second, third = np.split(Y.dataXd, [3, 8])
    for rows in (first, second):
        np.testing.assert_array_equal(rows, rows[:1].repeat(len(rows), axis=0))
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(second[0], third[0])
    np.testing.assert_array_equal(Y.lengths, LENGTHS)


@pytest.mark.parametrize(
    ("own_rate", "loop_rate", "effective"),
    [(None, 0.25, 0.25), (0.75, 0.25, 0.75), (0.25, 0.75, 0.25)],
)
def test_kept_features_are_scaled(own_rate, loop_rate, effective):
    Y, _ = drop(own_rate, loop_rate)
    values, counts = np.unique(Y.dataXd[[0, 3, 8]], return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / (1 - effective)])
    assert counts[0] / counts.sum() == pytest.approx(effective, abs=0.05)
    assert Y.dataXd[[0, 3, 8]].mean() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("own_rate", "loop_rate", "is_train"),
    [
        (None, 0.5, False),
        (0.5, 0.5, False),
        (None, 0.0, True),
        (0.5, 0.0, True),
        (0.0, 0.5, True),
    ],
)
def test_off(own_rate, loop_rate, is_train):
    Y, backprop = drop(own_rate, loop_rate, is_train=is_train)
    np.testing.assert_array_equal(Y.dataXd, ones().dataXd)
    np.testing.assert_array_equal(backprop(ones()).dataXd, ones().dataXd)


def test_gradient_goes_through_the_same_mask():
    Y, backprop = drop(None, 0.5)
    dY = ones()
    dX = backprop(dY)
    np.testing.assert_array_equal(dX.dataXd, Y.dataXd)  # of ones: both are the mask
    np.testing.assert_array_equal(dY.dataXd, ones().dataXd)


def test_another_mask_for_each_batch():
    model = set_dropout_rate(VariationalDropout(), 0.5)
    first, second = (model(ones(), True)[0].dataXd for _ in range(2))
    assert not np.array_equal(first, second)


def test_batch_without_tokens():
    X = Ragged(np.zeros((0, 4), dtype="f"), np.zeros(2, dtype="i"))
    Y, backprop = set_dropout_rate(VariationalDropout(), 0.5)(X, True)
    assert Y.dataXd.shape == backprop(Y).dataXd.shape == (0, 4)
