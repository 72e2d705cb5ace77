"""Which words and attributes are hidden, in training and in prediction."""

import numpy as np
import pytest
import spacy
from spacy.attrs import NORM
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed, set_dropout_rate
from util import random_sum

from layers.words.recorder import ATTRS, assert_equal, expected, make, recorder
from spacy_lstm_ner.layers.words.distinct import per_lexeme
from spacy_lstm_ner.layers.words.frequencies import forget_counts

IDENTIFYING = 3  # ORTH, LOWER and NORM, the first of ATTRS
RARELY = 1e-9  # hides nothing by chance, and what is unseen in prediction


@pytest.fixture
def nlp():
    return spacy.blank("xx")


def hiding(*, drop=0.1, attrs=ATTRS, **settings):
    """A model in a training loop with this rate of dropout."""
    return set_dropout_rate(make(attrs, **settings)[0], drop)


def learn(model, docs, *, seed=0):
    """The output of each token in training, and whether the word was hidden."""
    fix_random_seed(seed)
    Y = np.concatenate(model(docs, is_train=True)[0])
    return Y, Y[:, -1] == 1


# Word dropout


@pytest.fixture
def long_doc(nlp):
    return Doc(nlp.vocab, words=["Ada", "met", "Bob", "in", "1999"] * 800)


@pytest.mark.parametrize(("rate", "drop"), [(0.1, 0.1), (0.5, 0.6), (0.9, 0.1)])
def test_word_dropout_hides_tokens(long_doc, rate, drop):
    Y, hidden = learn(hiding(word_dropout=rate, drop=drop), [long_doc])
    full = expected(long_doc)
    identifying = slice(1, 1 + IDENTIFYING)
    assert full[:, identifying].all()
    full[hidden, identifying] = 0
    np.testing.assert_array_equal(Y[:, :-1], full[:, :-1])
    # One by one, not words as a whole; five standard deviations.
    for i in range(5):
        error = 5 * np.sqrt(rate * (1 - rate) / 800)
        assert hidden[i::5].mean() == pytest.approx(rate, abs=error)


def test_a_word_may_be_hidden_and_visible_in_one_batch(nlp):
    embed, seen = recorder(1)
    model = per_lexeme(embed, ["SHAPE"], word_dropout=0.5)
    set_dropout_rate(model, 0.1)
    fix_random_seed(0)
    Y, backprop = model([nlp.make_doc("Ada Bob " * 10)], is_train=True)
    hidden = Y[0][:, -1] == 1
    dY = random_sum()(Y)[1]
    backprop(dY)
    words, d_words = seen[-1]
    assert sorted(words.texts()) == ["Ada", "Ada", "Bob", "Bob"]
    assert words.attrs.all()  # a shape does not identify a word
    for text, is_hidden, found in zip(
        words.texts(), words.hidden, d_words, strict=True
    ):
        tokens = (hidden == is_hidden) & (np.arange(20) % 2 == (text == "Bob"))
        total = dY[0][tokens].sum(axis=0)
        np.testing.assert_allclose(found, total, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{"word_dropout": 0.3}, {"rare_dropout": 1.0}])
def test_nothing_is_hidden_without_dropout(long_doc, settings):
    model = make(**settings)[0]  # before a training loop sets its rate
    assert_equal(model([long_doc], is_train=True)[0], [expected(long_doc)])
    model = hiding(drop=0.0, **settings)
    assert_equal(model([long_doc], is_train=True)[0], [expected(long_doc)])
    assert_equal(model.predict([long_doc]), [expected(long_doc)])
    model = hiding()
    assert_equal(model([long_doc], is_train=True)[0], [expected(long_doc)])


