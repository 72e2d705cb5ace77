"""README and docs: links, commands, settings and examples are those of the code."""

import doctest
import inspect
import json
import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import typer
from spacy.cli._util import app
from spacy.language import Language
from spacy.util import registry

import spacy_lstm_ner.component.factory  # noqa: F401 (its settings are looked up)

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
EMPTY = inspect.Parameter.empty
GROUPS = (
    "spacy_factories",
    "spacy_architectures",
    "thinc_layers",
    "spacy_readers",
    "spacy_scorers",
    "spacy_callbacks",
)
REQUIRED = "required"


def read(path: Path) -> str:
    return path.read_text(encoding="utf8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [block for name, block in fences if name == language]


# Links


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)", read(path), re.M)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", read(page)):
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("name", ["README.md", "docs/design.md", "docs/performance.md"])
def test_paths_exist(name):
    """Files and folders of the repository and of the package."""
    paths = re.findall(r"`((?:\w+/)*(?:\w+\.py|\w+\.cfg|\w+/))`", read(ROOT / name))
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "spacy_lstm_ner" / path).exists(), path


# Commands


def commands() -> dict[str, set[str]]:
    """The options of each of our commands, by its name."""
    registry.cli.get_all()
    group = typer.main.get_command(app).commands["lstm-ner"]
    return {
        name: {option for param in command.params for option in param.opts}
        for name, command in group.commands.items()
    }


def shown_commands(path: Path) -> list[list[str]]:
    """The words of each of our commands that a file shows, without those before."""
    text = read(path).replace("\\\n", " ")
    lines = re.findall(r"(?:python -m )?spacy lstm-ner ([a-z][^`\"'#|\n]*)", text)
    return [shlex.split(line) for line in lines]


SHOWING = [
    *PAGES,
    *sorted(ROOT.glob("configs/*.cfg")),
    ROOT / "project.yml",
    ROOT / "Makefile",
]


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: path.name)
def test_commands_exist_with_their_options(path):
    known = commands()
    for name, *args in shown_commands(path):
        assert name in known
        # Options with a point override the config, as in spacy train.
        options = {arg for arg in args if re.match(r"--[^.]+$", arg)}
        assert options <= known[name] | {"--help"}, name


def test_readme_lists_all_commands():
    _, _, table = read(ROOT / "README.md").partition("\n## Commands\n")
    cells = re.findall(r"^\| (`[^|]+) \|", table.partition("\n## ")[0], re.M)
    shown = {name for cell in cells for name in re.findall(r"`([a-z0-9-]+)`", cell)}
    assert shown == set(commands())


def test_old_ways_to_call_are_gone():
    for path in SHOWING:
        assert "python -m spacy_lstm_ner" not in read(path), path


# Settings


def arguments(name: str, function: Any) -> dict[str, Any]:
    """The settings of a registered function with their defaults."""
    parameters = inspect.signature(function).parameters
    if name == "lstm_ner":
        default = Language.get_factory_meta(name).default_config
        names = [key for key in parameters if key not in ("nlp", "name")]
        return {key: default.get(key, REQUIRED) for key in names}
    return {
        key: REQUIRED if value.default is EMPTY else value.default
        for key, value in parameters.items()
    }


def registered() -> dict[str, dict[str, Any]]:
    """The settings of all that this package registers, by registered name."""
    return {
        entry.name: arguments(entry.name, entry.load())
        for group in GROUPS
        for entry in entry_points(group=group)
        if entry.value.startswith("spacy_lstm_ner.")
    }


def documented(column: str) -> dict[str, dict[str, str]]:
    """The cells of a column of docs/settings.md, by registered name and setting."""
    sections = re.split(r"^###? ", read(ROOT / "docs" / "settings.md"), flags=re.M)
    found: dict[str, dict[str, str]] = {}
    for section in sections:
        heading, _, body = section.partition("\n")
        lines = [line for line in body.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        for name in re.findall(r"`((?:spacy_lstm_ner\.)?\w+(?:\.v\d+)?)`", heading):
            settings = found.setdefault(name, {})
            if rows and column in rows[0]:
                i = rows[0].index(column)
                settings.update({row[0].strip("`"): row[i] for row in rows[2:]})
    return found


def value_of(cell: str) -> Any:
    return REQUIRED if cell == REQUIRED else json.loads(cell.strip("`"))


def test_settings_are_those_of_the_code():
    expected = registered()
    found = documented("default")
    assert set(found) == set(expected)
    for name, settings in expected.items():
        assert set(found[name]) == set(settings), name
        for key, default in settings.items():
            if (name, key) != ("lstm_ner", "model"):  # a table of its own
                assert value_of(found[name][key]) == default, (name, key)


def test_settings_of_the_default_model():
    model = Language.get_factory_meta("lstm_ner").default_config["model"]
    found = documented("in `lstm_ner`")
    for block in (model, *(part for part in model.values() if isinstance(part, dict))):
        name = block.get("@architectures") or block["@layers"]
        for key, value in block.items():
            if isinstance(value, dict):
                part = value.get("@architectures") or value["@layers"]
                assert f"spacy_lstm_ner.{found[name][key].strip('`')}" == part
            elif not key.startswith("@"):
                assert value_of(found[name][key]) == value, (name, key)


# Examples


def test_readme_example_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    text = read(ROOT / "README.md")
    (code,) = blocks(text, "python")
    expected, *_ = blocks(text, "")
    exec(compile(code, "README.md", "exec"), {})
    out = capsys.readouterr().out
    found, shown = (
        [line.rsplit(maxsplit=1) for line in o.splitlines()] for o in (out, expected)
    )
    assert [name for name, _ in found] == [name for name, _ in shown]
    for (_, score), (_, expected_score) in zip(found, shown, strict=True):
        # Processors round sums in different ways.
        assert float(score) == pytest.approx(float(expected_score), abs=0.03)


def test_examples_of_the_api_print_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    path = ROOT / "docs" / "api.md"
    report: list[str] = []
    test = doctest.DocTestParser().get_doctest(read(path), {}, "api", str(path), 0)
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.attempted > 40
    assert not result.failed, "".join(report)
