"""Predicted spans -> `Doc.ents`, and the span group of confidences."""

from collections.abc import Iterable, Sequence

import numpy as np
from spacy.tokens import Doc, Span

from .confidences import Prediction, prediction_of, score_spans
from .constraints import Preset, preset_entities
from .doc_paths import ScoredSpan
from .settings import Settings


def set_entities(
    docs: Sequence[Doc],
    predicted: Iterable[Sequence[ScoredSpan]],
    settings: Settings,
    component: str,
) -> None:
    """Write predicted entities to `doc.ents`, and with their confidences to
    `doc.spans[spans_key]`, together with candidates. Each token ends up B, I or O.

    Predicted spans that overlap an entity that stays, or a blocked token, are left out.

    docs (Sequence[Doc]): The Docs.
    predicted (Iterable[Sequence[ScoredSpan]]): The spans of each. Its entities do not
        overlap each other.
    settings (Settings): `overwrite` and `spans_key` count.
    component (str): Name of the component that has predicted them.
    """
    presets = preset_entities(docs, settings, component)
    for doc, spans, preset in zip(docs, predicted, presets, strict=True):
        kept = [] if preset is None else _kept(doc, preset, settings)
        new = [
            (
                Span(doc, *each.span[:2], label=each.span.label),
                Prediction(each.confidence, component),
                each.is_entity,
            )
            for each in spans
            if preset is None or not preset.taken[slice(*each.span[:2])].any()
        ]
        _set_ents(doc, [span for span, _, is_entity in new if is_entity], preset)
        scored = [*kept, *(each[:2] for each in new)]
        key = settings.spans_key
        doc.spans[key] = score_spans(doc, key, scored)


def _kept(
    doc: Doc, preset: Preset, settings: Settings
) -> list[tuple[Span, Prediction]]:
    """Entities that stay and have a prediction in the span group."""
    pairs = [
        (ent, prediction_of(ent, settings.spans_key))
        for ent in (*preset.entities, *preset.own)
    ]
    return [(ent, prediction) for ent, prediction in pairs if prediction is not None]


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
