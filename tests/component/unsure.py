"""A pipeline that is unsure of its entities, and the list of all its tag paths."""

from collections import Counter
from typing import NamedTuple

from contract.helpers import (
    make_example,
    scores_of,
)
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from spacy_lstm_ner import LSTMNer
from spacy_lstm_ner.tags import TokenSpan

# Texts whose annotators disagree: so the model learns to be unsure.
TEXT = "Ada Lovelace met New York"
OTHER = "they told Dora Paris was nice"
DISAGREEING = [
    (TEXT, {"Ada Lovelace": "PER", "New York": "GPE"}),
    (TEXT, {"Ada Lovelace": "PER", "New York": "GPE"}),
    (TEXT, {"Ada Lovelace": "PER", "met": "ORG", "York": "GPE"}),
    (TEXT, {"Lovelace": "PER", "New York": "ORG"}),
    (OTHER, {"Dora": "PER", "Paris": "GPE"}),
    (OTHER, {"Dora Paris": "PER"}),
    (OTHER, {"Dora": "PER", "Paris": "ORG"}),
    ("Carl left on Monday", {"Carl": "PER"}),
    ("Carl left on Monday", {"Carl": "PER", "Monday": "ORG"}),
    ("nothing else happened there", {}),
]
# The model is too sure for them. No text comes twice.
HELD_OUT = [
    (TEXT, {"Ada": "PER", "New York": "GPE"}),
    ("Ada Lovelace met York", {"Ada Lovelace": "PER", "York": "ORG"}),
    ("they told Ada was nice", {"Ada": "PER"}),
    (OTHER, {"Dora": "PER", "Paris": "GPE"}),
    ("they told Paris Dora was nice", {"Paris": "GPE", "Dora": "PER"}),
    ("Dora met New York", {"Dora": "ORG", "New York": "ORG"}),
    ("Carl left on Monday", {"Carl": "PER"}),
    ("Carl left Dora Paris", {"Carl": "PER", "Paris": "GPE"}),
    ("nothing else told Ada there", {"Ada": "PER"}),
    ("Monday Lovelace met York", {"Lovelace": "PER"}),
]
LABELS = ("GPE", "ORG", "PER")
# Below this, no span is listed.
MIN_LISTED = 0.01

Spans = dict[TokenSpan, float]


def examples_of(nlp: Language, data) -> list[Example]:
    return [make_example(nlp, *each) for each in data]


def pipe_of(nlp: Language) -> LSTMNer:
    return nlp.get_pipe("lstm_ner")


class Path(NamedTuple):
    """One way to tag TEXT, and its probability."""

    tags: list[str]
    spans: list[TokenSpan]
    prob: float


def given(paths: list[Path], presets=(), blocked=()) -> list[Path]:
    """The paths that agree with entities already there (of known labels, or outside)
    and with blocked tokens."""
    kept = []
    for path in paths:
        agrees = all(path.tags[i] == "O" for i in blocked)
        for preset in presets:
            if preset.label in LABELS:
                agrees &= preset in path.spans
            else:
                agrees &= set(path.tags[slice(*preset[:2])]) == {"O"}
        if agrees:
            kept.append(path)
    total = sum(path.prob for path in kept)
    return [path._replace(prob=path.prob / total) for path in kept]


def probs_of_spans(paths: list[Path]) -> Spans:
    probs: Counter[TokenSpan] = Counter()
    for path in paths:
        for span in path.spans:
            probs[span] += path.prob
    return dict(probs)


def highest_first(probs: Spans) -> Spans:
    """The most probable spans that do not overlap."""
    chosen: Spans = {}
    for span in sorted(probs, key=probs.__getitem__, reverse=True):
        if not any(span.start < o.end and o.start < span.end for o in chosen):
            chosen[span] = probs[span]
    return chosen


def scored(doc: Doc) -> Spans:
    """The spans of the group with their confidences."""
    group = doc.spans["lstm_ner"]
    spans = [TokenSpan(span.start, span.end, span.label_) for span in group]
    assert len(set(spans)) == len(spans)
    assert spans == sorted(spans, key=lambda span: span.start)
    return dict(zip(spans, scores_of(doc), strict=True))


def confidences(doc: Doc) -> Spans:
    """The entities that have a confidence."""
    return {
        TokenSpan(ent.start, ent.end, ent.label_): ent._.confidence
        for ent in doc.ents
        if ent._.confidence is not None
    }
