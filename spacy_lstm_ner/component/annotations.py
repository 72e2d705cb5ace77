"""Annotation of Docs: what is there before prediction, the tags that it leaves open,
and the predicted entities.

White space has no tag: the tag path leaves such tokens out, so an entity may run across
them but never begins or ends there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE
from spacy.tokens import Doc, Span

from ..tags import IOB_BEGIN, IOB_INSIDE, TagSet, TokenSpan
from .confidences import Prediction, prediction_of, score_spans
from .gold import (
    UNKNOWN,
    cut_rows,
    sentence_starts,
    token_spans,
)
from .settings import Settings

Tokens = NDArray[np.intp]


class ScoredSpan(NamedTuple):
    """A predicted span of a Doc.

    span: Its tokens in the Doc, and its label.
    confidence: Probability of exactly this span with this label.
    is_entity: Whether it is an entity or only a candidate.
    """

    span: TokenSpan
    confidence: float
    is_entity: bool = True


@dataclass(frozen=True)
class Preset:
    """Entities and blocked tokens of a Doc.

    entities: The preset entities: they are taken as right and stay as they are.
    own: Entities that an earlier run of the same component predicted. They stay too,
        but are not evidence: the second run would take a likely entity for certain.
    blocked: Whether a token can't be part of an entity.  (T,)
    taken: Whether a token is blocked or part of an entity that stays.  (T,)
    certain: `taken`, without the entities of `own`.  (T,)
    """

    entities: list[Span]
    own: list[Span]
    blocked: NDArray[np.bool_]
    taken: NDArray[np.bool_]
    certain: NDArray[np.bool_]


class OpenTags(NamedTuple):
    """The tags that the annotation of a batch of Docs leaves open.

    tokens: For each Doc, the indices of its taggable tokens, ascending.
    presets: For each Doc, what is there; None if it has no entities or blocked tokens.
    allowed: Whether each taggable token of the batch may have each tag; None if all
        are allowed.  (T, N)
    """

    tokens: list[Tokens]
    presets: list[Preset | None]
    allowed: NDArray[np.bool_] | None


def open_tags(
    docs: Sequence[Doc], tag_set: TagSet, settings: Settings, component: str
) -> OpenTags:
    """The tags that the annotation of Docs leaves open.

    Preset entities stay as they are and blocked tokens outside. No other entity crosses
    a blocked token or the start of a sentence, or continues a preset entity.

    settings (Settings): `overwrite` and `spans_key` count.
    component (str): Name of the component.
    """
    tokens = [np.flatnonzero(doc.to_array(IS_SPACE) == 0) for doc in docs]
    presets = [_preset(doc, settings, component) for doc in docs]
    masks = [
        _allowed(doc, rows, preset, tag_set)
        for doc, rows, preset in zip(docs, tokens, presets, strict=True)
    ]
    if all(mask is None for mask in masks):
        return OpenTags(tokens, presets, None)
    allowed = [
        np.ones((len(rows), tag_set.n_tags), dtype=bool) if mask is None else mask
        for rows, mask in zip(tokens, masks, strict=True)
    ]
    return OpenTags(tokens, presets, np.concatenate(allowed))


def _preset(doc: Doc, settings: Settings, component: str) -> Preset | None:
    if not doc.has_annotation("ENT_IOB"):
        return None  # fast path: a freshly tokenized Doc
    iob, ent_type = doc.to_array([ENT_IOB, ENT_TYPE]).T
    taken = (iob == IOB_INSIDE) | (iob == IOB_BEGIN)
    if not taken.any():
        return None
    blocked = taken & (ent_type == 0)
    if settings.overwrite:
        return Preset([], [], blocked, blocked, blocked)
    entities: list[Span] = []
    own: list[Span] = []
    for ent in doc.ents:
        found = prediction_of(ent, settings.spans_key)
        is_own = found is not None and found.component == component
        (own if is_own else entities).append(ent)
    certain = taken.copy()
    for ent in own:
        certain[ent.start : ent.end] = False
    return Preset(entities, own, blocked, taken, certain)


def _allowed(
    doc: Doc, tokens: Tokens, preset: Preset | None, tag_set: TagSet
) -> NDArray[np.bool_] | None:
    """The allowed tags of one Doc, (T, N), or None."""
    has_sentences = doc.has_annotation("SENT_START")
    if preset is None and not has_sentences:
        return None
    # Tokens that can't continue an entity, and the known tags.
    cut = np.append(sentence_starts(doc), False)
    known = np.full(len(doc), UNKNOWN, dtype=np.intp)
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
    cut_at = cut_rows(cut, tokens)
    known = known[tokens]
    (known_rows,) = np.nonzero(known != UNKNOWN)
    if not len(cut_at) and not len(known_rows):
        return None
    allowed = np.ones((len(tokens), tag_set.n_tags), dtype=bool)
    allowed[cut_at, tag_set.insides] = False
    allowed[known_rows] = False
    allowed[known_rows, known[known_rows]] = True
    return allowed


def set_entities(
    docs: Iterable[Doc],
    predicted: Iterable[Sequence[ScoredSpan]],
    settings: Settings,
    component: str,
) -> None:
    """Write predicted entities to `doc.ents`, and with their confidences to
    `doc.spans[spans_key]`, together with candidates. Each token ends up B, I or O.

    Predicted spans that overlap a preset entity or a blocked token are left out. Those
    that overlap an entity of an earlier run can be candidates only.

    predicted (Iterable[Sequence[ScoredSpan]]): The spans of each Doc. Its entities do
        not overlap each other.
    settings (Settings): `overwrite`, `candidates` and `spans_key` count.
    component (str): Name of the component that has predicted them.
    """
    key = settings.spans_key
    for doc, spans in zip(docs, predicted, strict=True):
        preset = _preset(doc, settings, component)
        scored: list[tuple[Span, Prediction | None]] = []
        if preset is not None:  # entities that stay, stay in the group
            known = set(token_spans(doc.spans.get(key, [])))
            stay = preset.entities + preset.own
            pairs = zip(stay, token_spans(stay), strict=True)
            scored = [(e, prediction_of(e, key)) for e, span in pairs if span in known]
        ents = []
        own = set() if preset is None else set(token_spans(preset.own))
        for each, confidence, is_entity in spans:
            start, end, label = each
            is_free = True
            if preset is not None:
                is_free = not preset.taken[start:end].any()
                may_stand = is_free or (settings.candidates and each not in own)
                if preset.certain[start:end].any() or not may_stand:
                    continue
            span = Span(doc, start, end, label=label)
            scored.append((span, Prediction(confidence, component)))
            if is_entity and is_free:
                ents.append(span)
        _set_ents(doc, ents, preset)
        doc.spans[key] = score_spans(doc, key, scored)


def _set_ents(doc: Doc, ents: list[Span], preset: Preset | None) -> None:
    if preset is None:
        doc.set_ents(ents, default="outside")
        return
    is_outside = ~preset.taken
    for ent in doc.ents:  # `set_ents` leaves the ids of entities that it overwrites
        if not preset.taken[ent.start]:
            for token in ent:
                token.ent_id = token.ent_kb_id = 0
    for ent in ents:
        is_outside[ent.start : ent.end] = False
    outside = [doc[i : i + 1] for i in np.flatnonzero(is_outside).tolist()]
    doc.set_ents(ents, outside=outside, default="unmodified")
