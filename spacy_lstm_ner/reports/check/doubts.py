"""Doubts: where a model disagrees with the annotation, the most certain first.

The model gives the exact probability of each entity of the annotation, and of each span
that is none. An entity that it holds for improbable, or a span that it is sure of and
the annotation lacks, is often an error of annotation, if the model has not learned from
this text. Doubts are sorted by the probability of what the model finds instead: the
probability of the entity itself is tiny for each long one, whether it is right or not.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc, Span
from spacy.util import minibatch

from ...chains.linear_chain import Spans
from ...chains.log_space import to_numpy
from ...chains.path_sums import PathSums
from ...component.annotations import ScoredSpan
from ...component.doc_paths import DocPaths
from ...component.gold import IOB_OUTSIDE
from ...component.lstm_ner import LSTMNer
from ...tags import TagSet, TokenSpan
from .findings import Entity, Finding, Record, Text, describe

# A span that the annotation lacks is a doubt from this probability on, an entity up to
# 1 less this.
_LEAST = 0.1
# Log-odds are of probabilities not closer to 0 or 1.
_ALMOST_0 = 1e-12


class Doubt(NamedTuple):
    """A span whose annotation the model doubts.

    entity (Entity): The entity of the annotation; if there is none, the span that the
        model finds.
    is_annotated (bool): Whether it is an entity of the annotation.
    probability (float): Probability of exactly this span with this label.
    log_odds (float): How sure the model is of something else here: the log-odds, in
        nats, of the span; for an entity of the annotation, those of the most probable
        span that overlaps it, or of no entity here, whichever is larger.
    other (Optional[str]): For an entity of the annotation: the most probable span that
        overlaps it, with label and probability.
    """

    entity: Entity
    is_annotated: bool
    probability: float
    log_odds: float
    other: str | None = None

    def record(self) -> Record:
        """The doubt as JSON."""
        more: Record = {
            "annotated": self.is_annotated,
            "probability": self.probability,
            "log_odds": self.log_odds,
        }
        if self.other is not None:
            more["model"] = self.other
        return describe(self.entity, **more)


class Doubts(NamedTuple):
    """All doubts about some data.

    doubts (List[Doubt]): The doubts, by log-odds, the highest first.
    n_skipped (int): Number of entities that the model cannot judge: they do not fit its
        tokens, or it does not know their label.
    """

    doubts: list[Doubt]
    n_skipped: int

    def finding(self, top: int) -> Finding:
        """The doubts as a finding: those with odds above one are counted.

        top (int): Number of examples.
        """
        count = sum(doubt.log_odds > 0 for doubt in self.doubts)
        examples = [doubt.record() for doubt in self.doubts[:top]]
        return Finding("doubt", count, examples)


def find_doubts(
    texts: Iterable[Text], docs: Iterable[Doc], ner: LSTMNer, *, batch_size: int
) -> Doubts:
    """Find spans of which the model doubts the annotation.

    An entity whose annotation is wrong and the span that should be in its place are one
    doubt, because overlapping spans exclude each other. Tokens without annotation are
    not doubted.

    texts (Iterable[Text]): The annotated texts, such as those of `Data.docs`.
    docs (Iterable[Doc]): The Docs of `raw_doc` for all of them, processed by the
        components before `ner`.
    ner (LSTMNer): The recognizer.
    batch_size (int): Number of Docs of a batch.
    RETURNS (Doubts): The doubts.
    """
    settings = replace(
        ner.settings,
        decoding="probability",
        threshold=_LEAST,
        label_thresholds={},
        candidates=True,
    )
    doubts: list[Doubt] = []
    n_skipped = 0
    for batch in minibatch(zip(texts, docs, strict=True), batch_size):
        paths = ner.paths([doc for _, doc in batch], ner.settings)
        golds = []
        for (part, number, gold), doc in batch:
            found = [_same_span(doc, ent) for ent in gold.ents]
            fit = [s for s in found if s is not None and s.label_ in ner.labels]
            n_skipped += len(found) - len(fit)
            golds.append([Entity(part, number, span) for span in fit])
        candidates = paths.by_doc(paths.decode(settings))
        odds = iter(zip(*_probabilities(paths, golds), strict=True))
        for ((part, number, gold), doc), entities, spans in zip(
            batch, golds, candidates, strict=True
        ):
            for entity in entities:
                doubts += _of_entity(entity, *next(odds), spans)
            free = [s for s in spans if _is_outside(gold, doc, s.span)]
            for scored in _apart(free):
                start, end, label = scored.span
                span = Span(doc, start, end, label)
                p = scored.confidence
                found_here = Entity(part, number, span)
                doubts.append(Doubt(found_here, False, p, _log_odds(p)))
    doubts.sort(key=lambda doubt: -doubt.log_odds)
    return Doubts(doubts, n_skipped)


def _same_span(doc: Doc, ent: Span) -> Span | None:
    found: Span | None = doc.char_span(ent.start_char, ent.end_char, label=ent.label_)
    return found


def _log_odds(probability: float) -> float:
    """Log-odds of a probability, in nats."""
    p = min(max(probability, _ALMOST_0), 1 - _ALMOST_0)
    return math.log(p) - math.log1p(-p)


def _probabilities(
    paths: DocPaths, golds: Sequence[Sequence[Entity]]
) -> tuple[list[float], list[float]]:
    """For each entity, its probability, and the smallest of the probabilities of its
    tokens to be outside of entities: all of them are at most as probably outside."""
    sums = PathSums(paths.chain)
    outside = to_numpy(sums.marginals())[:, TagSet.outside]
    first_rows = paths.chain.first_rows
    rows, least = [], []
    for i, entities in enumerate(golds):
        for entity in entities:
            limits = [entity.span.start, entity.span.end]
            start, end = np.searchsorted(paths.tokens[i], limits).tolist()
            rows.append(
                (i, start, end, paths.tag_set.label_numbers[entity.span.label_])
            )
            least.append(float(outside[first_rows[i] + np.arange(start, end)].min()))
    return np.exp(sums.log_prob_of_spans(Spans.of(rows))).tolist(), least


def _of_entity(
    entity: Entity, probability: float, outside: float, spans: Sequence[ScoredSpan]
) -> Iterator[Doubt]:
    if probability > 1 - _LEAST:
        return
    first, last = entity.span.start, entity.span.end
    others = [
        scored
        for scored in spans
        if scored.span.start < last
        and scored.span.end > first
        and scored.span != (first, last, entity.span.label_)
    ]
    other, instead = None, outside
    if others:
        best = max(others, key=lambda scored: scored.confidence)
        text = entity.span.doc[best.span.start : best.span.end].text
        other = f"{text} ({best.span.label}) {best.confidence:.3f}"
        instead = max(instead, best.confidence)
    yield Doubt(entity, True, probability, _log_odds(instead), other)


def _is_outside(gold: Doc, doc: Doc, span: TokenSpan) -> bool:
    """Whether all tokens of a span are annotated as outside of entities."""
    found = doc[span.start : span.end]
    start, end = found.start_char, found.end_char
    same = gold.char_span(start, end, alignment_mode="expand")
    return same is not None and all(token.ent_iob == IOB_OUTSIDE for token in same)


def _apart(spans: Iterable[ScoredSpan]) -> list[ScoredSpan]:
    """The most probable of overlapping spans."""
    chosen: list[ScoredSpan] = []
    for scored in sorted(spans, key=lambda scored: -scored.confidence):
        start, end, _ = scored.span
        if all(end <= s.span.start or s.span.end <= start for s in chosen):
            chosen.append(scored)
    return chosen
