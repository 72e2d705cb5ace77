"""The figures are those of spaCy's scorer and of nervaluate."""

import math

import pytest
import spacy
from contract.helpers import make_nlp, trained
from nervaluate import Evaluator
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_lstm_ner.component.scorer import score
from spacy_lstm_ner.reports.recognizers import raw_doc
from spacy_lstm_ner.reports.report import make_report, predict
from spacy_lstm_ner.reports.report.pairs import RIGHT
from tests.component.unsure import DISAGREEING, HELD_OUT, examples_of

from .helpers import NLP, answers, example, random_examples


def figures_of(*examples: Example, train=None):
    (figures,) = make_report([answers(*examples)], train).models
    return figures


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_spacy(seed: int):
    examples = random_examples(seed)
    expected = get_ner_prf(examples)
    figures = figures_of(*examples)
    for key, name in zip("prf", ("precision", "recall", "f1"), strict=True):
        total = getattr(figures.total, name)
        assert total.value == pytest.approx(expected[f"ents_{key}"])
        assert total.low < total.value < total.high
        for label, each in expected["ents_per_type"].items():
            found = getattr(figures.scores["label"][label], name)
            assert found.value == pytest.approx(each[key])
    kinds = [n for each in figures.kinds.values() for n in each.values()]
    assert min(kinds) > 0
    n_gold = sum(len(eg.reference.ents) for eg in examples)
    assert sum(kinds) - sum(e["invented"] for e in figures.kinds.values()) == n_gold


@pytest.mark.parametrize("seed", range(3))
def test_measures_are_those_of_nervaluate(seed: int):
    examples = random_examples(seed)
    true, predicted = (
        [
            [{"label": e.label_, "start": e.start, "end": e.end - 1} for e in doc.ents]
            for doc in docs
        ]
        for docs in zip(*((eg.reference, eg.predicted) for eg in examples), strict=True)
    )
    expected = Evaluator(true, predicted, ["A", "B", "C"], loader="dict").evaluate()
    names = {"strict": "strict", "exact": "exact", "partial": "partial"}
    for ours, theirs in {**names, "type": "ent_type"}.items():
        measure = figures_of(*examples).semeval[ours]
        other = expected["overall"][theirs]
        for field in ("correct", "incorrect", "partial", "missed", "spurious"):
            assert getattr(measure, field) == getattr(other, field), (ours, field)
        for field in ("precision", "recall", "f1"):
            assert getattr(measure, field) == pytest.approx(getattr(other, field))


def test_what_is_not_annotated_does_not_count():
    eg = example("Ada met Bob", [(0, 1, "A")], [(0, 1, "A"), (2, 3, "A")])
    eg.reference.set_ents([eg.reference.ents[0]], missing=[eg.reference[2:3]])
    bare = Example(eg.predicted, Doc(NLP.vocab, words=["Ada", "met", "Bob"]))
    expected = score([eg, bare])
    figures = figures_of(eg, bare)
    assert figures.total[:3] == (1, 1, 1)
    assert figures.total.precision.value == expected["ents_p"] == 1.0
    assert figures.n_unjudged == 3


def test_other_tokens_and_white_space():
    """Entities are compared as the scorer compares them."""
    nlp = spacy.blank("en")
    text = "Ada  isn't in New York\n"
    reference = nlp.make_doc(text)
    reference.set_ents([Span(reference, 0, 2, "A"), Span(reference, 5, 8, "B")])
    words, spaces = (
        ["Ada", " ", "isn't", "in", "New", "York", "\n"],
        [1, 0, 1, 1, 1, 0, 0],
    )
    predicted = Doc(nlp.vocab, words=words, spaces=spaces)
    predicted.set_ents(
        [
            Span(predicted, 0, 1, "A"),
            Span(predicted, 2, 3, "A"),
            Span(predicted, 4, 6, "B"),
        ]
    )
    eg = Example(predicted, reference)
    with pytest.warns(UserWarning, match="L501"):
        expected = score([eg])
    with pytest.warns(UserWarning, match="L501"):
        figures = figures_of(eg)
    assert figures.total.f1.value == pytest.approx(expected["ents_f"]) == 0.8
    assert figures.kinds["A"] | figures.kinds["B"] == {
        **figures.kinds["B"],
        "right": 1,
    }
    found = figures.answers.found[0]
    assert [f.entity.string for f in found] == ["Ada", "isn't", "New York"]
    assert [(g.start, g.end) for g in figures.answers.texts[0].gold] == [
        (0, 3),
        (14, 22),
    ]


