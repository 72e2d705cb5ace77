"""Odd Docs, random annotation and tiny recognizers, for robustness.py."""

import random
from functools import cache
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans
from thinc.api import fix_random_seed

from spacy_lstm_ner import confidence

Random = random.Random
LABELS = ("geo", "per", "tim")
KEY = "lstm_ner"
# fmt: off
WORDS = [
    *("Anna", "Oslo", "met", "in", "the", "May", "2024", "a", ".", "-", "New York"),
    *("é", "e\u0301", "שלום", "東京", "\u200b", "\ufeff", "\0", "\u202e", "\U0010ffff"),
    *("ﷺ", "İ", "<PAD>", "B-geo", "👩\u200d👧", "x" * 5000, "I" * 61, "ß" * 40),
]
SPACE = [
    *(" ", "\n", "\t\r\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\x85", "\x1c"),
    "\n" * 99,
]
# fmt: on


def recognizer(rng: Random, **settings: Any) -> Language:
    """A tiny pipeline, not initialized, of random architecture."""
    nlp = spacy.blank("xx")
    char_width = rng.choice([0, 8])
    tok2vec: dict[str, Any] = {"width": 16, "attrs": ["NORM", "SHAPE"]}
    tok2vec |= {"rows": [100, 50], "char_width": char_width}
    tok2vec |= {"char_kind": rng.choice(["lstm", "cnn"])}
    model: dict[str, Any] = {
        "window": rng.choice([None, 8]),
        "overlap": 3,
        "tok2vec": tok2vec,
        "encode": {"width": 16, "depth": 1},
        "decode": {"@layers": f"spacy_lstm_ner.{rng.choice(['LogSoftmax', 'CRF'])}.v1"},
    }
    nlp.add_pipe("lstm_ner", config={"model": model, **settings})
    return nlp


@cache
def trained(seed: int, weights: int = 0) -> Language:
    """A pipeline that has learned a little. Settings are set anew by each trial.

    seed (int): Of architecture and texts.
    weights (int): Of the weights.
    """
    rng = Random(seed)
    fix_random_seed(weights)
    nlp = recognizer(rng)
    examples = [random_example(rng, nlp, LABELS) for _ in range(20)]
    for label in LABELS:
        nlp.get_pipe("lstm_ner").add_label(label)
    nlp.initialize(lambda: examples)
    sgd = nlp.create_optimizer()
    sgd.learn_rate = 0.01
    for _ in range(10):
        nlp.update(examples, sgd=sgd, drop=0.1)
    return nlp


@cache
def other_vocab() -> Any:
    return spacy.blank("xx").vocab


def random_words(rng: Random, vocab: Any) -> Doc:
    n = rng.choice([0, 1, 2, 5, 10, 30])
    words = [rng.choice(SPACE if rng.random() < 0.2 else WORDS) for _ in range(n)]
    return Doc(vocab, words=words, spaces=[rng.random() < 0.7 for _ in words])


def random_spans(rng: Random, doc: Doc, labels: tuple[str, ...], n: int) -> list[Span]:
    spans = []
    for _ in range(n if len(doc) else 0):
        start = rng.randrange(len(doc))
        end = min(len(doc), start + rng.randint(1, 3))
        ids = {"kb_id": rng.choice(["", "Q1"]), "span_id": rng.choice(["", "id"])}
        spans.append(Span(doc, start, end, label=rng.choice(labels), **ids))
    return spans


def random_doc(rng: Random, vocab: Any) -> Doc:
    """A Doc with odd words, and perhaps sentences, entities and span groups."""
    doc = random_words(rng, vocab)
    if rng.random() < 0.4:
        for token in doc:
            token.is_sent_start = rng.choice([True, False, None])
    if rng.random() < 0.4:
        annotate(rng, doc, (*LABELS, "unknown"))
    if rng.random() < 0.2:
        doc.spans[rng.choice([KEY, "other"])] = random_spans(rng, doc, LABELS, 3)
    return doc


def annotate(rng: Random, doc: Doc, labels: tuple[str, ...]) -> None:
    """Entities, blocked tokens and missing annotation."""
    spans = filter_spans(random_spans(rng, doc, labels, rng.randint(0, 4)))
    marked: dict[str, list[Span]] = {"": [], "blocked": [], "missing": []}
    for span in spans:
        marked[rng.choice(["", "", "", "blocked", "missing"])].append(span)
    default = rng.choice(["outside", "missing"])
    doc.set_ents(marked.pop(""), **marked, default=default)


def random_example(rng: Random, nlp: Language, labels: tuple[str, ...]) -> Example:
    """Words that may be tokenized differently on the two sides."""
    reference = random_words(rng, nlp.vocab)
    if rng.random() < 0.9:
        annotate(rng, reference, labels)
    if rng.random() < 0.2:
        reference.spans["wrong"] = random_spans(rng, reference, labels, 2)
    if rng.random() < 0.3:
        return Example(nlp.make_doc(reference.text), reference)
    words, spaces = (
        [t.text for t in reference],
        [bool(t.whitespace_) for t in reference],
    )
    predicted = Doc(nlp.vocab, words=words, spaces=spaces)
    for token in predicted:
        token.is_sent_start = rng.choice([True, None]) if rng.random() < 0.1 else None
    return Example(predicted, reference)


Spans = list[tuple[Any, ...]]


def entities(doc: Doc) -> Spans:
    return [(e.start, e.end, e.label_, e.kb_id_, e.id_) for e in doc.ents]


def scored(doc: Doc) -> dict[tuple[int, int, str], float]:
    """The confidences of the group by characters and label; those of entities that are
    not predicted are left out."""
    group = doc.spans.get(KEY, [])
    found = {(s.start_char, s.end_char, s.label_): confidence(s) for s in group}
    return {span: score for span, score in found.items() if score is not None}


def same(some: dict[Any, float], others: dict[Any, float], tolerance: float) -> bool:
    return some.keys() == others.keys() and all(
        abs(score - others[span]) <= tolerance for span, score in some.items()
    )
