"""The rule by which predicted entities are paired with gold ones, and kinds of error.

A predicted entity that equals a gold one is paired with it. The others follow, the
surest first: each is paired with a gold entity that it overlaps and that is not paired
yet, if possible one of the same label, and of several the one with which it shares most
tokens (of equal ones, the first).

So a threshold changes no pair: it removes predicted entities from the end of this
order. (Entities of one side do not overlap each other, so no wrong entity takes the
partner of a right one.)
"""

import math
from collections.abc import Sequence

from ...tags import TokenSpan

RIGHT, MISSED, INVENTED = "right", "missed", "invented"
LABEL, BOUNDARY, BOTH = "wrong label", "wrong boundary", "both wrong"
# Each gold or predicted entity has one of these kinds; a pair has one in common.
KINDS = {
    RIGHT: "same limits, same label",
    LABEL: "same limits, other label",
    BOUNDARY: "other limits, same label",
    BOTH: "other limits, other label",
    MISSED: "gold, without a predicted entity",
    INVENTED: "predicted, without a gold entity",
}
# The kind of predicted entities on tokens without annotation.
UNJUDGED = "unjudged"


def pair(
    gold: Sequence[TokenSpan],
    predicted: Sequence[TokenSpan | None],
    confidences: Sequence[float | None],
) -> list[tuple[str, int | None]]:
    """Pair the predicted entities of a text with its gold ones.

    gold (Sequence[TokenSpan]): The gold entities.
    predicted (Sequence[Optional[TokenSpan]]): The predicted entities, in the tokens of
        the gold ones; None if the tokens are not annotated.
    confidences (Sequence[Optional[float]]): Their confidences; None comes first.
    RETURNS (List[Tuple[str, Optional[int]]]): Of each predicted entity, the kind, and
        the number of its gold entity.
    """
    free = dict(enumerate(gold))
    pairs: list[tuple[str, int | None]] = [(UNJUDGED, None)] * len(predicted)
    rest = []
    for i, span in enumerate(predicted):
        if span is None:
            continue
        equal = next((j for j, other in free.items() if other == span), None)
        if equal is None:
            rest.append((i, span))
        else:
            pairs[i] = (RIGHT, equal)
            del free[equal]
    rest.sort(key=lambda each: -_sureness(confidences[each[0]]))
    for i, span in rest:
        near = {j: _shared(span, other) for j, other in free.items()}
        near = {j: n for j, n in near.items() if n > 0}
        if not near:
            pairs[i] = (INVENTED, None)
            continue
        j = max(near, key=lambda j: (free[j].label == span.label, near[j], -j))
        pairs[i] = (_kind(free.pop(j), span), j)
    return pairs


def _sureness(confidence: float | None) -> float:
    return math.inf if confidence is None else confidence


def _shared(first: TokenSpan, second: TokenSpan) -> int:
    """Number of tokens that two spans share; not positive if there are none."""
    return min(first.end, second.end) - max(first.start, second.start)


def _kind(gold: TokenSpan, predicted: TokenSpan) -> str:
    """The kind of a pair that is not equal."""
    if gold[:2] == predicted[:2]:
        return LABEL
    return BOUNDARY if gold.label == predicted.label else BOTH
