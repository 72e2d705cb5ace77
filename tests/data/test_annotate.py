"""Annotation with Ray: a real one, on a few rows.

The start of a worker costs seconds of import: one of them, where two prove no more.
"""

import importlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

import pytest
import spacy
from cli.helpers import lstm_ner, message
from contract.helpers import initialized
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_lstm_ner.component.confidences import confidence
from spacy_lstm_ner.data.annotate import annotate
from spacy_lstm_ner.data.annotate.folders import LocalFolder
from spacy_lstm_ner.data.annotate.output import open_output
from spacy_lstm_ner.data.annotate.pipeline import Pipeline
from spacy_lstm_ner.data.annotate.shards import Columns, Shard

ray = pytest.importorskip("ray", reason='needs Ray: pip install ".[ray]"')
pa = importlib.import_module("pyarrow")
pq = importlib.import_module("pyarrow.parquet")
workers = importlib.import_module("spacy_lstm_ner.data.annotate.workers")

pytestmark = [
    # Ray Data warns of its own settings when they are looked at.
    pytest.mark.filterwarnings(r"ignore:::ray\.data\.context"),
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]

N_ROWS = 50
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
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
        if healed.exists():
            return doc
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
def cluster() -> Iterator[None]:
    """Ray, on this machine alone."""
    with pytest.MonkeyPatch.context() as patch:
        # By default, Ray's workers wait for all other processes, such as the tests.
        patch.setenv("RAY_worker_niceness", "0")
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
    ray.shutdown()


def make_rows(n: int = N_ROWS) -> list[dict[str, Any]]:
    """Rows of several types; some without text, or with an empty one."""
    rows = []
    for i in range(n):
        text = f"Caf\u00e9 {i}: Ada Lovelace met Bob in Rome"
        rows.append({"id": i, "text": text, "meta": {"x": [i / 3, None]}})
    rows[3]["text"] = None
    rows[4]["text"] = ""
    return rows


@pytest.fixture(scope="module")
def ruler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline with rules."""
    nlp = spacy.blank("xx")
    patterns = [{"label": "PER", "pattern": "Bob"}, {"label": "GPE", "pattern": "Rome"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    path = tmp_path_factory.mktemp("models") / "ruler"
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="module")
def jsonl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two files of lines, one of them in a subfolder."""
    folder = tmp_path_factory.mktemp("lines")
    write_lines(folder / "a.jsonl", make_rows()[:30])
    write_lines(folder / "b" / "c.jsonl", make_rows()[30:])
    (folder / "readme.txt").write_text("not to be read", encoding="utf8")
    return folder


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=row["id"] % 2 == 0) for row in rows]
    path.write_text("\r\n".join(lines) + "\n\n", encoding="utf8")


def read_lines(output: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(output.glob("part-*.jsonl"))
        for line in path.read_text(encoding="utf8").splitlines()
    ]


def confidence_of(ent: Span) -> Any:
    found = confidence(ent)  # the extension comes with the first component
    return None if found is None else pytest.approx(found, abs=1e-5)


def expected(nlp: Language, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as one process annotates them; confidences may differ by rounding."""
    found = []
    for row in rows:
        ents = None
        if row["text"] is not None:
            ents = [
                {
                    "start": ent.start_char,
                    "end": ent.end_char,
                    "label": ent.label_,
                    "confidence": confidence_of(ent),
                }
                for ent in nlp(row["text"]).ents
            ]
        found.append({**row, "entities": ents})
    return found


def names(output: Path) -> list[str]:
    return sorted(path.name for path in output.iterdir())


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


class Finished(NamedTuple):
    """An output of the command, and what it printed."""

    output: Path
    printed: str


@pytest.fixture(scope="module")
def finished(
    cluster: None, ruler: Path, jsonl: Path, tmp_path_factory: pytest.TempPathFactory
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
    summary = annotate(killer, jsonl, output, **settings)
    assert (summary.n_files, summary.n_kept, summary.n_rows) == (12, 10, 10)
    rows = read_lines(output)
    assert [row["id"] for row in rows] == list(range(N_ROWS))
    assert sum(len(row["entities"] or ()) for row in rows) == N_ROWS - 2
    assert len(names(output)) == 13


@pytest.mark.usefixtures("cluster")
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


@pytest.mark.usefixtures("cluster")
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
