"""The scorer beside spaCy's."""

import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry

score = registry.scorers.get("spacy_lstm_ner.scorer.v1")()


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("en").vocab


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
