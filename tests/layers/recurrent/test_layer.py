"""Recurrent layers of every cell: gradients against central differences, everything
against PyTorch.

A batch with more rows than the input is wide runs on copies of the weights (see
`Cell.forward`), so that tests of the arithmetic have batches of both kinds.
"""

import pickle
from functools import partial

import numpy as np
import pytest
from thinc.api import (
    Model,
    fix_random_seed,
    set_dropout_rate,
)
from util import (
    gradient_error,
    gradient_errors,
    parameters,
    random_sum,
    random_vectors,
    relative_error,
    torch_arrays,
    torch_recurrent,
    zero_gradients,
)

from spacy_lstm_ner.layers import GRU, LSTM, RNN
from spacy_lstm_ner.layers.recurrent import matmul
from spacy_lstm_ner.layers.recurrent.layer import hidden_gradients

CELLS = {"lstm": LSTM, "gru": GRU, "rnn": RNN, "relu": partial(RNN, activation="relu")}
UNEVEN = [3, 1, 0, 5, 2]
# float32 against central differences; the largest error seen over seeds is 2.8e-4.
NUMERIC = 1e-3
# float32 against float32: rounding of sums in another order.
SAME = {"rtol": 1e-5, "atol": 1e-6}

both_directions = pytest.mark.parametrize("bi", [False, True])


@pytest.fixture(params=CELLS)
def cell(request):
    return request.param


def make(cell, nO=4, nI=3, *, seed=0, **settings):
    fix_random_seed(seed)
    model = CELLS[cell](nO, nI, **settings).initialize()
    for _, node, key in parameters(model):
        # Zero biases would hide a swapped gate.
        param = node.get_param(key)
        noise = np.random.default_rng(seed).standard_normal(param.shape) / 4
        node.set_param(key, param + noise.astype("f"))
    return model


def layers_of(model):
    return [node for node in model.walk() if "cell" in node.attrs]


def equal(found, expected):
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


# Gradients


def avoid_kinks(model):
    """Keep the sums of a ReLU away from 0, where it has no derivative: one unit is on,
    the next is off."""
    for layer in layers_of(model):
        for key in ("Wx", "Wh"):
            layer.set_param(key, layer.get_param(key) * 0.2)
        b = layer.get_param("b")
        layer.set_param("b", np.resize(np.array([2, -2], dtype="f"), b.shape))


@pytest.mark.parametrize(
    ("lengths", "nI", "settings"),
    [
        (UNEVEN, 3, {"bi": False}),
        ([2, 0, 1], 4, {"bi": True, "depth": 2, "skip": True, "grad_clip": 1e6}),
        ([3, 1], 3, {"bi": False, "dropout": 0.3, "recurrent_dropout": 0.5}),
    ],
    ids=str,
)
def test_numeric_gradient(cell, lengths, nI, settings):
    width = 4 if settings["bi"] else 2
    if cell == "relu" and "dropout" in settings:
        width = 8  # half of the units are off already
    model = make(cell, width, nI, **settings)
    if cell == "relu":
        avoid_kinks(model)
    X = random_vectors(lengths, nI)
    if "dropout" in settings:
        set_dropout_rate(model, 0.4)
        fix_random_seed(0)
        assert not equal(model(X, is_train=True)[0], model.predict(X))
    errors = gradient_errors(model, X, random_sum())
    assert len(errors) == 1 + 3 * settings.get("depth", 1)
    assert max(errors.values()) < NUMERIC, errors


def test_check_fails_for_a_gradient_that_is_zero():
    model = make("lstm")

    def no_gradient(Y):
        return 0.0, [np.zeros_like(y) for y in Y]

    errors = gradient_errors(model, random_vectors([2, 1], 3), no_gradient)
    assert not any(error < NUMERIC for error in errors.values())


