"""Effects of the component on its whole process, and the switch that turns them off."""

import json
from platform import libc_ver

import catalogue
import numpy as np
import pytest
import spacy
import srsly
from fresh import run_fresh
from spacy.tokens import Doc, SpanGroup
from srsly import msgpack

from spacy_lstm_ner.component.process import SWITCH, apply_process_effects

REGISTRIES = [msgpack.msgpack_encoders, msgpack.msgpack_decoders]

apply_process_effects()


class Point:
    """Unknown to msgpack."""


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
    doc = spacy.blank("xx").make_doc("Ada flew to Paris")
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


# Prints which effects the process has. Memory that is not kept costs page faults.
EFFECTS = """
import json, resource
import catalogue, numpy as np, spacy
from spacy.tokens import Span
from srsly import msgpack

def count_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

nlp = spacy.blank("xx")
{action}
for batch in range(6):
    if batch == 1:
        before = count_faults()
    arrays = [np.ones(2**18) for _ in range(4)]
    del arrays
n_faults = count_faults() - before
registry = msgpack.msgpack_encoders
looks_up = registry.get_all == catalogue.Registry.get_all.__get__(registry)
print(json.dumps([n_faults, not looks_up, Span.has_extension("confidence")]))
"""
RESOLVE = """
config = nlp.get_factory_meta("lstm_ner").default_config
spacy.registry.resolve({"model": config["model"]})
import spacy_lstm_ner
"""
ADD = 'nlp.add_pipe("lstm_ner")'
UNPICKLE = """
import pickle, os
os.environ["SPACY_LSTM_NER_PROCESS_EFFECTS"] = "0"
packed = pickle.dumps(nlp.add_pipe("lstm_ner"))
del os.environ["SPACY_LSTM_NER_PROCESS_EFFECTS"]
pickle.loads(packed)
"""


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="only glibc gives memory back so")
@pytest.mark.parametrize(
    ("action", "switch", "expected"),
    [
        (RESOLVE, "1", False),
        (ADD, "1", True),
        (UNPICKLE, "1", True),
        (ADD, "0", False),
    ],
    ids=["config resolved", "made", "unpickled", "turned off"],
)
def test_effects_come_with_a_component_unless_turned_off(action, switch, expected):
    printed = run_fresh(EFFECTS.replace("{action}", action), {SWITCH: switch})
    n_faults, keeps_encoders, has_extension = json.loads(printed)
    n_pages = 5 * 4 * 512  # of the arrays of the batches
    assert (n_faults < n_pages / 10) == expected
    assert (keeps_encoders, has_extension) == (expected, expected)
