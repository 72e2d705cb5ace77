"""Predicted spans -> `Doc.ents` and the span group of confidences."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_lstm_ner import confidence
from spacy_lstm_ner.component import annotations
from spacy_lstm_ner.component.annotations import ScoredSpan, open_tags
from spacy_lstm_ner.component.confidences import has_confidences
from spacy_lstm_ner.component.settings import Settings
from spacy_lstm_ner.tags import TagSet, TokenSpan

from .unsure import TEXT


def scored(start, end, label, confidence, is_entity=True):
    return ScoredSpan(TokenSpan(start, end, label), confidence, is_entity)


def set_entities(doc, spans, *, overwrite, spans_key):
    settings = Settings(overwrite=overwrite, spans_key=spans_key)
    annotations.set_entities([doc], [spans], settings, "ner")


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("xx").vocab


def make_doc(vocab, words: str, ents=(), **kwargs) -> Doc:
    """A Doc of blank-separated words, "_" being a white-space token."""
    doc = Doc(vocab, words=["\n" if w == "_" else w for w in words.split()], **kwargs)
    if ents:
        doc.set_ents([Span(doc, *ent) for ent in ents], default="missing")
    return doc


def ents_of(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_set_entities_annotates_every_token(vocab):
    doc = make_doc(vocab, "a b c d")
    spans = [scored(0, 1, "per", 0.75), scored(1, 3, "per", 0.5)]
    set_entities(doc, spans, overwrite=False, spans_key="k")
    assert [token.ent_iob_ for token in doc] == ["B", "B", "I", "O"]
    assert doc.spans["k"].attrs["scores"].tolist() == [0.75, 0.5]
    assert [confidence(ent) for ent in doc.ents] == [0.75, 0.5]
    assert confidence(doc[0:2]) is None
    assert confidence(Span(doc, 0, 1, "geo")) is None


def test_set_entities_keeps_what_is_there(vocab):
    doc = make_doc(vocab, "a b c d")
    doc.set_ents(
        [Span(doc, 1, 2, "geo", kb_id="Q1", span_id="id1")],
        blocked=[doc[2:3]],
        default="missing",
    )
    spans = [scored(i, i + 1, "per", 0.9) for i in range(4)]
    set_entities(doc, spans, overwrite=False, spans_key="k")
    assert ents_of(doc) == [(0, 1, "per"), (1, 2, "geo"), (3, 4, "per")]
    assert (doc.ents[1].kb_id_, doc.ents[1].id_) == ("Q1", "id1")
    assert [confidence(ent) is None for ent in doc.ents] == [False, True, False]
    assert (doc[2].ent_iob_, doc[2].ent_type_) == ("B", "")


def test_set_entities_overwrites_all_but_blocked_tokens(vocab):
    doc = make_doc(vocab, "a b c d")
    doc.set_ents(
        [Span(doc, 0, 2, "geo", kb_id="Q1", span_id="id1")],
        blocked=[doc[2:3]],
        default="missing",
    )
    spans = [scored(1, 2, "per", 0.9), scored(2, 3, "per", 0.9)]
    set_entities(doc, spans, overwrite=True, spans_key="k")
    assert ents_of(doc) == [(1, 2, "per")]
    assert (doc.ents[0].kb_id_, doc.ents[0].id_) == ("", "")
    assert [token.ent_iob_ for token in doc] == ["O", "B", "B", "O"]


def test_confidence_survives_a_second_run_and_storage(vocab):
    doc = make_doc(vocab, "a b c d")
    set_entities(
        doc,
        [scored(0, 1, "per", 0.75)],
        overwrite=False,
        spans_key="k",
    )
    set_entities(
        doc,
        [scored(2, 4, "geo", 0.25)],
        overwrite=False,
        spans_key="k",
    )
    copies = [
        doc,
        Doc(vocab).from_bytes(doc.to_bytes()),
        *DocBin(docs=[doc], store_user_data=True).get_docs(vocab),
    ]
    for each in copies:
        assert ents_of(each) == [(0, 1, "per"), (2, 4, "geo")]
        assert [confidence(ent) for ent in each.ents] == [0.75, 0.25]
        assert [span.label_ for span in each.spans["k"]] == ["per", "geo"]


def test_scores_of_other_components_are_no_confidence(vocab):
    doc = make_doc(vocab, "a b")
    span = Span(doc, 0, 1, "per")
    doc.spans["sc"] = [span]
    doc.spans["sc"].attrs["scores"] = np.array([0.5])
    assert confidence(span) is None


CANDIDATES = [
    scored(0, 1, "geo", 0.25, is_entity=False),
    scored(0, 2, "per", 0.5),
    scored(1, 3, "per", 0.125, is_entity=False),
    scored(3, 4, "geo", 0.375, is_entity=False),
]


def rows(spans):
    return [(*each.span, each.confidence) for each in spans]


def group_of(doc: Doc, key: str = "k") -> list[tuple[int, int, str, float]]:
    group = doc.spans[key]
    scores = group.attrs["scores"].tolist()
    return [
        (span.start, span.end, span.label_, score)
        for span, score in zip(group, scores, strict=True)
    ]


def test_candidates_are_no_entities(vocab):
    doc = make_doc(vocab, "a b c d")
    set_entities(doc, CANDIDATES, overwrite=False, spans_key="k")
    assert ents_of(doc) == [(0, 2, "per")]
    assert [token.ent_iob_ for token in doc] == ["B", "I", "O", "O"]
    assert group_of(doc) == rows(CANDIDATES)
    assert confidence(Span(doc, 1, 3, "per")) == 0.125
    assert confidence(Span(doc, 0, 2, "geo")) is None


@pytest.mark.parametrize("overwrite", [False, True])
def test_candidates_beside_entities_already_there(vocab, overwrite):
    doc = make_doc(vocab, "a b c d", [(2, 3, "geo")])
    set_entities(doc, CANDIDATES, overwrite=overwrite, spans_key="k")
    left = [each for each in CANDIDATES if overwrite or each.span.start != 1]
    assert group_of(doc) == rows(left)
    assert ents_of(doc) == [(0, 2, "per")] + [(2, 3, "geo")] * (not overwrite)
    assert [token.ent_iob_ for token in doc][3] == "O"


def test_candidates_beside_blocked_tokens(vocab):
    doc = make_doc(vocab, "a b c d")
    doc.set_ents([], blocked=[doc[3:4]], default="missing")
    set_entities(doc, CANDIDATES, overwrite=True, spans_key="k")
    assert group_of(doc) == rows(CANDIDATES[:3])


def test_which_groups_have_confidences(vocab):
    doc = make_doc(vocab, "a b c d")
    set_entities(doc, CANDIDATES, overwrite=False, spans_key="k")
    set_entities(doc, [], overwrite=False, spans_key="nothing")
    doc.spans["other"] = [doc[0:1]]
    doc.spans["other"].attrs["scores"] = np.array([0.5])
    for each in (doc, Doc(vocab).from_bytes(doc.to_bytes())):
        found = {key: has_confidences(group) for key, group in each.spans.items()}
        assert found == {"k": True, "nothing": True, "other": False}


def test_entities_of_an_earlier_run_stay_but_are_not_evidence(vocab):
    doc = make_doc(vocab, "a b c", [(1, 2, "geo")])
    set_entities(doc, [scored(0, 1, "per", 0.75)], overwrite=False, spans_key="k")
    for component, n_evidence in (("ner", 1), ("other", 2)):
        settings = Settings(spans_key="k")
        [preset] = open_tags([doc], TagSet([]), settings, component).presets
        assert len(preset.entities) == n_evidence
        assert preset.taken.tolist() == [True, True, False]
    set_entities(doc, [scored(0, 3, "per", 0.5)], overwrite=False, spans_key="k")
    assert ents_of(doc) == [(0, 1, "per"), (1, 2, "geo")]
    assert group_of(doc) == [(0, 1, "per", 0.75)]


def test_a_second_run_keeps_candidates_beside_entities(shared):
    """Those that overlap an entity of the first run, too."""
    nlp = shared(candidates=True, threshold=0.01)
    doc = nlp(TEXT)
    first, ents = group_of(doc, "lstm_ner"), ents_of(doc)
    others = [span for span in spans_over(doc, doc.ents) if span not in ents]
    assert others
    assert group_of(nlp(doc), "lstm_ner") == first
    assert ents_of(doc) == ents


def test_another_model_finds_candidates_beside_entities_of_an_earlier_run(vocab):
    doc = make_doc(vocab, "a b c d", [(3, 4, "geo")])
    set_entities(doc, [scored(0, 1, "per", 0.75)], overwrite=False, spans_key="k")
    again = [scored(0, 2, "per", 0.5), scored(2, 4, "per", 0.5)]
    settings = Settings(spans_key="k", candidates=True)
    annotations.set_entities([doc], [again], settings, "ner")
    assert ents_of(doc) == [(0, 1, "per"), (3, 4, "geo")]
    assert group_of(doc) == [(0, 1, "per", 0.75), (0, 2, "per", 0.5)]


def spans_over(doc, ents):
    """The spans of the group that overlap entities."""
    return [
        (span.start, span.end, span.label_)
        for span in doc.spans["lstm_ner"]
        if any(span.start < ent.end and ent.start < span.end for ent in ents)
    ]