@pytest.mark.parametrize("size", [5, 100])
def test_check_fails_for_each_wrong_element(size):
    array = np.random.default_rng(0).standard_normal(size).astype("f")
    gradient = np.exp(array)  # of the sum of the exponentials

    def error(found):
        return gradient_error(
            lambda: np.exp(array.astype("d")).sum(), array, found, eps=3e-2
        )

    assert error(gradient) < NUMERIC / 10
    for i in range(size):
        found = gradient.copy()
        found[i] = 0
        assert error(found) > NUMERIC, i


def test_gradients_of_two_backward_passes_add_up():
    model = make("lstm", depth=2)
    X = random_vectors(UNEVEN, 3)
    single = []
    for seed in (1, 2):
        Y, backprop = model.begin_update(X)
        zero_gradients(model)
        backprop(random_sum(seed)(Y)[1])
        single.append([n.get_grad(key).copy() for _, n, key in parameters(model)])
    zero_gradients(model)
    for seed in (1, 2):
        Y, backprop = model.begin_update(X)
        backprop(random_sum(seed)(Y)[1])
    for first, second, (name, node, key) in zip(
        *single, parameters(model), strict=True
    ):
        assert relative_error(node.get_grad(key), first + second) < 1e-6, name


def test_small_kernels_change_no_gradient(cell, monkeypatch):
    """They get the recurrent weights of the backward pass in another order."""
    X, gradients = random_vectors(UNEVEN, 3), []
    for has_small_kernels in (False, True):
        monkeypatch.setattr(matmul, "SMALL_KERNELS", has_small_kernels)
        model = make(cell, 8)
        Y, backprop = model.begin_update(X)
        dX = backprop(random_sum()(Y)[1])
        gradients.append([*dX, *(n.get_grad(k) for _, n, k in parameters(model))])
    for found, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_backprop_may_run_twice(cell):
    model = make(cell, depth=2)
    Y, backprop = model.begin_update(random_vectors(UNEVEN, 3))
    dY = random_sum()(Y)[1]
    assert equal(backprop(dY), backprop(dY))


@pytest.mark.parametrize(
    ("lengths", "rate", "skip"),
    [(UNEVEN, 0.5, True), ([4], 0.5, True), ([0, 2], 0.0, False)],
)
def test_shapes_and_no_writing_into_the_callers_arrays(cell, lengths, rate, skip):
    model = make(cell, 4, 4, depth=2, skip=skip, grad_clip=0.5)
    set_dropout_rate(model, rate)
    X = random_vectors(lengths, 4)
    X_before = [x.copy() for x in X]
    Y, backprop = model.begin_update(X)
    assert [y.shape for y in Y] == [(n, 4) for n in lengths]
    Y_before = [y.copy() for y in Y]
    dY = random_sum()(Y)[1]
    dY_before = [dy.copy() for dy in dY]
    dX = backprop(dY)
    assert [dx.shape for dx in dX] == [x.shape for x in X]
    assert {array.dtype.name for array in [*Y, *dX]} == {"float32"}
    assert equal(X, X_before)
    assert equal(Y, Y_before)
    assert equal(dY, dY_before)


# Against PyTorch


@pytest.mark.parametrize(
    ("nI", "settings"),
    [(5, {"bi": False}), (5, {"bi": True, "depth": 2}), (100, {"bi": True})],
    ids=str,
)
def test_same_function_as_torch(cell, nI, settings):
    lengths = [7, 1, 0, 12, 3, 12, 9, 9, 5, 14, 12, 2, 10]  # 96 rows
    model = make(cell, 8, nI, **settings)
    layers = layers_of(model)
    reference = torch_recurrent(layers)
    torch = pytest.importorskip("torch", reason="needs the extra `torch`")
    X = random_vectors(lengths, nI)
    Y, backprop = model.begin_update(X)
    R = random_sum()(Y)[1]
    dX = backprop(R)
    for x, y, r, dx in zip(X, Y, R, dX, strict=True):
        if not len(x):  # torch takes no empty sequence
            assert y.shape == (0, 8)
            continue
        x_torch = torch.tensor(x, requires_grad=True)
        y_torch, _ = reference(x_torch)
        expected = y_torch.detach().numpy()
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)
        (y_torch * torch.tensor(r)).sum().backward()
        expected = x_torch.grad.numpy()
        # Sums of terms as large as the largest element are rounded as these are.
        atol = 1e-6 * max(1, np.abs(expected).max())
        np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=atol)
    for i, layer in enumerate(layers):
        for key, found in torch_arrays(layer.get_grad, i).items():
            expected = getattr(reference, key).grad.numpy()
            assert relative_error(found, expected) < 1e-5, key


