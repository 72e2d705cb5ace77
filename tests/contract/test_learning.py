"""Learning: what update changes, what it leaves alone and what it must cope with."""

import time

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import SGD, Adam, fix_random_seed

from .helpers import (
    FACTORY,
    LABELS,
    TRAIN_DATA,
    add_tiny,
    assert_knows,
    assert_sound,
    clone,
    gradients,
    initialized,
    make_doc,
    make_example,
    make_nlp,
    no_gradient,
    parameters,
    phrases_of,
    same_arrays,
    spans_of,
    tagged_example,
    tiny_model,
    train,
    train_examples,
    trained,
    unannotated_example,
)


@Language.factory("contract_spy")
class Spy:
    """A component that notes the entities it is shown in training."""

    def __init__(self, nlp, name):
        self.seen = []

    def __call__(self, doc):
        return doc

    def update(self, examples, *, drop=0.0, sgd=None, losses=None):
        self.seen += [phrases_of(eg.predicted) for eg in examples]
        return losses


@pytest.fixture
def fresh():
    """An initialized pipeline that has not learned anything."""
    return initialized()


def loss_of(nlp, examples, **kwargs):
    """The loss of a batch; gradients are gathered, weights stay."""
    return nlp.get_pipe(FACTORY).update(examples, losses={}, **kwargs)[FACTORY]


# Learning anything


def test_default_config_learns_tiny_data_exactly():
    nlp = spacy.blank("xx")
    nlp.add_pipe(FACTORY)
    examples = train_examples(nlp)
    sgd = nlp.initialize(lambda: examples)
    train(nlp, examples, steps=60, sgd=sgd)
    assert_knows(nlp, TRAIN_DATA)


def test_tiny_config_learns_tiny_data_exactly(nlp):
    assert_knows(nlp, TRAIN_DATA)


def test_adjacent_entities_of_one_label_stay_two():
    nlp = make_nlp()
    two = tagged_example(nlp, ["met", "Ada", "Bob"], ["O", "B-PER", "B-PER"])
    one = tagged_example(nlp, ["saw", "Ada", "Lee"], ["O", "B-PER", "I-PER"])
    trained(nlp, [two, one])
    assert spans_of(nlp("met Ada Bob")) == [(1, 2, "PER"), (2, 3, "PER")]
    assert spans_of(nlp("saw Ada Lee")) == [(1, 3, "PER")]


def test_white_space_inside_an_entity_is_allowed():
    nlp = make_nlp()
    words = ["in", "New", "\n", "York", "now"]
    trained(nlp, [tagged_example(nlp, words, ["O", "B-GPE", "I-GPE", "I-GPE", "O"])])
    doc = nlp.get_pipe(FACTORY)(make_doc(nlp, words))
    assert spans_of(doc) == [(1, 4, "GPE")]


def test_white_space_at_the_end_is_never_learned():
    nlp = make_nlp()
    words = ["in", "Rome", "\n"]
    with pytest.warns(UserWarning, match="white space"):
        trained(nlp, [tagged_example(nlp, words, ["O", "B-GPE", "I-GPE"])])
    doc = nlp.get_pipe(FACTORY)(make_doc(nlp, words))
    assert spans_of(doc) == [(1, 2, "GPE")]


@pytest.mark.parametrize(
    "tags",
    [["O", "B-GPE", "I-GPE"], ["O", "B-GPE", "O"], ["O", "B-GPE", "B-GPE"]],
    ids=["begins there", "is nothing else", "stands there"],
)
def test_gold_on_white_space_does_not_crash_and_is_not_copied(tags):
    nlp = make_nlp()
    words = ["in", "\n", "Rome"]
    example = tagged_example(nlp, words, tags)
    with pytest.warns(UserWarning, match="white space|has no labels"):
        losses = train(initialized(nlp, [example]), [example])
    assert all(numpy.isfinite(step[FACTORY]) for step in losses)
    assert_sound(nlp.get_pipe(FACTORY)(make_doc(nlp, words)))


def test_misaligned_gold_is_learned_on_the_predicted_tokens():
    nlp = make_nlp()
    merged = Example(
        make_doc(nlp, ["Rome", "-", "based", "Bob"]),
        make_doc(nlp, ["Rome-based", "Bob"], ["B-NORP", "B-PER"]),
    )
    trained(nlp, [merged])
    doc = nlp.get_pipe(FACTORY)(make_doc(nlp, ["Rome", "-", "based", "Bob"]))
    assert spans_of(doc) == [(0, 3, "NORP"), (3, 4, "PER")]


