"""Command line: every command of spaCy works on a pipeline with the component."""

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from fresh import run_fresh, run_fresh_spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import Config, fix_random_seed

from .helpers import (
    FACTORY,
    LABELS,
    TRAIN_DATA,
    assert_knows,
    initialized,
    make_example,
    make_nlp,
    parameters,
    phrases_of,
    run_python,
    run_spacy,
    same_arrays,
    trained,
)

STEPS = ("--training.max_steps", "2", "--training.eval_frequency", "1")


class Workspace:
    """A folder with a corpus and the config of a tiny pipeline."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.cfg"
        self.train = path / "train.spacy"
        self.dev = path / "dev.spacy"
        nlp = make_nlp()
        nlp.config.to_disk(self.config)
        for corpus, copies in ((self.train, 30), (self.dev, 1)):
            docs = [
                make_example(nlp, f"{text} {i}" if copies > 1 else text, ents).reference
                for i in range(copies)
                for text, ents in TRAIN_DATA
            ]
            DocBin(docs=docs).to_disk(corpus)

    @property
    def paths(self) -> tuple[str, ...]:
        """The options that name the corpus."""
        return ("--paths.train", str(self.train), "--paths.dev", str(self.dev))

    def write_config(self, name: str, *, training=None, **components) -> Path:
        """Write a config whose pipeline is the given components."""
        config = spacy.blank("xx").config
        config["nlp"]["pipeline"] = list(components)
        config["components"] = components
        config["training"].update(training or {})
        path = self.path / name
        Config(config).to_disk(path)
        return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def trained_path(workspace) -> Path:
    """The folder that `spacy train` wrote, after two steps."""
    path = workspace.path / "trained"
    run_spacy("train", workspace.config, "-o", path, *workspace.paths, *STEPS)
    return path


@pytest.fixture(scope="module")
def known_path(workspace, shared_nlp) -> Path:
    """A saved pipeline that knows TRAIN_DATA."""
    path = workspace.path / "known"
    shared_nlp.to_disk(path)
    return path


@pytest.fixture(scope="module")
def labels_path(workspace) -> Path:
    """The folder that `spacy init labels` wrote."""
    path = workspace.path / "labels"
    run_spacy("init", "labels", workspace.config, path, *workspace.paths)
    return path


# Configs


def test_init_fill_config_writes_the_full_block(workspace, tmp_path):
    partial = tmp_path / "partial.cfg"
    partial.write_text(
        f'[nlp]\nlang = "en"\npipeline = ["{FACTORY}"]\n'
        f'[components]\n[components.{FACTORY}]\nfactory = "{FACTORY}"\n',
        encoding="utf8",
    )
    run_spacy("init", "fill-config", partial, tmp_path / "full.cfg")
    config = Config().from_disk(tmp_path / "full.cfg", interpolate=False)
    block = config["components"][FACTORY]
    defaults = Language.get_factory_meta(FACTORY).default_config
    assert set(block) == {"factory", *defaults}
    assert {"tok2vec", "encode", "decode"} <= set(block["model"])
    nlp = spacy.blank("xx")
    nlp.add_pipe(FACTORY)
    assert block == nlp.config["components"][FACTORY]
    assert config["training"]["score_weights"]["ents_f"] == 1.0


def test_init_config_for_the_component(tmp_path):
    path = tmp_path / "config.cfg"
    run_spacy("init", "config", path, "-p", FACTORY, "-l", "en")
    config = Config().from_disk(path, interpolate=False)
    assert config["nlp"]["pipeline"][-1] == FACTORY
    assert config["components"][FACTORY]["factory"] == FACTORY
    assert "decode" in config["components"][FACTORY]["model"]
    nlp = spacy.util.load_model_from_config(config)
    assert nlp.get_pipe(FACTORY).labels == ()


def test_debug_config(workspace):
    output = run_spacy("debug", "config", workspace.config, *workspace.paths)
    assert "Config is valid" in output


def test_debug_config_names_a_wrong_setting(workspace, tmp_path):
    text = workspace.config.read_text(encoding="utf8")
    wrong = tmp_path / "wrong.cfg"
    wrong.write_text(text.replace("threshold = 0.0", 'threshold = "high"'), "utf8")
    with pytest.raises(AssertionError, match=r"(?s)lstm_ner.*threshold"):
        run_spacy("debug", "config", wrong, *workspace.paths)


def test_debug_data(workspace):
    output = run_spacy("debug", "data", workspace.config, *workspace.paths, "-V")
    assert "Pipeline can be initialized" in output
    assert "Corpus is loadable" in output
    assert FACTORY in output


def test_debug_model(workspace):
    steps = ("-P0", "-P1", "-P2", "-P3")
    output = run_spacy(
        "debug", "model", workspace.config, FACTORY, *steps, *workspace.paths
    )
    for step in range(4):
        assert f"STEP {step}" in output
    assert "model looks good" in output


# Labels and assemble


def test_init_labels_writes_json(labels_path):
    labels = srsly.read_json(labels_path / f"{FACTORY}.json")
    assert sorted(labels) == list(LABELS)


def test_train_takes_the_labels_from_the_file(workspace, labels_path, tmp_path):
    config = Config().from_disk(workspace.config, interpolate=False)
    labels_file = tmp_path / "more.json"
    labels = srsly.read_json(labels_path / f"{FACTORY}.json")
    srsly.write_json(labels_file, [*labels, "UNUSED"])
    reader = {"@readers": "spacy.read_labels.v1", "path": str(labels_file)}
    config["initialize"]["components"] = {FACTORY: {"labels": reader}}
    config.to_disk(tmp_path / "config.cfg")
    output = tmp_path / "model"
    run_spacy("train", tmp_path / "config.cfg", "-o", output, *workspace.paths, *STEPS)
    labels = spacy.load(output / "model-last").get_pipe(FACTORY).labels
    assert sorted(labels) == [*LABELS, "UNUSED"]


def test_assemble_with_labels_from_the_file(workspace, labels_path, tmp_path):
    config = Config().from_disk(workspace.config, interpolate=False)
    labels_file = labels_path / f"{FACTORY}.json"
    reader = {"@readers": "spacy.read_labels.v1", "path": str(labels_file)}
    config["initialize"]["components"] = {FACTORY: {"labels": reader}}
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("assemble", tmp_path / "config.cfg", tmp_path / "model")
    nlp = spacy.load(tmp_path / "model")
    assert nlp.get_pipe(FACTORY).labels == LABELS
    assert len(nlp("Ada met Bob")) == 3


def test_assemble_of_a_sourced_component(workspace, known_path, tmp_path):
    sourced = {FACTORY: {"source": str(known_path)}}
    config = workspace.write_config("assemble.cfg", **sourced)
    run_spacy("assemble", config, tmp_path / "model")
    assert_knows(spacy.load(tmp_path / "model"), TRAIN_DATA)


# Training


def test_train_saves_pipelines_with_scores_and_loss(trained_path):
    for name in ("model-best", "model-last"):
        nlp = spacy.load(trained_path / name)
        performance = nlp.meta["performance"]
        assert performance[f"{FACTORY}_loss"] > 0
        assert {"ents_f", "ents_p", "ents_r", "ents_per_type"} <= set(performance)
        assert nlp.meta["labels"] == {FACTORY: list(LABELS)}
        assert nlp.get_pipe(FACTORY).labels == LABELS


def test_train_resumes_a_sourced_component(workspace, known_path, tmp_path):
    sourced = {FACTORY: {"source": str(known_path)}}
    config = workspace.write_config("resumed.cfg", **sourced)
    run_spacy("train", config, "-o", tmp_path, *workspace.paths, *STEPS)
    resumed = spacy.load(tmp_path / "model-last")
    before = parameters(spacy.load(known_path).get_pipe(FACTORY))
    assert not same_arrays(parameters(resumed.get_pipe(FACTORY)), before)
    assert_knows(resumed, TRAIN_DATA)


def test_train_beside_a_sourced_frozen_annotating_component(
    workspace, known_path, tmp_path
):
    """The frozen one keeps its weights and still shows its entities to the other,
    which finds the tokens already taken."""
    components = {
        FACTORY: {"source": str(known_path)},
        "learner": make_nlp("learner").config["components"]["learner"],
    }
    config = workspace.write_config(
        "frozen.cfg",
        training={
            "frozen_components": [FACTORY],
            "annotating_components": [FACTORY],
        },
        **components,
    )
    run_spacy("train", config, "-o", tmp_path, *workspace.paths, *STEPS)
    nlp = spacy.load(tmp_path / "model-last")
    before = parameters(spacy.load(known_path).get_pipe(FACTORY))
    assert nlp.pipe_names == [FACTORY, "learner"]
    assert same_arrays(parameters(nlp.get_pipe(FACTORY)), before)
    assert nlp.meta["performance"]["learner_loss"] > 0
    assert f"{FACTORY}_loss" not in nlp.meta["performance"]
    assert phrases_of(nlp(TRAIN_DATA[0][0])).items() >= TRAIN_DATA[0][1].items()


# Using what was trained


def test_evaluate(workspace, known_path, tmp_path):
    output = tmp_path / "scores.json"
    run_spacy("evaluate", known_path, workspace.dev, "--output", output)
    scores = srsly.read_json(output)
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == (1.0, 1.0, 1.0)
    assert set(scores["ents_per_type"]) == set(LABELS)


def test_evaluate_what_train_saved(workspace, trained_path, tmp_path):
    output = tmp_path / "scores.json"
    best = trained_path / "model-best"
    run_spacy("evaluate", best, workspace.dev, "--output", output)
    performance = spacy.load(best).meta["performance"]
    scores = srsly.read_json(output)
    assert scores["ents_f"] == pytest.approx(performance["ents_f"], abs=1e-3)


def test_apply(known_path, tmp_path):
    texts = tmp_path / "texts.jsonl"
    srsly.write_jsonl(texts, [{"text": text} for text, _ in TRAIN_DATA])
    output = tmp_path / "applied.spacy"
    run_spacy("apply", known_path, texts, output)
    nlp = spacy.blank("xx")
    docs = list(DocBin().from_disk(output).get_docs(nlp.vocab))
    assert [doc.text for doc in docs] == [text for text, _ in TRAIN_DATA]
    assert [phrases_of(doc) for doc in docs] == [ents for _, ents in TRAIN_DATA]


def test_confidences_survive_the_doc_bin(known_path):
    nlp = spacy.load(known_path)
    docs = DocBin(store_user_data=True, docs=[nlp(TRAIN_DATA[0][0])])
    loaded: list[Doc] = list(
        DocBin().from_bytes(docs.to_bytes()).get_docs(spacy.blank("xx").vocab)
    )
    group = loaded[0].spans["lstm_ner"]
    assert {span.text: span.label_ for span in group} == TRAIN_DATA[0][1]
    assert len(group.attrs["scores"]) == len(TRAIN_DATA[0][1])


def find_threshold(model: Path, corpus: Path, score: str) -> dict[float, float]:
    """The scores that `spacy find-threshold` printed, by threshold."""
    output = run_spacy(
        *("find-threshold", model, corpus, FACTORY, "threshold", score),
        *("--n_trials", "3"),
    )
    assert "Best threshold: " in output
    rows = (line.split() for line in output.splitlines() if line[:1].isdigit())
    scores = {float(threshold): float(value) for threshold, value in rows}
    assert list(scores) == [0.0, 0.5, 1.0]
    return scores


def test_find_threshold(workspace, known_path):
    scores = find_threshold(known_path, workspace.dev, "ents_f")
    assert scores[0.0] == 1.0
    assert scores[1.0] < 1.0


def save_unsure(path: Path, **settings: Any) -> Language:
    """Save a pipeline that knows TRAIN_DATA, but not for sure."""
    fix_random_seed(0)
    nlp = trained(make_nlp(**settings))
    nlp.get_pipe(FACTORY).cfg["temperature"] = 3.0
    nlp.to_disk(path)
    return nlp


def test_find_threshold_of_decoding_by_probability(workspace, tmp_path):
    save_unsure(tmp_path, decoding="probability")
    scores = find_threshold(tmp_path, workspace.dev, "ents_f")
    # At 0 every free token becomes an entity of what little probability there is.
    assert 0.2 < scores[0.0] < 0.9
    assert scores[0.5] > scores[0.0]
    assert scores[1.0] == 0


def test_find_threshold_of_candidates(tmp_path):
    """The gold entities are none of the best path."""
    nlp = save_unsure(tmp_path / "model", candidates=True)
    text, _ = TRAIN_DATA[1]
    gold = make_example(nlp, text, {"Carl": "GPE", "York": "GPE"})
    DocBin(docs=[gold.reference]).to_disk(tmp_path / "dev.spacy")
    assert nlp.evaluate([gold])["ents_r"] == 0
    found = find_threshold(
        tmp_path / "model", tmp_path / "dev.spacy", "spans_lstm_ner_r"
    )
    assert found == {0.0: 1.0, 0.5: 0.0, 1.0: 0.0}


# Packages


@pytest.fixture(scope="module")
def package_path(workspace, known_path) -> Path:
    """The folder that `spacy package` wrote for a pipeline."""
    output = workspace.path / "packages"
    output.mkdir()
    run_fresh_spacy(
        *("package", known_path, output, "--build", "wheel"),
        *("--name", "contract", "--version", "1.2.3"),
        env={"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return output / "xx_contract-1.2.3"


def test_package_lists_the_plugin_as_a_requirement(package_path):
    meta = srsly.read_json(package_path / "meta.json")
    plugin = [req for req in meta["requirements"] if "lstm" in req]
    assert len(plugin) == 1
    assert plugin[0].replace("_", "-").startswith("spacy-lstm-ner>=")


def test_package_installs_and_loads(package_path, tmp_path):
    (wheel,) = (package_path / "dist").glob("*.whl")
    run_python(
        *("-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation"),
        *("--quiet", "--target", tmp_path, wheel),
    )
    text, ents = TRAIN_DATA[0]
    script = (
        "import json, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import xx_contract, spacy\n"
        "for nlp in (spacy.load('xx_contract'), xx_contract.load()):\n"
        f"    doc = nlp({text!r})\n"
        "    print(json.dumps({ent.text: ent.label_ for ent in doc.ents}))\n"
    )
    output = run_fresh(script)
    assert [json.loads(line) for line in output.splitlines()] == [ents, ents]


def test_default_pipeline_can_be_saved_as_the_command_line_saves_it(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe(FACTORY)
    initialized(nlp, [make_example(nlp, *TRAIN_DATA[0])])
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).meta["labels"] == {FACTORY: list(LABELS)}
