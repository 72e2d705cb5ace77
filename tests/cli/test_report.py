"""The command that shows what a pipeline gets wrong."""

import json
import re
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from .helpers import DEV, Files, dev_examples, lstm_ner, message


def test_one_model(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page, figures = tmp_path / "new" / "page.html", tmp_path / "new" / "page.json"
    assert lstm_ner("report", files.ner, files.dev, page) == 0
    out = capsys.readouterr().out
    nlp = spacy.load(files.ner)
    scores = nlp.evaluate(dev_examples(nlp))
    assert out.startswith(f"{files.ner}: F1 {100 * scores['ents_f']:.1f} (")
    assert out.endswith(f"{page}: 6 texts; figures in {figures}\n")
    shown = json.loads(figures.read_text(encoding="utf8"))
    (model,) = shown["models"]
    assert model["name"] == str(files.ner)
    assert model["all"]["f1"]["value"] == scores["ents_f"]
    assert model["all"]["gold"] == sum(len(ents) for _, ents in DEV)
    assert "seen" not in model["scores"]
    assert f"<title>{files.ner} on {files.dev}</title>" in page.read_text("utf8")


def test_several_models_and_training_data(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page = tmp_path / "page.html"
    more = ["--compare", files.plain, "--train", files.dev]
    assert lstm_ner("report", files.ner, files.dev, page, *more) == 0
    out = capsys.readouterr().out
    assert "\nplain against ner: -" in out
    shown = json.loads(page.with_suffix(".json").read_text(encoding="utf8"))
    assert [model["name"] for model in shown["models"]] == ["ner", "plain"]
    assert shown["models"][1]["all"]["predicted"] == 0
    seen = shown["models"][0]["scores"]["seen"]
    assert seen["seen with this label"]["gold"] == shown["entities"]
    assert shown["entities_in_training"] == shown["entities"]


@pytest.mark.parametrize("name", ["page.txt", "page"])
def test_other_endings(
    name: str, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert lstm_ner("report", files.ner, files.dev, tmp_path / name) == 1
    assert "L201" in message(capsys)


def test_figures_of_something_else_stay(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page, theirs = tmp_path / "page.html", tmp_path / "page.json"
    theirs.write_text('{"my": "data"}', encoding="utf8")
    assert lstm_ner("report", files.ner, files.dev, page) == 1
    assert "L217" in (found := message(capsys))
    assert "page.json" in found
    assert not page.exists()
    assert theirs.read_text(encoding="utf8") == '{"my": "data"}'
    assert lstm_ner("report", files.ner, files.dev, page, "--force") == 0


def test_training_data_that_is_none(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page, train = tmp_path / "page.html", tmp_path / "train.txt"
    train.write_text("Ada met Bob\n", encoding="utf8")
    for path, code in ((tmp_path / "none", "L111"), (train, "L271")):
        args = ["report", files.ner, files.dev, page, "--train", path]
        assert lstm_ner(*args) == 1
        assert code in (found := message(capsys))
        assert path.name in found
    assert not page.exists()


def test_the_same_model_twice(files: Files, tmp_path: Path):
    page = tmp_path / "page.html"
    more = ["--compare", files.ner, "--quiet"]
    assert lstm_ner("report", files.ner, files.dev, page, *more) == 0
    shown = json.loads(page.with_suffix(".json").read_text(encoding="utf8"))
    assert shown["comparisons"][0]["p"] == 1
    assert [model["name"] for model in shown["models"]] == [str(files.ner)] * 2


def test_no_annotated_texts(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """An F1 of 0 would blame the model."""
    empty, page = tmp_path / "empty.spacy", tmp_path / "page.html"
    DocBin().to_disk(empty)
    for data in (empty, files.raw):
        assert lstm_ner("report", files.ner, data, page) == 1
        assert re.search(rf"L392.*{data.name}", message(capsys))
        assert not page.exists()
