"""Trains a config on given Docs, as `spacy train` does, and scores the result."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.vocab import Vocab
from thinc.api import Config

from ...errors import Errors
from ..recognizers import docs_before, raw_doc

_READER = "spacy.Corpus.v1"
_LOGGER = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}


class Scores(NamedTuple):
    """Precision, recall and F1 of entities, from 0 to 1."""

    precision: float
    recall: float
    f1: float


class Trained(NamedTuple):
    """The result of a training.

    nlp (Language): The pipeline of the best evaluation on dev.
    scores (Scores): Its scores on dev.
    """

    nlp: Language
    scores: Scores


@dataclass(frozen=True)
class Trainer:
    """Trains one config many times, on different texts.

    config (Config): The config of `spacy train`, not interpolated. Its readers of the
        type `spacy.Corpus.v1` keep their settings, except `path` and `limit`; others
        are replaced. The logger is spaCy's.
    use_gpu (int): Number of the GPU; -1 is the CPU.
    log (Optional[IO[str]]): Where the table of each training goes.
    """

    config: Config
    use_gpu: int = -1
    log: IO[str] | None = None

    def __call__(
        self, texts: Sequence[Doc], dev: Sequence[Doc], *, seed: int
    ) -> Trained:
        """Train a pipeline from scratch.

        texts (Sequence[Doc]): The annotated texts to learn from.
        dev (Sequence[Doc]): Those that choose the checkpoint and end the training.
        seed (int): Seed of the weights, of dropout and of the order of the texts.
        RETURNS (Trained): The pipeline and its scores.
        RAISES ValueError (L340): If the pipeline sets no entities.
        """
        log = StringIO() if self.log is None else self.log
        with TemporaryDirectory() as temporary:
            files = {
                name: Path(temporary, f"{name}.spacy") for name in ("train", "dev")
            }
            for path, docs in zip(files.values(), (texts, dev), strict=True):
                DocBin(docs=docs).to_disk(path)
            config = with_texts(self.config, files, seed)
            nlp = init_nlp(config, use_gpu=self.use_gpu)
            folder = Path(temporary)
            train(nlp, folder, use_gpu=self.use_gpu, stdout=log, stderr=log)
            nlp = spacy.load(folder / "model-best")
            found = nlp.evaluate(list(Corpus(files["dev"])(nlp)))
        if "ents_f" not in found:
            raise ValueError(Errors.L340.format(pipes=nlp.pipe_names))
        return Trained(nlp, Scores(*(found[f"ents_{key}"] or 0.0 for key in "prf")))


def with_texts(config: Config, files: dict[str, Path], seed: int) -> Config:
    """The config with other texts and another seed.

    config (Config): The config.
    files (Dict[str, Path]): The .spacy files of "train" and "dev".
    seed (int): The seed.
    """
    config = config.copy()
    training: dict[str, Any] = config.setdefault("training", {})
    corpora: dict[str, Any] = config.setdefault("corpora", {})
    for part, path in files.items():
        section, _, name = training.get(f"{part}_corpus", "").partition(".")
        reader = corpora.get(name, {}) if section == "corpora" else {}
        if reader.get("@readers") != _READER:
            reader = {"@readers": _READER}
        corpora[part] = {**reader, "path": str(path), "limit": 0}
        training[f"{part}_corpus"] = f"corpora.{part}"
        if part in config.get("paths", {}):
            config["paths"][part] = str(path)
    training["seed"] = seed
    training["logger"] = _LOGGER
    return config


def adopt(docs: Iterable[Doc], vocab: Vocab) -> list[Doc]:
    """Copies of Docs in the vocabulary of a pipeline, whose word vectors they get.

    docs (Iterable[Doc]): The Docs.
    vocab (Vocab): The vocabulary.
    """
    return list(DocBin(docs=docs).get_docs(vocab))


def raw_docs(docs: Iterable[Doc], nlp: Language, *, before: str) -> Iterator[Doc]:
    """The texts of annotated Docs as a recognizer of another pipeline gets them.

    docs (Iterable[Doc]): The Docs, in any vocabulary.
    nlp (Language): The pipeline.
    before (str): Name of the recognizer.
    """
    raw = (raw_doc(doc, nlp.make_doc) for doc in adopt(docs, nlp.vocab))
    return docs_before(nlp, before, raw)


def count(docs: Sequence[Doc]) -> dict[str, int]:
    """Number of texts, of their tokens and of their entities."""
    return {
        "texts": len(docs),
        "tokens": sum(map(len, docs)),
        "entities": sum(len(doc.ents) for doc in docs),
    }
