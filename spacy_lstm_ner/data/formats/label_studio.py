"""Label Studio: JSON (tasks with annotations) and JSON_MIN (records with regions)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .annotated import (
    AnnotatedText,
    CharSpan,
    Extent,
    Surface,
    code_points,
    expect,
    get_field,
    make_span,
    mismatch,
    size,
)
from .source import Item, Source, mostly

NAME = "label-studio"

# The results of a task; the second name is from before version 1.0.
_ANNOTATIONS = ("annotations", "completions")
# Types of regions whose offsets count characters.
_TYPES = ("labels", "hypertextlabels")
_TEXT = "text"


class _Region(NamedTuple):
    """A region of a text: its place, its value, and the type of the value's labels."""

    where: str
    value: dict[str, Any]
    type_: str


@dataclass
class _Annotation:
    """An annotation of a task: its place, regions, annotator, and what else it has."""

    where: str
    regions: list[_Region]
    annotator: str | None
    left_out: Counter[str]


@dataclass
class _Task:
    """A task: its place, identifier, texts by field, the annotations that count, what
    else it has, and whether its annotation is partial."""

    where: str
    key: object
    texts: dict[str, str]
    annotations: list[_Annotation]
    left_out: Counter[str]
    is_partial: bool = False


def looks_like(source: Source) -> bool:
    """Whether the records are tasks, or have regions or an annotator."""
    records = source.records
    if mostly(map(_is_task, records)):
        return True
    has_regions = any(map(_has_regions, records))
    has_annotator = mostly("annotator" in record for record in records)
    has_text = mostly(any(map(_is_str, r.values())) for r in records)
    return has_text and (has_regions or has_annotator)


def _is_task(record: dict[str, Any]) -> bool:
    names = (*_ANNOTATIONS, "predictions")
    is_task = isinstance(record.get("data"), dict)
    return (is_task and any(n in record for n in names)) or _is_stored(record)


def _is_stored(record: dict[str, Any]) -> bool:
    """Whether a record is an annotation with its task, as in cloud storage."""
    return isinstance(record.get("task"), dict) and "result" in record


def _has_regions(record: dict[str, Any]) -> bool:
    return any(_is_regions(value) for value in record.values())