def test_hidden_gradients_are_those_of_torch(cell):
    model = make(cell, 4, 3, bi=False)
    reference = torch_recurrent(layers_of(model))
    torch = pytest.importorskip("torch", reason="needs the extra `torch`")
    X = random_vectors([4, 0, 7, 1], 3)
    dY = random_sum()(model.predict(X))[1]
    found = hidden_gradients(model, X, dY)
    expected = []
    for x, dy in zip(X, dY, strict=True):
        loss, states, state = torch.zeros(()), [], None
        for x_t, dy_t in zip(torch.tensor(x), torch.tensor(dy), strict=True):
            _, state = reference(x_t[None], state)
            h = state[0] if cell == "lstm" else state
            h.retain_grad()
            states.append(h)
            loss = loss + (h[0] * dy_t).sum()
        if states:
            loss.backward()
        expected += [h.grad[0].numpy() for h in states]
    np.testing.assert_allclose(found, expected, **SAME)


# What happens within backpropagation through time


def test_hidden_gradients_are_those_of_training():
    # For the plain network: dX = (dH * (1 - H * H)) Wx^T, summed over the directions.
    model = make("rnn", 4, 3, bi=True, grad_clip=0.3)
    (layer,) = layers_of(model)
    X = random_vectors(UNEVEN, 3)
    Y, backprop = model.begin_update(X)
    dY = random_sum()(Y)[1]
    dX = np.concatenate(backprop(dY))
    before = [layer.get_grad(key).copy() for key in layer.grad_names]
    dH = hidden_gradients(model, X, dY)
    assert dH.shape == (sum(UNEVEN), 4)
    assert equal([layer.get_grad(key) for key in layer.grad_names], before)
    dgates = (dH * (1 - np.concatenate(Y) ** 2)).reshape(-1, 2, 2)
    expected = np.einsum("tdh,dih->ti", dgates, layer.get_param("Wx")[0])
    np.testing.assert_allclose(dX, expected, **SAME)


def test_hidden_gradients_of_a_stack_pass_the_later_layers():
    model = make("lstm", 4, 4, depth=3, skip=True)
    first, *later = layers_of(model)
    X = random_vectors(UNEVEN, 4)
    dY = random_sum()(model.predict(X))[1]
    # The later layers by themselves, with the output of the first one as their input.
    alone = LSTM(4, 4, depth=1).initialize()
    rest = LSTM(4, 4, depth=2, skip=True).initialize()
    for node, other in zip((first, *later), (*alone.layers, *rest.layers), strict=True):
        for key in node.param_names:
            other.set_param(key, node.get_param(key))
    Z = [x + y for x, y in zip(X, alone.predict(X), strict=True)]
    dZ = rest.begin_update(Z)[1](dY)
    expected = hidden_gradients(alone, X, dZ)
    found = hidden_gradients(model, X, dY)
    np.testing.assert_allclose(found, expected, **SAME)


def test_hidden_gradients_of_no_tokens():
    nothing = random_vectors([0, 0], 3), random_vectors([0, 0], 4)
    assert hidden_gradients(make("lstm"), *nothing).shape == (0, 4)


def test_hidden_gradients_name_a_wrong_width():
    X = random_vectors([2], 5)
    with pytest.raises(ValueError, match=r"\[L005\].*width 5, but.*width 3"):
        hidden_gradients(make("lstm"), X, X)


