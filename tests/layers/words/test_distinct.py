"""Distinct words: each is embedded once, tokens get the vector of their own word."""

import copy
import pickle

import numpy as np
import pytest
import spacy
from spacy.attrs import NORM
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed, set_dropout_rate
from util import random_sum

from spacy_lstm_ner.layers.words import frequencies
from spacy_lstm_ner.layers.words.distinct import per_lexeme
from spacy_lstm_ner.layers.words.lexemes import lexical_attrs

ATTRS = ["ORTH", "LOWER", "NORM", "PREFIX", "SUFFIX", "SHAPE"]
# Some words repeat within a Doc, some across Docs.
TEXTS = ["Ada met Bob and Ada", "", "bob met Łódź 😀 \t and नमस्ते", "and"]


@pytest.fixture
def nlp():
    return spacy.blank("en")


@pytest.fixture
def docs(nlp):
    return [nlp.make_doc(text) for text in TEXTS]


def rows_of(columns, hidden):
    """A vector for each word, a function of all that an embedding sees of it."""
    columns = np.column_stack([columns, hidden.astype("uint64")])
    return (columns % np.uint64(1009)).astype("f")


def recorder(n_attrs):
    """An embedding that keeps the words that reach it, and their gradients."""
    seen = []

    def forward(model, X, is_train):
        def backprop(dY):
            seen[-1] = (X, dY)
            return []

        seen.append((X, None))
        columns = np.column_stack([X.orths, X.attrs])
        return rows_of(columns, X.hidden), backprop

    return Model("recorder", forward, dims={"nO": n_attrs + 2}), seen


def make(attrs=ATTRS, **settings):
    embed, seen = recorder(len(attrs))
    return per_lexeme(embed, attrs, **settings), seen


def expected(doc, attrs=ATTRS):
    columns = doc.to_array(["ORTH", *attrs]).reshape(len(doc), 1 + len(attrs))
    return rows_of(columns, np.zeros(len(doc), dtype=bool))


def assert_equal(found, wanted):
    assert [y.shape for y in found] == [y.shape for y in wanted]
    for y, w in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(y, w)


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


def test_an_attribute_may_have_two_tables(docs):
    model, _ = make(["NORM", "SHAPE", "NORM"])
    wanted = [expected(doc, ["NORM", "SHAPE", "NORM"]) for doc in docs]
    assert_equal(model.predict(docs), wanted)


def test_order_and_batch_mates_change_nothing(docs):
    model, _ = make()
    together = model.predict(docs)
    assert_equal(model.predict(docs[::-1])[::-1], together)
    assert_equal([model.predict([doc])[0] for doc in docs], together)


def test_words_of_a_large_batch_are_all_told_apart(nlp):
    texts = [f"{a}{b}" for a in "abcdefghij" for b in range(500)]
    docs = [Doc(nlp.vocab, words=texts), Doc(nlp.vocab, words=texts[::-1])]
    model, seen = make()
    Y = model.predict(docs)
    assert len(seen[0][0].orths) == len(texts)
    np.testing.assert_array_equal(Y[1], Y[0][::-1])


# The same text with other attributes


def test_norms_of_tokenizer_exceptions(nlp):
    doc = nlp.make_doc("I can't . The ca and n't")
    exceptions = [(t.text, t.norm_) for t in doc if t.text in ("ca", "n't")]
    assert ("ca", "can") in exceptions
    assert ("ca", "ca") in exceptions
    model, seen = make(["NORM"])
    assert_equal(model.predict([doc]), [expected(doc, ["NORM"])])
    assert seen[0][0].texts().count("ca") == 2


@pytest.mark.parametrize(("attrs", "n_words"), [(["NORM"], 2), (["SHAPE"], 1)])
def test_norms_that_are_set_by_hand(nlp, attrs, n_words):
    docs = [Doc(nlp.vocab, words=["gonna", "gonna"]), Doc(nlp.vocab, words=["gonna"])]
    docs[0][1].norm_ = "going to"
    model, seen = make(attrs)
    Y = model.predict(docs)
    assert_equal(Y, [expected(doc, attrs) for doc in docs])
    assert seen[0][0].texts() == ["gonna"] * n_words
    assert np.array_equal(Y[0][0], Y[0][1]) == (n_words == 1)


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


# Word dropout

RATE = 0.3
IDENTIFYING = 3  # ORTH, LOWER and NORM, the first of ATTRS


@pytest.fixture
def long_doc(nlp):
    return Doc(nlp.vocab, words=["Ada", "met", "Bob", "in", "1999"] * 800)


