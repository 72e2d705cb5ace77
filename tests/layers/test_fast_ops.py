"""What makes models fast on the CPU: NumPy's matrix product, memory that stays."""

import pickle
import subprocess
import sys
from platform import libc_ver

import pytest
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


FAULTS = """
import resource
import numpy as np
import spacy

nlp = spacy.blank("en")

def count():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if {keeps}:
    nlp.add_pipe("lstm_ner")
for batch in range(6):
    if batch == 1:
        before = count()
    arrays = [np.ones(2**18) for _ in range(4)]
    del arrays
print(count() - before)
"""


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="only glibc gives memory back so")
def test_freed_memory_is_kept_once_there_is_a_tagger():
    n_pages = 5 * 4 * 512
    faults = {}
    for keeps in (True, False):
        command = [sys.executable, "-c", FAULTS.format(keeps=keeps)]
        faults[keeps] = int(subprocess.check_output(command))
    assert faults[True] < n_pages / 10 < faults[False]
