"""Warnings at initialization: data and settings that do not go together."""

import warnings

import numpy as np
import pytest
import spacy
from contract.helpers import make_nlp
from spacy.tokens import Doc, Span
from spacy.training import Example

WORDS = ["Ada", "met", "Bob", "Lee"]


def example(nlp, ents=((0, 1),), default="outside", **groups):
    doc = Doc(nlp.vocab, words=WORDS)
    reference = doc.copy()
    spans = [Span(reference, *ent, label="per") for ent in ents]
    reference.set_ents(spans, default=default)
    for key, group in groups.items():
        reference.spans[key] = [Span(reference, *ent, label="per") for ent in group]
    return Example(doc, reference)


def messages(nlp, *examples):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp.initialize(lambda: list(examples))
    return [str(each.message) for each in caught]


def test_no_token_is_known_to_be_outside():
    """The model would learn that all tokens are in entities."""
    nlp = make_nlp()
    open_ = example(nlp, default="missing")
    (message,) = messages(nlp, open_, open_)
    assert "[L516]" in message
    assert "2 entities, 6 tokens" in message
    assert not messages(nlp, open_, example(nlp))
    assert not messages(nlp, example(nlp, [(0, 4)], default="missing"))
    assert not messages(nlp, example(nlp, [], default="missing"), example(nlp))
    assert not messages(make_nlp(entity_ratio=[0.1, 0.3]), open_)


def test_the_labels_come_from_a_file():
    """Then the first texts are read, and more if none of their tokens is outside."""
    nlp = make_nlp()
    nlp.config["initialize"]["components"] = {"lstm_ner": {"labels": ["per"]}}
    open_ = example(nlp, default="missing")
    (message,) = messages(nlp, *[open_] * 1200)
    assert "[L516]" in message
    assert "1200 entities, 3600 tokens" in message
    assert not messages(nlp, *[open_] * 1200, example(nlp))
    wrong = example(nlp, incorrect_spans=[(1, 2)])
    (message,) = messages(nlp, example(nlp), wrong)
    assert "[L517] 1 training texts" in message
    read = 0

    def many():
        nonlocal read
        for _ in range(5000):
            read += 1
            yield example(nlp)

    nlp.get_pipe("lstm_ner").initialize(many, labels=["per"])
    assert read < 5000 + 1100, "spaCy checks all for their type"


@pytest.mark.parametrize("key", [None, "incorect_spans"])
def test_wrong_spans_that_are_not_used(key):
    nlp = make_nlp(incorrect_spans_key=key)
    wrong = example(nlp, incorrect_spans=[(1, 2)])
    (message,) = messages(nlp, wrong, example(nlp, incorrect_spans=[]))
    assert "[L517] 1 training texts have spans in the group" in message
    assert f"incorrect_spans_key = {key!r}" in message


@pytest.mark.parametrize("key", ["incorrect_spans", "mine"])
def test_wrong_spans_that_are_used(key):
    nlp = make_nlp(incorrect_spans_key=key)
    groups = {"incorrect_spans": [(1, 2)], "mine": [(1, 2)], "sc": [(0, 4)]}
    assert not messages(nlp, example(nlp, **groups))
    assert not messages(make_nlp(), example(nlp, sc=[(0, 4)]))


def test_vectors_that_nobody_reads(tmp_path):
    """`spacy init config --optimize accuracy` names some, for spaCy's own models."""
    source = spacy.blank("xx")
    for word in WORDS:
        source.vocab.set_vector(word, np.ones(5, dtype="f"))
    source.to_disk(tmp_path)
    nlp = make_nlp()
    nlp.config["initialize"]["vectors"] = str(tmp_path)
    (message,) = messages(nlp, example(nlp))
    assert "[L518]" in message
    assert str(tmp_path) in message
    readers = spacy.blank("xx")
    readers.config["initialize"]["vectors"] = str(tmp_path)
    embed = {
        "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
        "width": 8,
        "attrs": [],
        "rows": [],
        "include_static_vectors": True,
    }
    readers.add_pipe("lstm_ner", config={"model": {"tok2vec": embed}})
    assert not messages(readers, example(readers))
