"""How files are found and told apart, and what becomes of spans that do not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_lstm_ner.data.formats import Options, load_docs

from .helpers import NLP, entities, group, load, unknown
from .samples import lines, write


def doccano(path: Path, text: str, *spans: Any, **more: Any) -> Path:
    record = {"text": text, "label": [list(span) for span in spans], **more}
    path.write_text(lines([record]), encoding="utf8")
    return path


# Spans


def test_spans_that_do_not_fit_are_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    text = "Ann isn't in NewYork today"
    path = doccano(tmp_path / "d.jsonl", text, (0, 3, "PER"), (16, 20, "GPE"))
    (doc,) = load(path)
    assert entities(doc) == [("Ann", "PER")]
    assert unknown(doc) == ["NewYork"]
    (message,) = caplog.messages
    assert "L285" in message
    assert "1 of 2 spans" in message
    place = f"{path}, line 1"
    assert f"{place}: 'York' (GPE) in the tokens ['NewYork']" in message


def test_a_pipeline_with_other_tokens(tmp_path: Path):
    nlp = spacy.blank("en")
    nlp.tokenizer.infix_finditer = spacy.util.compile_infix_regex(["(?<=w)"]).finditer
    path = doccano(tmp_path / "d.jsonl", "NewYork", (3, 7, "GPE"))
    (doc,) = load_docs([path], nlp).docs
    assert entities(doc) == [("York", "GPE")]


def test_an_entity_beside_an_unknown_span_stays(tmp_path: Path):
    spans = [(0, 7, "A"), (3, 4, "B")]
    (doc,) = load(doccano(tmp_path / "d.jsonl", "NewYork", *spans))
    assert (entities(doc), unknown(doc)) == ([("NewYork", "A")], [])


def test_white_space_is_trimmed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    spans = [(0, 4, "PER"), (7, 11, "GPE"), (3, 4, "X")]
    (doc,) = load(doccano(tmp_path / "d.jsonl", "Ann in\nRio\n", *spans))
    assert entities(doc) == [("Ann", "PER"), ("Rio", "GPE")]
    assert not unknown(doc)
    assert "trimmed white space at the ends of 2 spans, and left out 1 " in caplog.text


def test_overlaps(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    spans = [(0, 3, "PER"), (0, 10, "ORG"), (0, 10, "ORG"), (4, 10, "GPE")]
    path = doccano(tmp_path / "d.jsonl", "Ann Lisbon", *spans)
    (doc,) = load(path, spans_key="all")
    assert entities(doc) == [("Ann Lisbon", "ORG")]
    found = [("Ann", "PER"), ("Ann Lisbon", "ORG"), ("Lisbon", "GPE")]
    assert group(doc, "all") == found
    assert "2 spans overlap a longer one" in caplog.text


def test_wrong_spans_that_do_not_fit_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    spans = [{"start": 3, "end": end, "label": "GPE"} for end in (7, 4)]
    tasks = [
        {"text": "NewYork", "spans": [s], "answer": "reject", "_is_binary": True}
        for s in spans
    ]
    path = tmp_path / "p.jsonl"
    path.write_text(lines(tasks), encoding="utf8")
    (doc,) = load(path)
    assert not doc.spans
    assert "wrong spans that do not fit the tokens: 2" in caplog.text


def test_lone_surrogates(tmp_path: Path):
    path = tmp_path / "d.jsonl"
    record = {"text": "Ann \ud83e", "label": [[0, 3, "PER"]]}
    path.write_text(json.dumps(record), encoding="utf8")
    (doc,) = load(path)
    assert (doc.text, entities(doc)) == ("Ann \ufffd", [("Ann", "PER")])


# Files


def test_relations_and_notes_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    more = {"relations": [{}, {}], "Comments": ["no"]}
    load(doccano(tmp_path / "d.jsonl", "Ann", **more))
    assert "relations: 2, comments: 1" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "seen"),
    [
        ("a.json", '[{"text": "Ann", "n": 3}]', "the fields text, n"),
        ("a.json", "[[3, 4]]", r"first record is \[3, 4\]"),
        ("a.json", "[]", r"begins with the line '\[\]'"),
        ("a.txt", "Ann met Bo.\nThey left.\n", "the line 'Ann met Bo.'"),
        ("a.txt", "", "is empty"),
    ],
)
def test_unknown_formats(name: str, content: str, seen: str, tmp_path: Path):
    path = tmp_path / name
    path.write_text(content, encoding="utf8")
    match = rf"L271.*{name}' is in none of the formats prodigy, .*{seen}.*--format"
    with pytest.raises(ValueError, match=match):
        load(path)


def test_ambiguous_formats(tmp_path: Path):
    path = doccano(tmp_path / "d.jsonl", "Ann", (0, 3, "PER"), answer="accept")
    with pytest.raises(ValueError, match=r"L272.*prodigy, doccano.*--format"):
        load(path)
    (doc,) = load(path, name="doccano")
    assert entities(doc) == [("Ann", "PER")]


def test_no_texts(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("[]", encoding="utf8")
    for name in ("prodigy", "label-studio", "gliner", "hf"):
        with pytest.raises(ValueError, match=r"L278.*a\.json"):
            load(path, name=name)


def test_json_that_is_nested_too_deeply(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('[{"a": ' * 100_000, encoding="utf8")
    with pytest.raises(ValueError, match=r"L270.*a\.json, line 1.*too deeply"):
        load(path)


def test_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Pairs of BRAT, other files in the formats, and files of something else."""
    write("brat", tmp_path)
    write("gliner", tmp_path)
    write("hf-ids", tmp_path)
    (tmp_path / "statistics.json").write_text('{"texts": 4}', encoding="utf8")
    loaded = load_docs([tmp_path], NLP)
    assert [(path.name, name) for path, name in loaded.formats] == [
        (tmp_path.name, "brat"),
        ("g.json", "gliner"),
        ("h.jsonl", "hf"),
    ]
    assert len(loaded.docs) == 6
    assert "skipped 1 files that are in none of the formats, such as sta" in caplog.text
    with pytest.raises(ValueError, match=r"L271.*statistics\.json"):
        load(tmp_path / "statistics.json")


