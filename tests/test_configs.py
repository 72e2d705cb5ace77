"""Each shipped config is complete, builds, trains two steps, saves and loads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_lstm_ner.component.factory import DEFAULT_MODEL

ALL_CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.cfg"))
# It needs more packages, and weights: see test_transformer.py.
TRANSFORMER = next(path for path in ALL_CONFIGS if path.stem == "transformer")
CONFIGS = [path for path in ALL_CONFIGS if path != TRANSFORMER]
SENTENCES = [
    (["Sharon", "flew", "to", "Miami", "."], [(0, 1, "per"), (3, 4, "geo")]),
    (["She", "left", "last", "Friday", "."], [(2, 4, "tim")]),
]
# Of each token: its head, and what it is to it.
HEADS = [[1, 1, 1, 2, 1], [1, 1, 3, 1, 1]]
DEPS = [
    ["nsubj", "ROOT", "prep", "pobj", "punct"],
    ["nsubj", "ROOT", "amod", "npadvmod", "punct"],
]


def write_corpus(path: Path) -> None:
    """Write the sentences with entities, part-of-speech tags, dependencies and
    categories."""
    docs = []
    vocab = Vocab()
    for i, (words, ents) in enumerate(SENTENCES):
        tags = [word[-1].upper() for word in words]
        doc = Doc(vocab, words=words, tags=tags, heads=HEADS[i], deps=DEPS[i])
        doc.set_ents([Span(doc, *ent) for ent in ents])
        doc.cats = {"where": float(i == 0), "when": float(i == 1)}
        docs.append(doc)
    attrs = ["TAG", "ENT_IOB", "ENT_TYPE", "HEAD", "DEP"]
    DocBin(attrs=attrs, docs=docs).to_disk(path)


def load_for(
    path: Path, folder: Path, settings: dict[str, Any] | None = None
) -> Config:
    """A config, set to train two steps on the sentences, with vectors if it has any,
    and with other settings."""
    corpus = folder / "corpus.spacy"
    write_corpus(corpus)
    overrides: dict[str, Any] = {"paths.train": str(corpus), "paths.dev": str(corpus)}
    config = load_config(path)
    if "parser" in config["components"]:
        # Each label occurs once or twice.
        overrides["components.parser.min_action_freq"] = 1
    if config["paths"]["vectors"] is not None:
        nlp = spacy.blank("en")
        nlp.vocab.set_vector("sharon", np.ones(4, dtype="f"))
        nlp.to_disk(folder / "vectors")
        overrides["paths.vectors"] = str(folder / "vectors")
    overrides |= {"training.max_steps": 2, **(settings or {})}
    return load_config(path, overrides=overrides)


def test_there_are_configs():
    assert {path.stem for path in ALL_CONFIGS} >= {
        "default",
        "small",
        "textbook",
        "listener",
        "vectors",
        "pretrain",
        "transformer",
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_trains_saves_and_loads(path: Path, tmp_path: Path):
    nlp = init_nlp(load_for(path, tmp_path))
    before = {name: pipe.model.to_bytes() for name, pipe in nlp.pipeline}
    train(nlp, tmp_path)
    loaded = spacy.load(tmp_path / "model-last")
    assert loaded.get_pipe("lstm_ner").labels == ("geo", "per", "tim")
    for name, model in before.items():
        assert loaded.get_pipe(name).model.to_bytes() != model, name
        assert loaded.meta["performance"][f"{name}_loss"] > 0, name
    texts = [*(" ".join(words) for words, _ in SENTENCES), ""]
    for doc in loaded.pipe(texts):
        assert len(doc.spans["lstm_ner"]) == len(doc.ents)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_is_complete(path: Path, tmp_path: Path):
    assert_is_complete(load_for(path, tmp_path))


def assert_is_complete(config: Config) -> None:
    """All settings stand in the config, those with defaults too."""
    filled = spacy.util.load_model_from_config(config, auto_fill=True).config
    assert filled["components"] == config["components"]
    for section in ("nlp", "training", "initialize"):
        assert set(filled[section]) == set(config[section]), section


def test_default_config_is_that_of_add_pipe():
    path = next(path for path in CONFIGS if path.stem == "default")
    component = dict(load_config(path)["components"]["lstm_ner"])
    assert component.pop("factory") == "lstm_ner"
    defaults = Language.get_factory_meta("lstm_ner").default_config
    model = component.pop("model")
    assert component == {key: defaults[key] for key in component}
    assert set(defaults) == {*component, "model"}
    assert {key: model[key] for key in ("tok2vec", "encode")} == {
        key: DEFAULT_MODEL[key] for key in ("tok2vec", "encode")
    }
    assert model["decode"]["@layers"] == DEFAULT_MODEL["decode"]["@layers"]


def test_comments_stand_on_lines_of_their_own():
    for path in ALL_CONFIGS:
        for line in path.read_text(encoding="utf8").splitlines():
            assert "#" not in line or line.startswith("#"), (path.name, line)
