"""`try`: the entities of texts in the terminal. The server has its own tests."""

import io
import re
import sys

import pytest

from .helpers import Files, lstm_ner, message

TEXT = "Ada Lovelace met New York"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def marked(text: str) -> list[tuple[str, str]]:
    """The entities of a line of plain output, with their labels."""
    return re.findall(r"\[([^|\]]+) \| (\w+) \d\.\d\d\]", text)


def test_texts(files: Files, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner("try", files.ner, TEXT, "nothing here") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert ("New York", "GPE") in marked(first)
    assert re.sub(r"\[([^|]+) \|[^\]]*\]", r"\1", first) == TEXT
    assert second == "nothing here"


def test_threshold_and_readings(files: Files, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner("try", files.ner, TEXT, "--threshold", 1, "--n-best", 2) == 0
    first, *readings = capsys.readouterr().out.splitlines()
    assert first == TEXT
    probs = [float(line.split()[0]) for line in readings]
    assert len(probs) == 2
    assert probs == sorted(probs, reverse=True)
    assert "[New York | GPE]" in readings[0]


def test_standard_input(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """A text per line; bytes that are not UTF-8 are shown as such."""
    content = f"{TEXT}\r\n\n \nCarl \xe9\n".encode("latin1") + b"Ada"
    stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert lstm_ner("try", files.ner) == 0
    out = capsys.readouterr().out
    assert "\r" not in out
    first, second, third = out.splitlines()
    assert ("New York", "GPE") in marked(first)
    assert second.endswith(" \ufffd")
    assert "Ada" in third


def test_colours_are_for_terminals(files: Files, monkeypatch: pytest.MonkeyPatch):
    shown = []
    for no_color in ("", "1"):
        terminal = Terminal()
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.delenv("ANSI_COLORS_DISABLED", raising=False)
        monkeypatch.setattr(sys, "stdout", terminal)
        assert lstm_ner("try", files.ner, TEXT) == 0
        shown.append(terminal.getvalue())
    assert "\x1b[" in shown[0]
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown[0])
    assert re.search(r" New York GPE \d\.\d\d ", plain)
    assert "\x1b" not in shown[1]
    assert marked(shown[1])


def test_which_recognizer(files: Files, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner("try", files.two, TEXT) == 1
    assert "L206" in message(capsys)
    assert lstm_ner("try", files.two, TEXT, "--component", "late") == 1
    assert "'late' is not initialized" in message(capsys)
    assert lstm_ner("try", files.plain, TEXT) == 1
    assert "L206" in message(capsys)
    assert lstm_ner("try", files.ner, TEXT, "--threshold", 2) == 1
    assert "L014" in message(capsys)
