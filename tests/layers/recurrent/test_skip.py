"""Skip connection around a layer."""

import numpy as np
import pytest
from thinc.api import Linear, Model, chain, list2ragged, ragged2list, with_array
from util import gradient_errors, random_sum, random_vectors

from spacy_lstm_ner.layers.recurrent.skip import Skip


def make_skip(nO, nI=None):
    return chain(list2ragged(), Skip(with_array(Linear(nO, nI))), ragged2list())


def inner(model: Model) -> Model:
    return next(node for node in model.walk() if node.name == "linear")


def test_adds_the_input_where_widths_agree():
    X = random_vectors([2, 0, 3], 4)
    model = make_skip(4, 4).initialize()
    Y, plain = model.predict(X), inner(model)
    for x, y in zip(X, Y, strict=True):
        np.testing.assert_allclose(y, plain.predict(x) + x, rtol=1e-6)


def test_layer_alone_where_widths_differ():
    X = random_vectors([2, 3], 4)
    model = make_skip(5, 4).initialize()
    for x, y in zip(X, model.predict(X), strict=True):
        np.testing.assert_allclose(y, inner(model).predict(x), rtol=1e-6)


@pytest.mark.parametrize("nO", [4, 5])
def test_gradient(nO):
    model = make_skip(nO, 4).initialize()
    errors = gradient_errors(model, random_vectors([2, 0, 3], 4), random_sum())
    assert len(errors) == 3
    assert max(errors.values()) < 1e-3, errors


def test_no_writing_into_the_callers_gradient():
    model = make_skip(4, 4).initialize()
    Y, backprop = model.begin_update(random_vectors([2, 3], 4))
    dY = random_sum()(Y)[1]
    before = [dy.copy() for dy in dY]
    backprop(dY)
    for dy, expected in zip(dY, before, strict=True):
        np.testing.assert_array_equal(dy, expected)


def test_width_of_the_input_from_a_sample():
    model = make_skip(4).initialize(X=random_vectors([2], 3))
    assert inner(model).get_dim("nI") == 3


@pytest.mark.parametrize("nO", [4, 5])
def test_batch_without_tokens(nO):
    model = make_skip(nO, 4).initialize()
    Y, backprop = model.begin_update(random_vectors([0, 0], 4))
    assert [len(y) for y in Y] == [len(dx) for dx in backprop(Y)] == [0, 0]
