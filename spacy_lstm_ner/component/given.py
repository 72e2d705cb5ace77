"""Entities that a Doc already has, and the tokens that have a tag."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc, Span

from ..tags import TokenSpan
from .confidences import Scored, scored_spans, span_key

# spaCy's values of `Token.ent_iob`
_INSIDE, _OUTSIDE, _BEGIN = 1, 2, 3


# In place of a tag's number: none is known.
UNKNOWN_TAG = -1


class ScoredSpan(NamedTuple):
    """A span that was predicted: tokens `start <= i < end`, its label, the probability
    of exactly this span with this label, and whether it is an entity or only a
    candidate."""

    start: int
    end: int
    label: str
    confidence: float
    is_entity: bool = True


def taggable(doc: Doc) -> NDArray[np.intp]:
    """The tokens that have a tag: all but white space.

    doc (Doc): The document.
    RETURNS (ndarray): Their indices, ascending.
    """
    return np.asarray((doc.to_array(IS_SPACE) == 0).nonzero()[0])


def token_spans(spans: Iterable[Span]) -> list[TokenSpan]:
    """Spans without their Doc.

    spans (Iterable[Span]): `doc.ents`, for instance.
    """
    return [TokenSpan(span.start, span.end, span.label_) for span in spans]


def given_entities(doc: Doc, spans_key: str, component: str) -> list[Span]:
    """The entities of a Doc that a component takes as they are: all but those that it
    has predicted itself. These are no evidence, or the second of two runs would take
    for certain what the first one held for likely.

    doc (Doc): The document.
    spans_key (str): Name of the span group of predicted entities.
    component (str): Name of the component.
    """
    ents = doc.ents
    if not ents:
        return []  # soon told of a text as it comes
    own = {
        span_key(each.span)
        for each in _still_there(doc, spans_key)
        if each.component == component
    }
    return [ent for ent in ents if span_key(ent) not in own]


def _still_there(doc: Doc, spans_key: str) -> list[Scored]:
    """The scored entities of an earlier run that are still in `doc.ents`."""
    if spans_key not in doc.spans:
        return []
    ents = {span_key(ent) for ent in doc.ents}
    scored = scored_spans(doc.spans[spans_key])
    return [each for each in scored if span_key(each.span) in ents]
