"""Confidences of predicted spans, stored beside the spans in a span group.

`attrs["scores"]` has them in the order of the spans, as spaCy's `spancat` stores them.
`attrs["lstm_ner"]` has them by character offsets, which do not change when tokens are
merged or split, or when spans are added to the group or removed.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

# In the attrs of a span group: first character, character behind the last, label
# (hash), confidence and name of the component, of each predicted span; sorted.
_PREDICTIONS = "lstm_ner"

Result = TypeVar("Result")


class Prediction(NamedTuple):
    """The confidence of a span, and the name of the component that predicted it."""

    confidence: float
    component: str


def confidence(span: Span) -> float | None:
    """Probability of exactly this span with this label, given the text.

    span (Span): A span.
    RETURNS (Optional[float]): None if no `lstm_ner` predicted it.
    """
    for key in span.doc.spans:
        found = prediction_of(span, key)
        if found is not None:
            return found.confidence
    return None


def prediction_of(span: Span, key: str) -> Prediction | None:
    """The prediction of a span in one span group of its Doc.

    key (str): Name of the span group.
    RETURNS (Optional[Prediction]): None if the group does not have it.
    """
    if key not in span.doc.spans:
        return None
    return _prediction_in(span.doc.spans[key], span)


def _prediction_in(group: SpanGroup, span: Span) -> Prediction | None:
    rows = _attrs(group).get(_PREDICTIONS, [])
    wanted = [span.start_char, span.end_char, span.label]
    i = bisect_left(rows, wanted)
    if i == len(rows) or rows[i][:3] != wanted:
        return None
    return Prediction(*rows[i][3:])


def has_confidences(group: SpanGroup) -> bool:
    """Whether a recognizer of this package has made a span group."""
    return _PREDICTIONS in _attrs(group)


def score_spans(
    doc: Doc, name: str, scored: Iterable[tuple[Span, Prediction | None]]
) -> "ScoredGroup":
    """The span group of predicted spans, by position.

    name (str): Name of the group.
    scored (Iterable[Tuple[Span, Optional[Prediction]]]): The spans. The score of a span
        whose prediction is lost (None) is NaN.
    """
    ordered = sorted(scored, key=lambda each: (each[0].start, each[0].end))
    spans = [span for span, _ in ordered]
    scores = np.array(
        [math.nan if p is None else p.confidence for _, p in ordered], "f"
    )
    rows = sorted(
        [span.start_char, span.end_char, span.label, score, found.component]
        for (span, found), score in zip(ordered, scores.tolist(), strict=True)
        if found is not None
    )
    attrs = {"scores": scores, _PREDICTIONS: rows}
    return ScoredGroup(doc, name=name, attrs=attrs, spans=spans)


def _following(
    method: Callable[..., Result], *, changes: bool = False
) -> Callable[..., Result]:
    """A method of SpanGroup that first adapts the group to its Doc, and may change the
    spans."""

    @wraps(method)
    def follow_first(self: "ScoredGroup", *args: Any) -> Result:
        self._follow()
        result = method(self, *args)
        if changes:
            self._note(list(self._stored()))
        return result

    return follow_first


class ScoredGroup(SpanGroup):
    """A span group that follows the characters of its spans.

    spaCy's class keeps the token numbers when `doc.retokenize()` changes the tokens, as
    `merge_entities` does. It then names other tokens, or none, and the Doc can't be
    saved or copied. This class finds the spans again by their characters. Spans that do
    not begin and end at tokens any more leave the group, together with their scores. A
    group that has been saved and loaded, or comes from another process, is spaCy's.

    doc, name, attrs, spans: As of `SpanGroup`.
    """

    __slots__ = ("_noted",)

    def __init__(
        self,
        doc: Doc,
        *,
        name: str = "",
        attrs: dict[str, Any] | None = None,
        spans: Sequence[Span] = (),
    ) -> None:
        super().__init__(doc, name=name, attrs=attrs or {}, spans=spans)
        self._note(spans)

    __len__ = _following(SpanGroup.__len__)
    __getitem__ = _following(SpanGroup.__getitem__)
    to_bytes = _following(SpanGroup.to_bytes)
    append = _following(SpanGroup.append, changes=True)
    extend = _following(SpanGroup.extend, changes=True)
    # Not in spaCy's stubs.
    __iadd__ = _following(vars(SpanGroup)["__iadd__"], changes=True)

    def __add__(self, other: Any) -> Any:
        self._follow()
        joined = vars(SpanGroup)["__add__"](self, other)
        if isinstance(joined, ScoredGroup):
            joined._note(list(joined._stored()))
        return joined

    def __setitem__(self, i: int, span: Span) -> None:
        """Replace a span. The score of a span that was not predicted is NaN."""
        self._follow()
        vars(SpanGroup)["__setitem__"](self, i, span)
        self._note(list(self._stored()))
        scores, place = _attrs(self).get("scores", []), range(len(self))[i]
        if place < len(scores):
            found = _prediction_in(self, span)
            changed = np.array(scores)
            changed[place] = math.nan if found is None else found.confidence
            _attrs(self)["scores"] = changed

    @property
    def attrs(self) -> dict[str, Any]:
        self._follow()
        return _attrs(self)

    @attrs.setter
    def attrs(self, attrs: dict[str, Any]) -> None:
        vars(SpanGroup)["attrs"].__set__(self, attrs)

    def __iter__(self) -> Iterator[Span]:
        self._follow()
        return self._stored()

    def copy(self, doc: Doc | None = None) -> "ScoredGroup":
        copied = super().copy(doc)
        return ScoredGroup(
            copied.doc, name=copied.name, attrs=copied.attrs, spans=list(copied)
        )

    def _stored(self) -> Iterator[Span]:
        return map(super().__getitem__, range(super().__len__()))

    def _note(self, spans: Iterable[Span]) -> None:
        """Note tokens, characters and symbols of each span."""
        self._noted = [
            ((s.start, s.end), (s.start_char, s.end_char, s.label, s.kb_id, s.id))
            for s in spans
        ]

    def _follow(self) -> None:
        """Rebuild the group if spans do not begin and end at the same characters."""
        try:
            doc = self.doc
        except RuntimeError:  # the group outlives its Doc
            return
        if all(_is_at(doc, tokens, chars) for tokens, chars in self._noted):
            return
        self._rebuild(
            [
                doc.char_span(start, end, label, kb_id, span_id=id_)
                for _, (start, end, label, kb_id, id_) in self._noted
            ]
        )

    def __delitem__(self, i: int) -> None:
        """Remove a span and its score. (spaCy's method corrupts memory.)"""
        spans: list[Span | None] = list(self)
        spans[i] = None
        self._rebuild(spans)

    def _rebuild(self, found: Sequence[Span | None]) -> None:
        """Replace each span; None removes it, and its score."""
        spans = [span for span in found if span is not None]
        attrs = _attrs(self)
        if _PREDICTIONS in attrs and "scores" in attrs:
            scores = np.asarray(attrs["scores"])  # added spans have none
            there = [span is not None for span in found[: len(scores)]]
            attrs["scores"] = scores[: len(there)][there]
        # The user's attrs need not be serializable.
        self.from_bytes(SpanGroup(self.doc, name=self.name, spans=spans).to_bytes())
        self.attrs = attrs
        self._note(spans)


def _attrs(group: SpanGroup) -> dict[str, Any]:
    """The attrs of a group as they are stored."""
    attrs: dict[str, Any] = vars(SpanGroup)["attrs"].__get__(group)
    return attrs


def _is_at(doc: Doc, tokens: tuple[int, int], chars: Sequence[int]) -> bool:
    """Whether tokens of a Doc begin and end at characters."""
    start, end = tokens
    if end > len(doc):
        return False
    last = doc[end - 1]
    return doc[start].idx == chars[0] and last.idx + len(last) == chars[1]
