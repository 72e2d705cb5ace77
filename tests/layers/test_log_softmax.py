"""The decoder that scores each token by itself."""

import numpy as np
import pytest
from thinc.api import fix_random_seed
from util import gradient_errors, random_vectors

from spacy_lstm_ner.chains.bio_transitions import BioTransitions
from spacy_lstm_ner.chains.decoding import best_path
from spacy_lstm_ner.chains.linear_chain import Gradient
from spacy_lstm_ner.chains.losses import negative_log_likelihood
from spacy_lstm_ner.layers.decoders import CRF, LogSoftmax

LENGTHS = [4, 1, 0, 3]


def make_decoder(nO=5, nI=3, *, seed=0):
    fix_random_seed(seed)
    model = LogSoftmax(nO, nI).initialize()
    rng = np.random.default_rng(seed)
    model.set_param("b", rng.standard_normal(nO).astype("f"))
    return model


def known_tags():
    """O, B-0, I-0, unknown | B-1 | O or B-0, unknown, O"""
    allowed = np.ones((8, 5), dtype=bool)
    for row, tags in {0: [0], 1: [1], 2: [2], 4: [3], 5: [0, 1], 7: [0]}.items():
        allowed[row] = np.isin(np.arange(5), tags)
    return allowed


def test_rows_are_log_probabilities():
    X = random_vectors(LENGTHS, 3)
    model = make_decoder()
    chain = model.predict(X)
    scores = np.concatenate(X) @ model.get_param("W").T + model.get_param("b")
    expected = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
    np.testing.assert_allclose(chain.emit, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.exp(chain.emit).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(chain.lengths, LENGTHS)
    assert isinstance(chain.transitions, BioTransitions)


def test_large_scores_stay_finite():
    X = [x * 1e4 for x in random_vectors(LENGTHS, 3)]
    emit = make_decoder().predict(X).emit
    assert np.isfinite(emit).all()
    np.testing.assert_allclose(np.exp(emit).sum(axis=1), 1, rtol=1e-5)


def test_gradient_through_the_whole_loss():
    errors = gradient_errors(
        make_decoder(),
        random_vectors(LENGTHS, 3),
        lambda chain: negative_log_likelihood(chain, known_tags()),
    )
    assert len(errors) == 3
    assert max(errors.values()) < 1e-3, errors


def test_gradient_where_it_does_not_sum_to_zero():
    # A loss on the log-probabilities themselves: then the softmax's part counts.
    R = np.random.default_rng(1).standard_normal((8, 5)).astype("f")

    def loss(chain):
        return float((chain.emit * R).sum(dtype="d")), Gradient(R)

    errors = gradient_errors(make_decoder(), random_vectors(LENGTHS, 3), loss)
    assert max(errors.values()) < 1e-3, errors


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_to_tag(lengths):
    model = make_decoder()
    chain, backprop = model.begin_update(random_vectors(lengths, 3))
    assert chain.emit.shape == (0, 5)
    assert best_path(chain).shape == (0,)
    d_chain = negative_log_likelihood(chain, np.ones((0, 5), dtype=bool))[1]
    assert [len(dx) for dx in backprop(d_chain)] == lengths
    assert not model.get_grad("W").any()


def test_wrong_width_is_named():
    with pytest.raises(ValueError, match=r"\[L006\].*width 4, but.*width 3"):
        make_decoder().predict(random_vectors([2], 4))


def test_width_of_the_input_from_a_sample():
    model = LogSoftmax(3).initialize(X=random_vectors([2], 7))
    assert model.get_param("W").shape == (3, 7)
    assert not model.get_param("b").any()


# More tags


@pytest.mark.parametrize("seed", range(20))
def test_grow_keeps_what_is_predicted(seed):
    model = make_decoder(seed=seed)
    X = random_vectors([9, 0, 1, 30], 3, seed=seed)
    before = [model.get_param(key).copy() for key in ("W", "b")]
    grown = model.attrs["grow"](model, 9)
    for key, old in zip(("W", "b"), before, strict=True):
        np.testing.assert_array_equal(grown.get_param(key)[:5], old)
        np.testing.assert_array_equal(model.get_param(key), old)
    assert grown.get_dim("nO") == len(grown.get_param("b")) == 9
    chain, expected = grown.predict(X), model.predict(X)
    assert chain.emit.shape == (40, 9)
    np.testing.assert_array_equal(best_path(chain), best_path(expected))
    assert (chain.emit[:, 5:] < chain.emit[:, :1]).all()


def test_grow_before_the_weights_are_there():
    for model in (LogSoftmax(3), LogSoftmax(3, 7)):
        grown = model.attrs["grow"](model, 5)
        grown.initialize(X=random_vectors([2], 7))
        assert grown.get_param("W").shape == (5, 7)


def test_grown_decoder_learns_and_grows_again():
    model = make_decoder()
    grown = model.attrs["grow"](model, 7)
    again = grown.attrs["grow"](grown, 9)
    errors = gradient_errors(
        again,
        random_vectors([3], 3),
        lambda chain: negative_log_likelihood(chain, np.eye(9, dtype=bool)[[0, 7, 8]]),
    )
    assert max(errors.values()) < 1e-3, errors


@pytest.mark.parametrize("make", [LogSoftmax, CRF])
def test_growing_keeps_the_gradients_that_are_gathered(make):
    model = make(3, 4).initialize()
    X, targets = random_vectors([5], 4), np.eye(5, dtype=bool)[[0, 1, 2, 0, 1]]

    def learn(model):
        chain, backprop = model(X, is_train=True)
        allowed = targets[:, : chain.emit.shape[1]]
        backprop(negative_log_likelihood(chain, allowed)[1])

    learn(model)
    gathered = {name: model.get_grad(name).copy() for name in model.param_names}
    grown = model.attrs["grow"](model, 5)
    for name, expected in gathered.items():
        found = grown.get_grad(name)
        assert found.shape == grown.get_param(name).shape
        inner = tuple(map(slice, expected.shape))
        np.testing.assert_array_equal(found[inner], expected)
        assert np.abs(found).sum() == pytest.approx(np.abs(expected).sum())
    learn(grown)
    assert not np.array_equal(grown.get_grad("W")[:3], gathered["W"])
