"""Serialization: what is saved, what comes back and what is refused."""

import copy
import json
import pickle

import pytest
import spacy
import srsly
from fresh import run_fresh
from spacy import util
from thinc.api import Adam, Config, fix_random_seed

from .helpers import (
    FACTORY,
    LABELS,
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
    spans_of,
    tiny_model,
    train,
    train_examples,
    trained,
)

TEXTS = [*(text for text, _ in TRAIN_DATA), "Bob told Ada Lovelace\n about New York"]


def test_files_on_disk_are_model_and_cfg(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path)
    assert {path.name for path in (tmp_path / FACTORY).iterdir()} == {"model", "cfg"}
    assert isinstance(srsly.read_json(tmp_path / FACTORY / "cfg"), dict)


def test_disk_gives_the_same_ents_and_scores(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe(FACTORY).labels == LABELS
    assert_same_results(loaded, shared_nlp, TEXTS)


def test_component_alone_goes_to_disk_and_back(shared_nlp, tmp_path):
    shared_nlp.get_pipe(FACTORY).to_disk(tmp_path / "pipe")
    nlp = make_nlp()
    assert nlp.get_pipe(FACTORY).from_disk(tmp_path / "pipe") is nlp.get_pipe(FACTORY)
    assert_same_results(nlp, shared_nlp, TEXTS)


def test_bytes_give_the_same_ents_and_scores(shared_nlp):
    assert_same_results(clone(shared_nlp), shared_nlp, TEXTS)


def test_component_bytes_give_the_same_ents_and_scores(shared_nlp):
    nlp = make_nlp()
    pipe = nlp.get_pipe(FACTORY)
    assert pipe.from_bytes(shared_nlp.get_pipe(FACTORY).to_bytes()) is pipe
    assert_same_results(nlp, shared_nlp, TEXTS)


@pytest.mark.parametrize("way", ["bytes", "disk"])
def test_labels_come_back_into_a_vocab_without_strings(tmp_path, way):
    data = [("Ada met Bob", {"Ada": "FORENAME", "Bob": "SURNAME"})]
    source_nlp = make_nlp()
    trained(source_nlp, [make_example(source_nlp, *data[0])])
    source = source_nlp.get_pipe(FACTORY)
    nlp = spacy.blank("xx")
    pipe = add_tiny(nlp)
    assert not any(label in nlp.vocab.strings for label in source.labels)
    if way == "bytes":
        pipe.from_bytes(source.to_bytes(exclude=["vocab"]), exclude=["vocab"])
    else:
        source.to_disk(tmp_path / "pipe", exclude=["vocab"])
        pipe.from_disk(tmp_path / "pipe", exclude=["vocab"])
    assert pipe.labels == ("FORENAME", "SURNAME")
    assert all(label in nlp.vocab.strings for label in pipe.labels)
    assert_knows(nlp, data)


def test_labels_are_strings_in_cfg(shared_nlp):
    cfg = shared_nlp.get_pipe(FACTORY).cfg
    assert json.loads(json.dumps(cfg)) == cfg
    assert list(cfg["labels"]) == list(LABELS)


@pytest.mark.parametrize("excluded", ["vocab", "model", "cfg"])
def test_exclude_is_honoured_when_saving(shared_nlp, tmp_path, excluded):
    pipe = shared_nlp.get_pipe(FACTORY)
    left = {"vocab", "model", "cfg"} - {excluded}
    assert left == set(srsly.msgpack_loads(pipe.to_bytes(exclude=[excluded]))) - {
        "moves"
    }
    pipe.to_disk(tmp_path / "pipe", exclude=[excluded])
    files = {path.name for path in (tmp_path / "pipe").iterdir()}
    assert left == files


def test_exclude_is_honoured_when_loading(shared_nlp):
    data = shared_nlp.get_pipe(FACTORY).to_bytes()
    nlp = initialized(make_nlp(), None)
    before = parameters(nlp.get_pipe(FACTORY))
    nlp.get_pipe(FACTORY).from_bytes(data, exclude=["model"])
    assert same_arrays(parameters(nlp.get_pipe(FACTORY)), before)
    nlp.get_pipe(FACTORY).from_bytes(data)
    assert not same_arrays(parameters(nlp.get_pipe(FACTORY)), before)


def test_exclude_in_the_pipeline(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path / "without", exclude=[FACTORY])
    assert not (tmp_path / "without" / FACTORY).exists()
    shared_nlp.to_disk(tmp_path / "with")
    loaded = spacy.load(tmp_path / "with", exclude=[FACTORY])
    assert FACTORY not in loaded.component_names
    assert not loaded(TEXTS[0]).ents


def test_disable_in_the_pipeline(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path, disable=[FACTORY])
    assert loaded.disabled == [FACTORY]
    assert not loaded(TEXTS[0]).ents
    loaded.enable_pipe(FACTORY)
    assert_knows(loaded, TRAIN_DATA)


@pytest.mark.parametrize("way", ["bytes", "disk"])
def test_save_before_initialize(tmp_path, way):
    nlp = make_nlp()
    nlp.get_pipe(FACTORY).add_label("BYHAND")
    if way == "bytes":
        loaded = clone(nlp)
    else:
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    assert tuple(loaded.get_pipe(FACTORY).labels) == ("BYHAND",)
    train(initialized(loaded), train_examples(loaded))
    assert_knows(loaded, TRAIN_DATA)


def test_label_order_after_growth_is_stable(nlp):
    pipe = nlp.get_pipe(FACTORY)
    for label in ("ZOO", "ART"):
        pipe.add_label(label)
    loaded = clone(nlp)
    assert loaded.get_pipe(FACTORY).labels == pipe.labels
    assert loaded.get_pipe(FACTORY).label_data == pipe.label_data
    assert_same_results(loaded, nlp, TEXTS)
    loaded.get_pipe(FACTORY).add_label("MID")
    assert clone(loaded).get_pipe(FACTORY).labels == (*pipe.labels, "MID")


def test_training_goes_on_after_loading(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    new = ("Eve phoned Lima", {"Eve": "PER", "Lima": "GPE"})
    sgd = loaded.resume_training()
    examples = [*train_examples(loaded), make_example(loaded, *new)]
    before = parameters(loaded.get_pipe(FACTORY))
    loaded.update(examples, sgd=sgd)
    assert not same_arrays(parameters(loaded.get_pipe(FACTORY)), before)
    train(loaded, examples, sgd=Adam(0.01))
    assert_knows(loaded, [*TRAIN_DATA, new])


@pytest.mark.parametrize(
    "changed", [{"width": 48}, {"embed_size": 300}, {"depth": 2}, {"maxout_pieces": 3}]
)
def test_weights_of_another_shape_are_refused(shared_nlp, changed):
    tok2vec = {**TINY_TOK2VEC, **changed}
    pipe = add_tiny(spacy.blank("xx"), model=tiny_model(tok2vec))
    with pytest.raises(ValueError, match=r"(?i)dim|shape|mismatch|E149|L\d+"):
        pipe.from_bytes(shared_nlp.get_pipe(FACTORY).to_bytes())


def test_weights_for_other_labels_are_refused(shared_nlp):
    nlp = make_nlp()
    initialized(nlp, [make_example(nlp, "Ada", {"Ada": "ONLY"})])
    saved = shared_nlp.get_pipe(FACTORY).to_bytes()
    with pytest.raises(ValueError, match=r"(?i)dim|shape|mismatch|E149|L\d+"):
        nlp.get_pipe(FACTORY).from_bytes(saved, exclude=["cfg"])


@pytest.mark.parametrize("labels", ["A", "ABC"])
def test_labels_that_were_there_before_loading_are_replaced(shared_nlp, labels):
    """As when a loop goes back to its best weights, after it has met a new label."""
    nlp = make_nlp()
    text = " ".join(labels)
    initialized(nlp, [make_example(nlp, text, {label: label for label in labels})])
    nlp.from_bytes(shared_nlp.to_bytes())
    assert nlp.get_pipe(FACTORY).labels == LABELS
    assert_same_results(nlp, shared_nlp, TEXTS)
    train(nlp, train_examples(nlp), steps=1)
    assert_same_results(clone(nlp), nlp, TEXTS)


@pytest.mark.parametrize("what", ["nlp", "component", "model"])
def test_pickle(shared_nlp, what):
    nlp = clone(shared_nlp)
    pipe = nlp.get_pipe(FACTORY)
    if what == "nlp":
        nlp = pickle.loads(pickle.dumps(nlp))
    elif what == "component":
        again = pickle.loads(pickle.dumps(pipe))
        assert again.labels == LABELS
        assert same_arrays(parameters(again), parameters(pipe))
        return
    else:
        pipe.model = pickle.loads(pickle.dumps(pipe.model))
    assert_same_results(nlp, shared_nlp, TEXTS)


@pytest.mark.parametrize(("way", "n_tags"), [("disk", 3), ("bytes", 9)])
def test_a_number_of_tags_in_the_config_does_not_bind(tmp_path, way, n_tags):
    """Labels decide, as with `ner`, whose config may have a number too: it is 7."""
    model = {**tiny_model(), "nO": n_tags}
    nlp = spacy.blank("xx")
    nlp.add_pipe(FACTORY, config={"model": model})
    nlp = trained(nlp)
    nlp.get_pipe(FACTORY).add_label("NEW")
    if way == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    else:
        loaded = spacy.blank("xx")
        loaded.add_pipe(FACTORY, config={"model": model})
        loaded.from_bytes(nlp.to_bytes())
    assert_same_results(loaded, nlp, TEXTS)


def test_settings_of_the_model_can_be_changed_at_load_time(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe(FACTORY)
    initialized(nlp)
    nlp.to_disk(tmp_path)
    example = make_example(nlp, "Ada met Bob " * 15, {})

    def losses(**changed):
        """The losses of two steps of training from the saved weights."""
        prefix = f"components.{FACTORY}.model"
        overrides = {f"{prefix}.{name}": value for name, value in changed.items()}
        loaded = spacy.load(tmp_path, config=overrides)
        fix_random_seed(0)
        sgd = loaded.resume_training()
        steps = [loaded.update([example], drop=0.2, sgd=sgd) for _ in range(2)]
        return [step[FACTORY] for step in steps]

    expected = losses()
    assert losses() == expected
    changed = {
        "tok2vec.rare_dropout": 9.0,
        "tok2vec.word_dropout": 0.9,
        "encode.dropout": 0.7,
        "encode.recurrent_dropout": 0.2,
        "encode.grad_clip": 1e-6,
    }
    for name, value in changed.items():
        assert losses(**{name: value}) != expected, name
    assert losses(window=20, overlap=5) != expected


def test_pickle_in_a_fresh_process(shared_nlp, tmp_path):
    path = tmp_path / "nlp.pickle"
    path.write_bytes(pickle.dumps(shared_nlp))
    script = (
        "import pickle\n"
        f"nlp = pickle.load(open({str(path)!r}, 'rb'))\n"
        f"print([ent._.confidence is None for ent in nlp({TEXTS[0]!r}).ents])\n"
    )
    n_ents = len(shared_nlp(TEXTS[0]).ents)
    assert run_fresh(script).strip() == str([False] * n_ents)


def test_deepcopy(nlp, shared_nlp):
    pipe = nlp.get_pipe(FACTORY)
    again = copy.deepcopy(pipe)
    assert again.labels == LABELS
    assert again.model is not pipe.model
    assert same_arrays(parameters(again), parameters(pipe))
    assert_same_results(copy.deepcopy(nlp), shared_nlp, TEXTS)


@pytest.mark.parametrize("grown", [False, True])
def test_model_copy_is_independent(nlp, grown):
    pipe = nlp.get_pipe(FACTORY)
    if grown:
        pipe.add_label("ORG")
    before = parameters(pipe)
    other = make_nlp().get_pipe(FACTORY)
    other.model = pipe.model.copy()
    assert same_arrays(parameters(other), before)
    for node in other.model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name) + 1)
    assert same_arrays(parameters(pipe), before)


def test_loads_in_a_fresh_process_without_import(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path)
    script = (
        "import json, spacy\n"
        f"nlp = spacy.load({str(tmp_path)!r})\n"
        f"docs = nlp.pipe(json.loads({json.dumps(TEXTS)!r}))\n"
        "print(json.dumps([[(e.start, e.end, e.label_) for e in doc.ents]\n"
        "                  for doc in docs]))\n"
    )
    found = json.loads(run_fresh(script))
    expected = [
        [list(span) for span in spans_of(doc)] for doc in shared_nlp.pipe(TEXTS)
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("setting", "value"),
    [("threshold", 1.0), ("spans_key", "elsewhere"), ("overwrite", True)],
)
def test_settings_can_be_changed_at_load_time(shared_nlp, tmp_path, setting, value):
    """What stands in `cfg` would win over the config given to `spacy.load`."""
    shared_nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path, config={f"components.{FACTORY}.{setting}": value})
    doc = loaded.make_doc("Rome")
    doc.ents = [(doc.vocab.strings.add("PRESET"), 0, 1)]
    loaded.get_pipe(FACTORY)(doc)
    preset_won = spans_of(doc) == [(0, 1, "PRESET")]
    predicted = spans_of(loaded("Rome")) == [(0, 1, "GPE")]
    assert preset_won == (setting != "overwrite")
    assert predicted == (setting != "threshold")
    assert ("elsewhere" in loaded("Rome").spans) == (setting == "spans_key")


def test_config_of_a_saved_pipeline_builds_the_same_again(shared_nlp, tmp_path):
    shared_nlp.to_disk(tmp_path)
    config = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    nlp = util.load_model_from_config(config)
    assert nlp.pipe_names == [FACTORY]
    assert nlp.config.to_str() == shared_nlp.config.to_str()
