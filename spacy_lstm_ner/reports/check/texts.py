"""Texts that are repeated, in one part or in several."""

import re
from collections import defaultdict
from collections.abc import Iterator

from spacy.attrs import ENT_IOB
from spacy.tokens import Doc

from ...component.white_space import entities_of
from ...tags import TokenSpan
from .findings import Data, Finding, Record

_SHOWN = 80
# A text with fewer tokens and no entity, such as "Thanks!", may well be repeated.
_SHORT = 5


def look_at_texts(data: Data) -> Iterator[Finding]:
    """Find texts of several parts, exactly and nearly, and texts that are repeated.
    Short texts without entities are left out.

    data (Data): The parts.
    YIELDS (Finding): What is found.
    """
    exact: dict[str, int] = {}
    alike: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    same: list[Record] = []
    similar: list[Record] = []
    repeated: list[Record] = []
    for part, number, doc in data.docs():
        text, key = doc.text.strip(), _key(doc.text)
        at = {"part": part, "text": number, "context": text[:_SHOWN]}
        if not text or (len(doc) < _SHORT and not doc.ents):
            continue
        if (part, text) in seen:
            repeated.append(at)
        seen.add((part, text))
        if part == data.first:
            exact.setdefault(text, number)
            alike.setdefault(key, number)
        elif text in exact:
            same.append({data.first: exact[text], **at})
        elif key in alike:
            similar.append({data.first: alike[key], **at})
    yield Finding("same_text", len(same), same)
    yield Finding("similar_text", len(similar), similar)
    yield Finding("repeated_text", len(repeated), repeated)
    yield _contradictions(data)


def _key(text: str) -> str:
    """A text without differences of case, digits and white space."""
    return " ".join(re.sub(r"\d", "0", text.casefold()).split())


def _contradictions(data: Data) -> Finding:
    """Texts of the same tokens, all annotated, with different entities."""
    groups: defaultdict[tuple[str, ...], list[tuple[str, int, Doc]]] = defaultdict(list)
    for part, number, doc in data.docs():
        if len(doc) and doc.to_array(ENT_IOB).all():
            groups[tuple(token.text for token in doc)].append((part, number, doc))
    examples = []
    for group in groups.values():
        first_part, first_number, first = group[0]
        for part, number, doc in group[1:]:
            ours, theirs = set(entities_of(first)), set(entities_of(doc))
            if ours != theirs:
                at = {"part": part, "text": number, "context": doc.text[:_SHOWN]}
                found = {
                    "entities": _texts(doc, theirs - ours),
                    "other_entities": _texts(first, ours - theirs),
                    "other": {"part": first_part, "text": first_number},
                }
                examples.append({**found, **at})
    return Finding("other_entities", len(examples), examples)


def _texts(doc: Doc, spans: set[TokenSpan]) -> list[str]:
    return [f"{doc[s:e].text} ({label})" for s, e, label in sorted(spans)]