def test_docs_of_spacy_in_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """They are read if they are alone: beside other files, they may be copies."""
    for name in ("b.spacy", "a.spacy"):
        DocBin(docs=[NLP(f"Ann saw {name}")]).to_disk(tmp_path / name)
    loaded = load_docs([tmp_path], NLP)
    assert [doc.text for doc in loaded.docs] == ["Ann saw a.spacy", "Ann saw b.spacy"]
    assert not caplog.messages
    conll = write("conll", tmp_path)
    loaded = load_docs([tmp_path], NLP)
    assert loaded.formats == [(conll, "conll")]
    (message,) = caplog.messages
    assert "L521" in message
    assert "left out 2 .spacy files, such as a.spacy" in message


def test_a_folder_with_nothing_but_files_of_something_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "scores.json").write_text('{"ents_f": 0.5}', encoding="utf8")
    with pytest.raises(ValueError, match=r"L271.*scores\.json"):
        load(tmp_path)
    DocBin(docs=[NLP("Ann left")]).to_disk(tmp_path / "dev.spacy")
    caplog.clear()
    (doc,) = load(tmp_path)
    assert doc.text == "Ann left"
    (message,) = caplog.messages
    assert "L290" in message


def test_docs_of_spacy_are_told_by_their_content(tmp_path: Path):
    for name in ("dev", "dev.bin", "dev.SPACY"):
        DocBin(docs=[NLP("Ann left")]).to_disk(tmp_path / name)
        (doc,) = load(tmp_path / name)
        assert doc.text == "Ann left"


def test_byte_order_marks_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "a.conll"
    path.write_text("Ada B-PER\n\n\ufeffBob B-PER\n", encoding="utf8")
    assert [doc.text.strip() for doc in load(path)] == ["Ada", "Bob"]
    assert caplog.text.count("removed 1 byte order marks") == 1


def test_nothing_to_read(tmp_path: Path):
    with pytest.raises(ValueError, match=r"L111.*none"):
        load(tmp_path / "none")
    with pytest.raises(ValueError, match=r"L112.*\.conll, .*\.jsonl"):
        load(tmp_path)


def test_docs_of_spacy_are_taken_as_they_are(tmp_path: Path):
    doc = NLP("Ann  left")
    doc.set_ents([], missing=[doc[0:1]], default="outside")
    doc[0].tag_ = "NNP"
    path = tmp_path / "a.spacy"
    DocBin(["TAG", "ENT_IOB"], docs=[doc]).to_disk(path)
    first, *_ = load_docs([path, write("conll", tmp_path)], NLP).docs
    assert first.text == doc.text
    assert ([t.text for t in first], unknown(first)) == ([t.text for t in doc], ["Ann"])
    assert first[0].tag_ == "NNP"
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match=r"L203.*a\.spacy"):
        load(path)


def test_options_that_a_format_does_not_use(tmp_path: Path):
    path = write("gliner", tmp_path)
    for options in (Options(layer="x"), Options(labels=path)):
        with pytest.raises(ValueError, match=r"L279.*g\.json', .* as gliner"):
            load(path, options=options)


def test_no_documents(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert len(load(write("gliner", tmp_path), join=True)) == 2
    assert "L295" in caplog.text


def test_limit(tmp_path: Path):
    paths = [write(name, tmp_path) for name in ("conll", "gliner")]
    assert [len(load_docs(paths, NLP, limit=n).docs) for n in (0, 1, 3)] == [4, 1, 3]
