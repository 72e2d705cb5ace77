"""The benchmark of accuracy: what is counted, and on what."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vectors import Vectors
from spacy.vocab import Vocab

_FILE = Path(__file__).parents[1] / "benchmarks" / "accuracy.py"


@pytest.fixture(scope="module")
def accuracy():
    """The benchmark as a module; it pins threads, which is undone."""
    if not _FILE.is_file():
        pytest.skip("the benchmarks are not part of this copy")
    spec = importlib.util.spec_from_file_location("benchmark_accuracy", _FILE)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "1")
        spec.loader.exec_module(module)
    return module


def make_doc(text, *spans):
    doc = Doc(Vocab(), words=text.split())
    doc.set_ents([Span(doc, *span) for span in spans])
    return doc


def test_measures_of_seen_and_unseen_entities_and_of_types(accuracy):
    gold = [
        make_doc("Anna met Bob", (0, 1, "per"), (2, 3, "per")),
        make_doc("in Old York", (1, 3, "geo")),
    ]
    found = [
        make_doc("Anna met Bob", (0, 1, "per"), (2, 3, "geo")),
        make_doc("in Old York", (2, 3, "geo")),
    ]
    scores = accuracy.measure(
        accuracy.entities(gold), accuracy.entities(found), {"Anna", "York"}
    )
    assert scores == pytest.approx(
        {
            "precision": 100 / 3,
            "recall": 100 / 3,
            "F1": 100 / 3,
            "precision, seen": 50,
            "recall, seen": 100,
            "F1, seen": 200 / 3,
            "precision, unseen": 0,
            "recall, unseen": 0,
            "F1, unseen": 0,
            "F1 of geo": 0,
            "F1 of per": 200 / 3,
        }
    )


def test_agrees_with_the_scorer_of_spacy(accuracy):
    words = "a b c d e f"
    gold = [make_doc(words, (0, 2, "x"), (3, 4, "y"), (5, 6, "x")), make_doc(words)]
    found = [make_doc(words, (0, 2, "x"), (3, 5, "y")), make_doc(words, (0, 1, "y"))]
    scores = accuracy.measure(accuracy.entities(gold), accuracy.entities(found), set())
    examples = [Example(f, g) for f, g in zip(found, gold, strict=True)]
    expected = get_ner_prf(examples)
    for name, key in (("precision", "p"), ("recall", "r"), ("F1", "f")):
        assert scores[name] == pytest.approx(100 * expected[f"ents_{key}"])


def test_times_of_the_first_evaluation_with_the_best_score(accuracy):
    rows = [(0, 0.1, 1.0), (200, 0.5, 2.5), (400, 0.5, 4.0), (600, 0.4, 6.0)]
    lines = [
        f'times: {{"step": {step}, "score": {score}, "seconds": {seconds}}}'
        for step, score, seconds in rows
    ]
    assert accuracy.read_times(["✔ Initialized pipeline", *lines]) == {
        "steps to best": 200,
        "seconds to best": 2.5,
        "steps in all": 600,
        "seconds in all": 6.0,
    }


def test_forms_get_the_vector_of_their_lower_case_form_but_keep_their_own(
    accuracy, tmp_path
):
    nlp = spacy.blank("xx")
    keys = [nlp.vocab.strings.add(word) for word in ("paris", "us", "US")]
    data = np.array([[1, 1], [2, 2], [3, 3]], dtype="float32")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=keys)
    nlp.to_disk(tmp_path / "plain")
    docs = {"train": [make_doc("Paris US xyz")], "test": [make_doc("PARIS Us")]}
    path = accuracy.add_forms(tmp_path / "plain", docs, tmp_path / "more")
    vocab = spacy.load(path).vocab
    first = {w: vocab[w].vector[0] for w in ("Paris", "PARIS", "Us", "US", "xyz")}
    assert first == {"Paris": 1, "PARIS": 1, "Us": 2, "US": 3, "xyz": 0}


# The parts of each corpus: its files, or the share of its one file.
PARTS = {
    "btc": {"train": "abeg", "dev": "h", "test": "f"},
    "wnut17": {part: [part] for part in ("train", "dev", "test")},
    "wikigold": {"train": range(8), "dev": [8], "test": [9]},
}


def test_parts_of_the_corpora(accuracy, tmp_path):
    for name in PARTS:
        (tmp_path / name).mkdir()
    for name in ("btc", "wnut17"):
        for file in (file for part in PARTS[name].values() for file in part):
            (tmp_path / name / f"{file}.conll").write_text(f"{file} B-X\n")
    sentences = "\n".join(f"{i} I-X\n" for i in range(10))
    (tmp_path / "wikigold" / "wikigold.conll").write_text(sentences)
    assert accuracy.find_corpora(tmp_path, None) == ["btc", "wikigold", "wnut17"]
    assert accuracy.find_corpora(tmp_path, ["btc"]) == ["btc"]
    with pytest.raises(ValueError, match="expected"):
        accuracy.find_corpora(tmp_path, ["conll"])
    for name, expected in PARTS.items():
        parts = accuracy.read_parts(tmp_path / name)
        found = {part: [doc[0].text for doc in docs] for part, docs in parts.items()}
        assert found == {part: [f"{file}" for file in expected[part]] for part in found}
        assert list(found) == ["train", "dev", "test"]
        assert all(doc.ents for docs in parts.values() for doc in docs)


def test_table(accuracy):
    runs = [
        {"seed": 0, "F1": 20.0, "steps to best": 200},
        {"seed": 1, "F1": 30.0, "steps to best": 400},
    ]
    table = accuracy.render({"ner": runs, "linear CRF": [{"F1": 15.0}]})
    assert table.splitlines() == [
        "               ner                  linear CRF",
        "F1             25.0 (20.0 to 30.0)  15.0",
        "steps to best  300 (200 to 400)     -",
    ]
