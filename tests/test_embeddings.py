"""Registered embeddings of words, alone and in the component."""

import pickle
from functools import partial

import numpy as np
import pytest
import spacy
from contract.helpers import (
    FACTORY,
    LISTENER,
    TRAIN_DATA,
    add_tiny,
    assert_knows,
    assert_same_results,
    clone,
    initialized,
    make_nlp,
    spans_of,
    tiny_model,
    train,
    train_examples,
    trained,
)
from contract.helpers import WIDTH as TAGGER_WIDTH
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vectors import Vectors
from thinc.api import fix_random_seed, set_dropout_rate
from util import (
    gradient_error,
    parameters,
    random_sum,
    zero_gradients,
)

from spacy_lstm_ner import architectures

WIDTH = 16
WORD_CHAR = "spacy_lstm_ner.WordCharEmbed.v1"
CHARS = "spacy_lstm_ner.CharEmbed.v1"
PARTS = {
    "attributes": {"attrs": ["NORM", "PREFIX", "SHAPE"], "rows": [50, 30, 20]},
    "one attribute": {"attrs": ["NORM"], "rows": [50]},
    "characters": {"attrs": [], "rows": [], "char_width": 6},
    "vectors": {"attrs": [], "rows": [], "include_static_vectors": True},
    "all": {
        "attrs": ["NORM", "SHAPE"],
        "rows": [50, 20],
        "char_width": 6,
        "include_static_vectors": True,
    },
}
# Words repeat within and across texts; no first text without a word.
EMBEDDED = ["Ada met Bob and Ada", "", "bob can't met Łódź 😀 \n and", "", "and"]
VECTOR_KEYS = ["ada", "met", "bob", "carl", "dora", "rome", "paris", "york", "0000"]

all_parts = pytest.mark.parametrize("parts", PARTS)


