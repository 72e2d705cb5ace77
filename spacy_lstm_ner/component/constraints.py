"""Annotation that a Doc has before prediction, and the tags that it leaves open.

White space has no tag: the tag path leaves such tokens out, so an entity may run across
them but never begins or ends there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, SENT_START
from spacy.tokens import Doc, Span

from ..tags import TagSet
from .confidences import prediction_of
from .gold import IOB_BEGIN, IOB_INSIDE, UNKNOWN
from .settings import Settings

Tokens = NDArray[np.intp]


@dataclass(frozen=True)
class Preset:
    """Entities and blocked tokens of a Doc.

    entities: The preset entities: they are taken as right and stay as they are.
    own: Entities that an earlier run of the same component predicted. They stay too,
        but are not evidence: the second run would take a likely entity for certain.
    blocked: Whether a token can't be part of an entity.  (T,)
    taken: Whether a token is blocked or part of an entity that stays.  (T,)
    """

    entities: list[Span]
    own: list[Span]
    blocked: NDArray[np.bool_]
    taken: NDArray[np.bool_]


def preset_entities(
    docs: Sequence[Doc], settings: Settings, component: str
) -> list[Preset | None]:
    """The entities that a component leaves as they are: all if it does not overwrite.

    docs (Sequence[Doc]): The Docs.
    settings (Settings): `overwrite` and `spans_key` count.
    component (str): Name of the component.
    RETURNS (List[Optional[Preset]]): None if a Doc has no entities and blocked tokens.
    """
    return [_preset(doc, settings, component) for doc in docs]


def _preset(doc: Doc, settings: Settings, component: str) -> Preset | None:
    if not doc.has_annotation("ENT_IOB"):
        return None  # fast path: a freshly tokenized Doc
    iob, ent_type = doc.to_array([ENT_IOB, ENT_TYPE]).T
    taken = (iob == IOB_INSIDE) | (iob == IOB_BEGIN)
    if not taken.any():
        return None
    blocked = taken & (ent_type == 0)
    if settings.overwrite:
        return Preset([], [], blocked, blocked)
    entities: list[Span] = []
    own: list[Span] = []
    for ent in doc.ents:
        found = prediction_of(ent, settings.spans_key)
        is_own = found is not None and found.component == component
        (own if is_own else entities).append(ent)
    return Preset(entities, own, blocked, taken)


def taggable(doc: Doc) -> Tokens:
    """The tokens that have a tag: all except white space.

    doc (Doc): The Doc.
    RETURNS (ndarray): Their indices, ascending.
    """
    return np.asarray((doc.to_array(IS_SPACE) == 0).nonzero()[0])


def allowed_tags(
    docs: Sequence[Doc],
    tokens: Sequence[Tokens],
    presets: Sequence[Preset | None],
    tag_set: TagSet,
) -> NDArray[np.bool_] | None:
    """The tags that the annotation of Docs leaves open.

    Preset entities stay as they are and blocked tokens outside. No other entity crosses
    a blocked token or the start of a sentence, or continues a preset entity.

    docs (Sequence[Doc]): The Docs.
    tokens (Sequence[ndarray]): Indices of the taggable tokens of each.
    presets (Sequence[Optional[Preset]]): From `preset_entities`.
    tag_set (TagSet): The tags of the model.
    RETURNS (Optional[ndarray]): Whether each taggable token of the batch may have each
        tag, (T, N); None if all are allowed.
    """
    masks = [
        _allowed(doc, rows, preset, tag_set)
        for doc, rows, preset in zip(docs, tokens, presets, strict=True)
    ]
    if all(mask is None for mask in masks):
        return None
    return np.concatenate(
        [
            np.ones((len(rows), tag_set.n_tags), dtype=bool) if mask is None else mask
            for rows, mask in zip(tokens, masks, strict=True)
        ]
    )


def _allowed(
    doc: Doc, tokens: Tokens, preset: Preset | None, tag_set: TagSet
) -> NDArray[np.bool_] | None:
    has_sentences = doc.has_annotation("SENT_START")
    if preset is None and not has_sentences:
        return None
    # Tokens that can't continue an entity, and the known tags.
    cut = np.zeros(len(doc) + 1, dtype=bool)
    known = np.full(len(doc), UNKNOWN, dtype=np.intp)
    if has_sentences:
        cut[1:-1] = doc.to_array(SENT_START)[1:] == 1
    if preset is not None:
        known[preset.blocked] = tag_set.outside
        cut[:-1] |= preset.blocked
        for ent in preset.entities:
            rows = tokens[(ent.start <= tokens) & (tokens < ent.end)]
            label = tag_set.label_numbers.get(ent.label_)
            known[rows] = tag_set.outside if label is None else tag_set.inside(label)
            if label is not None:
                known[rows[:1]] = tag_set.begin(label)
            cut[ent.end] = True
    # A cut on white space counts for the next token that has a tag.
    cut_rows = np.searchsorted(tokens, np.flatnonzero(cut))
    cut_rows = cut_rows[cut_rows < len(tokens)]
    known = known[tokens]
    (known_rows,) = np.nonzero(known != UNKNOWN)
    if not len(cut_rows) and not len(known_rows):
        return None
    allowed = np.ones((len(tokens), tag_set.n_tags), dtype=bool)
    allowed[cut_rows, tag_set.insides] = False
    allowed[known_rows] = False
    allowed[known_rows, known[known_rows]] = True
    return allowed
