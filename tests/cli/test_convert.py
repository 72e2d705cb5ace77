"""The command that converts annotation between formats."""

import json
import os
import re
from pathlib import Path
from threading import Thread

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .helpers import DEV, TEXTS, Files, lstm_ner, message

RECORD = {"id": 1, "text": "Ann isn't in Rio", "label": [[0, 3, "PER"], [13, 16, "X"]]}


@pytest.fixture
def doccano(tmp_path: Path) -> Path:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(RECORD), encoding="utf8")
    return path


def docs_in(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def test_formats_are_found_out(
    doccano: Path, conll: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "out.spacy"
    assert lstm_ner("convert", conll, doccano, conll, output) == 0
    out = capsys.readouterr().out
    assert f"read {conll} and 1 other files as conll\n" in out
    assert f"read {doccano} as doccano\n" in out
    assert "5 sentences or documents" in out
    assert [len(doc.ents) for doc in docs_in(output)] == [2, 1, 2, 2, 1]


def test_texts_are_tokenized_by_a_language_or_a_pipeline(
    doccano: Path, files: Files, tmp_path: Path
):
    words = {}
    for name, args in {
        "en": [],
        "de": ["--lang", "de"],
        "model": ["--model", files.plain],  # the language xx
    }.items():
        output = tmp_path / f"{name}.spacy"
        assert lstm_ner("convert", doccano, output, *args) == 0
        words[name] = [token.text for token in docs_in(output)[0]]
    assert words["en"] == ["Ann", "is", "n't", "in", "Rio"]
    assert words["de"] == words["model"] == ["Ann", "isn't", "in", "Rio"]


def test_annotators_are_told(
    doccano: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = tmp_path / "al.jsonl"
    other.write_text(json.dumps({**RECORD, "label": [[0, 3, "PER"]]}), encoding="utf8")
    output = tmp_path / "out.spacy"
    assert lstm_ner("convert", doccano, other, output) == 0
    out = capsys.readouterr().out
    assert "merged 1 further annotations of the same texts, by al, d: " in out
    assert "1 tokens without annotation" in out
    assert lstm_ner("convert", doccano, other, output, "--annotator", "d") == 0
    assert "merged" not in (out := capsys.readouterr().out)
    assert "2 entities (PER 1, X 1)" in out


def test_names_of_span_groups(tmp_path: Path):
    spans = [{"start": s, "end": e, "label": "X"} for s, e in ((0, 3), (0, 7))]
    tasks = [
        {"text": "Ann Lee", "spans": spans, "answer": "accept"},
        {"text": "Lee", "spans": spans[:1], "answer": "reject", "_is_binary": True},
    ]
    srsly.write_jsonl(source := tmp_path / "p.jsonl", tasks)
    output = tmp_path / "out.spacy"
    keys = ["--spans-key", "all", "--incorrect-spans-key", "no"]
    assert lstm_ner("convert", source, output, *keys) == 0
    first, second = docs_in(output)
    assert [span.text for span in first.spans["all"]] == ["Ann", "Ann Lee"]
    assert [span.text for span in second.spans["no"]] == ["Lee"]


def test_documents_and_names_of_columns(tmp_path: Path):
    head = "# global.columns = ID FORM A:NER B:NER\n"
    source = tmp_path / "c.conllup"
    source.write_text(f"{head}1\tAnn\tB-A\tB-B\n\n1\tRio\tO\tB-B\n", encoding="utf8")
    output = tmp_path / "out.spacy"
    args = ["--layer", "B:NER", "--docs", "document", "--limit", "1"]
    assert lstm_ner("convert", source, output, *args) == 0
    (doc,) = docs_in(output)
    assert [ent.label_ for ent in doc.ents] == ["B", "B"]
    assert len(list(doc.sents)) == 2


def test_names_of_tags(tmp_path: Path):
    source, names = tmp_path / "h.jsonl", tmp_path / "names.txt"
    srsly.write_jsonl(source, [{"tokens": ["Ann", "left"], "ner_tags": [1, 0]}])
    names.write_text("O\nB-PER\n", encoding="utf8")
    output = tmp_path / "out.spacy"
    assert lstm_ner("convert", source, output, "--labels", names) == 0
    assert [ent.label_ for ent in docs_in(output)[0].ents] == ["PER"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("prodigy", "o.jsonl"),
        ("doccano", "o.ndjson"),
        ("label-studio", "o.json"),
        ("conll", "o.iob"),
    ],
)
def test_there_and_back(name: str, file: str, files: Files, tmp_path: Path):
    written, back = tmp_path / file, tmp_path / "back.spacy"
    assert lstm_ner("convert", files.dev, written, "--to", name) == 0
    assert lstm_ner("convert", written, back, "--format", name) == 0
    found = [{ent.text: ent.label_ for ent in doc.ents} for doc in docs_in(back)]
    assert found == [ents for _, ents in DEV]


def test_files_that_people_edit_stay(
    doccano: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "tasks.json"
    args = ["convert", doccano, output, "--to", "label-studio"]
    assert lstm_ner(*args) == 0
    before = output.read_bytes()
    assert lstm_ner(*args) == 1
    assert re.search(r"L217.*tasks\.json.*--force", message(capsys))
    assert lstm_ner(*args, "--force") == 0
    assert output.read_bytes() == before


def test_predictions_become_tasks(files: Files, tmp_path: Path):
    nlp = spacy.load(files.ner)
    docs = list(nlp.pipe(text for text in ["nothing", *TEXTS]))
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "predicted.spacy")
    output = tmp_path / "tasks.json"
    args = ["convert", tmp_path / "predicted.spacy", output, "--to", "label-studio"]
    assert lstm_ner(*args) == 0
    tasks = json.loads(output.read_text(encoding="utf8"))
    scores = [
        [result["score"] for result in task["predictions"][0]["result"]]
        for task in tasks
    ]
    assert scores == [[ent._.confidence for ent in doc.ents] for doc in docs]
    assert any(scores)
    assert not all(scores)  # a text without entities is no annotation either
    assert all("annotations" not in task for task in tasks)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("{doccano} {new}.spacy --format conll", "L125.*d.jsonl"),
        ("{doccano} {new}.spacy --tag-column 1", "L125.*d.jsonl"),
        ("{doccano} {new}.spacy --tag-column 1 --format hf", "L279.*--tag-column.* hf"),
        ("{doccano} {new}.spacy --layer x", "L279.*--layer.*d.jsonl.*doccano"),
        ("{doccano} {new}.jsonl", "L201.*'.spacy'"),
        ("{doccano} {new}.spacy --to prodigy", "L201.*'.jsonl' or '.ndjson'"),
        ("{doccano} {doccano} --to doccano", "L213.*d.jsonl"),
        ("{doccano} {new}.spacy --annotator bo", r"L281.*'bo'.*\['d'\]"),
    ],
)
def test_careless_use_gets_a_message(
    args: str,
    expected: str,
    doccano: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    paths = {"doccano": doccano, "new": tmp_path / "new"}
    assert lstm_ner("convert", *args.format(**paths).split()) == 1
    assert re.search(expected, message(capsys))
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize("content", ["conll", "jsonl"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """As of `zcat train.conll.gz | ... convert /dev/stdin`: a pipe is read once."""
    text = {
        "conll": "Ada B-PER\nleft O\n\nBob B-PER\n",
        "jsonl": '{"text": "Ada left", "label": [[0, 3, "PER"]]}\n' * 2,
    }[content]
    pipe, output = tmp_path / "pipe", tmp_path / "out.spacy"
    os.mkfifo(pipe)
    for command in (["convert", pipe, output], ["check", pipe]):
        writer = Thread(target=pipe.write_text, args=[text], daemon=True)
        writer.start()
        assert lstm_ner(*command) == 0, capsys.readouterr().err
        writer.join(10)
    first, second = docs_in(output)
    assert [ent.text for ent in first.ents] == ["Ada"]
    assert len(second.ents) == 1
