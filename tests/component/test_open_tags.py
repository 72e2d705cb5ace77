"""Annotation that a Doc has before prediction -> the tags that it leaves open."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_lstm_ner.component.annotations import open_tags
from spacy_lstm_ner.component.settings import Settings
from spacy_lstm_ner.tags import TagSet

TAG_SET = TagSet(["geo", "per"])


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("xx").vocab


def make_doc(vocab, words: str, ents=(), **kwargs) -> Doc:
    """A Doc of blank-separated words, "_" being a white-space token."""
    doc = Doc(vocab, words=["\n" if w == "_" else w for w in words.split()], **kwargs)
    if ents:
        doc.set_ents([Span(doc, *ent) for ent in ents], default="missing")
    return doc


def test_white_space_has_no_tag(vocab):
    docs = [make_doc(vocab, "_ a _ _ b"), Doc(vocab)]
    tokens = open_tags(docs, TAG_SET, Settings(), "ner").tokens
    assert [each.tolist() for each in tokens] == [[1, 4], []]


def allowed(*docs: Doc, overwrite: bool = False) -> list[set[str]] | None:
    """The names of the tags that each taggable token may have."""
    mask = open_tags(docs, TAG_SET, Settings(overwrite=overwrite), "ner").allowed
    if mask is None:
        return None
    return [{TAG_SET.names[i] for i in np.flatnonzero(row)} for row in mask]


ANY = set(TAG_SET.names)
NOT_INSIDE = {"O", "B-geo", "B-per"}


def test_a_plain_doc_rules_nothing_out(vocab):
    assert allowed(make_doc(vocab, "a b c")) is None
    assert allowed(make_doc(vocab, "a b", sent_starts=[True, False])) is None


def test_preset_entities_are_clamped_and_closed(vocab):
    doc = make_doc(vocab, "a b c d", [(1, 3, "per")])
    assert allowed(doc) == [ANY, {"B-per"}, {"I-per"}, NOT_INSIDE]
    assert allowed(doc, overwrite=True) is None


def test_preset_entity_with_unknown_label_is_outside(vocab):
    doc = make_doc(vocab, "a b c", [(0, 2, "art")])
    assert allowed(doc) == [{"O"}, {"O"}, NOT_INSIDE]


def test_preset_entities_and_white_space(vocab):
    doc = make_doc(vocab, "a _ b _ c", [(0, 2, "per"), (3, 4, "geo")])
    assert allowed(doc) == [{"B-per"}, NOT_INSIDE, NOT_INSIDE]
    begins_on_space = make_doc(vocab, "_ a b", [(0, 2, "per")])
    assert allowed(begins_on_space) == [{"B-per"}, NOT_INSIDE]


@pytest.mark.parametrize("overwrite", [True, False])
def test_blocked_tokens_stay_outside(vocab, overwrite):
    doc = make_doc(vocab, "a b c")
    doc.set_ents([], blocked=[doc[1:2]], default="missing")
    assert allowed(doc, overwrite=overwrite) == [ANY, {"O"}, ANY]


@pytest.mark.parametrize("overwrite", [True, False])
def test_sentence_starts_are_not_crossed(vocab, overwrite):
    doc = make_doc(vocab, "a b _ c", sent_starts=[True, True, True, False])
    assert allowed(doc, overwrite=overwrite) == [ANY, NOT_INSIDE, NOT_INSIDE]
    doc = make_doc(vocab, "a b _", sent_starts=[True, False, True])
    assert allowed(doc, overwrite=overwrite) is None


def test_a_preset_entity_across_a_sentence_start_stays(vocab):
    doc = make_doc(vocab, "a b", [(0, 2, "per")], sent_starts=[True, True])
    assert allowed(doc) == [{"B-per"}, {"I-per"}]


def test_docs_of_a_batch_are_constrained_one_by_one(vocab):
    plain, preset = make_doc(vocab, "a b"), make_doc(vocab, "a b", [(0, 1, "per")])
    assert allowed(plain, preset, Doc(vocab)) == [ANY, ANY, {"B-per"}, NOT_INSIDE]
    assert allowed(plain, Doc(vocab)) is None


def test_preset_entities_of_a_batch(vocab):
    doc = make_doc(vocab, "a b c", [(0, 1, "per")])
    doc.set_ents([], blocked=[doc[2:3]], default="unmodified")
    docs = [make_doc(vocab, "a"), doc]
    plain, preset = open_tags(docs, TAG_SET, Settings(), "ner").presets
    assert plain is None
    assert [ent.text for ent in preset.entities] == ["a"]
    assert preset.own == []
    assert preset.blocked.tolist() == [False, False, True]
    assert preset.taken.tolist() == [True, False, True]
    [preset] = open_tags([doc], TAG_SET, Settings(overwrite=True), "ner").presets
    assert preset.entities == []
    assert preset.taken.tolist() == [False, False, True]