def hidden_tokens(model, docs, *, seed=0, is_train=True):
    """The output of each token, and whether the word was hidden from it."""
    fix_random_seed(seed)
    Y = np.concatenate(model(docs, is_train)[0])
    return Y, Y[:, -1] == 1


def dropping(rate=RATE, loop_rate=0.1, attrs=ATTRS):
    model, seen = make(attrs, word_dropout=rate)
    return set_dropout_rate(model, loop_rate), seen


def test_word_dropout_hides_what_identifies_the_word(long_doc):
    model, _ = dropping()
    Y, hidden = hidden_tokens(model, [long_doc])
    full = expected(long_doc)
    text, identifying, parts = 0, slice(1, 1 + IDENTIFYING), slice(1 + IDENTIFYING, -1)
    assert hidden.any()
    assert full[:, identifying].all()
    assert not Y[hidden, identifying].any()
    np.testing.assert_array_equal(Y[:, text], full[:, text])
    np.testing.assert_array_equal(Y[:, parts], full[:, parts])
    np.testing.assert_array_equal(Y[~hidden], full[~hidden])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("loop_rate", [0.1, 0.6])
def test_share_of_hidden_tokens(long_doc, rate, loop_rate):
    _, hidden = hidden_tokens(dropping(rate, loop_rate)[0], [long_doc])
    # Five standard deviations.
    error = 5 * np.sqrt(rate * (1 - rate) / len(long_doc))
    assert hidden.mean() == pytest.approx(rate, abs=error)
    # Tokens are hidden one by one, not words or Docs as a whole.
    for i in range(5):
        assert hidden[i::5].mean() == pytest.approx(rate, abs=3 * error)


def test_a_word_may_be_hidden_and_visible_in_one_batch(nlp):
    docs = [nlp.make_doc("Ada Ada Ada Ada"), nlp.make_doc("Ada Ada Ada Ada")]
    model, seen = dropping(0.5)
    Y, hidden = hidden_tokens(model, docs)
    assert 0 < hidden.sum() < 8
    ((words, _),) = seen
    assert words.texts() == ["Ada", "Ada"]
    assert sorted(words.hidden.tolist()) == [False, True]
    fix_random_seed(0)
    Y, backprop = model(docs, True)
    dY = random_sum()(Y)[1]
    backprop(dY)
    words, d_words = seen[-1]
    for is_hidden, d_word in zip(words.hidden, d_words, strict=True):
        total = np.concatenate(dY)[hidden == is_hidden].sum(axis=0)
        np.testing.assert_allclose(d_word, total, rtol=1e-5, atol=1e-6)


def test_hidden_words_are_told_apart_without_identifying_attributes(nlp):
    model, seen = dropping(0.5, attrs=["SHAPE"])
    doc = nlp.make_doc("Ada Bob " * 20)
    hidden_tokens(model, [doc])
    ((words, _),) = seen
    assert sorted(words.texts()) == ["Ada", "Ada", "Bob", "Bob"]
    assert words.attrs.all()


@pytest.mark.parametrize(
    ("rate", "loop_rate", "is_train"),
    [(RATE, 0.1, False), (RATE, 0.0, True), (0.0, 0.1, True)],
)
def test_no_word_is_hidden(long_doc, rate, loop_rate, is_train):
    model, _ = dropping(rate, loop_rate)
    Y, hidden = hidden_tokens(model, [long_doc], is_train=is_train)
    assert not hidden.any()
    np.testing.assert_array_equal(Y, expected(long_doc))


def test_no_word_is_hidden_before_a_training_loop_sets_its_rate(long_doc):
    model, _ = make(word_dropout=RATE)
    assert not hidden_tokens(model, [long_doc])[1].any()


