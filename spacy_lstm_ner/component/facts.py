"""What a component knows of its own training: `ner.facts`, saved in its file "cfg".

    {
      "initialization": {
        "corpus": {"texts": 3394, "tokens": 62730, "entities": {"person": 660, ...}},
        "seed": 0,
        "versions": {"spacy-lstm-ner": "0.1.0", "spacy": "3.8.18", ...}
      },
      "calibration": {"temperature": 1.3, "n_texts": 1009, "error": 0.04, ...}
    }

"corpus" has the texts that the labels were taken from: all training texts, if `spacy
train` reads them from files. It is null if the labels were given, so that not all
were read, or if the texts are a stream, of which spaCy shows the first 100. "seed" is
that of the config, [training]; `spacy train` uses it, a loop of `nlp.update` does not.
"calibration" has the fields of `Calibration`. A change of the weights drops it. Models
of versions without facts, and components that were never initialized, have none.

The component is the home of its facts, so they follow it into other pipelines. The meta
of the pipeline has a copy, `nlp.meta["lstm_ner"]`, by name of the component.
"""

import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE
from spacy.language import Language
from spacy.training import Example

from ..tags import IOB_BEGIN, IOB_OUTSIDE
from .lessons import lesson_of

# Keys of `ner.cfg`, and of the facts.
FACTS = "facts"
INITIALIZATION, CALIBRATION = "initialization", "calibration"

# The key of `nlp.meta`.
META = "lstm_ner"

_PACKAGES = ("spacy-lstm-ner", "spacy", "thinc", "numpy")
# The value of max_epochs with which `spacy train` streams its texts.
_STREAM = -1
# Number of texts of a sample.
_SAMPLE = 1000


class CorpusSize:
    """The numbers of texts, of their tokens, and of gold entities by label; also, for
    warnings, what the annotation leaves open.

    unknown: Number of tokens without annotation, white space left out.
    outside: Number of tokens that are known to be outside of entities; texts with a
        teacher's distribution count as tokens.
    with_spans: Number of texts that have a span in a group of spans, by its name.
    """

    def __init__(self) -> None:
        self.texts = 0
        self.tokens = 0
        self.entities: Counter[str] = Counter()
        self.unknown = 0
        self.outside = 0
        self.with_spans: Counter[str] = Counter()

    def counting(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Pass Examples on, and count their reference Docs."""
        for eg in examples:
            doc = eg.reference
            self.texts += 1
            self.tokens += len(doc)
            columns = doc.to_array([ENT_IOB, ENT_TYPE, IS_SPACE])
            iob, label, is_space = columns.reshape(-1, 3).T
            self.unknown += int(((iob == 0) & (is_space == 0)).sum())
            self.outside += int((iob == IOB_OUTSIDE).sum())
            self.outside += lesson_of(eg).paths is not None
            self.with_spans.update(key for key, spans in doc.spans.items() if spans)
            found, n = np.unique(
                label[(iob == IOB_BEGIN) & (label != 0)], return_counts=True
            )
            for hash_, count in zip(found.tolist(), n.tolist(), strict=True):
                self.entities[doc.vocab.strings[hash_]] += count
            yield eg

    @classmethod
    def sample(cls, examples: Iterable[Example]) -> "CorpusSize":
        """Count the first texts, and as many more as it takes to find a token that is
        known to be outside of entities.

        examples (Iterable[Example]): The training data.
        """
        found = cls()
        for _ in found.counting(examples):
            if found.outside and found.texts >= _SAMPLE:
                break
        return found

    def as_dict(self) -> dict[str, Any]:
        """The numbers, the labels sorted."""
        entities = dict(sorted(self.entities.items()))
        return {"texts": self.texts, "tokens": self.tokens, "entities": entities}


def versions() -> dict[str, str]:
    """The versions of the packages that training depends on, and of Python."""
    found = {name: metadata.version(name) for name in _PACKAGES}
    return {**found, "python": platform.python_version()}


def facts_of_initialization(
    corpus: CorpusSize | None, nlp: Language | None
) -> dict[str, Any]:
    """What is known when a component is initialized.

    corpus (Optional[CorpusSize]): The texts that the labels were taken from.
    nlp (Optional[Language]): The pipeline.
    """
    training = {} if nlp is None else nlp.config.interpolate()["training"]
    is_stream = training.get("max_epochs") == _STREAM
    return {
        "corpus": None if corpus is None or is_stream else corpus.as_dict(),
        "seed": training.get("seed"),
        "versions": versions(),
    }


def write_meta(nlp: Language, name: str, facts: dict[str, Any]) -> None:
    """Copy the facts of a component to the meta of its pipeline, and drop those of
    components that the pipeline does not have.

    name (str): Name of the component.
    facts (Dict[str, Any]): Its facts.
    """
    others = nlp.meta.get(META, {})
    kept = {n: found for n, found in others.items() if n in nlp.component_names}
    nlp.meta[META] = {**kept, name: facts}
