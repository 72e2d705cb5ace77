"""Small factories shared by the tests of what users of an entity recognizer rely on.

Nothing here imports the package: the component is found by its registered name.
"""

import copy
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy
import spacy
from spacy import util
from spacy.cli._util import app as spacy_app
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, Config, Optimizer
from typer.main import get_command

FACTORY = "lstm_ner"

WIDTH = 32

TINY_TOK2VEC: dict[str, Any] = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": WIDTH,
    "depth": 1,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}

LISTENER: dict[str, Any] = {
    "@architectures": "spacy.Tok2VecListener.v1",
    "width": WIDTH,
    "upstream": "tok2vec",
}

#: Texts with their entities, by phrase: at the start and the end, next to each other,
#: of one and of several tokens, a Doc of one token and one without entities.
TRAIN_DATA: list[tuple[str, dict[str, str]]] = [
    (
        "Ada Lovelace met Bob in Rome",
        {"Ada Lovelace": "PER", "Bob": "PER", "Rome": "GPE"},
    ),
    ("Carl left New York on Monday", {"Carl": "PER", "New York": "GPE"}),
    ("they told Dora Paris was nice", {"Dora": "PER", "Paris": "GPE"}),
    ("nothing else happened there", {}),
    ("Rome", {"Rome": "GPE"}),
]
LABELS = ("GPE", "PER")


def tiny_model(tok2vec: Mapping[str, Any] = TINY_TOK2VEC) -> dict[str, Any]:
    """A model block that trains in milliseconds, on any tok2vec of width WIDTH."""
    return {
        "@architectures": "spacy_lstm_ner.LSTMTagger.v1",
        "tok2vec": dict(tok2vec),
        "encode": {
            "@architectures": "spacy_lstm_ner.LSTMEncoder.v1",
            "width": WIDTH,
            "depth": 1,
            "bidirectional": True,
            "dropout": None,
            "skip": False,
            "grad_clip": None,
        },
        "decode": {"@layers": "spacy_lstm_ner.LogSoftmax.v1"},
    }


def add_tiny(nlp: Language, name: str = FACTORY, **settings: Any) -> Any:
    """Add the component with the tiny model and the given settings; return it."""
    config = {"model": tiny_model(), **settings}
    return nlp.add_pipe(FACTORY, name=name, config=config)


def make_nlp(*names: str, **settings: Any) -> Language:
    """A blank pipeline with one tiny component for each name."""
    nlp = spacy.blank("xx")
    for name in names or (FACTORY,):
        add_tiny(nlp, name, **settings)
    return nlp


def make_doc(nlp: Language, words: Sequence[str], tags: Sequence[str] = ()) -> Doc:
    """A Doc of the given words; tags are BIO, and "" is a token without annotation."""
    return Doc(nlp.vocab, words=list(words), ents=list(tags) or None)


def make_example(nlp: Language, text: str, ents: Mapping[str, str]) -> Example:
    """An example of a text in which the given phrases are all the entities."""
    offsets = [
        (text.index(phrase), text.index(phrase) + len(phrase), label)
        for phrase, label in ents.items()
    ]
    return Example.from_dict(nlp.make_doc(text), {"entities": offsets})


def tagged_example(nlp: Language, words: Sequence[str], tags: Sequence[str]) -> Example:
    """An example by tokens, for missing annotation ("") and odd tokens."""
    return Example(make_doc(nlp, words), make_doc(nlp, words, tags))


def unannotated_example(nlp: Language, text: str = "Ada Lovelace met Bob") -> Example:
    """An example that says nothing about entities."""
    return Example.from_dict(nlp.make_doc(text), {})


def train_examples(nlp: Language) -> list[Example]:
    """The examples of TRAIN_DATA."""
    return [make_example(nlp, text, ents) for text, ents in TRAIN_DATA]


def train(
    nlp: Language,
    examples: Sequence[Example],
    *,
    steps: int = 40,
    sgd: Optimizer | None = None,
    **kwargs: Any,
) -> list[dict[str, float]]:
    """Update on the examples, steps times; return the losses of each step."""
    sgd = sgd or Adam(0.01)
    return [nlp.update(examples, sgd=sgd, losses={}, **kwargs) for _ in range(steps)]


def initialized(
    nlp: Language | None = None, examples: Sequence[Example] | None = None
) -> Language:
    """The pipeline (by default a tiny one), initialized with the examples."""
    nlp = make_nlp() if nlp is None else nlp
    found = train_examples(nlp) if examples is None else examples
    nlp.initialize(lambda: found)
    return nlp


