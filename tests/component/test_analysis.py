"""Uncertainty, other analyses, temperature and threshold, against the list of all tag
paths and `nlp.evaluate`."""

import itertools
import pickle

import numpy as np
import pytest
import spacy
from contract.helpers import (
    initialized,
    make_example,
    make_nlp,
    scores_of,
    spans_of,
    tiny_model,
)
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example

from spacy_lstm_ner.tags import TokenSpan

from .unsure import (
    HELD_OUT,
    OTHER,
    TEXT,
    Path,
    confidences,
    examples_of,
    given,
    pipe_of,
    scored,
)

# Uncertainty and other analyses


def entropy(paths: list[Path]) -> float:
    return -sum(path.prob * np.log(path.prob) for path in paths)


def test_uncertainty_against_all_paths(shared, paths):
    nlp = shared()
    (found,) = pipe_of(nlp).uncertainty([nlp.make_doc(TEXT)])
    assert found.probability == pytest.approx(max(p.prob for p in paths), rel=1e-5)
    assert found.entropy == pytest.approx(entropy(paths), rel=1e-5)
    doc = nlp.make_doc(TEXT)
    preset = TokenSpan(0, 1, "PER")
    doc.set_ents([Span(doc, *preset)], default="missing")
    left = given(paths, [preset])
    (of_rest,) = pipe_of(nlp).uncertainty([doc])
    assert of_rest.probability == pytest.approx(max(p.prob for p in left), rel=1e-5)
    assert of_rest.entropy == pytest.approx(entropy(left), rel=1e-5)
    assert of_rest.entropy < found.entropy - 0.1


def test_uncertainty_at_another_temperature(load, paths):
    nlp = load()
    pipe_of(nlp).temperature = 2.0
    total = sum(path.prob**0.5 for path in paths)
    cooled = [path._replace(prob=path.prob**0.5 / total) for path in paths]
    (found,) = pipe_of(nlp).uncertainty([nlp.make_doc(TEXT)])
    assert found.probability == pytest.approx(max(p.prob for p in cooled), rel=1e-5)
    assert found.entropy == pytest.approx(entropy(cooled), rel=1e-5)


def test_uncertainty_of_a_batch(shared):
    nlp = shared()
    texts = ["", TEXT, " \n", OTHER, "Carl left \n on Monday"]
    docs = [nlp.make_doc(text) for text in texts]
    before = [doc.to_bytes() for doc in docs]
    found = pipe_of(nlp).uncertainty(iter(docs))
    assert [doc.to_bytes() for doc in docs] == before
    assert found[0] == found[2] == (1.0, 0.0)
    for doc, of_batch in zip(docs, found, strict=True):
        (alone,) = pipe_of(nlp).uncertainty([doc])
        assert of_batch == pytest.approx(alone, rel=1e-4)
    assert pipe_of(nlp).uncertainty([]) == []
    assert pipe_of(nlp).uncertainty(docs[:1]) == [(1.0, 0.0)]


@pytest.mark.parametrize("n", [1, 2, 10, 2000])
def test_n_best_against_all_paths(shared, paths, n):
    nlp = shared()
    (found,) = pipe_of(nlp).n_best([nlp.make_doc(TEXT)], n)
    expected = sorted(paths, key=lambda path: -path.prob)[:n]
    assert len(found) == min(n, len(paths))
    probs = [analysis.probability for analysis in found]
    assert probs == sorted(probs, reverse=True)
    assert probs == pytest.approx([path.prob for path in expected], rel=1e-4)
    assert sum(probs) <= 1 + 1e-9
    assert (n < len(paths)) or sum(probs) == pytest.approx(1)
    for analysis, path in zip(found[:10], expected, strict=False):
        assert analysis.entities == path.spans


def test_n_best_of_a_batch(shared):
    nlp = shared()
    texts = ["", TEXT, " \n", OTHER, "Carl left \n on Monday"]
    docs = [nlp.make_doc(text) for text in texts]
    before = [doc.to_bytes() for doc in docs]
    found = pipe_of(nlp).n_best(iter(docs), 3)
    assert [doc.to_bytes() for doc in docs] == before
    assert found[0] == found[2] == [(1.0, [])]
    for doc, analyses in zip(docs, found, strict=True):
        assert analyses[0].entities == spans_of(nlp(doc.text))
        distinct = {tuple(analysis.entities) for analysis in analyses}
        assert len(distinct) == len(analyses) == (3 if len(doc) > 2 else 1)
    assert pipe_of(nlp).n_best([], 3) == []


