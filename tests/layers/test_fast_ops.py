"""Fast matrix products on the CPU."""

import pickle

from thinc.api import Linear, NumpyOps, Relu, chain

from spacy_lstm_ner.layers.fast_ops import use_fast_products


class OtherOps(NumpyOps):
    """Stands for the ops of another device."""


def test_all_nodes_on_the_cpu():
    model = chain(Relu(2, 3), chain(Linear(2, 2), Linear(2, 2)))
    other = model.layers[0]
    other.ops = OtherOps()
    use_fast_products(model)
    nodes = [node for node in model.walk() if node is not other]
    assert len(nodes) == 4
    assert all(type(node.ops) is NumpyOps for node in nodes)
    assert not any(node.ops.use_blis for node in nodes)
    assert type(other.ops) is OtherOps


def test_stays_through_pickling():
    model = chain(Linear(2, 3), Linear(2, 2)).initialize()
    use_fast_products(model)
    copy = pickle.loads(pickle.dumps(model))
    assert not any(node.ops.use_blis for node in copy.walk())


def test_other_models_keep_their_product():
    model = Linear(2, 2)
    before = model.ops.use_blis
    use_fast_products(Linear(2, 2))
    assert model.ops.use_blis == before