def trained(
    nlp: Language | None = None, examples: Sequence[Example] | None = None
) -> Language:
    """The pipeline (by default a tiny one), trained until it knows the examples."""
    nlp = make_nlp() if nlp is None else nlp
    found = train_examples(nlp) if examples is None else examples
    train(initialized(nlp, found), found)
    return nlp


def clone(nlp: Language) -> Language:
    """An independent pipeline with the same config and weights."""
    other = util.load_model_from_config(Config(copy.deepcopy(nlp.config)))
    return other.from_bytes(nlp.to_bytes())


def spans_of(doc: Doc) -> list[tuple[int, int, str]]:
    """The entities of a Doc as (start, end, label)."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def phrases_of(doc: Doc) -> dict[str, str]:
    """The entities of a Doc as {text: label}, as TRAIN_DATA writes them."""
    return {ent.text: ent.label_ for ent in doc.ents}


def scores_of(doc: Doc, spans_key: str = "lstm_ner") -> list[float]:
    """The confidences of the entities of a Doc, in order."""
    return [float(score) for score in doc.spans[spans_key].attrs["scores"]]


def assert_knows(nlp: Language, data: Iterable[tuple[str, dict[str, str]]]) -> None:
    """Every text gets exactly its entities."""
    for text, ents in data:
        doc = nlp(text)
        assert phrases_of(doc) == ents, text
        assert len(doc.ents) == len(ents), text


def assert_same_results(nlp: Language, other: Language, texts: Sequence[str]) -> None:
    """Both pipelines find the same entities in the texts, with the same confidence.

    Where weights lie in memory may change the last bit of a product, no more.
    """
    pairs = list(zip(nlp.pipe(texts), other.pipe(texts), strict=True))
    assert any(doc.ents for doc, _ in pairs)
    for doc, same in pairs:
        assert spans_of(doc) == spans_of(same), doc.text
        numpy.testing.assert_allclose(
            scores_of(doc), scores_of(same), rtol=0, atol=1e-6
        )


def assert_sound(doc: Doc) -> None:
    """The annotation is complete and legal, and no entity stands on white space."""
    covered = [0] * len(doc)
    for start, end, label in spans_of(doc):
        assert label
        assert not doc[start].is_space
        assert not doc[end - 1].is_space
        for i in range(start, end):
            covered[i] += 1
    assert max(covered, default=0) <= 1
    assert [token.ent_iob_ in "BI" for token in doc] == [n == 1 for n in covered]
    assert all(token.ent_iob_ in ("B", "I", "O") for token in doc)


def parameters(pipe: Any) -> dict[str, numpy.ndarray]:
    """A copy of all weights of a component, by position and name."""
    return {
        f"{i}.{node.name}.{name}": numpy.array(node.get_param(name))
        for i, node in enumerate(pipe.model.walk())
        for name in node.param_names
        if node.has_param(name)
    }


def gradients(pipe: Any) -> dict[str, numpy.ndarray]:
    """A copy of all gradients that a component has gathered."""
    return {
        f"{i}.{node.name}.{name}": numpy.array(node.get_grad(name))
        for i, node in enumerate(pipe.model.walk())
        for name in node.param_names
        if node.has_grad(name)
    }


def same_arrays(
    left: Mapping[str, numpy.ndarray], right: Mapping[str, numpy.ndarray]
) -> bool:
    """Whether both have the same arrays, to the last bit."""
    return left.keys() == right.keys() and all(
        numpy.array_equal(left[key], right[key]) for key in left
    )


def no_gradient(pipe: Any) -> bool:
    """Whether every gradient of a component is exactly zero."""
    return not any(array.any() for array in gradients(pipe).values())


def scramble(pipe: Any, seed: int) -> None:
    """Set large random weights, so that the scores say anything at all."""
    rng = numpy.random.default_rng(seed)
    for node in pipe.model.walk():
        for name in node.param_names:
            shape = node.get_param(name).shape
            node.set_param(name, rng.normal(0, 3, shape).astype("float32"))


def run_python(
    *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: int = 150
) -> str:
    """Run Python in a fresh process; return what it printed. It must succeed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def run_spacy(*arguments: str | Path) -> str:
    """Run a command of spaCy in this process, with success; return what it printed."""
    printed, status = StringIO(), 0
    command = get_command(spacy_app)
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            command(list(map(str, arguments)), prog_name="python -m spacy")
        except SystemExit as done:
            status = done.code
    assert status in (0, None), printed.getvalue()
    return printed.getvalue()
