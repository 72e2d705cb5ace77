"""The same words with different labels, or without a label elsewhere.

Words are compared exactly, case included: "May" is not "may".
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from spacy.attrs import ENT_IOB
from spacy.tokens import Span

from ...tags import IOB_OUTSIDE
from .findings import Data, Entity, Finding, describe, place

# Places that an example shows.
_N_SHOWN = 3

Words = tuple[str, ...]


def look_at_strings(data: Data) -> Iterator[Finding]:
    """Find strings with several labels, and entity strings that also occur unlabelled.

    Of several labels, strings with the most occurrences outside of their main label
    come first. Of unlabelled strings, those come first that are more often labelled
    than not, by the number of unlabelled occurrences; then the others, by the number of
    labelled ones.

    data (Data): The parts.
    YIELDS (Finding): What is found.
    """
    labelled: defaultdict[Words, list[Entity]] = defaultdict(list)
    for entity in data.entities:
        labelled[_words(entity.span)].append(entity)
    yield _several_labels(labelled)
    yield _unlabelled(labelled, _unlabelled_places(data, labelled))


def _words(span: Span) -> Words:
    return tuple(token.text for token in span)


def _several_labels(labelled: dict[Words, list[Entity]]) -> Finding:
    found = []
    for entities in labelled.values():
        labels = Counter(entity.span.label_ for entity in entities)
        if len(labels) > 1:
            n_others = len(entities) - max(labels.values())
            found.append((n_others, labels, entities))
    found.sort(key=lambda each: -each[0])
    examples = []
    for _, labels, entities in found:
        first = {entity.span.label_: entity for entity in reversed(entities)}
        places = [describe(first[label]) for label, _ in labels.most_common()]
        record = {"string": entities[0].span.text, "labels": dict(labels.most_common())}
        examples.append({**record, "places": places})
    return Finding("several_labels", len(examples), examples)


def _unlabelled_places(
    data: Data, labelled: dict[Words, list[Entity]]
) -> dict[Words, list[Entity]]:
    """Where the words of entities are outside of all entities. Of overlapping ones the
    longest from the left counts."""
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for words in labelled:
        lengths[words[0]].add(len(words))
    found: defaultdict[Words, list[Entity]] = defaultdict(list)
    for part, number, doc in data.docs():
        texts = tuple(token.text for token in doc)
        outside = doc.to_array(ENT_IOB) == IOB_OUTSIDE
        end = 0
        for start, text in enumerate(texts):
            for length in sorted(lengths.get(text, ()), reverse=True):
                words = texts[start : start + length]
                is_free = start >= end and outside[start : start + length].all()
                if is_free and words in labelled:
                    end = start + length
                    found[words].append(Entity(part, number, doc[start:end]))
                    break
    return found


def _unlabelled(
    labelled: dict[Words, list[Entity]], places: dict[Words, list[Entity]]
) -> Finding:
    def order(words: Words) -> tuple[bool, int]:
        n, n_free = len(labelled[words]), len(places[words])
        return n < n_free, -min(n, n_free)

    examples = []
    for words in sorted(places, key=order):
        entities, free = labelled[words], places[words]
        labels = Counter(entity.span.label_ for entity in entities)
        examples.append(
            {
                "string": entities[0].span.text,
                "labels": dict(labels.most_common()),
                "unlabelled": len(free),
                "places": [place(*entity) for entity in free[:_N_SHOWN]],
                "entity_at": place(*entities[0]),
            }
        )
    return Finding("unlabelled", len(examples), examples)