@pytest.mark.parametrize(
    ("grad_clip", "R", "expected"),
    [
        (None, 1, 32),
        (25, 1, 25),  # 32 becomes 25
        (25, -1, -25),
        (25, 0.5, 16),
        (32, 1, 32),
        (1, 2, 1),
    ],
)
def test_clip_by_hand(grad_clip, R, expected):
    # h_0 = 1, h_1 = 32 h_0 + 1, the loss is R h_1: dL/dh_0 = 32 R.
    model = CELLS["relu"](1, 1, bi=False, grad_clip=grad_clip).initialize()
    (layer,) = layers_of(model)
    layer.set_param("Wx", np.ones((1, 1, 1, 1), dtype="f"))
    layer.set_param("Wh", np.full((1, 1, 1, 1), 32, dtype="f"))
    layer.set_param("b", np.ones((1, 1, 1), dtype="f"))
    X, dY = np.zeros((2, 1), dtype="f"), np.array([[0], [R]], dtype="f")
    _, backprop = model.begin_update([X])
    assert backprop([dY])[0].ravel().tolist() == [expected, R]
    found = hidden_gradients(model, [X], [dY])
    assert found.ravel().tolist() == [expected, R]


def test_clip_limits_each_element_between_steps(cell):
    def flow(grad_clip):
        """What h_t gets from step t + 1."""
        model = make(cell, 6, 3, bi=False, grad_clip=grad_clip)
        (layer,) = layers_of(model)
        layer.set_param("Wh", layer.get_param("Wh") * 3)
        X, (dY,) = random_vectors([8], 3), random_vectors([8], 6, seed=1)
        return hidden_gradients(model, X, [dY])[:-1] - dY[:-1]

    free, clipped, limit = flow(None), flow(0.25), 0.25 * (1 + 1e-6)
    assert np.abs(free).max() > 1
    assert np.abs(clipped).max() <= limit
    assert (np.abs(clipped) < 0.24).any()
    np.testing.assert_allclose(clipped[-1], free[-1].clip(-0.25, 0.25), **SAME)
    assert not np.allclose(clipped, free.clip(-0.25, 0.25))  # it is cut at every step


def test_limit_that_is_not_reached_changes_nothing(cell):
    X, gradients = random_vectors(UNEVEN, 3), []
    for grad_clip in (None, 1e6):
        model = make(cell, depth=2, grad_clip=grad_clip)
        Y, backprop = model.begin_update(X)
        dX = backprop(random_sum()(Y)[1])
        gradients.append([*dX, *(n.get_grad(k) for _, n, k in parameters(model))])
    assert equal(*gradients)


# Batches


def test_no_sequences():
    model = make("lstm", depth=2)
    Y, backprop = model.begin_update([])
    assert Y == []
    assert backprop([]) == []


@pytest.mark.parametrize("lengths", [[0], [0, 0, 0]])
def test_only_empty_sequences(lengths):
    model = make("lstm", depth=2, skip=True)
    Y, backprop = model.begin_update(random_vectors(lengths, 3))
    assert [y.shape for y in Y] == [(0, 4)] * len(lengths)
    assert [len(dx) for dx in backprop(Y)] == lengths


@pytest.mark.parametrize(
    ("width", "n_sequences", "bi"), [(8, 7, False), (64, 32, True)]
)
def test_result_is_independent_of_the_batch(cell, bi, width, n_sequences):
    # Not to the last bit: BLAS sums in an order that depends on the shapes. Over
    # widths of 64 to 256 and 2 to 128 sequences the largest deviation is 7.2e-7; the
    # outputs of a ReLU have no bound.
    fix_random_seed(0)
    model = CELLS[cell](width, width, depth=2, bi=bi).initialize()
    rng = np.random.default_rng(0)
    lengths = [*rng.permutation(n_sequences).tolist(), 30, 1, 30]
    X = random_vectors([min(n, 40) for n in lengths], width)
    Y = model.predict(X)
    limit = 2e-6 * max(1, *(np.abs(y).max(initial=0) for y in Y))
    for i in range(0, len(X), 8):
        found = model.predict([X[i]])[0]
        np.testing.assert_allclose(found, Y[i], rtol=0, atol=limit)


