"""Where confidences stand: beside the spans of the group that `lstm_ner` writes."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from struct import unpack
from typing import Any, NamedTuple

import numpy as np
import srsly
from spacy.tokens import Doc, Span, SpanGroup

# In the attrs of a span group: its "scores" are confidences of this package, and these
# are the names of the components that have predicted the spans.
_COMPONENTS = "lstm_ner_components"


class Scored(NamedTuple):
    """A predicted span with its confidence, and the component that has predicted it."""

    span: Span
    score: float
    component: str


class ScoredGroup(SpanGroup):
    """Predicted spans, by position, with their confidences in `attrs["scores"]`, as
    spaCy's `spancat` has them.

    A span group of spaCy's keeps the numbers of the tokens when `merge_entities`, or
    anything else that uses `doc.retokenize()`, makes a Doc of more or fewer of them: it
    then names other tokens, or none, and the Doc can't be saved or copied any more.
    This one goes by the characters. Spans that no longer begin and end where tokens do
    leave it, together with their confidences. Once saved and loaded, or handed over by
    another process, it is one of spaCy's.

    doc (Doc): The document.
    name (str): Name of the group.
    attrs (Optional[Dict[str, Any]]): What belongs to the group as a whole.
    spans (Sequence[Span]): The spans.
    """

    __slots__ = ("_n_tokens",)

    def __init__(
        self,
        doc: Doc,
        *,
        name: str = "",
        attrs: dict[str, Any] | None = None,
        spans: Sequence[Span] = (),
    ) -> None:
        super().__init__(doc, name=name, attrs=attrs or {}, spans=spans)
        self._n_tokens = len(doc)

    @property
    def attrs(self) -> dict[str, Any]:
        self._follow()
        return super().attrs

    @attrs.setter
    def attrs(self, attrs: dict[str, Any]) -> None:
        vars(SpanGroup)["attrs"].__set__(self, attrs)

    def __len__(self) -> int:
        self._follow()
        return super().__len__()

    def __getitem__(self, i: int) -> Span:
        self._follow()
        return super().__getitem__(i)

    def __setitem__(self, i: int, span: Span) -> None:
        self._follow()
        # spaCy's class has the method, its type stubs don't.
        super().__setitem__(i, span)  # type: ignore[misc]

    def __delitem__(self, i: int) -> None:
        self._follow()
        # spaCy's class has the method, its type stubs don't.
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
            copied.doc, name=copied.name, attrs=copied.attrs, spans=list(copied)
        )

    def _follow(self) -> None:
        """Find the tokens anew, if the Doc has more or fewer than before."""
        # Not `doc`, which raises where the Doc is gone; the stubs don't have it.
        doc = self._doc_ref()  # type: ignore[attr-defined]
        if doc is None or len(doc) == self._n_tokens:
            return
        self._n_tokens = len(doc)
        # The limits in characters stand nowhere but in the bytes, attrs not among them.
        attrs = super().attrs
        self.attrs = {}
        spans: list[Span] = []
        there = []
        for i, packed in enumerate(srsly.msgpack_loads(super().to_bytes())["spans"]):
            span_id, kb_id, label, _, _, start, end = unpack(">QQQllll", packed)
            span = doc.char_span(start, end, label, kb_id, span_id=span_id)
            if span is not None:
                spans.append(span)
                there.append(i)
        n_before = super().__len__()
        self.from_bytes(SpanGroup(doc, name=self.name, spans=spans).to_bytes())
        self.attrs = attrs
        if _COMPONENTS in attrs and len(attrs["scores"]) == n_before:
            attrs["scores"] = np.asarray(attrs["scores"])[there]
            attrs[_COMPONENTS] = [attrs[_COMPONENTS][i] for i in there]


def score_spans(doc: Doc, name: str, scored: Iterable[Scored]) -> ScoredGroup:
    """The span group of predicted spans, by position.

    doc (Doc): The document.
    name (str): Name of the group.
    scored (Iterable[Scored]): The spans.
    """
    ordered = sorted(scored, key=lambda each: each.span.start)
    attrs = {
        "scores": np.array([score for _, score, _ in ordered], dtype="f"),
        _COMPONENTS: [component for _, _, component in ordered],
    }
    spans = [each.span for each in ordered]
    return ScoredGroup(doc, name=name, attrs=attrs, spans=spans)


def has_confidences(group: SpanGroup) -> bool:
    """Whether the scores of a span group are confidences of this package.

    group (SpanGroup): The group.
    RETURNS (bool): False, too, where somebody has added spans or taken some away: it is
        not known any more which score is whose.
    """
    n = len(group)  # first, as the attrs follow
    return _COMPONENTS in group.attrs and len(group.attrs["scores"]) == n


def scored_spans(group: SpanGroup) -> list[Scored]:
    """The spans of a group with their confidences, if it has some.

    group (SpanGroup): The group.
    """
    if not has_confidences(group):
        return []
    scores = map(float, group.attrs["scores"])
    components = group.attrs[_COMPONENTS]
    return [Scored(*each) for each in zip(group, scores, components, strict=True)]


def confidence(span: Span) -> float | None:
    """Probability of exactly this span with this label, given the text.

    span (Span): A span.
    RETURNS (Optional[float]): None if no `lstm_ner` predicted it, or if somebody has
        changed the number or the order of the spans in the group.
    """
    for group in span.doc.spans.values():
        if not has_confidences(group):
            continue
        n = len(group)
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
