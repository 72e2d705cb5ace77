"""Warnings at initialization, of training data and settings that do not go together."""

import warnings

from spacy.language import Language
from thinc.api import Model

from ..errors import Warnings
from ..layers.words.distinct import READERS
from .facts import CorpusSize
from .settings import Settings

# The group of spans that are known to be wrong, as `convert` and Prodigy name it.
INCORRECT_SPANS = "incorrect_spans"


def warn_of_corpus(corpus: CorpusSize, settings: Settings, name: str) -> None:
    """Warn of training data that teaches nothing about tokens outside of entities
    (L516), and of spans that are known to be wrong and not used (L517).

    corpus (CorpusSize): The counts of the training data.
    settings (Settings): `entity_ratio` and `incorrect_spans_key` count.
    name (str): Name of the component.
    """
    n_ents = corpus.entities.total()
    if n_ents and corpus.unknown and not corpus.outside and not settings.entity_ratio:
        message = Warnings.L516.format(name=name, n_ents=n_ents, n=corpus.unknown)
        warnings.warn(message, stacklevel=3)
    key, n_texts = settings.incorrect_spans_key, corpus.with_spans[INCORRECT_SPANS]
    if n_texts and (key is None or not corpus.with_spans[key]):
        message = Warnings.L517.format(
            n=n_texts, found=INCORRECT_SPANS, name=name, key=key
        )
        warnings.warn(message, stacklevel=3)


def warn_of_unused_vectors(nlp: Language, name: str) -> None:
    """Warn if the config names word vectors and no component reads them (L518).

    nlp (Language): The pipeline.
    name (str): Name of the component.
    """
    vectors = nlp.config.interpolate()["initialize"]["vectors"]
    if not vectors or not nlp.vocab.vectors.shape[1]:
        return
    models = [getattr(pipe, "model", None) for _, pipe in nlp.components]
    nodes = [node for m in models if isinstance(m, Model) for node in m.walk()]
    if not any(node.name in READERS for node in nodes):
        message = Warnings.L518.format(vectors=str(vectors), name=name)
        warnings.warn(message, stacklevel=3)
