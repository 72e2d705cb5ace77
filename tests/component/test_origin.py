"""Weights of other labels, or of an unknown version, are refused."""

from io import BytesIO

import numpy as np
import pytest
import spacy
import srsly

import spacy_lstm_ner
from spacy_lstm_ner.layers.words.word_table import WordTable
from tests.component.test_lstm_ner import make_nlp


@pytest.fixture(scope="module")
def saved() -> bytes:
    return make_nlp().to_bytes()


@pytest.fixture
def folder(saved, tmp_path):
    """A saved pipeline with the labels geo, per and tim."""
    nlp = make_nlp().from_bytes(saved)
    nlp.to_disk(tmp_path)
    return tmp_path


def edit_labels(folder, edit) -> None:
    path = folder / "lstm_ner" / "cfg"
    cfg = srsly.read_json(path)
    cfg["labels"] = edit(cfg["labels"])
    srsly.write_json(path, cfg)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda x: x[1:], r"to 3 labels.*list 2.*'geo' and 'per', at index 0"),
        (lambda x: x[:-1], r"to 3 labels.*list 2.*'tim' and None, at index 2"),
        (lambda x: [*x, "new"], r"to 3 labels.*list 4.*None and 'new', at index 3"),
        (
            lambda x: [x[0], x[2], x[1]],
            r"3 labels.*list 3.*'per' and 'tim', at index 1",
        ),
        (
            lambda x: [x[0], x[0], x[2]],
            r"3 labels.*list 3.*'per' and 'geo', at index 1",
        ),
        (lambda x: [], r"to 3 labels.*list 0.*'geo' and None, at index 0"),
    ],
)
def test_labels_that_do_not_belong_to_the_weights(folder, edit, message):
    edit_labels(folder, edit)
    with pytest.raises(ValueError, match=rf"(?s)L051.*'lstm_ner'.*{message}"):
        spacy.load(folder)


def test_settings_that_are_gone(folder):
    (folder / "lstm_ner" / "cfg").unlink()
    with pytest.raises(ValueError, match="L051"):
        spacy.load(folder)


def test_labels_that_are_left_out_on_purpose(folder):
    """With `exclude`, the labels are those that the component has already."""
    nlp = spacy.load(folder)
    pipe = nlp.get_pipe("lstm_ner")
    data = pipe.to_bytes()
    pipe.from_bytes(data, exclude=["cfg"])
    pipe.add_label("new")
    with pytest.raises(ValueError, match=r"'nO'.* from 9 to 7"):  # Thinc's message
        pipe.from_bytes(data, exclude=["cfg"])


@pytest.mark.parametrize("version", ["9.1.0", "0.0.9", None, 1])
def test_version_that_is_not_read(folder, version):
    nlp = spacy.load(folder)
    nlp.get_pipe("lstm_ner").model.attrs["version"] = version
    nlp.to_disk(folder)
    with pytest.raises(ValueError, match=rf"L052.*version {version} .*train"):
        spacy.load(folder)


def test_version_of_the_weights(folder):
    attrs = spacy.load(folder).get_pipe("lstm_ner").model.attrs
    assert attrs["version"] == spacy_lstm_ner.__version__
    assert attrs["labels"] == ["geo", "per", "tim"]


def test_grown_weights_name_their_labels(folder, tmp_path):
    nlp = spacy.load(folder)
    nlp.get_pipe("lstm_ner").add_label("art")
    nlp.to_disk(tmp_path / "grown")
    attrs = spacy.load(tmp_path / "grown").get_pipe("lstm_ner").model.attrs
    assert attrs["labels"] == ["geo", "per", "tim", "art"]


def test_without_weights(tmp_path):
    """A pipeline that is saved before it is initialized has no weights to refuse."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("lstm_ner").add_label("geo")
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("lstm_ner").labels == ("geo",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expected object or value"),
        (b"[]", "expected 'labels', a list of strings"),
        (b'{"labels": 5, "config": {}}', "expected 'labels', a list of strings"),
        (b'{"labels": "abc", "config": {}}', "expected 'labels', a list of strings"),
        (b'{"labels": [null], "config": {}}', "expected 'labels', a list of strings"),
        (b'{"labels": [], "config": 5}', "'config'"),
        (b'{"labels": ["\xff"], "config": {}}', "Invalid UTF-8"),
        (b'{"labels": [], "temperature": 1', "damaged"),
    ],
)
def test_settings_that_cannot_be_read(folder, content, reason):
    (folder / "lstm_ner" / "cfg").write_bytes(content)
    with pytest.raises(ValueError, match=rf"L056.*'lstm_ner'.*{reason}"):
        spacy.load(folder)


def flip_a_bit(data: bytes) -> bytes:
    """The last bit is one of a weight."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("damage", [flip_a_bit, lambda x: x[:-1], lambda x: b""])
def test_weights_that_are_damaged(folder, damage):
    path = folder / "lstm_ner" / "model"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"L057.*'lstm_ner'"):
        spacy.load(folder)


def test_weights_of_another_pipeline_with_the_same_labels(folder, tmp_path):
    nlp = spacy.load(folder)
    b = nlp.get_pipe("lstm_ner").model.get_ref("output_layer").get_param("b")
    b += 1
    nlp.to_disk(tmp_path / "other")
    model = (tmp_path / "other" / "lstm_ner" / "model").read_bytes()
    (folder / "lstm_ner" / "model").write_bytes(model)
    with pytest.raises(ValueError, match="L057"):
        spacy.load(folder)


def test_damaged_bytes(saved):
    pipe = spacy.blank("en").add_pipe("lstm_ner")
    parts = srsly.msgpack_loads(
        make_nlp().from_bytes(saved).get_pipe("lstm_ner").to_bytes()
    )
    parts["model"] = flip_a_bit(parts["model"])
    with pytest.raises(ValueError, match="L057"):
        pipe.from_bytes(srsly.msgpack_dumps(parts))


def test_a_checksum_is_of_what_is_saved(folder, tmp_path):
    """Not of what was loaded: weights change in training."""
    nlp = spacy.load(folder)
    pipe = nlp.get_pipe("lstm_ner")
    assert "checksum" not in pipe.cfg
    pipe.model.get_ref("output_layer").get_param("b")[:] += 1
    nlp.to_disk(folder)
    spacy.load(folder).from_bytes(nlp.to_bytes())
    pipe.to_disk(tmp_path / "weights", exclude=["cfg", "vocab"])
    pipe.to_disk(tmp_path / "settings", exclude=["model", "vocab"])
    assert [p.name for p in (tmp_path / "weights").iterdir()] == ["model"]
    assert [p.name for p in (tmp_path / "settings").iterdir()] == ["cfg"]
    pipe.from_disk(tmp_path / "settings", exclude=["model", "vocab"])


def test_table_of_words_in_another_format(tmp_path, monkeypatch):
    """As other versions may have saved it: the error names the component."""
    tok2vec = {
        "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
        "width": 8,
        "attrs": ["NORM"],
        "rows": [20],
        "word_table": "packaged",
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}}).add_label("X")
    nlp.initialize()
    with monkeypatch.context() as other:
        other.setattr(WordTable, "to_bytes", saved_otherwise)
        nlp.to_disk(tmp_path)
    found = "found steps, codes; expected keys, counts, codes, centroids"
    with pytest.raises(ValueError, match=rf"L412\].*'lstm_ner'.*format: {found}"):
        spacy.load(tmp_path)


def saved_otherwise(table: WordTable) -> bytes:
    file = BytesIO()
    np.savez(file, steps=table.keys, codes=table.codes)
    return file.getvalue()
