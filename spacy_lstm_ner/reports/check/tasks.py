"""Doubts as tasks for a person to decide: of Prodigy, and of Label Studio."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...data.formats.writing import label_studio_results, prodigy_task
from ...data.json_lines import parse_json, write_records
from ...data.replacing import replacing
from .doubts import Doubt
from .findings import Data

# Endings of the files of Label Studio; those of Prodigy are JSON lines.
LABEL_STUDIO = (".json",)
# The field of the text of a task of Label Studio, and that of its doubts.
_TEXT, _DOUBTS = "text", "doubts"


def write_tasks(path: Path, doubts: Iterable[Doubt], data: Data) -> None:
    """Write doubts as tasks, in their order.

    path (Path): The file. If it ends in .json, it is for Label Studio.
    doubts (Iterable[Doubt]): The doubts.
    data (Data): The annotated texts.
    """
    if path.suffix.lower() not in LABEL_STUDIO:
        write_records(path, map(_prodigy, doubts))
        return
    tasks = json.dumps(_label_studio(doubts, data), ensure_ascii=False, indent=1)
    with replacing(path) as new:
        new.write_text(tasks + "\n", encoding="utf8")


def is_tasks(path: Path) -> bool:
    """Whether `write_tasks` has written a file.

    path (Path): The file.
    """
    if path.suffix.lower() in LABEL_STUDIO:
        tasks = parse_json(path.read_bytes())
        first = tasks[0] if isinstance(tasks, list) and tasks else None
        fields = first.get("data") if isinstance(first, dict) else None
        return isinstance(fields, dict) and fields.keys() == {_TEXT, _DOUBTS}
    with path.open("rb") as file:
        first = parse_json(file.readline())
    fields = first.get("meta") if isinstance(first, dict) else None
    return isinstance(fields, dict) and "wrong" in fields


def _prodigy(doubt: Doubt) -> dict[str, Any]:
    """A binary task: is this span an entity?"""
    part, number, span = doubt.entity
    meta = {"part": part, "text": number, "wrong": doubt.wrong}
    meta["annotated"] = doubt.is_annotated
    if doubt.other is not None:
        meta["model"] = doubt.other
    task = prodigy_task(span.doc, [span])
    task["spans"][0]["score"] = doubt.probability
    return {**task, "meta": meta, "_is_binary": True}


def _label_studio(doubts: Iterable[Doubt], data: Data) -> list[dict[str, Any]]:
    """A task per text: its annotation, to correct, and what is doubted."""
    by_text: dict[tuple[str, int], list[Doubt]] = {}
    for doubt in doubts:
        part, number, _ = doubt.entity
        by_text.setdefault((part, number), []).append(doubt)
    tasks = []
    for i, ((part, number), found) in enumerate(by_text.items(), start=1):
        doc = data.parts[part][number - 1]
        results = label_studio_results(i, doc.ents)
        prediction = {"model_version": "annotation", "result": results}
        lines = "\n".join(map(_in_words, found))
        task = {"id": i, "data": {_TEXT: doc.text, _DOUBTS: lines}}
        meta = {"part": part, "text": number}
        tasks.append({**task, "meta": meta, "predictions": [prediction]})
    return tasks


def _in_words(doubt: Doubt) -> str:
    """A doubt in words, such as "'York' (GPE): rather New York (GPE) 0.981"."""
    span = doubt.entity.span
    name = f"{span.text!r} ({span.label_})"
    if not doubt.is_annotated:
        return f"{name} {doubt.probability:.3f}: not annotated"
    rather = "no entity" if doubt.other is None else doubt.other
    return f"{name} {doubt.probability:.3f}: rather {rather}"
