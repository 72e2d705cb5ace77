"""The command line: each command on tiny data, and what careless use gets."""

import re
import runpy
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_lstm_ner.cli import main
from spacy_lstm_ner.visualize import render_page

CONLL = "Sharon\tB-per\nflew\tO\nto\tO\nMiami\tI-geo\n\nNo\tO\n<b>\tB-eve&co\n"


@pytest.fixture
def conll(tmp_path: Path) -> Path:
    path = tmp_path / "train.conll"
    path.write_text(CONLL, encoding="utf8")
    return path


@pytest.fixture
def data(conll: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "new" / "train.spacy"
    assert main(["convert", str(conll), str(path)]) == 0
    capsys.readouterr()
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A pipeline that finds Sharon, and takes Miami for a person."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "per", "pattern": name} for name in ("Sharon", "Miami")]
    )
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def test_demo_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo-corpus", str(tmp_path / "a" / "demo")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"test\.conll: 500 sentences .* tokens, \d+ entities \(", out)
    assert re.search(r"\d\d% of the entities of test are no entities of train", out)
    names = sorted(path.name for path in (tmp_path / "a" / "demo").iterdir())
    assert names == ["dev.conll", "test.conll", "train.conll"]


def test_convert(conll: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "out" / "train.spacy"
    assert main(["convert", str(conll), str(conll), str(output)]) == 0
    out = capsys.readouterr().out
    assert (
        "4 sentences or documents, 12 tokens, 6 entities (per 2, geo 2, eve&co 2)"
        in out
    )
    docs = list(DocBin().from_disk(output).get_docs(spacy.blank("en").vocab))
    assert [(ent.text, ent.label_) for ent in docs[2].ents] == [
        ("Sharon", "per"),
        ("Miami", "geo"),
    ]


def test_convert_passes_the_settings_of_the_reader(tmp_path: Path):
    source = tmp_path / "words.txt"
    source.write_text("# no\nx\tU-PER\tAnn\n\nx\tO\tleft\n", encoding="utf8")
    output = tmp_path / "words.spacy"
    columns = ["--word-column", "2", "--tag-column", "1", "--separator", r"\t"]
    settings = ["--scheme", "BILUO", "--invalid", "error", "--comment", "#"]
    form = ["--docs", "document", "--limit", "1"]
    args = ["convert", str(source), str(output), *columns, *settings, *form]
    assert main(args) == 0
    (doc,) = DocBin().from_disk(output).get_docs(spacy.blank("en").vocab)
    assert [token.text for token in doc] == ["Ann", "left"]
    assert [ent.label_ for ent in doc.ents] == ["PER"]


def test_visualize(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "pages" / "page.html"
    assert main(["visualize", str(model), str(data), str(output)]) == 0
    assert "2 texts" in capsys.readouterr().out
    page = output.read_text(encoding="utf8")
    assert page.count("<tr class=") == 2
    assert main(["visualize", str(model), str(data), str(output), "--limit", "1"]) == 0
    assert output.read_text(encoding="utf8").count("<tr class=") == 1


def test_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    metrics = tmp_path / "metrics.json"
    per_type = {"per": {"p": 1.0, "r": 0.5, "f": 2 / 3}}
    scores = {"ents_p": 0.25, "ents_r": None, "ents_f": 0.5, "ents_per_type": per_type}
    srsly.write_json(metrics, scores)
    assert main(["scores", str(metrics)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["entities", "precision", "recall", "F1"],
        ["per", "100.0", "50.0", "66.7"],
        ["all", "25.0", "0.0", "50.0"],
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["convert", "{missing}", "{new}.spacy"], "L111.*missing"),
        (["convert", "{conll}", "{new}.conll"], "L201.*new.conll.*'.spacy'"),
        (["visualize", "{model}", "{missing}", "{new}.html"], "L202.*missing"),
        (["visualize", "{model}", "{conll}", "{new}.html"], "L203.*train.conll"),
        (["visualize", "{model}", "{data}", "{data}"], "L201.*'.html'"),
        (["visualize", "{missing}", "{data}", "{new}.html"], "E050.*missing"),
        (["scores", "{missing}"], "missing"),
        (["scores", "{conll}"], "error"),
        (["scores", "{model}/meta.json"], "L204.*meta.json"),
        (["demo-corpus", "{conll}"], "File exists.*train.conll"),
    ],
)
def test_careless_use_gets_a_message(
    args: list[str],
    message: str,
    tmp_path: Path,
    conll: Path,
    data: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
):
    paths = {
        "missing": tmp_path / "missing",
        "new": tmp_path / "new",
        "conll": conll,
        "data": data,
        "model": model,
    }
    before = data.read_bytes()
    assert main([arg.format(**paths) for arg in args]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert data.read_bytes() == before
    assert conll.read_text(encoding="utf8") == CONLL


@pytest.mark.parametrize(
    "args", [[], ["convert"], ["convert", "a", "b.spacy", "--docs", "c"], ["sing"]]
)
def test_wrong_arguments_exit_with_2(
    args: list[str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_info:
        main(args)
    assert exit_info.value.code == 2
    assert "usage: python -m spacy_lstm_ner" in capsys.readouterr().err


def test_module_runs_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["spacy_lstm_ner", "--help"])
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_module("spacy_lstm_ner", run_name="__main__")
    assert exit_info.value.code == 0
    assert "demo-corpus" in capsys.readouterr().out


@pytest.fixture
def example() -> Callable[..., Example]:
    vocab = spacy.blank("en").vocab

    def make(words: list[str], predicted: list[str], gold: list[str]) -> Example:
        return Example(
            Doc(vocab, words=words, ents=predicted), Doc(vocab, words=words, ents=gold)
        )

    return make


def test_page_marks_what_differs(example: Callable[..., Example]):
    same = example(["Ann", "left"], ["B-per", "O"], ["B-per", "O"])
    other = example(
        ["New", "York", "City"], ["B-geo", "I-geo", "O"], ["B-per", "O", "B-geo"]
    )
    page = render_page([same, other], title="A & B")
    assert "<title>A &amp; B</title>" in page
    agrees, differs = re.findall(r'<tr class="(?:agrees|differs)">.*?</tr>', page, re.S)
    assert agrees.count('<mark class="right"') == 2
    assert differs.count('<mark class="wrong"') == 3
    counts = re.search(r'<table class="counts">(.*?)</table>', page, re.S)
    assert counts is not None
    rows = [
        re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in counts[1].split("</tr>")
    ]
    assert rows[1:-1] == [
        ["geo", "0", "1", "1"],
        ["per", "1", "1", "0"],
        ["all", "1", "2", "1"],
    ]


def test_page_escapes_texts_and_labels(example: Callable[..., Example]):
    words = ["<script>", "&", "{bg}"]
    page = render_page([example(words, ["B-<i>{x}", "O", "O"], ["O"] * 3)], title="<t>")
    assert "<script>" not in page
    assert "<i>" not in page
    assert "<t>" not in page
    text = unescape(re.sub(r"<[^>]+>", "", page.partition("<tbody>")[2]))
    assert text.split() == [*words, *words[:1], "<i>{x}", *words[1:]]


def test_page_of_nothing():
    assert "<tbody>\n\n</tbody>" in render_page([], title="empty")
