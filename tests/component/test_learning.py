"""What the settings of training make the component learn."""

import numpy as np
import pytest
import spacy
from contract.helpers import (
    FACTORY,
    add_tiny,
    initialized,
    make_nlp,
    parameters,
    same_arrays,
    tagged_example,
    tiny_model,
    train,
)
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from thinc.api import SGD, fix_random_seed

from spacy_lstm_ner.chains.linear_chain import Spans
from spacy_lstm_ner.chains.path_sums import PathSums

LABELS = ("GPE", "PER")
KEY = "wrong"


CRF = {**tiny_model(), "decode": {"@layers": "spacy_lstm_ner.CRF.v1"}}
WORDS = ["Ada", "Lovelace", "Roe", "met", "Bob"]
RIGHT = "B-PER I-PER O O B-GPE"


def tagged(nlp, words, tags, **wrong):
    """An example by its tokens, with span groups; "?" is a tag that is unknown."""
    eg = tagged_example(nlp, words, ["" if tag == "?" else tag for tag in tags.split()])
    for key, spans in wrong.items():
        eg.reference.spans[key] = [
            Span(eg.reference, start, end, label=label) for start, end, label in spans
        ]
    return eg


def labelled(nlp):
    """Examples of all labels, without anything wrong."""
    return [tagged(nlp, WORDS, RIGHT), tagged(nlp, ["it", "rained"], "O O")]


def fresh(examples=labelled, **settings):
    """An initialized pipeline of a tiny component, always with the same weights."""
    fix_random_seed(0)
    nlp = make_nlp(**settings)
    return initialized(nlp, examples(nlp))


def probability(pipe, words, start, end, label):
    """Of exactly this span with this label."""
    span = Spans.of([(0, start, end, pipe.labels.index(label))])
    chain = pipe.model.predict([Doc(pipe.vocab, words=list(words))])
    return float(np.exp(PathSums(chain).log_prob_of_spans(span)[0]))


@pytest.mark.parametrize("model", [tiny_model(), CRF], ids=["log-softmax", "CRF"])
def test_exactly_the_incorrect_span_becomes_improbable(model):
    nlp = fresh(model=model, incorrect_spans_key=KEY)
    pipe = nlp.get_pipe(FACTORY)
    longer = tagged(nlp, WORDS, "B-PER I-PER I-PER O B-GPE")
    train(nlp, [*labelled(nlp), *labelled(nlp), longer], steps=30)
    assert 0.5 < probability(pipe, WORDS, 0, 2, "PER") < 0.8
    wrong = tagged(nlp, WORDS, "? ? ? ? ?", wrong=[(0, 2, "PER")])
    # Steps along the gradient: Adam's, alike for all weights, would move more.
    train(nlp, [wrong], steps=20, sgd=SGD(0.03))
    assert probability(pipe, WORDS, 0, 2, "PER") < 0.05
    # The next probable takes its place, of the same words, and the rest stays.
    assert probability(pipe, WORDS, 0, 3, "PER") > 0.9
    assert probability(pipe, WORDS, 4, 5, "GPE") > 0.9


def test_a_known_entity_ends_where_nothing_is_known():
    nlp = fresh()
    train(nlp, [tagged(nlp, WORDS, "B-PER I-PER ? ? ?")], steps=20)
    assert probability(nlp.get_pipe(FACTORY), WORDS, 0, 2, "PER") > 0.9


def test_each_component_has_its_own_incorrect_spans():
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    first = add_tiny(nlp, "first", incorrect_spans_key="long")
    second = add_tiny(nlp, "second", incorrect_spans_key="short")
    longer = tagged(nlp, WORDS, "B-PER I-PER I-PER O B-GPE")
    train(initialized(nlp, labelled(nlp)), [*labelled(nlp), longer])
    groups = {"long": [(0, 3, "PER")], "short": [(0, 2, "PER")]}
    wrong = tagged(nlp, WORDS, "? ? ? ? ?", **groups)
    train(nlp, [wrong], steps=20, sgd=SGD(0.03))
    assert probability(first, WORDS, 0, 2, "PER") > 0.9
    assert probability(second, WORDS, 0, 3, "PER") > 0.9


