"""Labels and initialize: where labels come from and what survives."""

import json

import numpy
import pytest
import spacy
from spacy.training import Example

from .helpers import (
    FACTORY,
    LABELS,
    add_tiny,
    assert_knows,
    initialized,
    make_doc,
    make_example,
    make_nlp,
    tagged_example,
    tiny_model,
    train,
    train_examples,
    trained,
)

DATA = [
    ("Ada met Bob", {"Ada": "PER", "Bob": "PER"}),
    ("Bob left Rome", {"Bob": "PER", "Rome": "GPE"}),
]


def test_labels_from_data_are_a_sorted_tuple_without_prefixes():
    nlp = make_nlp()
    texts = [("Ada met Bob in Rome", {"Ada": "zoo", "Bob": "apple", "Rome": "Mango"})]
    initialized(nlp, [make_example(nlp, *item) for item in texts])
    assert nlp.get_pipe(FACTORY).labels == ("Mango", "apple", "zoo")
    assert isinstance(nlp.get_pipe(FACTORY).labels, tuple)


def test_labels_come_from_the_reference_only():
    nlp = make_nlp()
    predicted = make_doc(nlp, ["Ada", "smiled"], ["B-PREDICTED", "O"])
    reference = make_doc(nlp, ["Ada", "smiled"], ["B-GOLD", "O"])
    initialized(nlp, [Example(predicted, reference)])
    assert nlp.get_pipe(FACTORY).labels == ("GOLD",)


def test_get_examples_is_called_anew_and_may_give_a_generator():
    nlp = make_nlp()
    calls = []

    def get_examples():
        calls.append(len(calls))
        yield from train_examples(nlp)

    nlp.get_pipe(FACTORY).initialize(get_examples, nlp=nlp)
    assert nlp.get_pipe(FACTORY).labels == LABELS
    assert len(calls) >= 2
    train(nlp, train_examples(nlp), steps=1)


def test_labels_of_late_examples_are_found():
    nlp = make_nlp()
    plain = [make_example(nlp, "nothing here", {})] * 30
    initialized(nlp, [*plain, make_example(nlp, "Ada", {"Ada": "LATE"})])
    assert nlp.get_pipe(FACTORY).labels == ("LATE",)


def test_label_data_survives_json_and_restores_the_labels():
    nlp = initialized()
    label_data = json.loads(json.dumps(nlp.get_pipe(FACTORY).label_data))
    other = make_nlp()
    no_ents = [make_example(other, "nothing here", {})]
    other.get_pipe(FACTORY).initialize(lambda: no_ents, nlp=other, labels=label_data)
    assert other.get_pipe(FACTORY).labels == LABELS
    assert json.loads(json.dumps(other.get_pipe(FACTORY).label_data)) == label_data


def test_given_labels_replace_the_reading_of_the_data():
    nlp = initialized()
    label_data = nlp.get_pipe(FACTORY).label_data
    other = make_nlp()
    unseen = [make_example(other, "Ada", {"Ada": "ONLY_IN_DATA"})]
    other.get_pipe(FACTORY).initialize(lambda: unseen, nlp=other, labels=label_data)
    assert other.get_pipe(FACTORY).labels == LABELS


def test_labels_in_the_config_suffice_without_examples():
    label_data = initialized().get_pipe(FACTORY).label_data
    nlp = make_nlp()
    nlp.config["initialize"]["components"][FACTORY] = {"labels": label_data}
    nlp.initialize()
    assert nlp.get_pipe(FACTORY).labels == LABELS
    assert len(nlp("Ada met Bob")) == 3
    train(nlp, train_examples(nlp))
    assert_knows(nlp, [("Rome", {"Rome": "GPE"})])


def test_add_label_before_initialize_tells_new_from_known():
    nlp = make_nlp()
    pipe = nlp.get_pipe(FACTORY)
    assert "BRANDNEW" not in nlp.vocab.strings
    assert pipe.add_label("BRANDNEW") == 1
    assert pipe.add_label("BRANDNEW") == 0
    assert "BRANDNEW" in nlp.vocab.strings
    assert tuple(pipe.labels) == ("BRANDNEW",)