def test_token_that_does_not_align_is_missing(fresh):
    misaligned = Example(
        make_doc(fresh, ["Rome-based"]),
        make_doc(fresh, ["Rome", "-", "based"], ["B-GPE", "O", "O"]),
    )
    assert loss_of(fresh, [misaligned]) == 0.0
    assert no_gradient(fresh.get_pipe(FACTORY))
    beside_bob = Example(
        make_doc(fresh, ["Rome-based", "Bob"]),
        make_doc(fresh, ["Rome", "-", "based", "Bob"], ["B-GPE", "O", "O", "B-PER"]),
    )
    assert loss_of(fresh, [beside_bob]) > 0.0


# Losses


def test_loss_is_a_finite_float_under_the_name_and_falls():
    nlp = make_nlp("names")
    examples = train_examples(nlp)
    losses = train(initialized(nlp, examples), examples)
    assert set(losses[0]) == {"names"}
    assert all(type(step["names"]) is float for step in losses)
    assert all(numpy.isfinite(step["names"]) for step in losses)
    assert 0 <= losses[-1]["names"] < losses[0]["names"] / 2


def test_loss_is_added_to_the_given_dict(fresh):
    examples = train_examples(fresh)
    own = loss_of(fresh, examples)
    losses = {FACTORY: 10.0, "other": 3.0}
    result = fresh.get_pipe(FACTORY).update(examples, losses=losses)
    assert result is losses
    assert own > 0
    assert losses == {FACTORY: pytest.approx(10.0 + own, rel=1e-4), "other": 3.0}


def test_loss_key_follows_a_new_name(fresh):
    fresh.rename_pipe(FACTORY, "renamed")
    assert set(fresh.update(train_examples(fresh), losses={})) == {"renamed"}


# Steps


