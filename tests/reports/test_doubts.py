"""Annotation that a model doubts."""

from pathlib import Path

import pytest
import spacy
import srsly
from contract.helpers import make_example, make_nlp, trained
from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import fix_random_seed

from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.component.lstm_ner import LSTMNer
from spacy_lstm_ner.data.formats.loading import load_docs
from spacy_lstm_ner.reports.check import Data, raw_doc
from spacy_lstm_ner.reports.check.doubts import Doubts, find_doubts
from spacy_lstm_ner.reports.check.tasks import is_tasks, write_tasks

TEXT = "Ada Lovelace met New York"
RIGHT = {"Ada Lovelace": "PER", "New York": "GPE"}


@pytest.fixture(scope="module")
def nlp() -> Language:
    fix_random_seed(0)
    texts = [(TEXT, RIGHT), ("Carl left on Monday", {"Carl": "PER"})]
    return trained(make_nlp(), [make_example(make_nlp(), *each) for each in texts])


def doubts_of(nlp: Language, *golds: Doc) -> Doubts:
    (ner,) = (pipe for _, pipe in nlp.pipeline if isinstance(pipe, LSTMNer))
    data = Data({"dev": golds})
    docs = [raw_doc(doc, nlp.make_doc) for doc in golds]
    return find_doubts(data.docs(), docs, ner, batch_size=2)


def gold(nlp: Language, ents: dict[str, str]) -> Doc:
    return make_example(nlp, TEXT, ents).reference


def test_right_annotation_has_no_doubts(nlp: Language):
    assert doubts_of(nlp, gold(nlp, RIGHT)) == ([], 0)


def test_kinds_of_errors(nlp: Language):
    found, n_skipped = doubts_of(
        nlp,
        gold(nlp, RIGHT),
        gold(nlp, {"Ada Lovelace": "PER"}),
        gold(nlp, {"Lovelace": "PER", "New York": "GPE"}),
        gold(nlp, {**RIGHT, "met": "GPE"}),
        gold(nlp, {"Ada Lovelace": "GPE", "New York": "GPE"}),
    )
    assert n_skipped == 0
    by_text = {doubt.entity.number: doubt for doubt in found}
    assert sorted(by_text) == [2, 3, 4, 5]
    assert len(found) == 4
    missed, cut, invented, relabelled = (by_text[i] for i in (2, 3, 4, 5))
    assert (missed.is_annotated, missed.entity.span.text) == (False, "New York")
    assert (missed.entity.span.label_, missed.other) == ("GPE", None)
    assert missed.probability > 0.5
    assert missed.wrong > 0.9
    assert (cut.is_annotated, cut.entity.span.text) == (True, "Lovelace")
    assert cut.other is not None
    assert cut.other.startswith("Ada Lovelace (PER) 0.")
    assert cut.probability < 0.5
    # One token, which should be the second of an entity.
    (ner,) = (pipe for _, pipe in nlp.pipeline)
    marginals = PathSums(
        ner.paths([nlp.make_doc(TEXT)], ner.settings).chain
    ).marginals()
    begin = ner.tag_set.names.index("B-PER")
    assert cut.wrong == pytest.approx(1 - marginals[1, begin], rel=1e-4)
    assert (invented.entity.span.text, invented.other) == ("met", None)
    assert invented.wrong > 0.9
    assert invented.probability <= 1 - invented.wrong + 1e-6
    assert relabelled.entity.span.label_ == "GPE"
    assert "(PER)" in str(relabelled.other)
    wrong = [doubt.wrong for doubt in found]
    assert wrong == sorted(wrong, reverse=True)


def test_unknown_annotation_is_not_doubted(nlp: Language):
    doc = nlp.make_doc(TEXT)
    doc.set_ents([doc.char_span(0, 12, "PER")], default="missing")
    assert doubts_of(nlp, doc) == ([], 0)


def test_what_the_model_cannot_judge(nlp: Language):
    doc = Doc(nlp.vocab, ["New", "York", "er"], spaces=[True, False, False])
    doc.set_ents([Span(doc, 0, 2, "GPE"), Span(doc, 2, 3, "OTHER")])
    other = nlp.make_doc("Monday left")
    other.set_ents([Span(other, 0, 1, "OTHER")])
    assert doubts_of(nlp, doc, other).n_skipped == 3


def test_tokens_of_unknown_spaces_are_kept():
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, ["isn't", "x"])
    assert [t.text for t in raw_doc(doc, nlp.make_doc)] == ["isn't", "x"]
    doc = Doc(nlp.vocab, ["isn't", "x"], spaces=[True, False])
    assert [t.text for t in raw_doc(doc, nlp.make_doc)] == ["is", "n't", "x"]


def test_finding(nlp: Language):
    doubts = doubts_of(nlp, gold(nlp, {"Lovelace": "PER"}))
    finding = doubts.finding(1)
    assert finding.count == 2
    assert len(finding.examples) == 1
    (cut,) = (doubt for doubt in doubts.doubts if doubt.is_annotated)
    record = cut.record()
    assert (record["string"], record["annotated"], record["text"]) == (
        "Lovelace",
        True,
        1,
    )
    assert record["model"] == cut.other


def test_tasks_of_prodigy(nlp: Language, tmp_path: Path):
    golds = [gold(nlp, {"Lovelace": "PER"}), gold(nlp, RIGHT)]
    doubts = doubts_of(nlp, *golds).doubts
    write_tasks(path := tmp_path / "tasks.jsonl", doubts, Data({"dev": golds}))
    tasks = list(srsly.read_jsonl(path))
    assert len(tasks) == len(doubts) == 2
    ((cut, task),) = [
        (doubt, task)
        for doubt, task in zip(doubts, tasks, strict=True)
        if doubt.is_annotated
    ]
    assert task["text"] == TEXT
    assert "answer" not in task
    assert task["meta"]["annotated"] is True
    (span,) = task["spans"]
    assert (span["start"], span["end"], span["label"]) == (4, 12, "PER")
    assert span["score"] == pytest.approx(cut.probability)
    assert is_tasks(path)


def test_tasks_of_label_studio(nlp: Language, tmp_path: Path):
    """A text with two doubts is one task, to correct; `convert` reads the answer."""
    golds = [gold(nlp, RIGHT), gold(nlp, {"Lovelace": "PER"})]
    doubts = doubts_of(nlp, *golds).doubts
    write_tasks(path := tmp_path / "tasks.json", doubts, Data({"dev": golds}))
    assert is_tasks(path)
    (task,) = srsly.read_json(path)
    assert task["data"]["text"] == TEXT
    lines = task["data"]["doubts"].splitlines()
    assert len(lines) == 2
    assert any(
        line.startswith("'Lovelace' (PER) 0.0") and "Ada Lovelace (PER)" in line
        for line in lines
    )
    assert any(line.endswith(": not annotated") for line in lines)
    assert task["meta"] == {"part": "dev", "text": 2}
    (prediction,) = task["predictions"]
    (region,) = prediction["result"]
    assert region["value"]["labels"] == ["PER"]
    task["annotations"] = [{"result": prediction["result"]}]
    srsly.write_json(answered := tmp_path / "answered.json", [task])
    loaded = load_docs([answered], nlp)
    assert loaded.formats[0][1] == "label-studio"
    assert [str(ent) for ent in loaded.docs[0].ents] == ["Lovelace"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '[{"data": {"text": "x"}}]', "no"])
@pytest.mark.parametrize("name", ["other.json", "other.jsonl"])
def test_files_of_others_are_no_tasks(tmp_path: Path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    assert not is_tasks(path)
