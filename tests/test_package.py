"""The package itself: what it exports, and how lightly it is imported."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import spacy_lstm_ner


@pytest.mark.parametrize("name", spacy_lstm_ner.__all__)
def test_exported_names(name: str):
    assert getattr(spacy_lstm_ner, name).__name__ == name
    assert name in dir(spacy_lstm_ner)


def test_version_is_the_one_of_the_distribution():
    assert spacy_lstm_ner.__version__ == version("spacy-lstm-ner")


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'LSTM'"):
        spacy_lstm_ner.LSTM  # noqa: B018
    assert not hasattr(spacy_lstm_ner, "plots")


def test_import_loads_nothing():
    code = "import sys, spacy_lstm_ner; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "False"
