"""The component's confidences: entities by probability, candidates, uncertainty, other
analyses, temperature and threshold, against the list of all tag paths."""

import itertools
import json
import pickle
from collections import Counter
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import spacy
from contract.helpers import (
    TINY_TOK2VEC,
    assert_sound,
    initialized,
    make_example,
    make_nlp,
    run_python,
    scores_of,
    spans_of,
    tiny_model,
    trained,
)
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import raise_error
from thinc.api import SGD, fix_random_seed
from util import all_paths

from spacy_lstm_ner import LSTMNer
from spacy_lstm_ner.tags import TokenSpan, tag_names, to_spans

# Texts whose annotators disagree: so the model learns to be unsure.
TEXT = "Ada Lovelace met New York"
OTHER = "they told Dora Paris was nice"
DISAGREEING = [
    (TEXT, {"Ada Lovelace": "PER", "New York": "GPE"}),
    (TEXT, {"Ada Lovelace": "PER", "New York": "GPE"}),
    (TEXT, {"Ada Lovelace": "PER", "met": "ORG", "York": "GPE"}),
    (TEXT, {"Lovelace": "PER", "New York": "ORG"}),
    (OTHER, {"Dora": "PER", "Paris": "GPE"}),
    (OTHER, {"Dora Paris": "PER"}),
    (OTHER, {"Dora": "PER", "Paris": "ORG"}),
    ("Carl left on Monday", {"Carl": "PER"}),
    ("Carl left on Monday", {"Carl": "PER", "Monday": "ORG"}),
    ("nothing else happened there", {}),
]
# The model is too sure for them. No text comes twice.
HELD_OUT = [
    (TEXT, {"Ada": "PER", "New York": "GPE"}),
    ("Ada Lovelace met York", {"Ada Lovelace": "PER", "York": "ORG"}),
    ("they told Ada was nice", {"Ada": "PER"}),
    (OTHER, {"Dora": "PER", "Paris": "GPE"}),
    ("they told Paris Dora was nice", {"Paris": "GPE", "Dora": "PER"}),
    ("Dora met New York", {"Dora": "ORG", "New York": "ORG"}),
    ("Carl left on Monday", {"Carl": "PER"}),
    ("Carl left Dora Paris", {"Carl": "PER", "Paris": "GPE"}),
    ("nothing else told Ada there", {"Ada": "PER"}),
    ("Monday Lovelace met York", {"Lovelace": "PER"}),
]
LABELS = ("GPE", "ORG", "PER")
# Below this, no span is listed.
MIN_LISTED = 0.01

Spans = dict[TokenSpan, float]


@pytest.fixture(scope="module")
def unsure() -> bytes:
    fix_random_seed(0)
    nlp = make_nlp()
    return trained(nlp, examples_of(nlp, DISAGREEING)).to_bytes()


@pytest.fixture
def load(unsure):
    """Loads the pipeline that is unsure with some settings."""

    def load(**settings) -> Language:
        return make_nlp(**settings).from_bytes(unsure)

    return load


@pytest.fixture(scope="module")
def shared(unsure):
    """As `load`, once for the same settings. Do not change the pipeline."""

    @cache
    def load(**settings) -> Language:
        return make_nlp(**settings).from_bytes(unsure)

    return load


def examples_of(nlp: Language, data) -> list[Example]:
    return [make_example(nlp, *each) for each in data]


def pipe_of(nlp: Language) -> LSTMNer:
    return nlp.get_pipe("lstm_ner")


class Path(NamedTuple):
    """One way to tag TEXT, and its probability."""

    tags: list[str]
    spans: list[TokenSpan]
    prob: float


@pytest.fixture(scope="module")
def paths(unsure) -> list[Path]:
    """All legal tag paths of TEXT."""
    nlp = make_nlp().from_bytes(unsure)
    (sequence,) = all_paths(pipe_of(nlp).model.predict([nlp.make_doc(TEXT)]))
    names = tag_names(LABELS)
    paths = []
    for path, prob in zip(sequence.paths, sequence.probs.tolist(), strict=True):
        if prob:
            tags = [names[tag] for tag in path]
            spans, n_repaired = to_spans(tags)
            assert not n_repaired
            paths.append(Path(tags, spans, prob))
    return paths


def given(paths: list[Path], presets=(), blocked=()) -> list[Path]:
    """The paths that agree with entities already there (of known labels, or outside)
    and with blocked tokens."""
    kept = []
    for path in paths:
        agrees = all(path.tags[i] == "O" for i in blocked)
        for preset in presets:
            if preset.label in LABELS:
                agrees &= preset in path.spans
            else:
                agrees &= set(path.tags[slice(*preset[:2])]) == {"O"}
        if agrees:
            kept.append(path)
    total = sum(path.prob for path in kept)
    return [path._replace(prob=path.prob / total) for path in kept]


