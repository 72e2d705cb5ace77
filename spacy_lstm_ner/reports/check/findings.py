"""What a finding is, the list of its kinds, and places in the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span

# Characters of the text that an example shows on both sides.
_CONTEXT = 40

# One example of a finding; its keys are those of `--json`.
Record = dict[str, Any]


class Kind(NamedTuple):
    """A kind of finding.

    is_problem (bool): It costs accuracy or makes scores wrong. Other findings are
        hints: a person has to look at the examples.
    message (str): What is found, with `{n}` for its number, and what to do.
    """

    is_problem: bool
    message: str


KINDS = {
    "no_entities": Kind(
        True, "{n} parts have no entities: a model learns nothing from them"
    ),
    "new_label": Kind(
        True,
        "{n} labels are not in the first part: a model that is trained on it can't "
        "predict them",
    ),
    "span_not_tokens": Kind(
        True,
        "{n} entities do not begin and end where tokens do: no model can predict them. "
        "Use another tokenizer, or correct the spans",
    ),
    "white_space": Kind(
        True,
        "{n} entities begin or end in white space: learning and scoring leave it out. "
        "Trim them",
    ),
    "crosses_sentence": Kind(
        True,
        "{n} entities go on behind the start of a sentence: they are left out of "
        "training. Correct the sentences",
    ),
    "same_text": Kind(
        True,
        "{n} texts are also in the first part: the scores of a model trained on it are "
        "too high. Remove them from one part",
    ),
    "other_entities": Kind(
        True,
        "{n} texts are repeated with other entities: one of the annotations is wrong",
    ),
    "similar_text": Kind(
        False,
        "{n} texts differ from one of the first part only in case, digits or white "
        "space",
    ),
    "repeated_text": Kind(False, "{n} texts are repeated within their part"),
    "empty_text": Kind(False, "{n} texts have no tokens, or only white space"),
    "rare_label": Kind(
        False, "{n} labels have few entities in the first part: annotate more"
    ),
    "unused_label": Kind(
        False, "{n} labels are only in the first part: no score tells how good they are"
    ),
    "partly_annotated": Kind(
        False,
        "{n} texts have tokens without annotation: training and scores leave them out",
    ),
    "doubt": Kind(
        False,
        "{n} spans whose annotation is more probably wrong than right, to a model",
    ),
    "unlabelled": Kind(
        False, "{n} strings are entities, and elsewhere they have no label"
    ),
    "several_labels": Kind(False, "{n} strings have several labels"),
    "punctuation": Kind(
        False,
        "{n} entities begin or end with punctuation, or have a bracket without its "
        "partner",
    ),
    "length": Kind(False, "{n} entities are unusually long, or have one character"),
}


@dataclass(frozen=True)
class Finding:
    """What was found.

    kind (str): One of `KINDS`.
    count (int): How often.
    examples (List[Dict[str, Any]]): Where, as JSON. The most important first.
    """

    kind: str
    count: int
    examples: list[Record]

    @property
    def is_problem(self) -> bool:
        """Whether it costs accuracy or makes scores wrong."""
        return KINDS[self.kind].is_problem

    @property
    def message(self) -> str:
        """What was found, in words."""
        return KINDS[self.kind].message.format(n=f"{self.count:,}")


class Entity(NamedTuple):
    """An entity and its place.

    part (str): Name of the part.
    number (int): Number of the text in the part, from 1.
    span (Span): The entity.
    """

    part: str
    number: int
    span: Span


class Text(NamedTuple):
    """An annotated text and its place.

    part (str): Name of the part.
    number (int): Number of the text in the part, from 1.
    doc (Doc): The text.
    """

    part: str
    number: int
    doc: Doc


class Data:
    """The parts of the data.

    parts (Mapping[str, Sequence[Doc]]): The annotated Docs of each part, by its name.
        The first part is the one to train on.
    """

    def __init__(self, parts: Mapping[str, Sequence[Doc]]) -> None:
        self.parts = parts

    @property
    def first(self) -> str:
        """The name of the part to train on."""
        return next(iter(self.parts))

    def docs(self) -> Iterator[Text]:
        """All texts."""
        for part, docs in self.parts.items():
            for number, doc in enumerate(docs, start=1):
                yield Text(part, number, doc)

    @cached_property
    def entities(self) -> list[Entity]:
        """All entities."""
        return [
            Entity(part, number, span)
            for part, number, doc in self.docs()
            for span in doc.ents
        ]


def place(part: str, number: int, span: Span) -> Record:
    """The place of a span as JSON: part, number of the text, and the text around it."""
    text = span.doc.text
    start, end = span.start_char - _CONTEXT, span.end_char + _CONTEXT
    before, after = "..." if start > 0 else "", "..." if end < len(text) else ""
    context = f"{before}{text[max(start, 0) : end]}{after}"
    return {"part": part, "text": number, "context": context}


def describe(entity: Entity, **more: Any) -> Record:
    """An entity as JSON.

    more (Any): Further fields.
    """
    part, number, span = entity
    found = {"string": span.text, "label": span.label_}
    return {**found, **more, **place(part, number, span)}
