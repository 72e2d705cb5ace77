"""Which predicted entity is paired with which gold one, and as what."""

import random

import pytest

from spacy_lstm_ner.reports.report.pairs import INVENTED, UNJUDGED, pair
from spacy_lstm_ner.tags import TokenSpan

GOLD = [TokenSpan(0, 2, "A"), TokenSpan(4, 7, "B"), TokenSpan(7, 8, "A")]


@pytest.mark.parametrize(
    ("span", "kind", "gold"),
    [
        ((0, 2, "A"), "right", 0),
        ((0, 2, "B"), "wrong label", 0),
        ((0, 3, "A"), "wrong boundary", 0),
        ((1, 2, "B"), "both wrong", 0),
        ((2, 4, "A"), "invented", None),
        # Of two: the one of its label, else the one with which it shares most.
        ((6, 8, "A"), "wrong boundary", 2),
        ((5, 8, "C"), "both wrong", 1),
        ((6, 8, "C"), "both wrong", 1),
    ],
)
def test_one(span, kind, gold):
    assert pair(GOLD, [TokenSpan(*span)], [0.5]) == [(kind, gold)]


def test_the_surest_comes_first():
    spans = [TokenSpan(4, 5, "B"), TokenSpan(6, 7, "A")]
    assert pair(GOLD, spans, [0.9, 0.8]) == [("wrong boundary", 1), ("invented", None)]
    assert pair(GOLD, spans, [0.8, 0.9]) == [("invented", None), ("both wrong", 1)]
    assert pair(GOLD, spans, [0.8, None]) == [("invented", None), ("both wrong", 1)]


def test_what_is_not_annotated_has_no_kind():
    assert pair(GOLD, [None, TokenSpan(0, 2, "A")], [None, None]) == [
        (UNJUDGED, None),
        ("right", 0),
    ]


def test_a_threshold_changes_no_pair():
    rng = random.Random(0)
    for _ in range(300):
        gold, spans = ([], [])
        for found in (gold, spans):
            place = 0
            while (place := place + rng.choice([0, 0, 1])) < 12:
                end = place + rng.choice([1, 2, 3])
                found.append(TokenSpan(place, end, rng.choice("AB")))
                place = end
        confidences = [rng.random() for _ in spans]
        pairs = pair(gold, spans, confidences)
        kept = [i for i, confidence in enumerate(confidences) if confidence >= 0.5]
        assert pair(gold, [spans[i] for i in kept], [confidences[i] for i in kept]) == [
            pairs[i] for i in kept
        ]
        partners = [j for kind, j in pairs if kind != INVENTED]
        assert len(partners) == len(set(partners))