def test_labels_by_hand_and_from_data_are_joined():
    nlp = make_nlp()
    nlp.get_pipe(FACTORY).add_label("BYHAND")
    initialized(nlp)
    assert sorted(nlp.get_pipe(FACTORY).labels) == ["BYHAND", "GPE", "PER"]
    train(nlp, train_examples(nlp))
    assert_knows(nlp, [("Rome", {"Rome": "GPE"})])


def test_labels_by_hand_suffice():
    nlp = make_nlp()
    for label in LABELS:
        nlp.get_pipe(FACTORY).add_label(label)
    nlp.initialize()
    assert nlp.get_pipe(FACTORY).labels == LABELS
    assert len(nlp("Ada met Bob")) == 3


@pytest.mark.parametrize("label", [9, None, b"PER"])
def test_label_that_is_no_text_is_refused(label):
    pipe = make_nlp().get_pipe(FACTORY)
    with pytest.raises(ValueError, match=r"\[(E|L)\d+\]"):
        pipe.add_label(label)
    assert tuple(pipe.labels) == ()


@pytest.mark.parametrize(
    "get_examples",
    [[], None, list, lambda: None, lambda: [1, 2]],
    ids=["list", "None", "gives nothing", "gives None", "gives numbers"],
)
def test_bad_get_examples_is_refused(get_examples):
    nlp = make_nlp()
    with pytest.raises(TypeError, match=r"E930|E978"):
        nlp.get_pipe(FACTORY).initialize(get_examples, nlp=nlp)


def test_initialize_without_any_label_names_the_component():
    nlp = make_nlp("nameless")
    with pytest.warns(UserWarning, match="'nameless' has no labels"):
        initialized(nlp, [make_example(nlp, "nothing here", {})])


def test_initialize_twice_keeps_the_labels_and_starts_afresh():
    nlp = trained()
    nlp.initialize(lambda: train_examples(nlp))
    assert nlp.get_pipe(FACTORY).labels == LABELS
    train(nlp, train_examples(nlp))
    assert_knows(nlp, [("Rome", {"Rome": "GPE"})])


def test_labels_that_look_like_tags_are_kept_whole():
    nlp = make_nlp()
    data = [
        ("Ada Lovelace met Bob", {"Ada Lovelace": "JOB-NAME", "Bob": "B-X"}),
        ("in New York on Monday", {"New York": "O", "Monday": "I-"}),
    ]
    trained(nlp, [make_example(nlp, *item) for item in data])
    assert nlp.get_pipe(FACTORY).labels == ("B-X", "I-", "JOB-NAME", "O")
    assert_knows(nlp, data)


def test_two_hundred_labels():
    nlp = make_nlp()
    words = [f"word{i}" for i in range(200)]
    names = [f"LABEL{i:03}" for i in range(200)]
    example = tagged_example(nlp, words, [f"B-{name}" for name in names])
    initialized(nlp, [example])
    assert nlp.get_pipe(FACTORY).labels == tuple(names)
    losses = train(nlp, [example], steps=5)
    assert 0 < losses[-1][FACTORY] < losses[0][FACTORY]
    assert len(nlp(" ".join(words))) == 200


def test_static_vectors():
    words = sorted({word for text, _ in DATA for word in text.split()})
    rng = numpy.random.default_rng(3)
    nlp = spacy.blank("xx")
    for word in words:
        nlp.vocab.set_vector(word, rng.normal(size=12).astype("float32"))
    config = tiny_model()
    config["tok2vec"] = {**config["tok2vec"], "pretrained_vectors": True}
    add_tiny(nlp, model=config)
    trained(nlp, [make_example(nlp, *item) for item in DATA])
    assert nlp.vocab.vectors.n_keys == len(words)
    assert_knows(nlp, DATA)
