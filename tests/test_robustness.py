"""A small run of benchmarks/robustness.py: nothing goes wrong silently."""

import importlib
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def robustness():
    """The benchmark as a module; it pins threads, which is undone."""
    if not _FOLDER.is_dir():
        pytest.skip("the benchmarks are not part of this copy")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "1")
        patch.syspath_prepend(str(_FOLDER))
        yield importlib.import_module("robustness")


@pytest.mark.parametrize(
    ("name", "seeds"),
    [
        ("docs", range(30)),
        ("training", range(3)),
        ("folders", range(100, 120)),  # two of them change weights
    ],
)
def test_nothing_goes_wrong_silently(robustness, name, seeds):
    outcomes, violations = robustness.run(name, seeds)
    assert violations == []
    assert sum(outcomes.values()) >= len(seeds)


def test_violations_are_found(robustness, monkeypatch):
    """Here, of confidences that are not in the group."""
    monkeypatch.setattr(robustness, "confidence", lambda span: 1.5)
    outcomes, violations = robustness.run("docs", range(5))
    assert outcomes["violation"] == len(violations) > 0
    assert violations[0].startswith("docs --n 1 --seed ")
