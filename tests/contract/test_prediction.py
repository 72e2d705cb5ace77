"""Prediction: the same result in every way of asking, and nothing else touched."""

import gc
import itertools
import json
import time
import weakref

import numpy
import pytest
import spacy
from fresh import run_fresh
from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import fix_random_seed

from .helpers import (
    FACTORY,
    LABELS,
    TRAIN_DATA,
    assert_knows,
    assert_sound,
    clone,
    initialized,
    make_doc,
    make_example,
    make_nlp,
    phrases_of,
    scores_of,
    scramble,
    spans_of,
    tagged_example,
    train,
    train_examples,
    trained,
)

ADA = "Ada Lovelace met Bob in Rome"
ADA_ENTS = dict(TRAIN_DATA)[ADA]


@pytest.fixture(scope="module")
def texts():
    """Texts of very different lengths, known ones among them."""
    known = [text for text, _ in TRAIN_DATA]
    mixed = [" ".join(known[: 1 + i % 5]) for i in range(9)]
    return [*known, "", *mixed, "\n", "Bob", *reversed(known), "?"]


@pytest.fixture(scope="module")
def eager_nlp() -> Language:
    """A pipeline that takes every word for a person of its own."""
    nlp = make_nlp()
    names = ["Ada", "met", "Bob", "in", "New", "York", "now", "and", "then", "Rome"]
    examples = [
        tagged_example(nlp, words, ["B-PER"] * len(words))
        for words in (names, names[::-1], names[3:], names[:1])
    ]
    return trained(nlp, examples)


def preset(nlp, text, *ents, **kwargs):
    """A Doc with the given entities, as (start, end, label), and the rest unset."""
    doc = nlp.make_doc(text)
    spans = [Span(doc, *ent, **kwargs) for ent in ents]
    doc.set_ents(spans, default="missing")
    return doc


# The same result in every way of asking


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_batch_size_does_not_matter(shared_nlp, texts, batch_size):
    alone = [shared_nlp(text) for text in texts]
    batched = list(shared_nlp.pipe(texts, batch_size=batch_size))
    assert [doc.text for doc in batched] == texts
    assert [spans_of(doc) for doc in batched] == [spans_of(doc) for doc in alone]
    for one, other in zip(batched, alone, strict=True):
        numpy.testing.assert_allclose(scores_of(one), scores_of(other), atol=1e-5)
    assert sum(len(doc.ents) for doc in alone) > len(texts)


def test_neighbours_in_the_batch_do_not_leak(nlp):
    pipe = nlp.get_pipe(FACTORY)
    text = "Bob saw Rome"
    for seed in range(3):
        scramble(pipe, seed)
        alone = nlp(text)
        around = ["Ada Lovelace " * 40, text, "Carl", text, "New York " * 90, text]
        among = [doc for doc in nlp.pipe(around, batch_size=6) if doc.text == text]
        assert len(among) == 3
        for doc in among:
            assert spans_of(doc) == spans_of(alone)
            numpy.testing.assert_allclose(scores_of(doc), scores_of(alone), atol=1e-4)


def test_pipe_is_lazy_and_keeps_contexts(shared_nlp):
    asked = itertools.count()
    stream = ((f"Bob saw Rome {i}", i) for i in asked)
    results = shared_nlp.pipe(stream, as_tuples=True, batch_size=4)
    found = list(itertools.islice(results, 6))
    assert [context for _, context in found] == list(range(6))
    assert [doc.text for doc, _ in found] == [f"Bob saw Rome {i}" for i in range(6)]
    assert next(asked) < 40


def test_pipe_of_the_component_gives_the_same_objects_back(shared_nlp):
    docs = [shared_nlp.make_doc(text) for text, _ in TRAIN_DATA]
    results = list(shared_nlp.get_pipe(FACTORY).pipe(iter(docs), batch_size=2))
    assert [id(doc) for doc in results] == [id(doc) for doc in docs]
    assert phrases_of(docs[0]) == ADA_ENTS