def test_confusions():
    figures = figures_of(
        example("a b c d e", [(0, 1, "A"), (2, 4, "B")], [(0, 1, "B"), (2, 3, "B")]),
        example("a b c", [(0, 1, "A")], [(2, 3, "B")]),
    )
    assert figures.confusion == {
        "A": {"A": 0, "B": 1, "": 1},
        "B": {"A": 0, "B": 1, "": 0},
        "": {"A": 0, "B": 1, "": 0},
    }


def test_strings_of_the_training_data_and_lengths():
    def doc(*labels: str) -> Doc:
        return example(
            "Ada Lee in Rome", [(0, 2, label) for label in labels], []
        ).reference

    examples = [
        example("Ada Lee in Rome", [(0, 2, "A"), (3, 4, "B")], [(0, 2, "A")]),
        example("Ada Lee in Rome", [(0, 2, "B")], [(0, 2, "B"), (3, 4, "A")]),
        example("ada Lee in a b c d e f", [(0, 2, "A")], [(3, 9, "A")]),
    ]
    figures = figures_of(*examples, train=[doc("A")] * 2)
    counts = {
        name: {group: each[:3] for group, each in groups.items() if any(each[:3])}
        for name, groups in figures.scores.items()
    }
    assert counts["seen"] == {
        "seen with this label": (1, 1, 1),
        "seen with another label": (1, 1, 1),
        "unseen": (2, 2, 0),
    }
    assert counts["frequency"] == {"0": (2, 2, 0), "2 to 4": (2, 2, 2)}
    assert counts["length"] == {"1": (1, 1, 0), "2": (3, 2, 2), "6 or more": (0, 1, 0)}
    assert figures_of(*examples).scores.keys() == {"label", "length"}


def test_texts_without_entities():
    figures = figures_of(example("a b", [], []))
    assert figures.total.f1 == (0, 0, 0)
    assert math.isnan(figures.calibration_error)
    assert figures.curve == []
    assert make_report([answers()]).to_json()["texts"] == 0


def test_curve():
    figures = figures_of(
        example(
            "a b c d", [(0, 1, "A"), (1, 2, "A")], {(0, 1, "A"): 0.9, (3, 4, "A"): 0.5}
        ),
        example("a b c d", [(0, 1, "A")], {(0, 1, "A"): 0.25}),
    )
    assert [tuple(point) for point in figures.curve] == [
        (0.25, pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3)),
        (0.5, 0.5, pytest.approx(1 / 3), pytest.approx(0.4)),
        (pytest.approx(0.9), 1.0, pytest.approx(1 / 3), 0.5),
    ]
    assert figures.confidences.tolist() == pytest.approx([0.9, 0.5, 0.25])
    assert figures.correct.tolist() == [True, False, True]


@pytest.fixture(scope="module")
def nlp():
    fix_random_seed(0)
    nlp = make_nlp()
    return trained(nlp, examples_of(nlp, DISAGREEING))


