"""Answers to questions with settings of their own, against the component's."""

from typing import Any

import pytest
from component.unsure import OTHER, TEXT
from contract.helpers import add_tiny, make_nlp
from spacy.language import Language

from spacy_lstm_ner.component.confidences import confidence
from spacy_lstm_ner.serve.answers import Answerer, Question, SpanQuestion

TEXTS = [TEXT, "", OTHER, " \n", "Carl left \n on Monday"]


def place(span: Any) -> tuple[int, int, str, str]:
    return span.start_char, span.end_char, span.label_, span.text


def entities_of(nlp: Language, text: str) -> dict[Any, float]:
    return {place(ent): confidence(ent) for ent in nlp(text).ents}


def group_of(nlp: Language, text: str) -> dict[Any, float]:
    doc = nlp(text)
    return {place(span): confidence(span) for span in doc.spans["lstm_ner"]}


def read(spans: list[dict[str, Any]]) -> dict[Any, float]:
    return {
        (each["start"], each["end"], each["label"], each["text"]): each["confidence"]
        for each in spans
    }


SETTINGS: list[dict[str, Any]] = [
    {},
    {"threshold": 0.6},
    {"decoding": "probability", "threshold": 0.1},
    {"candidates": True, "threshold": 0.1},
    {"decoding": "probability", "candidates": True},
]


@pytest.mark.parametrize("own", [{}, {"threshold": 0.5, "decoding": "probability"}])
def test_a_batch_of_different_settings(load, own):
    """Each question is answered as by a component with these settings."""
    nlp = load(**own)
    before = dict(nlp.get_pipe("lstm_ner").cfg)
    questions = [Question(TEXTS, **settings) for settings in SETTINGS]
    answers = Answerer(nlp)(questions)
    for settings, found in zip(SETTINGS, answers, strict=True):
        other = load(**{**own, **settings})
        for text, answer in zip(TEXTS, found, strict=True):
            expected = entities_of(other, text)
            assert read(answer["entities"]) == pytest.approx(expected, abs=2e-6)
            if "candidates" in settings:
                listed = read(answer["candidates"])
                assert not listed.keys() & expected.keys()
                both = {**listed, **expected}
                assert both == pytest.approx(group_of(other, text), abs=2e-6)
            else:
                assert "candidates" not in answer
    assert dict(nlp.get_pipe("lstm_ner").cfg) == before
    counts = {len(found[0]["entities"]) for found in answers}
    assert len(counts) > 1, "the settings make a difference"


def test_candidates_below_the_threshold(load):
    nlp = load()
    (answer,) = Answerer(nlp)([Question([TEXT], threshold=0.6, candidates=0.05)])[0]
    entities, others = read(answer["entities"]), read(answer["candidates"])
    listed = group_of(load(candidates=True, threshold=0.05), TEXT)
    assert {**entities, **others} == pytest.approx(listed, abs=2e-6)
    assert min(entities.values()) >= 0.6
    assert min(others.values()) < 0.6


def test_a_number_is_not_true(load):
    """1.0 equals True."""
    questions = [Question([TEXT], candidates=value) for value in (True, 1.0)]
    (every,), (certain,) = Answerer(load())(questions)
    assert every["candidates"]
    assert certain["candidates"] == []


def test_a_threshold_counts_for_all_labels(load):
    nlp = load(label_thresholds={"PER": 1.0})
    assert "PER" not in {ent.label_ for ent in nlp(TEXT).ents}
    ((answer,),) = Answerer(nlp)([Question([TEXT], threshold=0.0)])
    assert "PER" in {ent["label"] for ent in answer["entities"]}


