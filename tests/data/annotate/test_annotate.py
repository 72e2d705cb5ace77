"""Annotation of a few rows, in one process; test_ray.py has Ray's."""

import importlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import count, product
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

import pytest
import spacy
from cli.helpers import lstm_ner
from spacy.tokens import Doc

from spacy_lstm_ner.data.annotate import Summary, annotate
from spacy_lstm_ner.data.annotate.folders import LocalFolder
from spacy_lstm_ner.data.annotate.pipeline import Pipeline
from spacy_lstm_ner.data.annotate.shards import Columns, Shard

from .helpers import N_ROWS, WARNINGS, expected, make_rows, names, read_lines

pytest.importorskip("ray", reason='needs Ray: pip install ".[ray]"')
pa = importlib.import_module("pyarrow")
pq = importlib.import_module("pyarrow.parquet")
workers = importlib.import_module("spacy_lstm_ner.data.annotate.workers")

pytestmark = WARNINGS


class Finished(NamedTuple):
    """An output of the command, and what it printed."""

    output: Path
    printed: str


@pytest.fixture(scope="module")
def finished(
    one_process: None,
    ruler: Path,
    jsonl: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Finished:
    output = tmp_path_factory.mktemp("outputs") / "new" / "out"
    args = ["annotate", str(ruler), str(jsonl), str(output), "--batch-size", "3"]
    args += ["--workers", "1"]
    args += ["--entities-column", "found", "--rows-per-shard", "10"]
    with redirect_stdout(StringIO()) as printed:
        assert lstm_ner(*args) == 0
    return Finished(output, printed.getvalue())


def test_lines_are_annotated_by_the_command(finished: Finished, ruler: Path):
    # The blank line at the end of the first file is a shard that has no rows.
    counts = (
        f"7 files, of which 0 were there; 50 rows annotated, {2 * (N_ROWS - 2)} ent"
    )
    assert f"{finished.output}: {counts}" in finished.printed
    found = read_lines(finished.output)
    assert all(list(row) == ["id", "text", "meta", "found"] for row in found)
    assert found[3]["found"] is None
    assert found[4]["found"] == []
    assert found[5]["found"][0]["confidence"] is None
    for row in found:
        row["entities"] = row.pop("found")
    assert found == expected(spacy.load(ruler), make_rows())


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        # The input is read at first, then annotated.
        (
            [(0, 500), (0, 1000), (0, 1000), (500, 1000), (1000, 1000)],
            ["0/500 [00:15<?, ? rows/s]", "500/1000 [01:00<00:10, 50.00 rows/s]"],
        ),
        # Rows of an earlier run do not count in the speed.
        (
            [(600, 1000), (700, 1000), (800, 1000)],
            ["600/1000 [00:15<?, ? rows/s]", "800/1000 [00:45<00:20, 10.00 rows/s]"],
        ),
    ],
)
def test_the_command_shows_rows_a_second_and_the_time_left(
    counts: list[tuple[int, int]], shown: list[str], monkeypatch: pytest.MonkeyPatch
):
    def stand_in(*args: str, on_rows: Any, **settings: Any) -> Summary:
        for each in counts:
            on_rows(*each)
        return Summary(1, 0, 1000, 5)

    seconds = count(0, 5)
    monkeypatch.setattr("tqdm.std.time", lambda: next(seconds))
    monkeypatch.setattr(sys, "stderr", Terminal())
    command = importlib.import_module("spacy_lstm_ner.cli.annotate")
    monkeypatch.setattr(command, "annotate_files", stand_in)
    command.annotate("model", "in", "out")
    lines = sys.stderr.getvalue().split("\r")
    for each in shown:
        assert any(line.endswith(f"| {each}") for line in lines), lines


