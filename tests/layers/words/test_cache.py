"""The cache of word vectors: never anything but what would be computed."""

import pickle
from copy import deepcopy
from functools import partial
from threading import Thread

import numpy as np
import pytest
import spacy
from spacy.ml.models import MultiHashEmbed
from spacy.tokens import Doc
from spacy.vectors import Vectors
from thinc.api import Adam, Embed, Linear, Model, chain, fix_random_seed

from spacy_lstm_ner.architectures import (
    build_char_embed,
    build_per_lexeme,
    build_word_char_embed,
)
from spacy_lstm_ner.layers.words.cache import WordCache, clear_cache
from spacy_lstm_ner.layers.words.distinct import per_lexeme

WIDTH = 12
VOCAB = spacy.blank("xx").vocab


class Source:
    """Makes vectors of keys, and remembers of which."""

    def __init__(self, factor=1.0):
        self.model = Model(
            "source", None, attrs={"seen_counts": {}, "hides_unseen": False}
        )
        self.model.set_param("W", np.array([factor], dtype="f"))
        self.asked = []

    def look_up(self, cache, keys):
        keys = np.array(keys, dtype="uint64")

        def compute(chosen):
            self.asked.append(keys[chosen].tolist())
            return self.vectors(keys[chosen])

        found = cache.look_up(keys, self.model, VOCAB, compute)
        np.testing.assert_array_equal(found, self.vectors(keys))

    def vectors(self, keys):
        W = self.model.get_param("W")
        return np.outer(keys, W * np.arange(1, WIDTH + 1)).astype("f")


def room_for(n):
    return n * (4 * WIDTH + 104)


@pytest.mark.parametrize(
    ("room", "batches", "asked"),
    [
        pytest.param(
            10, [[3, 1], [1, 2, 3], [2], [4, 5]], [[3, 1], [2], [4, 5]], id="fits"
        ),
        pytest.param(
            4,
            [[1, 2, 3], [3, 4], [4, 5, 6], [5, 1], [3]],
            [[1, 2, 3], [4], [5, 6], [1], [3]],
            id="begins anew when full",
        ),
        pytest.param(
            2, [[1, 2, 3], [2, 3, 1]], [[1, 2, 3], [3]], id="batch above the room"
        ),
        pytest.param(4, [[1, 1, 2], [3, 1, 4]], [[1, 1, 2], [3, 4]], id="repeated"),
        pytest.param(0, [[1, 2], [1, 2]], [[1, 2], [1, 2]], id="no room"),
    ],
)
def test_which_words_are_computed(room, batches, asked):
    cache, source = WordCache(room_for(room)), Source()
    for keys in batches:
        source.look_up(cache, keys)
    assert source.asked == asked


def test_other_parameters():
    cache = WordCache(room_for(10))
    for source in (Source(1.0), Source(2.0), Source(1.0)):
        source.look_up(cache, [1, 2])
        source.look_up(cache, [2, 1])
        assert source.asked == [[1, 2]]


def test_nothing_is_kept_in_training_until_the_cache_is_cleared():
    cache, source = WordCache(room_for(10)), Source()
    cache.suspend(source.model)
    for _ in range(2):
        source.look_up(cache, [1])
    Source(3.0).look_up(cache, [1])  # averages
    source.look_up(cache, [1])
    assert source.asked == [[1]] * 3
    cache.clear()
    for _ in range(2):
        source.look_up(cache, [1])
    assert source.asked == [[1]] * 4


def test_vectors_are_kept_again_after_an_optimizers_step():
    cache, source = WordCache(room_for(10)), Source()
    cache.suspend(source.model)
    source.look_up(cache, [1])
    source.model.set_grad("W", np.ones(1, dtype="f"))
    source.model.finish_update(Adam(0.1))
    for _ in range(2):
        source.look_up(cache, [1])
    assert source.asked == [[1]] * 2