def test_readings_and_tokens(load):
    nlp = load()
    text = "Ada 😀 Lovelace met New York"
    ((answer,),) = Answerer(nlp)([Question([text], n_best=3, tokens=True)])
    doc = nlp.make_doc(text)
    (analyses,) = nlp.get_pipe("lstm_ner").n_best([doc], 3)
    for reading, analysis in zip(answer["n_best"], analyses, strict=True):
        assert reading["probability"] == pytest.approx(analysis.probability, abs=2e-6)
        found = [(e["start"], e["end"], e["label"]) for e in reading["entities"]]
        spans = [doc[s.start : s.end] for s in analysis.entities]
        labels = [s.label for s in analysis.entities]
        assert found == [
            (s.start_char, s.end_char, label)
            for s, label in zip(spans, labels, strict=True)
        ]
    assert [text[start:end] for start, end in answer["tokens"]] == [
        token.text for token in doc
    ]


def test_the_probability_of_a_span(load):
    nlp = load()
    plain = Question([TEXT])
    answers = Answerer(nlp)([plain, SpanQuestion(TEXT, 5, 7), plain])
    ((answer,), (same,)) = answers[1], answers[0]
    assert answers[0] == answers[2]
    assert (answer["start"], answer["end"], answer["text"]) == (4, 12, "Lovelace")
    probs = [each["probability"] for each in answer["labels"]]
    assert probs == sorted(probs, reverse=True)
    total = sum(probs) + answer["others"] + answer["none"]
    assert total == pytest.approx(1, abs=1e-5)
    whole = next(e for e in same["entities"] if e["start"] == 0)
    (listed,) = (
        e
        for e in answer["spans"]
        if e["text"] == "Ada Lovelace" and e["label"] == whole["label"]
    )
    assert listed["probability"] == pytest.approx(whole["confidence"], abs=1e-5)


def test_components_around(unsure):
    """Those before and behind the recognizer run, and preset entities have no
    confidence."""
    nlp = make_nlp().from_bytes(unsure)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "CITY", "pattern": "York"}])
    nlp.add_pipe("merge_entities")
    ((answer,),) = Answerer(nlp)([Question([TEXT], candidates=0.01, tokens=True)])
    assert read(answer["entities"]) == pytest.approx(entities_of(nlp, TEXT), abs=2e-6)
    assert {e["text"]: e["confidence"] for e in answer["entities"]}["York"] is None
    assert len(answer["tokens"]) == len(nlp(TEXT)) < len(nlp.make_doc(TEXT))
    assert not any(each["end"] > 22 for each in answer["candidates"])


def test_long_batches_are_cut(load, monkeypatch):
    nlp = load()
    questions = [Question([text] * 3) for text in TEXTS]
    expected = Answerer(nlp)(questions)
    asked = []
    pipe = nlp.get_pipe("lstm_ner")
    paths = pipe.paths
    monkeypatch.setattr(
        pipe, "paths", lambda docs, _: asked.append(len(docs)) or paths(docs, _)
    )
    monkeypatch.setattr("spacy_lstm_ner.serve.answers.MAX_TOKENS", 12)
    found = Answerer(nlp)(questions)
    assert len(asked) > 2
    for some, others in zip(found, expected, strict=True):
        for answer, other in zip(some, others, strict=True):
            assert read(answer["entities"]) == pytest.approx(
                read(other["entities"]), abs=1e-5
            )


def test_words_leave_the_memory(load):
    nlp = load()
    answer = Answerer(nlp)
    answer([Question(["Ada met New York"])])
    before = len(nlp.vocab), len(nlp.vocab.strings)
    (found,) = answer([Question([f"Ada met unseen{i} words{i}" for i in range(500)])])
    assert len(found) == 500
    assert "unseen7" not in nlp.vocab.strings
    assert (len(nlp.vocab.strings), len(nlp.vocab)) <= (before[1] + 5, before[0] + 1100)


def test_which_recognizer(load):
    nlp = load()
    add_tiny(nlp, "late")
    with pytest.raises(ValueError, match=r"L206.*'late'"):
        Answerer(nlp)
    assert Answerer(nlp, "lstm_ner").name == "lstm_ner"