def test_order_of_the_batch_does_not_matter():
    model = make("lstm", depth=2)
    X = random_vectors([1, 2, 3, 4, 5, 0], 3)
    backwards = model.predict(X[::-1])[::-1]
    for y, expected in zip(backwards, model.predict(X), strict=True):
        np.testing.assert_allclose(y, expected, **SAME)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_directions_see_what_they_should(cell):
    model = make(cell, 4, 3)
    (x,) = random_vectors([5], 3)
    changed = x.copy()
    changed[2] += 1
    differs = model.predict([x])[0] != model.predict([changed])[0]
    assert not differs[:2, :2].any()  # forward: before the change
    assert differs[2:, :2].all()
    assert differs[:3, 2:].all()  # backward: up to the change
    assert not differs[3:, 2:].any()


def test_training_pass_without_dropout_equals_prediction(cell):
    model = make(cell, depth=2, skip=True)
    X = random_vectors(UNEVEN, 3)
    assert equal(model(X, is_train=True)[0], model.predict(X))


@both_directions
@pytest.mark.parametrize("lengths", [[1], [300, 1, 299], [3] * 300], ids=len)
def test_prediction_is_the_forward_pass_of_training(cell, bi, lengths):
    model = make(cell, 8, 3, bi=bi)
    for layer in layers_of(model):  # a ReLU must not explode
        layer.set_param("Wh", layer.get_param("Wh") / 2)
    X = random_vectors(lengths, 3)
    trained, _ = model(X, is_train=True)
    for y, expected in zip(model.predict(X), trained, strict=True):
        np.testing.assert_allclose(y, expected, **SAME)


def test_prediction_has_no_backward_pass():
    Y, backprop = make("lstm")(random_vectors(UNEVEN, 3), is_train=False)
    with pytest.raises(ValueError, match=r"L008.*lstm.*begin_update"):
        backprop(Y)


def test_wrong_width_is_named():
    with pytest.raises(ValueError, match=r"\[L005\].*width 5, but.*width 3"):
        make("lstm").predict(random_vectors([2], 5))


# Weights


def test_same_seed_same_weights():
    def weights(seed):
        fix_random_seed(seed)
        model = LSTM(4, 3, depth=2).initialize()
        return [node.get_param(key) for _, node, key in parameters(model)]

    assert equal(weights(1), weights(1))
    assert not equal(weights(1), weights(2))


@pytest.mark.parametrize(
    ("cell", "n_inputs", "n_recurrent", "n_biases"),
    [("lstm", 4, 4, 4), ("gru", 3, 3, 4), ("rnn", 1, 1, 1), ("relu", 1, 1, 1)],
)
def test_initial_weights(cell, n_inputs, n_recurrent, n_biases):
    fix_random_seed(0)
    (layer,) = layers_of(CELLS[cell](64, 48).initialize())
    Wx, Wh, b = (layer.get_param(key) for key in ("Wx", "Wh", "b"))
    assert Wx.shape == (n_inputs, 2, 48, 32)
    assert Wh.shape == (n_recurrent, 2, 32, 32)
    assert b.shape == (n_biases, 2, 32)
    forget = 2
    assert not np.delete(b, forget, axis=0).any() if cell == "lstm" else not b.any()
    for Q in Wh:
        product = Q @ Q.transpose(0, 2, 1)
        np.testing.assert_allclose(product, [np.eye(32)] * 2, atol=1e-5)
    limit = np.sqrt(6 / (48 + 32))  # Glorot, for each gate
    assert 0.9 * limit < np.abs(Wx).max() <= limit
    assert not np.array_equal(Wx[:, 0], Wx[:, 1])
    assert n_inputs == 1 or not np.array_equal(Wx[0], Wx[1])


