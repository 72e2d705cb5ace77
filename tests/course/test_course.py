"""The course: what docs/course.md names exists, and what it shows is what happens."""

import ast
import doctest
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed
from weasel.util import load_project_config

from spacy_lstm_ner.course.demo_corpus import write_corpus

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "docs" / "course.md"
TEXT = COURSE.read_text(encoding="utf8")

# [layers/rnn.py](../spacy_lstm_ner/layers/rnn.py): `RNN`, `RNNCell.initial_weights`
REFERENCE = re.compile(r"\]\((?P<path>[^)]+\.py)\):(?P<names>(\s+`[\w.]+`,?)+)")


def definitions(path: Path) -> set[str]:
    """The functions and classes of a file, and what classes define."""

    def names(node: ast.AST, prefix: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                yield prefix + child.name
                if isinstance(child, ast.ClassDef):
                    yield from names(child, f"{prefix}{child.name}.")

    return set(names(ast.parse(path.read_text(encoding="utf8")), ""))


def test_what_is_named_exists():
    targets = set(re.findall(r"\]\(([^)]+)\)", TEXT))
    references = list(REFERENCE.finditer(TEXT))
    missing = [target for target in targets if not (COURSE.parent / target).is_file()]
    assert not missing
    modules = {target for target in targets if target.endswith(".py")}
    assert {match["path"] for match in references} == modules
    for match in references:
        named = set(re.findall(r"`([\w.]+)`", match["names"]))
        assert not named - definitions(COURSE.parent / match["path"]), match["path"]


def test_workflow_runs_the_commands_of_the_course_in_order(tmp_path: Path):
    blocks = re.findall(r"^```bash\n(.*?)^```", TEXT, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    the_workflow, *shown = map(shlex.split, lines)
    assert shlex.join(the_workflow) == "python -m spacy project run course ."
    shutil.copy(ROOT / "project.yml", tmp_path)
    config = load_project_config(tmp_path)  # which makes its folders
    commands = {command["name"]: command for command in config["commands"]}
    *steps, examples = config["workflows"]["course"]
    scripts = [script for step in steps for script in commands[step]["script"]]
    assert list(map(shlex.split, scripts)) == shown
    assert commands[examples]["script"] == ["python -m doctest docs/course.md"]


def run_examples(text: str, **names: Any) -> int:
    """Run the examples of a part of the course, and return how many there were."""
    report: list[str] = []
    test = doctest.DocTestParser().get_doctest(text, names, "course", str(COURSE), 0)
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not result.failed, "".join(report)
    return result.attempted


def test_examples_print_what_the_course_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """All examples before training; the workflow runs all of them."""
    write_corpus(tmp_path / "assets" / "demo")
    monkeypatch.chdir(tmp_path)
    text, heading, _ = TEXT.partition("\n## 8. Training\n")
    assert heading
    assert run_examples(text) > 30


def test_applications_work_with_a_trained_pipeline():
    """With a pipeline that is trained on the texts of the section."""
    _, heading, text = TEXT.partition("\n## 11. Four applications\n")
    assert heading
    annotated = {
        "Sharon flew to Miami last Friday.": {"per": "Sharon", "geo": "Miami"},
        "Sharon lives in Miami.": {"per": "Sharon", "geo": "Miami"},
        "Hurricane Katrina reached Miami on Monday.": {
            "nat": "Hurricane Katrina",
            "geo": "Miami",
        },
        "My name is Sharon and I live in Miami .": {"per": "Sharon", "geo": "Miami"},
        "The Bank of Texas bought land in Miami.": {
            "org": "Bank of Texas",
            "geo": "Miami",
        },
        "Shares of the Reserve Bank of India fell on Friday.": {
            "org": "Reserve Bank of India"
        },
    }
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("lstm_ner")
    examples = []
    for sentence, names in annotated.items():
        assert sentence in text
        spans = [
            (sentence.index(name), sentence.index(name) + len(name), label)
            for label, name in names.items()
        ]
        doc = nlp.make_doc(sentence)
        examples.append(Example.from_dict(doc, {"entities": spans}))
    nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, drop=0.1)
    assert run_examples(text, nlp=nlp) > 12
