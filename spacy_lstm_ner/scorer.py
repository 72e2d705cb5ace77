"""The scorer: spaCy's entity scores and the textbook's token accuracy."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from spacy.scorer import PRFScore, get_ner_prf
from spacy.tokens import Token
from spacy.training import Example

from .bio import OUTSIDE
from .ents import gold_tags, has_confidences, judge, token_spans


def make_scorer() -> Callable[..., dict[str, Any]]:
    """Make the scorer (`spacy_lstm_ner.scorer.v1`).

    RETURNS (Callable): `score`.
    """
    return score


def score(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score entities as spaCy does, and tags token by token.

    examples (Iterable[Example]): Predicted and reference Docs.
    RETURNS (Dict[str, Any]): `ents_p`, `ents_r`, `ents_f` and `ents_per_type` over
        exact spans; `ents_tag_acc`, the share of tokens with the right tag among those
        whose tag is annotated and no white space; `spans_KEY_p`, `spans_KEY_r` and
        `spans_KEY_f` over the spans of each group that a recognizer of this package
        has made, candidates among them. None where nothing is annotated.
    """
    examples = list(examples)
    return {
        **get_ner_prf(examples, **kwargs),
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
                scores[key].fn += len(eg.reference.ents) - judged.count(True)
    return {
        f"spans_{key}_{name}": getattr(score, attribute)
        for key, score in scores.items()
        for name, attribute in zip(
            "prf", ("precision", "recall", "fscore"), strict=True
        )
    }


def _tag_accuracy(examples: Iterable[Example]) -> float | None:
    right = annotated = 0
    for eg in examples:
        for token, gold in zip(eg.predicted, gold_tags(eg), strict=True):
            if gold is not None:
                annotated += 1
                right += gold == _tag(token)
    return right / annotated if annotated else None


def _tag(token: Token) -> str:
    return f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else OUTSIDE