def test_width_of_the_input_from_a_sample():
    X = random_vectors([2, 3], 7)
    model = LSTM(4, depth=2)
    assert model.get_dim("nO") == 4
    model.initialize(X=X)
    assert [layer.get_dim("nI") for layer in layers_of(model)] == [7, 4]
    assert model.predict(X)[1].shape == (3, 4)


@pytest.mark.parametrize("to_disk", [False, True])
def test_save_and_load(to_disk, tmp_path):
    X = random_vectors(UNEVEN, 3)
    model = make("lstm", depth=2, skip=True, grad_clip=2.0, dropout=0.5)
    other = make("lstm", seed=1, depth=2, skip=True)
    assert not equal(other.predict(X), model.predict(X))
    if to_disk:
        model.to_disk(tmp_path / "model")
        other.from_disk(tmp_path / "model")
    else:
        other.from_bytes(model.to_bytes())
    assert equal(other.predict(X), model.predict(X))
    assert other.to_bytes() == model.to_bytes()


@pytest.mark.parametrize(
    "copied", [Model.copy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_is_another_model(copied):
    X = random_vectors(UNEVEN, 3)
    model = make("lstm")
    copy, Y = copied(model), model.predict(X)
    assert equal(copy.predict(X), Y)
    for _, node, key in parameters(copy):
        node.set_param(key, node.get_param(key) * 2)
    assert equal(model.predict(X), Y)
    assert not equal(copy.predict(X), Y)


@pytest.mark.parametrize("lengths", [UNEVEN, [2]], ids=["long", "short"])
@pytest.mark.parametrize("change", ["zeros", "element", "loaded", "averages"])
def test_prediction_goes_by_the_parameters_as_they_are(cell, change, lengths):
    model = make(cell)
    (layer,) = layers_of(model)
    X = random_vectors(lengths, 3)
    before = model.predict(X)
    averages = {(layer.id, name): 2 * layer.get_param(name) for name in ("Wx", "b")}
    if change == "zeros":
        for name in layer.param_names:
            layer.get_param(name)[:] = 0
        assert not any(y.any() for y in model.predict(X))
    elif change == "element":
        layer.get_param("b")[0, 0, 1] += 5
    elif change == "loaded":
        model.from_bytes(make(cell, seed=1).to_bytes())
    with model.use_params(averages if change == "averages" else {}):
        found = model.predict(X)
        expected = CELLS[cell](4, 3).initialize()
        for name in layer.param_names:
            layers_of(expected)[0].set_param(name, layer.get_param(name).copy())
    assert not equal(found, before)
    assert equal(found, expected.predict(X))
    if change == "averages":
        assert equal(model.predict(X), before)


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nO": 4, "depth": 0}, r"\[L001\].*depth = 0"),
        ({"nO": 4, "depth": -1}, r"\[L001\].*depth = -1"),
        ({"nO": 5}, r"\[L002\].*width = 5 .*even if bidirectional"),
        ({"nO": 0}, r"\[L002\].*width = 0 .*positive"),
        ({"nO": -1, "bi": False}, r"\[L002\].*width = -1"),
        ({"nO": 4, "grad_clip": 0}, r"\[L003\].*grad_clip = 0 .*null"),
        ({"nO": 4, "grad_clip": -1.0}, r"\[L003\].*positive limit"),
        ({"nO": 4, "dropout": 1.0}, r"\[L004\].*dropout of 1\.0 .*0 <= dropout < 1"),
        ({"nO": 4, "input_dropout": 1.5}, r"\[L004\].*dropout of 1\.5 "),
        ({"nO": 4, "output_dropout": -1}, r"\[L004\].*dropout of -1 "),
        ({"nO": 4, "recurrent_dropout": 1.0}, r"\[L004\].*dropout of 1\.0 "),
        ({"nO": 4, "dropout": -0.1}, r"\[L004\].*null"),
    ],
)
def test_setting_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        LSTM(**settings)


