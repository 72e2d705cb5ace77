"""Prodigy: JSON lines of tasks, with spans and an answer."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .annotated import (
    AnnotatedText,
    CharSpan,
    Surface,
    code_points,
    expect,
    get_field,
    make_span,
    refuse,
    size,
)
from .source import Item, Source, mostly
from .tokens import find_words

NAME = "prodigy"
ANSWERS = ("accept", "reject", "ignore")

# Fields that only Prodigy writes.
_MARKS = ("_input_hash", "_task_hash", "_is_binary", "_view_id", "_session_id")


def looks_like(source: Source) -> bool:
    """Whether the records are tasks: a text, with spans, an answer or a hash."""
    return mostly(map(is_task, source.records))


def is_task(record: dict[str, Any]) -> bool:
    """Whether a record is a task."""
    spans = record.get("spans")
    is_spans = isinstance(spans, list) and all(
        isinstance(span, dict) and "start" in span for span in spans
    )
    has_answer = record.get("answer") in ANSWERS
    has_mark = any(mark in record for mark in _MARKS)
    return "text" in record and (is_spans or has_answer or has_mark)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read tasks.

    A task of a manual recipe that was accepted is completely annotated; one that was
    rejected or ignored is not annotated. In binary recipes the answer is about the
    spans alone: accepted, they are entities; rejected, a single span is known to be
    none, and of several it is not known which is wrong. A task without an answer was
    not annotated in Prodigy; its spans are taken as accepted, as `db-in` does. The
    tokens of tasks are kept.

    source (Source): The file.
    YIELDS (AnnotatedText): A text per task. Tasks of one text have the same key.
    """
    for item in source.items:
        yield _read_task(item)


def _read_task(item: Item) -> AnnotatedText:
    where = item.where
    task = expect(item.value, dict, where)
    text = get_field(task, "text", str, where)
    answer = task.get("answer", "accept")
    if answer not in ANSWERS:
        raise refuse(f"{where}, answer", answer, f"one of {', '.join(ANSWERS)}")
    is_binary = task.get("_is_binary", task.get("_view_id") == "ner")
    spans = _read_spans(task, text, where)
    left_out: Counter[str] = Counter()
    left_out["relations"] = size(task.get("relations"))
    # Answers of single spans, as tasks of several annotators are merged.
    answers = [span.get("answer", answer) for span in task.get("spans") or []]
    is_partial = is_binary or any("answer" in span for span in task.get("spans") or [])
    is_classified = "spans" not in task and ("options" in task or "label" in task)
    rejected = [s for s, a in zip(spans, answers, strict=True) if a == "reject"]
    if is_classified:
        left_out["answers about whole texts"] = 1
    elif not is_partial and answer != "accept":
        left_out[f"tasks with the answer {answer!r}"] = 1
    elif answer == "reject" and len(spans) > 1:
        left_out["rejected tasks with several spans"] = 1
        rejected = []
    elif is_partial and "ignore" in answers:
        left_out["ignored spans"] = answers.count("ignore")
    if "answer" not in task:
        left_out["missing answers (taken as accepted)"] = 1
    accepted = [s for s, a in zip(spans, answers, strict=True) if a == "accept"]
    has_key = is_partial or "_input_hash" in task
    return AnnotatedText(
        where,
        text,
        accepted if is_partial or answer == "accept" else [],
        words=_read_tokens(task, text),
        is_complete=answer == "accept" and not is_partial and not is_classified,
        wrong=rejected if is_partial else [],
        key=text if has_key else None,
        annotator=_annotator(task),
        left_out=left_out,
    )


def _read_spans(task: dict[str, Any], text: str, where: str) -> list[CharSpan]:
    found = task.get("spans")
    records = [] if found is None else expect(found, list, f"{where}, field 'spans'")
    surfaces, labels = [], []
    for i, record in enumerate(records, start=1):
        place = f"{where}, span {i}"
        expect(record, dict, place)
        start, end, label = (
            get_field(record, name, type_, place)
            for name, type_ in (("start", int), ("end", int), ("label", str))
        )
        stated = record.get("text")
        stated = stated if isinstance(stated, str) else None
        surfaces.append(Surface(place, start, end, stated))
        labels.append(label)
    extents = code_points(text, surfaces)
    return [
        make_span(text, start, end, label, surface.where)
        for (start, end), label, surface in zip(extents, labels, surfaces, strict=True)
    ]


def _read_tokens(task: dict[str, Any], text: str) -> list[str] | None:
    """The tokens of a task; None if it has none that make its text."""
    tokens = task.get("tokens")
    if not isinstance(tokens, list):
        return None
    words = [str(t.get("text", "")) for t in tokens if isinstance(t, dict)]
    return words if all(words) and find_words(words, text) else None


def _annotator(task: dict[str, Any]) -> str | None:
    name = task.get("_annotator_id") or task.get("_session_id")
    return None if name is None else str(name)
