"""The component on another device: on a stand-in for a GPU, and on a GPU if any.

`python -m pytest -m gpu` runs the tests that need a GPU and CuPy.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from contract.helpers import TRAIN_DATA, make_example, spans_of
from cupy_stand_in import XP, use_stand_in
from spacy.language import Language
from thinc.api import Model, fix_random_seed
from thinc.compat import has_cupy_gpu

MODEL: dict[str, Any] = {
    "tok2vec.width": 16,
    "tok2vec.rows": [200, 100, 100, 50],
    "encode.width": 12,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "CRF": {"decode": {"@layers": "spacy_lstm_ner.CRF.v1"}},
    "characters": {"tok2vec.char_width": 8},
    "convolution": {"tok2vec.char_width": 8, "tok2vec.char_kind": "cnn"},
    "word vectors": {
        "tok2vec.include_static_vectors": True,
        "tok2vec.fine_tune_vectors": True,
    },
    "dropout": {"encode.recurrent_dropout": 0.2, "encode.input_dropout": 0.2},
    "GRU": {"encode": {"@architectures": "spacy_lstm_ner.GRUEncoder.v1", "width": 8}},
    "RNN": {"encode": {"@architectures": "spacy_lstm_ner.RNNEncoder.v1", "width": 8}},
    "windows": {"window": 4, "overlap": 1},
}
TEXTS = [text for text, _ in TRAIN_DATA] + ["", "Bob Rome " * 10]


ToDevice = Callable[[Model[Any, Any]], None]


@pytest.fixture(params=["stand-in", pytest.param("GPU", marks=pytest.mark.gpu)])
def to_device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> ToDevice:
    """Moves a model to the device."""
    if request.param == "stand-in":
        return lambda model: use_stand_in(monkeypatch, model)
    if not has_cupy_gpu:
        pytest.skip("needs a GPU and CuPy")
    return lambda model: model.to_gpu(0)


def make(variant: str) -> Language:
    """A pipeline that has learned something."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    for word in ("ada", "rome", "bob", "new"):
        nlp.vocab.set_vector(word, np.random.normal(size=10).astype("f"))
    model: dict[str, Any] = {}
    for path, value in {**MODEL, **VARIANTS[variant]}.items():
        *parents, name = path.split(".")
        block = model
        for parent in parents:
            block = block.setdefault(parent, {})
        block[name] = value
    nlp.add_pipe("lstm_ner", config={"model": model})
    examples = [make_example(nlp, *each) for each in TRAIN_DATA]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(10):
        nlp.update(examples, sgd=optimizer, drop=0.1)
    return nlp


@pytest.mark.parametrize("decoding", ["best_path", "probability"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_predictions_are_those_of_the_host(
    variant: str, decoding: str, to_device: ToDevice
):
    nlp = make(variant)
    ner: Any = nlp.get_pipe("lstm_ner")
    ner.decoding, ner.threshold, ner.candidates = decoding, 0.2, True
    examples = [make_example(nlp, *each) for each in TRAIN_DATA]

    def measure() -> list[Any]:
        ner.temperature = 1.0
        docs = list(nlp.pipe(TEXTS))
        return [
            [spans_of(doc) for doc in docs],
            [len(doc.spans["lstm_ner"]) for doc in docs],
            [x for doc in docs for x in doc.spans["lstm_ner"].attrs["scores"]],
            [x for pair in ner.uncertainty(docs) for x in pair],
            [analysis.probability for each in ner.n_best(docs, 3) for analysis in each],
            ner.calibrate(examples).temperature,
            ner.fit_threshold(examples),
        ]

    expected = measure()
    assert any(expected[0])
    to_device(ner.model)
    assert not isinstance(ner.model.predict([nlp.make_doc("Bob")]).emit, np.ndarray)
    found = measure()
    assert found[:2] == expected[:2]
    for some, others in zip(found[2:], expected[2:], strict=True):
        np.testing.assert_allclose(some, others, atol=1e-3)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "dropout"])
def test_gradients_are_those_of_the_host(variant: str, to_device: ToDevice):
    nlp = make(variant)
    ner: Any = nlp.get_pipe("lstm_ner")
    examples = [make_example(nlp, *each) for each in TRAIN_DATA]

    def learn() -> dict[tuple[int, str], Any]:
        nlp.update(examples, sgd=False, drop=0.0)
        found = {
            (i, name): node.get_grad(name)
            for i, node in enumerate(ner.model.walk())
            for name in node.grad_names
            if node.has_grad(name)
        }
        for node in ner.model.walk():
            for name in node.grad_names:
                if node.has_grad(name):
                    node.set_grad(name, node.ops.xp.zeros_like(node.get_grad(name)))
        return {key: grad.copy() for key, grad in found.items()}

    learn()
    expected = learn()
    assert expected
    to_device(ner.model)
    found = learn()
    assert found.keys() == expected.keys()
    for key, grad in found.items():
        np.testing.assert_allclose(grad.get(), expected[key], atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not has_cupy_gpu, reason="needs a GPU and CuPy")
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_gpu_has_learned_is_found_on_the_host(variant: str, tmp_path: Path):
    spacy.require_gpu()
    try:
        nlp = make(variant)
        expected = [spans_of(doc) for doc in nlp.pipe(TEXTS)]
        nlp.to_disk(tmp_path)
    finally:
        spacy.require_cpu()
    assert any(expected)
    assert [spans_of(doc) for doc in spacy.load(tmp_path).pipe(TEXTS)] == expected


def test_the_stand_in_is_strict():
    array = XP.asarray(np.ones(3))
    for misuse, error in (
        (lambda: np.asarray(array), TypeError),
        (lambda: array + np.ones(3), TypeError),
        (lambda: XP.exp(np.ones(3)), TypeError),
        (lambda: XP.concatenate([array, np.ones(3)]), TypeError),
        (lambda: XP.matmul(*[XP.ones((2, 2))] * 3), TypeError),
        # CuPy has no kernel for these, and raises this type.
        (lambda: XP.maximum.accumulate(array), NotImplementedError),
        (lambda: np.maximum.accumulate(array), NotImplementedError),
    ):
        with pytest.raises(error):
            misuse()
