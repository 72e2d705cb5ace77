"""Hypothesis strategies."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacy_lstm_ner.chains.linear_chain import LinearChain
from spacy_lstm_ner.chains.transitions import BioTransitions, LearnedTransitions

several = settings(deadline=None, max_examples=150)

lengths = st.lists(st.integers(0, 7), max_size=9)

# Halves make ties; their sums are exact.
_scores = st.integers(-8, 8).map(lambda n: n / 2) | st.floats(-4, 4)


@st.composite
def chains(draw, max_labels=2, max_length=4):
    """A linear chain over few enough paths to list them all: the BIO rules alone, or
    any scores of transitions. Some are forbidden then, but tag 0 never is, so that
    there always is a path."""
    n_tags = 1 + 2 * draw(st.integers(0, max_labels))
    n_tokens = np.array(draw(st.lists(st.integers(0, max_length), max_size=3)), int)
    scale = draw(st.sampled_from([1.0, 400.0]))

    def scores(*shape, forbid=False):
        elements = _scores | st.just(-np.inf) if forbid else _scores
        return draw(arrays("float64", shape, elements=elements)) * scale

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
    allowed = draw(arrays("bool", chain.emit.shape))
    allowed[:, 0] = True
    return allowed