def test_incorrect_spans_through_files_of_docs(tmp_path):
    """Span groups of reference Docs survive DocBin and Corpus."""
    nlp = fresh(incorrect_spans_key=KEY)
    wrong = tagged(nlp, WORDS, "? ? ? O B-GPE", wrong=[(0, 2, "PER"), (0, 2, "GPE")])
    path = tmp_path / "wrong.spacy"
    DocBin(docs=[wrong.reference]).to_disk(path)
    [read] = Corpus(path)(nlp)
    pipe = nlp.get_pipe(FACTORY)
    losses = [pipe.update([eg], losses={})[FACTORY] for eg in (read, wrong)]
    assert losses[0] == losses[1]
    train(nlp, labelled(nlp), steps=20)
    assert probability(pipe, WORDS, 0, 2, "PER") > 0.9
    train(nlp, [read], steps=20)
    assert probability(pipe, WORDS, 0, 2, "PER") < 0.05
    assert probability(pipe, WORDS, 4, 5, "GPE") > 0.9


SETTINGS = {
    "incorrect_spans_key": {"incorrect_spans_key": KEY},
    "missed_costs": {"missed_costs": {"PER": 2.0}},
    "spurious_costs": {"spurious_costs": {"GPE": 2.0}},
    "entity_ratio": {"entity_ratio": [0.0, 0.1]},
    "entity_ratio_weight": {"entity_ratio": [0.0, 0.1], "entity_ratio_weight": 1.0},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_config_reach_the_loss_and_are_kept(name, tmp_path):
    nlp = fresh(**SETTINGS[name])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    plain = fresh()

    def loss(nlp):
        wrong = [(0, 2, "PER"), (0, 2, "GPE")]
        examples = [tagged(nlp, WORDS, "? ? ? O B-GPE", wrong=wrong), *labelled(nlp)]
        return nlp.update(examples, sgd=False, losses={})[FACTORY]

    found = loss(nlp)
    assert found > loss(plain) + 0.01
    assert loss(loaded) == pytest.approx(found, rel=1e-5)
    if name == "entity_ratio_weight":
        whole = loss(fresh(entity_ratio=[0.0, 0.1]))
        assert whole - loss(plain) == pytest.approx(
            10 * (found - loss(plain)), rel=1e-3
        )


def weights_after_training(nlp):
    fix_random_seed(0)
    partly = tagged(nlp, WORDS, "? ? O O ?", wrong=[(0, 2, "PER")])
    train(nlp, [*labelled(nlp), partly], steps=4, drop=0.2)
    return parameters(nlp.get_pipe(FACTORY))


@pytest.mark.parametrize("name", SETTINGS)
def test_neutral_settings_change_no_bit(name):
    neutral = {
        "incorrect_spans_key": {"incorrect_spans_key": "other"},
        "missed_costs": {"missed_costs": {"PER": 0.0}},
        "spurious_costs": {"spurious_costs": {"GPE": 0.0}},
        "entity_ratio": {"entity_ratio": [0.0, 1.0]},
        "entity_ratio_weight": {"entity_ratio_weight": 1.0},
    }
    plain = weights_after_training(fresh())
    assert same_arrays(weights_after_training(fresh(**neutral[name])), plain)
    assert not same_arrays(weights_after_training(fresh(**SETTINGS[name])), plain)


@pytest.mark.parametrize("setting", ["missed_costs", "spurious_costs"])
@pytest.mark.parametrize("tags", [RIGHT, "? ? ? ? ?"])
def test_costs_of_unknown_labels(setting, tags):
    nlp = fresh(**{setting: {"PER": 1.0, "ORG": 1.0}})
    message = rf"\[L032\] The setting {setting} names the label 'ORG'.*'GPE', 'PER'"
    with pytest.raises(ValueError, match=message):
        nlp.update([tagged(nlp, WORDS, tags)])
    nlp.get_pipe(FACTORY).add_label("ORG")
    nlp.update([tagged(nlp, WORDS, tags)])


def test_contradictory_annotation_stops_the_update():
    nlp = fresh(incorrect_spans_key=KEY)
    examples = [*labelled(nlp), tagged(nlp, WORDS, RIGHT, wrong=[(4, 5, "GPE")])]
    with pytest.raises(ValueError, match=r"\[L033\].*example 2 .*token 4 \('Bob'\)"):
        nlp.update(examples)


NAMES = ["Ada", "Carl", "Dora", "Eve", "Finn", "Hugo", "Ida", "Kim", "Lena", "Max"]
FRAMES = [
    "we met {} at the old station today .",
    "nobody told {} about it before lunch .",
    "then {} went to see {} again after work .",
    "{} was late and {} had to wait there .",
]
HELD_OUT_NAMES = ["Paul", "Quin", "Rosa", "Sven"]
HELD_OUT_FRAMES = [
    "yesterday {} came home with {} very late .",
    "they think that {} is never on time at all .",
]


def named(nlp, frames, names, other):
    """Each name in one of the frames; `other` is the tag of all other words."""
    examples = []
    for i in range(len(names)):
        frame, here = frames[i % len(frames)].split(), iter([*names[i:], *names])
        words = [next(here) if word == "{}" else word for word in frame]
        tags = ["B-PER" if word == "{}" else other for word in frame]
        examples.append(tagged(nlp, words, " ".join(tags)))
    return examples


@pytest.mark.parametrize("model", [tiny_model(), CRF], ids=["log-softmax", "CRF"])
def test_entities_alone_teach_what_is_none_with_an_entity_ratio(model):
    def share_of_entity_tokens(**settings):
        nlp = fresh(lambda nlp: named(nlp, FRAMES, NAMES, "?"), model=model, **settings)
        train(nlp, named(nlp, FRAMES, NAMES, "?"), steps=30)
        held_out = named(nlp, HELD_OUT_FRAMES, HELD_OUT_NAMES, "O")
        assert nlp.evaluate(held_out)["ents_r"] > 0.7
        docs = [nlp.get_pipe(FACTORY)(eg.predicted) for eg in held_out]
        return sum(len(ent) for doc in docs for ent in doc.ents) / sum(map(len, docs))

    with pytest.warns(UserWarning, match="L516"):
        assert share_of_entity_tokens() > 0.8
    assert share_of_entity_tokens(entity_ratio=[0.1, 0.25]) < 0.35


# In how many of five copies the word is an entity.
COPIES = {
    "GPE": {"Rome": 5, "Lima": 3, "Apia": 2},
    "PER": {"Ada": 5, "Bob": 3, "Carl": 2},
}


def contradictory(nlp):
    return [
        tagged(nlp, ["so", word, "left"], f"O B-{label} O" if copy < n else "O O O")
        for label, words in COPIES.items()
        for word, n in words.items()
        for copy in range(5)
    ]


@pytest.mark.parametrize("label", LABELS)
def test_costs_trade_precision_for_recall_of_their_label(label):
    def scores(**settings):
        nlp = fresh(contradictory, **settings)
        train(nlp, contradictory(nlp), steps=40)
        per_type = nlp.evaluate(contradictory(nlp))["ents_per_type"]
        return {name: (prf["p"], prf["r"]) for name, prf in per_type.items()}

    # Of 10 entities in 15 copies: what is one in most copies is found in all.
    usual = (8 / 10, 8 / 10)
    [other] = {*LABELS} - {label}
    assert scores() == {label: usual, other: usual}
    found = scores(missed_costs={label: 3.0})
    assert found == {label: (10 / 15, 10 / 10), other: usual}
    found = scores(spurious_costs={label: 3.0})
    assert found == {label: (5 / 5, 5 / 10), other: usual}
