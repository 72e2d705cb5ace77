"""What `lstm_ner` learns: from the annotation of Examples to a loss of tag paths."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example
from thinc.api import get_array_module

from ..chains.linear_chain import LinearChain, NoPathError
from ..chains.losses import add_gradients, expected_ratio, negative_log_likelihood
from ..errors import Errors
from ..tags import split_tag, tag_names
from ..types import Ints1d
from .given import UNKNOWN_TAG, taggable
from .gold import gold_tag_numbers, incorrect_spans

# Among labels with costs: all that are not named.
_OTHERS = "*"


class _Gold(NamedTuple):
    """What is known about the tags of one Doc.

    tokens: Its taggable tokens.  (T,)
    tags: Number of the tag of each of them, or UNKNOWN_TAG.  (T,)
    wrong: Spans that are no entities, as `PathSums.log_prob_of_spans` takes them, but
        counted in `tokens`.  (S, 4)
    """

    tokens: NDArray[np.intp]
    tags: NDArray[np.intp]
    wrong: NDArray[np.intp]

    @property
    def is_annotated(self) -> bool:
        return bool((self.tags != UNKNOWN_TAG).any() or len(self.wrong))


@dataclass(frozen=True)
class Objective:
    """The loss of a batch of examples, by the settings of the component.

    incorrect_spans_key (Optional[str]): Name of the span group of reference Docs whose
        spans are known to be no entities with their label; None if there is none.
    missed_costs (Mapping[str, float]): By label, the cost of a token of an entity that
        becomes no part of one with this label. The label "*" stands for all that are
        not named; without it, they cost nothing.
    spurious_costs (Mapping[str, float]): By label, the cost of a token that becomes
        part of an entity with this label and is of none; "*" likewise. A token of one
        label that gets another costs both.
    entity_ratio (Optional[Sequence[float]]): Least and greatest plausible share of
        tokens that are part of an entity; None: any.
    entity_ratio_weight (float): What a distance of 1 from that range costs, in nats per
        Doc.
    RAISES ValueError: If a setting is out of its range (L030, L031).
    """

    incorrect_spans_key: str | None = None
    missed_costs: Mapping[str, float] = field(default_factory=dict)
    spurious_costs: Mapping[str, float] = field(default_factory=dict)
    entity_ratio: Sequence[float] | None = None
    entity_ratio_weight: float = 10.0

    def __post_init__(self) -> None:
        for name in ("missed_costs", "spurious_costs"):
            for label, cost in getattr(self, name).items():
                if not 0 <= cost < np.inf:
                    message = Errors.L030.format(name=name, label=label, cost=cost)
                    raise ValueError(message)
        ratio, weight = self.entity_ratio, self.entity_ratio_weight
        is_range = ratio is None or (len(ratio) == 2 and 0 <= ratio[0] <= ratio[1] <= 1)
        if not (is_range and 0 <= weight < np.inf):
            raise ValueError(Errors.L031.format(ratio=ratio, weight=weight))

    def __call__(
        self, examples: Iterable[Example], scores: LinearChain, labels: Sequence[str]
    ) -> tuple[float, LinearChain]:
        """The loss and its gradient.

        examples (Iterable[Example]): The batch.
        scores (LinearChain): The model's scores of the tags of all tokens of the
            predicted Docs.
        labels (Sequence[str]): The labels of the model.
        RETURNS (Tuple[float, LinearChain]): Summed over examples, in nats. Tokens
            without annotation may have any tag, but do not go on an annotated entity;
            examples without any have neither loss nor gradient, unless the entity
            ratio is set.
        RAISES ValueError: If gold data (L012) or costs (L032) have a label that is none
            of `labels`, or if the annotation contradicts itself (L033).
        """
        costs = self._costs(labels)
        examples = list(examples)
        gold = [self._gold(eg, i, labels) for i, eg in enumerate(examples)]
        annotated = [i for i, g in enumerate(gold) if g.is_annotated]
        loss, gradient = 0.0, _no_gradient(scores)
        if annotated:
            chain, rows = _take(scores, gold, annotated)
            tags = np.concatenate([gold[i].tags for i in annotated])
            wrong = [
                gold[i].wrong + np.array([first, first, 0, 0])
                for i, first in zip(annotated, chain.first_rows.tolist(), strict=True)
            ]
            try:
                loss, d_chain = negative_log_likelihood(
                    chain,
                    _allowed(tags, len(scores.start)),
                    excluded=np.concatenate(wrong),
                    costs=None if costs is None else costs[tags],
                )
            except NoPathError as err:
                i = annotated[err.sequence]
                message = self._contradiction(examples[i], i, gold[i], err)
                raise ValueError(message) from err
            gradient = _put(d_chain, rows, scores)
        if self.entity_ratio is not None:
            chain, rows = _take(scores, gold, range(len(gold)))
            low, high = self.entity_ratio
            is_entity = np.arange(len(scores.start)) > 0
            distance, d_chain = expected_ratio(chain, is_entity, low, high)
            weight = self.entity_ratio_weight * len(gold)
            loss += weight * distance
            gradient = add_gradients(gradient, _put(d_chain, rows, scores), weight)
        return loss, gradient

    def _gold(self, eg: Example, i: int, labels: Sequence[str]) -> _Gold:
        number = {tag: n for n, tag in enumerate(tag_names(labels))}
        tokens = taggable(eg.predicted)
        tags = gold_tag_numbers(eg, i, labels)[tokens]
        wrong = []
        if self.incorrect_spans_key is not None:
            for start, end, label in incorrect_spans(eg, self.incorrect_spans_key):
                first, last = np.searchsorted(tokens, [start, end]).tolist()
                # What white space alone makes up, and labels that no path has, are
                # excluded anyway.
                if first < last and f"B-{label}" in number:
                    tag = number[f"B-{label}"]
                    wrong.append((first, last, tag, tag + 1))
        return _Gold(tokens, tags, np.array(wrong, dtype=np.intp).reshape(-1, 4))

    def _costs(self, labels: Sequence[str]) -> NDArray[np.float32] | None:
        """Cost of each tag [column] where another [row] is right; in the last row,
        where none is known.  (N + 1, N)"""
        if not (self.missed_costs or self.spurious_costs):
            return None
        for name in ("missed_costs", "spurious_costs"):
            for label in getattr(self, name):
                if label not in (*labels, _OTHERS):
                    message = Errors.L032.format(
                        name=name, label=label, labels=list(labels)
                    )
                    raise ValueError(message)
        missed, spurious = (
            {label: given.get(label, given.get(_OTHERS, 0.0)) for label in labels}
            for given in (self.missed_costs, self.spurious_costs)
        )
        of_tags = [split_tag(tag)[1] for tag in tag_names(labels)]
        costs = np.zeros((len(of_tags) + 1, len(of_tags)), dtype="f")
        for row, right in enumerate(of_tags):
            for column, found in enumerate(of_tags):
                if right != found:
                    costs[row, column] = missed.get(right, 0.0) + spurious.get(found, 0)
        return costs

    def _contradiction(self, eg: Example, i: int, gold: _Gold, err: NoPathError) -> str:
        token = eg.predicted[int(gold.tokens[err.token])]
        return Errors.L033.format(
            i=i,
            text=eg.reference.text[:50],
            token=token.i,
            word=token.text,
            ents=[(ent.text, ent.label_) for ent in eg.reference.ents],
            key=self.incorrect_spans_key,
            spans=[
                (eg.predicted[start:end].text, label)
                for start, end, label in incorrect_spans(
                    eg, self.incorrect_spans_key or ""
                )
            ],
        )


def _allowed(tags: NDArray[np.intp], n_tags: int) -> NDArray[np.bool_]:
    """Which tags each token may have, by what is known of it and of the one before: as
    entities are annotated as a whole, none goes on into a token of unknown tag."""
    is_unknown = tags == UNKNOWN_TAG
    allowed: NDArray[np.bool_] = tags[:, None] == np.arange(n_tags)
    allowed |= is_unknown[:, None]
    ends_before = np.append(False, tags[:-1] > 0) & is_unknown
    allowed[ends_before, 2::2] = False  # the inner tags
    return allowed


def _take(
    scores: LinearChain, gold: Sequence[_Gold], chosen: Iterable[int]
) -> tuple[LinearChain, Ints1d]:
    """The chain of the taggable tokens of some Docs, and their rows in the whole."""
    first_rows = scores.first_rows
    rows = [first_rows[i] + gold[i].tokens for i in chosen]
    lengths = np.array([len(r) for r in rows], dtype=np.intp)
    xp = get_array_module(scores.emit)
    all_rows = xp.asarray(np.concatenate([np.zeros(0, dtype=np.intp), *rows]))
    return scores.take(all_rows, lengths), all_rows


def _put(d_chain: LinearChain, rows: Ints1d, scores: LinearChain) -> LinearChain:
    """The gradient of the whole, from that of some rows."""
    d_emit = get_array_module(scores.emit).zeros_like(scores.emit)
    d_emit[rows] = d_chain.emit
    return replace(d_chain, emit=d_emit, lengths=scores.lengths)


def _no_gradient(scores: LinearChain) -> LinearChain:
    xp = get_array_module(scores.emit)
    emit, transition, start, end = (
        xp.zeros_like(a)
        for a in (scores.emit, scores.transition, scores.start, scores.end)
    )
    return LinearChain(emit, scores.lengths, transition, start, end)
