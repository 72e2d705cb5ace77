"""The layout of the package: which folder imports which, and where things may stand."""

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "spacy_lstm_ner"
FILES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf8")
    for path in sorted(PACKAGE.rglob("*.py"))
}
# From top to bottom: a folder imports from its own line and from the lines below.
ORDER = (
    ("__init__",),
    ("cli",),
    ("reports", "serve"),
    ("course", "data"),
    ("component",),
    ("architectures",),
    ("layers",),
    ("chains",),
    ("packing", "tags"),
    ("checks", "types"),
    ("errors",),
)
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def room_of(file: str) -> str:
    """The outermost folder of a file, or the name of a module that is in none."""
    return file.partition("/")[0].removesuffix(".py")


def imports_of(file: str) -> Iterator[list[str]]:
    """The parts of the name of each thing that a file imports."""
    package = ["spacy_lstm_ner", *file.split("/")[:-1]]
    for node in ast.walk(ast.parse(FILES[file])):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = node.module.split(".") if node.module else []
            yield from ([*base, *module, alias.name] for alias in node.names)


def test_imports_run_down():
    wrong = [
        (file, ".".join(parts))
        for file in FILES
        for parts in imports_of(file)
        if parts[0] == "spacy_lstm_ner"
        if LEVELS.get(parts[1], 0) < LEVELS[room_of(file)]
    ]
    assert wrong == []


def test_chains_know_neither_spacy_nor_a_model():
    wrong = [
        (file, ".".join(parts))
        for file in FILES
        if room_of(file) == "chains"
        for parts in imports_of(file)
        if parts[0] == "spacy" or (parts[0] == "thinc" and parts[-1] == "Model")
    ]
    assert wrong == []


def test_only_the_command_line_prints():
    wrong = [
        (file, node.lineno)
        for file in FILES
        if room_of(file) != "cli"
        for node in ast.walk(ast.parse(FILES[file]))
        if isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert wrong == []


def test_registered_names_stand_in_configs_and_registrations():
    """And in docstrings. Code calls the function itself."""
    name = re.compile(r"^([^@\n]*)\"spacy_lstm_ner\.\w+\.v\d+\"", re.M)
    wrong = [(file, m.group()) for file in FILES for m in name.finditer(FILES[file])]
    assert wrong == []


@pytest.mark.parametrize("file", [file for file in FILES if ">>>" in FILES[file]])
def test_examples_in_docstrings(file: str):
    name = ".".join(["spacy_lstm_ner", *Path(file).with_suffix("").parts])
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted
    assert not results.failed


def test_files_have_at_most_400_lines():
    """Except the catalogue of messages and the word lists of the demo corpus."""
    lines = {
        file: text.count("\n")
        for file, text in FILES.items()
        if file != "errors.py" and not file.startswith("course/demo_corpus/")
    }
    assert {file: n for file, n in lines.items() if n > 400} == {}


def test_each_message_has_a_code_of_its_own():
    codes = re.findall(r"^    (L\d+) = ", FILES["errors.py"], flags=re.MULTILINE)
    assert len(codes) > 100
    assert len(codes) == len(set(codes))


BENCHMARKS = sorted((PACKAGE.parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_benchmarks_import_what_is_there(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        module = getattr(node, "module", None) or ""
        if isinstance(node, ast.ImportFrom) and module.startswith("spacy_lstm_ner"):
            found = importlib.import_module(module)
            assert [a.name for a in node.names if not hasattr(found, a.name)] == []
