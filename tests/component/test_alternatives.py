"""Where the probability of a span goes, against the list of all tag paths."""

import pytest
from spacy.tokens import Span

from spacy_lstm_ner.component.analysis import Alternatives, alternatives
from spacy_lstm_ner.tags import TokenSpan

from .unsure import LABELS, MIN_LISTED, OTHER, TEXT, given, pipe_of, probs_of_spans


def ask(nlp, docs, i: int, start: int, end: int) -> Alternatives:
    pipe = pipe_of(nlp)
    return alternatives(pipe.paths(docs, pipe.settings), i, start, end)


def expected(paths, start: int, end: int) -> tuple[dict[str, float], float, float]:
    """The probabilities of the labels, of other entities and of none."""
    labels = {
        label: sum(p.prob for p in paths if TokenSpan(start, end, label) in p.spans)
        for label in LABELS
    }
    none = sum(p.prob for p in paths if set(p.tags[start:end]) == {"O"})
    return labels, 1 - sum(labels.values()) - none, none


@pytest.mark.parametrize("tokens", [(0, 2), (0, 1), (3, 5), (1, 4), (2, 3)])
def test_against_all_paths(shared, paths, tokens: tuple[int, int]):
    nlp = shared()
    found = ask(nlp, [nlp.make_doc(OTHER), nlp.make_doc(TEXT)], 1, *tokens)
    labels, others, none = expected(paths, *tokens)
    assert found.labels == pytest.approx(labels, abs=1e-5)
    assert found.others == pytest.approx(others, abs=1e-5)
    assert found.none == pytest.approx(none, abs=1e-5)
    start, end = tokens
    listed = {
        span: prob
        for span, prob in probs_of_spans(paths).items()
        if span.start < end and start < span.end and span[:2] != tokens
        if prob >= MIN_LISTED
    }
    assert {s.span: s.confidence for s in found.spans} == pytest.approx(
        listed, abs=1e-5
    )
    confidences = [each.confidence for each in found.spans]
    assert confidences == sorted(confidences, reverse=True)


def test_the_tokens_say_something(paths):
    """What the test above needs, so that it shows anything."""
    for tokens in ((0, 2), (3, 5)):
        labels, others, none = expected(paths, *tokens)
        assert min(max(labels.values()), others) > 0.05
        assert none > 1e-4


def test_given_a_preset_entity(shared, paths):
    nlp = shared()
    doc = nlp.make_doc(TEXT)
    preset = TokenSpan(0, 1, "PER")
    doc.set_ents([Span(doc, *preset)], default="missing")
    labels, others, none = expected(given(paths, [preset]), 1, 2)
    found = ask(nlp, [doc], 0, 1, 2)
    assert found.labels == pytest.approx(labels, abs=1e-5)
    assert (found.others, found.none) == pytest.approx((others, none), abs=1e-5)


def test_white_space_at_the_ends(shared):
    nlp = shared()
    doc = nlp.make_doc("Ada \n Lovelace \n met")
    assert [token.is_space for token in doc] == [False, True, False, True, False]
    assert ask(nlp, [doc], 0, 1, 4) == ask(nlp, [doc], 0, 2, 3)
    for start, end in ((1, 2), (2, 2), (9, 10)):
        with pytest.raises(ValueError, match=r"L360.*not white space"):
            ask(nlp, [doc], 0, start, end)