def probs_of_spans(paths: list[Path]) -> Spans:
    probs: Counter[TokenSpan] = Counter()
    for path in paths:
        for span in path.spans:
            probs[span] += path.prob
    return dict(probs)


def highest_first(probs: Spans) -> Spans:
    """The most probable spans that do not overlap."""
    chosen: Spans = {}
    for span in sorted(probs, key=probs.__getitem__, reverse=True):
        if not any(span.start < o.end and o.start < span.end for o in chosen):
            chosen[span] = probs[span]
    return chosen


def scored(doc: Doc) -> Spans:
    """The spans of the group with their confidences."""
    group = doc.spans["lstm_ner"]
    spans = [TokenSpan(span.start, span.end, span.label_) for span in group]
    assert len(set(spans)) == len(spans)
    assert spans == sorted(spans, key=lambda span: span.start)
    return dict(zip(spans, scores_of(doc), strict=True))


def confidences(doc: Doc) -> Spans:
    """The entities that have a confidence."""
    return {
        TokenSpan(ent.start, ent.end, ent.label_): ent._.confidence
        for ent in doc.ents
        if ent._.confidence is not None
    }


# Entities by probability, and candidates


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.7])
def test_entities_by_probability(shared, paths, threshold):
    at_least = max(threshold, MIN_LISTED)
    probable = {s: p for s, p in probs_of_spans(paths).items() if p >= at_least}
    doc = shared(decoding="probability", threshold=threshold)(TEXT)
    assert_sound(doc)
    assert confidences(doc) == pytest.approx(highest_first(probable), abs=1e-5)
    assert scored(doc) == confidences(doc)
    doc = shared(decoding="probability", threshold=threshold, candidates=True)(TEXT)
    assert_sound(doc)
    assert confidences(doc) == pytest.approx(highest_first(probable), abs=1e-5)
    assert scored(doc) == pytest.approx(probable, abs=1e-5)


def test_probable_entities_are_others_than_those_of_the_best_path(shared, paths):
    """What the tests of this file need, so that they show anything."""
    best = max(paths, key=lambda path: path.prob)
    probs = probs_of_spans(paths)
    assert set(highest_first(probs)) > set(best.spans)
    assert sum(prob > 0.1 for prob in probs.values()) > len(best.spans) + 2
    assert sum(0.001 < prob < MIN_LISTED for prob in probs.values()) > 3
    assert len(spans_of(shared(decoding="probability")(TEXT))) > len(best.spans)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.6])
def test_candidates_beside_the_best_path(shared, paths, threshold):
    at_least = max(threshold, MIN_LISTED)
    probs = probs_of_spans(paths)
    best = {s: probs[s] for s in max(paths, key=lambda path: path.prob).spans}
    nlp = shared(candidates=True, threshold=threshold)
    doc = nlp(TEXT)
    assert_sound(doc)
    kept = {s: p for s, p in best.items() if p >= threshold}
    assert confidences(doc) == pytest.approx(kept, abs=1e-5)
    probable = {s: p for s, p in probs.items() if p >= at_least}
    assert scored(doc) == pytest.approx({**kept, **probable}, abs=1e-5)
    # Candidates have a confidence too, though they are no entities.
    for span, prob in probable.items():
        assert Span(doc, *span)._.confidence == pytest.approx(prob, abs=1e-5)
    # Only the entities are kept, each with its confidence, when the Doc comes again.
    assert set(kept.items()) <= set(best.items())
    again = confidences(nlp(doc))
    assert {span: again[span] for span in kept} == pytest.approx(kept, abs=1e-5)


@pytest.mark.parametrize("decoding", ["best_path", "probability"])
def test_label_thresholds(load, paths, decoding):
    thresholds = {"GPE": 0.6, "ORG": 0.05}
    nlp = load(
        decoding=decoding, threshold=0.3, label_thresholds=thresholds, candidates=True
    )
    expected = {
        span: prob
        for span, prob in probs_of_spans(paths).items()
        if prob >= thresholds.get(span.label, 0.3)
    }
    assert {span.label for span in expected} == {"ORG", "PER"}
    assert scored(nlp(TEXT)) == pytest.approx(expected, abs=1e-5)
    lower = load(decoding=decoding, threshold=0.3, candidates=True)(TEXT)
    assert {span.label for span in scored(lower)} == {"GPE", "PER"}


@pytest.mark.parametrize("decoding", ["best_path", "probability"])
def test_label_thresholds_of_unknown_labels(load, decoding):
    nlp = load(decoding=decoding, label_thresholds={"PER": 0.5, "ART": 0.5})
    message = r"L032.*label_thresholds.*'ART'.*\['GPE', 'ORG', 'PER'\]"
    with pytest.raises(ValueError, match=message):
        nlp(TEXT)
    nlp.get_pipe("lstm_ner").add_label("ART")
    assert_sound(nlp(TEXT))