def test_predict_is_pure_and_set_annotations_writes(shared_nlp):
    pipe = shared_nlp.get_pipe(FACTORY)
    docs = [shared_nlp.make_doc(text) for text in (ADA, "", "Rome")]
    before = [doc.to_bytes() for doc in docs]
    predicted = pipe.predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    pipe.set_annotations(docs, predicted)
    assert [len(doc.ents) for doc in docs] == [len(ADA_ENTS), 0, 1]


@pytest.mark.parametrize("n_docs", [0, 1, 3])
def test_empty_docs_can_be_predicted(shared_nlp, n_docs):
    pipe = shared_nlp.get_pipe(FACTORY)
    docs = [shared_nlp.make_doc("") for _ in range(n_docs)]
    pipe.set_annotations(docs, pipe.predict(docs))
    assert [len(doc.ents) for doc in docs] == [0] * n_docs


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_processes_give_the_same(shared_nlp, texts, tmp_path, method):
    shared_nlp.to_disk(tmp_path / "model")
    script = (
        "import json, multiprocessing, spacy\n"
        f"multiprocessing.set_start_method({method!r})\n"
        f"nlp = spacy.load({str(tmp_path / 'model')!r})\n"
        f"texts = json.loads({json.dumps(texts)!r})\n"
        "docs = nlp.pipe(texts, n_process=2, batch_size=4)\n"
        "print(json.dumps([[(e.start, e.end, e.label_) for e in doc.ents]\n"
        "                  for doc in docs]))\n"
    )
    found = json.loads(run_fresh(script))
    expected = [spans_of(doc) for doc in shared_nlp.pipe(texts)]
    assert [[tuple(ent) for ent in ents] for ents in found] == expected


# Odd texts and odd scores


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n \t",
        "👩‍👩‍👧 met 😀",
        "Ada\x00Bob \x00",
        "x" * 5000,
        "Ada \n  Bob  ",
    ],
    ids=["empty", "blank", "blanks", "emoji", "NUL", "5000 characters", "spaced"],
)
def test_odd_text_gets_sound_ents(shared_nlp, text):
    doc = shared_nlp(text)
    assert doc.text == text
    assert_sound(doc)
    assert_sound(next(shared_nlp.pipe([text])))


def test_ten_thousand_tokens_take_bounded_time(shared_nlp):
    text = f"{ADA} and " * 1429
    start = time.perf_counter()
    doc = shared_nlp(text)
    assert time.perf_counter() - start < 30
    assert len(doc) > 10_000
    assert len(doc.ents) > 1000
    assert_sound(doc)


@pytest.mark.parametrize("seed", range(6))
def test_any_scores_give_legal_annotation(nlp, seed):
    scramble(nlp.get_pipe(FACTORY), seed)
    words = ["Ada", " ", "met", "\n", "\n", "Bob", "in", "New", "\t", "York", " "] * 20
    doc = make_doc(nlp, words)
    for i in range(0, len(words), 13):
        doc[i].is_sent_start = True
    nlp.get_pipe(FACTORY)(doc)
    assert_sound(doc)
    assert len(doc.ents) > 0
    assert not any(token.is_sent_start for ent in doc.ents for token in ent[1:])


def test_eager_model_puts_no_entity_on_white_space(eager_nlp):
    doc = eager_nlp.get_pipe(FACTORY)(
        make_doc(eager_nlp, [" ", "Ada", "\n", "Bob", " "])
    )
    assert_sound(doc)
    assert len(doc.ents) >= 1


def test_afterwards_every_token_is_b_i_or_o(shared_nlp):
    doc = shared_nlp("Ada Lovelace \n met")
    assert [token.ent_iob_ for token in doc] == ["B", "I", "O", "O"]
    assert doc.has_annotation("ENT_IOB")
    half_set = preset(shared_nlp, ADA, (3, 4, "PRESET"))
    shared_nlp.get_pipe(FACTORY)(half_set)
    assert [token.ent_iob_ for token in half_set] == ["B", "I", "O", "B", "O", "B"]


# What is on the Doc already


