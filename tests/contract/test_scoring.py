"""Scoring: the keys and numbers of spaCy's own scorer."""

import pytest
import spacy
from spacy.training import Example
from spacy.util import registry

from .helpers import (
    FACTORY,
    LABELS,
    TRAIN_DATA,
    add_tiny,
    make_doc,
    make_example,
    make_nlp,
    train_examples,
    unannotated_example,
)

KEYS = {"ents_p", "ents_r", "ents_f", "ents_per_type"}


@registry.scorers("contract.CallScorer.v1")
def make_call_scorer():
    """A scorer that tells what it was called with."""

    def score(examples, **kwargs):
        return {"n_examples": len(list(examples)), "kwargs": kwargs}

    return score


def half_right(nlp):
    """Two predictions, one of them right, and three gold entities."""
    words = ["Ada", "met", "Bob", "in", "Rome"]
    predicted = make_doc(nlp, words, ["B-PER", "O", "B-GPE", "O", "O"])
    gold = make_doc(nlp, words, ["B-PER", "O", "B-PER", "O", "B-GPE"])
    return Example(predicted, gold)


def test_scores_have_the_usual_keys_and_values():
    nlp = make_nlp()
    scores = nlp.get_pipe(FACTORY).score([half_right(nlp)])
    assert set(scores) >= KEYS
    assert scores["ents_p"] == pytest.approx(1 / 2)
    assert scores["ents_r"] == pytest.approx(1 / 3)
    assert scores["ents_f"] == pytest.approx(0.4)
    assert scores["ents_per_type"] == {
        "PER": {"p": 1.0, "r": 0.5, "f": pytest.approx(2 / 3)},
        "GPE": {"p": 0.0, "r": 0.0, "f": 0.0},
    }


def test_scores_agree_with_the_scorer_of_ner():
    nlp = make_nlp()
    examples = [half_right(nlp), unannotated_example(nlp)]
    ner_scorer = registry.get("scorers", "spacy.ner_scorer.v1")()
    expected = ner_scorer(examples)
    scores = nlp.get_pipe(FACTORY).score(examples)
    assert {key: scores[key] for key in KEYS} == {key: expected[key] for key in KEYS}


def test_evaluate_of_a_trained_pipeline_is_perfect(nlp):
    scores = nlp.evaluate(train_examples(nlp))
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == (1.0, 1.0, 1.0)
    assert set(scores["ents_per_type"]) == set(LABELS)


def test_predictions_without_gold_are_ignored(nlp):
    known = train_examples(nlp)
    unknown = [unannotated_example(nlp, text) for text, _ in TRAIN_DATA]
    assert all(nlp(eg.text).ents or not dict(TRAIN_DATA)[eg.text] for eg in unknown)
    scores = nlp.evaluate([*known, *unknown])
    assert (scores["ents_p"], scores["ents_r"]) == (1.0, 1.0)
    wrong = make_example(nlp, TRAIN_DATA[0][0], {})
    assert nlp.evaluate([*known, wrong])["ents_p"] < 1.0


def test_scores_are_none_without_any_gold(nlp):
    scores = nlp.evaluate([unannotated_example(nlp, text) for text, _ in TRAIN_DATA])
    assert {scores[key] for key in KEYS} == {None}


def test_ruler_in_the_same_pipeline_agrees(nlp):
    ruler = nlp.add_pipe("entity_ruler", before=FACTORY)
    ruler.add_patterns([{"label": "EVENT", "pattern": "met"}])
    scores = nlp.evaluate(train_examples(nlp))
    ner_scorer = registry.get("scorers", "spacy.ner_scorer.v1")()
    examples = [Example(nlp(eg.text), eg.reference) for eg in train_examples(nlp)]
    assert 0.5 < scores["ents_f"] < 1.0
    assert scores["ents_per_type"]["EVENT"]["p"] == 0.0
    for key in KEYS:
        assert nlp.get_pipe(FACTORY).score(examples)[key] == scores[key]
        assert ner_scorer(examples)[key] == scores[key]


def test_scorer_is_a_setting_and_gets_the_labels(nlp):
    other = spacy.blank("xx")
    pipe = add_tiny(other, scorer={"@scorers": "contract.CallScorer.v1"})
    for label in LABELS:
        pipe.add_label(label)
    scores = pipe.score(train_examples(other))
    assert scores["n_examples"] == len(TRAIN_DATA)
    assert tuple(scores["kwargs"]["labels"]) == LABELS


def test_scorer_may_be_null(nlp):
    other = spacy.blank("xx")
    pipe = add_tiny(other, scorer=None)
    assert pipe.scorer is None
    assert pipe.score(train_examples(other)) == {}
    assert nlp.get_pipe(FACTORY).score(train_examples(nlp)) != {}
