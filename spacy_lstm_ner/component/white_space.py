"""The rule for entities that begin or end in white space. Annotators make them when
they mark whole lines of a form.

White space has no tag, so no tag path has such an entity. Learning, scoring,
calibration and reports go by the entity without the white space at its ends. Entities
of white space alone do not count.
"""

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..errors import Warnings
from ..tags import TokenSpan


def trim(doc: Doc, span: TokenSpan) -> TokenSpan | None:
    """A span of a Doc without the white space at its ends; None if nothing is left."""
    start, end, label = span
    while start < end and doc[end - 1].is_space:
        end -= 1
    while start < end and doc[start].is_space:
        start += 1
    return TokenSpan(start, end, label) if start < end else None


def entities_of(doc: Doc) -> list[TokenSpan]:
    """The entities of a Doc without the white space at their ends."""
    spans = (TokenSpan(ent.start, ent.end, ent.label_) for ent in doc.ents)
    return [trimmed for span in spans if (trimmed := trim(doc, span)) is not None]


def trim_examples(examples: Iterable[Example]) -> list[Example]:
    """Examples without white space at the ends of entities. An Example that has some is
    replaced by a new one, with the same words and the trimmed entities."""
    return [
        Example(_trimmed(eg.predicted), _trimmed(eg.reference))
        if has_white_space(eg.predicted) or has_white_space(eg.reference)
        else eg
        for eg in examples
    ]


def has_white_space(doc: Doc) -> bool:
    """Whether an entity of a Doc begins or ends in white space."""
    return bool(_untrimmed(doc))


def warning_of_white_space(
    examples: Iterable[Example], where: str
) -> Iterator[Example]:
    """Pass Examples on; after the last one, warn of the gold entities with white space
    at their ends, with their number (L501).

    where (str): What the Examples are, for the message.
    """
    n_ents, untrimmed = 0, []
    for eg in examples:
        n_ents += len(eg.reference.ents)
        untrimmed += [(ent.text, ent.label_) for ent in _untrimmed(eg.reference)]
        yield eg
    if untrimmed:
        message = Warnings.L501.format(
            n=len(untrimmed), n_ents=n_ents, where=where, first=untrimmed[0]
        )
        warnings.warn(message, stacklevel=2)


def _untrimmed(doc: Doc) -> list[Span]:
    return [e for e in doc.ents if doc[e.start].is_space or doc[e.end - 1].is_space]


def _trimmed(doc: Doc) -> Doc:
    words, spaces = [t.text for t in doc], [bool(t.whitespace_) for t in doc]
    copy = Doc(doc.vocab, words=words, spaces=spaces)
    tags: Any = doc.to_array([ENT_IOB, ENT_TYPE])
    copy.from_array([ENT_IOB, ENT_TYPE], tags)
    copy.set_ents([], outside=_untrimmed(copy), default="unmodified")
    ents = [Span(copy, *span) for span in entities_of(doc)]
    copy.set_ents(ents, default="unmodified")
    return copy
