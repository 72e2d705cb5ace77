"""From lists of sequences to one array and back."""

import numpy as np
import pytest
import thinc.api
from thinc.api import chain
from thinc.types import Ragged
from util import random_vectors

from spacy_lstm_ner.layers.ragged import list2ragged, ragged2list

BATCHES = [[3, 0, 1, 5], [4], [0, 2], [0, 0], [0], []]


def assert_same(found, expected):
    assert [x.shape for x in found] == [x.shape for x in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("lengths", BATCHES)
def test_there_and_back(lengths):
    X = random_vectors(lengths, 3)
    ragged, back_to_list = list2ragged().begin_update(X)
    assert ragged.lengths.tolist() == lengths
    assert len(ragged.dataXd) == sum(lengths)
    Y, back_to_ragged = ragged2list().begin_update(ragged)
    assert_same(Y, X)
    dX = random_vectors(lengths, 3)
    assert_same(back_to_list(back_to_ragged(dX)), dX)


@pytest.mark.parametrize("lengths", BATCHES[:3])
def test_as_thincs(lengths):
    X = random_vectors(lengths, 3)
    ours, thincs = list2ragged().predict(X), thinc.api.list2ragged().predict(X)
    np.testing.assert_array_equal(ours.dataXd, thincs.dataXd)
    np.testing.assert_array_equal(ours.lengths, thincs.lengths)
    assert ours.lengths.dtype == thincs.lengths.dtype
    assert_same(ragged2list().predict(ours), thinc.api.ragged2list().predict(thincs))


def test_a_sequence_that_comes_alone_is_not_copied():
    (x,) = X = random_vectors([4], 3)
    assert np.shares_memory(list2ragged().predict(X).data, x)
    ragged = Ragged(x, np.array([4], dtype="i"))
    assert np.shares_memory(ragged2list().predict(ragged)[0], x)


def test_models_with_thincs_layers_load():
    saved = chain(thinc.api.list2ragged(), thinc.api.ragged2list()).to_bytes()
    model = chain(list2ragged(), ragged2list()).from_bytes(saved)
    X = random_vectors([2, 3], 3)
    assert_same(model.predict(X), X)