def with_vectors(nlp, width=7):
    """A table of lower-case words, of which names in the texts are a part."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((len(VECTOR_KEYS), width)).astype("f")
    strings = nlp.vocab.strings
    nlp.vocab.vectors = Vectors(strings=strings, data=data, keys=VECTOR_KEYS)
    return nlp


@pytest.fixture
def nlp():
    return with_vectors(spacy.blank("xx"))


@pytest.fixture
def embedded(nlp):
    """Docs; one token has a norm of its own."""
    docs = [nlp.make_doc(text) for text in EMBEDDED]
    docs[0][4].norm_ = "lovelace"
    return docs


def word_char(parts="all", *, seed=0, width=WIDTH, **settings):
    block = {"@architectures": WORD_CHAR, "width": width, **PARTS[parts], **settings}
    fix_random_seed(seed)
    return registry.resolve({"embed": block})["embed"]


def char_only(width=WIDTH):
    block = {"@architectures": CHARS, "width": width}
    fix_random_seed(0)
    return registry.resolve({"embed": block})["embed"]


def assert_close(found, expected):
    assert [y.shape for y in found] == [y.shape for y in expected]
    for y, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, e, rtol=1e-4, atol=1e-5)


def pull_maxout_apart(model):
    """For each output of the maxout layer, one piece wins by far: central differences
    must not step across the point where another piece becomes the largest."""
    (maxout,) = [node for node in model.walk() if node.name == "maxout"]
    b = maxout.get_param("b")
    winners = np.random.default_rng(0).integers(b.shape[1], size=len(b))
    b -= 30
    b[np.arange(len(b)), winners] += 30


@pytest.mark.parametrize(
    ("rate", "word_dropout", "rare_dropout"), [(0, 0, 0), (0.2, 0.4, 0), (0.2, 0, 1)]
)
def test_numeric_gradient_of_all_parts(
    monkeypatch, embedded, rate, word_dropout, rare_dropout
):
    small = partial(architectures.CharLSTM, nC=3, rows=5)
    monkeypatch.setattr(architectures, "CharLSTM", small)
    dropout = {"word_dropout": word_dropout, "rare_dropout": rare_dropout}
    model = word_char(width=4, rows=[7, 5], char_width=4, **dropout)
    model.initialize(X=embedded)
    rng = np.random.default_rng(0)
    for _, node, key in parameters(model):
        param = node.get_param(key)
        param += rng.standard_normal(param.shape).astype("f") / 3
    pull_maxout_apart(model)
    set_dropout_rate(model, rate)
    loss = random_sum()

    def run():
        fix_random_seed(0)
        return model(embedded, is_train=True)

    def value():
        return loss(run()[0])[0]

    Y, backprop = run()
    zero_gradients(model)
    assert backprop(loss(Y)[1]) == []
    names = [node.name for _, node, _ in parameters(model)]
    assert [names.count(n) for n in ("hashembed", "lstm_layer", "maxout")] == [3, 3, 2]
    assert {"word_vectors", "layernorm"} < set(names)
    assert [n.get_dim("nP") for n in model.walk() if n.name == "maxout"] == [3]
    for name, node, key in parameters(model):
        found = node.get_grad(key).copy()
        error = gradient_error(value, node.get_param(key), found, eps=2e-2)
        assert error < 1e-3, name


@all_parts
def test_each_token_as_if_it_were_alone(parts, embedded):
    model = word_char(parts).initialize(X=embedded)
    together = model.predict(embedded)
    assert [y.shape for y in together] == [(len(doc), WIDTH) for doc in embedded]
    assert_close(model.predict(embedded[::-1])[::-1], together)
    for doc, rows in zip(embedded, together, strict=True):
        for token, row in zip(doc, rows, strict=True):
            alone = Doc(doc.vocab, words=[token.text])
            alone[0].norm_ = token.norm_
            assert_close(model.predict([alone]), [row[None]])


def test_tokens_of_one_text_with_two_norms(embedded):
    first, last = embedded[0][0], embedded[0][4]
    assert first.text == last.text
    for parts, is_same in [("attributes", False), ("all", False), ("characters", True)]:
        Y = word_char(parts).initialize(X=embedded).predict(embedded)[0]
        assert np.allclose(Y[0], Y[4]) == is_same, parts


def test_each_part_tells_words_apart(nlp):
    docs = [nlp.make_doc("Ada Bob rome unknown 1999")]
    for parts in PARTS:
        (Y,) = word_char(parts).initialize(X=docs).predict(docs)
        assert len(np.unique(Y.round(4), axis=0)) == 5, parts
    (Y,) = char_only().initialize(X=docs).predict(docs)
    assert len(np.unique(Y.round(4), axis=0)) == 5


@pytest.mark.parametrize("make_embed", [word_char, char_only])
def test_training_without_tokens(make_embed, embedded):
    model = make_embed().initialize(X=embedded)
    empty = [embedded[1], embedded[3]]
    for docs in ([], empty, embedded):
        Y, backprop = model.begin_update(docs)
        assert [y.shape for y in Y] == [(len(doc), WIDTH) for doc in docs]
        assert backprop(Y) == []
    assert [y.shape for y in model.predict(empty)] == [(0, WIDTH)] * 2


@pytest.mark.parametrize("make_embed", [word_char, char_only])
def test_initialization_from_empty_docs(make_embed, embedded):
    model = make_embed().initialize(X=[embedded[1]])
    assert np.isfinite(np.concatenate(model.predict(embedded))).all()


def test_initialization_again_with_other_words(nlp, embedded):
    model = word_char().initialize(X=embedded)
    fix_random_seed(1)
    model.initialize(X=[nlp.make_doc("quite other words")])
    model.predict(embedded)


def test_dropout_of_features(embedded):
    model = word_char().initialize(X=embedded)
    still = model.predict(embedded)
    assert_close(model(embedded, is_train=True)[0], still)
    set_dropout_rate(model, 0.5)
    nodes = list(model.walk())
    rates = [n.attrs.get("dropout_rate") for n in nodes if n.name == "hashembed"]
    assert rates == [0.5, 0.5, None]  # not of the characters: the LSTM's output has one
    assert [n.attrs["dropout_rate"] for n in nodes if n.name == "dropout"] == [0.5] * 3
    Y, _ = model(embedded, is_train=True)
    assert (np.concatenate(Y) == 0).any()
    assert_close(model.predict(embedded), still)


def test_hidden_words_keep_their_parts(nlp):
    """Words of the same parts are the same when they are hidden, and only then."""
    docs = [Doc(nlp.vocab, words=["Adab", "Abab", "met", "Adab"] * 50)]
    parts = {"attrs": ["NORM", "LOWER", "ORTH", "PREFIX", "SUFFIX", "SHAPE"]}
    embed = word_char("vectors", **parts, rows=[50] * 6, word_dropout=0.5)
    model = embed.initialize(X=docs)
    for node in model.walk():
        if node.has_dim("nV") or "is_enabled" in node.attrs:
            node.attrs["dropout_rate"] = 0.0
    (visible,) = model.predict(docs)
    assert len(np.unique(visible.round(4), axis=0)) == 3
    model.attrs["dropout_rate"] = 0.1
    fix_random_seed(0)
    (Y,) = model(docs, is_train=True)[0]
    is_visible = np.isclose(Y, visible, rtol=1e-4, atol=1e-5).all(axis=1)
    assert 0.4 < is_visible.mean() < 0.6
    hidden = {}
    for token, row in zip(docs[0], Y, strict=True):
        if not is_visible[token.i]:
            hidden.setdefault(token.text, []).append(row)
    assert set(hidden) == {"Adab", "Abab", "met"}
    for rows in hidden.values():
        assert_close(rows, [rows[0]] * len(rows))
    # PREFIX is the first letter, SUFFIX the last three.
    assert not np.allclose(hidden["Adab"][0], hidden["Abab"][0], atol=1e-3)
    assert not np.allclose(hidden["Adab"][0], hidden["met"][0], atol=1e-3)


def test_hidden_words_keep_their_characters(embedded):
    model = word_char("characters", word_dropout=0.9).initialize(X=embedded)
    model.attrs["dropout_rate"] = 0.1
    assert_close(model(embedded, is_train=True)[0], model.predict(embedded))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"word_dropout": 1.0}, r"L040\] word_dropout = 1.0"),
        ({"word_dropout": -0.5}, r"L040\] word_dropout = -0.5"),
        ({"rare_dropout": -1}, r"L047\] rare_dropout = -1"),
        ({"attrs": ["NORM", "SHAP"]}, r"L041\] \['SHAP'\]"),
        ({"attrs": ["HEAD", "ENT_TYPE"]}, r"L046\].*\['HEAD', 'ENT_TYPE'\].*attrs"),
        ({"rows": [50]}, r"L044\] rows = \[50\] go with attrs = \['NORM', 'SHAPE'\]"),
        ({"rows": []}, r"L044\] rows = \[\] go with"),
        ({"attrs": []}, r"L044\].* go with attrs = \[\]"),
        ({"char_width": 5}, r"L049\].*width 5 of a word's characters"),
        ({"char_width": -2}, r"L048\] Setting 'char_width' is -2: .*at least 0"),
        ({"width": 0}, r"L048\] Setting 'width' is 0: .*at least 1"),
        ({"rows": [50, 0]}, r"L048\] Setting 'rows\[1\]' is 0: .*at least 1"),
        ({"cache_bytes": -1}, r"L048\] Setting 'cache_bytes' is -1: .*at least 0"),
    ],
)
def test_bad_settings_of_the_embedding(settings, message):
    with pytest.raises(ValueError, match=message):
        word_char("all", **settings)


def test_nothing_to_embed():
    with pytest.raises(ValueError, match=r"L044\].*something to embed"):
        word_char("characters", char_width=0)


def test_odd_width_of_the_character_embedding():
    with pytest.raises(ValueError, match=r"L049\].*5"):
        char_only(5)


def test_vectors_to_fine_tune_that_are_not_there():
    with pytest.raises(ValueError, match=r"L055\].*include_static_vectors"):
        word_char("attributes", fine_tune_vectors=True)


def test_an_attribute_may_have_two_tables(embedded):
    model = word_char("attributes", attrs=["NORM", "SHAPE", "NORM"])
    assert model.initialize(X=embedded).predict(embedded)[0].shape == (5, WIDTH)
    once = word_char("attributes", attrs=["NORM", "SHAPE"], rows=[50, 50])
    once.initialize(X=embedded)
    for each in (model, once):  # the values are counted once
        each(embedded, is_train=True)
    assert model.attrs["seen_counts"] == once.attrs["seen_counts"]


# In the component


def tok2vec_block(**settings):
    return {
        "@architectures": WORD_CHAR,
        "width": TAGGER_WIDTH,
        "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
        "rows": [200, 50, 50, 50],
        "char_width": 8,
        "include_static_vectors": True,
        "word_dropout": 0.1,
        **settings,
    }


TOK2VECS = {
    "all": tok2vec_block(),
    "characters": {"@architectures": CHARS, "width": TAGGER_WIDTH},
}
MIXED_CASE = [*(text for text, _ in TRAIN_DATA), "", "BOB met Doraa \n in 1999"]


def embedding_nlp(tok2vec="all"):
    nlp = with_vectors(spacy.blank("xx"))
    add_tiny(nlp, model=tiny_model(TOK2VECS[tok2vec]))
    return nlp


@pytest.fixture(scope="module", params=TOK2VECS)
def shared_embedding_nlp(request):
    """A trained pipeline on an embedding of words. Do not change it."""
    fix_random_seed(0)
    nlp = embedding_nlp(request.param)
    train(initialized(nlp), train_examples(nlp), steps=60, drop=0.1)
    return nlp


def test_component_learns(shared_embedding_nlp):
    assert_knows(shared_embedding_nlp, TRAIN_DATA)


def test_component_comes_back(shared_embedding_nlp, tmp_path):
    nlp = shared_embedding_nlp
    nlp.to_disk(tmp_path)
    assert_same_results(spacy.load(tmp_path), nlp, MIXED_CASE)
    copied = clone(nlp)
    assert_same_results(copied, nlp, MIXED_CASE)
    pipe = copied.get_pipe(FACTORY)
    pipe.model = pickle.loads(pickle.dumps(pipe.model))
    assert_same_results(copied, nlp, MIXED_CASE)


def test_docs_one_by_one_and_together(shared_embedding_nlp):
    nlp = shared_embedding_nlp
    together = [spans_of(doc) for doc in nlp.pipe(MIXED_CASE)]
    assert [spans_of(nlp(text)) for text in MIXED_CASE] == together


def test_every_part_of_the_embedding_is_trained():
    nlp = initialized(embedding_nlp())
    tok2vec = nlp.get_pipe(FACTORY).model.get_ref("tok2vec")
    before = [node.get_param(key).copy() for _, node, key in parameters(tok2vec)]
    train(nlp, train_examples(nlp), steps=2, drop=0.1)
    for (name, node, key), old in zip(parameters(tok2vec), before, strict=True):
        if not old.size:  # no word table comes with the package for this language
            continue
        assert not np.array_equal(node.get_param(key), old), name
    assert tok2vec.attrs["dropout_rate"] == 0.1


def test_listeners_share_the_embedding(tmp_path):
    fix_random_seed(0)
    nlp = with_vectors(spacy.blank("xx"))
    nlp.add_pipe("tok2vec", config={"model": TOK2VECS["all"]})
    for name in (FACTORY, "second"):
        add_tiny(nlp, name, model=tiny_model(LISTENER))
    trained(nlp)
    assert_knows(nlp, TRAIN_DATA)
    assert set(nlp.get_pipe("tok2vec").listener_map) == {FACTORY, "second"}
    nlp.to_disk(tmp_path)
    assert_same_results(spacy.load(tmp_path), nlp, MIXED_CASE)
    nlp.replace_listeners("tok2vec", FACTORY, ["model.tok2vec"])
    assert_knows(nlp, TRAIN_DATA)


def test_embedding_in_spacys_tok2vec():
    nlp = spacy.blank("xx")
    encode = {
        "@architectures": "spacy_lstm_ner.LSTMEncoder.v1",
        "width": TAGGER_WIDTH,
    }
    tok2vec = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": tok2vec_block(include_static_vectors=False),
        "encode": encode,
    }
    nlp.add_pipe("tok2vec", config={"model": tok2vec})
    add_tiny(nlp, model=tiny_model(LISTENER))
    assert_knows(trained(nlp), TRAIN_DATA)


def test_component_without_vectors():
    nlp = make_nlp(model=tiny_model(tok2vec_block()))
    with pytest.raises(ValueError, match=r"\[L042\]"):
        initialized(nlp)


def test_component_with_other_vectors():
    nlp = initialized(embedding_nlp())
    with_vectors(nlp, width=9)
    with pytest.raises(ValueError, match=r"\[L043\].*width 9.*width 7"):
        nlp("Ada met Bob")