@pytest.mark.parametrize("decoding", ["best_path", "probability"])
@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.7])
def test_entities_at_a_threshold_are_those_of_the_model(nlp, decoding, threshold):
    """Also at another threshold than that of the pipeline."""
    ner = nlp.get_pipe("lstm_ner")
    ner.decoding, ner.threshold = decoding, 0.6
    found = predict(nlp, examples_of(nlp, HELD_OUT), name="")
    assert (found.threshold, ner.threshold) == (0.6, 0.6)
    ner.threshold = max(threshold, found.lowest)
    for entities, eg in zip(found.found, examples_of(nlp, HELD_OUT), strict=True):
        kept = [
            (e.entity.string, e.entity.label)
            for e in entities
            if e.confidence >= ner.threshold
        ]
        assert kept == [(e.text, e.label_) for e in nlp(eg.predicted).ents]


def test_the_probability_of_gold_entities(nlp):
    """It is the sum over all readings that have the entity."""
    ner = nlp.get_pipe("lstm_ner")
    ner.decoding, ner.threshold = "best_path", 0.0
    examples = examples_of(nlp, HELD_OUT)
    words = [token.text for token in examples[0].reference]
    spaced = Doc(nlp.vocab, words=["\n", *words])
    spaced.set_ents([Span(spaced, 0, 2, "PER"), Span(spaced, 3, 4, "NEW")])
    examples.append(Example(Doc(nlp.vocab, words=["\n", *words]), spaced))
    with pytest.warns(UserWarning, match="L501"):
        found = predict(nlp, examples, name="")
    n_missed = 0
    docs = [raw_doc(eg.reference, nlp.make_doc) for eg in examples]
    readings = ner.n_best(docs, 1000)
    for i, (text, entities) in enumerate(zip(found.texts, found.found, strict=True)):
        probabilities = found.gold_probabilities[i]
        assert len(probabilities) == len(text.gold)
        for each in entities:
            if each.kind == RIGHT:
                assert probabilities[each.gold] == pytest.approx(each.confidence)
        doc = docs[i]
        for gold, probability in zip(text.gold, probabilities, strict=True):
            if gold.label == "NEW":
                assert probability is None
                continue
            summed = sum(
                reading.probability
                for reading in readings[i]
                for start, end, label in reading.entities
                if (doc[start].idx, doc[start:end].end_char, label) == gold[:3]
            )
            unlisted = 1 - sum(reading.probability for reading in readings[i])
            assert summed - 1e-5 <= probability <= summed + unlisted + 1e-5
            assert unlisted < 0.01
            n_missed += probability < 0.5
    assert n_missed


def test_thresholds_of_labels_and_other_components_stay(nlp):
    ner = nlp.get_pipe("lstm_ner")
    ner.decoding, ner.threshold = "probability", 0.3
    examples = examples_of(nlp, HELD_OUT)
    n_all = sum(map(len, predict(nlp, examples, name="").found))
    ner.label_thresholds = {"PER": 0.9}
    alone = predict(nlp, examples_of(nlp, HELD_OUT), name="")
    ner.label_thresholds = {}
    assert (alone.threshold, alone.lowest) == (0.0, 0.0)
    assert sum(map(len, alone.found)) < n_all
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "ORG", "pattern": "met"}])
    found = predict(nlp, examples_of(nlp, HELD_OUT), name="")
    nlp.remove_pipe("entity_ruler")
    assert (found.threshold, found.gold_probabilities) == (0.0, None)
    ruled = [e for each in found.found for e in each if e.confidence is None]
    assert {e.entity.string for e in ruled} == {"met"}
    assert any(e.confidence is not None for each in found.found for e in each)


def test_texts_must_be_the_same():
    eg = Example(NLP.make_doc("Ada left"), NLP.make_doc("Ada lept"))
    with pytest.raises(ValueError, match=r"L320.*Example 2.*'Ada left'.*'Ada lept'"):
        answers(example("a", [], []), eg)
    first, second = (answers(example(text, [], []), name=text) for text in ("a", "b"))
    with pytest.raises(ValueError, match=r"L321.*\['a', 'b'\]"):
        make_report([first, second])
    with pytest.raises(ValueError, match="L321"):
        make_report([])
