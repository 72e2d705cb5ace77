"""Entities by probability, candidates and preset entities, against the list of all
tag paths."""

import json

import pytest
import spacy
from contract.helpers import assert_sound, spans_of
from fresh import run_fresh
from spacy.tokens import Doc, DocBin, Span

from spacy_lstm_ner.tags import TokenSpan

from .unsure import (
    MIN_LISTED,
    OTHER,
    TEXT,
    confidences,
    given,
    highest_first,
    pipe_of,
    probs_of_spans,
    scored,
)

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
    return Doc(spacy.blank("xx").vocab).from_bytes(doc.to_bytes())


def keep_in_doc_bin(doc: Doc) -> Doc:
    bin_ = DocBin(docs=[doc]).to_bytes()
    return next(iter(DocBin().from_bytes(bin_).get_docs(spacy.blank("xx").vocab)))


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
    script = (
        "import json, spacy\n"
        f"nlp = spacy.load({str(tmp_path / 'model')!r})\n"
        f"docs = list(nlp.pipe({texts!r}, n_process=2, batch_size=2))\n"
        "print(json.dumps([\n"
        "    [[[s.start, s.end, s.label_, s._.confidence] for s in spans]\n"
        "     for spans in (doc.ents, doc.spans['lstm_ner'])]\n"
        "    for doc in docs]))\n"
    )
    found = json.loads(run_fresh(script))
    for (ents, candidates), doc in zip(found, nlp.pipe(texts), strict=True):
        for rows, expected in ((ents, confidences(doc)), (candidates, scored(doc))):
            spans = {TokenSpan(*row[:3]): row[3] for row in rows}
            assert spans == pytest.approx(expected, abs=1e-6)
    assert len(found[0][1]) > len(found[0][0]) > 1
