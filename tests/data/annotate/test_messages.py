"""Messages of careless use, and manifests that were tampered with."""

import importlib
import json
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
from cli.helpers import lstm_ner, message

from spacy_lstm_ner.data.annotate import annotate
from spacy_lstm_ner.data.annotate.folders import LocalFolder
from spacy_lstm_ner.data.annotate.output import open_output
from spacy_lstm_ner.data.annotate.shards import Shard

from .helpers import WARNINGS

pytest.importorskip("ray", reason='needs Ray: pip install ".[ray]"')
pa = importlib.import_module("pyarrow")
pq = importlib.import_module("pyarrow.parquet")
workers = importlib.import_module("spacy_lstm_ner.data.annotate.workers")

pytestmark = WARNINGS


@pytest.mark.parametrize(
    ("args", "expected_message"),
    [
        ("{ruler} {tmp}/none {out}", r"L401.*none' is no input.*\.parquet.*\.jsonl"),
        ("{ruler} {tmp}/notes.txt {out}", "L401.*notes.txt"),
        ("{ruler} {tmp}/empty {out}", "L401.*empty"),
        ("{ruler} {tmp}/t.parquet {out}", r"L402.*t\.parquet.*'text' is missing.*body"),
        ("{ruler} {tmp}/t.parquet {out} --text-column n", "L402.*'n' is int64"),
        ("{ruler} {tmp}/ok.jsonl {out} --workers 0", "L048.*workers.*0"),
        ("{ruler} {tmp}/ok.jsonl {out} --batch-size -1", "L048.*batch_size.*-1"),
        (
            "{ruler} {tmp}/t.parquet {out} --text-column body --entities-column n",
            "L404.*t.parquet.*'n' already",
        ),
        ("{ruler} {tmp}/ok.jsonl {out} --entities-column n", "L404.*line 1.*'n'"),
        ("{ruler} {tmp}/ok.jsonl {out} --text-column n", "L405.*line 1.*field 'n'"),
        ("{ruler} {tmp}/ok.jsonl {out} --text-column txt", "L405.*line 1.*'txt'"),
        ("{ruler} {tmp}/bad.jsonl {out}", "L405.*bad.jsonl, line 2.*Ada"),
        ("{ruler} {tmp}/late.jsonl {out}", "L405.*late.jsonl, line 5.*Ada"),
        ("{ruler} {tmp}/bad.parquet {out}", "L403.*bad.parquet.*Repair"),
        ("{ruler} {tmp}/twice.parquet {out}", "L402.*'text' is missing, or there twi"),
        ("{tmp}/blank {tmp}/ok.jsonl {out}", r"L406.*\['sentencizer'\]"),
        ("{tmp}/none {tmp}/ok.jsonl {out}", "E052.*none"),
        ("{ruler} {tmp}/ok.jsonl {tmp}/full", "L407.*full' is not empty"),
        ("{ruler} {tmp}/ok.jsonl {tmp}/foreign", "L407.*foreign' is not empty"),
        ("{ruler} {tmp}/ok.jsonl {tmp}/broken", "L407.*broken' is not empty"),
        ("{ruler} {tmp}/ok.jsonl {tmp}/notes.txt", "L407.*notes.txt"),
        ("{ruler} {tmp} {out}", "L407.*within"),
        ("{ruler} nope://bucket {out}", "L410.*'nope://bucket' .*s3://bucket/folder"),
        ("{ruler} {tmp}/ok.jsonl nope://bucket", "L410.*'nope://bucket'"),
        ("{ruler} file://{tmp}/none {out}", "L401.*none' is no input"),
    ],
)
def test_careless_use_gets_a_message(
    args: str,
    expected_message: str,
    ruler: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    blank = spacy.blank("xx")
    blank.add_pipe("sentencizer")
    blank.to_disk(tmp_path / "blank")
    for folder in ("empty", "full", "foreign", "broken"):
        (tmp_path / folder).mkdir()
    (tmp_path / "foreign" / "_manifest.json").write_text('{"files": []}', "utf8")
    (tmp_path / "broken" / "_manifest.json").touch()
    (tmp_path / "full" / "thesis.txt").touch()
    (tmp_path / "notes.txt").touch()
    pq.write_table(pa.table({"body": ["Ada"], "n": [1]}), tmp_path / "t.parquet")
    line = '{"text": "Ada", "n": 1}\n'
    (tmp_path / "ok.jsonl").write_text(line, encoding="utf8")
    (tmp_path / "bad.jsonl").write_text("\nAda\n", encoding="utf8")
    (tmp_path / "late.jsonl").write_text(4 * line + "Ada\n", encoding="utf8")
    (tmp_path / "bad.parquet").touch()
    columns = [pa.array(["Ada"]), pa.array(["Bob"])]
    twice = pa.Table.from_arrays(columns, names=["text", "text"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    out = tmp_path / "out"
    filled = args.format(ruler=ruler, tmp=tmp_path, out=out)
    assert lstm_ner("annotate", *filled.split()) == 1
    assert re.search(expected_message, message(capsys))
    assert not out.exists()


def test_without_ray_a_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "spacy_lstm_ner.data.annotate.workers", None)
    monkeypatch.delattr("spacy_lstm_ner.data.annotate.workers")
    assert lstm_ner("annotate", "model", "in", "out") == 1
    assert 'pip install "spacy-lstm-ner[ray]"' in message(capsys)


@pytest.mark.parametrize("address", ["localhost:{port}", "[::1]:{port}", "a:99999"])
def test_a_cluster_that_does_not_answer(address: str, monkeypatch: pytest.MonkeyPatch):
    """By an option or by RAY_ADDRESS. Ray itself would wait for minutes."""
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with socket.socket() as closed:
        closed.bind(("localhost", 0))
        address = address.format(port=closed.getsockname()[1])
        task: Any = None
        with pytest.raises(ConnectionError, match=rf"L411.*{re.escape(address)}"):
            list(workers.run([], task, 1, address))
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ConnectionError, match=rf"L411.*{re.escape(address)}"):
            list(workers.run([], task, 1))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../stolen.jsonl"},
        {"name": "part-00000000.jsonl/../../stolen.jsonl"},
        {"name": "/tmp/part-00000000.jsonl"},
        {"name": "part-00000000.jsonl\n"},
        {"source": "../secret.jsonl"},
        {"source": "/etc/passwd"},
        {"start": -1},
        {"stop": "9"},
        {"offset": -5},
        {"offset": 1.5},
        {"stop": 0},
    ],
)
def test_a_manifest_leads_nowhere_else(change: dict[str, Any], tmp_path: Path):
    """Names in it must be those of shards, and of files of the input."""
    shard = Shard("part-00000000.jsonl", "a.jsonl", 0, 1, 0)
    settings = {"input a.jsonl": [1, 2]}
    folder = LocalFolder(tmp_path)
    assert open_output(folder, settings, lambda: [shard]) == ([shard], [shard])
    assert open_output(folder, settings, list) == ([shard], [shard])
    manifest = tmp_path / "_manifest.json"
    content = {"settings": settings, "shards": [list(shard._replace(**change))]}
    manifest.write_text(json.dumps(content), encoding="utf8")
    with pytest.raises(ValueError, match=r"L407"):
        open_output(folder, settings, list)


def test_a_deep_manifest_is_foreign(tmp_path: Path):
    (tmp_path / "_manifest.json").write_text("[" * 100_000, encoding="utf8")
    with pytest.raises(ValueError, match=r"L407"):
        open_output(LocalFolder(tmp_path), {}, list)


def test_deep_records_are_named(ruler: Path, tmp_path: Path):
    deep = "[" * 100_000 + "]" * 100_000
    lines = f'{{"text": "Bob"}}\n{{"text": "Bob", "meta": {deep}}}\n'
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf8")
    with pytest.raises(ValueError, match=r"L405.*a\.jsonl, line 2: found") as info:
        annotate(ruler, tmp_path / "a.jsonl", tmp_path / "out")
    assert len(str(info.value)) < 500
