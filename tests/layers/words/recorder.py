"""An embedding that records the words that reach it."""

import numpy as np
from thinc.api import Model

from spacy_lstm_ner.layers.words.distinct import per_lexeme

ATTRS = ["ORTH", "LOWER", "NORM", "PREFIX", "SUFFIX", "SHAPE"]


def rows_of(columns, hidden):
    """A vector for each word, a function of all that an embedding sees of it."""
    columns = np.column_stack([columns, hidden.astype("uint64")])
    return (columns % np.uint64(1009)).astype("f")


def recorder(n_attrs):
    """An embedding that keeps the words that reach it, and their gradients."""
    seen = []

    def forward(model, X, is_train):
        def backprop(dY):
            seen[-1] = (X, dY)
            return []

        seen.append((X, None))
        columns = np.column_stack([X.orths, X.attrs])
        return rows_of(columns, X.hidden), backprop

    return Model("recorder", forward, dims={"nO": n_attrs + 2}), seen


def make(attrs=ATTRS, **settings):
    embed, seen = recorder(len(attrs))
    return per_lexeme(embed, attrs, **settings), seen


def expected(doc, attrs=ATTRS):
    columns = doc.to_array(["ORTH", *attrs]).reshape(len(doc), 1 + len(attrs))
    return rows_of(columns, np.zeros(len(doc), dtype=bool))


def assert_equal(found, wanted):
    assert [y.shape for y in found] == [y.shape for y in wanted]
    for y, w in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(y, w)
