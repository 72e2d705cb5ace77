"""The benchmark of accuracy: what is counted, and on what."""

import importlib.util
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vectors import Vectors

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
    doc = Doc(spacy.blank("en").vocab, words=text.split())
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
    nlp = spacy.blank("en")
    keys = [nlp.vocab.strings.add(word) for word in ("paris", "us", "US")]
    data = np.array([[1, 1], [2, 2], [3, 3]], dtype="float32")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=keys)
    nlp.to_disk(tmp_path / "plain")
    docs = {"train": [make_doc("Paris US xyz")], "test": [make_doc("PARIS Us")]}
    path = accuracy.add_forms(tmp_path / "plain", docs, tmp_path / "more")
    vocab = spacy.load(path).vocab
    first = {w: vocab[w].vector[0] for w in ("Paris", "PARIS", "Us", "US", "xyz")}
    assert first == {"Paris": 1, "PARIS": 1, "Us": 2, "US": 3, "xyz": 0}


@pytest.mark.no_cover  # reads all texts of three corpora
def test_parts_of_the_corpora(accuracy, corpora):
    folders = sorted(path.name for path in corpora.iterdir() if path.is_dir())
    assert {"btc", "wikigold", "wnut17"} <= set(folders)
    assert accuracy.find_corpora(corpora, None) == folders
    with pytest.raises(ValueError, match="expected"):
        accuracy.find_corpora(corpora, ["conll"])
    for name in ("btc", "wikigold", "wnut17"):
        parts = accuracy.read_parts(corpora / name)
        assert list(parts) == ["train", "dev", "test"]
        n_sentences = sum(map(count_sentences, (corpora / name).glob("*.conll")))
        assert sum(map(len, parts.values())) == n_sentences


def count_sentences(path):
    """The runs of lines that are neither blank nor -DOCSTART-."""
    lines = path.read_text("utf8").split("\n")
    runs = groupby(lines, lambda line: bool(line.strip()) and line[:10] != "-DOCSTART-")
    return sum(1 for has_words, _ in runs if has_words)


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
