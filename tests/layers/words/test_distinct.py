"""Distinct words: each is embedded once, tokens get the vector of their own word."""

import copy
import pickle

import numpy as np
import pytest
import spacy
from thinc.api import Model
from util import random_sum

from layers.words.recorder import ATTRS, assert_equal, expected, make
from spacy_lstm_ner.layers.words.distinct import lexical_attrs, per_lexeme

# Some words repeat within a Doc, some across Docs.
TEXTS = ["Ada met Bob and Ada", "", "bob met Łódź 😀 \t and नमस्ते", "and"]


@pytest.fixture
def nlp():
    return spacy.blank("xx")


@pytest.fixture
def docs(nlp):
    return [nlp.make_doc(text) for text in TEXTS]


# Each word once


def test_each_distinct_word_is_embedded_once(docs):
    model, seen = make()
    model.predict(docs)
    ((words, _),) = seen
    texts = [token.text for doc in docs for token in doc]
    assert sorted(words.texts()) == sorted(set(texts))
    assert len(words.texts()) < len(texts) - 2
    assert words.attrs.shape == (len(set(texts)), len(ATTRS))
    assert words.vocab is docs[0].vocab
    assert not words.hidden.any()


@pytest.mark.parametrize("is_train", [False, True])
def test_each_token_gets_the_vector_of_its_word(docs, is_train):
    model, _ = make()
    Y, _ = model(docs, is_train)
    assert all(y.dtype == "float32" for y in Y)
    assert_equal(Y, [expected(doc) for doc in docs])


@pytest.mark.parametrize("attrs", [[], ["SHAPE"], ["NORM"]])
def test_texts_tell_words_apart_whichever_attributes_are_used(docs, attrs):
    model, seen = make(attrs)
    assert_equal(model.predict(docs), [expected(doc, attrs) for doc in docs])
    ((words, _),) = seen
    assert len(words.texts()) == len({t.text for doc in docs for t in doc})


def test_order_and_batch_mates_change_nothing(docs):
    model, _ = make()
    together = model.predict(docs)
    assert_equal(model.predict(docs[::-1])[::-1], together)
    assert_equal([model.predict([doc])[0] for doc in docs], together)


# The same text with other attributes


def test_norms_of_tokenizer_exceptions():
    doc = spacy.blank("en").make_doc("I can't . The ca and n't")
    exceptions = [(t.text, t.norm_) for t in doc if t.text in ("ca", "n't")]
    assert ("ca", "can") in exceptions
    assert ("ca", "ca") in exceptions
    model, seen = make(["NORM"])
    assert_equal(model.predict([doc]), [expected(doc, ["NORM"])])
    assert seen[0][0].texts().count("ca") == 2


# Gradient


def test_gradient_of_a_word_is_the_sum_over_its_tokens(docs):
    model, seen = make()
    Y, backprop = model.begin_update(docs)
    dY = random_sum()(Y)[1]
    dY_before = copy.deepcopy(dY)
    assert backprop(dY) == []
    assert_equal(dY, dY_before)
    ((words, d_words),) = seen
    total = dict.fromkeys(words.texts(), 0)
    for doc, rows in zip(docs, dY, strict=True):
        for token, row in zip(doc, rows, strict=True):
            total[token.text] = total[token.text] + row
    for text, row in zip(words.texts(), d_words, strict=True):
        np.testing.assert_allclose(row, total[text], rtol=1e-5, atol=1e-6)


def test_backprop_may_run_twice(docs):
    model, seen = make()
    Y, backprop = model.begin_update(docs)
    dY = random_sum()(Y)[1]
    backprop(dY)
    first = seen[-1][1].copy()
    backprop(dY)
    np.testing.assert_array_equal(seen[-1][1], first)


@pytest.mark.parametrize("n_docs", [0, 1, 3])
@pytest.mark.parametrize("is_train", [False, True])
def test_without_tokens_nothing_is_embedded(nlp, n_docs, is_train):
    model, seen = make()
    docs = [nlp.make_doc("") for _ in range(n_docs)]
    Y, backprop = model(docs, is_train)
    assert [y.shape for y in Y] == [(0, len(ATTRS) + 2)] * n_docs
    assert backprop(Y) == []
    assert seen == []


# Settings and set-up


@pytest.mark.parametrize(
    ("code", "setting", "value"),
    [
        *(("L040", "word_dropout", value) for value in (-0.1, 1.0, float("nan"))),
        *(("L047", "rare_dropout", value) for value in (-0.1, float("inf"))),
        ("L047", "rare_dropout", float("nan")),
    ],
)
def test_settings_out_of_range(code, setting, value):
    with pytest.raises(ValueError, match=rf"\[{code}\] {setting} = {value}"):
        make(**{setting: value})


def test_unknown_attributes_are_all_named():
    with pytest.raises(ValueError, match=r"\[L041\] \['SHAP', 'WORD'\]"):
        make(["NORM", "SHAP", "LOWER", "WORD"])


def test_sample_words_reach_the_embedding(docs):
    samples = []
    embed = Model(
        "embed",
        None,
        init=lambda model, X, Y: samples.append(X),
        dims={"nO": 1},
    )
    model = per_lexeme(embed, ["NORM"])
    model.initialize(X=docs)
    model.initialize()
    assert len(samples) == 2
    assert set(samples[0].texts()) == {t.text for doc in docs for t in doc}
    assert not samples[0].hidden.any()
    assert samples[1] is None


def test_copy_and_pickle(docs):
    model = per_lexeme(lexical_attrs(), ["NORM", "SHAPE"], word_dropout=0.3)
    wanted = [doc.to_array(["NORM", "SHAPE"]) for doc in docs if len(doc)]
    full = [doc for doc in docs if len(doc)]
    for other in (model.copy(), pickle.loads(pickle.dumps(model))):
        assert_equal(other.predict(full), wanted)
