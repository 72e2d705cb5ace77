"""The scorer beside spaCy's."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry

from spacy_lstm_ner.component.annotations import ScoredSpan, set_entities
from spacy_lstm_ner.component.settings import Settings
from spacy_lstm_ner.course.padding import masked_accuracy
from spacy_lstm_ner.tags import TokenSpan

score = registry.scorers.get("spacy_lstm_ner.scorer.v1")()


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("xx").vocab


def example(vocab, predicted, gold, words=("a", "b", "c", "d")) -> Example:
    return Example(
        Doc(vocab, words=list(words), ents=predicted),
        Doc(vocab, words=list(words), ents=gold),
    )


def test_entity_scores_are_those_of_spacy(vocab):
    examples = [
        example(vocab, ["B-per", "I-per", "O", "O"], ["B-per", "I-per", "O", "B-geo"]),
        example(vocab, ["O", "B-geo", "O", "O"], ["O", "B-per", "O", "O"]),
    ]
    scores = score(examples)
    assert scores.items() >= get_ner_prf(examples).items()
    assert scores["ents_p"] == 0.5
    assert scores["ents_r"] == pytest.approx(1 / 3)


def test_token_accuracy_leaves_out_what_is_not_annotated(vocab):
    predicted = ["B-per", "I-per", "O", "B-geo"]
    assert score([example(vocab, predicted, predicted)])["ents_tag_acc"] == 1
    gold = ["B-per", "O", "", ""]
    assert score([example(vocab, predicted, gold)])["ents_tag_acc"] == 0.5
    other_label = ["B-geo", "I-geo", "O", "B-geo"]
    assert score([example(vocab, predicted, other_label)])["ents_tag_acc"] == 0.5
    words = ("a", "b", "\n", "d")
    eg = example(vocab, ["B-per", "O", "O", "O"], ["O", "O", "O", "O"], words)
    assert score([eg])["ents_tag_acc"] == pytest.approx(2 / 3)


def test_nothing_annotated_has_no_score(vocab):
    scores = score([example(vocab, ["B-per", "O", "O", "O"], ["", "", "", ""])])
    assert set(scores.values()) == {None}


def set_spans(eg: Example, key: str, *spans, is_entity=False) -> Example:
    scored = [ScoredSpan(TokenSpan(*span), 0.5, is_entity) for span in spans]
    set_entities([eg.predicted], [scored], Settings(spans_key=key), "ner")
    return eg


def test_span_groups_are_scored_with_their_candidates(vocab):
    words = ("a", "b", "c", "d", "e")
    gold = ["B-per", "I-per", "B-per", "B-geo", "B-geo"]
    none = ["O"] * 5
    first = example(vocab, [""] * 5, gold, words)
    # 2 right, 1 wrong, 2 missed
    set_spans(first, "sc", (0, 1, "per"), (0, 2, "per"), (3, 4, "geo"))
    second = example(vocab, none, none, words)
    set_spans(second, "sc", (1, 4, "per"))
    scores = score([first])
    assert scores["spans_sc_p"] == pytest.approx(2 / 3)
    assert scores["spans_sc_r"] == pytest.approx(2 / 4)
    assert scores["spans_sc_f"] == pytest.approx(4 / 7)
    assert scores["ents_r"] == 0.0
    scores = score([first, second])
    assert scores["spans_sc_p"] == pytest.approx(2 / 4)
    assert scores["spans_sc_r"] == pytest.approx(2 / 4)


def test_span_groups_where_annotation_is_missing(vocab):
    first = example(vocab, [""] * 4, ["B-per", "O", "", ""])
    set_spans(first, "sc", (0, 1, "per"), (1, 3, "per"), (2, 4, "geo"))
    second = example(vocab, [""] * 4, [""] * 4)
    set_spans(second, "sc", (0, 1, "per"))
    scores = score([first, second])
    assert [scores[f"spans_sc_{name}"] for name in "prf"] == [1, 1, 1]
    assert not any(key.startswith("spans_") for key in score([second]))


def test_each_span_group_has_its_scores(vocab):
    eg = example(vocab, [""] * 4, ["B-per", "O", "B-per", "O"])
    set_spans(eg, "a", (0, 1, "per"))
    set_spans(eg, "b", (1, 2, "per"))
    set_spans(eg, "none")
    eg.predicted.spans["other"] = [eg.predicted[2:3]]
    scores = score(iter([eg]))
    assert (scores["spans_a_p"], scores["spans_a_r"]) == (1, 0.5)
    assert (scores["spans_b_p"], scores["spans_b_r"]) == (0, 0)
    assert (scores["spans_none_p"], scores["spans_none_r"]) == (0, 0)
    assert "spans_other_p" not in scores


def test_a_group_of_entities_has_the_scores_of_the_entities(vocab):
    gold = ["B-per", "I-per", "B-geo", "B-per"]
    eg = example(vocab, [""] * 4, gold)
    spans = [(0, 2, "per"), (2, 3, "per"), (3, 4, "per")]
    scores = score([set_spans(eg, "sc", *spans, is_entity=True)])
    for name in "prf":
        assert scores[f"spans_sc_{name}"] == pytest.approx(scores[f"ents_{name}"])
        assert 0 < scores[f"ents_{name}"] < 1


# Accuracy of tags, padding masked out


def scores_of(best, n_tags):
    """Log-probabilities whose largest one is that of the given tag."""
    return np.log(np.eye(n_tags)[np.array(best)] * 0.8 + 0.1)


def test_masked_accuracy_leaves_padding_out_of_both_sides():
    tags = np.array([[1, 2, 0], [0, 0, 0]])
    mask = np.array([[True, True, True], [True, False, False]])
    # Right: tags 1 and 0 of the first row. Padding is found to be 0, as it is filled.
    scores = scores_of([[1, 1, 0], [2, 0, 0]], 3)
    assert masked_accuracy(scores, tags, mask) == 2 / 4
    textbook = (scores.argmax(-1) == tags).sum() / mask.sum()
    assert textbook == 4 / 4
    short = np.array([[True, False, False], [True, False, False]])
    assert (scores.argmax(-1) == tags).sum() / short.sum() == 2  # "accuracy" of 200%
    assert masked_accuracy(scores, tags, short) == 1 / 2
    assert masked_accuracy(scores, tags, mask.astype("f")) == 2 / 4


def test_masked_accuracy_of_nothing():
    assert masked_accuracy(np.zeros((2, 3, 4)), np.zeros((2, 3)), np.zeros((2, 3))) is (
        None
    )


@given(st.data(), st.integers(0, 5), st.integers(0, 5))
def test_masked_accuracy_is_the_share_of_right_tokens(data, n_rows, n_columns):
    shape = (n_rows, n_columns)
    numbers = arrays(int, shape, elements=st.integers(0, 2))
    best, tags = data.draw(numbers), data.draw(numbers)
    mask = data.draw(arrays(bool, shape))
    right = [
        b == t for b, t, m in zip(best.flat, tags.flat, mask.flat, strict=True) if m
    ]
    expected = sum(right) / len(right) if right else None
    assert masked_accuracy(scores_of(best, 3), tags, mask) == expected


def test_score_of_docs_is_masked_accuracy(vocab):
    names = ["O", "B-per", "I-per"]
    predicted = [["B-per", "I-per", "O", "O"], ["O", "B-per"]]
    gold = [["B-per", "O", "O", ""], ["O", "O"]]
    examples = [
        example(vocab, p, g, words=["a", "b", "c", "d"][: len(p)])
        for p, g in zip(predicted, gold, strict=True)
    ]
    tags = [[1, 0, 0, 0], [0, 0, 0, 0]]
    best = [[names.index(tag) for tag in [*row, "O", "O"][:4]] for row in predicted]
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])
    expected = masked_accuracy(scores_of(best, 3), np.array(tags), mask)
    assert score(examples)["ents_tag_acc"] == expected == 3 / 5
