"""Annotation of Examples and scores of tag paths -> the loss and its gradient."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example
from thinc.api import get_array_module

from ..chains.linear_chain import Gradient, LinearChain, NoPathError, Spans
from ..chains.losses import (
    cross_entropy,
    expected_ratio,
    negative_log_likelihood,
)
from ..errors import Errors, Warnings
from ..tags import TagSet
from ..types import Ints1d
from .gold import UNKNOWN, Gold, Tags, gold_of, incorrect_spans
from .lessons import Lesson, lesson_of, teacher_chain
from .settings import Settings

# In costs by label: all labels that are not named.
_OTHERS = "*"


def get_loss(
    examples: Sequence[Example],
    scores: LinearChain,
    tag_set: TagSet,
    settings: Settings,
) -> tuple[float, Gradient]:
    """The loss of a batch and its gradient: the negative log-likelihood of the
    annotation, with the margins and the penalty of the settings. If a teacher's
    distribution is to be learned, its cross-entropy takes the place of the
    log-likelihood. Each is multiplied by the weight of the Example (`lessons.Lesson`).

    Tokens without annotation may have any tag, but can't continue an annotated entity.
    No entity crosses the start of a sentence, here as in prediction.
    Examples without annotation have neither loss nor gradient, unless the entity ratio
    is set.

    scores (LinearChain): The model's scores for all tokens of the predicted Docs.
    RETURNS (Tuple[float, Gradient]): The sum over examples, in nats.
    RAISES ValueError: If the annotation (L012) or costs (L032) have an unknown label,
        if the annotation contradicts itself (L033), or as `lessons.teacher_chain`.
    """
    batch = _Batch(
        examples, gold_of(examples, tag_set, settings.incorrect_spans_key), scores
    )
    xp = get_array_module(scores.emit)
    loss, gradient = 0.0, Gradient(xp.zeros_like(scores.emit))
    for lesson, chosen in _by_lesson(examples, tag_set):
        if lesson.paths is None:
            part = _loss_of_annotation(batch, chosen, tag_set, settings)
        else:
            part = _loss_of_paths(batch, chosen, tag_set, lesson.temperature)
        loss += lesson.weight * part[0]
        gradient = gradient.plus(part[1], lesson.weight)
    if settings.entity_ratio is not None:
        chain, rows = _take(batch, range(len(examples)))
        is_entity = tag_set.label_of(np.arange(tag_set.n_tags)) >= 0
        distance, d_chain = expected_ratio(chain, is_entity, *settings.entity_ratio)
        weight = settings.entity_ratio_weight * len(examples)
        loss += weight * distance
        gradient = gradient.plus(_put(d_chain, rows, scores), weight)
    return loss, gradient


class _Batch(NamedTuple):
    """Examples, their annotation, and the scores of all their tokens."""

    examples: Sequence[Example]
    golds: Sequence[Gold]
    scores: LinearChain


def _by_lesson(
    examples: Sequence[Example], tag_set: TagSet
) -> list[tuple[Lesson, list[int]]]:
    """The numbers of the Examples that are learned in the same way. Warns of labels
    that a teacher does not know (L250)."""
    groups: dict[Any, tuple[Lesson, list[int]]] = {}
    for i, lesson in enumerate(map(lesson_of, examples)):
        groups.setdefault(lesson.kind, (lesson, []))[1].append(i)
    for lesson, _ in groups.values():
        known = tag_set.labels if lesson.known is None else lesson.known
        missing = {*tag_set.labels} - {*known}
        if missing:
            message = Warnings.L250.format(missing=sorted(missing))
            warnings.warn(message, stacklevel=2)
    return list(groups.values())


def _loss_of_annotation(
    batch: _Batch, chosen: Sequence[int], tag_set: TagSet, settings: Settings
) -> tuple[float, Gradient]:
    """The negative log-likelihood of the annotation of some Examples."""
    examples, golds, scores = batch
    margins = _margins(tag_set, settings)
    annotated = [
        i for i in chosen if golds[i].wrong or (golds[i].tags != UNKNOWN).any()
    ]
    if not annotated:
        return 0.0, Gradient(get_array_module(scores.emit).zeros_like(scores.emit))
    chain, rows = _take(batch, annotated)
    known = np.concatenate([golds[i].tags for i in annotated])
    wrong = [(b, *span) for b, i in enumerate(annotated) for span in golds[i].wrong]
    try:
        loss, d_chain = negative_log_likelihood(
            chain,
            _allowed(known, tag_set),
            excluded=Spans.of(wrong) if wrong else None,
            costs=None if margins is None else _costs(known, tag_set, *margins),
        )
    except NoPathError as err:
        i = annotated[err.sequence]
        token = int(golds[i].tokens[err.token])
        message = _contradiction(examples[i], i, token, settings)
        raise ValueError(message) from err
    return loss, _put(d_chain, rows, scores)


def _loss_of_paths(
    batch: _Batch, chosen: Sequence[int], tag_set: TagSet, temperature: float
) -> tuple[float, Gradient]:
    """The cross-entropy with the teacher's distributions over the paths of some
    Examples."""
    chain, rows = _take(batch, chosen)
    examples = [batch.examples[i] for i in chosen]
    target = teacher_chain(examples, chain, tag_set)
    loss, d_chain = cross_entropy(chain, target, temperature)
    return loss, _put(d_chain, rows, batch.scores)


def _allowed(tags: Tags, tag_set: TagSet) -> NDArray[np.bool_]:
    """Which tags each token may have, by the known tags. Entities are annotated as a
    whole, so none of them continues on a token whose tag is unknown.  (T, N)"""
    is_unknown = tags == UNKNOWN
    allowed: NDArray[np.bool_] = tags[:, None] == np.arange(tag_set.n_tags)
    allowed |= is_unknown[:, None]
    is_in_entity = ~is_unknown & (tags != tag_set.outside)
    is_behind_entity = np.append(False, is_in_entity[:-1])
    allowed[is_behind_entity & is_unknown, tag_set.insides] = False
    return allowed


def _margins(
    tag_set: TagSet, settings: Settings
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Cost of a missed and of a spurious token of each label, and 0 for no label, last.
    (L + 1,) each"""
    if not (settings.missed_costs or settings.spurious_costs):
        return None
    missed = _by_label("missed_costs", settings.missed_costs, tag_set)
    spurious = _by_label("spurious_costs", settings.spurious_costs, tag_set)
    return missed, spurious


