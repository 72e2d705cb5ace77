"""doccano: records with a text and labelled offsets, by version and project type."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .annotated import (
    AnnotatedText,
    CharSpan,
    expect,
    get_field,
    make_span,
    mismatch,
    refuse,
    size,
)
from .source import Item, Source, mostly

NAME = "doccano"

# The fields of a text, and of its spans: lists (doccano 1), objects (projects with
# relations), objects with the user who made them (before 1.0).
_TEXTS = ("text", "data")
_LISTS = ("label", "labels")
_OBJECTS = ("entities", "annotations")
_LEFT_OUT = {"relations": "relations", "Comments": "comments", "comments": "comments"}


def looks_like(source: Source) -> bool:
    """Whether the records have spans as doccano writes them."""
    shapes = [_shape(record) for record in source.records]
    return "spans" in shapes and mostly(shapes)


def _shape(record: dict[str, Any]) -> str | None:
    """What a record says: spans, no spans, or something else (None)."""
    if not any(isinstance(record.get(name), str) for name in _TEXTS):
        return None
    for name in _LISTS:
        spans = record.get(name)
        if isinstance(spans, list):
            if not spans:
                has_annotator = "annotator" in record or "annotation_id" in record
                return "empty" if has_annotator else "spans"
            return "spans" if all(map(_is_triple, spans)) else None
    for name in _OBJECTS:
        spans = record.get(name)
        if isinstance(spans, list):
            if not spans:
                return "spans" if _LEFT_OUT.keys() & record.keys() else "empty"
            is_spans = all(isinstance(s, dict) and "start_offset" in s for s in spans)
            return "spans" if is_spans else None
    return None


def _is_triple(span: Any) -> bool:
    return isinstance(span, list) and len(span) == 3 and isinstance(span[0], int)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read records. If annotations name their users, each user's are a text.

    source (Source): The file.
    YIELDS (AnnotatedText): The texts, all completely annotated.
    """
    for item in source.items:
        yield from _read_record(item, source.path.stem)


def _read_record(item: Item, stem: str) -> Iterator[AnnotatedText]:
    where = item.where
    record = expect(item.value, dict, where)
    name = next((n for n in _TEXTS if isinstance(record.get(n), str)), "text")
    text = get_field(record, name, str, where)
    users: dict[str | None, list[CharSpan]] = {}
    for user, span in _spans(record, text, where):
        users.setdefault(user, []).append(span)
    left_out: Counter[str] = Counter()
    for key, kind in _LEFT_OUT.items():
        left_out[kind] += size(record.get(key))
    # A project exports a file per user.
    identity = record.get("id")
    for user, spans in users.items() or [(None, [])]:
        yield AnnotatedText(
            where,
            text,
            spans,
            is_complete=not record.get("partial", False),
            key=None if identity is None else (str(identity), text),
            annotator=stem if user is None else user,
            left_out=left_out,
        )
        left_out = Counter()


def _spans(
    record: dict[str, Any], text: str, where: str
) -> Iterator[tuple[str | None, CharSpan]]:
    """The spans of a record, each with its user."""
    fields = [name for name in (*_LISTS, *_OBJECTS) if record.get(name) is not None]
    if not fields:
        names = ", ".join(map(repr, (*_LISTS, *_OBJECTS)))
        raise mismatch(where, f"fields {', '.join(record)}", f"one of {names}")
    for name in fields:
        spans = expect(record[name], list, f"{where}, field {name!r}")
        for i, span in enumerate(spans, start=1):
            place = f"{where}, {name} {i}"
            if isinstance(span, dict):
                label = span.get("label_name", span.get("label"))
                label = str(label) if isinstance(label, int) else label
                start, end = (
                    get_field(span, n, int, place)
                    for n in ("start_offset", "end_offset")
                )
                user = span.get("user_name", span.get("user"))
                user = None if user is None else str(user)
                yield user, make_span(text, start, end, label, place)
            elif isinstance(span, list) and len(span) == 3:
                start, end, label = span
                yield None, make_span(text, start, end, label, place)
            else:
                raise refuse(place, span, "a span: [start, end, label]")
