"""The command line in the process of the tests, and texts for a recognizer."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from contract.helpers import make_example
from spacy.cli._util import app as spacy_app
from spacy.language import Language
from spacy.training import Example
from typer.main import get_command

import spacy_lstm_ner.cli  # noqa: F401 (adds the commands to spaCy's)

TRAIN = [
    ("Ada Lovelace met New York", {"Ada Lovelace": "PER", "New York": "GPE"}),
    ("Ada Lovelace met New York", {"Lovelace": "PER", "York": "GPE"}),
    ("they told Dora Paris was nice", {"Dora": "PER", "Paris": "GPE"}),
    ("they told Dora Paris was nice", {"Dora Paris": "PER"}),
    ("Carl left on Monday", {"Carl": "PER"}),
    ("nothing else happened there", {}),
]
DEV = [
    ("Ada Lovelace met New York", {"Lovelace": "PER", "New York": "GPE"}),
    ("Ada Lovelace met York", {"Ada": "PER", "York": "GPE"}),
    ("they told Dora Paris was nice", {"Dora": "GPE", "Paris": "GPE"}),
    ("Dora met New York", {"Dora": "PER", "New York": "GPE"}),
    ("Carl left Dora Paris", {"Carl": "PER", "Paris": "GPE"}),
    ("nothing told Lovelace there", {"Lovelace": "PER"}),
]
TEXTS = [text for text, _ in DEV]


@dataclass
class Files:
    """Pipelines and data, read only.

    ner: A trained recognizer.
    two: The same, between a ruler and a second recognizer "late", which is not trained.
    plain: A pipeline without components.
    dev: The texts of DEV.
    raw: The same texts, not annotated.
    """

    ner: Path
    two: Path
    plain: Path
    dev: Path
    raw: Path


def dev_examples(nlp: Language) -> list[Example]:
    return [make_example(nlp, *each) for each in DEV]


def lstm_ner(*args: object) -> int:
    """Run `python -m spacy lstm-ner` with these arguments; return the exit status."""
    command = get_command(spacy_app)
    with pytest.raises(SystemExit) as exit_info:
        command(["lstm-ner", *map(str, args)], prog_name="python -m spacy")
    return int(exit_info.value.code or 0)


def message(capsys: pytest.CaptureFixture[str]) -> str:
    """The error message on stderr, on one line."""
    return " ".join(capsys.readouterr().err.split())


def find_command(*args: str) -> None:
    """Fail unless spaCy's command line has this command, or the command takes other
    arguments than these. Arguments of spaCy's own commands are not checked."""
    command, rest = get_command(spacy_app), list(args)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    if args[0] == "lstm-ner":
        command.make_context(command.name, rest)
