"""Registries of srsly that keep what they have found."""

import subprocess
import sys

import catalogue
import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc, SpanGroup
from srsly import msgpack

from spacy_lstm_ner.component.process import keep_encoders

REGISTRIES = [msgpack.msgpack_encoders, msgpack.msgpack_decoders]

keep_encoders()


class Point:
    """What msgpack does not know."""


def encode_point(obj, chain=None):
    return {"point": True} if isinstance(obj, Point) else chain(obj)


@pytest.fixture
def registered():
    before = dict(catalogue.REGISTRY)
    yield catalogue.REGISTRY
    catalogue.REGISTRY.clear()
    catalogue.REGISTRY.update(before)


@pytest.fixture
def doc():
    doc = spacy.blank("en").make_doc("Ada flew to Paris")
    scores = np.array([0.5], dtype="f")
    group = SpanGroup(doc, name="x", spans=[doc[:1]], attrs={"scores": scores})
    doc.spans["x"] = group
    return doc


@pytest.mark.parametrize("registry", REGISTRIES)
def test_as_the_registry_itself(registry):
    found = registry.get_all()
    assert found == catalogue.Registry.get_all(registry)
    assert "numpy" in found
    found.clear()  # the caller's own
    assert "numpy" in registry.get_all()


def test_encoders_that_are_registered_later(registered):
    with pytest.raises(TypeError, match="Point"):
        srsly.msgpack_dumps(Point())
    msgpack.msgpack_encoders.register("point", func=encode_point)
    packed = srsly.msgpack_dumps(Point())
    assert srsly.msgpack_loads(packed) == {"point": True}
    del registered["srsly", "msgpack_encoders", "point"]
    with pytest.raises(TypeError, match="Point"):
        srsly.msgpack_dumps(Point())


def test_an_encoder_that_replaces_another(registered):
    srsly.msgpack_dumps(1)
    msgpack.msgpack_encoders.register("numpy", func=encode_point)
    assert srsly.msgpack_loads(srsly.msgpack_dumps(Point())) == {"point": True}


def test_bytes_of_docs_without_looking_up(doc, monkeypatch):
    Doc(doc.vocab).from_bytes(doc.to_bytes())

    def look_up(registry):
        raise AssertionError(registry.namespace)

    monkeypatch.setattr(catalogue.Registry, "get_all", look_up)
    monkeypatch.setattr(catalogue.Registry, "get_entry_points", look_up)
    loaded = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert loaded.spans["x"].attrs["scores"].tolist() == [0.5]


def test_a_pipeline_has_them_kept():
    code = "import spacy; spacy.blank('en').add_pipe('lstm_ner')\n"
    code += "from srsly import msgpack; print(msgpack.msgpack_encoders.get_all)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "_KeptFunctions" in done.stdout


def test_once_is_enough():
    before = [registry.get_all for registry in REGISTRIES]
    keep_encoders()
    assert [registry.get_all for registry in REGISTRIES] == before
