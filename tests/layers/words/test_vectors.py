"""Static vectors: which row each word gets, on every kind of table."""

import numpy as np
import pytest
import spacy
from spacy.attrs import LOWER, ORTH
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.vectors import BaseVectors, Vectors
from thinc.api import Adam, Model, fix_random_seed
from util import gradient_error, parameters, random_sum

from spacy_lstm_ner.layers.words.distinct import Lexemes, per_lexeme
from spacy_lstm_ner.layers.words.vectors import WordVectors

WIDTH = 5
KEYS = ["apple", "Apple", "0000", "b0", "b4", "1984", "rome", "straße", "ÉCOLE", "00"]
# Each word, and the key whose vector it gets.
FORMS = [
    ("Apple", "Apple"),  # its own form, before lower case
    ("apple", "apple"),
    ("APPLE", "apple"),
    ("Rome", "rome"),
    ("1984", "1984"),  # its own form, before zeros
    ("1999", "0000"),
    ("B4", "b4"),  # lower case, before zeros
    ("B7", "b0"),
    ("b7", "b0"),
    ("Straße", "straße"),
    ("٤٢", "00"),  # digits of any script
    ("ÉCOLE", "ÉCOLE"),
    ("école", None),  # no capitals where there were none
    ("199", None),  # as many zeros as digits
    ("unknown", None),
    ("B-4", None),
    (" ", None),
    ("😀", None),
]


def table(**settings):
    data = np.random.default_rng(0).standard_normal((len(KEYS), WIDTH)).astype("f")
    return {"data": data, "keys": KEYS, **settings}


def make_nlp(**settings):
    nlp = spacy.blank("xx")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, **settings)
    return nlp


def lexemes(vocab, texts, hidden=()):
    """Words as `per_lexeme` gives them."""
    orths = np.array([vocab.strings.add(text) for text in texts], dtype="uint64")
    attrs = np.zeros((len(texts), 0), dtype="uint64")
    return Lexemes(orths, attrs, np.isin(np.arange(len(texts)), hidden), vocab)


def make(nO=3, nM=WIDTH):
    fix_random_seed(0)
    return WordVectors(nO, nM).initialize()


def identity(width=WIDTH):
    """The layer with a W that gives the vectors as they are."""
    model = make(width, width)
    model.set_param("W", np.eye(width, dtype="f"))
    return model


def vectors_of(vocab, texts, **settings):
    return identity().predict(lexemes(vocab, texts, **settings))


def expected(keys):
    """The rows of keys; 0 for None."""
    data = table()["data"]
    rows = [data[KEYS.index(key)] if key else np.zeros(WIDTH, "f") for key in keys]
    return np.array(rows)


def saved_and_loaded(nlp, tmp_path):
    nlp.to_disk(tmp_path / "nlp")
    return spacy.load(tmp_path / "nlp")


# Which row


@pytest.mark.parametrize("attr", ["ORTH", "LOWER"])
def test_forms_of_words(attr):
    vocab = make_nlp(**table(attr=attr)).vocab
    texts, keys = zip(*FORMS, strict=True)
    found = vectors_of(vocab, texts)
    for text, row, wanted in zip(texts, found, expected(keys), strict=True):
        np.testing.assert_array_equal(row, wanted, err_msg=text)


@pytest.mark.parametrize("attr", ["ORTH", "LOWER"])
def test_capitals_keep_their_vectors_when_saved(attr, tmp_path):
    nlp = make_nlp(**table(attr=attr))
    loaded = saved_and_loaded(nlp, tmp_path)
    assert nlp.vocab.vectors.attr == {"ORTH": ORTH, "LOWER": LOWER}[attr]
    assert loaded.vocab.vectors.attr == ORTH  # which spaCy does not save
    texts = ["Rome", "ROME", "rome", "APPLE", "B7", "1999"]
    found = vectors_of(loaded.vocab, texts)
    np.testing.assert_array_equal(found, vectors_of(nlp.vocab, texts))
    np.testing.assert_array_equal(
        found, expected(["rome", "rome", "rome", "apple", "b0", "0000"])
    )


@pytest.mark.parametrize(
    ("keys", "text"), [(["Apple", "apple"], "Apple"), (["0000", "x"], "1999")]
)
def test_row_zero_is_a_row_as_any_other(keys, text):
    data = table()["data"][:2]
    (found,) = vectors_of(make_nlp(data=data, keys=keys).vocab, [text])
    np.testing.assert_array_equal(found, data[0])


def test_hidden_words_have_no_vector():
    vocab = make_nlp(**table()).vocab
    texts = ["Apple", "Rome", "Apple", "1999", "Rome"]
    found = vectors_of(vocab, texts, hidden=[0, 3, 4])
    np.testing.assert_array_equal(found, expected([None, "rome", "Apple", None, None]))