def test_n_best_has_given_entities_as_they_are(shared):
    """Those with white space at their ends, too, where nothing predicted can end."""
    nlp = shared()
    doc = nlp.make_doc("Carl left \n on Monday")
    given = [TokenSpan(1, 3, "PER"), TokenSpan(3, 5, "DATE")]
    doc.set_ents([Span(doc, *span) for span in given], default="missing")
    (found,) = pipe_of(nlp).n_best([doc], 10)
    assert [analysis.entities[-2:] for analysis in found] == [given] * len(found)
    assert sum(analysis.probability for analysis in found) == pytest.approx(1)


def test_spans_never_begin_or_end_on_white_space(shared):
    nlp = shared(candidates=True)
    text = "\n Ada \n Lovelace met \n New \n York \n\n"
    doc = nlp(text)
    (analyses,) = pipe_of(nlp).n_best([nlp.make_doc(text)], 20)
    found = [set(scored(doc)), *(set(analysis.entities) for analysis in analyses)]
    assert found[1] == set(confidences(doc)) != set()
    for span in set.union(*found):
        assert not doc[span.start].is_space
        assert not doc[span.end - 1].is_space
    texts = {doc[span.start : span.end].text for span in set.union(*found)}
    assert "Ada \n Lovelace" in texts


# Temperature and threshold, fitted to held-out examples


def loss(nlp: Language, temperature: float) -> float:
    """How unlikely it is, by the confidences of the entities, that the right ones are
    right and the others wrong."""
    pipe_of(nlp).temperature = temperature
    total = 0.0
    for text, phrases in HELD_OUT:
        right = [
            (ent.start, ent.end, ent.label_)
            for ent in make_example(nlp, text, phrases).reference.ents
        ]
        for span, prob in confidences(nlp(text)).items():
            total -= np.log(prob if span in right else 1 - prob)
    return total


def test_calibrate(load):
    nlp = load()
    texts = [TEXT, OTHER, "Carl left on Monday"]
    before = list(nlp.pipe(texts))
    examples = examples_of(nlp, HELD_OUT)
    temperature = pipe_of(nlp).calibrate(iter(examples)).temperature
    assert 1.2 < temperature < 3.9
    assert pipe_of(nlp).temperature == temperature
    assert not any(eg.predicted.has_annotation("ENT_IOB") for eg in examples)
    for doc, now in zip(before, nlp.pipe(texts), strict=True):
        assert spans_of(doc) == spans_of(now)
        for ent, same in zip(doc.ents, now.ents, strict=True):
            assert same._.confidence < ent._.confidence - 0.01
    # It is the best one, and does not depend on the one before.
    assert pipe_of(nlp).calibrate(examples).temperature == temperature
    best = loss(nlp, temperature)
    assert best < min(loss(nlp, temperature * factor) for factor in (0.9, 1.1))
    assert best < loss(nlp, 1.0) - 0.1


def test_what_is_already_there_does_not_count_for_the_temperature(load):
    nlp = load()
    expected = pipe_of(nlp).calibrate(examples_of(nlp, HELD_OUT[:-3]))
    assert expected.temperature != 1.0
    examples = examples_of(nlp, HELD_OUT)
    for eg in examples[-3:]:
        ents = [eg.predicted[i : i + 1] for i in range(len(eg.predicted))]
        eg.predicted.ents = [Span(eg.predicted, e.start, e.end, "PER") for e in ents]
    assert pipe_of(nlp).calibrate(examples).temperature == expected.temperature
    overwriting = pipe_of(load(overwrite=True))
    assert overwriting.calibrate(examples).temperature != expected.temperature


def test_nothing_to_calibrate_on(load):
    nlp = load()
    pipe = pipe_of(nlp)
    unannotated = [
        Example(nlp.make_doc(text), nlp.make_doc(text)) for text, _ in HELD_OUT
    ]
    empty = [Example(nlp.make_doc(""), nlp.make_doc(""))]
    for fit in (pipe.calibrate, pipe.fit_threshold):
        with pytest.raises(ValueError, match=r"L054\].*no examples"):
            fit([])
    for examples in (unannotated, empty):
        pipe.temperature = 2.0
        with pytest.raises(ValueError, match=r"L050\].*finds no entities"):
            pipe.calibrate(examples)
        assert pipe.temperature == 2.0
        assert pipe.fit_threshold(examples) == (0.5, 0.0)
    expected = pipe.calibrate(examples_of(nlp, HELD_OUT))
    assert expected.temperature != 1.0
    found = pipe.calibrate(unannotated + examples_of(nlp, HELD_OUT))
    assert found.temperature == expected.temperature
    assert found.error == pytest.approx(expected.error, abs=1e-6)


