"""Training data of spaCy 2: pairs of a text and {"entities": [[start, end, label]]}."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .annotated import AnnotatedText, expect, make_span, refuse
from .source import Item, Source, mostly

NAME = "spacy-tuples"


def looks_like(source: Source) -> bool:
    """Whether the items are pairs of a text and an object."""
    return mostly(_is_pair(item.value) for item in _pairs(source))


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    )


def _pairs(source: Source) -> list[Item]:
    """The pairs: the items of a list, or of the field "annotations" beside "classes",
    as web pages that write this format have them, with null for skipped texts."""
    match source.items:
        case [Item(where, {"classes": list(), "annotations": list(pairs)})]:
            items = [
                Item(f"{where}, annotations {i}", pair)
                for i, pair in enumerate(pairs, start=1)
            ]
            return [item for item in items if item.value is not None]
    return source.items


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read pairs.

    source (Source): The file.
    YIELDS (AnnotatedText): A text per pair. A pair without the field "entities" is not
        annotated.
    """
    for where, pair in _pairs(source):
        if not _is_pair(pair):
            raise refuse(where, pair, 'a pair: [text, {"entities": [...]}]')
        text, annotation = pair
        found = annotation.get("entities")
        entities = expect(found or [], list, f"{where}, field 'entities'")
        spans = []
        for i, entity in enumerate(entities, start=1):
            place = f"{where}, entity {i}"
            # spaCy takes a fourth value, the identifier in a knowledge base.
            if not isinstance(entity, list) or len(entity) not in (3, 4):
                raise refuse(place, entity, "a span: [start, end, label]")
            start, end, label = entity[:3]
            spans.append(make_span(text, start, end, label, place))
        left_out = Counter({f"fields {k!r}": 1 for k in annotation if k != "entities"})
        yield AnnotatedText(
            where, text, spans, is_complete=found is not None, left_out=left_out
        )
