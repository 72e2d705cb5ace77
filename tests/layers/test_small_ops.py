"""Operations on the CPU: NumPy's products, and tables in read-only memory."""

import pickle

import numpy as np
import pytest
import spacy
from thinc.api import Linear, NumpyOps, Relu, chain

from spacy_lstm_ner.layers.small_ops import SmallOps, use_small_ops


class OtherOps(NumpyOps):
    """Stands for the ops of another device."""


def test_all_nodes_on_the_cpu():
    model = chain(Relu(2, 3), chain(Linear(2, 2), Linear(2, 2)))
    other = model.layers[0]
    other.ops = OtherOps()
    use_small_ops(model)
    nodes = [node for node in model.walk() if node is not other]
    assert len(nodes) == 4
    assert all(type(node.ops) is SmallOps for node in nodes)
    assert not any(node.ops.use_blis for node in nodes)
    assert type(other.ops) is OtherOps


def test_stays_through_pickling():
    model = chain(Linear(2, 3), Linear(2, 2)).initialize()
    use_small_ops(model)
    copy = pickle.loads(pickle.dumps(model))
    assert not any(node.ops.use_blis for node in copy.walk())


def test_other_models_keep_their_product():
    model = Linear(2, 2)
    before = model.ops.use_blis
    use_small_ops(Linear(2, 2))
    assert model.ops.use_blis == before


def test_gather_add_of_read_only_memory():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(50, 8)).astype("f")
    indices = rng.integers(0, 50, size=(20, 4)).astype("i")
    expected = SmallOps().gather_add(table, indices)
    table.setflags(write=False)
    np.testing.assert_allclose(
        SmallOps().gather_add(table, indices), expected, atol=1e-6
    )


@pytest.mark.parametrize(
    "tok2vec",
    [
        {
            "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
            "width": 32,
            "attrs": ["NORM", "SHAPE"],
            "rows": [100, 100],
            "char_width": 8,
            "include_static_vectors": False,
        },
        {"@architectures": "spacy_lstm_ner.CharEmbed.v1", "width": 32, "kind": "cnn"},
        {
            "@architectures": "spacy.HashEmbedCNN.v2",
            "width": 32,
            "depth": 1,
            "embed_size": 200,
            "window_size": 1,
            "maxout_pieces": 2,
            "subword_features": True,
            "pretrained_vectors": None,
        },
    ],
    ids=["words", "characters", "spaCy's"],
)
def test_prediction_from_parameters_in_read_only_memory(tok2vec):
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}})
    pipe.add_label("X")
    nlp.initialize()
    text = "Ada met Bob in Rome"
    expected = pipe.model.predict([nlp.make_doc(text)]).emit
    frozen = []
    for node in pipe.model.walk():
        for name in node.param_names:
            if node.has_param(name):
                array = node.get_param(name).copy()
                array.setflags(write=False)
                node.set_param(name, array)
                frozen.append((node, name, array))
    found = pipe.model.predict([nlp.make_doc(text)]).emit
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert all(node.get_param(name) is array for node, name, array in frozen)
    assert nlp(text).has_annotation("ENT_IOB")