def test_odd_width_in_one_direction():
    model = LSTM(5, 3, bi=False).initialize()
    assert model.predict(random_vectors([2], 3))[0].shape == (2, 5)


# Skip connections


@pytest.mark.parametrize("nI", [4, 3])
def test_skip_adds_the_input_if_the_widths_agree(nI):
    X = random_vectors([2, 0, 3], nI)
    F = make("lstm", 4, nI).predict(X)
    Y = make("lstm", 4, nI, skip=True).predict(X)
    for x, y, f_of_x in zip(X, Y, F, strict=True):
        np.testing.assert_allclose(y, f_of_x + x if nI == 4 else f_of_x, rtol=1e-6)


# Dropout


def test_dropout_is_off_in_prediction(cell):
    X = random_vectors(UNEVEN, 3)
    model = make(cell, dropout=0.5, recurrent_dropout=0.5)
    set_dropout_rate(model, 0.5)
    assert equal(model.predict(X), make(cell).predict(X))


@pytest.mark.parametrize("own_rate", [None, 0.5])
def test_dropout_is_off_if_the_loops_rate_is_0(own_rate):
    X = random_vectors(UNEVEN, 3)
    model = make("lstm", 8, dropout=own_rate, recurrent_dropout=0.5)
    assert equal(model(X, is_train=True)[0], model.predict(X))
    set_dropout_rate(model, 0.5)
    assert not equal(model(X, is_train=True)[0], model.predict(X))
    set_dropout_rate(model, 0.0)
    assert equal(model(X, is_train=True)[0], model.predict(X))


def dropped(**rates):
    """The factors of dropout: the output of a network that computes ReLU(x) = x."""
    model = RNN(400, 400, activation="relu", bi=False, **rates).initialize()
    (layer,) = model.layers
    layer.set_param("Wx", np.eye(400, dtype="f")[None, None])
    layer.set_param("Wh", np.zeros((1, 1, 400, 400), dtype="f"))
    set_dropout_rate(model, 0.25)
    fix_random_seed(0)
    X = [np.ones((n, 400), dtype="f") for n in (3, 0, 5, 1)]
    Y, backprop = model.begin_update(X)
    return Y, backprop(X)


@pytest.mark.parametrize(
    ("rates", "effective"),
    [
        ({"input_dropout": 0.75, "output_dropout": 0.0}, 0.75),
        ({"input_dropout": 0.0, "output_dropout": 0.75}, 0.75),
        ({"dropout": 0.0, "output_dropout": None}, 0.0),
        ({"dropout": None, "input_dropout": 0.0}, 0.25),  # the training loop's
        ({"dropout": 0.1, "input_dropout": 0.0}, 0.1),
    ],
    ids=str,
)
def test_dropout_has_one_mask_per_sequence_and_feature(rates, effective):
    Y, dX = dropped(**rates)
    first, _, second, third = Y
    for y in Y:
        np.testing.assert_array_equal(y, y[:1].repeat(len(y), axis=0))
    assert np.array_equal(first[0], second[0]) == (effective == 0)
    assert np.array_equal(second[0], third[0]) == (effective == 0)
    masks = np.stack([first[0], second[0], third[0]])
    assert (masks == 0).mean() == pytest.approx(effective, abs=0.05)
    # The mean stays the same.
    np.testing.assert_allclose(masks[masks > 0], 1 / (1 - effective), rtol=1e-6)
    if not rates.get("output_dropout"):
        return
    # The gradient passes the same mask.
    for dx, y in zip(dX, Y, strict=True):
        np.testing.assert_array_equal(dx, y)


def test_another_dropout_mask_for_each_batch():
    model = make("lstm", 32, 3, dropout=0.5)
    set_dropout_rate(model, 0.1)
    X = random_vectors(UNEVEN, 3)
    first, second = (model(X, is_train=True)[0] for _ in range(2))
    assert not equal(first, second)
