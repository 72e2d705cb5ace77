"""Reading what was written gives what was there."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_lstm_ner.component.confidences import Prediction, score_spans
from spacy_lstm_ner.data.formats.writing import ENDINGS, write_docs

from .helpers import NLP, entities, group, load, offsets, unknown

WRITTEN = [name for name in ENDINGS if name != "spacy"]


def rewritten(docs: list[Doc], name: str) -> list[Doc]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out{next(iter(ENDINGS[name]))}"
        write_docs(docs, path, name)
        return load(path, name=name)


def annotated(text: str, *ents: tuple[int, int, str], **more: Any) -> Doc:
    doc = NLP(text)
    spans = [Span(doc, *ent) for ent in ents]
    doc.set_ents(spans, **{"default": "outside", **more})
    return doc


WORDS = ["Ann", "x-ray", "isn't", "\U0001f30d", "(Rio)", "3", "a.b", "Zoë", '"', "\\"]
SPACES = [" ", "  ", "\n", ""]


@st.composite
def docs_of(draw: st.DrawFn) -> Doc:
    """A Doc with some entities, annotated completely, in part or not at all."""
    pairs = st.tuples(st.sampled_from(WORDS), st.sampled_from(SPACES))
    text = "".join(map("".join, draw(st.lists(pairs, max_size=8))))
    doc = NLP(f"{draw(st.sampled_from(SPACES))}{text}")
    words = [token.i for token in doc if not token.is_space]
    ents, end = [], 0
    while words and draw(st.booleans()):
        start, stop = sorted(draw(st.tuples(*[st.sampled_from(words)] * 2)))
        if start >= end:
            label = draw(st.sampled_from(["PER", "A-B", "é"]))
            ents.append(Span(doc, start, stop + 1, label=label))
            end = stop + 1
    doc.set_ents(ents, default=draw(st.sampled_from(["outside", "missing"])))
    return doc


@pytest.mark.parametrize("name", ["prodigy", "doccano", "label-studio"])
@settings(max_examples=30)
@given(docs=st.lists(docs_of(), min_size=1, max_size=3, unique_by=lambda d: d.text))
def test_texts_come_back(name: str, docs: list[Doc]):
    found = rewritten(docs, name)
    assert [doc.text for doc in found] == [doc.text for doc in docs]
    assert [[t.text for t in d] for d in found] == [[t.text for t in d] for d in docs]
    assert [offsets(doc) for doc in found] == [offsets(doc) for doc in docs]
    assert [unknown(doc) for doc in found] == [unknown(doc) for doc in docs]


def as_columns(doc: Doc) -> list[tuple[str, int, str]]:
    return [(t.text, t.ent_iob, t.ent_type_) for t in doc if not t.is_space]


@settings(max_examples=20)
@given(docs=st.lists(docs_of(), max_size=3))
def test_tokens_come_back_from_columns(docs: list[Doc]):
    # A file without letters is refused by the reader: are its words words?
    docs = [*docs, annotated("Ann met Bo", (0, 1, "PER"))]
    expected = [columns for doc in docs if (columns := as_columns(doc))]
    assert [as_columns(doc) for doc in rewritten(docs, "conll")] == expected


def test_white_space_at_the_ends_of_entities_is_left_out_of_columns(tmp_path: Path):
    doc = Doc(NLP.vocab, words=["in", "\n", "New", "York", "\n", "now"])
    doc.set_ents([Span(doc, 1, 5, label="GPE")])
    write_docs([doc], tmp_path / "out.conll", "conll")
    lines = (tmp_path / "out.conll").read_text("utf8").split()
    assert lines == ["in", "O", "New", "B-GPE", "York", "I-GPE", "now", "O"]


def test_partial_annotation_comes_back():
    doc = annotated("Ann met Bo in Rio", (0, 1, "PER"), default="missing")
    doc.spans["incorrect_spans"] = [Span(doc, 2, 3, label="GPE")]
    wrong = annotated("Ann left", default="missing")
    wrong.spans["incorrect_spans"] = [Span(wrong, 0, 1, label="GPE")]
    nothing = annotated("No", default="missing")
    found = rewritten([doc, wrong, nothing], "prodigy")
    assert [entities(d) for d in found] == [[("Ann", "PER")], [], []]
    assert [group(d, "incorrect_spans") for d in found] == [
        [("Bo", "GPE")],
        [("Ann", "GPE")],
        [],
    ]
    assert [len(unknown(d)) for d in found] == [4, 2, 1]


@pytest.mark.parametrize("name", ["prodigy", "doccano", "label-studio"])
def test_overlaps_come_back(name: str):
    doc = annotated("Ann Lee left", (0, 2, "PER"))
    doc.spans["sc"] = [Span(doc, 0, 2, label="PER"), Span(doc, 0, 1, label="NAME")]
    (found,) = rewritten([doc], name)
    assert entities(found) == [("Ann Lee", "PER")]
    assert sorted(group(found, "sc")) == [("Ann", "NAME"), ("Ann Lee", "PER")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("prodigy", ["1 texts are annotated in part, and prodigy"]),
        ("doccano", ["1 texts are annotated in part, and doccano", "L292.*1 spans"]),
        ("label-studio", ["1 texts are annotated in part", "L292.*1 spans"]),
        ("conll", ["L292.*1 spans", "L294.*1 overlapping spans of the group 'sc'"]),
        ("conll", [r"L293.*2 tokens of white space and 1 texts"]),
    ],
)
def test_losses_are_told(name: str, told: list[str], caplog: pytest.LogCaptureFixture):
    doc = annotated("Ann met\nBo", (0, 1, "PER"))
    doc.set_ents(doc.ents, missing=[doc[3:4]], default="outside")
    doc.spans["sc"] = [*doc.ents, Span(doc, 0, 2, label="X")]
    doc.spans["incorrect_spans"] = [Span(doc, 1, 2, label="X")]
    rewritten([doc, annotated("\n")], name)
    for message in told:
        assert any(re.search(message, m) for m in caplog.messages), message


def predicted() -> Doc:
    doc = annotated("Ann met Bo", (0, 1, "PER"), (2, 3, "PER"))
    scores = zip(doc.ents, (0.5, 0.25), strict=True)
    pairs = [(ent, Prediction(score, "lstm_ner")) for ent, score in scores]
    doc.spans["lstm_ner"] = score_spans(doc, "lstm_ner", pairs)
    return doc


def test_predictions_have_their_scores(tmp_path: Path):
    """Also after they were saved."""
    DocBin(docs=[predicted()]).to_disk(tmp_path / "a.spacy")
    docs = [*load(tmp_path / "a.spacy"), annotated("No")]
    write_docs(docs, path := tmp_path / "a.json", "label-studio")
    task, other = json.loads(path.read_text(encoding="utf8"))
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.25
    assert [result["score"] for result in prediction["result"]] == [0.5, 0.25]
    assert prediction["result"][0]["value"] == {
        "start": 0,
        "end": 3,
        "text": "Ann",
        "labels": ["PER"],
    }
    assert "annotations" not in task
    assert other["annotations"] == [{"result": []}]
    write_docs(docs, path := tmp_path / "a.jsonl", "prodigy")
    task, other = srsly.read_jsonl(path)
    assert [span["score"] for span in task["spans"]] == [0.5, 0.25]
    assert ("answer" in task, other["answer"]) == (False, "accept")


@pytest.mark.parametrize(
    ("words", "label", "meaning"),
    [
        (["-DOCSTART-"], "X", "the start of a document"),
        (["a\tb"], "X", "several columns"),
        (["a", "b\nc"], "X", "several columns or lines"),
        ([" a"], "X", "another token"),
        (["a"], "X ", "another tag"),
        (["a"], "X,B-Y", "another tag"),
    ],
)
def test_tokens_that_columns_cannot_hold(
    words: list[str], label: str, meaning: str, tmp_path: Path
):
    doc = Doc(NLP.vocab, words=words)
    doc.set_ents([Span(doc, 0, 1, label=label)])
    with pytest.raises(ValueError, match=rf"L283.*of text 2, .*{meaning}"):
        write_docs([NLP("a"), doc], tmp_path / "a.conll", "conll")
    assert not (tmp_path / "a.conll").exists()
