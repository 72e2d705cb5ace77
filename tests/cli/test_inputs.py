"""Inputs that are odd: names that are not UTF-8, deep JSON, endings."""

import importlib.util
import json
import os
import re
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from .helpers import Files, dev_examples, lstm_ner, message

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(params=[b"caf\xe9", "日本".encode("shift_jis"), b"a b\xff.x"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder whose name is not UTF-8."""
    path = tmp_path / os.fsdecode(request.param)
    try:
        path.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("the file system has names in UTF-8 only")
    return path


def test_names_that_are_not_utf8(
    odd: Path, files: Files, capsys: pytest.CaptureFixture[str]
):
    model, dev, lines = odd / "model", odd / f"{odd.name}.spacy", odd / "lines.md"
    spacy.load(files.ner).to_disk(model)
    DocBin(docs=[eg.reference for eg in dev_examples(spacy.blank("xx"))]).to_disk(dev)
    lines.write_text("Ada met Bob\n", encoding="utf8")
    conll = odd / "x.conll"
    conll.write_text("Ada B-PER\nmet O\n\n" * 2, encoding="utf8")
    for args in (
        ["calibrate", model, dev, odd / "out"],
        ["calibrate", model, dev, model],
        ["report", model, dev, odd / "page.html"],
        ["rank", model, lines, odd / "ranked.jsonl"],
        ["raw-text", dev, odd / "raw.jsonl"],
        ["convert", conll, odd / "x.spacy"],
        ["convert", odd, odd / "y.spacy"],
    ):
        assert lstm_ner(*args) == 0, args
        assert "\\udc" in capsys.readouterr().out
    assert "\\udc" in (odd / "page.html").read_text(encoding="utf8")
    assert lstm_ner("report", model, odd / "none", odd / "page.html") == 1
    assert re.search(r"L111.*none", message(capsys))


@pytest.mark.parametrize("ending", [".conll", ".jsonl", "", ".bin", "/"])
def test_data_of_any_format_has_the_same_results(
    ending: str, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = tmp_path / f"dev{ending}"
    if ending == ".conll":
        lstm_ner("convert", files.dev, data, "--to", "conll")
    elif ending == ".jsonl":
        lstm_ner("convert", files.dev, data, "--to", "doccano", "--model", files.ner)
    elif ending == "/":
        data.mkdir()
        (data / "dev.spacy").write_bytes(files.dev.read_bytes())
    else:
        data.write_bytes(files.dev.read_bytes())
    pictures = importlib.util.find_spec("matplotlib") is not None
    for command, output in (
        ("report", "page.html"),
        ("calibrate", "out"),
        ("reliability", "picture.svg"),
        ("model-card", "card.md"),
    ):
        if command in ("reliability", "model-card") and not pictures:
            continue
        option = ["--output"] if command == "model-card" else []
        found = []
        for path in (files.dev, data):
            place = tmp_path / f"{path.stem}{ending.strip('/')}-{output}"
            capsys.readouterr()
            args = [command, files.ner, path, *option, place, "--force"]
            assert lstm_ner(*args) == 0, capsys.readouterr().err
            out = capsys.readouterr().out
            found.append(out.replace(str(place.with_suffix("")), "PLACE"))
        assert found[0] == found[1]


def test_an_output_in_the_folder_of_the_inputs_is_not_read_as_one(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The second run would double the texts."""
    (tmp_path / "dev.spacy").write_bytes(files.dev.read_bytes())
    (tmp_path / "scores.json").write_text("{}", encoding="utf8")
    output = tmp_path / "all.spacy"
    assert lstm_ner("convert", tmp_path, output) == 0
    before = output.read_bytes()
    assert lstm_ner("convert", tmp_path, output, "--force") == 1
    assert re.search(r"L213.*all\.spacy", message(capsys))
    assert output.read_bytes() == before
    output.unlink()
    tasks = tmp_path / "doubts.jsonl"
    args = ["check", tmp_path, "--model", files.ner, "--output", tasks]
    assert lstm_ner(*args) == 0
    assert tasks.stat().st_size
    assert lstm_ner(*args) == 1
    assert re.search(r"L213.*doubts\.jsonl", message(capsys))


def test_pictures_of_names_that_are_not_utf8(odd: Path, files: Files):
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    data = odd / "dev.spacy"
    data.write_bytes(files.dev.read_bytes())
    assert lstm_ner("reliability", files.ner, data, odd / "picture.svg") == 0


@pytest.mark.parametrize("deep", [DEEP, '{"a":' * 100_000, "[" * 100_000])
def test_deep_json(
    deep: str, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Python cannot read it: the line is named, as other bad lines are."""
    lines = tmp_path / "deep.jsonl"
    record = f'{{"text": "Bob", "meta": {deep}}}'
    for line in (deep, record):
        lines.write_text(f'{{"text": "Ada"}}\n{line}\n', encoding="utf8")
        output = tmp_path / "out.jsonl"
        assert lstm_ner("rank", files.ner, lines, output) == 1
        assert re.search(r"L207.*deep\.jsonl, line 2: found", found := message(capsys))
        assert len(found) < 700
        assert not output.exists()
    assert lstm_ner("scores", lines) == 1
    assert re.search(r"L204.*deep\.jsonl", message(capsys))
    # As an output it is not ours.
    lines.write_text(f"{deep}\n", encoding="utf8")
    assert lstm_ner("raw-text", files.dev, lines) == 1
    assert re.search(r"L217.*deep\.jsonl", message(capsys))


def test_json_is_no_conll(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "train.json"
    records = [{"text": "Anna lives in Rome", "label": [[0, 4, "PER"]]}] * 5000
    source.write_text(json.dumps(records), encoding="utf8")
    args = ("convert", source, tmp_path / "train.spacy", "--format", "conll")
    assert lstm_ner(*args) == 1
    assert re.search(r"L125.*train\.json.*looks like JSON", found := message(capsys))
    assert len(found) < 700


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson", ".JSONL", ".NdJson"])
def test_json_lines_have_the_same_endings_everywhere(
    files: Files, tmp_path: Path, ending: str
):
    raw, ranked = tmp_path / f"raw{ending}", tmp_path / f"ranked{ending}"
    assert lstm_ner("raw-text", files.dev, raw) == 0
    assert lstm_ner("rank", files.ner, raw, ranked) == 0
    texts = [json.loads(line)["text"] for line in raw.read_text("utf8").splitlines()]
    found = [json.loads(line)["text"] for line in ranked.read_text("utf8").splitlines()]
    assert sorted(found) == sorted(texts)
    assert len(texts) == 6
