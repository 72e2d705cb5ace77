"""Records with a text and its entities, as the command `annotate` and many scripts
write them: {"text": ..., "entities": [{"start": 0, "end": 3, "label": "PER"}]}, or
lists [start, end, label] in place of the objects. JSON, JSON lines or Parquet."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .annotated import AnnotatedText, CharSpan, expect, get_field, make_span, refuse
from .source import Item, Source, mostly

NAME = "records"

_TEXT, _ENTITIES = "text", "entities"
_SPAN = ("start", "end", "label")


def looks_like(source: Source) -> bool:
    """Whether the records have such fields, and some of them entities."""
    shapes = [_shape(record) for record in source.records]
    return "entities" in shapes and mostly(shapes)


def _shape(record: dict[str, Any]) -> str | None:
    """What a record has: entities, no entities, or something else (None)."""
    match record:
        case {"text": str() | None, "entities": [] | None}:
            return "empty"
        case {"text": str(), "entities": [*found]} if all(map(_is_entity, found)):
            return "entities"
    return None


def _is_entity(value: Any) -> bool:
    if isinstance(value, dict):  # one damaged field must not hide the format
        return len(value.keys() & set(_SPAN)) > 1
    return isinstance(value, list) and len(value) > 2 and isinstance(value[0], int)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read records.

    source (Source): The file.
    YIELDS (AnnotatedText): A text per record. A record whose entities are null is not
        annotated; one whose text is null, as `annotate` leaves it, is an empty text.
    """
    for item in source.items:
        yield _read_record(item)


def _read_record(item: Item) -> AnnotatedText:
    where = item.where
    record = expect(item.value, dict, where)
    text = expect(record.get(_TEXT) or "", str, f"{where}, field {_TEXT!r}")
    if _ENTITIES not in record:
        get_field(record, _ENTITIES, list, where)
    found = record[_ENTITIES]
    entities = expect(found or [], list, f"{where}, field {_ENTITIES!r}")
    spans = [
        _read_span(text, entity, f"{where}, entity {i}")
        for i, entity in enumerate(entities, start=1)
    ]
    left_out = Counter({f"fields {k!r}": 1 for k in record.keys() - {_TEXT, _ENTITIES}})
    return AnnotatedText(
        where, text, spans, is_complete=found is not None, left_out=left_out
    )


def _read_span(text: str, entity: Any, where: str) -> CharSpan:
    if isinstance(entity, dict):
        entity = [get_field(entity, name, object, where) for name in _SPAN]
    # As in spaCy's tuples, an identifier may follow.
    if not isinstance(entity, list) or len(entity) not in (3, 4):
        raise refuse(where, entity, "a span: start, end and label")
    start, end, label = entity[:3]
    return make_span(text, start, end, label, where)
