"""Settings of all tests, and the folder of the real corpora."""

import os
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["browser"]  # fixtures `chromium` and `open_page`

# One thread per process, before NumPy is imported: the tests run in several processes.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

# No test of Hypothesis fails because other processes keep the machine busy.
settings.register_profile(
    "any load", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any load")

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "corpora"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of Hypothesis run the same lines for each of a hundred examples. Coverage
    leaves them out because it would take half of their time: lines that no other test
    runs count as missed."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session", autouse=True)
def no_torch_in_new_processes() -> Iterator[None]:
    """Processes that tests start find no PyTorch. Thinc imports it if it is there,
    which would take most of the time of such a process; nothing in one needs it."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("spacy_curated_transformers") is None:  # spaCy imports it, too
            hidden = str(Path(__file__).with_name("without_torch"))
            patch.setenv("PYTHONPATH", hidden, prepend=os.pathsep)
        yield


@pytest.fixture(scope="session", autouse=True)
def fast_pipelines() -> Iterator[None]:
    """Tests make thousands of pipelines, and spaCy does two things again for each of
    them that no test needs. It looks for names among the entry points of all packages:
    here it finds them by their group, in a dict, as `catalogue` takes it too. And it
    adds 176 emoticons to the tokenizer of "xx", several times."""
    points = entry_points()
    by_group = {group: list(points.select(group=group)) for group in points.groups}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("catalogue.AVAILABLE_ENTRY_POINTS", by_group)
        patch.setattr("spacy.lang.xx.MultiLanguage.Defaults.tokenizer_exceptions", {})
        yield


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of the real corpora; tests that need it are skipped without it."""
    path = Path(os.environ.get("LSTM_NER_CORPORA", _BESIDE_THE_CHECKOUT))
    if not path.is_dir():
        pytest.skip(f"no corpora in {path}: name their folder in LSTM_NER_CORPORA")
    return path