def test_keys_that_share_a_row():
    vocab = make_nlp(**table()).vocab
    vocab.strings.add("Apple")
    for i, key in enumerate(KEYS):
        vocab[key].rank = i
    vocab.prune_vectors(4)
    vectors = vocab.vectors
    assert (vectors.shape, vectors.n_keys) == ((4, WIDTH), len(KEYS))
    found = vectors_of(vocab, KEYS)
    np.testing.assert_array_equal(found, [vectors[key] for key in KEYS])
    np.testing.assert_array_equal(
        vectors_of(vocab, ["ROME", "B7"]), [vectors["rome"], vectors["b0"]]
    )
    assert len(np.unique(found, axis=0)) == 4


@pytest.mark.parametrize("is_saved", [False, True])
def test_floret(is_saved, tmp_path):
    data = np.random.default_rng(0).standard_normal((50, WIDTH)).astype("f")
    settings = {"mode": "floret", "minn": 2, "maxn": 4, "hash_count": 2}
    nlp = make_nlp(data=data, **settings)
    if is_saved:
        nlp = saved_and_loaded(nlp, tmp_path)
    texts = ["Rome", "rome", "unknownword", "1999", "😀"]
    wanted = np.array([nlp.vocab.vectors[text] for text in texts])
    assert wanted.any(axis=1).all()
    assert not np.array_equal(wanted[0], wanted[1])
    np.testing.assert_array_equal(vectors_of(nlp.vocab, texts), wanted)
    wanted[[1, 4]] = 0
    np.testing.assert_array_equal(vectors_of(nlp.vocab, texts, hidden=[1, 4]), wanted)
    np.testing.assert_array_equal(nlp.vocab.vectors.data, data)


class OwnVectors(BaseVectors):
    """What spaCy asks of vectors of somebody's own, for `[nlp.vectors]`: no table."""

    def __init__(self):
        super().__init__()
        self.known = {get_string_id(key): i for i, key in enumerate(KEYS)}

    def __contains__(self, key):
        return key in self.known

    @property
    def shape(self):
        return 0, WIDTH

    def get_batch(self, keys):
        rows = [self.known.get(key, -1) for key in keys]
        found = table()["data"][rows]
        found.flags.writeable = False  # theirs
        return found


def test_vectors_that_are_no_table():
    nlp = spacy.blank("xx")
    nlp.vocab.vectors = OwnVectors()
    texts, keys = zip(*FORMS, strict=True)
    np.testing.assert_array_equal(vectors_of(nlp.vocab, texts), expected(keys))
    model = per_lexeme(WordVectors(3, fine_tune=True), ["NORM"])
    docs = [Doc(nlp.vocab, words=texts)]
    model.initialize(X=docs)
    np.testing.assert_array_equal(model.predict(docs)[0], model(docs, True)[0][0])
    # Nor are any needed where none are used.
    no_table = per_lexeme(ones(), ["NORM"]).initialize(X=docs)
    assert no_table.predict(docs)[0].shape == (len(texts), 3)


def ones():
    """An embedding that looks at nothing."""
    return Model(
        "ones",
        lambda model, X, is_train: (np.ones((len(X.orths), 3), "f"), lambda dY: []),
        dims={"nO": 3},
    )


# Projection and gradient


def test_numeric_gradient():
    words = lexemes(make_nlp(**table()).vocab, ["Apple", "x", "ROME", "b0"], hidden=[3])
    model, loss = make(), random_sum()
    Y, backprop = model(words, is_train=True)
    assert backprop(loss([Y])[1][0]) == []
    found = model.get_grad("W").copy()
    error = gradient_error(
        lambda: loss([model(words, True)[0]])[0], model.get_param("W"), found, eps=3e-2
    )
    assert error < 1e-3


def test_table_stays_as_it_is():
    nlp = make_nlp(**table())
    doc = Doc(nlp.vocab, words=["Apple", "ROME", "unknown", "1999"])
    model: Model = per_lexeme(WordVectors(3), []).initialize(X=[doc])
    W = model.layers[0].get_param("W").copy()
    optimizer = Adam(0.1)
    for _ in range(3):
        Y, backprop = model.begin_update([doc])
        Y[0] += 1
        backprop(Y)
        model.finish_update(optimizer)
    assert not np.allclose(model.layers[0].get_param("W"), W)
    np.testing.assert_array_equal(nlp.vocab.vectors.data, table()["data"])


def test_vectors_of_double_precision():
    data = table()["data"].astype("float64")
    vocab = make_nlp(data=data, keys=KEYS).vocab
    found = vectors_of(vocab, ["Apple", "ROME"])
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, expected(["Apple", "rome"]))


# Tables that don't fit


def test_no_vectors():
    with pytest.raises(ValueError, match=r"\[L042\].*include_static_vectors"):
        WordVectors(3).initialize(X=lexemes(spacy.blank("xx").vocab, ["Apple"]))


def test_vectors_of_another_width():
    words = lexemes(make_nlp(data=np.ones((2, 7), "f"), keys=["a", "b"]).vocab, ["a"])
    with pytest.raises(ValueError, match=r"\[L043\].*width 7.*width 5"):
        make().predict(words)