def test_only_what_is_missing_is_computed_again(
    finished: Finished, ruler: Path, jsonl: Path
):
    output = finished.output
    settings = {"entities_column": "found", "rows_per_shard": 10}
    before = {path.name: path.stat().st_ino for path in output.iterdir()}
    content = read_lines(output)
    gone = output / "part-00000002.jsonl"
    with gone.open("rb"):  # so that its inode is not given to another file
        gone.unlink()
        (output / ".part-00000002.jsonl.0.tmp").write_bytes(b'{"id": ')
        again = annotate(ruler, jsonl, output, workers=2, batch_size=1, **settings)
        after = {path.name: path.stat().st_ino for path in output.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {gone.name}
    assert (again.n_files, again.n_kept, again.n_rows) == (7, 6, 10)
    assert read_lines(output) == content
    assert annotate(ruler, jsonl, output, **settings) == (7, 7, 0, 0)


def test_other_settings_are_not_mixed(
    finished: Finished, jsonl: Path, ruler: Path, tmp_path: Path
):
    output = finished.output
    before = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    settings = {"entities_column": "found", "rows_per_shard": 10}
    with pytest.raises(ValueError, match=r"L408.*rows_per_shard: 10, now 26"):
        annotate(ruler, jsonl, output, **{**settings, "rows_per_shard": 26})
    with pytest.raises(ValueError, match=r"L408.*columns: \['text', 'found'\], now"):
        annotate(ruler, jsonl, output, **{**settings, "entities_column": "other"})
    (tmp_path / "code.py").touch()
    with pytest.raises(ValueError, match=r"L408.*code: None, now \w{16}"):
        annotate(ruler, jsonl, output, **settings, code=tmp_path / "code.py")
    other = spacy.load(ruler)
    other.get_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Ada"}])
    other.to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match=r"L408.*model: "):
        annotate(tmp_path / "other", jsonl, output, **settings)
    copytree(jsonl, tmp_path / "in")
    with (tmp_path / "in" / "b" / "c.jsonl").open("a", encoding="utf8") as file:
        file.write('{"text": "Rome"}\n')
    later = (tmp_path / "in" / "a.jsonl").stat().st_mtime_ns + 1
    os.utime(tmp_path / "in" / "a.jsonl", ns=(1, later))
    with pytest.raises(
        ValueError,
        match=r"L408.*\(input a.jsonl: .*; input b/c\.jsonl: \[\d+, \d+\], now",
    ):
        annotate(ruler, tmp_path / "in", output, **settings)
    assert {path: path.stat().st_mtime_ns for path in output.iterdir()} == before


@pytest.mark.usefixtures("one_process")
def test_odd_files(ruler: Path, tmp_path: Path):
    """Records keep their digits, escapes and spaces; a text that spaCy refuses is
    replaced by one of the same length. Endings name the format, also those of links and
    in upper case. Columns of texts may be dictionaries, or nothing but nulls."""
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    records = [
        r'{"text": "Cut \ud83d Bob", "user": "\ud83d"}',
        '{ "n": 1.10, "x": 1e400, "text" :"Caf\u00e9"  }',
        r'{"text": "Caf\u00e9", "id": 123456789012345678901234567890}',
    ]
    text = f"\ufeff\n{records[0]}\n\n  {records[1]}\r\n{records[2]}"
    (source / "a.jsonl").write_text(text, "utf8")
    (tmp_path / "blob").write_text('{"text": "Rome"}', "utf8")
    (source / "b.NDJSON").symlink_to("../blob")
    pq.write_table(pa.table({"text": [None, None]}), source / "c.parquet")
    texts = pa.array(["Bob", None]).dictionary_encode()
    pq.write_table(pa.table({"text": texts}), source / "d.parquet")
    assert annotate(ruler, source, output, workers=1) == (4, 0, 8, 3)
    parts = [output / name for name in names(output)[1:]]
    endings = [part.suffix for part in parts]
    assert endings == [".jsonl", ".NDJSON", ".parquet", ".parquet"]
    lines = parts[0].read_text("utf8").splitlines()
    for line, record in zip(lines, records, strict=True):
        assert line.startswith(record[:-1].rstrip() + ', "entities": [')
    bob = {"start": 6, "end": 9, "label": "PER", "confidence": None}
    assert [json.loads(line)["entities"] for line in lines] == [[bob], [], []]
    (rome,) = json.loads(parts[1].read_text("utf8"))["entities"]
    assert rome["label"] == "GPE"
    found = [pq.read_table(part)["entities"].to_pylist() for part in parts[2:]]
    assert found == [[None, None], [[{**bob, "start": 0, "end": 3}], None]]


