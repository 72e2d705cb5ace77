"""What a component knows of its training, and the copy in the meta of the pipeline."""

import pickle
from pathlib import Path

import pytest
import spacy
import srsly
from contract.helpers import (
    FACTORY,
    add_tiny,
    initialized,
    make_nlp,
    train,
    train_examples,
    trained,
)
from spacy.cli.package import package

CORPUS = {"texts": 5, "tokens": 23, "entities": {"GPE": 4, "PER": 4}}


def test_initialization_counts_its_texts():
    nlp = initialized()
    facts = nlp.get_pipe(FACTORY).facts["initialization"]
    assert facts["corpus"] == CORPUS
    assert facts["seed"] == 0
    assert facts["versions"]["spacy"] == spacy.__version__
    assert nlp.meta["lstm_ner"] == {FACTORY: nlp.get_pipe(FACTORY).facts}


@pytest.mark.parametrize("why", ["labels", "stream"])
def test_a_corpus_that_was_not_read_is_not_counted(why: str):
    nlp = make_nlp()
    examples = train_examples(nlp)
    if why == "labels":
        nlp.config["initialize"]["components"] = {FACTORY: {"labels": ["PER"]}}
    else:
        nlp.config["training"]["max_epochs"] = -1
    nlp.initialize(lambda: examples)
    assert nlp.get_pipe(FACTORY).facts["initialization"]["corpus"] is None


def test_a_component_without_a_pipeline_has_no_seed():
    nlp = make_nlp()
    examples = train_examples(nlp)
    ner = nlp.get_pipe(FACTORY)
    ner.initialize(lambda: examples)
    assert ner.facts["initialization"]["seed"] is None
    assert "lstm_ner" not in nlp.meta


def test_calibration_is_known_until_the_weights_change():
    nlp = trained(make_nlp(), train_examples(make_nlp()))
    ner = nlp.get_pipe(FACTORY)
    fitted = ner.calibrate(train_examples(nlp))
    assert ner.facts["calibration"] == fitted._asdict()
    assert fitted.n_texts == 5
    assert 0 < fitted.n_spans <= 8
    train(nlp, train_examples(nlp), steps=1)
    assert "calibration" not in ner.facts
    assert ner.facts["initialization"]["corpus"] == CORPUS


def test_facts_are_saved_and_follow_the_component(tmp_path: Path):
    nlp = initialized()
    facts = nlp.get_pipe(FACTORY).facts
    nlp.to_disk(tmp_path)
    assert srsly.read_json(tmp_path / "meta.json")["lstm_ner"] == {FACTORY: facts}
    loaded = spacy.load(tmp_path)
    assert loaded.meta["lstm_ner"] == {FACTORY: facts}
    other = spacy.blank("xx")
    sourced = other.add_pipe(FACTORY, name="renamed", source=loaded)
    copies = [
        loaded.get_pipe(FACTORY),
        make_nlp().from_bytes(nlp.to_bytes()).get_pipe(FACTORY),
        pickle.loads(pickle.dumps(nlp)).get_pipe(FACTORY),
        sourced,
    ]
    for copy in copies:
        assert copy.facts == facts


def test_saved_by_a_version_without_facts(tmp_path: Path):
    nlp = initialized()
    nlp.to_disk(tmp_path)
    cfg = srsly.read_json(tmp_path / FACTORY / "cfg")
    del cfg["facts"]
    srsly.write_json(tmp_path / FACTORY / "cfg", cfg)
    assert spacy.load(tmp_path).get_pipe(FACTORY).facts == {}
    # Not even those of what was there before.
    assert nlp.from_disk(tmp_path).get_pipe(FACTORY).facts == {}


def test_the_meta_drops_components_that_are_gone():
    nlp = initialized(make_nlp("a", "b"))
    assert set(nlp.meta["lstm_ner"]) == {"a", "b"}
    nlp.remove_pipe("a")
    add_tiny(nlp, "c")
    examples = train_examples(nlp)
    nlp.initialize(lambda: examples)
    assert set(nlp.meta["lstm_ner"]) == {"b", "c"}


# `spacy package` leaves it to the garbage collector to close the files that it wrote.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_package_keeps_the_meta(tmp_path: Path):
    nlp = initialized()
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "out").mkdir()
    no = {"create_wheel": False, "create_sdist": False, "silent": True}
    package(tmp_path / "model", tmp_path / "out", **no)
    (meta,) = (tmp_path / "out").glob("*/meta.json")
    assert srsly.read_json(meta)["lstm_ner"] == nlp.meta["lstm_ner"]