def test_seed_decides_which_words_are_hidden(long_doc):
    model = hiding(word_dropout=0.3)
    first, again, other = (learn(model, [long_doc], seed=s)[1] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    next_step = model([long_doc], is_train=True)[0][0][:, -1] == 1
    assert not np.array_equal(other, next_step)


# Dropout of rare values


@pytest.mark.parametrize("rare_dropout", [0.3, 5])
@pytest.mark.parametrize("word_dropout", [0.0, 0.4])
def test_values_are_hidden_by_how_rare_they_are(nlp, rare_dropout, word_dropout):
    """r / (r + n), in any step; with word dropout, where either hides them."""
    # Prefixes, suffixes and shapes differ from word to word.
    frequencies = {"Ada": 1, "met": 3, "bobs": 12, "1999": 40}
    words = [word for word, n in frequencies.items() for _ in range(n)]
    doc, n_steps = Doc(nlp.vocab, words=words), 500
    model = hiding(rare_dropout=rare_dropout, word_dropout=word_dropout)
    fix_random_seed(0)
    is_hidden = np.zeros((len(doc), len(ATTRS)))
    for _ in range(n_steps):
        is_hidden += model([doc], is_train=True)[0][0][:, 1:-1] == 0
    start = 0
    for n in frequencies.values():
        rare = rare_dropout / (rare_dropout + n)
        for column in range(len(ATTRS)):
            kept = (1 - rare) * (1 - word_dropout * (column < IDENTIFYING))
            share = is_hidden[start : start + n, column].mean() / n_steps
            error = 5 * np.sqrt(kept * (1 - kept) / (n * n_steps))
            assert share == pytest.approx(1 - kept, abs=error)
        start += n


def test_attributes_are_hidden_one_by_one(nlp):
    model = hiding(rare_dropout=1.0)
    fix_random_seed(0)
    doc = nlp.make_doc("Ada")
    found = [model([doc], is_train=True)[0][0][0, 1:-1] == 0 for _ in range(400)]
    together = np.corrcoef(np.array(found).T)
    assert np.abs(together - np.eye(len(ATTRS))).max() < 0.25


def counts_of(model, nlp):
    return [
        {nlp.vocab.strings[value]: n for value, n in values.items()}
        for values in model.attrs["seen_counts"].values()
    ]


@pytest.mark.parametrize("drop", [0.0, 0.1])
def test_texts_count_once_however_often_they_come(nlp, drop):
    doc, same, other = map(nlp.make_doc, ["Ada met Ada", "Ada met Ada", "Ada"])
    model = hiding(rare_dropout=1.0, drop=drop, attrs=["NORM", "PREFIX"])
    for batch in ([doc], [same, doc], [], [other, same], [other]):
        model(batch, is_train=True)
    assert counts_of(model, nlp) == [{"ada": 3, "met": 1}, {"A": 3, "m": 1}]


def test_texts_that_are_told_apart_take_no_endless_memory(nlp):
    model = hiding(rare_dropout=1.0, attrs=["NORM"])
    model.attrs["seen_counts"].max_texts = 3
    for text in ("Ada", "Bob", "Grace", "Alan", "Ada"):
        model([nlp.make_doc(text)], is_train=True)
    assert counts_of(model, nlp)[0]["ada"] == 2


def test_a_norm_that_is_set_by_hand_later_is_counted_no_more(nlp):
    """The text was counted; a value that it did not have then has a count of 0."""
    doc = Doc(nlp.vocab, words=["gonna"])
    model = hiding(rare_dropout=RARELY)
    model([doc], is_train=True)
    doc[0].norm_ = "going to"
    wanted = expected(doc)
    wanted[:, 1 + ATTRS.index("NORM")] = 0
    assert_equal(model([doc], is_train=True)[0], [wanted])


# Prediction


@pytest.mark.parametrize("drop", [0.0, 0.1])
@pytest.mark.parametrize(
    ("settings", "hidden"),
    [
        ({"rare_dropout": RARELY}, set(ATTRS)),
        ({"word_dropout": RARELY}, set(ATTRS[:IDENTIFYING])),
        ({}, set()),
    ],
)
def test_values_that_training_has_not_seen_are_hidden(nlp, settings, hidden, drop):
    model = hiding(**settings, drop=drop)
    model([nlp.make_doc("Ada met Bob")], is_train=True)
    doc = nlp.make_doc("Ida met bobby")
    wanted = expected(doc)
    for token, seen in enumerate([{"SHAPE"}, set(ATTRS), set()]):
        for column, attr in enumerate(ATTRS):
            is_visible = attr in seen or attr not in hidden or not drop
            wanted[token, 1 + column] *= is_visible
    assert_equal(model.predict([doc]), [wanted])


@pytest.mark.parametrize("drops", [[0.1, 0.0, 0.0, 0.0], [0.0, 0.1, 0.1, 0.1]])
def test_the_first_step_decides_what_is_hidden(nlp, drops):
    model, doc = hiding(rare_dropout=1.0), nlp.make_doc("Ada met Ida")
    for drop in drops:
        set_dropout_rate(model, drop)
        model([nlp.make_doc("Ada met Bob")], is_train=True)
        (Y,) = model.predict([doc])
        wanted = expected(doc)
        if drops[0]:
            wanted[2, 1 : len(ATTRS)] = 0  # the shape was seen
        assert_equal([Y], [wanted])


def test_the_decision_to_hide_is_saved_and_can_be_set(nlp):
    doc, training = nlp.make_doc("Ida"), [nlp.make_doc("Ada met Bob")]
    for drop in (0.0, 0.1):
        untrained, model = hiding(rare_dropout=1.0), hiding(rare_dropout=1.0)
        model.from_bytes(untrained.to_bytes())
        set_dropout_rate(model, drop)
        model(training, is_train=True)
        loaded = hiding(rare_dropout=1.0).from_bytes(model.to_bytes())
        set_dropout_rate(loaded, 0.1 - drop)
        loaded(training, is_train=True)  # resumed with another rate
        for each in (model, loaded):
            assert np.array_equal(each.predict([doc])[0], expected(doc)) == (not drop)
            each.attrs["hides_unseen"] = not drop
            assert np.array_equal(each.predict([doc])[0], expected(doc)) == bool(drop)
        forget_counts(loaded)
        loaded(training, is_train=True)
        assert np.array_equal(loaded.predict([doc])[0], expected(doc)) == bool(drop)


def test_nothing_is_hidden_before_the_first_text(nlp):
    model, doc = hiding(rare_dropout=1.0), nlp.make_doc("Ada")
    assert_equal(model.predict([doc]), [expected(doc)])
    model([nlp.make_doc("Bob")], is_train=True)
    assert not np.array_equal(model.predict([doc])[0], expected(doc))
    forget_counts(Model("outer", None, layers=[model]))
    assert_equal(model.predict([doc]), [expected(doc)])


def test_counts_are_saved_and_forgotten_at_initialization(nlp):
    doc = nlp.make_doc("Ada")
    model, fresh = hiding(rare_dropout=RARELY), hiding(rare_dropout=RARELY)
    model([doc], is_train=True)
    fresh([nlp.make_doc("Bob"), nlp.make_doc("Ada")], is_train=True)
    fresh.from_bytes(model.to_bytes())
    both = Doc(nlp.vocab, words=["Ada", "Bob"])
    assert counts_of(fresh, nlp) == counts_of(model, nlp)
    assert_equal(fresh.predict([both]), model.predict([both]))
    fresh([doc], is_train=True)  # texts are not saved: counted once more
    assert fresh.attrs["seen_counts"][NORM] == {doc[0].norm: 2}
    for other in (model.copy(), fresh):
        other.initialize()
        other([doc], is_train=True)
        assert other.attrs["seen_counts"][NORM] == {doc[0].norm: 1}
    assert model.attrs["seen_counts"][NORM] == {doc[0].norm: 1}


def test_settings_of_the_config_win_over_saved_ones(nlp):
    model, doc = hiding(rare_dropout=1.0), nlp.make_doc("Ada")
    model([nlp.make_doc("Bob")], is_train=True)
    other = hiding(rare_dropout=0.0).from_bytes(model.to_bytes())
    assert_equal(other.predict([doc]), [expected(doc)])
