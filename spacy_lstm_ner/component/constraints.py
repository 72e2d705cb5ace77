"""Between Docs and tags: gold tags of an Example, constraints that a Doc sets, and
entities into `Doc.ents`.

White space has no tag. Tokens that are nothing else are left out of the path of tags
(see `taggable`), so an entity may run across them but can never begin or end there.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, ORTH, SENT_START
from spacy.tokens import Doc, Span
from spacy.training import Example, remove_bilu_prefix

from ..errors import Errors
from ..tags import OUTSIDE, TokenSpan, split_tag, tag_names
from .confidences import Scored, score_spans, scored_spans, span_key

# spaCy's values of `Token.ent_iob`
_INSIDE, _OUTSIDE, _BEGIN = 1, 2, 3

# In place of a tag's number: none is known.
UNKNOWN_TAG = -1


class ScoredSpan(NamedTuple):
    """A span that was predicted: tokens `start <= i < end`, its label, the probability
    of exactly this span with this label, and whether it is an entity or only a
    candidate."""

    start: int
    end: int
    label: str
    confidence: float
    is_entity: bool = True


def taggable(doc: Doc) -> NDArray[np.intp]:
    """The tokens that have a tag: all but white space.

    doc (Doc): The document.
    RETURNS (ndarray): Their indices, ascending.
    """
    return np.asarray((doc.to_array(IS_SPACE) == 0).nonzero()[0])


def gold_tags(eg: Example) -> list[str | None]:
    """The BIO tags that the predicted Doc of an example should get.

    eg (Example): The example; its two Docs may be tokenized differently.
    RETURNS (List[Optional[str]]): A tag for each token of `eg.predicted`; None where
        the annotation is missing or does not align, and for white space.
    """
    tags = _tags_of_same_tokens(eg)
    return _aligned_tags(eg) if tags is None else tags


def gold_tag_numbers(eg: Example, i: int, labels: Sequence[str]) -> NDArray[np.intp]:
    """The numbers of the BIO tags that the predicted Doc of an example should get.

    eg (Example): The example.
    i (int): Its number in the batch, for messages.
    labels (Sequence[str]): The labels of the model.
    RETURNS (ndarray): For each token of `eg.predicted`; UNKNOWN_TAG where `gold_tags`
        has None.  (T,)
    RAISES ValueError (L012): If the gold data has another label.
    """
    number: dict[str | None, int] = {None: UNKNOWN_TAG}
    number.update((tag, n) for n, tag in enumerate(tag_names(labels)))
    tags = gold_tags(eg)
    for tag in tags:
        if tag is not None and tag not in number:
            raise ValueError(
                Errors.L012.format(
                    label=split_tag(tag)[1],
                    i=i,
                    text=eg.reference.text[:50],
                    labels=list(labels),
                )
            )
    return np.array([number[tag] for tag in tags], dtype=np.intp)


def _tags_of_same_tokens(eg: Example) -> list[str | None] | None:
    """The tags where nothing has to be aligned: both Docs have the same tokens, none of
    them white space, and well-formed annotation. None where they don't.

    It is what most training data is like, and takes a twentieth of the time."""
    if len(eg.predicted) != len(eg.reference):
        return None
    orth, is_space = eg.predicted.to_array([ORTH, IS_SPACE]).T
    same, iob, label = eg.reference.to_array([ORTH, ENT_IOB, ENT_TYPE]).T
    goes_on = iob == _INSIDE
    breaks = goes_on & ((label == 0) | (label != np.append(0, label[:-1])))
    if (orth != same).any() or is_space.any() or breaks.any():
        return None
    tags = [OUTSIDE if value == _OUTSIDE else None for value in iob.tolist()]
    strings = eg.reference.vocab.strings
    for i in np.flatnonzero((goes_on | (iob == _BEGIN)) & (label != 0)).tolist():
        tags[i] = f"{'I' if goes_on[i] else 'B'}-{strings[label[i]]}"
    return tags


def _aligned_tags(eg: Example) -> list[str | None]:
    """The tags, by spaCy's alignment of the two Docs."""
    tags: list[str | None] = []
    begins = False  # the entity under way began on white space
    for token, tag in zip(eg.predicted, eg.get_aligned_ner(), strict=True):
        if tag is None or tag == OUTSIDE:
            tags.append(None if token.is_space else tag)
            begins = False
            continue
        begins = begins or tag[0] in "BU"
        if token.is_space:
            tags.append(None)
        else:
            tags.append(f"{'B' if begins else 'I'}-{remove_bilu_prefix(tag)}")
            begins = False
    return tags


def incorrect_spans(eg: Example, key: str) -> list[TokenSpan]:
    """The spans of a predicted Doc that the reference says are no entities.

    eg (Example): The example; its two Docs may be tokenized differently.
    key (str): Name of the span group of the reference.
    RETURNS (List[TokenSpan]): Without those that do not begin and end where tokens of
        `eg.predicted` do: it can't have them as entities.
    """
    spans = eg.reference.spans.get(key, [])
    aligned = eg.get_aligned_spans_y2x(spans, allow_overlap=True)
    return token_spans(aligned)


