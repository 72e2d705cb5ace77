"""The vanishing-gradient lab: gradients against products of Jacobians written out, the
task of recall, the picture and the command."""

import json
import sys
from itertools import islice

import numpy as np
import pytest
import spacy
from cli.helpers import lstm_ner
from spacy.tokens import Doc
from thinc.api import Linear, fix_random_seed, with_array

from spacy_lstm_ner.architectures import (
    build_lstm_tagger,
    build_rnn_encoder,
    build_word_char_embed,
)
from spacy_lstm_ner.course.lab import (
    N_STEPS,
    Decay,
    Probe,
    gradient_decay,
    gradient_encoders,
    hidden_gradient_norms,
    measure_gradients,
    measure_recall,
    recall_encoders,
)
from spacy_lstm_ner.layers.decoders import LogSoftmax
from spacy_lstm_ner.reports.plots import draw_decay

SENTENCE = "Sharon B-per\nflew O\nto O\nMiami B-geo\nlast O\nFriday B-tim\n. O\n\n"
OTHER = "No O\none O\nin O\nNew B-geo\nYork I-geo\nknows O\n\n"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text((SENTENCE + OTHER) * 20, encoding="utf8")
    return path


def make_tagger(encode, n_tags=3):
    """A small tagger and two texts, of different lengths."""
    embed = build_word_char_embed(3, ["NORM", "SHAPE"], rows=[50, 50])
    tagger = build_lstm_tagger(embed, encode, LogSoftmax(), nO=n_tags, window=None)
    vocab = spacy.blank("xx").vocab
    docs = [
        Doc(vocab, words=words.split()) for words in ("a b c d e f g", "p q r s t u")
    ]
    tagger.initialize(X=docs)
    return tagger, [Probe(docs[0], 1), Probe(docs[1], 2)]


def rnn(layer, X):
    """Outputs of a plain network, and its weights."""
    Wx, Wh, b = (layer.get_param(name)[0, 0] for name in ("Wx", "Wh", "b"))
    H, h = [], np.zeros(len(Wh))
    for x in X:
        h = np.tanh(x @ Wx + h @ Wh + b)
        H.append(h)
    return np.array(H), Wx, Wh


def through_time(direct, H, Wh):
    """dL/dh of all steps: the direct part, and the product formula."""
    dH = np.array(direct, dtype="d")
    for t in range(len(H) - 1, 0, -1):
        jacobian = np.diag(1 - H[t] ** 2) @ Wh.T
        dH[t - 1] += dH[t] @ jacobian
    return dH


def gradient_at_last(tagger, outputs, tag):
    decode = tagger.get_ref("output_layer")
    W, b = decode.get_param("W"), decode.get_param("b")
    scores = W @ outputs[-1] + b
    p = np.exp(scores) / np.exp(scores).sum()
    direct = np.zeros_like(outputs)
    direct[-1] = (p - np.eye(len(p))[tag]) @ W
    return direct


@pytest.mark.parametrize("n_layers", [1, 2])
def test_norms_are_those_of_the_product_of_jacobians(n_layers):
    fix_random_seed(0)
    skip = n_layers == 2
    encode = build_rnn_encoder(3, depth=n_layers, bidirectional=False, skip=skip)
    tagger, probes = make_tagger(encode)
    found = hidden_gradient_norms(tagger, encode, probes, n_steps=5)
    layers = [node for node in encode.walk() if "cell" in node.attrs]
    for probe, norms in zip(probes, found, strict=True):
        (X,) = tagger.get_ref("tok2vec").predict([probe.doc])
        H, _, Wh = rnn(layers[0], X)
        if skip:
            Z = H + X  # what the second layer reads
            H2, Wx2, Wh2 = rnn(layers[1], Z)
            direct = gradient_at_last(tagger, H2 + Z, probe.tag)
            dH2 = through_time(direct, H2, Wh2)
            direct = direct + (dH2 * (1 - H2**2)) @ Wx2.T
        else:
            direct = gradient_at_last(tagger, H, probe.tag)
        dH = through_time(direct, H, Wh)
        expected = np.linalg.norm(dH, axis=1)[::-1][:6]
        np.testing.assert_allclose(norms, expected, rtol=1e-4)


