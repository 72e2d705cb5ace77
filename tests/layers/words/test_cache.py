"""The cache of word vectors: never anything but what would be computed."""

import pickle
from copy import deepcopy
from threading import Thread

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Adam, fix_random_seed

from spacy_lstm_ner.architectures import build_char_embed, build_word_char_embed
from spacy_lstm_ner.layers.words.cache import WordCache

WIDTH = 12


class Source:
    """Makes vectors of keys, and remembers of which."""

    def __init__(self, factor=1.0):
        self.parameter = np.array([factor], dtype="f")
        self.asked = []

    def look_up(self, cache, keys):
        keys = np.array(keys, dtype="uint64")

        def compute(chosen):
            self.asked.append(keys[chosen].tolist())
            return self.vectors(keys[chosen])

        found = cache.look_up(keys, [self.parameter], compute)
        np.testing.assert_array_equal(found, self.vectors(keys))
        return found

    def vectors(self, keys):
        return np.outer(keys, self.parameter * np.arange(1, WIDTH + 1)).astype("f")


def size(cache):
    """Number of words in it."""
    return 0 if cache.words._kept is None else len(cache.words._kept[1])


def room_for(n):
    return n * (4 * WIDTH + 104)


def test_each_word_is_computed_once():
    cache, source = WordCache(room_for(10)), Source()
    for keys in ([3, 1], [1, 2, 3], [2], [4, 5]):
        source.look_up(cache, keys)
    assert source.asked == [[3, 1], [2], [4, 5]]
    assert size(cache) == 5


def test_begins_anew_when_full():
    cache, source = WordCache(room_for(4)), Source()
    for keys in ([1, 2, 3], [3, 4], [4, 5, 6], [5, 1], [3]):
        source.look_up(cache, keys)
        assert size(cache) <= 4
    assert source.asked == [[1, 2, 3], [4], [5, 6], [1], [3]]


def test_batch_that_is_larger_than_the_cache():
    cache, source = WordCache(room_for(2)), Source()
    for _ in range(2):
        source.look_up(cache, [1, 2, 3, 4])
    assert size(cache) == 2


@pytest.mark.parametrize("n_bytes", [0, 10])
def test_no_room(n_bytes):
    cache, source = WordCache(n_bytes), Source()
    for _ in range(2):
        source.look_up(cache, [1, 2])
    assert source.asked == [[1, 2], [1, 2]]
    assert size(cache) == 0


def test_other_parameters():
    cache = WordCache(room_for(10))
    for source in (Source(1.0), Source(2.0), Source(1.0)):
        source.look_up(cache, [1, 2])
        source.look_up(cache, [2, 1])
        assert source.asked == [[1, 2]]


def test_parameters_in_training_are_not_trusted():
    cache, source = WordCache(room_for(10)), Source()
    source.look_up(cache, [1])
    cache.words.note_training([source.parameter])
    assert size(cache) == 0
    source.look_up(cache, [1])
    source.parameter *= 2  # as the optimizer does
    source.look_up(cache, [1])
    averages = Source(3.0)
    averages.look_up(cache, [1])
    averages.look_up(cache, [1])
    assert averages.asked == [[1]]
    # The next step of training; then averages have changed in place.
    cache.words.note_training([source.parameter])
    averages.parameter += 1
    averages.look_up(cache, [1])


@pytest.mark.parametrize("copy", [deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_are_empty(copy):
    cache, source = WordCache(room_for(10)), Source()
    source.look_up(cache, [1])
    copied = copy(cache)
    assert (size(cache), size(copied), copied.n_bytes) == (1, 0, cache.n_bytes)


def test_threads():
    cache, source = WordCache(room_for(50)), Source()
    errors = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(300):
                source.look_up(cache, rng.choice(90, 20, replace=False) + 1)
        except AssertionError as err:
            errors.append(err)

    threads = [Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


# In the embeddings


def embeddings(cache_bytes):
    fix_random_seed(0)
    attrs, rows = ["NORM", "SUFFIX"], [50, 50]
    words = build_word_char_embed(
        8, attrs, rows, word_dropout=0.3, cache_bytes=cache_bytes
    )
    return [words, build_char_embed(8, cache_bytes=cache_bytes)]


@pytest.fixture
def docs():
    nlp = spacy.blank("en")
    texts = ["Ada flew to Paris", "Ada and Bob , in Paris", "", "Bob"]
    return [Doc(nlp.vocab, words=text.split()) for text in texts]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_same_vectors_as_without(which, docs):
    cached, plain = embeddings(10**6)[which], embeddings(0)[which]
    cached.initialize(X=docs)
    plain.initialize(X=docs)
    plain.from_bytes(cached.to_bytes())
    for batch in (docs[:1], docs, docs[::-1]):
        assert_equal(cached.predict(batch), plain.predict(batch))
    assert size(cached.attrs["cache"]) == 8
    assert size(plain.attrs["cache"]) == 0


@pytest.mark.parametrize("which", [0, 1])
def test_right_all_through_training(which, docs):
    model, plain = embeddings(10**6)[which], embeddings(0)[which]
    model.initialize(X=docs)
    plain.initialize(X=docs)
    optimizer = Adam(0.1, use_averages=True)

    def check():
        plain.from_bytes(model.to_bytes())
        assert_equal(model.predict(docs), plain.predict(docs))

    for _ in range(3):
        check()
        Y, backprop = model.begin_update(docs)
        check()
        backprop([np.ones_like(y) for y in Y])
        check()
        model.finish_update(optimizer)
        check()
        with model.use_params(optimizer.averages):
            check()
            check()
    model.from_bytes(model.to_bytes())
    check()
    assert size(model.attrs["cache"]) == 8


def test_word_vectors_that_are_set_later():
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("ada", np.ones(3, dtype="f"))
    doc = Doc(nlp.vocab, words=["Ada", "Bob"])
    model = build_word_char_embed(8, [], [], include_static_vectors=True)
    model.initialize(X=[doc])
    before = model.predict([doc])[0]
    nlp.vocab.set_vector("bob", np.ones(3, dtype="f"))
    after = model.predict([doc])[0]
    np.testing.assert_allclose(after[0], before[0], atol=1e-6)
    assert not np.allclose(after[1], before[1])
