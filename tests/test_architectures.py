"""Registered encoders and the tagger: the encoder in other pipelines, other encoders in
ours."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam, Config, Model, fix_random_seed
from thinc.types import Ragged
from util import (
    parameters,
)

from spacy_lstm_ner.architectures import build_lstm_tagger, resize_output
from spacy_lstm_ner.chains.decoding import decode_best_path
from spacy_lstm_ner.chains.losses import negative_log_likelihood

WIDTH = 16
EMBED = f"""
[embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = {WIDTH}
attrs = ["NORM", "SHAPE"]
rows = [100, 50]
include_static_vectors = false
"""
LSTM_ENCODER = f"""
[encode]
@architectures = "spacy_lstm_ner.LSTMEncoder.v1"
width = {WIDTH}
depth = 2
skip = true
dropout = 0.3
"""
WINDOW_ENCODER = f"""
[encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = {WIDTH}
window_size = 1
maxout_pieces = 2
depth = 1
"""
TORCH_ENCODER = f"""
[encode]
@architectures = "spacy.TorchBiLSTMEncoder.v1"
width = {WIDTH}
depth = 1
dropout = 0.0
"""
GRU_ENCODER = LSTM_ENCODER.replace("LSTMEncoder", "GRUEncoder")
RNN_ENCODER = LSTM_ENCODER.replace("LSTMEncoder", "RNNEncoder")
# By the names of their layers.
OUR_ENCODERS = {"lstm": LSTM_ENCODER, "gru": GRU_ENCODER, "rnn": RNN_ENCODER}
ENCODERS = {**OUR_ENCODERS, "window": WINDOW_ENCODER, "torch": TORCH_ENCODER}


def resolve(text):
    return registry.resolve(Config().from_str(text))


def make_tagger(encode="lstm", nO=5):
    if encode == "torch":
        pytest.importorskip("torch", reason="needs the extra `torch`")
    fix_random_seed(0)
    embed = resolve(EMBED)["embed"]
    decode = registry.get("layers", "spacy_lstm_ner.LogSoftmax.v1")()
    return build_lstm_tagger(embed, resolve(ENCODERS[encode])["encode"], decode, nO)


@pytest.fixture
def docs():
    nlp = spacy.blank("xx")
    texts = ["Ada Lovelace met Babbage in London", "", "Yes", "She wrote to him"]
    return [nlp.make_doc(text) for text in texts]


def losses(model, docs, n_updates=12):
    """Losses of updates towards fixed tags."""
    optimizer, found = Adam(0.02), []
    n_tokens = sum(len(doc) for doc in docs)
    allowed = np.zeros((n_tokens, model.get_dim("nO")), dtype=bool)
    allowed[np.arange(n_tokens), np.arange(n_tokens) % 2] = True  # O B-0 O B-0 ...
    for _ in range(n_updates):
        chain, backprop = model.begin_update(docs)
        loss, d_chain = negative_log_likelihood(chain, allowed)
        backprop(d_chain)
        model.finish_update(optimizer)
        found.append(loss)
    return found


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_encoder_is_registered_with_its_defaults(name):
    encode = resolve(f"""
    [encode]
    @architectures = "spacy_lstm_ner.{name}Encoder.v1"
    width = {WIDTH}
    """)["encode"]
    assert encode.get_dim("nO") == WIDTH
    layer_name = f"{name.lower()}_layer"
    (layer,) = [node for node in encode.walk() if node.name == layer_name]
    assert layer.get_dim("nD") == 2
    assert layer.attrs["settings"].grad_clip is None
    settings = encode.attrs["settings"]
    assert settings.rates == (None, None)
    assert settings.recurrent_dropout == 0
    assert not settings.skip


@pytest.mark.parametrize("name", OUR_ENCODERS)
def test_encoder_passes_its_settings_on(name):
    encode = resolve(
        OUR_ENCODERS[name].replace("0.3", "0.25")
        + "bidirectional = false\ngrad_clip = 5.0\nrecurrent_dropout = 0.125\n"
        + "input_dropout = 0.5\noutput_dropout = 0.75"
    )["encode"]
    layers = [node for node in encode.walk() if node.name == f"{name}_layer"]
    assert [layer.get_dim("nD") for layer in layers] == [1, 1]
    assert [layer.attrs["settings"].grad_clip for layer in layers] == [5.0, 5.0]
    settings = encode.attrs["settings"]
    assert settings.skip
    assert settings.rates == (0.5, 0.25, 0.75)
    assert settings.recurrent_dropout == 0.125


def initial_layer(encode):
    """The first recurrent layer of an encoder, initialized."""
    X = [np.ones((2, WIDTH), dtype="f")]
    model = resolve(encode)["encode"].initialize(X=X)
    return next(node for node in model.walk() if "cell" in node.attrs)


def test_forget_bias():
    layer = initial_layer(LSTM_ENCODER + "forget_bias = 3.5")
    np.testing.assert_array_equal(layer.get_param("b")[2], 3.5)


def test_identity_network():
    layer = initial_layer(
        RNN_ENCODER + 'activation = "relu"\ninit = "identity"\nbidirectional = false'
    )
    np.testing.assert_array_equal(layer.get_param("Wh"), [[np.eye(WIDTH)]])
    layer.set_param("Wx", np.eye(WIDTH, dtype="f")[None, None])
    X = np.linspace(-1, 1, WIDTH, dtype="f")[None]
    Y = layer.predict(Ragged(X, np.array([1], dtype="i"))).dataXd
    np.testing.assert_array_equal(Y, np.maximum(X, 0))


def test_bad_setting_in_a_config():
    with pytest.raises(ValueError, match=r"\[L001\].*depth = 0"):
        resolve(LSTM_ENCODER.replace("depth = 2", "depth = 0"))


@pytest.mark.parametrize("name", OUR_ENCODERS)
def test_encoder_in_spacys_tagger(name):
    tok2vec = f"""
    [model]
    @architectures = "spacy.Tagger.v2"
    [model.tok2vec]
    @architectures = "spacy.Tok2Vec.v2"
    {EMBED.replace("[embed]", "[model.tok2vec.embed]")}
    {OUR_ENCODERS[name].replace("[encode]", "[model.tok2vec.encode]")}
    """
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("tagger", config=Config().from_str(tok2vec))
    examples = [
        Example.from_dict(nlp.make_doc("She reads books"), {"tags": ["P", "V", "N"]}),
        Example.from_dict(nlp.make_doc("Books"), {"tags": ["N"]}),
        Example.from_dict(nlp.make_doc(""), {"tags": []}),
    ]
    optimizer = nlp.initialize(lambda: examples)
    encoder = [n for n in nlp.get_pipe("tagger").model.walk() if "cell" in n.attrs]
    assert len(encoder) == 2
    before = [layer.get_param("Wh").copy() for layer in encoder]
    for _ in range(2):
        found = {}
        nlp.update(examples, sgd=optimizer, drop=0.2, losses=found)
        assert np.isfinite(found["tagger"])
    for layer, Wh in zip(encoder, before, strict=True):
        assert not np.array_equal(layer.get_param("Wh"), Wh)
    reads = nlp("She reads books")
    assert {token.tag_ for token in reads} <= {"P", "V", "N"}
    assert len(nlp("")) == 0


@pytest.mark.parametrize("encode", ENCODERS)
def test_any_encoder_learns_in_our_tagger(encode, docs):
    model = make_tagger(encode)
    model.initialize(X=docs)
    found = losses(model, docs)
    assert np.isfinite(found).all()
    assert found[-1] < found[0] / 2


@pytest.mark.parametrize("encode", ENCODERS)
def test_empty_docs(encode, docs):
    model = make_tagger(encode)
    model.initialize(X=docs)
    chain = model.predict(docs)
    assert chain.lengths.tolist() == [6, 0, 1, 4]
    assert chain.emit.shape == (11, 5)
    without_empty = model.predict([doc for doc in docs if len(doc)])
    np.testing.assert_allclose(chain.emit, without_empty.emit, rtol=1e-4, atol=1e-5)


def test_only_empty_docs(docs):
    # Prediction alone: spaCy's embedding has no backward pass without a token.
    model = make_tagger()
    model.initialize(X=docs)
    chain = model.predict([docs[1], docs[1]])
    assert chain.emit.shape == (0, 5)
    assert len(decode_best_path(chain).start) == 0


def test_refs_and_fast_products():
    model = make_tagger()
    tok2vec, encode, decode = model.layers
    assert model.get_ref("tok2vec") is tok2vec
    assert model.get_ref("output_layer") is decode
    assert encode.get_dim("nO") == WIDTH
    assert not any(getattr(node.ops, "use_blis", False) for node in model.walk())


@pytest.mark.parametrize("nO", [None, 5])
def test_number_of_tags_before_the_weights(nO, docs):
    model = make_tagger(nO=nO)
    assert model.has_dim("nO") is (True if nO else None)
    resize_output(model, 7)
    model.initialize(X=docs)
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == 7
    assert model.predict(docs).emit.shape == (11, 7)


def test_resize_output(docs):
    model = make_tagger()
    model.initialize(X=docs)
    losses(model, docs)
    before = decode_best_path(model.predict(docs))
    assert len(before.start)
    model.attrs["resize_output"](model, 9)
    assert model.get_dim("nO") == 9
    assert model.layers[-1] is model.get_ref("output_layer")
    after = decode_best_path(model.predict(docs))
    for name in ("sequence", "start", "end", "label"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    found = losses(model, docs)
    assert np.isfinite(found).all()
    decoder: Model = model.get_ref("output_layer")
    resize_output(model, 9)
    assert model.get_ref("output_layer") is decoder


def test_save_and_load(docs):
    model, other = make_tagger(), make_tagger()
    for each in (model, other):
        each.initialize(X=docs)
    losses(model, docs)
    other.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(other.predict(docs).emit, model.predict(docs).emit)
    assert len(parameters(other)) == len(parameters(model))
