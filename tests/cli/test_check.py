"""The command that looks for problems in annotated data."""

import json
from pathlib import Path

import pytest
import spacy
import srsly

from spacy_lstm_ner.data.formats import load_docs

from .helpers import Files, lstm_ner, message


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    records = [
        {"text": "Ann is in Rio", "label": [[0, 3, "PER"], [10, 13, "GPE"]]},
        {"text": "Ann isn't in Rio", "label": [[0, 3, "PER"], [13, 16, "ORG"]]},
        {"text": "Ann left", "label": [[0, 2, "PER"]]},
        {"text": "Rio again", "label": []},
    ]
    srsly.write_jsonl(path, records)
    return path


def test_text(train: Path, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner("check", train, train) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "train dev" in out
    assert "texts 4 4 with entities 2 2" in out
    assert "PER 2 2 2 1 2 2 2 1" in out
    assert "2 entities do not begin and end where tokens do" in out
    assert "'An' (PER) in the tokens ['Ann']" in out
    assert "string 'Rio'; labels GPE 2, ORG 2; train 1 GPE 'Ann is in Rio'" in out
    assert "2 texts are also in the first part" in out
    assert "train 1; dev 1 'Ann is in Rio'" in out
    assert "label 'ORG'; entities 1 label 'GPE'; entities 1" in out
    assert out.endswith("2 kinds of problems, 4 kinds of hints")


def test_number_of_examples(train: Path, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner("check", train, "--show", "1") == 0
    assert "and 2 more: --show 0, or --json" in capsys.readouterr().out
    assert lstm_ner("check", train, "--show", "0") == 0
    assert "more: --show" not in capsys.readouterr().out


def test_json(train: Path, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner("check", train, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["parts"]["train"]["texts"] == 4
    assert result["parts"]["train"]["labels"]["PER"]["entities"] == 2
    first = result["findings"][0]
    assert (first["kind"], first["problem"]) == ("span_not_tokens", True)
    assert (first["count"], len(first["examples"])) == (1, 1)
    assert first["message"].startswith("1 entities do not begin")


def test_strict(train: Path, files: Files):
    assert lstm_ner("check", train, "--strict") == 1
    assert lstm_ner("check", train, "--strict", "--json") == 1
    assert lstm_ner("check", files.dev, "--strict") == 0


def test_tokenizer_and_format(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "t.jsonl"
    srsly.write_jsonl(path, [{"text": "Ann isn't", "label": [[4, 6, "X"]]}])
    assert lstm_ner("check", path, "--strict") == 0
    assert lstm_ner("check", path, "--strict", "--model", files.plain) == 1
    assert lstm_ner("check", path, "--strict", "--lang", "de") == 1
    capsys.readouterr()
    assert lstm_ner("check", path, "--format", "conll2012") == 1
    assert str(path) in message(capsys)


def test_doubts_of_a_model(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "doubts.jsonl"
    args = ["check", files.dev, "--model", files.ner, "--output", output]
    assert lstm_ner(*args, "--top", "3") == 0
    assert "to a model [doubt]" in " ".join(capsys.readouterr().out.split())
    tasks = list(srsly.read_jsonl(output))
    assert len(tasks) == 3
    wrong = [task["meta"]["wrong"] for task in tasks]
    assert wrong == sorted(wrong, reverse=True)
    assert lstm_ner(*args, "--json") == 0  # replaces its own output
    (found,) = (
        each
        for each in json.loads(capsys.readouterr().out)["findings"]
        if each["kind"] == "doubt"
    )
    assert [e["wrong"] for e in found["examples"][:3]] == pytest.approx(wrong)
    # Answered by a person, `convert` reads them.
    answers = [{**task, "answer": "reject"} for task in tasks]
    srsly.write_jsonl(answered := tmp_path / "answered.jsonl", answers)
    loaded = load_docs([answered], spacy.blank("xx"))
    assert loaded.formats[0][1] == "prodigy"
    assert sum(len(doc.spans["incorrect_spans"]) for doc in loaded.docs) == 3


def test_doubts_need_a_model(
    train: Path,
    files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    output = tmp_path / "doubts.jsonl"
    assert lstm_ner("check", train, "--output", output) == 1
    assert "L300" in message(capsys)
    args = ["check", train, "--model", files.plain]
    assert lstm_ner(*args) == 0
    assert "[doubt]" not in capsys.readouterr().out
    assert lstm_ner(*args, "--output", output) == 1
    assert "L206" in message(capsys)
    assert lstm_ner("check", train, "--model", files.ner) == 0
    assert "[L301] 'lstm_ner' cannot judge 1 entities" in caplog.text  # the label ORG


def test_doubts_of_folds(
    files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", "--training.eval_frequency 1")
    output = tmp_path / "doubts.json"
    args = ["check", files.dev, "--folds", "2", "--max-steps", "2", "--output", output]
    args += ["--config", files.ner / "config.cfg"]
    assert lstm_ner(*args, "--json") == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("model 1 of 2: F1 ")
    assert json.loads(printed.out)["parts"]["train"]["texts"] == 6
    assert {task["meta"]["part"] for task in srsly.read_json(output)} == {"train"}
    assert lstm_ner(*args, "--quiet", "--component", "other") == 1
    assert "L206" in message(capsys)


@pytest.mark.parametrize(
    "args",
    [
        "--folds 2",
        "--config {ner}/config.cfg",
        "--max-steps 2",
        "--folds 2 --config {ner}/config.cfg --model {ner}",
    ],
)
def test_folds_need_a_config(
    args: str, files: Files, capsys: pytest.CaptureFixture[str]
):
    assert lstm_ner("check", files.dev, *args.format(ner=files.ner).split()) == 1
    assert "L346" in message(capsys)
