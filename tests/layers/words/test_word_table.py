"""Quantized word vectors: the table, and the layer that projects its vectors."""

import pickle

import numpy as np
import pytest
import spacy
from spacy.strings import get_string_id
from spacy.training import Example
from thinc.api import fix_random_seed, get_current_ops
from util import gradient_error, relative_error

from spacy_lstm_ner.architectures import build_word_char_embed
from spacy_lstm_ner.layers.words.distinct import Lexemes
from spacy_lstm_ner.layers.words.forms import VocabVectors
from spacy_lstm_ner.layers.words.vectors import QuantizedVectors
from spacy_lstm_ner.layers.words.word_table import NO_WORDS, WordTable

WORDS = ["ada", "bob", "in", "rome", "0000", "."]
TEXT = "Ada met Bob in ROME 1985 ."


def hashes_of(words) -> np.ndarray:
    return np.array([get_string_id(word) for word in words], dtype="uint64")


def make_table(words=WORDS, parts=3, dims=2, seed=0) -> WordTable:
    rng = np.random.default_rng(seed)
    keys = np.sort((hashes_of(words) & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    codes = rng.integers(0, 7, (len(words), parts)).astype(np.uint8)
    return WordTable(keys, codes, rng.standard_normal((parts, 7, dims)).astype("f"))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "words.npz"
    path.write_bytes(make_table().to_bytes())
    return path


def lexemes(nlp, text=TEXT, hidden=()) -> Lexemes:
    doc = nlp.make_doc(text)
    orths = doc.to_array("ORTH")
    mask = np.isin(np.arange(len(doc)), hidden)
    return Lexemes(orths, np.zeros((len(doc), 0), "uint64"), mask, nlp.vocab)


def test_vectors_are_the_centroids_of_the_codes():
    table = make_table()
    assert table.width == 6
    row = table.keys.tolist().index(get_string_id("ada") & 0xFFFFFFFF)
    hashes = hashes_of(["ada", "Ada", "ada"])
    rows = table.rows_of(hashes)
    assert rows.tolist() == [row, -1, row]
    expected = [
        table.centroids[part, code] for part, code in enumerate(table.codes[row])
    ]
    ops = get_current_ops()
    rows[2] = -1
    found = table.vectors_of(rows, hashes, ops)
    np.testing.assert_array_equal(found, [np.concatenate(expected), *np.zeros((2, 6))])


def test_no_words():
    assert NO_WORDS.width == 0
    assert (NO_WORDS.rows_of(hashes_of(WORDS)) == -1).all()


def test_bytes():
    table = make_table()
    again = WordTable.from_bytes(table.to_bytes())
    for name, expected in vars(table).items():
        found = getattr(again, name)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize("content", [None, b"", b"words", b"PK\x03\x04 cut"])
def test_file_that_is_no_table(tmp_path, content):
    path = tmp_path / "words.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"L058\].*words\.npz.*quantize"):
        WordTable.read(path)


def test_file_of_other_arrays(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    listed = r"found a; expected keys, counts, codes, centroids"
    with pytest.raises(ValueError, match=rf"L058\].*other\.npz.*{listed}"):
        WordTable.read(tmp_path / "other.npz")


def test_file_of_one_array(tmp_path):
    np.save(tmp_path / "vectors.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"L058\].*vectors\.npy.*found no table of"):
        WordTable.read(tmp_path / "vectors.npy")


def test_keys_that_do_not_fit_their_counts(tmp_path):
    arrays = {"codes": np.zeros(3), "centroids": np.zeros(3), "counts": np.ones(3, int)}
    np.savez(tmp_path / "words.npz", keys=np.zeros(3, "uint16"), **arrays)
    with pytest.raises(ValueError, match=r"L058\].*words\.npz"):
        WordTable.read(tmp_path / "words.npz")


def test_words_are_looked_up_in_several_forms(path):
    """As written, in lower case, with zeros for digits; others have the vector u."""
    model = QuantizedVectors(4, str(path)).initialize()
    u = np.arange(1, 5, dtype="f")
    model.set_param("u", u)
    X = lexemes(spacy.blank("xx"), hidden=[3])
    found = model.predict(X)
    table, W = make_table(), model.get_param("W")
    forms = hashes_of(["ada", "met", "bob", "in", "rome", "0000", "."])
    rows = table.rows_of(forms)
    rows[3] = -1
    expected = table.vectors_of(rows, forms, model.ops) @ W.T
    expected[1] = u  # "met" is unknown, and "in" is hidden
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_gradient(path, fine_tune):
    fix_random_seed(0)
    model = QuantizedVectors(4, str(path), fine_tune=fine_tune).initialize()
    X = lexemes(spacy.blank("en"), hidden=[2])
    rng = np.random.default_rng(0)
    dY = rng.standard_normal((7, 4)).astype("f")
    _, backprop = model(X, is_train=True)
    backprop(dY)

    def loss() -> float:
        return float((model.predict(X).astype("d") * dY).sum())

    nodes = [(model, "W"), (model, "u")]
    nodes += [(table, "E0") for table in model.layers]
    for node, name in nodes:
        found = node.get_grad(name).copy()
        error = gradient_error(loss, node.get_param(name), found, 3e-2)
        assert error < 1e-3, name


def test_same_vectors_as_those_of_a_vocab():
    """A table that loses nothing is a vocab's vectors."""
    nlp = spacy.blank("xx")
    table = make_table()
    ops = get_current_ops()
    forms = hashes_of(WORDS)
    data = table.vectors_of(table.rows_of(forms), forms, ops)
    for word, row in zip(WORDS, data, strict=True):
        nlp.vocab.set_vector(word, row)
    source = VocabVectors(nlp.vocab.vectors)
    found = source.vectors_of(source.rows_of(forms), forms, ops)
    assert relative_error(found, data) < 1e-6


@pytest.fixture
def nlp(path):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    tok2vec = {
        "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
        "width": 32,
        "attrs": ["SHAPE"],
        "rows": [50],
        "word_table": str(path),
        "fine_tune_vectors": True,
    }
    nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}})
    doc = nlp.make_doc(TEXT)
    ents = {"entities": [(0, 3, "PER"), (8, 11, "PER"), (15, 19, "GPE")]}
    examples = [Example.from_dict(doc, ents)]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=sgd, drop=0.1)
    assert [ent.text for ent in nlp(TEXT).ents] == ["Ada", "Bob", "ROME"]
    return nlp


