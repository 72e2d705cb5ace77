"""The scorer: spaCy's entity scores and the textbook's token accuracy."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from spacy.scorer import PRFScore, get_ner_prf
from spacy.training import Example

from ..tags import TagSet
from .confidences import has_confidences
from .gold import UNKNOWN, gold_tags, judge, token_spans
from .white_space import entities_of, trim_examples, warning_of_white_space


def make_scorer() -> Callable[..., dict[str, Any]]:
    """Make the scorer (`spacy_lstm_ner.scorer.v1`)."""
    return score


def score(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score entities as spaCy does, and tags token by token. White space at the ends
    of entities does not count.

    RETURNS (Dict[str, Any]): `ents_p`, `ents_r`, `ents_f` and `ents_per_type` over
        exact spans; `ents_tag_acc`, the share of annotated tokens, white space left
        out, with the right tag; `spans_KEY_p`, `spans_KEY_r` and `spans_KEY_f` over
        the spans of each group that a recognizer of this package has made, candidates
        among them. None where nothing is annotated.
    """
    examples = list(warning_of_white_space(examples, "the gold texts"))
    return {
        **get_ner_prf(trim_examples(examples), **kwargs),
        "ents_tag_acc": _tag_accuracy(examples),
        **_span_groups_prf(examples),
    }


def _span_groups_prf(examples: Iterable[Example]) -> dict[str, float]:
    scores: dict[str, PRFScore] = defaultdict(PRFScore)
    for eg in examples:
        if not eg.reference.has_annotation("ENT_IOB"):
            continue
        for key, group in eg.predicted.spans.items():
            if has_confidences(group):
                judged = judge(eg, token_spans(group))
                scores[key].tp += judged.count(True)
                scores[key].fp += judged.count(False)
                n_gold = len(entities_of(eg.reference))
                scores[key].fn += n_gold - judged.count(True)
    return {
        f"spans_{key}_{name}": getattr(score, attribute)
        for key, score in scores.items()
        for name, attribute in zip(
            "prf", ("precision", "recall", "fscore"), strict=True
        )
    }


def _tag_accuracy(examples: Sequence[Example]) -> float | None:
    docs = [doc for eg in examples for doc in (eg.predicted, eg.reference)]
    tag_set = TagSet(sorted({ent.label_ for doc in docs for ent in doc.ents}))
    itself = [Example(eg.predicted, eg.predicted) for eg in examples]
    none = np.zeros(0, dtype=np.intp)
    predicted = np.concatenate([none, *gold_tags(itself, tag_set)])
    gold = np.concatenate([none, *gold_tags(examples, tag_set)])
    found = np.where(predicted == UNKNOWN, tag_set.outside, predicted)
    is_known = gold != UNKNOWN
    n = int(is_known.sum())
    return int((found == gold)[is_known].sum()) / n if n else None