def test_update_without_optimizer_gathers_gradients_and_takes_no_step(fresh):
    pipe = fresh.get_pipe(FACTORY)
    before = parameters(pipe)
    pipe.update(train_examples(fresh))
    once = gradients(pipe)
    pipe.update(train_examples(fresh), sgd=None)
    twice = gradients(pipe)
    assert same_arrays(parameters(pipe), before)
    assert any(array.any() for array in once.values())
    for key, array in once.items():
        numpy.testing.assert_allclose(twice[key], 2 * array, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("through", ["pipe", "nlp"])
def test_sgd_false_takes_no_step(fresh, through):
    pipe = fresh.get_pipe(FACTORY)
    before = parameters(pipe)
    updater = pipe if through == "pipe" else fresh
    updater.update(train_examples(fresh), sgd=False)
    assert same_arrays(parameters(pipe), before)
    assert not no_gradient(pipe)
    updater.update(train_examples(fresh), sgd=SGD(0.1))
    assert not same_arrays(parameters(pipe), before)
    assert no_gradient(pipe)


def test_nlp_update_steps_with_its_own_optimizer(fresh):
    before = parameters(fresh.get_pipe(FACTORY))
    fresh.update(train_examples(fresh))
    assert not same_arrays(parameters(fresh.get_pipe(FACTORY)), before)


# Dropout and chance


def test_dropout_follows_drop_and_is_off_without_it(fresh):
    examples = train_examples(fresh)
    none = [loss_of(fresh, examples, drop=0.0) for _ in range(2)]
    half = [loss_of(fresh, examples, drop=0.5) for _ in range(2)]
    assert none[0] == none[1]
    assert half[0] != half[1]
    assert none[0] not in half
    assert loss_of(fresh, examples, drop=0.0) == none[0]


def test_dropout_is_off_at_prediction(nlp):
    text = "Ada Lovelace met Bob in Rome"
    before = nlp(text).to_bytes()
    loss_of(nlp, train_examples(nlp), drop=0.9)
    assert nlp(text).to_bytes() == before
    assert nlp(text).to_bytes() == before


def test_drop_can_be_set_for_the_component(fresh):
    examples = train_examples(fresh)
    plain = fresh.update(examples, drop=0.0, sgd=False, losses={})[FACTORY]
    config = {FACTORY: {"drop": 0.5}}
    dropped = fresh.update(
        examples, drop=0.0, sgd=False, losses={}, component_cfg=config
    )[FACTORY]
    assert dropped != plain


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_fixed_seed_gives_the_same_weights_to_the_last_bit(drop):
    def weights(seed):
        fix_random_seed(seed)
        nlp = initialized()
        train(nlp, train_examples(nlp), steps=4, drop=drop)
        return parameters(nlp.get_pipe(FACTORY))

    first = weights(5)
    assert same_arrays(first, weights(5))
    assert not same_arrays(first, weights(6))


# What update leaves alone


def test_docs_of_the_caller_stay_untouched(fresh):
    examples = train_examples(fresh)

    def snapshot():
        return [(eg.predicted.to_bytes(), eg.reference.to_bytes()) for eg in examples]

    before = snapshot()
    fresh.get_pipe(FACTORY).update(examples, sgd=Adam(0.01))
    fresh.update(examples, sgd=Adam(0.01))
    assert snapshot() == before
    assert not any(eg.predicted.has_annotation("ENT_IOB") for eg in examples)
    assert not any(eg.predicted.spans for eg in examples)


def test_excluded_component_is_frozen():
    nlp = initialized(make_nlp("frozen", "free"))
    before = {name: parameters(nlp.get_pipe(name)) for name in nlp.pipe_names}
    losses = nlp.update(train_examples(nlp), losses={}, exclude=["frozen"])
    assert set(losses) == {"free"}
    assert same_arrays(parameters(nlp.get_pipe("frozen")), before["frozen"])
    assert not same_arrays(parameters(nlp.get_pipe("free")), before["free"])


@pytest.mark.parametrize("annotates", [[FACTORY], []])
def test_annotating_component_shows_its_ents_to_the_next(nlp, annotates):
    spy = nlp.add_pipe("contract_spy")
    texts = [text for text, _ in TRAIN_DATA]
    examples = [unannotated_example(nlp, text) for text in texts]
    nlp.update(examples, annotates=annotates, sgd=False)
    known = [ents for _, ents in TRAIN_DATA]
    assert spy.seen == (known if annotates else [{}] * len(known))
    assert not any(eg.predicted.ents for eg in examples)


def test_use_params_swaps_averages_in_and_back():
    nlp = initialized()
    sgd = Adam(0.01, use_averages=True)
    train(nlp, train_examples(nlp), steps=5, sgd=sgd)
    pipe = nlp.get_pipe(FACTORY)
    before = parameters(pipe)
    with nlp.use_params(sgd.averages):
        assert not same_arrays(parameters(pipe), before)
    assert same_arrays(parameters(pipe), before)


# Missing annotation


@pytest.mark.parametrize("between", ["accumulated", "nothing", "empty"])
def test_averages_are_new_after_each_step(between):
    """Also where there was no training since the last prediction: of parameters that
    are changed in place, nothing old is kept."""
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe(FACTORY)
    examples = train_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    docs = [eg.predicted for eg in examples]
    for _ in range(2):
        with nlp.use_params(optimizer.averages):
            found = pipe.model.predict(docs).emit
            expected = pipe.model.copy().predict(docs).emit
        numpy.testing.assert_allclose(found, expected, atol=1e-5)
        if between == "accumulated":
            nlp.update(examples, sgd=None)
            with nlp.use_params(optimizer.averages):
                pipe.model.predict(docs)
            pipe.finish_update(optimizer)
        elif between == "nothing":
            pipe.finish_update(optimizer)
        else:
            empty = Example.from_dict(nlp.make_doc(""), {})
            nlp.update([empty], sgd=optimizer)


def test_vectors_of_double_precision_are_learned_from(fresh):
    """Of somebody's own tok2vec; spaCy's components refuse them."""
    pipe = fresh.get_pipe(FACTORY)
    tok2vec = pipe.model.get_ref("tok2vec")
    forward = tok2vec._func

    def double(model, X, is_train):
        Y, backprop = forward(model, X, is_train)
        return [y.astype("float64") for y in Y], backprop

    tok2vec._func = double
    losses = [loss_of(fresh, train_examples(fresh), sgd=Adam(0.01)) for _ in range(5)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_example_without_annotation_costs_and_changes_nothing(fresh, optimizer):
    pipe = fresh.get_pipe(FACTORY)
    before = parameters(pipe)
    assert loss_of(fresh, [unannotated_example(fresh)]) == 0.0
    assert no_gradient(pipe)
    fresh.update([unannotated_example(fresh)], sgd=optimizer(0.1))
    assert same_arrays(parameters(pipe), before)


def test_empty_list_of_entities_means_that_there_are_none(fresh):
    example = make_example(fresh, "Ada Lovelace met Bob", {})
    assert loss_of(fresh, [example]) > 0.0
    assert not no_gradient(fresh.get_pipe(FACTORY))


def test_tokens_without_annotation_cost_nothing(fresh):
    words = ["Ada", "met", "Bob"]
    assert loss_of(fresh, [tagged_example(fresh, words, ["", "", ""])]) == 0.0
    assert no_gradient(fresh.get_pipe(FACTORY))
    only_first = loss_of(fresh, [tagged_example(fresh, words, ["B-PER", "", ""])])
    outside_too = loss_of(fresh, [tagged_example(fresh, words, ["B-PER", "O", "O"])])
    assert 0.0 < only_first < outside_too


def test_partial_annotation_is_learned():
    nlp = make_nlp()
    examples = [
        tagged_example(nlp, ["Ada", "met", "Bob"], ["B-PER", "O", ""]),
        tagged_example(nlp, ["Bob", "left", "Rome"], ["", "O", "B-GPE"]),
    ]
    trained(nlp, examples)
    assert (0, 1, "PER") in spans_of(nlp("Ada met Bob"))
    assert (2, 3, "GPE") in spans_of(nlp("Bob left Rome"))


def test_mixed_batch_learns_from_what_is_annotated():
    nlp = make_nlp()
    examples = [
        unannotated_example(nlp, "Ada Lovelace met Bob"),
        *train_examples(nlp),
        make_example(nlp, "", {}),
        tagged_example(nlp, ["Dora", "left"], ["", "O"]),
    ]
    trained(nlp, examples)
    assert_knows(nlp, TRAIN_DATA)


# Odd input


def test_empty_batch_and_empty_docs_change_nothing(fresh):
    pipe = fresh.get_pipe(FACTORY)
    before = parameters(pipe)
    empty = make_example(fresh, "", {})
    for batch in ([], [empty], [empty, empty]):
        assert pipe.update(batch, sgd=SGD(0.1), losses={}) == {FACTORY: 0.0}
    assert same_arrays(parameters(pipe), before)


def test_empty_docs_inside_a_batch(fresh):
    pipe = fresh.get_pipe(FACTORY)
    empty = make_example(fresh, "", {})
    examples = train_examples(fresh)
    alone = loss_of(fresh, examples)
    among = loss_of(fresh, [empty, *examples[:2], empty, *examples[2:], empty])
    assert among == pytest.approx(alone, rel=1e-4)
    pipe.update([empty, examples[0], empty], sgd=SGD(0.1))


@pytest.mark.parametrize("through", ["pipe", "nlp"])
def test_wrong_types_are_refused(fresh, through):
    updater = fresh if through == "nlp" else fresh.get_pipe(FACTORY)
    for wrong in ([fresh.make_doc("Ada")], [("Ada", {"entities": []})]):
        with pytest.raises(TypeError, match="E978"):
            updater.update(wrong)


def test_unseen_label_is_told_and_learned(fresh):
    unseen = make_example(fresh, "Ada met Bob", {"Ada": "UNSEEN"})
    with pytest.warns(UserWarning, match="'UNSEEN'") as told:
        train(fresh, [unseen])
    assert len(told) == 1
    assert fresh.get_pipe(FACTORY).labels == (*LABELS, "UNSEEN")
    assert phrases_of(fresh("Ada met Bob")) == {"Ada": "UNSEEN"}


def test_unseen_label_of_a_loaded_pipeline_keeps_what_was_known(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    loaded.resume_training()
    sgd = Adam(0.01, use_averages=True)
    new = ("Acme hired Eve", {"Acme": "ORG", "Eve": "PER"})
    examples = [*train_examples(loaded), make_example(loaded, *new)]
    with pytest.warns(UserWarning, match="'ORG'"):
        train(loaded, examples, sgd=sgd)
    assert_knows(loaded, [*TRAIN_DATA, new])
    with loaded.use_params(sgd.averages):
        assert_sound(loaded("Acme hired Eve"))
    assert_knows(clone(loaded), [*TRAIN_DATA, new])


@pytest.mark.parametrize("decode", ["LogSoftmax.v1", "CRF.v1"])
def test_initialized_without_labels(decode):
    nlp = spacy.blank("xx")
    model = tiny_model()
    model["decode"] = {"@layers": f"spacy_lstm_ner.{decode}"}
    pipe = nlp.add_pipe(FACTORY, config={"model": model})
    with pytest.warns(UserWarning, match=f"'{FACTORY}' has no labels"):
        nlp.initialize()
    assert pipe.labels == ()
    assert spans_of(nlp("Ada met Bob")) == []
    with pytest.warns(UserWarning, match="initialization"):
        train(nlp, train_examples(nlp))
    assert pipe.labels == LABELS
    assert_knows(nlp, TRAIN_DATA)


def test_ents_on_the_predicted_doc_do_not_disturb_training():
    nlp = make_nlp()
    examples = []
    for text, ents in TRAIN_DATA:
        example = make_example(nlp, text, ents)
        example.predicted.ents = [Span(example.predicted, 0, 1, label="PRESET")]
        examples.append(example)
    trained(nlp, examples)
    assert nlp.get_pipe(FACTORY).labels == LABELS
    assert_knows(nlp, TRAIN_DATA)
    assert all(spans_of(eg.predicted) == [(0, 1, "PRESET")] for eg in examples)


def test_long_example_is_finite_and_takes_bounded_time(fresh):
    words = ["Ada", "met", "Bob", "in"] * 400
    example = tagged_example(fresh, words, ["B-PER", "O", "B-PER", "O"] * 400)
    start = time.perf_counter()
    losses = train(fresh, [example], steps=3)
    assert time.perf_counter() - start < 30
    assert all(numpy.isfinite(step[FACTORY]) for step in losses)
    assert losses[-1][FACTORY] < losses[0][FACTORY]


def test_scores_that_are_no_number_stop_training(fresh):
    pipe = fresh.get_pipe(FACTORY)
    node = next(node for node in pipe.model.walk() if node.has_param("E"))
    node.set_param("E", numpy.full_like(node.get_param("E"), numpy.nan))
    with pytest.raises(ValueError, match=r"\[(E940|E910|L\d+)\]"):
        pipe.update(train_examples(fresh), sgd=SGD(0.1))


# Growing


def test_label_after_initialize_grows_and_keeps_the_predictions(nlp, tmp_path):
    pipe = nlp.get_pipe(FACTORY)
    assert pipe.add_label("ORG") == 1
    assert pipe.add_label("ORG") == 0
    assert pipe.labels == (*LABELS, "ORG")
    assert "ORG" in nlp.vocab.strings
    assert_knows(nlp, TRAIN_DATA)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe(FACTORY).labels == (*LABELS, "ORG")
    assert_knows(loaded, TRAIN_DATA)


def test_new_label_is_learned_with_resume_training_and_the_old_are_kept(nlp):
    nlp.get_pipe(FACTORY).add_label("ORG")
    nlp.resume_training()
    new = ("Acme hired Eve", {"Acme": "ORG", "Eve": "PER"})
    examples = [*train_examples(nlp), make_example(nlp, *new)]
    train(nlp, examples)
    assert_knows(nlp, [*TRAIN_DATA, new])


def test_growing_under_the_same_optimizer():
    nlp = make_nlp()
    sgd = Adam(0.01, use_averages=True)
    train(initialized(nlp), train_examples(nlp), steps=20, sgd=sgd)
    nlp.get_pipe(FACTORY).update(train_examples(nlp))  # a gradient is pending
    nlp.get_pipe(FACTORY).add_label("ORG")
    new = ("Acme hired Eve", {"Acme": "ORG", "Eve": "PER"})
    train(nlp, [*train_examples(nlp), make_example(nlp, *new)], sgd=sgd)
    assert_knows(nlp, [*TRAIN_DATA, new])
    with nlp.use_params(sgd.averages):
        assert_sound(nlp("Acme hired Eve"))


def test_several_labels_after_initialize(nlp):
    pipe = nlp.get_pipe(FACTORY)
    for label in ("ORG", "ART", "EVE"):
        pipe.add_label(label)
    assert pipe.labels == (*LABELS, "ORG", "ART", "EVE")
    assert_knows(nlp, TRAIN_DATA)
    assert_knows(clone(nlp), TRAIN_DATA)


def test_rehearse_does_not_crash(nlp):
    sgd = nlp.resume_training()
    losses = nlp.rehearse(train_examples(nlp), sgd=sgd, losses={})
    assert isinstance(losses, dict)
    assert_knows(nlp, TRAIN_DATA)


# Two in one pipeline


def test_second_instance_keeps_the_ents_of_the_first():
    nlp = make_nlp("first", "second")
    text = "Carl left New York"
    places = [make_example(nlp, text, {"New York": "GPE"})]
    single = {"Carl": "PER", "New": "PER", "York": "PER"}
    persons = [make_example(nlp, text, single)]
    initialized(nlp, [*places, *persons])
    train(nlp, places, exclude=["second"])
    train(nlp, persons, exclude=["first"])
    assert phrases_of(nlp(text)) == {"Carl": "PER", "New York": "GPE"}
    with nlp.select_pipes(disable=["first"]):
        assert phrases_of(nlp(text)) == single


def test_instances_learn_apart():
    nlp = make_nlp("first", "second")
    add_tiny(nlp, "third")
    losses = initialized(nlp).update(train_examples(nlp), losses={})
    assert set(losses) == {"first", "second", "third"}
    assert len(set(losses.values())) == 3