def test_ents_of_a_ruler_before_are_kept_with_their_id(nlp):
    ruler = nlp.add_pipe("entity_ruler", before=FACTORY)
    pattern = [{"LOWER": "lovelace"}, {"LOWER": "met"}]
    ruler.add_patterns([{"label": "EVENT", "pattern": pattern, "id": "meeting"}])
    doc = nlp(ADA)
    ents = {ent.text: (ent.label_, ent.ent_id_) for ent in doc.ents}
    assert ents["Lovelace met"] == ("EVENT", "meeting")
    assert ents["Bob"] == ("PER", "")
    assert ents["Rome"] == ("GPE", "")
    assert_sound(doc)


def test_preset_is_kept_whatever_the_model_thinks(eager_nlp):
    pipe = eager_nlp.get_pipe(FACTORY)
    doc = pipe(preset(eager_nlp, "Ada met Bob in New York", (1, 3, "X"), (4, 6, "Y")))
    expected = [(0, 1, "PER"), (1, 3, "X"), (3, 4, "PER"), (4, 6, "Y")]
    assert spans_of(doc) == expected


@pytest.mark.parametrize("seed", range(4))
def test_presets_are_kept_under_any_scores(nlp, seed):
    scramble(nlp.get_pipe(FACTORY), seed)
    ents = [(1, 3, "PER"), (3, 4, "PER"), (6, 9, "OTHER"), (11, 12, "GPE")]
    doc = preset(nlp, f"{ADA} {ADA}", *ents)
    nlp.get_pipe(FACTORY)(doc)
    assert set(ents) <= set(spans_of(doc))
    assert_sound(doc)


def test_kb_id_is_kept_and_new_ents_get_none(shared_nlp):
    doc = preset(shared_nlp, ADA, (3, 4, "PER"), kb_id="Q1")
    shared_nlp.get_pipe(FACTORY)(doc)
    assert {ent.text: ent.kb_id_ for ent in doc.ents} == {
        "Ada Lovelace": "",
        "Bob": "Q1",
        "Rome": "",
    }


def test_preset_next_to_a_prediction_is_not_merged(eager_nlp):
    pipe = eager_nlp.get_pipe(FACTORY)
    doc = pipe(preset(eager_nlp, "Ada met Bob", (1, 2, "PER")))
    assert spans_of(doc) == [(0, 1, "PER"), (1, 2, "PER"), (2, 3, "PER")]


def test_prediction_that_would_run_on_from_a_preset_is_not_merged():
    """A model that wants one long entity, beside a preset of the same label."""
    nlp = make_nlp()
    words = ["Ada", "King", "Noel", "Byron"]
    trained(nlp, [tagged_example(nlp, words, ["B-PER"] + ["I-PER"] * 3)])
    assert spans_of(nlp(" ".join(words))) == [(0, 4, "PER")]
    doc = preset(nlp, " ".join(words), (1, 2, "PER"))
    nlp.get_pipe(FACTORY)(doc)
    assert (1, 2, "PER") in spans_of(doc)
    assert_sound(doc)


@pytest.mark.parametrize("blocked", [(0, 1), (1, 3), (0, 6)])
def test_blocked_tokens_stay_blocked(eager_nlp, blocked):
    doc = eager_nlp.make_doc("Ada met Bob in New York")
    doc.set_ents([], blocked=[doc[slice(*blocked)]], default="missing")
    eager_nlp.get_pipe(FACTORY)(doc)
    inside = set(range(*blocked))
    assert [token.ent_type_ for token in doc] == [
        "" if token.i in inside else "PER" for token in doc
    ]
    assert all(doc[i].ent_iob == 3 for i in inside)


@pytest.mark.parametrize("overwrite", [True, False])
def test_an_entity_stops_at_blocked_white_space(overwrite):
    """Who blocks line ends gets the part of an entity that stands before one."""
    nlp = make_nlp(overwrite=overwrite)
    words, tags = (
        ["I", "saw", "New", "\n", "York"],
        ["O", "O", "B-GPE", "I-GPE", "I-GPE"],
    )
    examples = [tagged_example(nlp, words, tags)]
    train(initialized(nlp, examples), examples, steps=60)
    assert spans_of(nlp(make_doc(nlp, words))) == [(2, 5, "GPE")]
    doc = make_doc(nlp, words)
    doc.set_ents([], blocked=[doc[3:4]], default="missing")
    assert spans_of(nlp(doc))[0] == (2, 3, "GPE")
    assert (doc[3].ent_iob_, doc[3].ent_type_) == ("B", "")


