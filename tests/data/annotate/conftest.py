"""A running Ray, or a stand-in for its workers, and what they annotate."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy

from .helpers import in_one_process, make_rows, write_lines


@pytest.fixture(scope="package")
def cluster() -> Iterator[None]:
    """Ray, on this machine alone."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        # By default, Ray's workers wait for all other processes, such as the tests.
        patch.setenv("RAY_worker_niceness", "0")
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
    ray.shutdown()


@pytest.fixture(scope="module")
def one_process() -> Iterator[None]:
    with in_one_process():
        yield


@pytest.fixture(scope="package")
def ruler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline with rules."""
    nlp = spacy.blank("xx")
    patterns = [{"label": "PER", "pattern": "Bob"}, {"label": "GPE", "pattern": "Rome"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    path = tmp_path_factory.mktemp("models") / "ruler"
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="package")
def jsonl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two files of lines, one of them in a subfolder."""
    folder = tmp_path_factory.mktemp("lines")
    write_lines(folder / "a.jsonl", make_rows()[:30])
    write_lines(folder / "b" / "c.jsonl", make_rows()[30:])
    (folder / "readme.txt").write_text("not to be read", encoding="utf8")
    return folder
