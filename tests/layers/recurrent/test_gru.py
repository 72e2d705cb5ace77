"""The GRU: recurrent dropout drops features of h in the products alone."""

import numpy as np
from thinc.api import fix_random_seed, set_dropout_rate

from spacy_lstm_ner.layers import GRU


def test_recurrent_dropout_leaves_what_the_update_gate_keeps():
    model = GRU(32, 1, bi=False, dropout=0.0, recurrent_dropout=0.5).initialize()
    (layer,) = [node for node in model.walk() if node.name == "gru_layer"]
    n, r, z = np.zeros((3, 32), dtype="f")
    z[:] = 100  # an input of 1: keep all of h
    layer.set_param("Wx", np.stack([n, r, z])[:, None, None])
    layer.set_param("b", np.full((4, 1, 32), 0.5, dtype="f"))
    X = [np.array([[0], [1], [1]], dtype="f")]
    set_dropout_rate(model, 0.1)
    fix_random_seed(0)
    (Y,), _ = model(X, is_train=True)
    assert (Y[0] != 0).all()
    np.testing.assert_allclose(Y, Y[:1].repeat(3, axis=0), rtol=1e-6)


def test_recurrent_dropout_hides_h_from_the_candidate():
    model = GRU(32, 1, bi=False, dropout=0.0, recurrent_dropout=0.5).initialize()
    (layer,) = [node for node in model.walk() if node.name == "gru_layer"]
    r, z, a = np.zeros((3, 32, 32), dtype="f")
    a[:] = np.eye(32)
    layer.set_param("Wh", np.stack([r, z, a])[:, None])
    layer.set_param("Wx", np.zeros((3, 1, 1, 32), dtype="f"))
    layer.set_param("b", np.full((4, 1, 32), 0.5, dtype="f"))
    set_dropout_rate(model, 0.1)
    fix_random_seed(0)
    (Y,), _ = model([np.zeros((2, 1), dtype="f")], is_train=True)
    # Each unit sees its own last output: hidden, or doubled as half of them are.
    gate, h = 1 / (1 + np.exp(-0.5)), Y[0, 0]
    found = np.unique(Y[1].round(5))
    candidates = np.tanh(0.5 + gate * (np.array([0, 2 * h]) + 0.5))
    np.testing.assert_allclose(found, candidates + gate * (h - candidates), atol=1e-5)