def test_preset_on_white_space_is_kept(eager_nlp):
    doc = make_doc(eager_nlp, ["Ada", "\n", "Bob", "\n", "Rome"])
    doc.set_ents(
        [Span(doc, 1, 2, label="BREAK"), Span(doc, 2, 4, label="LINE")],
        default="missing",
    )
    eager_nlp.get_pipe(FACTORY)(doc)
    expected = [(0, 1, "PER"), (1, 2, "BREAK"), (2, 4, "LINE"), (4, 5, "PER")]
    assert spans_of(doc) == expected


def test_preset_outside_may_be_overwritten(shared_nlp):
    doc = shared_nlp.make_doc(ADA)
    doc.set_ents([], default="outside")
    shared_nlp.get_pipe(FACTORY)(doc)
    assert phrases_of(doc) == ADA_ENTS


def test_overwrite_replaces_presets():
    nlp = trained(make_nlp(overwrite=True))
    doc = preset(nlp, ADA, (1, 5, "PRESET"), kb_id="Q1")
    nlp.get_pipe(FACTORY)(doc)
    assert phrases_of(doc) == ADA_ENTS
    assert {ent.kb_id_ for ent in doc.ents} == {""}


def test_running_twice_changes_nothing(shared_nlp):
    doc = shared_nlp(f"{ADA} \n Bob")
    first = spans_of(doc), scores_of(doc)
    shared_nlp.get_pipe(FACTORY)(doc)
    assert (spans_of(doc), scores_of(doc)) == first
    assert_sound(doc)


@pytest.mark.parametrize("decoding", ["best_path", "probability"])
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_what_was_predicted_is_no_evidence(decoding, threshold):
    """A half-trained pipeline that runs twice does not become surer, and no entity
    passes the threshold the second time that did not the first time."""
    nlp = make_nlp(decoding=decoding, threshold=threshold)
    examples = train_examples(nlp)
    train(initialized(nlp, examples), examples, steps=9)
    words = ["Rome", "Bob", "Ada", "Lovelace", "New", "York", "met", "in", "told"]
    rng = numpy.random.default_rng(0)
    docs = [nlp(" ".join(rng.choice(words, 10))) for _ in range(50)]
    first = [(spans_of(doc), scores_of(doc)) for doc in docs]
    second = [nlp(doc) for doc in docs]
    assert [(spans_of(doc), scores_of(doc)) for doc in second] == first
    assert sum(len(doc.ents) for doc in docs) > 20


@pytest.mark.parametrize("spans_key", ["lstm_ner", "second"])
def test_what_another_one_has_predicted_is_there(shared_nlp, spans_key):
    """A second recognizer finds its entities around those of the first one, whether or
    not they share the span group."""
    fix_random_seed(0)  # not every seed finds "met" alone, which no example shows
    nlp, second = clone(shared_nlp), make_nlp(spans_key=spans_key)
    across = tagged_example(second, ADA.split(), ["O", "O", "B-X", "I-X", "I-X", "O"])
    assert phrases_of(trained(second, [across])(ADA)) == {"met Bob in": "X"}
    nlp.add_pipe(FACTORY, name="second", source=second)
    doc = nlp(ADA)
    assert phrases_of(doc) == {**ADA_ENTS, "met": "X"}
    assert all(ent._.confidence is not None for ent in doc.ents)
    first = spans_of(doc)
    assert spans_of(nlp(doc)) == first
    assert set(doc.spans) == {"lstm_ner", spans_key}


