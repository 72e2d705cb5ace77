"""Entities that can't be learned as they are, and unusual ones."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from statistics import median

from spacy.tokens import Doc, Span

from ...component.gold import sentence_starts
from ..recognizers import raw_doc
from .findings import Data, Entity, Finding, Record, describe

# An entity is unusually long if it has at least so many tokens, and more than so many
# times the tokens of the median entity of its label.
_LONG, _TIMES = 6, 5

_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
_OPENING = {opening for opening, _ in _PAIRS}
_CLOSING = {closing for _, closing in _PAIRS}


def look_at_limits(data: Data, tokenize: Callable[[str], Doc]) -> Iterator[Finding]:
    """Find entities that no model can predict exactly.

    data (Data): The parts.
    tokenize (Callable[[str], Doc]): The tokenizer of the pipeline to train.
    YIELDS (Finding): What is found.
    """
    yield _found("white_space", filter(_has_white_space, data.entities))
    yield _found("crosses_sentence", _crossing(data))
    yield _misfits(data, tokenize)


def _found(kind: str, entities: Iterator[Entity]) -> Finding:
    examples = [describe(entity) for entity in entities]
    return Finding(kind, len(examples), examples)


def _has_white_space(entity: Entity) -> bool:
    return entity.span[0].is_space or entity.span[-1].is_space


def _crossing(data: Data) -> Iterator[Entity]:
    for part, number, doc in data.docs():
        starts = sentence_starts(doc)
        for span in doc.ents:
            if starts[span.start + 1 : span.end].any():
                yield Entity(part, number, span)


def _misfits(data: Data, tokenize: Callable[[str], Doc]) -> Finding:
    """Entities whose limits are within tokens of the pipeline."""
    examples: list[Record] = []
    for part, number, doc in data.docs():
        if not doc.ents:
            continue
        tokens = raw_doc(doc, tokenize)
        for span in doc.ents:
            start, end = span.start_char, span.end_char
            if tokens.char_span(start, end) is None:
                near = tokens.char_span(start, end, alignment_mode="expand")
                words = [token.text for token in near or ()]
                entity = Entity(part, number, span)
                examples.append(describe(entity, tokens=words))
    return Finding("span_not_tokens", len(examples), examples)


def look_at_spans(data: Data) -> Iterator[Finding]:
    """Find entities with punctuation at their ends, and of unusual length.

    data (Data): The parts.
    YIELDS (Finding): What is found.
    """
    yield _found("punctuation", (e for e in data.entities if _is_ragged(e.span)))
    by_label: defaultdict[str, list[int]] = defaultdict(list)
    for entity in data.entities:
        by_label[entity.span.label_].append(len(entity.span))
    limits = {
        label: max(_LONG, _TIMES * median(lengths) + 1)
        for label, lengths in by_label.items()
    }
    unusual = [
        entity
        for entity in data.entities
        if len(entity.span) >= limits[entity.span.label_] or len(entity.span.text) == 1
    ]
    yield _found("length", iter(sorted(unusual, key=lambda e: -len(e.span))))


def _is_ragged(span: Span) -> bool:
    """Whether a span begins or ends with punctuation, other than brackets in pairs, or
    has a bracket without its partner."""
    text = span.text
    if any(text.count(opening) != text.count(closing) for opening, closing in _PAIRS):
        return True
    first, last = span[0], span[-1]
    return (first.is_punct and first.text not in _OPENING) or (
        last.is_punct and last.text not in _CLOSING
    )
