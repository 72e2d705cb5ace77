"""Doubts: where a model disagrees with the annotation, the most certain first.

The model gives the exact probability of each entity of the annotation, of each span
that is none, and of the tag of each token. Doubts are sorted by the expected share of
the tokens of the span whose tags are wrong. The probability of the exact span would put
those first of which only a limit is in doubt, and annotators disagree about limits.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc, Span

from ...component.lstm_ner import LSTMNer
from ...tags import IOB_OUTSIDE, TokenSpan
from .findings import Entity, Finding, Record, Text, describe
from .opinions import Opinion, find_opinions

# A span that the annotation lacks is a doubt from this probability on, an entity up to
# 1 less this.
_LEAST = 0.1


class Doubt(NamedTuple):
    """A span whose annotation the model doubts.

    entity (Entity): The entity of the annotation; if there is none, the span that the
        model finds.
    is_annotated (bool): Whether it is an entity of the annotation.
    probability (float): Probability of exactly this span with this label.
    wrong (float): The expected share of its tokens that have another tag than in the
        annotation: the mean of their probabilities.
    other (Optional[str]): For an entity of the annotation: the most probable span that
        overlaps it, with label and probability.
    """

    entity: Entity
    is_annotated: bool
    probability: float
    wrong: float
    other: str | None = None

    def record(self) -> Record:
        """The doubt as JSON."""
        more: Record = {
            "annotated": self.is_annotated,
            "probability": self.probability,
            "wrong": self.wrong,
        }
        if self.other is not None:
            more["model"] = self.other
        return describe(self.entity, **more)


class Doubts(NamedTuple):
    """All doubts about some data.

    doubts (List[Doubt]): The doubts, by `wrong`, the highest first.
    n_skipped (int): Number of entities that the model cannot judge: they do not fit its
        tokens, or it does not know their label.
    """

    doubts: list[Doubt]
    n_skipped: int

    def finding(self, top: int) -> Finding:
        """The doubts as a finding: those that are more probably wrong than right count.

        top (int): Number of examples.
        """
        count = sum(doubt.wrong > 0.5 for doubt in self.doubts)
        examples = [doubt.record() for doubt in self.doubts[:top]]
        return Finding("doubt", count, examples)


def find_doubts(
    texts: Iterable[Text], docs: Iterable[Doc], ner: LSTMNer, *, batch_size: int
) -> Doubts:
    """Find spans of which a model doubts the annotation.

    texts (Iterable[Text]): The annotated texts, such as those of `Data.docs`.
    docs (Iterable[Doc]): The Docs of `raw_doc` for all of them, processed by the
        components before `ner`.
    ner (LSTMNer): The recognizer.
    batch_size (int): Number of Docs of a batch.
    RETURNS (Doubts): The doubts.
    """
    texts, docs = list(texts), list(docs)
    golds = [text.doc for text in texts]
    opinions = find_opinions(golds, docs, ner, batch_size=batch_size)
    return doubts_of(texts, docs, opinions)


def doubts_of(
    texts: Iterable[Text], docs: Iterable[Doc], opinions: Iterable[Opinion]
) -> Doubts:
    """The doubts that follow from opinions.

    An entity whose annotation is wrong and the span that should be in its place are one
    doubt, because overlapping spans exclude each other. Tokens without annotation are
    not doubted.

    texts (Iterable[Text]): The annotated texts.
    docs (Iterable[Doc]): Their Docs with the tokens of the models.
    opinions (Iterable[Opinion]): What the models hold of them.
    RETURNS (Doubts): The doubts.
    """
    doubts: list[Doubt] = []
    n_skipped = 0
    for (part, number, gold), doc, opinion in zip(texts, docs, opinions, strict=True):
        n_skipped += len(gold.ents) - len(opinion.entities)
        for entity in opinion.entities:
            doubts += _of_entity(Entity(part, number, _span(doc, entity)), opinion)
        free = {
            span: probability
            for span, probability in opinion.spans.items()
            if probability >= _LEAST and _is_outside(gold, doc, span)
        }
        for span in _apart(free):
            here = Entity(part, number, _span(doc, span))
            doubts.append(Doubt(here, False, free[span], _wrong(opinion, span)))
    doubts.sort(key=lambda doubt: -doubt.wrong)
    return Doubts(doubts, n_skipped)


def _span(doc: Doc, span: TokenSpan) -> Span:
    return Span(doc, span.start, span.end, span.label)


def _wrong(opinion: Opinion, span: TokenSpan) -> float:
    """The expected share of the tokens of a span whose tags are wrong."""
    return float(np.nanmean(opinion.wrong[span.start : span.end]))


def _of_entity(entity: Entity, opinion: Opinion) -> Iterator[Doubt]:
    span = entity.span
    own = TokenSpan(span.start, span.end, span.label_)
    probability = opinion.entities[own]
    if probability > 1 - _LEAST:
        return
    others = {
        each: p
        for each, p in opinion.spans.items()
        if p >= _LEAST and each.start < own.end and each.end > own.start
        if each != own
    }
    other = None
    if others:
        best = max(others, key=lambda each: others[each])
        text = span.doc[best.start : best.end].text
        other = f"{text} ({best.label}) {others[best]:.3f}"
    yield Doubt(entity, True, probability, _wrong(opinion, own), other)


def _is_outside(gold: Doc, doc: Doc, span: TokenSpan) -> bool:
    """Whether all tokens of a span are annotated as outside of entities."""
    found = doc[span.start : span.end]
    start, end = found.start_char, found.end_char
    same = gold.char_span(start, end, alignment_mode="expand")
    return same is not None and all(token.ent_iob == IOB_OUTSIDE for token in same)


def _apart(spans: dict[TokenSpan, float]) -> list[TokenSpan]:
    """The most probable of overlapping spans."""
    chosen: list[TokenSpan] = []
    for start, end, label in sorted(spans, key=lambda span: -spans[span]):
        if all(end <= each.start or each.end <= start for each in chosen):
            chosen.append(TokenSpan(start, end, label))
    return chosen
