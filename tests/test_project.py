"""The project workflow: that its parts fit together, and that it runs."""

import hashlib
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from cli.helpers import find_command
from contract.helpers import run_spacy
from thinc.api import Config
from weasel.cli.run import project_run
from weasel.util import load_project_config

import spacy_lstm_ner
from spacy_lstm_ner.course.demo_corpus import write_corpus

ROOT = Path(__file__).resolve().parents[1]
CORPORA = ["demo", "wnut17"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project without what running it leaves behind."""
    shutil.copy(ROOT / "project.yml", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    return tmp_path


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of the workflow run in this process: each process of its own would
    import spaCy for seconds."""

    def run(words: list[str], *, capture: bool) -> None:
        assert not capture
        assert words[:3] == [sys.executable, "-m", "spacy"]
        print(run_spacy(*words[3:]))

    monkeypatch.setattr("weasel.cli.run.run_command", run)


def load(project: Path, **overrides: Any) -> dict[str, Any]:
    vars_ = {f"vars.{name}": value for name, value in overrides.items()}
    return load_project_config(project, overrides=vars_)


def commands_of(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {command["name"]: command for command in config["commands"]}


def scripts_of(config: dict[str, Any]) -> Iterator[list[str]]:
    for command in config["commands"]:
        yield from map(shlex.split, command["script"])


@pytest.mark.parametrize("corpus", CORPORA)
def test_workflow_makes_what_its_steps_need(project: Path, corpus: str):
    config = load(project, corpus=corpus)
    commands = commands_of(config)
    made: set[str] = set()
    for step in config["workflows"]["all"]:
        for path in commands[step].get("deps", []):
            assert path in made or (ROOT / path).exists(), (step, path)
        assert commands[step]["outputs"], f"{step} would run every time"
        made.update(commands[step]["outputs"])


@pytest.mark.parametrize("corpus", CORPORA)
def test_command_of_the_corpus_makes_its_assets(project: Path, corpus: str):
    config = load(project, corpus=corpus)
    commands = commands_of(config)
    assert commands[corpus]["outputs"] == commands["corpus"]["outputs"]
    assert commands["corpus"]["script"] == [f"python -m spacy project run {corpus} ."]


def test_outputs_of_corpora_and_configs_stay_apart(project: Path):
    def outputs(**overrides: str) -> set[str]:
        commands = commands_of(load(project, **overrides))
        steps = ("train", "calibrate", "evaluate", "report", "reliability")
        return {path for step in steps for path in commands[step]["outputs"]}

    assert not outputs() & outputs(corpus="wnut17")
    assert not outputs() & outputs(config="textbook")


def test_scripts_call_commands_that_exist(project: Path):
    for script in scripts_of(load(project)):
        python, flag, module, command, *_ = script
        assert (python, flag) == ("python", "-m")
        assert not re.search(r"[|&;<>$`]", " ".join(script)), "no logic in shell lines"
        if module == "doctest":
            assert (ROOT / command).is_file()
        else:
            assert module == "spacy"
            find_command(*script[3:])


def test_directories_are_made_and_ignored_by_git(project: Path):
    ignored = (ROOT / ".gitignore").read_text(encoding="utf8").split()
    for directory in load(project)["directories"]:
        assert (project / directory).is_dir()
        assert f"/{directory}/" in ignored


def test_assets_have_checksums_of_the_real_files(project: Path, corpora: Path):
    for asset in load(project)["assets"]:
        data = (corpora / Path(asset["dest"]).relative_to("assets")).read_bytes()
        assert hashlib.md5(data).hexdigest() == asset["checksum"]


def test_version_is_that_of_the_package(project: Path):
    assert load(project)["vars"]["version"] == spacy_lstm_ner.__version__


# `spacy package` leaves it to the garbage collector to close the files that it wrote.
@pytest.mark.filterwarnings("ignore:unclosed file <.* name='packages/:ResourceWarning")
@pytest.mark.usefixtures("in_process")
def test_workflow_runs_and_skips_what_is_done(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    sizes = {"train": 30, "dev": 5, "test": 5}
    write_corpus(project / "assets" / "demo", sizes=sizes)
    config = srsly.read_yaml(project / "project.yml")
    for command in config["commands"]:
        if command["name"] == "demo":
            command["script"] = []
    config["vars"]["max_steps"] = 2
    srsly.write_yaml(project / "project.yml", config)
    project_run(project, "all")
    out = capsys.readouterr().out
    assert "Skipping" not in out
    made = ("metrics/demo-default-test.json", "visualizations/demo-default.html")
    assert all((project / path).is_file() for path in made)
    assert (project / "packages" / "en_lstm_ner_demo-0.1.0" / "setup.py").is_file()
    project_run(project, "all")
    out = capsys.readouterr().out
    assert out.count("Skipping") == len(config["workflows"]["all"])
    weights = "training/demo-tok2vec/model-last.bin"
    project_run(project, "pretrain")
    assert (project / weights).is_file()
    settings = {"vars.config": "pretrain", "vars.init_tok2vec": weights}
    project_run(project, "train", overrides=settings)
    trained = Config().from_disk(
        project / "training/demo-pretrain/model-best/config.cfg"
    )
    assert trained["initialize"]["init_tok2vec"] == weights
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    project_run(project, "reliability")
    assert (project / "visualizations" / "demo-default-reliability.svg").is_file()


@pytest.mark.usefixtures("in_process")
def test_word_vectors_of_the_corpus_are_trained_and_used(project: Path):
    pytest.importorskip("gensim", reason="needs the extra `word2vec`")
    sizes = {"train": 30, "dev": 5, "test": 5}
    write_corpus(project / "assets" / "demo", sizes=sizes)
    settings = {"vars.max_steps": 2, "vars.word2vec": "cbow"}
    for command in ("convert", "word2vec", "train-word2vec"):
        project_run(project, command, overrides=settings)
    folder = project / "training" / "demo-cbow"
    words, _ = spacy.load(folder / "vectors").vocab.vectors.shape
    assert (folder / "vectors.vec").read_text("utf8").startswith(f"{words} 100\n")
    assert spacy.load(folder / "model-best").vocab.vectors.shape == (words, 100)


@pytest.mark.usefixtures("in_process")
def test_assets_that_are_there_are_not_downloaded(
    project: Path, corpora: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(corpora / "wnut17", project / "assets" / "wnut17")
    overrides = {"vars.corpus": "wnut17"}
    project_run(project, "corpus", overrides=overrides)
    out = capsys.readouterr().out
    assert out.count("Skipping download with matching checksum") == 3


def test_make_runs_what_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf8")
    assert "project run all ." in makefile
    extras = re.findall(r'"\.\[(.*?)\]"', makefile)
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    for extra in extras[0].split(","):
        assert re.search(rf"^{extra} = \[", pyproject, re.M)
