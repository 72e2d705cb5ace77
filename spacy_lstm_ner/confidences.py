"""Where confidences stand: beside the spans of the group that `lstm_ner` writes."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from struct import unpack
from typing import Any

import numpy as np
import srsly
from spacy.tokens import Doc, Span, SpanGroup

# In the attrs of a span group: its "scores" are confidences of this package.
_IS_CONFIDENCE = "lstm_ner_confidence"


class ScoredGroup(SpanGroup):
    """Predicted spans, by position, with their confidences in `attrs["scores"]`, as
    spaCy's `spancat` has them.

    A span group of spaCy's keeps the numbers of the tokens when `merge_entities`, or
    anything else that uses `doc.retokenize()`, merges or splits tokens: it then names
    other tokens, or none, and the Doc can't be saved or copied any more. This one goes
    by the characters. Spans that no longer begin and end where tokens do leave it,
    together with their confidences. Once saved and loaded it is one of spaCy's.

    doc (Doc): The document.
    name (str): Name of the group.
    attrs (Mapping[str, Any]): What belongs to the group as a whole.
    spans (Iterable[Span]): The spans.
    """

    _n_tokens: int

    def __init__(
        self,
        doc: Doc,
        *,
        name: str = "",
        attrs: Mapping[str, Any] | None = None,
        spans: Iterable[Span] = (),
    ) -> None:
        super().__init__(doc, name=name, attrs=dict(attrs or {}), spans=list(spans))
        self._n_tokens = len(doc)

    @property
    def attrs(self) -> dict[str, Any]:
        self._follow()
        return super().attrs

    @attrs.setter
    def attrs(self, attrs: dict[str, Any]) -> None:
        SpanGroup.attrs.__set__(self, attrs)  # type: ignore[attr-defined]

    def __len__(self) -> int:
        self._follow()
        return super().__len__()

    def __getitem__(self, i: int) -> Span:
        self._follow()
        return super().__getitem__(i)

    def __setitem__(self, i: int, span: Span) -> None:
        self._follow()
        super().__setitem__(i, span)  # type: ignore[misc]

    def __delitem__(self, i: int) -> None:
        self._follow()
        super().__delitem__(i)  # type: ignore[misc]

    def __iter__(self) -> Iterator[Span]:
        self._follow()
        return super().__iter__()

    def append(self, span: Span) -> None:
        self._follow()
        super().append(span)

    def extend(self, spans_or_span_group: SpanGroup | Iterable[Span]) -> None:
        self._follow()
        super().extend(spans_or_span_group)

    def to_bytes(self) -> bytes:
        self._follow()
        return super().to_bytes()

    def copy(self, doc: Doc | None = None) -> "ScoredGroup":
        copied = super().copy(doc)
        return ScoredGroup(
            copied.doc, name=copied.name, attrs=copied.attrs, spans=copied
        )

    def _follow(self) -> None:
        """Find the tokens anew, if the Doc has more or fewer than before."""
        doc = self.doc
        if len(doc) == self._n_tokens:
            return
        self._n_tokens = len(doc)
        spans: list[Span] = []
        there = []
        for i, packed in enumerate(srsly.msgpack_loads(super().to_bytes())["spans"]):
            span_id, kb_id, label, _, _, start, end = unpack(">QQQllll", packed)
            span = doc.char_span(start, end, label, kb_id, span_id=span_id)
            if span is not None:
                spans.append(span)
                there.append(i)
        attrs = dict(super().attrs)
        if has_confidences(self):
            scores = np.asarray(attrs["scores"])
            attrs["scores"] = scores[[i for i in there if i < len(scores)]]
        group = SpanGroup(doc, name=self.name, attrs=attrs, spans=spans)
        self.from_bytes(group.to_bytes())


def score_spans(
    doc: Doc, name: str, scored: Iterable[tuple[Span, float]]
) -> ScoredGroup:
    """The span group of predicted spans.

    doc (Doc): The document.
    name (str): Name of the group.
    scored (Iterable[Tuple[Span, float]]): Spans with their confidences.
    """
    by_position = sorted(scored, key=lambda pair: pair[0].start)
    scores = np.array([score for _, score in by_position], dtype="f")
    attrs = {"scores": scores, _IS_CONFIDENCE: True}
    return ScoredGroup(
        doc, name=name, attrs=attrs, spans=[span for span, _ in by_position]
    )


def has_confidences(group: SpanGroup) -> bool:
    """Whether a span group is one that a recognizer of this package has made.

    group (SpanGroup): The group.
    """
    return bool(group.attrs.get(_IS_CONFIDENCE))


def scored_spans(group: SpanGroup) -> list[tuple[Span, float]]:
    """The spans of a group with their confidences, if it is one of this package.

    group (SpanGroup): The group.
    """
    n = _n_scored(group)
    return [(group[i], float(group.attrs["scores"][i])) for i in range(n)]


def confidence(span: Span) -> float | None:
    """Probability of exactly this span with this label, given the text.

    span (Span): A span.
    RETURNS (Optional[float]): None if no `lstm_ner` predicted it.
    """
    for group in span.doc.spans.values():
        n = _n_scored(group)
        first = bisect_left(range(n), span.start, key=lambda i: group[i].start)
        for i in range(first, n):
            if group[i].start != span.start:
                break
            if span_key(group[i]) == span_key(span):
                return float(group.attrs["scores"][i])
    return None


def span_key(span: Span) -> tuple[int, int, int]:
    """What makes two spans of a Doc the same: their tokens and their label.

    span (Span): A span.
    """
    return span.start, span.end, span.label


def _n_scored(group: SpanGroup) -> int:
    """How many spans of a group have a confidence. Somebody may have added others
    behind them; where some were taken away, it is not known which is whose."""
    if not has_confidences(group):
        return 0
    n = len(group.attrs["scores"])
    return n if n <= len(group) else 0