def test_entities_can_be_merged_into_tokens_behind_it(shared_nlp):
    """As behind `ner`; spaCy's own span groups do not stand it."""
    nlp = clone(shared_nlp)
    nlp.add_pipe("merge_entities")
    text = f"{ADA} and Carl left New York"
    doc, expected = nlp(text), shared_nlp(text)
    assert len(doc) < len(expected)
    assert phrases_of(doc) == phrases_of(expected)
    assert scores_of(doc) == scores_of(expected)
    for each in (doc, doc.copy(), Doc(nlp.vocab).from_bytes(doc.to_bytes())):
        assert [ent._.confidence for ent in each.ents] == scores_of(expected)
    assert phrases_of(nlp.get_pipe(FACTORY)(doc)) == phrases_of(expected)


def test_labels_of_presets_are_not_learned_by_predicting(nlp):
    pipe = nlp.get_pipe(FACTORY)
    pipe(preset(nlp, ADA, (2, 3, "PRESET")))
    assert pipe.labels == LABELS
    assert_knows(nlp, TRAIN_DATA)


def test_ruler_after_can_fill_what_is_outside(nlp):
    ruler = nlp.add_pipe("entity_ruler", after=FACTORY)
    ruler.add_patterns(
        [{"label": "EVENT", "pattern": "met"}, {"label": "EVENT", "pattern": "Bob in"}]
    )
    assert phrases_of(nlp(ADA)) == {**ADA_ENTS, "met": "EVENT"}


@pytest.mark.parametrize("start", [True, None, False])
def test_known_sentence_starts_are_not_crossed(shared_nlp, start):
    doc = shared_nlp.make_doc("Carl left New York on Monday")
    assert doc[3].text == "York"
    if start is not None:
        doc[3].is_sent_start = start
    shared_nlp.get_pipe(FACTORY)(doc)
    assert ((2, 4, "GPE") in spans_of(doc)) == (start is not True)
    assert not any(token.is_sent_start for ent in doc.ents for token in ent[1:])
    assert_sound(doc)


def test_everything_else_on_the_doc_stays_untouched(shared_nlp):
    doc = Doc(
        shared_nlp.vocab,
        words=ADA.split(),
        tags=["NNP", "NNP", "VBD", "NNP", "IN", "NNP"],
        pos=["PROPN", "PROPN", "VERB", "PROPN", "ADP", "PROPN"],
        lemmas=[word.lower() for word in ADA.split()],
        morphs=["Number=Sing"] * 6,
        heads=[1, 2, 2, 2, 3, 4],
        deps=["compound", "nsubj", "ROOT", "dobj", "prep", "pobj"],
    )
    doc.tensor = numpy.arange(12, dtype="float32").reshape(6, 2)
    doc.cats = {"POSITIVE": 0.25}
    doc.spans["mine"] = [Span(doc, 1, 4, label="MINE")]
    doc.user_data["key"] = "value"
    before = doc.to_json()
    shared_nlp.get_pipe(FACTORY)(doc)
    after = doc.to_json()
    assert phrases_of(doc) == ADA_ENTS
    assert {key: after[key] for key in before if key not in ("ents", "spans")} == {
        key: before[key] for key in before if key not in ("ents", "spans")
    }
    assert after["spans"]["mine"] == before["spans"]["mine"]
    assert set(doc.spans) <= {"mine", "lstm_ner"}
    assert doc.tensor.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert doc.user_data["key"] == "value"


# In a pipeline


def test_disabled_component_sets_nothing(nlp):
    with nlp.select_pipes(disable=[FACTORY]):
        doc = nlp(ADA)
        assert not doc.ents
        assert not doc.has_annotation("ENT_IOB")
        assert not doc.spans
    assert phrases_of(nlp(ADA)) == ADA_ENTS
    nlp.disable_pipe(FACTORY)
    assert not nlp(ADA).ents
    nlp.enable_pipe(FACTORY)
    assert phrases_of(nlp(ADA)) == ADA_ENTS


