"""Annotation with a real Ray; its workers and commands are killed."""

import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import spacy
from contract.helpers import initialized

from spacy_lstm_ner.data.annotate import annotate

from .helpers import (
    N_ROWS,
    WARNINGS,
    expected,
    in_one_process,
    make_rows,
    names,
    read_lines,
)

ray = pytest.importorskip("ray", reason='needs Ray: pip install ".[ray]"')

pa = importlib.import_module("pyarrow")
pq = importlib.import_module("pyarrow.parquet")

pytestmark = WARNINGS


@pytest.mark.usefixtures("cluster")
def test_parquet_is_annotated_as_by_one_process(tmp_path: Path):
    nlp = initialized()
    nlp.to_disk(tmp_path / "model")
    rows = make_rows()
    table = pa.Table.from_pylist(rows)
    schema = table.schema.set(1, pa.field("text", pa.large_string()))
    table = table.cast(schema.with_metadata({"source": "here"}))
    (tmp_path / "in").mkdir()
    pq.write_table(table.slice(0, 20), tmp_path / "in" / "a.parquet", row_group_size=7)
    pq.write_table(table.slice(20), tmp_path / "in" / "b.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "in" / "c.parquet")
    output = tmp_path / "new" / "out"
    summary = annotate(tmp_path / "model", tmp_path / "in", output, rows_per_shard=12)
    assert (summary.n_files, summary.n_kept, summary.n_rows) == (5, 0, N_ROWS)
    parts = [f"part-{i:08d}.parquet" for i in range(5)]
    assert names(output) == ["_manifest.json", *parts]
    tables = [pq.read_table(output / part) for part in parts]
    assert [len(part) for part in tables] == [12, 8, 12, 12, 6]
    assert tables[0].schema.metadata[b"source"] == b"here"
    assert tables[0].schema.field("text").type == pa.large_string()
    found = [row for part in tables for row in part.to_pylist()]
    assert found == expected(nlp, rows)
    ents = [ent for row in found for ent in row["entities"] or ()]
    assert len(ents) == summary.n_entities
    assert all(0 < ent["confidence"] < 1 for ent in ents)
    assert any(ent["end"] - ent["start"] > 0 for ent in ents)


# As long as there is no file "healed": kills its process at the text of row 7 each
# time, and at that of row 27 once, and fails at row 13.
KILLER = """
import os, signal
from pathlib import Path
from spacy.language import Language

@Language.factory("killer", default_config={"folder": ""})
def make(nlp, name, folder):
    healed, killed = Path(folder, "healed"), Path(folder, "killed")
    def killer(doc):
        if healed.exists():
            return doc
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
        if " 13:" in doc.text:
            raise KeyError("no such thing")
        if " 7:" in doc.text or " 27:" in doc.text and not killed.exists():
            if " 27:" in doc.text:
                killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return doc
    return killer
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with components of a user's own."""
    path = tmp_path_factory.mktemp("code") / "killer.py"
    path.write_text(KILLER, encoding="utf8")
    spacy.util.import_file("killer", path)
    return path


@pytest.fixture
def killer(code: Path, tmp_path: Path) -> Path:
    """A pipeline with rules, and with a component that kills its process."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Bob"}])
    nlp.add_pipe("killer", config={"folder": str(tmp_path)})
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.usefixtures("cluster")
def test_killed_workers_lose_and_repeat_nothing(
    jsonl: Path, killer: Path, code: Path, tmp_path: Path
):
    output = tmp_path / "out"
    settings: dict[str, Any] = {"workers": 1, "rows_per_shard": 5, "code": code}
    with pytest.raises(
        ValueError, match=r"L409.* 2 of 12.*rows 5 to 10: .*3 workers d"
    ):
        annotate(killer, jsonl, output, **settings)
    assert (tmp_path / "killed").exists()
    found = [row["id"] for row in read_lines(output)]
    assert found == [*range(5), *range(15, N_ROWS)]
    assert all(name.startswith(("part-", "_manifest")) for name in names(output))
    (tmp_path / "healed").touch()
    with in_one_process():
        summary = annotate(killer, jsonl, output, **settings)
    assert (summary.n_files, summary.n_kept, summary.n_rows) == (12, 10, 10)
    rows = read_lines(output)
    assert [row["id"] for row in rows] == list(range(N_ROWS))
    assert sum(len(row["entities"] or ()) for row in rows) == N_ROWS - 2
    with in_one_process():
        annotate(killer, jsonl, tmp_path / "undisturbed", **settings)
    assert contents(output) == contents(tmp_path / "undisturbed")


def contents(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir()}


# Takes its time, as long as there is no file "fast".
SLOW = """
import time
from pathlib import Path
from spacy.language import Language

@Language.factory("slow", default_config={"folder": ""})
def make(nlp, name, folder):
    def slow(doc):
        if not Path(folder, "fast").exists():
            time.sleep(0.05)
        return doc
    return slow
"""


@pytest.mark.usefixtures("cluster")
def test_a_killed_command_of_a_cluster_is_continued(jsonl: Path, tmp_path: Path):
    """The command connects to a Ray that is running already."""
    code = tmp_path / "slow.py"
    code.write_text(SLOW, encoding="utf8")
    spacy.util.import_file("slow", code)
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Bob"}])
    nlp.add_pipe("slow", config={"folder": str(tmp_path)})
    nlp.to_disk(tmp_path / "model")
    output = tmp_path / "out"
    address = ray.get_runtime_context().gcs_address
    command = f"-m spacy lstm-ner annotate {tmp_path}/model {jsonl} {output} --workers"
    command += f" 1 --rows-per-shard 5 --code {code} --address {address}"
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command.split()], stdout=log, stderr=log
        )
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if (output / "part-00000001.jsonl").exists():
            break
        time.sleep(0.01)
    assert process.poll() is None, (tmp_path / "log").read_text("utf8")
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_ino for path in output.glob("part-*")}
    assert 2 <= len(before) < 12
    (tmp_path / "fast").touch()
    settings: dict[str, Any] = {"workers": 1, "rows_per_shard": 5, "code": code}
    with in_one_process():
        summary = annotate(tmp_path / "model", jsonl, output, **settings)
    assert (summary.n_files, summary.n_kept) == (12, len(before))
    assert {path: path.stat().st_ino for path in before} == before
    with in_one_process():
        annotate(tmp_path / "model", jsonl, tmp_path / "undisturbed", **settings)
    assert contents(output) == contents(tmp_path / "undisturbed")