def test_a_cautious_model_is_fitted_to_what_is_probable(load):
    """Its best paths have no entities; by probability it finds some."""
    nlp = load(decoding="probability", threshold=0.4)
    pipe = pipe_of(nlp)
    output = pipe.model.get_ref("output_layer")
    output.set_param("W", output.get_param("W") * 0.3)
    output.get_param("b")[0] += 4.0
    best = load(decoding="best_path")
    pipe_of(best).model = pipe.model
    texts = [text for text, _ in HELD_OUT]
    assert not any(doc.ents for doc in best.pipe(texts))
    assert not any(doc.ents for doc in nlp.pipe(texts))
    temperature = pipe.calibrate(examples_of(nlp, HELD_OUT)).temperature
    assert temperature > 1.5, "what it holds for improbable is mostly right"
    threshold, f_score = pipe.fit_threshold(examples_of(nlp, HELD_OUT))
    assert f_score > 0.3
    pipe.threshold = threshold
    found = nlp.evaluate(examples_of(nlp, HELD_OUT))["ents_f"]
    assert found == pytest.approx(f_score, abs=1e-6)


@pytest.fixture
def calibrated(load) -> Language:
    nlp = load()
    pipe_of(nlp).temperature = 1.7
    return nlp


@pytest.mark.parametrize("way", ["disk", "bytes", "pickle", "component"])
def test_temperature_is_kept(load, calibrated, tmp_path, way):
    if way == "disk":
        calibrated.to_disk(tmp_path)
        again = spacy.load(tmp_path)
    elif way == "bytes":
        again = make_nlp().from_bytes(calibrated.to_bytes())
    elif way == "pickle":
        again = pickle.loads(pickle.dumps(calibrated))
    else:
        again = load()
        pipe_of(again).from_bytes(pipe_of(calibrated).to_bytes())
    assert pipe_of(again).temperature == pytest.approx(1.7)
    expected = confidences(calibrated(TEXT))
    assert confidences(again(TEXT)) == pytest.approx(expected, abs=1e-6)
    assert confidences(load()(TEXT)) != pytest.approx(expected, abs=1e-2)


def test_new_weights_have_no_temperature(load):
    nlp = load()
    pipe_of(nlp).temperature = 1.7
    nlp.initialize(lambda: examples_of(nlp, HELD_OUT))
    assert pipe_of(nlp).temperature == 1.0


def evaluate(nlp: Language, threshold: float) -> tuple[float, float]:
    """Precision and recall at a threshold, by nlp.evaluate."""
    pipe_of(nlp).threshold = threshold
    scores = nlp.evaluate(examples_of(nlp, HELD_OUT))
    return scores["ents_p"], scores["ents_r"]


def f_score(precision: float, recall: float, beta: float) -> float:
    both = precision and recall
    weighted = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / weighted if both else 0.0


@pytest.mark.parametrize("ruled", [{"Nobody": "PER"}, {"Dora": "PER", "Monday": "ORG"}])
@pytest.mark.parametrize("decoding", ["best_path", "probability"])
def test_fit_threshold_against_nlp_evaluate_at_every_threshold(load, decoding, ruled):
    """Behind a ruler that finds nothing, or right and wrong entities."""
    nlp = load(decoding=decoding)
    pipe = pipe_of(nlp)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": ent, "pattern": word} for word, ent in ruled.items()])
    examples = examples_of(nlp, HELD_OUT)
    for eg in examples:
        eg.predicted = ruler(eg.predicted)
    temperature = pipe.calibrate(examples).temperature
    with_candidates = pipe_of(load(decoding=decoding, candidates=True))
    with_candidates.temperature = temperature
    docs = list(nlp.pipe(text for text, _ in HELD_OUT))
    probs = sorted({p for doc in docs for p in confidences(doc).values()})
    midway = [(a + b) / 2 for a, b in itertools.pairwise(probs)]
    at_each = [evaluate(nlp, threshold) for threshold in (0.0, *midway, 1.0)]
    for beta in (0.5, 1, 2):
        threshold, f_found = pipe.fit_threshold(iter(examples), beta=beta)
        f_scores = [f_score(*scores, beta) for scores in at_each]
        assert f_found == pytest.approx(max(f_scores), abs=1e-9)
        at_it = f_score(*evaluate(nlp, threshold), beta)
        assert at_it == pytest.approx(f_found, abs=1e-9)
        assert len(set(f_scores)) > 5
        found = with_candidates.fit_threshold(examples, beta=beta)
        assert found == pytest.approx((threshold, f_found))


def test_calibrate_with_beta_sets_what_it_fits(load):
    nlp = load(threshold=0.9, label_thresholds={"PER": 0.8}, candidates=True)
    pipe = pipe_of(nlp)
    examples = examples_of(nlp, HELD_OUT)
    fitted = pipe.calibrate(iter(examples), beta=2.0)
    assert fitted.temperature == pipe.temperature != 1.0
    assert fitted.threshold == pipe.threshold
    assert (pipe.decoding, pipe.label_thresholds) == ("probability", {})
    assert pipe.candidates
    by_hand = pipe_of(load(decoding="probability"))
    assert by_hand.calibrate(examples)[:3] == (fitted.temperature, None, None)
    assert by_hand.fit_threshold(examples, beta=2.0) == fitted[1:3]
    scores = nlp.evaluate(examples_of(nlp, HELD_OUT))
    found = f_score(scores["ents_p"], scores["ents_r"], 2.0)
    assert found == pytest.approx(fitted.f_score, abs=1e-9)