# Entities already there


PRESETS = {
    "between": [(2, 3)],
    "inside": [(1, 2)],
    "overlapping": [(1, 4)],
    "the same": [(3, 5)],
    "several": [(0, 1), (4, 5)],
}


@pytest.mark.parametrize(
    ("decoding", "candidates"),
    [("best_path", False), ("best_path", True), ("probability", True)],
)
@pytest.mark.parametrize("label", ["PER", "ART"])
@pytest.mark.parametrize("where", PRESETS)
def test_entities_already_there(shared, paths, where, label, decoding, candidates):
    presets = [TokenSpan(*limits, label) for limits in PRESETS[where]]
    nlp = shared(decoding=decoding, threshold=0.06, candidates=candidates)
    doc = nlp.make_doc(TEXT)
    doc.set_ents([Span(doc, *preset) for preset in presets], default="missing")
    doc = pipe_of(nlp)(doc)
    assert_sound(doc)
    left = given(paths, presets)
    probs = probs_of_spans(left)
    probable = {s: p for s, p in probs.items() if p >= 0.06 and s not in presets}
    if decoding == "probability":
        chosen = highest_first(probable)
    else:
        best = max(left, key=lambda path: path.prob).spans
        chosen = {span: probs[span] for span in best if span in probable}
    assert chosen
    assert confidences(doc) == pytest.approx(chosen, abs=1e-5)
    assert scored(doc) == pytest.approx(probable if candidates else chosen, abs=1e-5)
    found = {TokenSpan(*span) for span in spans_of(doc)}
    assert found == {*chosen, *presets}


@pytest.mark.parametrize("overwrite", [False, True])
def test_blocked_tokens_by_probability(shared, paths, overwrite):
    nlp = shared(decoding="probability", candidates=True, overwrite=overwrite)
    doc = nlp.make_doc(TEXT)
    preset = TokenSpan(0, 1, "ORG")
    doc.set_ents([Span(doc, *preset)], blocked=[doc[3:4]], default="missing")
    doc = pipe_of(nlp)(doc)
    presets = [] if overwrite else [preset]
    probs = probs_of_spans(given(paths, presets, blocked=[3]))
    probable = {s: p for s, p in probs.items() if p >= MIN_LISTED and s not in presets}
    assert scored(doc) == pytest.approx(probable, abs=1e-5)
    assert confidences(doc) == pytest.approx(highest_first(probable), abs=1e-5)
    assert (doc[3].ent_iob_, doc[3].ent_type_) == ("B", "")
    assert (doc.ents[0]._.confidence is None) == (not overwrite)


# Ways to go for candidates


def keep(doc: Doc) -> Doc:
    return Doc(spacy.blank("en").vocab).from_bytes(doc.to_bytes())


def keep_in_doc_bin(doc: Doc) -> Doc:
    bin_ = DocBin(docs=[doc]).to_bytes()
    return next(iter(DocBin().from_bytes(bin_).get_docs(spacy.blank("en").vocab)))


@pytest.mark.parametrize("store", [keep, keep_in_doc_bin])
@pytest.mark.parametrize("decoding", ["best_path", "probability"])
def test_candidates_survive_storage(shared, store, decoding):
    doc = shared(decoding=decoding, candidates=True)(TEXT)
    stored = store(doc)
    assert len(scored(doc)) > len(doc.ents) > 1
    assert scored(stored) == scored(doc)
    assert confidences(stored) == confidences(doc)


def test_candidates_survive_two_processes(shared, tmp_path):
    nlp = shared(decoding="probability", candidates=True, threshold=0.05)
    nlp.to_disk(tmp_path / "model")
    texts = [TEXT, "", OTHER, "Carl left on Monday"]
    script = tmp_path / "script.py"
    script.write_text(
        "import json, spacy\n"
        "if __name__ == '__main__':\n"
        f"    nlp = spacy.load({str(tmp_path / 'model')!r})\n"
        f"    docs = list(nlp.pipe({texts!r}, n_process=2, batch_size=2))\n"
        "    print(json.dumps([\n"
        "        [[[s.start, s.end, s.label_, s._.confidence] for s in spans]\n"
        "         for spans in (doc.ents, doc.spans['lstm_ner'])]\n"
        "        for doc in docs]))\n",
        encoding="utf8",
    )
    found = json.loads(run_python(script))
    for (ents, candidates), doc in zip(found, nlp.pipe(texts), strict=True):
        for rows, expected in ((ents, confidences(doc)), (candidates, scored(doc))):
            spans = {TokenSpan(*row[:3]): row[3] for row in rows}
            assert spans == pytest.approx(expected, abs=1e-6)
    assert len(found[0][1]) > len(found[0][0]) > 1


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
    assert "Ada \n Lovelace" in {ent.text for ent in doc.ents}


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
    assert pipe_of(nlp).calibrate(examples) == expected
    overwriting = pipe_of(load(overwrite=True))
    assert overwriting.calibrate(examples) != expected


