"""Example -> gold tags."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, ORTH
from spacy.training import Example, remove_bilu_prefix

from ..errors import Errors
from ..tags import OUTSIDE, TokenSpan, split_tag, tag_names
from .given import _BEGIN, _INSIDE, _OUTSIDE, UNKNOWN_TAG, token_spans


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