def test_beta_prefers_recall(shared):
    pipe = pipe_of(shared(decoding="probability"))
    examples = examples_of(shared(), HELD_OUT)
    thresholds = [pipe.fit_threshold(examples, beta=b)[0] for b in (0.2, 1, 4)]
    assert thresholds[0] > thresholds[2]
    assert thresholds == sorted(thresholds, reverse=True)
    assert pipe.threshold == 0.0, "to make it the setting is up to others"


@pytest.mark.parametrize("beta", [0, -1, float("nan"), float("inf")])
def test_threshold_for_a_beta_that_is_none(shared, beta):
    nlp = shared()
    for fit in (pipe_of(nlp).fit_threshold, pipe_of(nlp).calibrate):
        with pytest.raises(ValueError, match=rf"L023.*{beta}"):
            fit(examples_of(nlp, HELD_OUT), beta=beta)
    assert pipe_of(nlp).temperature == 1.0


def test_transitions_that_are_not_finite_beside_an_empty_doc():
    model = {**tiny_model(), "decode": {"@layers": "spacy_lstm_ner.CRF.v1"}}
    nlp = initialized(make_nlp(model=model))
    pipe = pipe_of(nlp)
    layer = pipe.model.get_ref("output_layer")
    layer.set_param("transition", layer.get_param("transition") * np.nan)
    with pytest.raises(ValueError, match=r"L015.*token 0 \('Ada'\) of Doc 1"):
        pipe.predict([nlp.make_doc(""), nlp.make_doc("Ada")])


def test_n_best_of_a_long_doc():
    # No path has a probability that a float can hold.
    nlp = initialized(make_nlp())
    (analyses,) = pipe_of(nlp).n_best([nlp.make_doc("a " * 1200)], 2)
    assert len(analyses) == 2
    assert analyses[0].entities != analyses[1].entities


def test_n_best_has_entities_of_labels_that_the_model_does_not_know(shared):
    nlp = shared()
    doc = nlp.make_doc("Ada Lovelace met Bob in Rome")
    doc.ents = [Span(doc, 2, 3, "ART"), Span(doc, 5, 6, "GPE")]
    ((best,),) = pipe_of(nlp).n_best([doc], 1)
    assert best.entities == sorted(best.entities)
    assert best.entities == [TokenSpan(*span) for span in spans_of(nlp(doc))]


@pytest.mark.parametrize("n", [0, -1])
def test_n_best_of_none(shared, n):
    nlp = shared()
    for text in ("Ada met Bob", ""):
        with pytest.raises(ValueError, match=f"L034.*n = {n}"):
            pipe_of(nlp).n_best([nlp.make_doc(text)], n)


def test_calibration_that_fails_changes_nothing(load):
    nlp = load()
    pipe = pipe_of(nlp)
    pipe.temperature = 2.0
    layer = pipe.model.get_ref("output_layer")
    layer.set_param("b", layer.get_param("b") * np.nan)
    with pytest.raises(ValueError, match="L015"):
        pipe.calibrate(examples_of(nlp, HELD_OUT), beta=1.0)
    assert (pipe.temperature, pipe.decoding) == (2.0, "best_path")


def test_threshold_does_not_part_equal_confidences(shared):
    """The same text in other batches has the same confidence, except for rounding."""
    nlp = shared()
    gold = [{"Ada Lovelace": "PER", "New York": "GPE"}, {}, {}]
    for n in range(9):
        data = [(TEXT, each) for each in gold] + [(OTHER, {})] * n
        for order in (data, data[::-1]):
            threshold, _ = pipe_of(nlp).fit_threshold(examples_of(nlp, order))
            docs = nlp.pipe(text for text, _ in order)
            scores = [score for doc in docs for score in scores_of(doc)]
            assert min(abs(score - threshold) for score in scores) > 1e-6


def test_fit_threshold_beside_entities_of_unknown_labels(load):
    nlp = load()
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "ART", "pattern": word} for word in ("met", "was")])
    examples = examples_of(nlp, HELD_OUT)
    for eg in examples:
        eg.predicted = ruler(eg.predicted)
    pipe = pipe_of(nlp)
    pipe.threshold, f_found = pipe.fit_threshold(examples)
    expected = nlp.evaluate(examples_of(nlp, HELD_OUT))["ents_f"]
    assert f_found == pytest.approx(expected)
