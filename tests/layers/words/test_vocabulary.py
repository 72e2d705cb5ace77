"""The textbook's embedding: numbers of words, the vocabulary, learned vectors."""

import copy
import logging
import pickle
from collections import Counter

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam
from util import random_sum, relative_error

from spacy_lstm_ner.architectures import build_word_index_embed
from spacy_lstm_ner.layers.words.vocabulary import (
    build_vocabulary,
    vocabulary,
    word_numbers,
)

NAME = "spacy_lstm_ner.WordIndexEmbed.v1"
nlp = spacy.blank("xx")
TEXTS = ["Sharon flew to Miami last Friday .", "", "she flew to Rome last Friday ."]
texts = st.lists(
    st.sampled_from(["a", "A", "b", "B", "<PAD>", "<UNK>", "PERSON", "ß", "\n"])
)


def docs_of(*texts, vocab=nlp.vocab):
    return [Doc(vocab, words=text.split(" ") if text else []) for text in texts]


def embed(attrs=("ORTH",), **settings):
    return build_word_index_embed(4, list(attrs), **settings)


def make(docs, **settings):
    """An embedding whose vocabulary is that of the Docs."""
    model = embed(**settings)
    build_vocabulary(model, docs)
    return model.initialize()


def test_the_sentence_of_the_textbook():
    model = make(docs_of(*TEXTS), min_freq=1)
    assert [*vocabulary(model)][:4] == ["<PAD>", "<UNK>", "flew", "to"]
    numbers = word_numbers(model, docs_of("Sharon flew to Paris last Friday .")[0])
    assert numbers == [7, 2, 3, 1, 4, 5, 6]


def test_it_is_registered():
    build = registry.architectures.get(NAME)
    assert build(width=3, attrs=["ORTH"]).get_dim("nO") == 3


@given(st.lists(texts, max_size=4), st.integers(1, 3))
def test_vocabulary_has_the_words_that_are_frequent_enough(corpus, min_freq):
    docs = [Doc(nlp.vocab, words=words) for words in corpus]
    model = make(iter(docs), min_freq=min_freq)
    found = vocabulary(model)
    assert list(found.values()) == list(range(len(found)))
    assert list(found)[:2] == ["<PAD>", "<UNK>"]
    counts = Counter(word for words in corpus for word in words)
    special = {"<PAD>", "<UNK>"}
    frequent = {w for w, n in counts.items() if n >= min_freq} | special
    assert set(found) == frequent
    sizes = [counts[word] for word in found if word not in special]
    assert sizes == sorted(sizes, reverse=True)
    for words, doc in zip(corpus, docs, strict=True):
        numbers = word_numbers(model, doc)
        assert 0 not in numbers  # nothing that is written is padding
        for word, number in zip(words, numbers, strict=True):
            is_known = word in frequent - special
            assert number == (found[word] if is_known else 1)


@pytest.mark.parametrize(
    ("attr", "words"),
    [("ORTH", ["Gonna", "gonna"]), ("LOWER", ["gonna"]), ("NORM", ["going to"])],
)
def test_form_of_the_word(attr, words):
    docs = docs_of("Gonna gonna")
    docs[0][0].norm_ = docs[0][1].norm_ = "going to"
    assert list(vocabulary(make(docs, attrs=[attr], min_freq=1)))[2:] == words


def test_unknown_words_have_the_number_of_their_shape():
    docs = docs_of("Ada met Bob in 1999 , Eve met Ada in 2000 ; so what")
    model = make(docs, attrs=["ORTH", "SHAPE"], min_freq=2)
    numbers = vocabulary(model)
    # "met", "in" and "Ada" have numbers of their own and don't count for shapes; the
    # shapes of "," and "what" are too rare.
    words = ["<PAD>", "<UNK>", "Ada", "met", "in", "<Xxx>", "<dddd>"]
    assert list(numbers) == words
    text = "Ada Tom Ida met met2 1984 what ada"
    known = ["Ada", "<Xxx>", "<Xxx>", "met", "<UNK>", "<dddd>", "<UNK>", "<UNK>"]
    assert word_numbers(model, docs_of(text)[0]) == [numbers[word] for word in known]


def test_words_that_are_symbols_of_spacy():
    docs = docs_of("PERSON nsubj ORTH PERSON")
    model = make(docs, min_freq=1)
    assert list(vocabulary(model))[2:] == ["PERSON", "nsubj", "ORTH"]
    assert word_numbers(model, docs[0]) == [2, 3, 4, 2]


def test_settings_out_of_range():
    with pytest.raises(ValueError, match=r"\[L048\] Setting 'min_freq' is 0"):
        embed(min_freq=0)
    with pytest.raises(ValueError, match=r"\[L041\] \['ORTH', 'SIZE'\]"):
        embed(["ORTH", "SIZE"])
    with pytest.raises(ValueError, match=r"\[L041\] \[\] are no"):
        embed([])


def test_each_token_gets_the_row_of_its_number():
    docs = docs_of(*TEXTS)
    model = make(docs, min_freq=2)
    E = model.get_param("E")
    assert E.shape == (len(vocabulary(model)), 4)
    assert not E[0].any()
    assert E[1:].all()
    for is_train in (False, True):
        Y, _ = model(docs, is_train)
        for doc, rows in zip(docs, Y, strict=True):
            assert rows.dtype == "float32"
            np.testing.assert_array_equal(rows, E[word_numbers(model, doc)])
            assert rows.shape == (len(doc), 4)


