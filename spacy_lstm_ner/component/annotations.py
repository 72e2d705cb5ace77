"""Predicted spans -> `Doc.ents` and the span group of confidences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.tokens import Doc, Span

from .confidences import Scored, score_spans
from .given import _BEGIN, _INSIDE, ScoredSpan, _still_there


def set_entities(
    doc: Doc,
    predicted: Sequence[ScoredSpan],
    *,
    overwrite: bool,
    spans_key: str,
    component: str,
) -> None:
    """Write predicted entities to `doc.ents`, and with their confidences to
    `doc.spans[spans_key]`, where candidates stand too. Each token ends up B, I or O.

    doc (Doc): The document.
    predicted (Sequence[ScoredSpan]): Entities, without overlap, and candidates; by
        position.
    overwrite (bool): Remove entities that are already there; else they stay as they
        are, and what overlaps them is left out. Blocked tokens stay in either case.
    spans_key (str): Name of the span group. Entities of it that stay in `doc.ents`
        stay in the group too.
    component (str): Name of the component that has predicted them.
    """
    kept: list[Scored] = []
    has_presets = False
    if doc.has_annotation("ENT_IOB"):
        iob, ent_type = doc.to_array([ENT_IOB, ENT_TYPE]).T
        taken = (iob == _INSIDE) | (iob == _BEGIN)
        has_presets = bool(taken.any())
    if has_presets:
        if overwrite:
            _clear(doc, taken & (ent_type != 0))
            taken &= ent_type == 0
        else:
            kept = _still_there(doc, spans_key)
        predicted = [p for p in predicted if not taken[p.start : p.end].any()]
    new = [
        Scored(Span(doc, p.start, p.end, label=p.label), p.confidence, component)
        for p in predicted
    ]
    ents = [each.span for each, p in zip(new, predicted, strict=True) if p.is_entity]
    if has_presets:
        for ent in ents:
            taken[ent.start : ent.end] = True
        outside = [doc[i : i + 1] for i in np.flatnonzero(~taken).tolist()]
        doc.set_ents(ents, outside=outside, default="unmodified")
    else:
        doc.set_ents(ents, default="outside")
    doc.spans[spans_key] = score_spans(doc, spans_key, kept + new)


def _clear(doc: Doc, tokens: NDArray[np.bool_]) -> None:
    """Remove entities with all that hangs on them."""
    for i in np.flatnonzero(tokens).tolist():
        doc[i].ent_id = 0
        doc[i].ent_kb_id = 0
