"""Sourcing, listeners and frozen components: sharing parts between pipelines."""

import numpy
import pytest
import spacy
from spacy import util
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.training import Example
from thinc.api import Config

from .helpers import (
    FACTORY,
    LABELS,
    LISTENER,
    TINY_TOK2VEC,
    TRAIN_DATA,
    add_tiny,
    assert_knows,
    assert_same_results,
    clone,
    initialized,
    make_example,
    make_nlp,
    parameters,
    same_arrays,
    tiny_model,
    train,
    train_examples,
)


def listening_nlp(*names):
    """A pipeline in which each named component listens to one tok2vec."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": TINY_TOK2VEC})
    for name in names or (FACTORY,):
        add_tiny(nlp, name, model=tiny_model(LISTENER))
    return nlp


@pytest.fixture(scope="module")
def shared_listening_nlp():
    """A trained pipeline with a listener. Do not change it."""
    nlp = listening_nlp()
    train(initialized(nlp), train_examples(nlp))
    return nlp


#: One odd batch.
TEXTS = ["Rome", "", *(text for text, _ in TRAIN_DATA), "Bob told Ada Lovelace"]


def test_sourced_component_is_the_same_object_renamed(nlp):
    source_pipe = nlp.get_pipe(FACTORY)
    other = spacy.blank("xx")
    assert other.add_pipe(FACTORY, source=nlp, name="names") is source_pipe
    assert other.pipe_names == ["names"]
    assert other.get_pipe("names").name == "names"
    assert other.get_pipe_config("names")["factory"] == FACTORY
    assert all(label in other.vocab.strings for label in LABELS)
    assert_knows(other, TRAIN_DATA)


def test_one_component_sourced_twice_is_one_object_under_two_names(nlp):
    other = spacy.blank("xx")
    other.add_pipe(FACTORY, source=nlp, name="first")
    other.add_pipe(FACTORY, source=nlp, name="second")
    assert other.get_pipe("first") is other.get_pipe("second")
    assert_knows(other, TRAIN_DATA)
    assert_knows(clone(other), TRAIN_DATA)


def test_source_in_the_config(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path / "source")
    config = {
        "nlp": {"lang": "xx", "pipeline": ["names"]},
        "components": {
            "names": {"source": str(tmp_path / "source"), "component": FACTORY}
        },
    }
    nlp = util.load_model_from_config(Config(config), auto_fill=True)
    assert nlp.pipe_names == ["names"]
    assert nlp.get_pipe("names").labels == LABELS
    assert_knows(nlp, TRAIN_DATA)
    nlp.to_disk(tmp_path / "again")
    assert_knows(spacy.load(tmp_path / "again"), TRAIN_DATA)


def test_listener_stands_in_the_config_where_spacy_looks_for_it():
    nlp = listening_nlp()
    architecture = nlp.get_pipe_config(FACTORY)["model"]["tok2vec"]["@architectures"]
    assert architecture == "spacy.Tok2VecListener.v1"
    assert list(nlp.get_pipe("tok2vec").listener_map) == [FACTORY]
    assert isinstance(nlp.get_pipe(FACTORY).model.get_ref("tok2vec"), Tok2VecListener)


def test_listener_trains_the_tok2vec(shared_listening_nlp):
    nlp = listening_nlp()
    examples = train_examples(nlp)
    initialized(nlp, examples)
    before = parameters(nlp.get_pipe("tok2vec"))
    # The tok2vec takes its step before its gradient comes back: two updates.
    losses = train(nlp, examples, steps=2)[0]
    after = parameters(nlp.get_pipe("tok2vec"))
    assert set(losses) == {"tok2vec", FACTORY}
    assert losses["tok2vec"] > 0
    assert all(not numpy.array_equal(after[key], before[key]) for key in before)
    assert_knows(shared_listening_nlp, TRAIN_DATA)


def test_listener_survives_saving(shared_listening_nlp, tmp_path):
    shared_listening_nlp.to_disk(tmp_path)
    assert_same_results(spacy.load(tmp_path), shared_listening_nlp, TEXTS)
    assert_same_results(clone(shared_listening_nlp), shared_listening_nlp, TEXTS)


def test_odd_batch_with_a_listener_is_not_misaligned():
    """Empty docs and docs not ordered by length: the gradient finds its doc."""
    listening, plain = listening_nlp(), make_nlp()
    initialized(listening)
    initialized(plain)
    order = [4, 0, 3, 1, 2]
    examples = []
    for nlp in (listening, plain):
        odd = [make_example(nlp, "", {})]
        for i in order:
            odd += [make_example(nlp, *TRAIN_DATA[i]), make_example(nlp, "", {})]
        examples.append(odd)
    # The same weights on both sides must give the same gradient.
    source = listening.get_pipe("tok2vec").model
    target = plain.get_pipe(FACTORY).model
    copy_weights(source, target.get_ref("tok2vec"))
    copy_weights(listening.get_pipe(FACTORY).model, target, skip=Tok2VecListener)
    for nlp, odd in zip((listening, plain), examples, strict=True):
        nlp.update(odd, sgd=False)
    expected = gradients_by_name(target.get_ref("tok2vec"))
    found = gradients_by_name(source)
    assert expected
    for key, array in expected.items():
        assert array.any()
        numpy.testing.assert_allclose(found[key], array, rtol=1e-3, atol=1e-5)


def copy_weights(source, target, skip=()):
    """Copy weights from the nodes of one model to those of another, in order."""
    tok2vec = set()
    if skip:
        tok2vec = {node.id for node in target.get_ref("tok2vec").walk()}
    nodes = [node for node in target.walk() if node.id not in tok2vec]
    others = [node for node in source.walk() if not (skip and isinstance(node, skip))]
    assert [n.name for n in nodes if n.param_names] == [
        n.name for n in others if n.param_names
    ]
    for node, other in zip(
        [n for n in nodes if n.param_names],
        [n for n in others if n.param_names],
        strict=True,
    ):
        for name in node.param_names:
            node.set_param(name, other.get_param(name).copy())


def gradients_by_name(model):
    """The gradients of a model, by position and name."""
    return {
        (i, node.name, name): numpy.array(node.get_grad(name))
        for i, node in enumerate(model.walk())
        for name in node.param_names
        if node.has_grad(name)
    }


@pytest.mark.parametrize("empty", ["first", "last", "all"])
def test_empty_docs_with_a_listener(empty):
    nlp = listening_nlp()
    initialized(nlp)
    examples = {
        "first": [make_example(nlp, "", {}), *train_examples(nlp)],
        "last": [*train_examples(nlp), make_example(nlp, "", {})],
        "all": [make_example(nlp, "", {}), make_example(nlp, "", {})],
    }[empty]
    losses = nlp.update(examples, losses={})
    assert (losses[FACTORY] > 0) == (empty != "all")
    assert [len(doc.ents) for doc in nlp.pipe(["", ""])] == [0, 0]


def test_replace_listeners_keeps_results_and_frees_the_component(
    shared_listening_nlp, tmp_path
):
    nlp = clone(shared_listening_nlp)
    nlp.replace_listeners("tok2vec", FACTORY, ["model.tok2vec"])
    model = nlp.get_pipe(FACTORY).model
    assert not any(isinstance(node, Tok2VecListener) for node in model.walk())
    assert not isinstance(model.get_ref("tok2vec"), Tok2VecListener)
    assert model.get_ref("tok2vec") in list(model.walk())
    assert_same_results(nlp, shared_listening_nlp, TEXTS)
    nlp.remove_pipe("tok2vec")
    assert_same_results(nlp, shared_listening_nlp, TEXTS)
    config = nlp.get_pipe_config(FACTORY)["model"]["tok2vec"]
    assert config["@architectures"] == TINY_TOK2VEC["@architectures"]
    nlp.to_disk(tmp_path)
    assert_same_results(spacy.load(tmp_path), shared_listening_nlp, TEXTS)


def test_replaced_listener_trains_its_own_copy(shared_listening_nlp):
    nlp = clone(shared_listening_nlp)
    nlp.replace_listeners("tok2vec", FACTORY, ["model.tok2vec"])
    shared = parameters(nlp.get_pipe("tok2vec"))
    own = parameters(nlp.get_pipe(FACTORY))
    new = ("Eve phoned Lima", {"Eve": "PER", "Lima": "GPE"})
    examples = [*train_examples(nlp), make_example(nlp, *new)]
    train(nlp, examples)
    assert same_arrays(parameters(nlp.get_pipe("tok2vec")), shared)
    after = parameters(nlp.get_pipe(FACTORY))
    assert after.keys() == own.keys()
    assert any("hashembed" in key for key in own)
    assert all(
        not numpy.array_equal(after[key], own[key]) for key in own if "hashembed" in key
    )
    assert_knows(nlp, [*TRAIN_DATA, new])


def test_listener_grows_with_a_label(shared_listening_nlp):
    nlp = clone(shared_listening_nlp)
    nlp.get_pipe(FACTORY).add_label("ORG")
    assert_knows(nlp, TRAIN_DATA)
    nlp.replace_listeners("tok2vec", FACTORY, ["model.tok2vec"])
    assert_knows(nlp, TRAIN_DATA)


def test_two_listeners_share_one_tok2vec():
    nlp = listening_nlp()
    tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}
    nlp.add_pipe("tagger", config={"model": tagger})
    tags = {"met": "VERB", "left": "VERB", "told": "VERB"}
    examples = []
    for text, ents in TRAIN_DATA:
        example = make_example(nlp, text, ents)
        reference = example.reference
        for token in reference:
            token.tag_ = tags.get(token.text, "OTHER")
        examples.append(Example(nlp.make_doc(text), reference))
    initialized(nlp, examples)
    assert set(nlp.get_pipe("tok2vec").listener_map) == {FACTORY, "tagger"}
    train(nlp, examples)
    assert_knows(nlp, TRAIN_DATA)
    assert [token.tag_ for token in nlp("Ada Lovelace met Bob in Rome")][2] == "VERB"


def test_two_listening_instances():
    nlp = listening_nlp("first", "second")
    train(initialized(nlp), train_examples(nlp))
    for disabled in nlp.pipe_names[1:]:
        with nlp.select_pipes(disable=[disabled]):
            assert_knows(nlp, TRAIN_DATA)


def test_frozen_annotating_tok2vec_stays_and_the_component_learns():
    nlp = listening_nlp()
    examples = train_examples(nlp)
    initialized(nlp, examples)
    before = parameters(nlp.get_pipe("tok2vec"))
    train(nlp, examples, steps=60, exclude=["tok2vec"], annotates=["tok2vec"])
    assert same_arrays(parameters(nlp.get_pipe("tok2vec")), before)
    assert_knows(nlp, TRAIN_DATA)


def test_listener_of_another_width_is_refused():
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": {**TINY_TOK2VEC, "width": 48}})
    add_tiny(nlp, model=tiny_model(LISTENER))
    with pytest.raises(ValueError, match=r"\d"):
        nlp.update(train_examples(initialized(nlp)))
