"""Hypothesis strategies."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from spacy_lstm_ner.chains.bio_transitions import BioTransitions
from spacy_lstm_ner.chains.learned_transitions import LearnedTransitions
from spacy_lstm_ner.chains.linear_chain import LinearChain

several = settings(max_examples=60)

lengths = st.lists(st.integers(0, 7), max_size=9)


def draw_generator(draw):
    """Elements of arrays come from a seed: to draw each of them would take most of the
    time of the tests."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


@st.composite
def chains(draw, max_labels=2, max_length=4):
    """A linear chain over few enough paths to list them all: the BIO rules alone, or
    any scores of transitions. Some are forbidden then, but tag 0 never is, so that
    there always is a path."""
    n_tags = 1 + 2 * draw(st.integers(0, max_labels))
    n_tokens = np.array(draw(st.lists(st.integers(0, max_length), max_size=3)), int)
    scale = draw(st.sampled_from([1.0, 400.0]))
    rng = draw_generator(draw)
    # Halves make ties; their sums are exact.
    largest = draw(st.sampled_from([None, 0, 1, 8]))
    forbidden_share = draw(st.sampled_from([0.0, 0.3, 0.9]))

    def scores(*shape, forbid=False):
        if largest is None:
            values = rng.uniform(-4, 4, shape)
        else:
            values = rng.integers(-largest, largest + 1, shape) / 2
        if forbid:
            values[rng.random(shape) < forbidden_share] = -np.inf
        return values * scale

    emit = scores(int(n_tokens.sum()), n_tags)
    if draw(st.booleans()):
        return LinearChain(emit, n_tokens, BioTransitions(n_tags))
    transition = scores(n_tags, n_tags, forbid=True)
    start, end = scores(n_tags, forbid=True), scores(n_tags, forbid=True)
    for always_allowed in (transition[0], transition[:, 0], start[:1], end[:1]):
        always_allowed[np.isneginf(always_allowed)] = 0.0
    learned = LearnedTransitions(transition, start, end)
    return LinearChain(emit, n_tokens, learned)


@st.composite
def partly_known(draw, chain):
    """Which tags each token may have: one, some or all; tag 0 is always among them,
    so that a path remains."""
    share = draw(st.sampled_from([0.0, 0.4, 0.8, 1.0]))
    allowed = draw_generator(draw).random(chain.emit.shape) < share
    allowed[:, 0] = True
    return allowed
