"""Annotation of Examples -> numbers of gold tags, and right or wrong spans."""

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, ORTH, SENT_START
from spacy.tokens import Doc, Span
from spacy.training import Example, remove_bilu_prefix

from ..errors import Errors, Warnings
from ..tags import IOB_BEGIN, IOB_INSIDE, IOB_OUTSIDE, OUTSIDE, TagSet, TokenSpan
from .lessons import lesson_of
from .white_space import entities_of, has_white_space, trim

# In place of the number of a tag that is not known.
UNKNOWN = -1

Tags = NDArray[np.intp]


class Gold(NamedTuple):
    """The annotation of an Example, in the taggable tokens of its predicted Doc.

    tokens: The indices of these tokens: all except white space.  (T,)
    tags: The numbers of their tags; UNKNOWN if they are not known.  (T,)
    wrong: Start, end and index of the label of each span that is known to be wrong.
    cuts: The tokens at which no entity continues, because a sentence starts.
    """

    tokens: NDArray[np.intp]
    tags: Tags
    wrong: list[tuple[int, int, int]]
    cuts: NDArray[np.intp]


def gold_of(
    examples: Sequence[Example], tag_set: TagSet, incorrect_spans_key: str | None
) -> list[Gold]:
    """The annotation of Examples. Warns of entities that are trimmed (L502), or that
    are left out because a sentence of the predicted Doc starts in them (L503).

    incorrect_spans_key (Optional[str]): As of `Settings`.
    RAISES ValueError (L012): If the annotation has a label that the model has not.
    """
    golds = []
    for eg, all_tags in zip(examples, gold_tags(examples, tag_set), strict=True):
        tokens = np.flatnonzero(eg.predicted.to_array(IS_SPACE) == 0)
        if len(tokens) < len(all_tags) and has_white_space(eg.reference):
            warnings.warn(Warnings.L502, stacklevel=2)
        tags, cuts = all_tags[tokens], cut_rows(sentence_starts(eg.predicted), tokens)
        if tag_set.is_inside(tags[cuts]).any():
            warnings.warn(Warnings.L503, stacklevel=2)
            _forget_entities(tags, cuts)
        wrong = set()
        for start, end, label in incorrect_spans(eg, incorrect_spans_key):
            first, last = np.searchsorted(tokens, [start, end]).tolist()
            # No path has spans of white space alone or of an unknown label.
            if first < last and label in tag_set.label_numbers:
                wrong.add((first, last, tag_set.label_numbers[label]))
        golds.append(Gold(tokens, tags, sorted(wrong), cuts))
    return golds


def sentence_starts(doc: Doc) -> NDArray[np.bool_]:
    """Whether a sentence starts at each token of a Doc, except at the first. No entity
    continues there.  (T,)"""
    if not doc.has_annotation("SENT_START"):
        return np.zeros(len(doc), dtype=bool)
    starts: NDArray[np.bool_] = doc.to_array(SENT_START) == 1
    starts[:1] = False
    return starts


def cut_rows(cut: NDArray[np.bool_], tokens: NDArray[np.intp]) -> NDArray[np.intp]:
    """The taggable tokens at which no entity continues. A cut on white space counts for
    the next token that has a tag.

    cut (ndarray): Whether there is a cut at each token of the Doc, or behind it.
    tokens (ndarray): The indices of the taggable tokens.  (T,)
    RETURNS (ndarray): Indices of `tokens`.
    """
    rows = np.searchsorted(tokens, np.flatnonzero(cut))
    return np.asarray(rows[rows < len(tokens)])


def _forget_entities(tags: Tags, cuts: NDArray[np.intp]) -> None:
    """Make the tags of entities that continue at a cut unknown, in place."""
    for row in cuts[TagSet.is_inside(tags[cuts])].tolist():
        first = last = row
        while first > 0 and TagSet.is_inside(tags[first]):
            first -= 1
        while last < len(tags) and TagSet.is_inside(tags[last]):
            last += 1
        tags[first:last] = UNKNOWN


def new_labels(examples: Iterable[Example], tag_set: TagSet) -> list[str]:
    """The labels of gold entities, and of teachers' distributions, that a tag set
    lacks, sorted."""
    seen, known = {0}, set(tag_set.label_numbers)
    for eg in examples:
        paths = lesson_of(eg).paths
        if paths is not None:
            known.update(paths.labels)
        hashes = set(eg.reference.to_array(ENT_TYPE).tolist()) - seen
        labels = {hash_: eg.reference.vocab.strings[hash_] for hash_ in hashes}
        if not known.issuperset(labels.values()):
            known |= {label for _, _, label in entities_of(eg.reference)}
        # A label that only white space has may have an entity in another Example.
        seen |= {hash_ for hash_, label in labels.items() if label in known}
    return sorted(known - tag_set.label_numbers.keys())