def test_decay_is_the_median_of_ratios():
    encode = build_rnn_encoder(3, bidirectional=False)
    tagger, probes = make_tagger(encode)
    norms = hidden_gradient_norms(tagger, encode, probes, n_steps=4)
    expected = (norms / norms[:, :1]).mean(axis=0)  # of two, it is the median
    np.testing.assert_allclose(gradient_decay(tagger, encode, probes, 4), expected)
    assert expected[0] == 1


def test_a_tag_of_probability_one_has_no_decay():
    encode = build_rnn_encoder(3, bidirectional=False)
    tagger, probes = make_tagger(encode)
    decode = tagger.get_ref("output_layer")
    decode.set_param("b", np.array([0, 1000, 0], dtype="f"))
    assert [probe.tag for probe in probes] == [1, 2]
    certain, other = hidden_gradient_norms(tagger, encode, probes, 4)
    assert not certain.any()
    found = gradient_decay(tagger, encode, probes, 4)
    np.testing.assert_allclose(found, other / other[0], rtol=1e-6)


def test_no_text_of_the_measurement_is_trained_on(tmp_path):
    """The word and the label of the last fifth of the texts occur in no other: a tagger
    that never sees them in training does not find them."""
    path = tmp_path / "train.conll"
    sentences = ["a O\n" * 10 + "\n"] * 19 + ["b B-per\n" * 10 + "\n"] * 6
    path.write_text("".join(sentences), encoding="utf8")
    encoders = {"RNN": gradient_encoders(8)["RNN"]}
    (decay,) = measure_gradients(
        path, encoders=encoders, n_steps=9, updates=40
    ).values()
    assert decay.accuracy < 0.5


def test_the_tagger_stays_as_it_is():
    encode = build_rnn_encoder(4, depth=2, bidirectional=False)
    tagger, probes = make_tagger(encode)
    before = tagger.to_bytes()
    hidden_gradient_norms(tagger, encode, probes, n_steps=5)
    assert tagger.to_bytes() == before
    assert not any(node.has_grad(n) for node in tagger.walk() for n in node.grad_names)


def test_gradients_before_and_after_training(corpus):
    names = ("RNN", "RNN, clipping", "LSTM")
    encoders = {name: gradient_encoders(8)[name] for name in names}
    settings = {"encoders": encoders, "n_steps": 9}
    trained = measure_gradients(corpus, updates=25, **settings)
    untrained = measure_gradients(corpus, updates=0, **settings)
    assert list(trained) == list(names)
    for name, decay in trained.items():
        assert len(decay.before) == len(decay.after) == 10
        assert decay.before == untrained[name].before == untrained[name].after
        assert decay.before[0] == decay.after[0] == 1
        assert decay.before != decay.after
        assert untrained[name].accuracy < decay.accuracy
    assert trained["RNN"] == trained["RNN, clipping"]  # nothing exceeds the limit
    assert trained["RNN"] != trained["LSTM"]
    assert measure_gradients(corpus, updates=25, **settings) == trained
    other = measure_gradients(corpus, updates=0, seed=1, **settings)
    assert other["RNN"] != untrained["RNN"]


@pytest.mark.parametrize("name", gradient_encoders())
def test_networks_are_what_their_names_say(name):
    encode = gradient_encoders(6)[name]()
    (first, *others) = [node for node in encode.walk() if "cell" in node.attrs]
    assert first.attrs["settings"].grad_clip == (25.0 if "clipping" in name else None)
    assert len(others) == ("skips" in name)
    assert encode.attrs["settings"].skip == ("skips" in name)
    assert first.attrs["cell"].name == name.split(",")[0].split()[-1].lower()
    assert getattr(first.attrs["cell"], "init", None) == (
        "identity" if "identity" in name else "orthogonal" if "RNN" in name else None
    )


