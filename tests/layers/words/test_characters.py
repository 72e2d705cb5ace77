"""Words by characters: gradients by central differences, vectors against PyTorch."""

import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Adam, fix_random_seed
from util import (
    gradient_error,
    parameters,
    random_sum,
    torch_recurrent,
    zero_gradients,
)

from spacy_lstm_ner.layers.words.characters import CharCNN, CharLSTM
from spacy_lstm_ner.layers.words.distinct import Lexemes, per_lexeme

# float32 against central differences.
NUMERIC = 1e-3
# float32 against float32: rounding of sums in another order.
SAME = {"rtol": 1e-5, "atol": 1e-6}

SCRIPTS = ["a", "Ann", "ann", "Łódź", "日本", "नमस्ते", "שלום", "😀"]
SCRIPTS += ["👩\u200d👧", "e\u0301", "\u00e9"]  # the last two look the same
SPACES = [" ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u200b", "\0"]


both_kinds = pytest.mark.parametrize("kind", [CharLSTM, CharCNN])


def lexemes(texts):
    """Words as `per_lexeme` gives them."""
    vocab = Vocab()
    orths = np.array([vocab.strings.add(text) for text in texts], dtype="uint64")
    attrs = np.zeros((len(texts), 0), dtype="uint64")
    return Lexemes(orths, attrs, np.zeros(len(texts), dtype=bool), vocab)


def make(nO=4, *, seed=0, kind=CharLSTM, **settings):
    fix_random_seed(seed)
    model = kind(nO, **settings).initialize()
    for _, node, key in parameters(model):
        # Zero biases would hide a swapped gate, small vectors a lost one.
        param = node.get_param(key)
        noise = np.random.default_rng(seed).standard_normal(param.shape) / 3
        node.set_param(key, param + noise.astype("f"))
    return model


def with_long_memory(model):
    """The forget gates of the LSTM wide open, so that distant characters matter."""
    (lstm,) = model.layers[1].layers
    b = lstm.get_param("b").copy()
    b[2] = 5
    lstm.set_param("b", b)
    return model


def vectors_of(model, texts):
    return model.predict(lexemes(texts))


def assert_all_differ(rows):
    for i, row in enumerate(rows):
        others = np.delete(rows, i, axis=0)
        assert np.abs(others - row).max(axis=1).min() > 1e-5, i


@both_kinds
def test_numeric_gradient(kind):
    # The last words are cut; characters repeat within and across words.
    words = lexemes(["abba", "a", "Łódź", "😀b", "ab" * 31, "\n"])
    model = make(nC=3, rows=7, kind=kind)
    loss = random_sum()

    def value():
        return loss([model(words, True)[0]])[0]

    Y, backprop = model(words, True)
    zero_gradients(model)
    assert backprop(loss([Y])[1][0]) == []
    assert len(parameters(model)) == {CharLSTM: 4, CharCNN: 3}[kind]
    for name, node, key in parameters(model):
        found = node.get_grad(key).copy()
        # A larger step may change which value of the convolution is the largest.
        eps = {CharLSTM: 3e-2, CharCNN: 3e-3}[kind]
        error = gradient_error(value, node.get_param(key), found, eps)
        assert error < NUMERIC, name


