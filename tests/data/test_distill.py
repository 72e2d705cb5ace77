"""Teachers, their votes, labelling that goes on after an interruption, and the reader
that mixes labelled texts with gold data."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import spacy
from contract.helpers import make_example, make_nlp, trained
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.component.lessons import Lesson, answer_of, lesson_of, set_lesson
from spacy_lstm_ner.component.lessons import teacher_chain as chain_of
from spacy_lstm_ner.data.distill import DistillCorpus, Teacher, label
from spacy_lstm_ner.data.distill.teachers import merge

TEXTS = ["Ada met Bob in Rome", "nothing else happened", "Bob left", "Rome"]
BLANK = spacy.blank("xx")


@pytest.fixture(scope="module")
def ner() -> Language:
    fix_random_seed(0)
    nlp = make_nlp()
    data = [("Ada met Bob in Rome", {"Ada": "PER", "Rome": "GPE"}), ("Bob left", {})]
    return trained(nlp, [make_example(nlp, *each) for each in data])


def ruler(**patterns: str) -> Language:
    """A pipeline that knows some phrases."""
    nlp = spacy.blank("xx")
    rules = nlp.add_pipe("entity_ruler")
    patterns["never"] = "PER"
    rules.add_patterns([{"label": v, "pattern": k} for k, v in patterns.items()])
    return nlp


def make_docs() -> list[Doc]:
    return [BLANK.make_doc(text) for text in TEXTS]


def ask(*sources, docs=None) -> list[Doc]:
    """The texts, labelled by some teachers."""
    docs = docs or make_docs()
    teachers = [Teacher(source) for source in sources]
    answers = zip(*(teacher.label(docs) for teacher in teachers), strict=True)
    pairs = zip(docs, answers, strict=True)
    return [merge(doc, answer, teachers) for doc, answer in pairs]


def tags(doc: Doc) -> str:
    marks = (f"{t.ent_iob_ or '?'}-{t.ent_type_}".rstrip("-") for t in doc)
    return " ".join(marks)


# Teachers


def test_a_recognizer_teaches_entities_confidences_and_its_distribution(ner):
    docs = make_docs()
    found = ask(ner, docs=docs)
    expected = list(ner.pipe(TEXTS))
    assert any(doc.ents for doc in expected)
    for doc, teacher in zip(found, expected, strict=True):
        assert tags(doc) == tags(teacher)
        answer = answer_of(doc)
        scores = [ent._.confidence for ent in teacher.ents]
        assert answer.scores == pytest.approx(scores)
        assert answer.labels == answer.paths.labels == ("GPE", "PER")
        assert len(answer.paths.emit) == len(doc)
    assert not any(doc.ents for doc in docs)


def test_components_around_the_recognizer_run(ner):
    nlp = make_nlp().from_bytes(ner.to_bytes())
    early = nlp.add_pipe("entity_ruler", name="early", before="lstm_ner")
    early.add_patterns([{"label": "PER", "pattern": "in"}])
    late = nlp.add_pipe("entity_ruler", name="late")
    late.add_patterns([{"label": "ORG", "pattern": "happened"}])
    found = ask(nlp)
    assert [tags(doc) for doc in found] == [tags(doc) for doc in nlp.pipe(TEXTS)]
    answer = answer_of(found[0])
    assert set(answer.labels) == {"GPE", "PER", "ORG"}
    forbidden = np.isneginf(answer.paths.emit)
    assert forbidden[3].tolist() == [True, True, True, False, True]  # B-PER alone


def test_a_teacher_of_entities_alone():
    (first, *_) = ask(ruler(Ada="PER", Rome="GPE"))
    answer = answer_of(first)
    assert tags(first) == "B-PER O O O B-GPE"
    assert (answer.scores, answer.paths) == ((1.0, 1.0), None)
    assert answer.labels == ("GPE", "PER")


def test_a_function_teaches_with_the_scores_of_its_span_group():
    def teach(doc: Doc) -> Doc:
        spans = [Span(doc, i, i + 1, "PER") for i in (0, 2) if i < len(doc)]
        doc.ents = spans
        doc.spans["sc"] = spans
        doc.spans["sc"].attrs["scores"] = np.array([0.25, np.nan][: len(spans)])
        return doc

    answers = [answer_of(doc) for doc in ask(teach)]
    assert [a.scores for a in answers] == [(0.25, 1.0), (0.25, 1.0), (0.25,), (0.25,)]
    assert answers[0].labels is None


def test_tokens_of_entities_that_do_not_align_are_unknown():
    def teach(doc: Doc) -> Doc:
        characters = Doc(
            doc.vocab, words=list(doc.text), spaces=[False] * len(doc.text)
        )
        n = len(doc.text)
        spans = [Span(characters, 0, 3, "PER"), Span(characters, n - 3, n, "GPE")]
        characters.ents = spans if n > 6 else []
        return characters

    assert tags(ask(teach)[0]) == "B-PER O O O ?"


VOTES = {
    "alone": ([{"Ada": "PER"}], "B-PER O O O O", [1.0]),
    "both": ([{"Ada": "PER"}] * 2, "B-PER O O O O", [1.0]),
    "one of two": ([{"Ada": "PER"}, {}], "? O O O O", []),
    "two of three": ([{"Ada": "PER"}, {}, {"Ada": "PER"}], "B-PER O O O O", [2 / 3]),
    "another label": ([{"Ada": "PER"}, {"Ada": "GPE"}], "? O O O O", []),
    "another span": (
        [{"Ada": "PER"}, {"Ada": "PER"}, {"Ada met": "PER"}],
        "B-PER ? O O O",
        [2 / 3],
    ),
}


@pytest.mark.parametrize(("teachers", "expected", "scores"), VOTES.values(), ids=VOTES)
def test_votes(teachers, expected, scores):
    doc = ask(*(ruler(**patterns) for patterns in teachers))[0]
    assert tags(doc) == expected
    assert list(answer_of(doc).scores) == pytest.approx(scores)


def test_several_recognizers_teach_their_geometric_mean(ner):
    other = make_nlp()
    data = [("Bob left", {"Bob": "PER"}), ("Rome", {"Rome": "GPE"})]
    trained(other, [make_example(other, *each) for each in data])
    (doc, *_) = ask(ner, other)
    pipes = [nlp.get_pipe("lstm_ner") for nlp in (ner, other)]
    log_probs = [pipe.model.predict([doc]).emit for pipe in pipes]
    eg = Example(BLANK.make_doc(doc.text), doc)
    set_lesson(eg, Lesson(paths=answer_of(doc).paths))
    own = ner.get_pipe("lstm_ner")
    chain = own.model.predict([doc])
    found = PathSums(chain_of([eg], chain, own.tag_set)).marginals()
    expected = PathSums(replace(chain, emit=np.mean(log_probs, axis=0))).marginals()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    (mixed, *_) = ask(ner, ruler(Ada="PER"))
    assert answer_of(mixed).paths is None


# Labelling


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.jsonl"
    lines = [json.dumps({"text": text, "id": 1}) for text in TEXTS]
    path.write_text("\ufeff" + "\n\n".join(lines) + "\n", encoding="utf8")
    return path


def texts_of(folder: Path) -> list[str]:
    """The labelled texts of a folder with their tags."""
    docs = (
        doc
        for path in sorted(folder.glob("*.spacy"))
        for doc in DocBin().from_disk(path).get_docs(BLANK.vocab)
    )
    return [f"{doc.text}: {tags(doc)}" for doc in docs]


def run(source, raw: Path, output: Path, **kwargs):
    settings = {"settings": {"teacher": 1}, "texts_per_file": 2, **kwargs}
    return label([Teacher(source)], raw, output, BLANK, **settings)


def test_an_interrupted_run_goes_on(raw, tmp_path):
    seen: list[str] = []

    def teach(doc: Doc) -> Doc:
        if doc.text == "Bob left" and doc.text not in seen:
            seen.append(doc.text)
            raise KeyboardInterrupt
        seen.append(doc.text)
        return ruler(Ada="PER", Bob="PER")(doc)

    output = tmp_path / "silver"
    with pytest.raises(KeyboardInterrupt):
        run(teach, raw, output)
    with pytest.raises(ValueError, match=r"L245.*lacks 2 of 4 files"):
        list(DistillCorpus(output)(BLANK))
    seen_first = len(seen)
    calls: list[tuple[int, int]] = []
    done = run(teach, raw, output, on_file=lambda *counts: calls.append(counts))
    assert not set(seen[:seen_first]) - {"Bob left"} & set(seen[seen_first:])
    assert (done.n_files, done.n_kept, done.n_texts) == (4, 2, 2)
    assert calls == [(3, 4), (4, 4)]
    other = tmp_path / "other"
    total = run(ruler(Ada="PER", Bob="PER"), raw, other)
    assert texts_of(output) == texts_of(other)
    assert len(texts_of(other)) == len(TEXTS)
    assert total[2:] == (4, 11, 3, 0, 0)
    with pytest.raises(ValueError, match=r"L408.*teacher: 1, now 2"):
        run(teach, raw, output, settings={"teacher": 2})


def test_texts_of_other_formats(tmp_path, raw, ner):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "a.txt").write_text("\nRome\r\n Bob left\n", encoding="utf8")
    words = ["Ada", "met-Bob", "in", "Rome"]
    docs = [Doc(BLANK.vocab, words=words), Doc(BLANK.vocab), BLANK.make_doc("Bob")]
    DocBin(docs=docs).to_disk(folder / "b.spacy")
    done = run(ner, folder, tmp_path / "silver")
    found = [text.partition(":")[0] for text in texts_of(tmp_path / "silver")]
    assert found == ["Rome", "Bob left", "Ada met-Bob in Rome ", "Bob"]
    assert (done.n_files, done.n_texts, done.n_tokens, done.n_paths) == (4, 4, 8, 4)


BAD_RAW = {
    "no text": (b'{"text": "Rome"}\n{"body": "Rome"}\n', r"L207.*line 2.*body"),
    "no JSON": (b"Rome\n", r"L207.*line 1.*'Rome'"),
    "latin1": (b'{"text": "Z\xfcrich"}\n', r"L113.*line 1: byte 0xfc"),
}


@pytest.mark.parametrize(("data", "message"), BAD_RAW.values(), ids=BAD_RAW)
def test_lines_that_cannot_be_read(data, message, tmp_path):
    path = tmp_path / "raw.jsonl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        run(ruler(), path, tmp_path / "silver")


def test_lines_of_an_old_mac(tmp_path):
    """With a carriage return alone at the end, all lines would be one text."""
    path = tmp_path / "raw.txt"
    path.write_bytes(b"Rome\rBob left\r")
    with pytest.raises(ValueError, match=r"L117.*raw\.txt, line 1.*Rome.*tr "):
        run(ruler(), path, tmp_path / "silver")


def test_there_must_be_texts(tmp_path):
    with pytest.raises(ValueError, match="L401"):
        run(ruler(), tmp_path / "missing.jsonl", tmp_path / "silver")


# The reader


@pytest.fixture
def silver(ner, raw, tmp_path) -> Path:
    run(ner, raw, tmp_path / "silver")
    return tmp_path / "silver"


def gold(nlp: Language) -> Iterator[Example]:
    yield make_example(nlp, "gold one", {"one": "PER"})
    yield make_example(nlp, "gold two", {"two": "GPE"})


def test_gold_and_labelled_texts_are_mixed_evenly(silver):
    corpus = DistillCorpus(silver, gold=gold, gold_weight=2, silver_weight=0.5)
    examples = list(corpus(BLANK))
    texts = [eg.predicted.text for eg in examples]
    assert texts == ["gold one", *TEXTS[:2], "gold two", *TEXTS[2:]]
    assert [lesson_of(eg).weight for eg in examples] == [2, 0.5, 0.5, 2, 0.5, 0.5]
    few = [eg.predicted.text for eg in DistillCorpus(silver, gold=gold, limit=1)(BLANK)]
    assert few == ["gold one", "gold two", TEXTS[0]]
    assert [eg.predicted.text for eg in DistillCorpus(silver)(BLANK)] == TEXTS


def test_soft_targets_have_the_distribution_and_the_temperature(silver):
    for eg in DistillCorpus(silver, temperature=3)(BLANK):
        lesson = lesson_of(eg)
        assert len(lesson.paths.emit) == len(eg.predicted)
        assert (lesson.temperature, lesson.known) == (3, ("GPE", "PER"))


def test_hard_targets_are_as_sure_as_their_trust(ner, silver):
    expected = list(ner.pipe(TEXTS))
    scores = sorted(ent._.confidence for doc in expected for ent in doc.ents)
    trust = (scores[0] + scores[-1]) / 2
    corpus = DistillCorpus(silver, targets="hard", trust=trust)
    for eg, doc in zip(corpus(BLANK), expected, strict=True):
        assert lesson_of(eg).paths is None
        wanted = tags(doc).split()
        for ent in doc.ents:
            if ent._.confidence < trust:
                wanted[ent.start : ent.end] = "?" * len(ent)
        assert tags(eg.reference) == " ".join(wanted)
    assert scores[0] < trust < scores[-1]


def test_settings_out_of_range(silver):
    for settings in ({"temperature": 0}, {"trust": 1.5}):
        with pytest.raises(ValueError, match="L243"):
            DistillCorpus(silver, **settings)
    with pytest.raises(ValueError, match="L100"):
        DistillCorpus(silver, targets="both")
    with pytest.raises(ValueError, match="L048"):
        DistillCorpus(silver, silver_weight=-1)


def test_what_is_no_labelled_text(tmp_path, raw):
    with pytest.raises(ValueError, match="L244"):
        list(DistillCorpus(tmp_path / "none")(BLANK))
    plain = tmp_path / "plain.spacy"
    DocBin(docs=make_docs()).to_disk(plain)
    with pytest.raises(ValueError, match=r"L246.*Ada met Bob"):
        list(DistillCorpus(plain)(BLANK))
    run(ruler(Ada="PER"), raw, tmp_path / "hard")
    with pytest.raises(ValueError, match=r"L247.*targets = \"hard\""):
        list(DistillCorpus(tmp_path / "hard")(BLANK))
    assert list(DistillCorpus(tmp_path / "hard", targets="hard")(BLANK))