def test_all_recall_a_word_of_three_steps_ago():
    settings = {"n_steps": 3, "n_classes": 4, "learn_rates": [0.003]}
    for name, by_rate in measure_recall(updates=200, **settings).items():
        assert by_rate[0.003] > 0.95, name
    encoders = dict(islice(recall_encoders().items(), 1))
    (by_rate,) = measure_recall(encoders=encoders, updates=0, **settings).values()
    assert by_rate[0.003] < 0.6  # there is nothing in the test that gives it away


def test_without_memory_nothing_is_recalled():
    encoders = {"dense": lambda: with_array(Linear(64, 64))}
    settings = {"n_steps": 3, "n_classes": 4, "learn_rates": [0.003]}
    (by_rate,) = measure_recall(encoders=encoders, updates=200, **settings).values()
    assert by_rate[0.003] < 0.35


def test_a_corpus_that_is_too_small(tmp_path):
    path = tmp_path / "small.conll"
    path.write_text(SENTENCE * 10, encoding="utf8")  # 70 tokens
    with pytest.raises(ValueError, match=r"L212.*small\.conll.*make 1 text.*after 50"):
        measure_gradients(path, updates=0)
    # There are enough tokens, but it is not known what they are.
    path.write_text("x -\n" * 400, encoding="utf8")
    with pytest.raises(ValueError, match=r"L212.*make 0 text"):
        measure_gradients(path, updates=0)
    path.write_text("x O\n\n" * 400, encoding="utf8")
    with pytest.raises(ValueError, match=r"L220.*small\.conll"):
        measure_gradients(path, updates=0)


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="needs the extra `plots`")


def test_picture(matplotlib, monkeypatch, tmp_path):
    from matplotlib.figure import Figure  # noqa: PLC0415

    figures, savefig = [], Figure.savefig

    def keep(figure, *args, **kwargs):
        figures.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    decays = {
        "fades": Decay([1, 0.5, 0.1], [1, 1e-4, 1e-9], 0.9),
        "stays": Decay([1, 0.9, 0.8], [1, 0.7, 0.5], 0.8),
    }
    for name in "ab":
        draw_decay(decays, tmp_path / f"{name}.svg", title="demo $")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    before, after = figures[0].axes
    for axes, part in ((before, "before"), (after, "after")):
        assert axes.get_yscale() == "log"
        assert axes.get_title() == f"{part} training"
        drawn = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
        assert drawn == {n: list(getattr(d, part)) for n, d in decays.items()}
    labels = [text.get_text() for text in after.get_legend().get_texts()]
    assert labels == ["stays", "fades"]  # as the lines end, from above


def test_command(matplotlib, corpus, tmp_path, capsys):
    folder = tmp_path / "new" / "lab"
    args = [str(folder), "--corpus", str(corpus), "--updates", "1", "--seed", "3"]
    assert lstm_ner("lab", *args) == 0
    out = capsys.readouterr().out
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["gradients.json", "gradients.svg", "recall.json"]
    gradients = json.loads((folder / "gradients.json").read_text(encoding="utf8"))
    assert (gradients["updates"], gradients["seed"]) == (1, 3)
    assert list(gradients["networks"]) == list(gradient_encoders())
    for name, decay in gradients["networks"].items():
        assert len(decay["before"]) == len(decay["after"]) == N_STEPS + 1
        figures = [f"{decay[part][30]:.1e}" for part in ("before", "after")]
        row = [name, *figures, f"{decay['accuracy']:.3f}"]
        assert " ".join(row).split() in [line.split() for line in out.splitlines()]
        # None of the smallest numbers was rounded.
        assert 0 < decay["before"][-1] != round(decay["before"][-1], 12)
    recall = json.loads((folder / "recall.json").read_text(encoding="utf8"))
    assert recall["steps"] == 40
    assert list(recall["accuracy"]) == list(recall_encoders())
    for name, by_rate in recall["accuracy"].items():
        row = [name, *(f"{share:.3f}" for share in by_rate.values())]
        assert " ".join(row).split() in [line.split() for line in out.splitlines()]


def test_command_without_matplotlib(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert lstm_ner("lab", str(tmp_path / "out"), "--corpus", str(corpus)) == 1
    assert "L205" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
