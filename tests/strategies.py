"""Hypothesis strategies."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacy_lstm_ner.chains.linear_chain import LinearChain

several = settings(deadline=None, max_examples=150)

lengths = st.lists(st.integers(0, 7), max_size=9)

# Halves make ties; their sums are exact.
_scores = st.integers(-8, 8).map(lambda n: n / 2) | st.floats(-4, 4)


@st.composite
def chains(draw, max_tags=4, max_length=4):
    """A linear chain over few enough paths to list them all. Some transitions are
    forbidden, but tag 0 never is, so that there always is a path."""
    n_tags = draw(st.integers(1, max_tags))
    n_tokens = draw(st.lists(st.integers(0, max_length), max_size=3))
    scale = draw(st.sampled_from([1.0, 400.0]))

    def scores(*shape, forbid=False):
        elements = _scores | st.just(-np.inf) if forbid else _scores
        return draw(arrays("float64", shape, elements=elements)) * scale

    transition = scores(n_tags, n_tags, forbid=True)
    start, end = scores(n_tags, forbid=True), scores(n_tags, forbid=True)
    for always_allowed in (transition[0], transition[:, 0], start[:1], end[:1]):
        always_allowed[np.isneginf(always_allowed)] = 0.0
    emit = scores(sum(n_tokens), n_tags)
    return LinearChain(emit, np.array(n_tokens, dtype=int), transition, start, end)


@st.composite
def partly_known(draw, chain):
    """Which tags each token may have: one, some or all; tag 0 is always among them,
    so that a path remains."""
    allowed = draw(arrays("bool", chain.emit.shape))
    allowed[:, 0] = True
    return allowed