def test_gradient_of_a_row_is_the_sum_over_its_tokens():
    docs = docs_of(*TEXTS)
    model = make(docs, min_freq=2)
    Y, backprop = model.begin_update(docs)
    dY = random_sum()(Y)[1]
    before = copy.deepcopy(dY)
    assert backprop(dY) == []
    expected = np.zeros_like(model.get_param("E"))
    for doc, rows, kept in zip(docs, dY, before, strict=True):
        np.testing.assert_array_equal(rows, kept)
        for number, row in zip(word_numbers(model, doc), rows, strict=True):
            expected[number] += row
    assert relative_error(model.get_grad("E"), expected) < 1e-6
    # Sharon, Miami, she and Rome occur once: they train <UNK>.
    assert expected[1].all()


@pytest.mark.parametrize("docs", [[], docs_of(""), docs_of("", "")])
def test_without_tokens(docs):
    model = make(docs)
    Y, backprop = model.begin_update(docs)
    assert [y.shape for y in Y] == [(0, 4)] * len(docs)
    assert backprop(Y) == []
    assert not model.get_grad("E").any()


def test_initialization_with_samples_counts_them(caplog):
    model = embed()
    with caplog.at_level(logging.WARNING, "spacy.lstm_ner"):
        model.initialize(X=docs_of(*TEXTS))
    assert list(vocabulary(model))[2:] == ["flew", "to", "last", "Friday", "."]
    assert "3 sample texts: it has 5 words, all others are <UNK>" in caplog.text


def test_initialization_keeps_a_vocabulary_that_was_counted_before(caplog):
    model = embed(min_freq=1)
    build_vocabulary(model, docs_of("a b c"))
    with caplog.at_level(logging.WARNING, "spacy.lstm_ner"):
        model.initialize(X=docs_of("d e"))
    assert list(vocabulary(model))[2:] == ["a", "b", "c"]
    assert not caplog.text


def test_copies():
    docs = docs_of(*TEXTS)
    model = make(docs)
    fresh = embed().from_bytes(model.to_bytes())
    other_vocab = spacy.blank("de").vocab
    for other in (fresh, model.copy(), pickle.loads(pickle.dumps(model))):
        assert vocabulary(other) == vocabulary(model)
        found = other.predict(docs_of(*TEXTS, vocab=other_vocab))
        for y, expected in zip(found, model.predict(docs), strict=True):
            np.testing.assert_array_equal(y, expected)


def test_a_vocabulary_of_another_size_can_be_loaded():
    docs = docs_of(*TEXTS)
    model, other = make(docs), make(docs_of("a b c"), min_freq=1)
    other.from_bytes(model.to_bytes())
    assert vocabulary(other) == vocabulary(model)
    assert other.get_param("E").shape == model.get_param("E").shape


# In the component


def examples_of(*texts):
    return [
        Example(doc, Doc(nlp.vocab, words=[t.text for t in doc], ents=ents))
        for doc in docs_of(*texts)
        for ents in [["B-per", *["O"] * (len(doc) - 1)] if len(doc) else None]
    ]


def add_component():
    pipeline = spacy.blank("xx")
    tok2vec = {"@architectures": NAME, "width": 4, "attrs": ["ORTH"], "min_freq": 1}
    encode = {"@architectures": "spacy_lstm_ner.LSTMEncoder.v1", "width": 4}
    config = {"model": {"tok2vec": tok2vec, "encode": encode}}
    return pipeline, pipeline.add_pipe("lstm_ner", config=config)


def test_component_counts_the_whole_corpus(tmp_path, caplog):
    pipeline, component = add_component()
    texts = [f"word{i} was there" for i in range(40)]
    with caplog.at_level(logging.WARNING, "spacy.lstm_ner"):
        pipeline.initialize(lambda: iter(examples_of(*texts)))
    assert not caplog.text
    known = vocabulary(component.model.get_ref("tok2vec"))
    assert set(known) == {"<PAD>", "<UNK>", "was", "there"} | {
        f"word{i}" for i in range(40)
    }
    pipeline.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).get_pipe("lstm_ner").model.get_ref("tok2vec")
    assert vocabulary(loaded) == known


def test_component_counts_again_when_it_is_initialized_again():
    pipeline, component = add_component()
    for texts in (["a b c d"], ["Ada met Bob", "Ada was there ."]):
        examples = examples_of(*texts)
        optimizer = pipeline.initialize(lambda examples=examples: examples)
        pipeline.update(examples, sgd=optimizer)
        known = vocabulary(component.model.get_ref("tok2vec"))
        assert set(list(known)[2:]) == set(" ".join(texts).split())


def test_vectors_learn():
    pipeline, component = add_component()
    examples = examples_of("Ada met Bob")
    pipeline.initialize(lambda: examples)
    table = component.model.get_ref("tok2vec")
    before = table.get_param("E").copy()
    pipeline.update(examples, sgd=Adam(0.01))
    changed = (table.get_param("E") != before).any(axis=1)
    assert changed.tolist() == [False, False, True, True, True]


def test_shared_tok2vec_says_what_it_counted(caplog):
    pipeline = spacy.blank("xx")
    table = {"@architectures": NAME, "width": 4, "attrs": ["ORTH"], "min_freq": 1}
    encode = {"@architectures": "spacy_lstm_ner.LSTMEncoder.v1", "width": 4}
    shared = {"@architectures": "spacy.Tok2Vec.v2", "embed": table, "encode": encode}
    pipeline.add_pipe("tok2vec", config={"model": shared})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 4}
    own = {"@architectures": "spacy_lstm_ner.LSTMEncoder.v1", "width": 4}
    config = {"model": {"tok2vec": listener, "encode": own}}
    pipeline.add_pipe("lstm_ner", config=config)
    texts = [f"word{i}" for i in range(40)]
    with caplog.at_level(logging.WARNING, "spacy.lstm_ner"):
        pipeline.initialize(lambda: examples_of(*texts))
    assert "10 sample texts: it has 10 words" in caplog.text
