"""The commands that train on parts of the data, with tiny models."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from .helpers import Files, lstm_ner, message


@pytest.fixture
def run(files: Files) -> Callable[..., int]:
    """Run a command on the texts of DEV, with further arguments."""

    def run(name: str, *more: object, **paths: Path) -> int:
        config = paths.get("config", files.ner / "config.cfg")
        train, dev = paths.get("train", files.dev), paths.get("dev", files.dev)
        frequency = ["--training.eval_frequency", "5"]
        return lstm_ner(name, config, train, dev, "--max-steps", 5, *frequency, *more)

    return run


def test_learning_curve(run, capsys, tmp_path):
    results = tmp_path / "results.jsonl"
    args = ["--shares", "20,40,60,100", "--results", results]
    assert run("learning-curve", *args) == 0
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("1 of 4: 20%, seed 0, 1 texts: F1 ")
    words = " ".join(printed.out.split())
    assert "share texts tokens entities precision recall F1 range" in words
    assert "100% 6 27 11 " in words
    f1 = float(lines[-1].rpartition(" ")[2])
    assert f"{f1} {f1} to {f1}" in words
    # Again: nothing is trained, and a further seed is.
    before = results.read_bytes()
    assert run("learning-curve", *args, "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert results.read_bytes() == before
    assert run("learning-curve", *args, "--seeds", 2, "--json", "--quiet") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["trainings"]) == 8
    assert found["trainings"][6]["f1"] == pytest.approx(f1 / 100, abs=5e-4)
    assert found["shares"][3]["texts"] == 6
    assert "doubled" in found
    assert run("learning-curve", *args, "--training.dropout", 0.5) == 1
    assert "L341" in message(capsys)


def test_learning_curve_without_a_forecast(run, capsys):
    assert run("learning-curve", "--shares", "50,100", "--verbose") == 0
    printed = capsys.readouterr()
    assert "Cannot say" in printed.out
    assert "ENTS_F" in printed.err


def test_picture_of_a_learning_curve(run, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    plot = tmp_path / "curve.svg"
    args = ["--shares", "50,100", "--plot", plot, "--results", tmp_path / "r.jsonl"]
    assert run("learning-curve", *args) == 0
    assert "</svg>" in plot.read_text(encoding="utf8")
    assert run("learning-curve", *args) == 0  # replaces its own
    plot.write_text("mine")
    assert run("learning-curve", *args) == 1
    assert "L217" in message(capsys)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run("learning-curve", *args) == 1
    assert "L205" in message(capsys)


@pytest.mark.parametrize("shares", ["", "0,10", "10,120", "many"])
def test_wrong_shares(run, shares, capsys):
    assert run("learning-curve", "--shares", shares) == 1
    assert "L343" in message(capsys)


def test_what_is_refused(run, files, tmp_path, capsys, caplog):
    assert run("learning-curve", train=tmp_path / "no.spacy") == 1
    assert "no.spacy" in message(capsys)
    assert run("learning-curve", train=files.raw) == 1
    assert "L344" in message(capsys)
    assert run("learning-curve", config=tmp_path / "no.cfg") == 1
    assert "no.cfg" in message(capsys)
    assert run("learning-curve", "--results", files.dev) == 1
    assert "L201" in message(capsys)
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "mine"}\n')
    assert run("learning-curve", "--results", other) == 1
    assert "L217" in message(capsys)
    assert run("learning-curve", "--results", other, "--force") == 1
    assert "L342" in message(capsys)


def test_texts_without_annotation_are_left_out(run, files, tmp_path, capsys, caplog):
    nlp = spacy.blank("xx")
    docs = [*DocBin().from_disk(files.dev).get_docs(nlp.vocab), nlp.make_doc("Who?")]
    DocBin(docs=docs).to_disk(tmp_path / "more.spacy")
    args = ["--shares", "100", "--quiet", "--json"]
    assert run("learning-curve", *args, train=tmp_path / "more.spacy") == 0
    assert "[L515] 1 texts of" in caplog.text
    assert json.loads(capsys.readouterr().out)["shares"][0]["texts"] == 6


def test_active_learning(run, capsys, tmp_path):
    results = tmp_path / "results.jsonl"
    args = ["--first", 2, "--results", results, "--target", 100]
    assert run("active-learning", *args) == 0
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert lines[0].startswith("seed 0, all: 6 texts, 27 tokens: F1 ")
    assert lines[1].startswith("seed 0, random: 2 texts, ")
    words = " ".join(printed.out.split())
    assert words.startswith("F1 with all 6 texts: ")
    assert "Needed for 100% of it" in words
    assert "chosen by texts share tokens share entities" in words
    assert "entropy" in words
    # More measures: only their rounds are trained.
    before = len(results.read_bytes().splitlines())
    more = ["--by", "probability", "--by", "entropy", "--quiet", "--json"]
    assert run("active-learning", *args, *more) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["by"] for each in found["savings"]] == [
        "random",
        "probability",
        "entropy",
    ]
    n_new = sum(each["by"] == "probability" for each in found["rounds"])
    assert len(results.read_bytes().splitlines()) == before + n_new
    assert run("active-learning", *args, "--growth", 2) == 1
    assert "L341" in message(capsys)


def test_picture_of_active_learning(run, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    plot = tmp_path / "active.svg"
    args = ["--first", 3, "--growth", 2, "--plot", plot, "--quiet"]
    assert run("active-learning", *args) == 0
    assert "</svg>" in plot.read_text(encoding="utf8")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ("--first 6", "L347"),
        ("--growth 1", "L347"),
        ("--target 0", "L347"),
        ("--by size", "L100"),
    ],
)
def test_wrong_settings_of_active_learning(run, args, code, capsys):
    assert run("active-learning", *args.split()) == 1
    assert code in message(capsys)
