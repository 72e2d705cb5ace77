"""Word vectors trained on raw text, and what makes use of them."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from cli.helpers import lstm_ner, message
from fresh import run_fresh_spacy
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import convert_vectors, init_nlp
from spacy.vocab import Vocab
from test_configs import ALL_CONFIGS, load_for

from spacy_lstm_ner.data.word2vec import MODELS, train_word2vec

# Two topics that share no word.
TOPICS = [[f"{topic}{i}" for i in range(30)] for topic in ("city", "animal")]


def make_docs(n: int = 400) -> list[Doc]:
    """Texts of one topic each."""
    rng, vocab = np.random.default_rng(0), Vocab()
    texts = [rng.choice(TOPICS[i % 2], size=10).tolist() for i in range(n)]
    return [Doc(vocab, words=words) for words in texts]


def needs_gensim() -> None:
    pytest.importorskip("gensim", reason="needs the extra `word2vec`")


def read(path: Path) -> dict[str, np.ndarray]:
    """The vectors of a file, by word."""
    head, *lines = path.read_text(encoding="utf8").splitlines()
    rows = [line.split(" ") for line in lines]
    assert head == f"{len(rows)} {len(rows[0]) - 1}"
    return {word: np.array(values, dtype="f") for word, *values in rows}


def train(docs: list[Doc], path: Path, **settings) -> dict[str, np.ndarray]:
    n_words = train_word2vec(docs, path, **{"width": 8, **settings})
    vectors = read(path)
    assert n_words == len(vectors)
    return vectors


@pytest.mark.parametrize("model", MODELS)
def test_words_of_a_topic_are_near(model: str, tmp_path: Path):
    needs_gensim()
    vectors = train(make_docs(), tmp_path / "v.vec", model=model)
    unit_WI = np.array([vectors[word] for topic in TOPICS for word in topic])
    unit_WI /= np.linalg.norm(unit_WI, axis=1, keepdims=True)
    cosine_WW = unit_WI @ unit_WI.T
    same = cosine_WW[:30, :30].mean(), cosine_WW[30:, 30:].mean()
    assert min(same) > cosine_WW[:30, 30:].mean() + 0.5


def test_models_differ(tmp_path: Path):
    needs_gensim()
    cbow, skipgram = (
        train(make_docs(), tmp_path / model, model=model) for model in MODELS
    )
    assert not np.allclose(cbow["city0"], skipgram["city0"])


def test_words_are_in_lower_case_and_without_blanks(tmp_path: Path):
    needs_gensim()
    doc = Doc(Vocab(), words=["Rome", "\n", "ROME", "two words", " ", "#é", "once"])
    vectors = train([doc, doc[:6].as_doc()], tmp_path / "v.vec", min_count=2)
    assert set(vectors) == {"rome", "#é"}


def test_no_part_of_a_long_text_is_dropped(tmp_path: Path):
    needs_gensim()
    words = [f"word{i % 2000}" for i in range(10_000)]
    doc = Doc(Vocab(), words=[*words, *["last", "words"] * 10])
    once, more = (
        train([doc], tmp_path / str(epochs), epochs=epochs)["last"] for epochs in (1, 3)
    )
    assert not np.allclose(once, more, atol=1e-4)


def test_same_seed_same_vectors_in_another_process(tmp_path: Path):
    needs_gensim()
    data = tmp_path / "data.spacy"
    DocBin(docs=make_docs(20)).to_disk(data)
    outputs = [tmp_path / f"{i}.vec" for i in range(3)]
    commands = [
        ["word2vec", str(data), str(output), "--seed", seed, "--width", "4"]
        for output, seed in zip(outputs, "112", strict=True)
    ]
    run_fresh_spacy("lstm-ner", *commands[0])
    assert all(lstm_ner(*command) == 0 for command in commands[1:])
    first, again, other = (path.read_bytes() for path in outputs)
    assert first == again != other


def test_command_reads_texts_and_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    needs_gensim()
    lines, jsonl = tmp_path / "lines.txt", tmp_path / "texts.jsonl"
    data, output = tmp_path / "data.spacy", tmp_path / "new" / "vectors.vec"
    lines.write_text("She can't go.\n\nGo, #Sharon!\n", encoding="utf8")
    srsly.write_jsonl(jsonl, [{"text": "To Miami."}])
    DocBin(docs=[Doc(Vocab(), words=["#Sharon", "can't"])]).to_disk(data)
    args = ["word2vec", *map(str, (lines, jsonl, data, output))]
    settings = ["--model", "cbow", "--width", "3", "--min-count", "1", "--epochs", "1"]
    assert lstm_ner(*args, *settings) == 0
    assert "13 vectors, from 15 tokens" in capsys.readouterr().out
    words = "she ca n't go . , # sharon ! to miami #sharon can't"
    assert set(read(output)) == set(words.split())


def test_careless_use_gets_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    needs_gensim()
    text, output = tmp_path / "text.txt", tmp_path / "out.vec"
    text.write_text("a b c\n", encoding="utf8")
    for inputs, last, expected in (
        (text, text.with_suffix(".jsonl"), "L201.*'.vec'"),
        (text, tmp_path / "more.txt", "L201.*'.vec'"),
        (text, output, r"L211.*3 words.*none occurs 2 times.*--min-count"),
        (tmp_path / "missing.spacy", output, "L202.*missing"),
        (tmp_path / "missing.txt", output, "missing"),
    ):
        assert lstm_ner("word2vec", str(inputs), str(last)) == 1
        assert re.search(expected, message(capsys))
        assert not last.exists()


@pytest.mark.parametrize("name", ["width", "window", "min-count", "epochs"])
def test_settings_are_positive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    text, output = tmp_path / "text.txt", tmp_path / "out.vec"
    text.write_text("a b c\n", encoding="utf8")
    assert lstm_ner("word2vec", str(text), str(output), f"--{name}", "0") == 1
    expected = rf"L048\] Setting '{name.replace('-', '_')}' is 0: expected at least 1"
    assert re.search(expected, message(capsys))


def test_gensim_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    text = tmp_path / "text.txt"
    text.write_text("a b c\n", encoding="utf8")
    assert lstm_ner("word2vec", str(text), str(tmp_path / "out.vec")) == 1
    assert 'pip install "spacy-lstm-ner[word2vec]"' in message(capsys)


def test_vectors_reach_the_tagger(tmp_path: Path):
    needs_gensim()
    words, text = ["sharon", "flew", "to", "miami"], tmp_path / "vectors.vec"
    vectors = train([Doc(Vocab(), words=words)] * 2, text)
    imported = spacy.blank("en")
    convert_vectors(
        imported, text, truncate=-1, prune=-1
    )  # what spacy init vectors does
    imported.to_disk(tmp_path / "imported")
    path = next(path for path in ALL_CONFIGS if path.stem == "vectors")
    config = load_for(path, tmp_path, {"paths.vectors": str(tmp_path / "imported")})
    nlp = init_nlp(config)
    tok2vec = nlp.get_pipe("lstm_ner").model.get_ref("tok2vec")
    (layer,) = (node for node in tok2vec.walk() if node.name == "word_vectors")
    assert layer.get_dim("nM") == 8
    known, unknown = (nlp.vocab[word].vector for word in ("miami", "left"))
    np.testing.assert_allclose(known, vectors["miami"], atol=1e-6)
    assert not unknown.any()