def test_memory_zone_leaves_no_string_behind(nlp):
    expected = spans_of(nlp(ADA))
    n_strings = len(nlp.vocab.strings)
    for i in range(2):
        with nlp.memory_zone():
            text = f"Zxqy{i}transient met Bob"
            docs = list(nlp.pipe([text, ADA, f"{text} in Rome"]))
            assert f"Zxqy{i}transient" in nlp.vocab.strings
            assert spans_of(docs[1]) == expected
            del docs
        assert f"Zxqy{i}transient" not in nlp.vocab.strings
        assert len(nlp.vocab.strings) == n_strings
    assert all(label in nlp.vocab.strings for label in LABELS)
    assert spans_of(nlp(ADA)) == expected


def test_component_keeps_no_doc(nlp):
    class Probe:
        """Lives as long as the Doc that holds it."""

    doc = nlp.make_doc(ADA)
    doc.user_data["probe"] = probe = Probe()
    alive = weakref.ref(probe)
    del probe
    nlp.get_pipe(FACTORY)(doc)
    gc.collect()
    assert alive() is not None
    del doc
    gc.collect()
    assert alive() is None


@pytest.fixture
def failing_nlp(nlp, monkeypatch):
    """A pipeline that fails on batches with the word "broken"."""
    pipe = nlp.get_pipe(FACTORY)
    predict = pipe.predict

    def fail_if_broken(docs):
        docs = list(docs)
        if any("broken" in doc.text for doc in docs):
            raise RuntimeError("cannot predict this")
        return predict(docs)

    monkeypatch.setattr(pipe, "predict", fail_if_broken)
    return nlp


def test_error_in_predict_is_raised(failing_nlp):
    with pytest.raises(RuntimeError, match="cannot predict this"):
        failing_nlp("broken")
    with pytest.raises(RuntimeError, match="cannot predict this"):
        list(failing_nlp.pipe(["Rome", "broken", "Bob"]))


def test_error_handler_gets_the_bad_batch_which_is_dropped(failing_nlp):
    pipe = failing_nlp.get_pipe(FACTORY)
    calls = []

    def handler(name, proc, docs, error):
        calls.append((name, proc, [doc.text for doc in docs], str(error)))

    pipe.set_error_handler(handler)
    texts = ["Rome", "a", "b", "broken", "c", "d"]
    docs = [failing_nlp.make_doc(text) for text in texts]
    done = [doc.text for doc in pipe.pipe(docs, batch_size=2)]
    assert done == ["Rome", "a", "c", "d"]
    assert calls == [(FACTORY, pipe, ["b", "broken"], "cannot predict this")]


def test_error_handler_of_the_pipeline_reaches_the_component(failing_nlp):
    names = []
    failing_nlp.set_error_handler(lambda name, proc, docs, error: names.append(name))
    done = [doc.text for doc in failing_nlp.pipe(["Rome", "broken"], batch_size=1)]
    assert done == ["Rome"]
    assert names == [FACTORY]


def test_confidences_stand_in_a_span_group(shared_nlp):
    doc = shared_nlp(ADA)
    group = doc.spans["lstm_ner"]
    assert [(span.start, span.end, span.label_) for span in group] == spans_of(doc)
    assert len(scores_of(doc)) == 3
    assert all(0.5 < score <= 1.0 for score in scores_of(doc))


def test_threshold_is_read_from_cfg_at_run_time(nlp):
    """`spacy find-threshold` sets it there, in a new dict."""
    pipe = nlp.get_pipe(FACTORY)
    scores = scores_of(nlp(ADA))
    middle = sum(sorted(scores)[:2]) / 2
    for threshold in (0.0, middle, 1.0):
        pipe.cfg = {**pipe.cfg, "threshold": threshold}
        expected = [score for score in scores if score >= threshold]
        assert scores_of(nlp(ADA)) == pytest.approx(expected)
        assert len(nlp(ADA).ents) == len(expected)
    assert len(set(scores)) == 3


def test_default_config_predicts_what_it_learned():
    nlp = spacy.blank("xx")
    nlp.add_pipe(FACTORY)
    initialized(nlp, [make_example(nlp, ADA, ADA_ENTS)])
    train(nlp, [make_example(nlp, ADA, ADA_ENTS)], steps=20)
    assert phrases_of(nlp(ADA)) == ADA_ENTS