def test_nothing_to_calibrate_on(load):
    nlp = load()
    pipe = pipe_of(nlp)
    unannotated = [
        Example(nlp.make_doc(text), nlp.make_doc(text)) for text, _ in HELD_OUT
    ]
    empty = [Example(nlp.make_doc(""), nlp.make_doc(""))]
    for examples in ([], unannotated, empty):
        pipe.temperature = 2.0
        with pytest.raises(ValueError, match=r"L050\].*finds no entities"):
            pipe.calibrate(examples)
        assert pipe.temperature == 2.0
        assert pipe.fit_threshold(examples) == (0.5, 0.0)
    expected = pipe.calibrate(examples_of(nlp, HELD_OUT))
    assert expected.temperature != 1.0
    assert pipe.calibrate(unannotated + examples_of(nlp, HELD_OUT)) == expected


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
    assert by_hand.calibrate(examples) == (fitted.temperature, None, None)
    assert by_hand.fit_threshold(examples, beta=2.0) == fitted[1:]
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


# Scores that are not finite


NOT_FINITE = "Does Lovelace know Sharon"


@pytest.fixture(scope="module", params=[np.nan, np.inf])
def broken(request) -> Language:
    """A pipeline that doesn't look ahead, with a vector that is not finite."""
    nlp = spacy.blank("en")
    for word in ("Lovelace", "Sharon"):
        nlp.vocab.set_vector(word, np.ones(3, dtype="f"))
    tok2vec = {**TINY_TOK2VEC, "pretrained_vectors": True, "window_size": 0}
    model = tiny_model(tok2vec)
    model["encode"]["bidirectional"] = False
    nlp.add_pipe("lstm_ner", config={"model": model})
    initialized(nlp, examples_of(nlp, DISAGREEING))
    nlp.vocab.set_vector("Lovelace", np.full(3, request.param, dtype="f"))
    return nlp


NAMED = r"L015.*'lstm_ner'.*token 1 \('Lovelace'\) of Doc 2 .*\('Does Lovelace know"


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    "method",
    [
        lambda pipe, docs: pipe.predict(docs),
        lambda pipe, docs: pipe.uncertainty(docs),
        lambda pipe, docs: pipe.n_best(docs, 2),
        lambda pipe, docs: pipe.calibrate([Example(d, d.copy()) for d in docs]),
        lambda pipe, docs: pipe.update(
            [Example(d, d.copy()) for d in docs], sgd=SGD(0.1)
        ),
    ],
    ids=["predict", "uncertainty", "n_best", "calibrate", "update"],
)
def test_scores_that_are_not_finite_are_named(broken, method):
    texts = ["Sharon left", "", NOT_FINITE, NOT_FINITE]
    docs = [broken.make_doc(text) for text in texts]
    pipe = pipe_of(broken)
    before = pipe.model.to_bytes()
    with pytest.raises(ValueError, match=NAMED):
        method(pipe, docs)
    assert pipe.model.to_bytes() == before
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs if len(doc))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_batch_whose_scores_are_not_finite_goes_to_the_error_handler(broken):
    calls = []

    def handler(name, proc, docs, error):
        calls.append((name, [doc.text for doc in docs], str(error)[:6]))

    broken.set_error_handler(handler)
    texts = ["Sharon left", "Dora", "Paris", NOT_FINITE, "Carl"]
    done = [doc.text for doc in broken.pipe(texts, batch_size=2)]
    assert done == ["Sharon left", "Dora", "Carl"]
    assert calls == [("lstm_ner", ["Paris", NOT_FINITE], "[L015]")]
    broken.set_error_handler(raise_error)


def test_a_weight_that_is_nan(load):
    nlp = load()
    layer = pipe_of(nlp).model.get_ref("output_layer")
    b = layer.get_param("b").copy()
    b[0] = np.nan
    layer.set_param("b", b)
    with pytest.raises(ValueError, match=r"L015.*token 0 \('Ada'\) of Doc 0"):
        nlp(TEXT)
    with pytest.raises(ValueError, match=r"L015.*token 0 \('Ada'\) of Doc 1"):
        nlp.update(examples_of(nlp, [("", {}), *DISAGREEING[:1]]), sgd=SGD(0.1))


# Where it is easily forgotten


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
    """The same text in other batches has the same confidence, but for rounding."""
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
