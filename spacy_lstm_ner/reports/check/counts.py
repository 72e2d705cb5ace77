"""Texts, tokens and entities per label."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from spacy.attrs import ENT_IOB

from .findings import Data, Finding

# As `spacy debug data` has it: with fewer entities, a label is rare.
FEW = 50


class LabelCounts(NamedTuple):
    """How often a part has a label.

    entities, texts, tokens, strings (int): Number of its entities, of texts with one,
        of tokens of its entities, and of different entity texts.
    """

    entities: int
    texts: int
    tokens: int
    strings: int


class PartCounts(NamedTuple):
    """What a part has.

    texts, tokens, entities (int): Their numbers.
    texts_with_entities (int): Number of texts that have an entity.
    unknown_tokens (int): Number of tokens without annotation.
    labels (Dict[str, LabelCounts]): By label, the most frequent first.
    """

    texts: int
    tokens: int
    entities: int
    texts_with_entities: int
    unknown_tokens: int
    labels: dict[str, LabelCounts]


def count_parts(data: Data) -> dict[str, PartCounts]:
    """Count each part.

    data (Data): The parts.
    RETURNS (Dict[str, PartCounts]): The counts by name of the part.
    """
    return {part: _count(data, part) for part in data.parts}


def _count(data: Data, part: str) -> PartCounts:
    docs = data.parts[part]
    ents = [entity for entity in data.entities if entity.part == part]
    by_label = Counter(entity.span.label_ for entity in ents)
    labels = {}
    for label, n in by_label.most_common():
        found = [entity for entity in ents if entity.span.label_ == label]
        labels[label] = LabelCounts(
            n,
            len({entity.number for entity in found}),
            sum(len(entity.span) for entity in found),
            len({entity.span.text for entity in found}),
        )
    return PartCounts(
        len(docs),
        sum(map(len, docs)),
        len(ents),
        len({entity.number for entity in ents}),
        sum(int((doc.to_array(ENT_IOB) == 0).sum()) for doc in docs),
        labels,
    )


def look_at_labels(data: Data, counts: dict[str, PartCounts]) -> Iterator[Finding]:
    """Find parts without entities, and labels that are rare or in one part only.

    data (Data): The parts.
    counts (Dict[str, PartCounts]): Their counts.
    YIELDS (Finding): What is found.
    """
    empty = [part for part, each in counts.items() if not each.entities]
    yield Finding("no_entities", len(empty), [{"part": part} for part in empty])
    first, *others = counts.values()
    rare = {label: n.entities for label, n in first.labels.items() if n.entities < FEW}
    examples = [{"label": label, "entities": n} for label, n in rare.items()]
    yield Finding("rare_label", len(rare), examples[::-1])
    elsewhere: Counter[str] = Counter()
    for other in others:
        elsewhere.update({label: n.entities for label, n in other.labels.items()})
    new = [
        {"label": label, "entities": n}
        for label, n in elsewhere.most_common()
        if label not in first.labels
    ]
    yield Finding("new_label", len(new), new)
    unused = [
        {"label": label, "entities": n.entities}
        for label, n in first.labels.items()
        if label not in elsewhere and others
    ]
    yield Finding("unused_label", len(unused), unused)


def look_at_annotation(data: Data) -> Iterator[Finding]:
    """Find texts that are annotated in part or not at all, and texts without words.

    data (Data): The parts.
    YIELDS (Finding): What is found.
    """
    partly, empty = [], []
    for part, number, doc in data.docs():
        at = {"part": part, "text": number, "context": doc.text[:80]}
        n_unknown = int((doc.to_array(ENT_IOB) == 0).sum())
        if all(token.is_space for token in doc):
            empty.append(at)
        elif n_unknown:
            partly.append({"tokens": len(doc), "unknown": n_unknown, **at})
    yield Finding("partly_annotated", len(partly), partly)
    yield Finding("empty_text", len(empty), empty)
