"""spaCy's embeddings, each distinct word of a batch once."""

import numpy as np
import pytest
import spacy
from spacy.attrs import LOWER, NORM, PREFIX
from spacy.ml.models import CharacterEmbed, MultiHashEmbed
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, fix_random_seed

from spacy_lstm_ner.architectures import build_per_lexeme
from spacy_lstm_ner.layers.words.spacy_embed import read_attrs


def multi_hash_embed():
    # TAG and SPACY are not of the word but of the token.
    attrs = ["NORM", "PREFIX", "SHAPE", "TAG", "SPACY", "IS_SPACE"]
    return MultiHashEmbed(8, attrs, [50] * 6, include_static_vectors=True)


def character_embed():
    return CharacterEmbed(8, rows=50, nM=4, nC=4, include_static_vectors=False)


@pytest.fixture
def docs():
    nlp = spacy.blank("xx")
    nlp.vocab.set_vector("Ada", np.arange(3, dtype="f"))
    # The tokenizer gives "gon" of "gonna" another norm than that of the word.
    docs = [nlp("Ada's gonna go  to the Gon.\n"), nlp(""), nlp("Ada saw the gon saw")]
    docs.append(Doc(nlp.vocab, words=["gon", "saw"], tags=["NN", "VB"]))
    return docs


def twins(make, docs):
    """An embedding of spaCy's, and one of words with the same weights."""
    fix_random_seed(0)
    plain = make()
    wrapped = build_per_lexeme(plain.copy())
    plain.initialize(X=docs)
    wrapped.initialize(X=docs)
    wrapped.layers[0].layers[0].from_bytes(plain.to_bytes())
    return plain, wrapped


def gradients_of(model):
    return [
        node.get_grad(name)
        for node in model.walk()
        for name in node.param_names
        if node.has_grad(name)
    ]


@pytest.mark.parametrize("make", [multi_hash_embed, character_embed])
def test_same_vectors_and_gradients(make, docs):
    plain, wrapped = twins(make, docs)
    rng = np.random.default_rng(0)
    gradient = [rng.normal(size=(len(doc), 8)).astype("f") for doc in docs]
    of_model = {}
    for model in (plain, wrapped):
        Y, backprop = model.begin_update(docs)
        backprop(gradient)
        of_model[model.name] = (Y, model.predict(docs), gradients_of(model))
    (Y, Y_predicted, dW), (Y_each, Y_each_predicted, dW_each) = of_model.values()
    assert len(dW) > 4
    pairs = [(Y_each, Y), (Y_each_predicted, Y_predicted)]
    # For spaCy's character embedding see below.
    pairs += [(dW_each, dW)] if make is multi_hash_embed else []
    for found, expected in pairs:
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_characters_keep_their_gradient(docs):
    """By itself, spaCy's embedding loses that of all but one token of a Doc with the
    same character at the same place; with a Doc for each token it is exact."""
    exact, wrapped = twins(character_embed, docs)
    gradient = np.random.default_rng(0).normal(size=(sum(map(len, docs)), 8))
    tokens = [doc[i : i + 1].as_doc() for doc in docs for i in range(len(doc))]
    backprop = exact.begin_update(tokens)[1]
    backprop([row[None].astype("f") for row in gradient])
    backprop = wrapped.begin_update(docs)[1]
    limits = np.cumsum([len(doc) for doc in docs])[:-1]
    backprop([part.astype("f") for part in np.split(gradient, limits)])
    gradients = gradients_of(exact)
    assert len(gradients) > 4
    for expected, found in zip(gradients, gradients_of(wrapped), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_each_word_once(docs):
    """Tokens of one text are two words if a read attribute differs."""
    seen = []

    def forward(model, X, is_train):
        seen.extend((token.text, token.tag_) for doc in X for token in doc)
        return [np.zeros((len(doc), 2), dtype="f") for doc in X], lambda dY: []

    columns = {"columns": ["NORM", "TAG"]}
    wrapped = build_per_lexeme(Model("embed", forward, dims={"nO": 2}, attrs=columns))
    for _ in range(2):  # the second time from the cache
        assert [y.shape for y in wrapped.predict(docs[2:])] == [(5, 2), (2, 2)]
    expected = [(word, "") for word in ("Ada", "saw", "the", "gon")]
    assert sorted(seen) == sorted([*expected, ("gon", "NN"), ("saw", "VB")])


def test_attributes_that_depend_on_other_tokens_are_refused():
    embed = MultiHashEmbed(8, ["NORM", "SENT_START"], [9, 9], False)
    with pytest.raises(ValueError, match=r"\[L046\].*SENT_START"):
        build_per_lexeme(embed)


def test_attributes_that_are_read():
    assert read_attrs(MultiHashEmbed(8, ["NORM", "PREFIX"], [9, 9], False)) == [
        NORM,
        PREFIX,
    ]
    assert read_attrs(CharacterEmbed(8, 9, 4, 4, False, "LOWER")) == [LOWER]


def test_in_a_pipeline(tmp_path):
    nlp = spacy.blank("xx")
    embed = {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 16,
        "attrs": ["NORM", "SHAPE"],
        "rows": [100, 100],
        "include_static_vectors": False,
    }
    tok2vec = {"@architectures": "spacy_lstm_ner.PerLexeme.v1", "embed": embed}
    ner = nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}})
    text = "Sharon flew to Miami ."
    gold = {"entities": [(0, 6, "per"), (15, 20, "geo")]}
    examples = [Example.from_dict(nlp.make_doc(text), gold)]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=sgd)
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        doc = pipeline(text)
        assert [(ent.text, ent.label_) for ent in doc.ents] == [
            ("Sharon", "per"),
            ("Miami", "geo"),
        ]
    assert ner.model.get_ref("tok2vec").get_dim("nO") == 16