def test_vectors_are_gone():
    words = lexemes(spacy.blank("xx").vocab, ["a", "b"])
    with pytest.raises(ValueError, match=r"\[L043\].*width 0.*width 5"):
        make().predict(words)
    # As spaCy leaves them where a component is sourced: the keys are still there.
    vocab = make_nlp(data=np.ones((2, WIDTH), "f"), keys=["a", "b"]).vocab
    vocab.vectors.data = np.zeros((0, 0), "f")
    with pytest.raises(ValueError, match=r"\[L043\].*width 0.*width 5"):
        make().predict(lexemes(vocab, ["a", "b"]))


def test_table_without_rows():
    vocab = make_nlp(shape=(0, WIDTH)).vocab
    np.testing.assert_array_equal(vectors_of(vocab, ["a", "b"]), np.zeros((2, WIDTH)))


# Fine-tuning


def tuned(vocab, texts, **settings):
    """A layer that met words, with random offsets; and the words."""
    fix_random_seed(0)
    model, words = WordVectors(3, fine_tune=True), lexemes(vocab, texts, **settings)
    model.initialize(X=words)
    model(words, is_train=True)
    (offsets,) = model.layers
    for key in offsets.param_names:
        E = offsets.get_param(key)
        E += np.random.default_rng(0).standard_normal(E.shape).astype("f")
    return model, words


def test_fine_tuning_starts_with_the_vectors_as_they_are():
    words = lexemes(make_nlp(**table()).vocab, ["Apple", "unknown", "ROME"])
    fix_random_seed(0)
    model = WordVectors(3, fine_tune=True)
    model.initialize(X=words)
    Y, _ = model(words, is_train=True)
    np.testing.assert_array_equal(Y, make().predict(words))


def test_numeric_gradient_of_offsets():
    vocab = make_nlp(**table()).vocab
    model, words = tuned(vocab, ["Apple", "x", "ROME", "b0", "rome"], hidden=[3])
    loss = random_sum()
    Y, backprop = model(words, is_train=True)
    assert backprop(loss([Y])[1][0]) == []
    names = [name for name, _, _ in parameters(model)]
    assert names == ["0.word_vectors.W", "1.seen_table.E0"]
    for name, node, key in parameters(model):
        found = node.get_grad(key).copy()
        error = gradient_error(
            lambda: loss([model(words, True)[0]])[0], node.get_param(key), found, 3e-2
        )
        assert error < 1e-3, name


def test_offsets_of_words_that_training_met():
    vocab = make_nlp(**table()).vocab
    model, _ = tuned(vocab, ["Apple", "ROME", "unknown", "b0"], hidden=[3])
    assert len(model.layers[0].attrs["row_of_key"]) == 2
    Y = model.predict(lexemes(vocab, ["ROME", "Rome", "rome", "b0", "unknown", "b4"]))
    frozen = expected(["rome", "rome", "rome", "b0", None, "b4"])
    moved = ~np.isclose(Y, frozen @ model.get_param("W").T, atol=1e-5).all(axis=1)
    assert moved.tolist() == [True, True, True, False, False, False]
    np.testing.assert_array_equal(Y[0], Y[1])  # they share a vector
    np.testing.assert_array_equal(vocab.vectors.data, table()["data"])


def test_offsets_belong_to_words_whatever_the_order_of_the_table():
    """`Vocab.deduplicate_vectors` and `prune_vectors` number the rows anew."""
    data = table()["data"]
    nlp = make_nlp(data=np.concatenate([data[:1], data]), keys=["zebra", *KEYS])
    texts = ["apple", "zebra", "b0", "rome", "Apple", "1984"]
    model, words = tuned(nlp.vocab, texts)
    before, rows = model.predict(words), nlp.vocab.vectors.find(keys=texts)
    nlp.vocab.deduplicate_vectors()
    assert not np.array_equal(nlp.vocab.vectors.find(keys=texts), rows)
    np.testing.assert_array_equal(model.predict(words), before)
    assert not np.array_equal(before[0], before[1])  # one vector, two offsets


def test_offsets_of_floret_words():
    data = np.random.default_rng(0).standard_normal((50, WIDTH)).astype("f")
    vocab = make_nlp(data=data, mode="floret", minn=2, maxn=4, hash_count=2).vocab
    model, _ = tuned(vocab, ["Rome", "x"], hidden=[1])
    Y = model.predict(lexemes(vocab, ["Rome", "rome", "x"]))
    wanted = np.array([vocab.vectors[text] for text in ["Rome", "rome", "x"]])
    moved = ~np.isclose(Y, wanted @ model.get_param("W").T, atol=1e-5).all(axis=1)
    assert moved.tolist() == [True, False, False]


def test_save_and_load_offsets():
    vocab = make_nlp(**table()).vocab
    model, words = tuned(vocab, ["Apple", "ROME"])
    fresh = WordVectors(3, fine_tune=True).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(fresh.predict(words), model.predict(words))
