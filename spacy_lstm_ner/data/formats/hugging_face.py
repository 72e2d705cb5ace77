"""Hugging Face datasets: rows with tokens and tags, as JSON lines or Parquet."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import Errors
from ..columns import UNKNOWN
from ..lines import read_text
from .annotated import AnnotatedText, expect, get_field, mismatch
from .source import COMPANION, Item, Source, mostly
from .tokens import Tagged, from_tags

NAME = "hf"

_WORDS = ("tokens", "words")
_TAGS = ("ner_tags", "tags", "ner", "labels", "label", "ner_labels")
# The number of a token whose tag does not count, as losses ignore it.
_IGNORED = -100
# Files beside the data that name numbered tags.
_NAMES = (
    COMPANION,
    "label.json",
    "dataset_info.json",
    "dataset_infos.json",
    "config.json",
)


def looks_like(source: Source) -> bool:
    """Whether the rows have tokens and a list of tags."""
    return mostly(map(_is_row, source.records))


def _is_row(record: dict[str, Any]) -> bool:
    words = next((record[name] for name in _WORDS if name in record), None)
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        return False
    return any(isinstance(record.get(name), list) for name in _TAGS)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read rows.

    source (Source): The file. Its option `layer` names the column of the tags, and
        `labels` a file with the names of numbered tags. Without it, the names are in
        the metadata of the Parquet file, in FILE.labels.txt, labels.txt,
        dataset_info.json or config.json beside the file.
    YIELDS (AnnotatedText): A text per row. Tokens with the tag -100 are not annotated.
    RAISES ValueError: If tags are numbers without names (L277, L282).
    """
    rows = [_read_row(item, source.options.layer) for item in source.items]
    numbers = [tag for _, _, tags in rows for tag in tags if isinstance(tag, int)]
    names = _names(source) if numbers else []
    if numbers and not names:
        companion = source.path.with_suffix(f".{COMPANION}").name
        message = Errors.L277.format(where=rows[0][0], companion=companion)
        raise ValueError(message)
    yield from from_tags(_tagged(*row, names) for row in rows)


def _read_row(item: Item, column: str | None) -> tuple[str, list[str], list[Any]]:
    where, value = item
    row = expect(value, dict, where)
    word_column = next((name for name in _WORDS if name in row), _WORDS[0])
    words = get_field(row, word_column, list, where)
    for i, word in enumerate(words, start=1):
        expect(word, str, f"{where}, token {i}")
    tag_column = column or next((n for n in _TAGS if n in row), _TAGS[0])
    tags = get_field(row, tag_column, list, where)
    if len(tags) != len(words):
        expected = f"as many as there are tokens, {len(words)}"
        raise mismatch(f"{where}, {tag_column}", f"{len(tags)} tags", expected)
    return where, words, tags


def _tagged(
    where: str, words: Sequence[str], tags: Sequence[Any], names: Sequence[str]
) -> Tagged:
    places = [f"{where}, token {i}" for i in range(1, len(words) + 1)]
    found = [_name(tag, names, place) for tag, place in zip(tags, places, strict=True)]
    return Tagged(where, words, [found], places)


def _name(tag: Any, names: Sequence[str], where: str) -> str:
    if isinstance(tag, str):
        return tag
    number: int = expect(tag, int, where)
    if number == _IGNORED:
        return UNKNOWN
    if not 0 <= number < len(names):
        message = Errors.L282.format(where=where, found=len(names), number=number)
        raise ValueError(message)
    return names[number]


def _names(source: Source) -> list[str]:
    """The names of numbered tags, in files beside the data or in Parquet itself."""
    path = source.path
    candidates = [
        path.with_suffix(f".{COMPANION}"),
        *(path.with_name(n) for n in _NAMES),
    ]
    if source.options.labels is not None:
        candidates = [source.options.labels]
    found = [_read_names(file) for file in candidates if file.is_file()]
    own = _class_names(json.loads(source.metadata.get(b"huggingface", b"null")))
    return next(filter(None, [*found, own]), [])


def _read_names(path: Path) -> list[str]:
    text = read_text(path)
    if path.suffix.lower() == ".json":
        try:
            return _class_names(json.loads(text))
        except json.JSONDecodeError as err:
            where = f"{path}, line {err.lineno}"
            raise ValueError(Errors.L270.format(where=where, reason=err.msg)) from err
    return [line.strip() for line in text.splitlines() if line.strip()]


def _class_names(value: Any) -> list[str]:
    """The first list of names, of which one is "O", in a description of a dataset; the
    names of "id2label" of a model; or names with their numbers."""
    if isinstance(value, list):
        if "O" in value and all(isinstance(name, str) for name in value):
            return value
        return next(filter(None, map(_class_names, value)), [])
    if isinstance(value, dict):
        ids = value.get("id2label", value)
        # Some name the number of each tag, as in {"O": 0, "B-PER": 1}.
        if value and all(type(number) is int for number in value.values()):
            return sorted(value, key=lambda name: value[name])
        if isinstance(ids, dict) and ids and all(str(key).isdigit() for key in ids):
            return [str(ids[key]) for key in sorted(ids, key=int)]
        return next(filter(None, map(_class_names, value.values())), [])
    return []
