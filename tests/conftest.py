"""What several test files need."""

import os
from pathlib import Path

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "corpora"


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of the real corpora; tests that need it are skipped without it."""
    path = Path(os.environ.get("LSTM_NER_CORPORA", _BESIDE_THE_CHECKOUT))
    if not path.is_dir():
        pytest.skip(f"no corpora in {path}: name their folder in LSTM_NER_CORPORA")
    return path