def scores(nlp, text=TEXT) -> list[float]:
    return [ent._.confidence for ent in nlp(text).ents]


def test_saved_with_the_model(nlp, path, tmp_path):
    """Loading needs no file of the table."""
    expected = scores(nlp)
    nlp.to_disk(tmp_path / "pipeline")
    path.unlink()
    loaded = spacy.load(tmp_path / "pipeline")
    for other in (loaded, pickle.loads(pickle.dumps(nlp))):
        np.testing.assert_allclose(scores(other), expected, atol=1e-6)
    with loaded.memory_zone():
        np.testing.assert_allclose(scores(loaded), expected, atol=1e-6)


def test_table_that_is_not_there(tmp_path):
    nlp = spacy.blank("xx")
    tok2vec = {
        "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
        "width": 32,
        "attrs": [],
        "rows": [],
        "word_table": str(tmp_path / "none.npz"),
    }
    nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}}).add_label("X")
    with pytest.raises(ValueError, match=r"L058\].*none\.npz"):
        nlp.initialize()


def packaged(lang: str) -> spacy.Language:
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    tok2vec = {
        "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
        "width": 32,
        "attrs": ["SHAPE"],
        "rows": [50],
        "word_table": "packaged",
        "fine_tune_vectors": True,
    }
    nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}})
    ents = {"entities": [(0, 3, "PER")]}
    examples = [Example.from_dict(nlp.make_doc("Ada ran ."), ents)]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(50):
        nlp.update(examples, sgd=sgd, drop=0.1)
    return nlp


def test_packaged_words():
    """A name of the table that training has not shown is closer than a verb."""
    nlp = packaged("en")
    layer = next(
        node for node in nlp.get_pipe("lstm_ner").model.walk() if "table" in node.attrs
    )
    table = layer.attrs["table"]
    assert (table.width, len(table.centroids)) == (50, 10)
    assert (table.rows_of(hashes_of(["the", "london", "0000"])) >= 0).all()
    words = hashes_of(["paris", "london", "walked"])
    rows = table.rows_of(words)
    paris, london, walked = table.vectors_of(rows, words, layer.ops)
    assert np.dot(paris, london) > np.dot(paris, walked) > 0
    assert [ent.text for ent in nlp("Ada ran .").ents] == ["Ada"]


def test_language_without_packaged_words(caplog, tmp_path):
    with caplog.at_level("INFO", logger="spacy.lstm_ner"):
        nlp = packaged("de")
    assert caplog.text.count("L507") == 1
    assert "'de'" in caplog.text
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    assert [ent.text for ent in loaded("Ada ran .").ents] == ["Ada"]
    assert scores(loaded, "Ada ran .") == scores(nlp, "Ada ran .")


def test_packaged_words_need_a_language():
    model = build_word_char_embed(8, ["NORM"], [20], word_table="packaged")
    with pytest.raises(ValueError, match=r"L059\].*without sample Docs"):
        model.initialize()


@pytest.mark.parametrize(
    ("lang", "chosen", "having"), [("en", 3.0, "have v"), ("de", 0.3, "have no")]
)
def test_rare_dropout_by_word_knowledge(lang, chosen, having, caplog):
    """It is chosen at initialization, logged, and saved with the model."""
    settings = {"rare_dropout": None, "word_table": "packaged"}

    def layer():
        return build_word_char_embed(8, ["NORM"], [20], **settings)

    model = layer()
    with caplog.at_level("INFO", logger="spacy.lstm_ner"):
        model.initialize(X=[spacy.blank(lang)("Ada ran")])
    assert f"rare_dropout is {chosen}, because words {having}" in caplog.text
    loaded = layer().from_bytes(model.to_bytes())
    for node in (model, loaded):
        assert node.attrs["chosen_rare_dropout"] == chosen


def test_rare_dropout_of_the_config_stays():
    model = build_word_char_embed(8, ["NORM"], [20], rare_dropout=0.5)
    model.initialize(X=[spacy.blank("en")("Ada ran")])
    assert model.attrs["chosen_rare_dropout"] == 0.0
    assert model.attrs["hiding"].rare_dropout == 0.5