def judge(eg: Example, spans: Iterable[TokenSpan]) -> list[bool | None]:
    """Which spans of the predicted Doc are exactly entities of the reference, counted
    as spaCy's scorer does.

    eg (Example): The example; its two Docs may be tokenized differently.
    spans (Iterable[TokenSpan]): Tokens of `eg.predicted` with a label.
    RETURNS (List[Optional[bool]]): None for a span if the reference does not tell, as
        some of its tokens are not annotated. An entity is found once: a second span
        that aligns to it is wrong.
    """
    missing = set(token_spans(eg.reference.ents))
    judged: list[bool | None] = []
    for start, end, label in spans:
        rows = eg.alignment.x2y[start:end]
        first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, -1)
        tokens = eg.reference[first : last + 1]
        if not len(tokens) or any(token.ent_iob == 0 for token in tokens):
            judged.append(None)
            continue
        found = TokenSpan(first, last + 1, label)
        judged.append(found in missing)
        missing.discard(found)
    return judged


def token_spans(spans: Iterable[Span]) -> list[TokenSpan]:
    """Spans without their Doc.

    spans (Iterable[Span]): `doc.ents`, for instance.
    """
    return [TokenSpan(span.start, span.end, span.label_) for span in spans]


def given_entities(doc: Doc, spans_key: str, component: str) -> list[Span]:
    """The entities of a Doc that a component takes as they are: all but those that it
    has predicted itself. These are no evidence, or the second of two runs would take
    for certain what the first one held for likely.

    doc (Doc): The document.
    spans_key (str): Name of the span group of predicted entities.
    component (str): Name of the component.
    """
    ents = doc.ents
    if not ents:
        return []  # soon told of a text as it comes
    own = {
        span_key(each.span)
        for each in _still_there(doc, spans_key)
        if each.component == component
    }
    return [ent for ent in ents if span_key(ent) not in own]


def allowed_tags(
    doc: Doc, tokens: NDArray[np.intp], labels: Sequence[str], given: Iterable[Span]
) -> NDArray[np.bool_] | None:
    """The tags that a Doc's existing annotation leaves open.

    Given entities stay as they are, blocked tokens stay outside, and no entity crosses
    a blocked token or the start of a sentence, or grows out of a given one.

    doc (Doc): The document.
    tokens (ndarray): Indices of its taggable tokens.  (T,)
    labels (Sequence[str]): The labels of the model.
    given (Iterable[Span]): Entities that are known to be right.
    RETURNS (Optional[ndarray]): Whether each token may have each tag, (T, N); None if
        nothing is ruled out.
    """
    if not (doc.has_annotation("ENT_IOB") or doc.has_annotation("SENT_START")):
        return None  # soon told of a text as it comes
    iob, ent_type, sent_start = doc.to_array([ENT_IOB, ENT_TYPE, SENT_START]).T
    blocked = ((iob == _INSIDE) | (iob == _BEGIN)) & (ent_type == 0)
    cut = sent_start == 1
    cut[:1] = False  # nothing comes before the first token
    cut |= blocked
    given = list(given)
    if not given and not cut.any():
        return None
    tags = tag_names(labels)
    number = {tag: i for i, tag in enumerate(tags)}
    inner = [i for i, tag in enumerate(tags) if tag[0] == "I"]
    clamped = dict.fromkeys(np.flatnonzero(blocked).tolist(), 0)
    for ent in given:
        inside = tokens[(ent.start <= tokens) & (tokens < ent.end)].tolist()
        for prefix, i in zip("B" + "I" * len(inside), inside, strict=False):
            clamped[i] = number.get(f"{prefix}-{ent.label_}", 0)
        if ent.end < len(doc):
            cut[ent.end] = True
    allowed = np.ones((len(tokens), len(tags)), dtype=bool)
    # A cut on white space counts for the next token that has a tag.
    for row in np.searchsorted(tokens, np.flatnonzero(cut)).tolist():
        allowed[row : row + 1, inner] = False
    for row, i in enumerate(tokens.tolist()):
        if i in clamped:
            allowed[row] = False
            allowed[row, clamped[i]] = True
    return allowed


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


def _still_there(doc: Doc, spans_key: str) -> list[Scored]:
    """The scored entities of an earlier run that are still in `doc.ents`."""
    if spans_key not in doc.spans:
        return []
    ents = {span_key(ent) for ent in doc.ents}
    scored = scored_spans(doc.spans[spans_key])
    return [each for each in scored if span_key(each.span) in ents]


def _clear(doc: Doc, tokens: NDArray[np.bool_]) -> None:
    """Remove entities with all that hangs on them."""
    for i in np.flatnonzero(tokens).tolist():
        doc[i].ent_id = 0
        doc[i].ent_kb_id = 0