def test_a_pipeline_is_found_by_the_name_of_its_package(
    ruler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`spacy package` puts the pipeline into a folder of the package's folder."""
    name = "xx_ray_test"
    copytree(ruler, tmp_path / name / f"{name}-0.0.0")
    (tmp_path / name / "__init__.py").write_text(
        "from spacy.util import load_model_from_init_py\n"
        "def load(**settings):\n"
        "    return load_model_from_init_py(__file__, **settings)\n",
        "utf8",
    )
    meta = json.loads((ruler / "meta.json").read_text("utf8"))
    meta = {**meta, "name": "ray_test", "version": "0.0.0"}
    (tmp_path / name / "meta.json").write_text(json.dumps(meta), "utf8")
    info = tmp_path / f"{name}-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 0.0.0\n", "utf8")
    monkeypatch.syspath_prepend(tmp_path)
    pipeline = Pipeline.locate(name, None)
    assert [ent.label_ for ent in pipeline.load()("Bob").ents] == ["PER"]
    before = pipeline.digests()["model"]
    (tmp_path / name / f"{name}-0.0.0" / "meta.json").write_text("{}", "utf8")
    assert pipeline.digests()["model"] != before


def test_a_file_depends_on_its_rows_alone(tmp_path: Path):
    """It has the same bytes whatever its worker has annotated before, so a kill does
    not show in the output. Words are forgotten, too."""
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("lstm_ner")
    ner.add_label("PER")
    spacy.util.fix_random_seed(0)
    nlp.initialize()
    nlp.to_disk(tmp_path / "model")
    rows = [f'{{"text": "Ada{i} met Bob{i} in Rome"}}\n' for i in range(200)]
    (tmp_path / "a.jsonl").write_text("".join(rows), "utf8")
    folder, columns = LocalFolder(tmp_path), Columns("text", "entities")
    pipeline = Pipeline(tmp_path / "model", None)
    task = workers.Task(pipeline, folder, folder, columns, None)
    annotator = workers.Annotator(task)
    n_words = len(annotator.nlp.vocab.strings)
    contents: dict[int, set[bytes]] = {start: set() for start in range(0, 200, 20)}
    for start, is_new in [*product(contents, [True]), *product(contents, [False])]:
        if is_new:  # as a worker is that begins with this shard
            annotator.nlp.get_pipe("lstm_ner").clear_cache()
        offset = len("".join(rows[:start]))
        shard = Shard("x.jsonl", "a.jsonl", start, start + 20, offset)
        assert annotator(shard._asdict())["error"] == ""
        contents[start].add((tmp_path / "x.jsonl").read_bytes())
    assert all(len(each) == 1 for each in contents.values())
    assert all(b'"confidence": 0.' in each.pop() for each in contents.values())
    assert len(annotator.nlp.vocab.strings) == n_words


class OddError(Exception):
    """Of no kind that this package knows."""


def raise_odd_error(texts: Iterable[str], **settings: Any) -> Iterator[Doc]:
    assert settings == {"batch_size": 7}
    raise OddError("at this text")


def test_what_fails_is_told_and_leaves_nothing(
    ruler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.jsonl").write_text('{"text": "Bob"}\n{"txt": ""}\n\n', "utf8")
    columns = Columns("text", "entities")
    folder = LocalFolder(tmp_path)
    task = workers.Task(Pipeline(ruler, None), folder, folder, columns, 7)
    annotator = workers.Annotator(task)
    shard = {"name": "x.jsonl", "source": "a.jsonl", "start": 0, "stop": 1, "offset": 0}
    result = {"name": "x.jsonl", "n_rows": 1, "n_entities": 1, "error": ""}
    assert annotator(shard) == result
    result = annotator({**shard, "name": "y.jsonl", "stop": 3})
    assert re.search(r"L405.*a\.jsonl, line 2.*field 'text'", result["error"])
    assert names(tmp_path) == ["a.jsonl", "x.jsonl"]
    # Components raise what they like.
    monkeypatch.setattr(annotator.nlp, "pipe", raise_odd_error)
    result = annotator({**shard, "name": "z.jsonl"})
    assert result["error"] == "OddError: at this text"
    assert names(tmp_path) == ["a.jsonl", "x.jsonl"]


@pytest.mark.usefixtures("one_process")
def test_a_run_goes_on_where_its_manifest_was_not_written(ruler: Path, tmp_path: Path):
    """A kill at that moment leaves a folder, which is not that of something else. The
    name of the input is not UTF-8."""
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "caf\udce9.jsonl").write_text('{"text": "Bob"}\n', encoding="utf8")
    left = output / "._manifest.json.k1ll3d.tmp" / "new"
    left.mkdir(parents=True)
    (left / "_manifest.json").write_text('{"settings', encoding="utf8")
    assert annotate(ruler, source, output, workers=1) == (1, 0, 1, 1)
    assert names(output) == ["_manifest.json", "part-00000000.jsonl"]
