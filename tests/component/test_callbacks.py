"""spaCy's pretraining on raw text, and training from what it has learned."""

from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.attrs import NORM
from spacy.language import Language
from spacy.strings import get_string_id
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.training.pretrain import pretrain
from test_configs import ALL_CONFIGS, SENTENCES, load_for
from thinc.api import Config, Model

from spacy_lstm_ner.component.callbacks import make_forget_raw_text

PATHS = {path.stem: path for path in ALL_CONFIGS}
TEXTS = [" ".join(words) for words, _ in SENTENCES]


def own_layers(folder: Path, raw_text: Path) -> Config:
    """The component has layers of its own."""
    return load_for(PATHS["pretrain"], folder, {"paths.raw_text": str(raw_text)})


def shared_layers(folder: Path, raw_text: Path) -> Config:
    """The component listens to a tok2vec."""
    config = load_for(PATHS["listener"], folder)
    of_pretrain = own_layers(folder, raw_text).interpolate()
    config["corpora"]["pretrain"] = of_pretrain["corpora"]["pretrain"]
    where = {"component": "tok2vec", "layer": ""}
    config["pretraining"] = {**of_pretrain["pretraining"], **where}
    config["initialize"]["after_init"] = of_pretrain["initialize"]["after_init"]
    return config


def pretrained_layers(nlp: Language) -> Model:
    """The layers that are pretrained: those with parameters below the tagger's own."""
    if nlp.has_pipe("tok2vec"):
        return nlp.get_pipe("tok2vec").model
    return nlp.get_pipe("lstm_ner").model.get_ref("tok2vec")


def params(layers: Model) -> dict[str, bytes]:
    return {
        f"{i} {node.name} {name}": node.get_param(name).tobytes()
        for i, node in enumerate(layers.walk())
        for name in node.param_names
    }


@pytest.mark.parametrize("load", [own_layers, shared_layers])
def test_pretrain_then_train(load: Callable[[Path, Path], Config], tmp_path: Path):
    raw_text = tmp_path / "raw.jsonl"
    # One word has no vector, and after some epochs each text has had a masked word.
    texts = [*TEXTS, "Qwxyzt bqlk vrx"]
    srsly.write_jsonl(raw_text, [{"text": text} for text in texts])
    config = load(tmp_path, raw_text)
    config["pretraining"]["max_epochs"] = 8
    config["pretraining"]["dropout"] = 0.0
    fresh = params(pretrained_layers(init_nlp(config)))

    pretrain(config.interpolate(), tmp_path)
    losses = [line["loss"] for line in srsly.read_jsonl(tmp_path / "log.jsonl")]
    assert 0 < losses[0] < losses[-1]
    weights = tmp_path / "model-last.bin"

    config["initialize"]["init_tok2vec"] = str(weights)
    nlp = init_nlp(config)
    layers = pretrained_layers(nlp)
    loaded = params(layers)
    assert loaded == params(layers.copy().from_bytes(weights.read_bytes()))
    assert loaded.keys() == fresh.keys()
    same = {name for name in fresh if loaded[name] == fresh[name]}
    assert not same, "all parameters have learned"

    train(nlp, tmp_path)
    trained = params(pretrained_layers(spacy.load(tmp_path / "model-last")))
    assert all(trained[name] != loaded[name] for name in loaded)


def test_words_of_raw_text_are_not_met(tmp_path: Path):
    """Nor are those of the masked texts; long and short texts are read."""
    raw_text = tmp_path / "raw.jsonl"
    texts = ["unheard " * 600, "Oh"]
    srsly.write_jsonl(raw_text, [{"text": text} for text in texts])
    config = own_layers(tmp_path, raw_text)
    config["pretraining"]["max_epochs"] = 1
    config["training"]["dropout"] = 0.3
    pretrain(config.interpolate(), tmp_path)
    log = srsly.read_jsonl(tmp_path / "log.jsonl")
    assert [line["nr_word"] for line in log][-1] == 601
    config["initialize"]["init_tok2vec"] = str(tmp_path / "model-last.bin")
    nlp = init_nlp(config)
    train(nlp, tmp_path)
    layers = pretrained_layers(spacy.load(tmp_path / "model-last"))
    (node,) = (n for n in layers.walk() if n.name == "per_lexeme")
    counts = node.attrs["seen_counts"]
    words = {word.lower() for text in TEXTS for word in text.split()}
    assert set(counts[NORM]) == {get_string_id(word) for word in words}


def test_counts_stay_where_nothing_was_pretrained(tmp_path: Path):
    nlp = init_nlp(load_for(PATHS["pretrain"], tmp_path))
    layers = pretrained_layers(nlp)
    (node,) = (node for node in layers.walk() if node.name == "per_lexeme")
    node.attrs["seen_counts"] = {NORM: {1: 2}}
    assert make_forget_raw_text()(nlp) is nlp
    assert node.attrs["seen_counts"] == {NORM: {1: 2}}
