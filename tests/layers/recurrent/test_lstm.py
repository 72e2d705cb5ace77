"""The LSTM: against the reference, its initial bias, clipping by hand, and Thinc's own
LSTM beside it."""

import numpy as np
import pytest
import thinc.api
from thinc.api import (
    Adam,
    Linear,
    Model,
    PyTorchLSTM,
    chain,
    fix_random_seed,
    with_array,
    with_padded,
)
from util import gradient_errors, random_sum, random_vectors, relative_error

from spacy_lstm_ner.layers import GRU, LSTM

from . import reference_lstm

# float32 against central differences.
NUMERIC = 1e-3


def layer_of(model):
    (layer,) = [node for node in model.walk() if node.name == "lstm_layer"]
    return layer


# Reference


@pytest.mark.parametrize("bi", [False, True])
@pytest.mark.parametrize("nI", [3, 30])  # less and more than rows
@pytest.mark.parametrize("lengths", [[3, 1, 0, 5, 2], [6]])
def test_equals_the_reference(bi, nI, lengths):
    fix_random_seed(0)
    model = LSTM(8, nI, bi=bi, dropout=0.0).initialize()
    layer = layer_of(model)
    rng = np.random.default_rng(0)
    for name in layer.param_names:
        noise = rng.standard_normal(layer.get_param(name).shape) / 4
        layer.set_param(name, layer.get_param(name) + noise.astype("f"))
    X = random_vectors(lengths, nI)
    Y, backprop = model.begin_update(X)
    dY = random_sum()(Y)[1]
    dX = backprop(dY)
    Wx, Wh, b = (layer.get_param(name).astype("d") for name in ("Wx", "Wh", "b"))
    gradients = [np.zeros_like(param) for param in (Wx, Wh, b)]
    for x, y, dy, dx in zip(X, Y, dY, dX, strict=True):
        expected = np.zeros(x.shape)
        for d in range(layer.get_dim("nD")):
            order = slice(None, None, -1 if d else 1)
            nH = slice(d * Wh.shape[3], (d + 1) * Wh.shape[3])
            H, steps = reference_lstm.forward(x[order], Wx[:, d], Wh[:, d], b[:, d])
            np.testing.assert_allclose(
                y[order, nH], H.reshape(y[:, nH].shape), atol=1e-6
            )
            found = reference_lstm.backward(dy[order, nH], steps, Wx[:, d], Wh[:, d])
            expected += found[0].reshape(x.shape)[order]
            for gradient, of_sequence in zip(gradients, found[1:], strict=True):
                gradient[:, d] += of_sequence
        np.testing.assert_allclose(dx, expected, atol=1e-5)
    for name, gradient in zip(("Wx", "Wh", "b"), gradients, strict=True):
        assert relative_error(layer.get_grad(name), gradient) < 1e-5, name


# Initial bias


@pytest.mark.parametrize(
    ("settings", "expected"), [({}, 1.0), ({"forget_bias": -2.5}, -2.5)]
)
def test_forget_bias(settings, expected):
    layer = layer_of(LSTM(8, 3, **settings).initialize())
    o, i, f, candidate = layer.get_param("b")
    np.testing.assert_array_equal(f, expected)
    assert not np.any([o, i, candidate])


def test_cells_remember_as_long_as_the_forget_bias_says():
    def gradient_of_first_token(forget_bias):
        fix_random_seed(0)
        model = LSTM(8, 3, bi=False, forget_bias=forget_bias).initialize()
        _, backprop = model.begin_update(random_vectors([30], 3))
        dY = np.zeros((30, 8), dtype="f")
        dY[-1] = 1.0
        return np.abs(backprop([dY])[0][0]).max()

    few, some, many = map(gradient_of_first_token, (-1.0, 1.0, 5.0))
    assert few < some / 1000
    assert some < many / 10


# Clipping within backpropagation through time


def dX_of_two_steps(grad_clip, R):
    """With all weights but these 0 and an input of 0, the candidate's is the only
    gate with a gradient, and what step 2 sends back to step 1 is
    dh = R / 4 * Wh = 25 R / 4 and dc = R / 4.
    """
    model = LSTM(1, 1, bi=False, grad_clip=grad_clip).initialize()
    layer = layer_of(model)
    layer.set_param("b", np.zeros((4, 1, 1), dtype="f"))
    layer.set_param("Wx", np.ones((4, 1, 1, 1), dtype="f"))
    layer.set_param("Wh", np.array([0, 0, 0, 25], dtype="f").reshape(4, 1, 1, 1))
    _, backprop = model.begin_update([np.zeros((2, 1), dtype="f")])
    return backprop([np.array([[0], [R]], dtype="f")])[0].ravel().tolist()


@pytest.mark.parametrize(
    ("grad_clip", "R", "dh", "dc"),
    [
        (None, 4, 25, 1),
        (None, 400, 2500, 100),
        (25, 4, 25, 1),  # at the limit: stays
        (25, -4, -25, -1),
        (25, 8, 25, 2),  # 50 is cut to 25, 2 stays
        (25, 400, 25, 25),
        (25, -400, -25, -25),
        (0.5, 4, 0.5, 0.5),
    ],
)
def test_clip_by_hand(grad_clip, R, dh, dc):
    # Step 1: dc_1 = dh / 2 + dc, as o = f = i = 1/2; dX = dc_1 / 2.
    expected = [(dh / 2 + dc) / 2, R / 4]
    assert dX_of_two_steps(grad_clip, R) == pytest.approx(expected, rel=1e-6)


# Learning


def error_of_first_value(encode: Model, n_updates=200):
    """Mean squared error when each token should get the first token's value, which
    only a memory can know; guessing 0 has 1."""
    fix_random_seed(0)
    rng = np.random.default_rng(0)

    def batch():
        X = [rng.standard_normal((6, 1)).astype("f") for _ in range(16)]
        return X, [np.repeat(x[:1], 6, axis=0) for x in X]

    model = chain(encode, with_array(Linear(1, 8)))
    model.initialize(X=batch()[0])
    optimizer = Adam(0.02)
    for _ in range(n_updates):
        X, targets = batch()
        Y, backprop = model.begin_update(X)
        backprop([(y - t) / 48 for y, t in zip(Y, targets, strict=True)])
        model.finish_update(optimizer)
    X, targets = zip(*[batch() for _ in range(20)], strict=True)
    errors = [
        (y - t) ** 2
        for x, ts in zip(X, targets, strict=True)
        for y, t in zip(model.predict(x), ts, strict=True)
    ]
    return float(np.mean(errors))


@pytest.mark.parametrize("build", [LSTM, GRU])
def test_learns_to_remember(build):
    assert error_of_first_value(build(8, 1, bi=False)) < 0.05


# Thinc's own LSTM


def test_thincs_own_lstm_has_wrong_gradients():
    fix_random_seed(0)
    X = random_vectors([4, 4], 3)
    model = with_padded(thinc.api.LSTM(4, 3, bi=False)).initialize(X)
    errors = gradient_errors(model, X, random_sum())
    assert max(errors.values()) > 100 * NUMERIC, "thinc.api.LSTM is right now: use it"


def test_gradient_check_passes_torchs_lstm():
    # The check itself is right: it tells a right LSTM from a wrong one.
    pytest.importorskip("torch", reason="needs the extra `torch`")
    fix_random_seed(0)
    X = random_vectors([4, 4], 3)
    model = with_padded(PyTorchLSTM(4, 3, bi=True)).initialize(X)
    assert gradient_errors(model, X, random_sum())["X"] < NUMERIC
