"""The encoder beyond entities: spaCy's components learn on it, alone and together."""

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from test_configs import ALL_CONFIGS, load_for
from thinc.api import Adam

LISTENER = next(path for path in ALL_CONFIGS if path.stem == "listener")
# The components that share the encoder, and the score of each.
SCORES = {
    "tagger": "tag_acc",
    "parser": "dep_las",
    "textcat": "cats_score",
    "lstm_ner": "ents_f",
}


def learn(nlp: Language, corpus: Corpus, steps: int) -> None:
    """Train, and see that all parameters of the encoder have changed."""
    encoder = nlp.get_pipe("tok2vec").model.layers[1]
    before = parameters(encoder)
    sgd = Adam(0.01)
    for _ in range(steps):
        nlp.update(list(corpus(nlp)), sgd=sgd)
    assert before
    for name, value in parameters(encoder).items():
        assert not np.allclose(value, before[name]), f"{name} has not learned"


@pytest.mark.parametrize("name", [name for name in SCORES if name != "lstm_ner"])
def test_each_component_reaches_the_encoder(name: str, tmp_path: Path):
    nlp = init_nlp(load_for(LISTENER, tmp_path, {"nlp.pipeline": ["tok2vec", name]}))
    learn(nlp, Corpus(tmp_path / "corpus.spacy"), 3)


def test_components_learn_together(tmp_path: Path):
    names = list(SCORES)
    settings = {"nlp.pipeline": ["tok2vec", *names]}
    nlp = init_nlp(load_for(LISTENER, tmp_path, settings))
    corpus = Corpus(tmp_path / "corpus.spacy")
    learn(nlp, corpus, 60)
    nlp.to_disk(tmp_path / "nlp")
    for trained in (nlp, spacy.load(tmp_path / "nlp")):
        scores = trained.evaluate(corpus(trained))
        assert {name: scores[SCORES[name]] for name in names} == dict.fromkeys(names, 1)


def parameters(layers) -> dict[str, np.ndarray]:
    """Copies of all parameters below a layer."""
    return {
        f"{i} {node.name} {name}": node.get_param(name).copy()
        for i, node in enumerate(layers.walk())
        for name in node.param_names
    }
