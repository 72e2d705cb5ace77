"""Docs of two vocabs in one batch: as one by one."""

import numpy as np
import pytest
import spacy
from thinc.api import fix_random_seed

from spacy_lstm_ner.architectures import (
    build_char_embed,
    build_per_lexeme,
    build_word_char_embed,
)

TEXTS = ["Ada met Bob in Rome", "Zoë flew to Lima", "", "Bob met Kim", "Ada left"]


def nlp_with_vectors(seed: int):
    nlp = spacy.blank("xx")
    rng = np.random.default_rng(seed)
    for word in ("Ada", "Bob", "met", "Zoë", "Lima", "Kim"):
        nlp.vocab.set_vector(word, rng.standard_normal(6).astype("f"))
    return nlp


def spacys_characters():
    make = spacy.registry.architectures.get("spacy.CharacterEmbed.v2")
    embed = make(
        width=16, rows=100, nM=4, nC=4, feature="LOWER", include_static_vectors=False
    )
    return build_per_lexeme(embed)


EMBEDDINGS = {
    "characters": lambda: build_char_embed(16),
    "vectors": lambda: build_word_char_embed(
        16, ["NORM"], [100], char_width=8, include_static_vectors=True
    ),
    "fine-tuned vectors": lambda: build_word_char_embed(
        16, [], [], include_static_vectors=True, fine_tune_vectors=True
    ),
    "PerLexeme": spacys_characters,
}


@pytest.fixture(params=EMBEDDINGS)
def made(request):
    """An embedding, and Docs of two vocabs in turn."""
    nlps = [nlp_with_vectors(0), nlp_with_vectors(1)]
    docs = [nlps[i % 2].make_doc(text) for i, text in enumerate(TEXTS)]
    fix_random_seed(0)
    model = EMBEDDINGS[request.param]()
    model.initialize(X=docs)
    return model, docs


def test_prediction(made):
    model, docs = made
    together = model.predict(docs)
    for doc, found in zip(docs, together, strict=True):
        (expected,) = model.predict([doc])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_gradient(made):
    model, docs = made
    rng = np.random.default_rng(0)
    Y, backprop = model(docs, is_train=True)
    dY = [rng.standard_normal(y.shape).astype("f") for y in Y]
    backprop(dY)
    together = gradients(model)
    for i, doc in enumerate(docs):
        (y,), backprop = model([doc], is_train=True)
        np.testing.assert_allclose(y, Y[i], atol=1e-5)
        if len(doc):
            backprop([dY[i]])
    apart = gradients(model)
    assert together.keys() == apart.keys()
    for name, gradient in together.items():
        atol = 1e-5 * np.abs(gradient).max()
        np.testing.assert_allclose(gradient, apart[name], atol=atol, err_msg=name)


def gradients(model):
    """The gradients, which are forgotten."""
    found = {}
    for i, node in enumerate(model.walk()):
        for name in node.param_names:
            if node.has_grad(name):
                found[f"{i}.{name}"] = node.get_grad(name).copy()
                node.set_grad(name, np.zeros_like(node.get_grad(name)))
    return found
