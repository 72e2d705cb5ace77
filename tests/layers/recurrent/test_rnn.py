"""The plain recurrent network and the identity network."""

import numpy as np
import pytest
from thinc.api import fix_random_seed
from util import random_vectors

from spacy_lstm_ner.layers import RNN
from spacy_lstm_ner.layers.recurrent.layer import hidden_gradients


def make(**settings):
    """A network, and its layer."""
    fix_random_seed(0)
    model = RNN(16, 8, **settings).initialize()
    (layer,) = [node for node in model.walk() if node.name == "rnn_layer"]
    return model, layer


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_identity_weights(activation):
    fix_random_seed(0)
    model = RNN(200, 300, activation=activation, init="identity").initialize()
    (layer,) = [node for node in model.walk() if node.name == "rnn_layer"]
    Wx, Wh, b = (layer.get_param(key) for key in ("Wx", "Wh", "b"))
    np.testing.assert_array_equal(Wh, [[np.eye(100)] * 2])
    assert b.shape == (1, 2, 100)
    assert not b.any()
    assert Wx.shape == (1, 2, 300, 100)
    assert Wx.std() == pytest.approx(0.001, rel=0.02)
    assert abs(Wx.mean()) < 2e-5
    assert not np.array_equal(Wx[0, 0], Wx[0, 1])
    assert {array.dtype.name for array in (Wx, Wh, b)} == {"float32"}


def test_identity_network_keeps_its_state_and_gradient():
    model, _ = make(activation="relu", init="identity", bi=False)
    (x,) = random_vectors([50], 8)
    x[1:] = 0
    (Y,) = model.predict([x])
    assert 0 < (Y[0] > 0).sum() < 16
    np.testing.assert_array_equal(Y, Y[:1].repeat(50, axis=0))
    dY = np.zeros_like(Y)
    dY[-1] = np.arange(1, 17)
    dH = hidden_gradients(model, [x], [dY])
    # It flows back unchanged through the units that are on; the others are off.
    np.testing.assert_array_equal(dH[:-1], (dY[-1:] * (Y[-1:] > 0)).repeat(49, axis=0))


def test_gradient_of_the_tanh_network_vanishes():
    model, layer = make(bi=False)
    layer.set_param("Wh", layer.get_param("Wh") / 2)
    (x,) = random_vectors([50], 8)
    dY = np.zeros((50, 16), dtype="f")
    dY[-1] = 1
    dH = hidden_gradients(model, [x], [dY])
    norms = np.linalg.norm(dH, axis=1)
    assert (norms[:-1] < norms[1:] / 2 * (1 + 1e-6)).all()  # |Wh| = 1/2, |f'| <= 1
    assert norms[0] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "sigmoid"}, r"\[L100\].*'activation'.*'sigmoid'.*tanh.*relu"),
        ({"init": "glorot"}, r"\[L100\].*'init'.*'glorot'.*orthogonal.*identity"),
    ],
)
def test_unknown_setting(settings, message):
    with pytest.raises(ValueError, match=message):
        RNN(4, **settings)
