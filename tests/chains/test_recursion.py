"""Long sequences in blocks: the same messages as in one piece."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import lengths
from util import bio_chain, random_chain

from spacy_lstm_ner.chains import recursion
from spacy_lstm_ner.chains.decoding import best_path, n_best_paths
from spacy_lstm_ner.chains.learned_transitions import LearnedTransitions
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.chains.recursion import LogProduct, Product, send

both_directions = pytest.mark.parametrize("backwards", [False, True])


class StepByStep(Product):
    """A product without a faster `run`; it counts its steps."""

    def __init__(self, product):
        super().__init__(self.counted)
        self.product = product
        self.n_steps = 0

    def counted(self, scores):
        self.n_steps += 1
        return self.product.step(scores)


def log_product(chain, backwards):
    return LogProduct(chain.transitions, [backwards])


def send_in(block, chain, *, backwards=False):
    """The messages, with blocks of that length, and the number of products."""
    product = StepByStep(log_product(chain, backwards))
    with pytest.MonkeyPatch.context() as patch, np.errstate(divide="ignore"):
        patch.setattr(recursion, "BLOCK", block)
        found = send_messages(chain, product, backwards)
    return found, product.n_steps


def send_messages(chain, product, backwards):
    T, emit = chain.transitions, chain.emit.astype("float64")
    first = T.end if backwards else T.start
    return send(emit, chain.lengths, [first], product, [backwards])[0]


def stay_or_leave(lengths, ends):
    """Two tags and a third that never counts; no path goes from one to the other."""
    T = np.full((3, 3), -np.inf)
    T[0, 0] = T[1, 1] = 0.0
    ends = np.array([*ends, -np.inf])
    chain = random_chain(lengths, 3, scale=0.0)
    return replace(chain, transitions=LearnedTransitions(T, ends, ends))


@both_directions
@given(lengths, st.integers(2, 5), st.integers(0, 9), st.sampled_from([0.1, 1.0, 9.0]))
@settings(max_examples=40)
def test_same_messages_in_blocks(backwards, lengths, block, seed, scale):
    n_tokens = [6 * n for n in lengths]
    chain = bio_chain(n_tokens, 5, seed=seed, scale=scale)
    whole, _ = send_in(10**6, chain, backwards=backwards)
    cut, _ = send_in(block, chain, backwards=backwards)
    np.testing.assert_allclose(cut, whole, rtol=1e-11, atol=1e-11)


@both_directions
def test_long_sequence_takes_few_steps(backwards):
    chain = bio_chain([4000, 3, 0], 7)
    whole, n_steps = send_in(10**6, chain, backwards=backwards)
    cut, n_fewer = send_in(100, chain, backwards=backwards)
    np.testing.assert_allclose(cut, whole, rtol=1e-11)
    assert n_steps == 3999
    assert n_fewer == 2 * 100  # two rounds


@both_directions
def test_blocks_that_hang_together_are_given_up(backwards):
    # The first tag decides all: it is never forgotten.
    chain = stay_or_leave([600], [0.0, -3.0])
    whole, _ = send_in(10**6, chain, backwards=backwards)
    cut, n_steps = send_in(20, chain, backwards=backwards)
    np.testing.assert_array_equal(cut, whole)
    assert n_steps == 4 * 20 + 599


def test_messages_that_forbid_tags():
    chain = bio_chain([64], 5)
    chain.emit[:, 1:] = -np.inf  # O everywhere
    chain.emit[40, :] = -np.inf  # and nothing at all from here on
    for backwards in (False, True):
        whole, _ = send_in(10**6, chain, backwards=backwards)
        cut, _ = send_in(8, chain, backwards=backwards)
        np.testing.assert_allclose(cut, whole, rtol=1e-11)
    assert np.isneginf(whole[:40]).all()


@given(lengths, st.integers(0, 9))
@settings(max_examples=30)
def test_all_that_is_made_of_them(lengths, seed):
    n_tokens = [6 * n for n in lengths]
    chain = random_chain(n_tokens, 3, seed=seed)
    whole, values = PathSums(chain), np.arange(chain.emit.size).reshape(-1, 3) % 7
    expected = whole.covariance(values)
    path = best_path(chain)
    np.testing.assert_array_equal(path, n_best_paths(chain, 1)[0][0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recursion, "BLOCK", 4)
        cut = PathSums(chain)
        np.testing.assert_array_equal(best_path(chain), path)
        entropy, found = cut.entropy(), cut.covariance(values)
    np.testing.assert_allclose(cut.log_z, whole.log_z, rtol=1e-12)
    np.testing.assert_allclose(cut.marginals(), whole.marginals(), atol=1e-11)
    np.testing.assert_allclose(entropy, whole.entropy(), atol=1e-10)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-10)
    np.testing.assert_allclose(found[1].emit, expected[1].emit, atol=1e-9)


# A spread of 1000 nats is too much for exponentials; 40 asks for new scales on the way.
@both_directions
@pytest.mark.parametrize("scale", [0.3, 40.0, 1000.0])
@pytest.mark.parametrize("n_tags", [5, 101])
@pytest.mark.parametrize("make", [bio_chain, random_chain])
def test_exponentials_give_what_logarithms_do(make, n_tags, scale, backwards):
    chain = make([90, 0, 3, 1], n_tags, seed=1, scale=scale)
    chain.emit[20, 1:] = -np.inf
    found, n_steps = send_in(10**6, chain, backwards=backwards)
    assert n_steps == 89
    with np.errstate(divide="ignore"):
        fast = send_messages(chain, log_product(chain, backwards), backwards)
    np.testing.assert_allclose(fast, found, rtol=1e-12, atol=1e-12)


def test_nothing_underflows():
    # One tag loses 50 nats at each of 30 tokens, and may be the only one left then.
    chain = stay_or_leave([30], [0.0, 0.0])
    chain.emit[:, 1] = -50.0
    with np.errstate(divide="ignore"):
        found = send_messages(chain, log_product(chain, False), False)
    np.testing.assert_allclose(found[:, :2], np.arange(30)[:, None] * [0.0, -50.0])
