"""The package itself: what it exports, and how lightly it is imported."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

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


def test_the_wheel_has_all_files(tmp_path: Path):
    """Tables and pages too."""
    root, copy = Path(__file__).resolve().parents[1], tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "spacy_lstm_ner", copy / "spacy_lstm_ner", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "."],
        cwd=copy,
        check=True,
        capture_output=True,
    )
    (wheel,) = (copy / "dist").glob("*.whl")
    files = {
        path.relative_to(copy).as_posix()
        for path in (copy / "spacy_lstm_ner").rglob("*")
        if path.is_file()
    }
    assert files - set(zipfile.ZipFile(wheel).namelist()) == set()
    assert "spacy_lstm_ner/reports/report/page/page.js" in files
    assert "spacy_lstm_ner/reports/report/page/list.js" in files