def gold_tags(examples: Iterable[Example], tag_set: TagSet) -> list[Tags]:
    """The tags that predicted Docs should get; the two Docs of an Example may be
    tokenized differently.

    RETURNS (List[ndarray]): The number of the tag of each token of `eg.predicted`.
        UNKNOWN for white space and for tokens whose annotation is missing or does not
        align.  (T,) each
    RAISES ValueError (L012): If the annotation has another label.
    """
    numbers: dict[int, int] = {}  # by hash of the label
    tags = []
    for i, eg in enumerate(examples):
        try:
            same = _tags_of_same_tokens(eg, tag_set, numbers)
            tags.append(_aligned_tags(eg, tag_set) if same is None else same)
        except KeyError as err:
            message = Errors.L012.format(
                label=err.args[0],
                i=i,
                text=eg.reference.text[:50],
                labels=list(tag_set.labels),
            )
            raise ValueError(message) from None
    return tags


def _tags_of_same_tokens(
    eg: Example, tag_set: TagSet, numbers: dict[int, int]
) -> Tags | None:
    """The tags of an Example that needs no alignment: both Docs have the same tokens,
    none of them white space, and the annotation is well-formed. None for others.

    Most training data is like this, and the alignment takes 20 times as long."""
    if len(eg.predicted) != len(eg.reference):
        return None
    orth, is_space = eg.predicted.to_array([ORTH, IS_SPACE]).T
    same, iob, label = eg.reference.to_array([ORTH, ENT_IOB, ENT_TYPE]).T
    is_inside = iob == IOB_INSIDE
    breaks = is_inside & ((label == 0) | (label != np.append(0, label[:-1])))
    if (orth != same).any() or is_space.any() or breaks.any():
        return None
    tags = np.where(iob == IOB_OUTSIDE, tag_set.outside, UNKNOWN)
    in_entity = (is_inside | (iob == IOB_BEGIN)) & (label != 0)
    hashes = label[in_entity].tolist()
    for hash_ in set(hashes) - numbers.keys():
        numbers[hash_] = tag_set.label_numbers[eg.reference.vocab.strings[hash_]]
    labels = np.array([numbers[hash_] for hash_ in hashes], dtype=np.intp)
    tags[in_entity] = np.where(
        is_inside[in_entity], tag_set.inside(labels), tag_set.begin(labels)
    )
    return tags


def _aligned_tags(eg: Example, tag_set: TagSet) -> Tags:
    """The tags by spaCy's alignment of the two Docs."""
    tags = np.full(len(eg.predicted), UNKNOWN, dtype=np.intp)
    begins = False  # the current entity began on white space
    for token, tag in zip(eg.predicted, eg.get_aligned_ner(), strict=True):
        if tag is None or tag == OUTSIDE:
            if tag == OUTSIDE and not token.is_space:
                tags[token.i] = tag_set.outside
            begins = False
            continue
        begins = begins or tag[0] in "BU"
        if not token.is_space:
            label = tag_set.label_numbers[remove_bilu_prefix(tag)]
            number = tag_set.begin(label) if begins else tag_set.inside(label)
            tags[token.i] = number
            begins = False
    return tags


def incorrect_spans(eg: Example, key: str | None) -> list[TokenSpan]:
    """The spans of a predicted Doc that the reference marks as wrong, without those
    that do not begin and end where tokens of `eg.predicted` do.

    key (Optional[str]): Name of the span group of the reference; None: no spans.
    """
    spans = [] if key is None else eg.reference.spans.get(key, [])
    if not len(spans):
        return []  # spares the alignment
    return token_spans(eg.get_aligned_spans_y2x(spans, allow_overlap=True))


def aligned(eg: Example, span: TokenSpan) -> TokenSpan | None:
    """A span of the predicted Doc in the tokens of the reference, by the rules of
    spaCy's scorer, white space at its ends left out.

    span (TokenSpan): A span of `eg.predicted`.
    RETURNS (Optional[TokenSpan]): None if tokens of the span are not annotated, or if
        it is white space: such a span is neither right nor wrong.
    """
    start, end, label = trim(eg.predicted, span) or (0, 0, "")
    rows = eg.alignment.x2y[start:end]
    first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, -1)
    tokens = eg.reference[first : last + 1]
    if not len(tokens) or any(token.ent_iob == 0 for token in tokens):
        return None
    return TokenSpan(first, last + 1, label)


def judge(eg: Example, spans: Sequence[TokenSpan]) -> list[bool | None]:
    """Which spans of the predicted Doc are entities of the reference, by the rules of
    spaCy's scorer, white space at their ends left out.

    spans (Sequence[TokenSpan]): Spans of `eg.predicted`.
    RETURNS (List[Optional[bool]]): None where `aligned` is. If two spans align to the
        same entity, the second one is wrong.
    """
    missing = set(entities_of(eg.reference)) if spans else set()
    judged: list[bool | None] = []
    for span in spans:
        found = aligned(eg, span)
        judged.append(None if found is None else found in missing)
        if found is not None:
            missing.discard(found)
    return judged


def token_spans(spans: Iterable[Span]) -> list[TokenSpan]:
    """Spans without their Doc."""
    return [TokenSpan(span.start, span.end, span.label_) for span in spans]