def test_seed_decides_which_words_are_hidden(long_doc):
    model, _ = dropping()
    _, first = hidden_tokens(model, [long_doc], seed=1)
    _, again = hidden_tokens(model, [long_doc], seed=1)
    _, other = hidden_tokens(model, [long_doc], seed=2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_other_words_are_hidden_in_each_step(long_doc):
    model, _ = dropping()
    _, first = hidden_tokens(model, [long_doc])
    second = model([long_doc], True)[0][0][:, -1] == 1
    assert not np.array_equal(first, second)


# Dropout of what is rare

# Prefixes, suffixes and shapes differ from word to word.
FREQUENCIES = {"Ada": 1, "met": 3, "bobs": 12, "1999": 40}


def hiding_rare(rare_dropout, *, loop_rate=0.1, attrs=ATTRS, **settings):
    model, _ = make(attrs, rare_dropout=rare_dropout, **settings)
    return set_dropout_rate(model, loop_rate)


@pytest.fixture
def frequencies_doc(nlp):
    words = [word for word, n in FREQUENCIES.items() for _ in range(n)]
    return Doc(nlp.vocab, words=words)


@pytest.mark.parametrize("rare_dropout", [0.3, 1.0, 5])
@pytest.mark.parametrize("word_dropout", [0.0, 0.4])
def test_values_are_hidden_by_how_rare_they_are(
    frequencies_doc, rare_dropout, word_dropout
):
    """r / (r + n), at any step; with word dropout, where either hides them."""
    model = hiding_rare(rare_dropout, word_dropout=word_dropout)
    doc, n_steps = frequencies_doc, 2000
    fix_random_seed(0)
    is_hidden = np.zeros((len(doc), len(ATTRS)))
    for _ in range(n_steps):
        is_hidden += model([doc], is_train=True)[0][0][:, 1:-1] == 0
    start = 0
    for n in FREQUENCIES.values():
        rare = rare_dropout / (rare_dropout + n)
        for column in range(len(ATTRS)):
            kept = (1 - rare) * (1 - word_dropout * (column < IDENTIFYING))
            share = is_hidden[start : start + n, column].mean() / n_steps
            error = 5 * np.sqrt(kept * (1 - kept) / (n * n_steps))
            assert share == pytest.approx(1 - kept, abs=error)
        start += n


def test_attributes_are_hidden_one_by_one(nlp):
    model = hiding_rare(1.0)
    fix_random_seed(0)
    doc = nlp.make_doc("Ada")
    found = [model([doc], is_train=True)[0][0][0, 1:-1] == 0 for _ in range(400)]
    together = np.corrcoef(np.array(found).T)
    assert np.abs(together - np.eye(len(ATTRS))).max() < 0.25


def test_texts_count_once_however_often_they_come(nlp):
    doc, same, other = map(nlp.make_doc, ["Ada met Ada", "Ada met Ada", "Ada"])
    model = hiding_rare(1.0, attrs=["NORM", "PREFIX"])
    for batch in ([doc], [same, doc], [], [other, same], [other]):
        model(batch, is_train=True)
    counts = [
        {nlp.vocab.strings[value]: n for value, n in values.items()}
        for values in model.attrs["seen_counts"].values()
    ]
    assert counts == [{"ada": 3, "met": 1}, {"A": 3, "m": 1}]


def test_texts_that_are_told_apart_take_no_endless_memory(nlp, monkeypatch):
    monkeypatch.setattr(frequencies, "_N_TEXTS", 3)
    model = hiding_rare(1.0, attrs=["NORM"])
    docs = [nlp.make_doc(text) for text in ("Ada", "Bob", "Grace", "Alan", "Ada")]
    for doc in docs:
        model([doc], is_train=True)
    assert model.attrs["seen_counts"][NORM][docs[0][0].norm] == 2


def test_a_norm_that_is_set_by_hand_later_is_hidden(nlp):
    doc = Doc(nlp.vocab, words=["gonna"])
    model = hiding_rare(1e-9)
    model([doc], is_train=True)
    doc[0].norm_ = "going to"
    wanted = expected(doc)
    wanted[:, 1 + ATTRS.index("NORM")] = 0
    assert_equal(model([doc], is_train=True)[0], [wanted])


def test_what_training_never_met_of_a_word_is_hidden(nlp):
    model = hiding_rare(1e-9)
    model([nlp.make_doc("Ada met Bob")], is_train=True)
    doc = nlp.make_doc("Ida met bobby")
    wanted = expected(doc)
    for token, known in enumerate([{"SHAPE"}, set(ATTRS), set()]):
        for column, attr in enumerate(ATTRS):
            wanted[token, 1 + column] *= attr in known
    assert_equal(model.predict([doc]), [wanted])


@pytest.mark.parametrize(("rare_dropout", "loop_rate"), [(0.0, 0.1), (1.0, 0.0)])
def test_nothing_rare_is_hidden(nlp, rare_dropout, loop_rate):
    model = hiding_rare(rare_dropout, loop_rate=loop_rate)
    for text in ("Ada", "Grace"):
        doc = nlp.make_doc(text)
        assert_equal(model([doc], is_train=True)[0], [expected(doc)])
    doc = nlp.make_doc("1999")
    assert_equal(model.predict([doc]), [expected(doc)])


def test_frequencies_are_saved_and_forgotten_at_initialization(nlp):
    doc = nlp.make_doc("Ada")
    model, fresh = hiding_rare(1e-9), hiding_rare(1e-9)
    model([doc], is_train=True)
    fresh.from_bytes(model.to_bytes())
    assert fresh.attrs["seen_counts"] == model.attrs["seen_counts"]
    assert_equal(fresh.predict([doc]), [expected(doc)])
    for other in (fresh, model):
        other.initialize()
        other([doc], is_train=True)
        assert other.attrs["seen_counts"][NORM] == {doc[0].norm: 1}


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_rare_dropout_out_of_range(value):
    with pytest.raises(ValueError, match=rf"\[L047\] rare_dropout = {value}"):
        make(rare_dropout=value)


# Settings and set-up


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, float("nan")])
def test_word_dropout_out_of_range(rate):
    with pytest.raises(ValueError, match=rf"\[L040\] word_dropout = {rate}"):
        make(word_dropout=rate)


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
    model = per_lexeme(lexical_attrs(), ["NORM", "SHAPE"], word_dropout=RATE)
    wanted = [doc.to_array(["NORM", "SHAPE"]) for doc in docs if len(doc)]
    full = [doc for doc in docs if len(doc)]
    for other in (model.copy(), pickle.loads(pickle.dumps(model))):
        assert_equal(other.predict(full), wanted)


