"""The table that grows with what training meets."""

import numpy as np
from thinc.api import Adam
from util import gradient_error, parameters, random_sum

from spacy_lstm_ner.layers.words.vectors import SeenTable

KEYS = np.array([7, -1, 2**62, 7, -(2**63), 0, 5], dtype="int64")


def trained(keys=KEYS, nO=3):
    """A table that met keys, with random vectors."""
    model = SeenTable(nO, block_rows=2).initialize()
    model(keys, is_train=True)
    rng = np.random.default_rng(0)
    for _, node, key in parameters(model):
        param = node.get_param(key)
        param += rng.standard_normal(param.shape).astype("f")
    return model


def test_a_vector_for_each_key_met():
    Y = trained().predict(KEYS)
    assert Y.shape == (7, 3)
    np.testing.assert_array_equal(Y[0], Y[3])
    assert not Y[1].any()  # no key
    distinct = Y[[0, 2, 4, 5, 6]]
    assert distinct.all()
    assert len(np.unique(distinct, axis=0)) == 5


def test_prediction_adds_nothing():
    model = trained()
    before = model.to_bytes()
    assert not model.predict(np.array([1, 2, 3])).any()
    assert model.to_bytes() == before


def test_as_many_blocks_as_keys_need():
    model = SeenTable(3, block_rows=2).initialize()
    assert parameters(model) == []
    for keys, n_blocks in [([4], 1), ([4, 5], 1), ([6, 4, -1], 2), (range(7), 4)]:
        model(np.array(keys), is_train=True)
        shapes = [model.get_param(key).shape for _, _, key in parameters(model)]
        assert shapes == [(2, 3)] * n_blocks


def test_new_vectors_are_zero_and_old_ones_stay():
    old = np.arange(6)
    model = trained(old)
    before = model.predict(old)
    Y, _ = model(np.array([100, 101, *old]), is_train=True)
    assert not Y[:2].any()
    np.testing.assert_array_equal(Y[2:], before)


def test_numeric_gradient():
    model, loss = trained(), random_sum()
    Y, backprop = model(KEYS, is_train=True)
    assert backprop(loss([Y])[1][0]) == []
    assert len(parameters(model)) == 3
    for name, _, key in parameters(model):
        found = model.get_grad(key).copy()
        error = gradient_error(
            lambda: loss([model(KEYS, True)[0]])[0], model.get_param(key), found, 3e-2
        )
        assert error < 1e-3, name


def test_optimizer_goes_on_when_the_table_grows():
    model, optimizer = SeenTable(2, block_rows=2).initialize(), Adam(0.1)
    for n in range(1, 30):
        keys = np.arange(n)
        Y, backprop = model(keys, is_train=True)
        backprop(Y - keys[:, None].astype("f"))
        model.finish_update(optimizer)
    for _ in range(600):
        Y, backprop = model(keys, is_train=True)
        backprop(Y - keys[:, None].astype("f"))
        model.finish_update(optimizer)
    np.testing.assert_allclose(Y[:, 0], keys, atol=0.1)


def test_only_blocks_of_the_batch_get_a_gradient():
    model = trained()
    Y, backprop = model(np.array([7]), is_train=True)
    backprop(np.ones_like(Y))
    assert [key for _, _, key in parameters(model) if model.has_grad(key)] == ["E0"]


def test_save_and_load():
    model = trained()
    fresh = SeenTable().from_bytes(model.to_bytes())
    np.testing.assert_array_equal(fresh.predict(KEYS), model.predict(KEYS))
    other = trained(np.array([1, 2, 3, 4, 5, 6, 8, 9])).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(other.predict(KEYS), model.predict(KEYS))


def test_a_copy_grows_by_itself():
    model = trained()
    copy = model.copy()
    copy(np.array([100]), is_train=True)
    assert 100 not in model.attrs["row_of_key"]
    np.testing.assert_array_equal(copy.predict(KEYS), model.predict(KEYS))


def test_initialize_forgets():
    model = trained().initialize()
    assert not model.predict(KEYS).any()
    assert not model(KEYS, is_train=True)[0].any()


def test_no_keys():
    assert trained().predict(KEYS[:0]).shape == (0, 3)
