"""Settings of all tests, and the folder of the real corpora."""

import os
from pathlib import Path

import pytest

# One thread per process, before NumPy is imported: the tests run in several processes.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "corpora"


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of the real corpora; tests that need it are skipped without it."""
    path = Path(os.environ.get("LSTM_NER_CORPORA", _BESIDE_THE_CHECKOUT))
    if not path.is_dir():
        pytest.skip(f"no corpora in {path}: name their folder in LSTM_NER_CORPORA")
    return path