@pytest.mark.parametrize("copy", [deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_are_empty(copy):
    cache, source = WordCache(room_for(10)), Source()
    source.look_up(cache, [1])
    source.look_up(copy(cache), [1])
    assert source.asked == [[1], [1]]


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


def words(cache_bytes=10**6, rows=50):
    fix_random_seed(0)
    return build_word_char_embed(
        8,
        ["NORM", "SUFFIX"],
        [rows, 50],
        include_static_vectors=True,
        fine_tune_vectors=True,
        word_dropout=0.3,
        cache_bytes=cache_bytes,
    )


def characters(kind, cache_bytes=10**6):
    fix_random_seed(0)
    return build_char_embed(8, kind=kind, cache_bytes=cache_bytes)


MAKE = {
    "words": words,
    "lstm": partial(characters, "lstm"),
    "cnn": partial(characters, "cnn"),
}
each = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


@pytest.fixture
def docs():
    nlp = spacy.blank("xx")
    for i, word in enumerate(["ada", "to", "in"]):
        nlp.vocab.set_vector(word, np.arange(i, i + 3, dtype="f"))
    texts = ["Ada flew to Paris", "Ada and Bob , in Paris", "", "Bob"]
    return [Doc(nlp.vocab, words=text.split()) for text in texts]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def assert_right(model, make, docs, **settings):
    """Predictions are those of the same weights without a cache."""
    plain = make(cache_bytes=0, **settings)
    plain.initialize(X=docs)
    plain.from_bytes(model.to_bytes())
    expected = plain.predict(docs)
    assert_equal(model.predict(docs), expected)
    assert_equal(model.predict(docs[::-1])[::-1], expected)
    assert_equal([model.predict([doc])[0] for doc in docs], expected)


@each
def test_right_all_through_training(make, docs):
    model = make().initialize(X=docs)
    optimizer = Adam(0.1, use_averages=True)
    for _ in range(3):
        assert_right(model, make, docs)
        Y, backprop = model.begin_update(docs)
        assert_right(model, make, docs)
        backprop([np.ones_like(y) for y in Y])
        assert_right(model, make, docs)
        model.finish_update(optimizer)
        assert_right(model, make, docs)
        with model.use_params(optimizer.averages):
            assert_right(model, make, docs)
    model.from_bytes(model.to_bytes())
    assert_right(model, make, docs)


@each
@pytest.mark.parametrize("change", [np.zeros_like, np.negative, np.sqrt])
def test_parameters_changed_in_place(make, change, docs):
    model = make().initialize(X=docs)
    for node in model.walk():
        for name in node.param_names:
            assert_right(model, make, docs)
            array = node.get_param(name)
            array[:] = change(np.abs(array) if change is np.sqrt else array)
    assert_right(model, make, docs)


@each
def test_single_elements_changed_in_place(make, docs):
    """All are seen where the parameters are few beside the batch."""
    docs = docs * 20
    model = make().initialize(X=docs)
    rng = np.random.default_rng(0)
    for node in model.walk():
        for name in node.param_names:
            array = node.get_param(name)
            model.predict(docs)
            array.flat[rng.integers(array.size)] += 1
            assert_right(model, make, docs)


def test_large_tables_changed_in_place(docs):
    """A row of a table that is large beside the batch, and one that is changed as a
    whole."""
    settings = {"rows": 20_000}
    model = words(**settings).initialize(X=docs)
    (table,) = [
        node.get_param("E")
        for node in model.walk()
        if node.maybe_get_dim("nV") == 20_000
    ]
    before = model.predict(docs)
    table *= 0.9
    assert_right(model, words, docs, **settings)
    changed = model.predict(docs)
    assert not np.allclose(changed[0], before[0])
    table[:] = np.roll(table, 1, axis=0)
    assert_right(model, words, docs, **settings)
    table[np.abs(table) > 0.1] = 0
    clear_cache(model)
    assert_right(model, words, docs, **settings)


def test_parameters_that_cannot_be_watched(docs):
    """Those whose elements do not lie in order."""
    embed = chain(first_letter(), Embed(6, 8), Linear(6, 6))
    model = per_lexeme(embed, ["PREFIX"]).initialize(X=docs)
    linear = embed.layers[-1]
    linear.set_param("W", np.asfortranarray(np.eye(6, dtype="f") + 1))
    before = model.predict(docs)
    linear.get_param("W")[:] *= 2
    assert_equal(model.predict(docs), [2 * y for y in before])


def first_letter():
    def forward(model, X, is_train):
        return (X.attrs[:, 0] % np.uint64(8)).astype("int32"), lambda dY: []

    return Model("first_letter", forward)


def test_word_vectors_that_are_set_later():
    nlp = spacy.blank("xx")
    nlp.vocab.set_vector("ada", np.ones(3, dtype="f"))
    doc = Doc(nlp.vocab, words=["Ada", "Bob"])
    model = build_word_char_embed(8, [], [], include_static_vectors=True)
    model.initialize(X=[doc])
    before = model.predict([doc])[0]
    nlp.vocab.set_vector("bob", np.ones(3, dtype="f"))
    after = model.predict([doc])[0]
    np.testing.assert_allclose(after[0], before[0], atol=1e-6)
    assert not np.allclose(after[1], before[1])
    nlp.vocab.set_vector("ada", np.arange(3, dtype="f"))
    assert not np.allclose(model.predict([doc])[0][0], before[0])


def test_room_without_limit():
    """Memory is taken as words come, so the setting may be larger than it is."""
    nlp = spacy.blank("xx")
    texts = [" ".join(f"w{i}" for i in range(n, n + 900)) for n in range(0, 3600, 450)]
    model, plain = (
        build_word_char_embed(8, ["NORM"], [5000], cache_bytes=n) for n in (10**18, 0)
    )
    docs = [nlp.make_doc(text) for text in texts]
    for embed in (model, plain):
        fix_random_seed(0)
        embed.initialize(X=docs[:1])
    for doc in docs * 2:
        (found,), (expected,) = model.predict([doc]), plain.predict([doc])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def set_vector(vocab, value):
    vocab.set_vector("ada", value)


def set_row(vocab, value):
    vocab.vectors.data[vocab.vectors.key2row[vocab.strings["ada"]]] = value


def take_another_row(vocab, value):
    vocab.vectors.add("ada", row=7)


def take_the_vector_away(vocab, value):
    del vocab.vectors.key2row[vocab.strings["ada"]]


def give_capitals_their_own(vocab, value):
    vocab.vectors.add("Ada", row=7)


@pytest.mark.parametrize(
    "change",
    [
        set_vector,
        set_row,
        take_another_row,
        take_the_vector_away,
        give_capitals_their_own,
    ],
)
@pytest.mark.parametrize("embed", ["ours", "spacy"])
def test_one_word_vector_of_many_is_changed(embed, change):
    """The component `ner` shows the change, too."""
    nlp = spacy.blank("xx")
    rng = np.random.default_rng(0)
    data = rng.normal(size=(20_000, 30)).astype("f")
    keys = [f"w{i}" for i in range(len(data))]
    keys[100:102] = "ada", "Lee"  # where no sample of the table is taken
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=keys)
    doc = Doc(nlp.vocab, words=["Ada", "ada", "w3", "Lee"])
    model = build_word_char_embed(8, [], [], include_static_vectors=True)
    if embed == "spacy":
        hashed = MultiHashEmbed(8, ["SHAPE"], [50], include_static_vectors=True)
        model = build_per_lexeme(hashed)
    model.initialize(X=[doc])
    before = model.predict([doc])[0]
    change(nlp.vocab, rng.normal(size=30).astype("f"))
    after = model.predict([doc])[0]
    clear_cache(model)
    np.testing.assert_allclose(after, model.predict([doc])[0], atol=1e-6)
    assert not np.allclose(after[:2], before[:2])
    np.testing.assert_allclose(after[2:], before[2:], atol=1e-6)