def _by_label(
    name: str, costs: Mapping[str, float], tag_set: TagSet
) -> NDArray[np.float32]:
    for label in costs:
        if label != _OTHERS and label not in tag_set.label_numbers:
            message = Errors.L032.format(
                name=name, label=label, labels=list(tag_set.labels)
            )
            raise ValueError(message)
    others = costs.get(_OTHERS, 0.0)
    values = [costs.get(label, others) for label in tag_set.labels]
    return np.array([*values, 0.0], dtype="f")


def _costs(
    tags: Tags,
    tag_set: TagSet,
    missed: NDArray[np.float32],
    spurious: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Cost of each tag at each token: 0 for the right label, and where it is unknown.
    (T, N)"""
    right = tag_set.label_of(tags)[:, None]
    found = tag_set.label_of(np.arange(tag_set.n_tags))
    costs = (missed[right] + spurious[found]) * (right != found)
    costs[tags == UNKNOWN] = 0.0
    return np.asarray(costs, dtype="f")


def _contradiction(eg: Example, i: int, token: int, settings: Settings) -> str:
    key = settings.incorrect_spans_key
    return Errors.L033.format(
        i=i,
        text=eg.reference.text[:50],
        token=token,
        word=eg.predicted[token].text,
        ents=[(ent.text, ent.label_) for ent in eg.reference.ents],
        key=key,
        spans=[
            (eg.predicted[start:end].text, label)
            for start, end, label in incorrect_spans(eg, key)
        ],
    )


def _take(batch: _Batch, chosen: Sequence[int]) -> tuple[LinearChain, Ints1d]:
    """The chain of the taggable tokens of some Docs, over the paths that do not cross
    the start of a sentence, and its rows in the whole."""
    _, golds, scores = batch
    rows = [scores.first_rows[i] + golds[i].tokens for i in chosen]
    lengths = np.array([len(r) for r in rows], dtype=np.intp)
    xp = get_array_module(scores.emit)
    all_rows = xp.asarray(np.concatenate([np.zeros(0, dtype=np.intp), *rows]))
    chain = scores
    if not np.array_equal(lengths, scores.lengths):
        chain = scores.take(all_rows, lengths)
    firsts = zip(chosen, chain.first_rows, strict=True)
    cuts = [first + golds[i].cuts for i, first in firsts]
    if any(map(len, cuts)):
        allowed = np.ones(chain.emit.shape, dtype=bool)
        allowed[np.concatenate(cuts), TagSet.insides] = False
        chain = chain.constrain(allowed)
    return chain, all_rows


def _put(d_chain: Gradient, rows: Ints1d, scores: LinearChain) -> Gradient:
    """The gradient of the whole, from the gradient of some rows."""
    if len(rows) == len(scores.emit):
        return d_chain
    d_emit = get_array_module(scores.emit).zeros_like(scores.emit)
    d_emit[rows] = d_chain.emit
    return replace(d_chain, emit=d_emit)
