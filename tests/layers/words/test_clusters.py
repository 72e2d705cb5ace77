"""Clusters of words: the table, and the layer that embeds them."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import spacy
from cupy_stand_in import use_stand_in
from spacy.language import Language
from spacy.strings import get_string_id
from spacy.training import Example
from thinc.api import fix_random_seed
from util import gradient_error

from spacy_lstm_ner.layers.words.clusters import (
    NO_CLUSTERS,
    Clusters,
    ClusterTable,
)
from spacy_lstm_ner.layers.words.distinct import Lexemes

# Names, then a preposition, then years.
CLUSTERS = {"ada": 1, "bob": 1, "Carl": 1, "rome": 1, "in": 2, "0000": 3}
TEXT = "Ada met Bob in ROME 1985 ."
FOUND = [1, 0, 1, 2, 1, 3, 0]


def hashes_of(words: list[str]) -> np.ndarray:
    return np.array([get_string_id(word) for word in words], dtype="uint64")


def make_table(clusters: dict[str, int] | None = None) -> ClusterTable:
    clusters = clusters or CLUSTERS
    keys = (hashes_of(list(clusters)) & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    order = np.argsort(keys)
    numbers = np.array(list(clusters.values()), dtype=np.uint16)
    return ClusterTable(keys[order], numbers[order])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clusters.npz"
    path.write_bytes(make_table().to_bytes())
    return path


def lexemes(hidden: tuple[int, ...] = ()) -> Lexemes:
    doc = spacy.blank("xx").make_doc(TEXT)
    mask = np.isin(np.arange(len(doc)), hidden)
    no_attrs = np.zeros((len(doc), 0), "uint64")
    return Lexemes(doc.to_array("ORTH"), no_attrs, mask, doc.vocab)


def test_numbers():
    table = make_table()
    assert table.n_clusters == 3
    hashes = hashes_of(["in", "Ada", "ada", "0000"])
    assert table.numbers_of(table.rows_of(hashes)).tolist() == [2, 0, 1, 3]


def test_no_clusters():
    assert NO_CLUSTERS.n_clusters == 0
    rows = NO_CLUSTERS.rows_of(hashes_of(["in", "ada"]))
    assert NO_CLUSTERS.numbers_of(rows).tolist() == [0, 0]


def test_bytes():
    table = make_table()
    again = ClusterTable.from_bytes(table.to_bytes())
    for name, expected in vars(table).items():
        found = getattr(again, name)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize("content", [None, b"", b"words", b"PK\x03\x04 cut"])
def test_file_that_is_no_table(content: bytes | None, tmp_path: Path):
    path = tmp_path / "c.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"L230\].*c\.npz.*lstm-ner clusters"):
        ClusterTable.read(path)


def test_file_that_is_damaged(path: Path):
    data = bytearray(path.read_bytes())
    data[60:70] = bytes(10)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="L230"):
        ClusterTable.read(path)


def test_table_of_vectors_is_refused(tmp_path: Path):
    np.savez(tmp_path / "words.npz", steps=np.zeros(3), codes=np.zeros(3))
    with pytest.raises(ValueError, match=r"L230\].*clusters"):
        ClusterTable.read(tmp_path / "words.npz")


def test_words_are_looked_up_in_several_forms(path: Path):
    """As written, in lower case, with zeros for digits. Words without a cluster have
    the first row; hidden ones have 0."""
    model = Clusters(4, str(path)).initialize()
    E = model.get_param("E")
    assert E.shape == (4, 4)
    expected = E[FOUND]
    expected[2] = 0
    np.testing.assert_array_equal(model.predict(lexemes(hidden=(2,))), expected)


def test_gradient(path: Path):
    model = Clusters(4, str(path)).initialize()
    X = lexemes(hidden=(2,))
    dY = np.random.default_rng(0).standard_normal((7, 4)).astype("f")
    _, backprop = model(X, is_train=True)
    backprop(dY.copy())

    def loss() -> float:
        return float((model.predict(X).astype("d") * dY).sum())

    found = model.get_grad("E").copy()
    assert gradient_error(loss, model.get_param("E"), found, 3e-2) < 1e-3


def test_another_table(path: Path):
    """Initialization takes a table of another size, and forgets the old gradient."""
    model = Clusters(4, str(path)).initialize()
    Y, backprop = model(lexemes(), is_train=True)
    backprop(Y)
    path.write_bytes(make_table({"ada": 1, "in": 7}).to_bytes())
    model.initialize()
    assert model.get_param("E").shape == model.get_grad("E").shape == (8, 4)
    assert not model.get_grad("E").any()


def test_on_a_device(path: Path, monkeypatch: pytest.MonkeyPatch):
    model = Clusters(4, str(path)).initialize()
    X = lexemes(hidden=(2,))
    Y, backprop = model(X, is_train=True)
    backprop(Y)
    dE = model.get_grad("E").copy()
    model.set_grad("E", np.zeros_like(dE))
    use_stand_in(monkeypatch, model)
    Y_device, backprop = model(X, is_train=True)
    assert Y_device.tolist() == Y.tolist()
    backprop(Y_device)
    np.testing.assert_allclose(model.get_grad("E").tolist(), dE, rtol=1e-6)


@pytest.fixture
def nlp(path: Path) -> Language:
    """A pipeline that knows words by their clusters alone."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    tok2vec = {
        "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
        "width": 32,
        "attrs": [],
        "rows": [],
        "word_table": None,
        "clusters": str(path),
    }
    nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}})
    ents = {"entities": [(0, 3, "NAME"), (8, 11, "NAME"), (15, 19, "NAME")]}
    examples = [Example.from_dict(nlp.make_doc(TEXT), ents)]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=sgd, drop=0.1)
    return nlp


# Training has not seen the names of these texts.
TEXTS = ["Carl met Carl in Rome 1985 .", "Bob met Carl in BOB 2024 ."] * 3


def found_in(nlp: Language, n_process: int = 1) -> list[list[tuple[str, float]]]:
    return [
        [(ent.text, ent._.confidence) for ent in doc.ents]
        for doc in nlp.pipe(TEXTS, n_process=n_process, batch_size=2)
    ]


def test_cluster_stands_for_a_word_that_training_has_not_seen(nlp: Language):
    names = [[name for name, _ in ents] for ents in found_in(nlp)]
    assert names[:2] == [["Carl", "Carl", "Rome"], ["Bob", "Carl", "BOB"]]


def test_saved_with_the_model(nlp: Language, path: Path, tmp_path: Path):
    """Loading needs no file of the table."""
    expected = found_in(nlp)
    nlp.to_disk(tmp_path / "pipeline")
    path.unlink()
    loaded = spacy.load(tmp_path / "pipeline")
    for other in (loaded, pickle.loads(pickle.dumps(nlp))):
        assert found_in(other) == expected
    with loaded.memory_zone():
        assert found_in(loaded) == expected
    assert found_in(loaded, n_process=2) == expected


def test_table_that_is_not_there(tmp_path: Path):
    nlp = spacy.blank("xx")
    tok2vec = {"clusters": str(tmp_path / "none.npz")}
    nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}}).add_label("X")
    with pytest.raises(ValueError, match=r"L230\].*none\.npz"):
        nlp.initialize()