def _is_regions(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(r, dict) and "start" in r and "end" in r for r in value)
        and any(type_ in region for region in value for type_ in _TYPES)
    )


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read tasks. Cancelled annotations do not count, nor do predictions. If a task has
    a ground truth, only that counts.

    source (Source): The file. Its option `layer` names the field of the text.
    YIELDS (AnnotatedText): A text per annotation; a text that is not annotated for a
        task without one.
    """
    tasks = [_read_item(item) for item in source.items]
    if not tasks:
        return
    name = source.options.layer or _text_field(tasks)
    for task in tasks:
        text = get_field(task.texts, name, str, task.where)
        if not task.annotations:
            yield AnnotatedText(
                task.where, text, is_complete=False, left_out=task.left_out
            )
        for annotation in task.annotations:
            spans, unknown = _spans(text, annotation)
            yield AnnotatedText(
                annotation.where,
                text,
                spans,
                unknown=unknown,
                is_complete=not task.is_partial,
                key=(NAME, str(task.key), text),
                annotator=annotation.annotator,
                left_out=annotation.left_out + task.left_out,
            )
            task.left_out.clear()


def _read_item(item: Item) -> _Task:
    record = expect(item.value, dict, item.where)
    if _is_stored(record):
        record = {**record["task"], "annotations": [record]}
    return (
        _read_task(record, item.where)
        if "data" in record
        else _read_min(record, item.where)
    )


def _read_task(task: dict[str, Any], where: str) -> _Task:
    data = get_field(task, "data", dict, where)
    name = next((n for n in _ANNOTATIONS if n in task), None)
    records = [] if name is None else get_field(task, name, list, where)
    left_out: Counter[str] = Counter()
    kept = []
    for i, record in enumerate(records, start=1):
        place = f"{where}, annotation {i}"
        expect(record, dict, place)
        if record.get("was_cancelled") or record.get("skipped"):
            left_out["cancelled annotations"] += 1
        else:
            kept.append((place, record))
    true = [(place, record) for place, record in kept if record.get("ground_truth")]
    if true:
        left_out["annotations beside a ground truth"] += len(kept) - len(true)
    left_out["predictions"] += size(task.get("predictions"))
    annotations = [_read_annotation(record, place) for place, record in true or kept]
    texts = {name: text for name, text in data.items() if isinstance(text, str)}
    is_partial = bool(data.get("partial"))
    return _Task(where, task.get("id", where), texts, annotations, left_out, is_partial)


def _read_annotation(record: dict[str, Any], where: str) -> _Annotation:
    regions, left_out = [], Counter[str]()
    for i, result in enumerate(get_field(record, "result", list, where), start=1):
        place = f"{where}, result {i}"
        expect(result, dict, place)
        type_ = result.get("type", "labels")
        if type_ in _TYPES:
            value = get_field(result, "value", dict, place)
            regions.append(_Region(place, value, type_))
        else:
            left_out[f"results of type {type_!r}"] += 1
    by = record.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email", by.get("id"))
    return _Annotation(where, regions, None if by is None else str(by), left_out)


def _read_min(record: dict[str, Any], where: str) -> _Task:
    regions, left_out = [], Counter[str]()
    for name, value in record.items():
        if _is_regions(value):
            for i, region in enumerate(value, start=1):
                type_ = next((t for t in _TYPES if t in region), "labels")
                regions.append(_Region(f"{where}, {name} {i}", region, type_))
        elif isinstance(value, list | dict) and value:
            left_out[f"fields {name!r}"] += 1
    by = record.get("annotator")
    annotation = _Annotation(where, regions, None if by is None else str(by), left_out)
    texts = {name: text for name, text in record.items() if isinstance(text, str)}
    return _Task(where, record.get("id", where), texts, [annotation], Counter())


def _text_field(tasks: list[_Task]) -> str:
    """The field of the text: "text", or the only one that most tasks have, or that the
    regions fit."""
    names = {name for task in tasks for name in task.texts}
    names = {n for n in names if mostly(n in task.texts for task in tasks)}
    if _TEXT in names:
        return _TEXT
    fitting = names
    if len(names) > 1:
        fitting = {n for n in names if all(_fits(n, task) for task in tasks)}
    if len(fitting) != 1:
        found = f"the fields {', '.join(sorted(names))}" if names else "no text"
        expected = "one field with the text (--layer names it)"
        raise mismatch(tasks[0].where, found, expected)
    return next(iter(fitting))


def _fits(name: str, task: _Task) -> bool:
    try:
        for annotation in task.annotations:
            _spans(task.texts[name], annotation)
    except (KeyError, ValueError):
        return False
    return True


def _spans(text: str, annotation: _Annotation) -> tuple[list[CharSpan], list[Extent]]:
    """The spans of an annotation, and the extents of regions without a label."""
    surfaces = list(map(_surface, annotation.regions))
    extents = code_points(text, surfaces)
    spans, unknown = [], []
    for region, extent in zip(annotation.regions, extents, strict=True):
        found = (region.value.get(name) for name in (region.type_, "htmllabels"))
        labels: Any = next(filter(None, found), [])
        for label in expect(labels, list, f"{region.where}, {region.type_}"):
            spans.append(make_span(text, *extent, label, region.where))
        if not labels:
            make_span(text, *extent, "-", region.where)
            unknown.append(extent)
            annotation.left_out["regions without a label (left unknown)"] += 1
    return spans, unknown


def _surface(region: _Region) -> Surface:
    """The offsets of a region. In HTML they are in a field of their own."""
    value = region.value.get("globalOffsets", region.value)
    start, end = (
        get_field(value, name, int, region.where) for name in ("start", "end")
    )
    stated = region.value.get("text")
    return Surface(region.where, start, end, stated if _is_str(stated) else None)
