"""White space at the ends of entities is left out everywhere."""

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_lstm_ner.component.gold import judge
from spacy_lstm_ner.component.scorer import score
from spacy_lstm_ner.component.white_space import (
    entities_of,
    has_white_space,
    trim,
    trim_examples,
    warning_of_white_space,
)
from spacy_lstm_ner.tags import TokenSpan
from tests.contract.helpers import make_nlp, phrases_of, train

# Forms as they are annotated by dragging: (text, start, end, label), in characters.
NAME = "Name: Anna Berg\nCity: Oslo\n"
FORM = (NAME, [(6, 16, "PER"), (22, 27, "GPE")])
TABS = ("\t Anna \t lives in\xa0 Oslo", [(0, 9, "PER"), (18, 23, "GPE")])
BLANK = ("Anna  \n\n lives", [(0, 4, "PER"), (5, 9, "GPE")])


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def example(nlp, data) -> Example:
    text, entities = data
    doc = nlp.make_doc(text)
    spans = [doc.char_span(*each, alignment_mode="expand") for each in entities]
    doc.set_ents(spans)
    return Example(nlp.make_doc(text), doc)


def texts_of(doc: Doc) -> list[tuple[str, str]]:
    return [(doc[start:end].text, label) for start, end, label in entities_of(doc)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (FORM, [("Anna Berg", "PER"), ("Oslo", "GPE")]),
        (TABS, [("Anna", "PER"), ("Oslo", "GPE")]),
        (BLANK, [("Anna", "PER")]),
    ],
)
def test_entities(nlp, data, expected):
    eg = example(nlp, data)
    assert has_white_space(eg.reference)
    assert texts_of(eg.reference) == expected
    (trimmed,) = trim_examples([eg])
    assert trimmed.text == eg.text
    assert not has_white_space(trimmed.reference)
    assert [(e.text, e.label_) for e in trimmed.reference.ents] == expected
    assert all(token.ent_iob_ in ("B", "I", "O") for token in trimmed.reference)
    assert not trimmed.predicted.has_annotation("ENT_IOB")


def test_unannotated_tokens_stay_unknown(nlp):
    doc = nlp.make_doc("Anna\n met Bob")
    ent = Span(doc, 0, 2, label="PER")
    doc.set_ents([ent], missing=[doc[3:4]], default="outside")
    (eg,) = trim_examples([Example(nlp.make_doc(doc.text), doc)])
    assert [token.ent_iob_ for token in eg.reference] == ["B", "O", "O", ""]


def test_examples_without_white_space_are_the_same_objects(nlp):
    eg = example(nlp, ("Anna lives in Oslo", [(0, 4, "PER")]))
    assert trim_examples([eg])[0] is eg


def test_trim(nlp):
    doc = nlp.make_doc("Anna\n\nOslo\n")
    assert trim(doc, TokenSpan(0, 2, "PER")) == (0, 1, "PER")
    assert trim(doc, TokenSpan(1, 3, "GPE")) == (2, 3, "GPE")
    assert trim(doc, TokenSpan(0, 3, "PER")) == (0, 3, "PER")  # within: it stays
    assert trim(doc, TokenSpan(1, 2, "PER")) is None


@pytest.mark.parametrize("data", [FORM, TABS, BLANK])
def test_the_right_entities_score_1(nlp, data):
    eg = example(nlp, data)
    eg.predicted.set_ents(
        [Span(eg.predicted, *span) for span in entities_of(eg.reference)],
        default="outside",
    )
    assert judge(eg, entities_of(eg.predicted)) == [True] * len(eg.predicted.ents)
    with pytest.warns(UserWarning, match=r"L501.*of the gold texts"):
        scores = score([eg])
    assert scores["ents_f"] == scores["ents_tag_acc"] == 1.0


def test_white_space_of_another_component_does_not_count(nlp):
    eg = example(nlp, ("Anna \n lives", [(0, 4, "PER")]))
    eg.predicted.set_ents([Span(eg.predicted, 0, 2, label="PER")])
    assert score([eg])["ents_f"] == 1.0
    assert judge(eg, [TokenSpan(0, 2, "PER"), TokenSpan(1, 2, "PER")]) == [True, None]


def test_the_warning_has_numbers(nlp):
    examples = [example(nlp, data) for data in (FORM, BLANK)]
    told = (
        r"L501\] 3 of the 4 entities of my texts .* first is \('Anna Berg\\n', 'PER'\)"
    )
    with pytest.warns(UserWarning, match=told):
        assert list(warning_of_white_space(examples, "my texts")) == examples


def test_learned_and_scored_like_trimmed_ones():
    nlp = make_nlp()
    examples = [example(nlp, FORM), example(nlp, BLANK)]
    with pytest.warns(UserWarning, match="L501.*of the training texts"):
        nlp.initialize(lambda: examples)
    assert nlp.get_pipe("lstm_ner").labels == ("GPE", "PER")
    with pytest.warns(UserWarning, match="L502"):
        train(nlp, examples)
    assert phrases_of(nlp(FORM[0])) == {"Anna Berg": "PER", "Oslo": "GPE"}
    with pytest.warns(UserWarning, match="L501"):
        assert nlp.evaluate(examples)["ents_f"] == 1.0


def test_calibrated_like_trimmed_ones():
    nlp = make_nlp()
    examples = [example(nlp, FORM), example(nlp, BLANK)] * 5
    trimmed = trim_examples(examples)
    nlp.initialize(lambda: trimmed)
    train(nlp, trimmed, steps=15)
    pipe = nlp.get_pipe("lstm_ner")
    expected = pipe.calibrate(trimmed, beta=1.0)
    with pytest.warns(UserWarning, match="L501.*of the held-out texts"):
        assert pipe.calibrate(examples, beta=1.0) == expected
