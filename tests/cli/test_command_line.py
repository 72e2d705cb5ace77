"""The group of commands: where it is found, help, exit status, progress bars."""

import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from fresh import run_fresh
from spacy.cli._util import app as spacy_app
from typer.main import get_command

from spacy_lstm_ner.cli.shared import progress

from .helpers import lstm_ner, message

COMMANDS = sorted(get_command(spacy_app).commands["lstm-ner"].commands)


def test_spacy_finds_the_commands_and_imports_little():
    """spaCy imports the entry point at the start of each command."""
    script = (
        "import sys\n"
        "import spacy.cli\n"
        "before = set(sys.modules)\n"
        "from spacy.util import registry\n"
        "assert 'lstm-ner' in registry.cli.get_all()\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*new & {'matplotlib', 'ray', 'gensim', 'pyarrow', 'torch', 'pandas'})\n"
        "sys.argv = ['spacy', 'lstm-ner', '--help']\n"
        "spacy.cli.setup_cli()\n"
    )
    heavy, usage, *lines = run_fresh(script).splitlines()
    assert heavy == ""
    assert usage == "Usage: python -m spacy lstm-ner [OPTIONS] COMMAND [ARGS]..."
    found = [line.split()[0] for line in lines[lines.index("Commands:") + 1 :]]
    assert found == COMMANDS


@pytest.mark.parametrize("args", [[], *([name] for name in COMMANDS)])
def test_help_fits_a_terminal(
    args: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("COLUMNS", "80")
    assert lstm_ner(*args, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: python -m spacy lstm-ner {' '.join(args)}".strip())
    assert max(map(len, out.splitlines())) <= 80
    assert "..." not in out.partition("\n")[2], "no help text is cut off"


@pytest.mark.parametrize(
    "args",
    [
        "",
        "sing",
        "convert",
        "convert a b.spacy --docs c",
        "raw-text a.jsonl",
        "calibrate a b",
        "calibrate a b c --beta much",
        "rank a b c.jsonl --by size",
    ],
)
def test_wrong_arguments_exit_with_2(args: str, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner(*args.split()) == 2
    printed = capsys.readouterr()
    assert "Usage: python -m spacy lstm-ner" in printed.err + printed.out


def test_wrong_contents_exit_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The message stands alone on stderr, without a traceback."""
    assert lstm_ner("convert", tmp_path / "missing", tmp_path / "a.spacy") == 1
    expected = r"\S+ \[L111\] Corpus path '.*' does not exist .* first\."
    assert re.fullmatch(expected, message(capsys))


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("quiet", [True, False])
def test_progress_bars_are_for_terminals(
    is_terminal: bool, quiet: bool, monkeypatch: pytest.MonkeyPatch
):
    stderr = Terminal() if is_terminal else StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    bar = progress([1, 2], quiet=quiet)
    assert bool(bar.disable) == (quiet or not is_terminal)
    assert list(bar) == [1, 2]