def test_lexical_attrs(docs):
    embed, seen = recorder(len(ATTRS))
    per_lexeme(embed, ATTRS).predict(docs)
    words = seen[0][0]
    Y, backprop = lexical_attrs()(words, is_train=True)
    np.testing.assert_array_equal(Y, words.attrs)
    assert Y.dtype == "uint64"
    assert backprop(np.ones_like(Y)) == []


# Unknown words


def trained(docs, **settings):
    """A model with word dropout that met the words of Docs in training."""
    model, _ = dropping(**settings)
    model(docs, is_train=True)
    return model


def test_words_that_training_never_met_are_hidden(nlp):
    model = trained([nlp.make_doc("Ada met Bob")], rate=0.001)
    doc = nlp.make_doc("bob met Grace")
    (Y,), _ = model([doc], is_train=False)
    wanted = expected(doc)
    orth, lower, norm = 1, 2, 3
    wanted[0, orth] = 0  # "Bob" was met, "bob" in no other form
    wanted[2, [orth, lower, norm]] = 0
    np.testing.assert_array_equal(Y, wanted)


def test_training_goes_on_with_new_words(nlp):
    old, new = nlp.make_doc("Ada met Bob"), nlp.make_doc("Grace met Alan")
    model = trained([old], rate=0.001)
    set_dropout_rate(model, 0.0)
    model([new], is_train=True)
    for doc in (old, new):
        np.testing.assert_array_equal(model.predict([doc])[0], expected(doc))


@pytest.mark.parametrize(("rate", "loop_rate"), [(0.0, 0.1), (0.5, 0.0)])
def test_no_word_is_unknown_without_word_dropout(nlp, rate, loop_rate):
    model = trained([nlp.make_doc("Ada")], rate=rate, loop_rate=loop_rate)
    doc = nlp.make_doc("Grace")
    np.testing.assert_array_equal(model.predict([doc])[0], expected(doc))


def test_words_are_unknown_if_most_steps_had_word_dropout(nlp):
    model, doc = trained([nlp.make_doc("Ada")], loop_rate=0.0), nlp.make_doc("Grace")
    set_dropout_rate(model, 0.1)
    for n_steps, is_unknown in [(0, False), (1, False), (1, True)]:
        for _ in range(n_steps):
            model([nlp.make_doc("Ada")], is_train=True)
        found = model.predict([doc])[0]
        assert np.array_equal(found, expected(doc)) != is_unknown


def test_known_words_are_saved_and_forgotten_at_initialization(nlp):
    model, doc = trained([nlp.make_doc("Ada")], rate=0.001), nlp.make_doc("Ada Bob")
    fresh, _ = dropping(rate=0.001)
    fresh.from_bytes(model.to_bytes())
    Y = fresh.predict([doc])
    np.testing.assert_array_equal(Y, model.predict([doc]))
    assert not np.array_equal(Y[0], expected(doc))
    fresh.initialize()
    np.testing.assert_array_equal(fresh.predict([doc])[0], expected(doc))
