"""Annotation of Examples and scores of tag paths -> the loss and its gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example
from thinc.api import get_array_module

from ..chains.linear_chain import Gradient, LinearChain, NoPathError, Spans
from ..chains.losses import expected_ratio, negative_log_likelihood
from ..errors import Errors
from ..tags import TagSet
from ..types import Ints1d
from .gold import UNKNOWN, Gold, Tags, gold_of, incorrect_spans
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
    annotation, with the margins and the penalty of the settings.

    Tokens without annotation may have any tag, but can't continue an annotated entity.
    No entity crosses the start of a sentence, here as in prediction.
    Examples without annotation have neither loss nor gradient, unless the entity ratio
    is set.

    scores (LinearChain): The model's scores for all tokens of the predicted Docs.
    RETURNS (Tuple[float, Gradient]): The sum over examples, in nats.
    RAISES ValueError: If the annotation (L012) or costs (L032) have an unknown label,
        or if the annotation contradicts itself (L033).
    """
    margins = _margins(tag_set, settings)
    golds = gold_of(examples, tag_set, settings.incorrect_spans_key)
    annotated = [
        i for i, gold in enumerate(golds) if gold.wrong or (gold.tags != UNKNOWN).any()
    ]
    xp = get_array_module(scores.emit)
    loss, gradient = 0.0, Gradient(xp.zeros_like(scores.emit))
    if annotated:
        chain, rows = _take(scores, golds, annotated)
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
        gradient = _put(d_chain, rows, scores)
    if settings.entity_ratio is not None:
        chain, rows = _take(scores, golds, range(len(examples)))
        is_entity = tag_set.label_of(np.arange(tag_set.n_tags)) >= 0
        distance, d_chain = expected_ratio(chain, is_entity, *settings.entity_ratio)
        weight = settings.entity_ratio_weight * len(examples)
        loss += weight * distance
        gradient = gradient.plus(_put(d_chain, rows, scores), weight)
    return loss, gradient


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


def _take(
    scores: LinearChain, golds: Sequence[Gold], chosen: Sequence[int]
) -> tuple[LinearChain, Ints1d]:
    """The chain of the taggable tokens of some Docs, over the paths that do not cross
    the start of a sentence, and its rows in the whole."""
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