@pytest.mark.parametrize("nO", [2, 6])
def test_states_against_pytorch(nO):
    torch = pytest.importorskip("torch", reason="needs the extra `torch`")
    model = with_long_memory(make(nO, nC=5))
    embed, (lstm,) = model.layers[0], model.layers[1].layers
    reference = torch_recurrent([lstm])
    texts = [*SCRIPTS, *SPACES, "xy" * 30, "yx" * 29 + "y"]
    for text, found in zip(texts, vectors_of(model, texts), strict=True):
        codes = np.array([[ord(char)] for char in text], dtype="uint64")
        with torch.no_grad():
            states = reference(torch.from_numpy(embed.predict(codes)))[0].numpy()
        assert len(states) == len(text)
        last_forward, first_backward = states[-1, : nO // 2], states[0, nO // 2 :]
        expected = np.concatenate([last_forward, first_backward])
        np.testing.assert_allclose(found, expected, **SAME, err_msg=repr(text))


def test_convolution_against_pytorch():
    torch = pytest.importorskip("torch", reason="needs the extra `torch`")
    model = make(6, nC=5, kind=CharCNN)
    embed, (linear,) = model.layers[0], [n for n in model.walk() if n.name == "linear"]
    W = linear.get_param("W").reshape(6, 3, 5).transpose(0, 2, 1)  # O, C, window
    weight, bias = (torch.from_numpy(x.copy()) for x in (W, linear.get_param("b")))
    texts = [*SCRIPTS, *SPACES, "xy" * 30]
    for text, found in zip(texts, vectors_of(model, texts), strict=True):
        codes = np.array([[ord(char)] for char in text], dtype="uint64")
        X = torch.from_numpy(embed.predict(codes).T.copy())
        Y = torch.nn.functional.conv1d(X, weight, bias, padding=1)
        expected = Y.max(dim=1).values.numpy()
        np.testing.assert_allclose(found, expected, **SAME, err_msg=repr(text))


@both_kinds
def test_training_and_prediction_agree(kind):
    model, words = make(kind=kind), lexemes([*SCRIPTS, "x" * 200])
    Y, _ = model(words, is_train=True)
    assert Y.dtype == "float32"
    np.testing.assert_allclose(model.predict(words), Y, **SAME)


@both_kinds
def test_word_does_not_depend_on_others(kind):
    model = make(8, kind=kind)
    texts = [*SCRIPTS, "y" * 61, *SPACES]
    together = vectors_of(model, texts)
    np.testing.assert_allclose(vectors_of(model, texts[::-1])[::-1], together, **SAME)
    for text, expected in zip(texts, together, strict=True):
        np.testing.assert_allclose(vectors_of(model, [text])[0], expected, **SAME)


@both_kinds
def test_characters_of_all_scripts_and_white_space_are_told_apart(kind):
    assert_all_differ(vectors_of(make(8, kind=kind), [*SCRIPTS, *SPACES]))


def test_order_case_and_length_matter():
    assert_all_differ(vectors_of(make(8), ["ab", "ba", "Ab", "AB", "aab", "abb", "a"]))


def random_characters(length):
    return np.random.default_rng(0).choice(list("abcdefgh😀"), length).tolist()


def variants(chars, places):
    """The word, and what it is with another character at each of some places."""
    changed = ["".join([*chars[:i], "Z", *chars[i + 1 :]]) for i in places]
    return ["".join(chars), *changed]


@pytest.mark.parametrize("length", [59, 60])
def test_words_of_up_to_sixty_characters_are_read_whole(length):
    chars = random_characters(length)
    words = variants(chars, [0, 15, 28, 29, 30, 31, 45, length - 1])
    assert_all_differ(vectors_of(with_long_memory(make(8)), words))


@pytest.mark.parametrize("length", [61, 5000])
def test_both_ends_of_longer_words_are_read(length):
    model, chars = with_long_memory(make(8)), random_characters(length)
    ends = [0, 15, 29, length - 30, length - 15, length - 1]
    Y = vectors_of(model, variants(chars, ends))
    assert_all_differ(Y)
    for row in vectors_of(model, variants(chars, [30, length // 2, length - 31])):
        np.testing.assert_allclose(row, Y[0], **SAME)
    (shorter,) = vectors_of(model, ["".join(chars[:30] + chars[-30:])])
    np.testing.assert_allclose(shorter, Y[0], **SAME)


def test_no_words():
    assert vectors_of(make(), []).shape == (0, 4)


@pytest.mark.parametrize("nO", [5, 0, -2])
def test_width_out_of_range(nO):
    with pytest.raises(ValueError, match=rf"\[L002\].*{nO}"):
        CharLSTM(nO)


def test_settings_reach_the_parts():
    embed, states = CharLSTM(6, nC=5, rows=11).layers
    (lstm,) = states.layers
    assert embed.get_dim("nO") == lstm.get_dim("nI") == 5
    assert lstm.get_dim("nO") == 6
    assert [n.get_dim("nV") for n in embed.walk() if n.has_dim("nV")] == [11]


@both_kinds
def test_callers_arrays_stay(kind):
    model = make(kind=kind)
    Y, backprop = model(lexemes(["ab", "c"]), is_train=True)
    Y_before, dY = Y.copy(), np.ones_like(Y)
    backprop(dY)
    np.testing.assert_array_equal(dY, 1)
    np.testing.assert_array_equal(Y, Y_before)


@both_kinds
def test_save_and_load(kind):
    model, other = make(seed=1, kind=kind), make(seed=2, kind=kind)
    words = lexemes(SCRIPTS)
    assert not np.allclose(other.predict(words), model.predict(words))
    other.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(other.predict(words), model.predict(words))
    fresh = kind(4).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(fresh.predict(words), model.predict(words))


def test_learns_a_word_by_both_of_its_ends():
    """Words that differ in their first and their last letter alone."""
    vocab = Vocab()
    doc = Doc(vocab, words=[a + "mmmmmmmm" + b for a in "xy" for b in "uv"])
    targets = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype="f") / 2
    fix_random_seed(0)
    model = per_lexeme(CharLSTM(8, nC=8), attrs=[]).initialize(X=[doc])
    optimizer = Adam(0.02)
    for _ in range(100):
        (Y,), backprop = model.begin_update([doc])
        dY = np.zeros_like(Y)
        dY[:, [0, 4]] = Y[:, [0, 4]] - targets  # a forward and a backward state
        backprop([dY])
        model.finish_update(optimizer)
    (Y,) = model.predict([doc])
    np.testing.assert_allclose(Y[:, [0, 4]], targets, atol=0.1)
