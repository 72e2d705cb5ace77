"""The server as a process: the command, several workers, and how it stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from cli.helpers import lstm_ner, message
from component.unsure import TEXT

from spacy_lstm_ner.serve.server import VARIABLE, make_app

from .conftest import serving

BODY = json.dumps({"text": TEXT})
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def model(load, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "unsure"
    load().to_disk(path)
    return path


@contextmanager
def command(model: Path, *args: str) -> Iterator[tuple[Any, int]]:
    """The command in a process, and its port."""
    run = [
        sys.executable,
        "-m",
        "spacy",
        "lstm-ner",
        "serve",
        str(model),
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [*run, *args], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail("the server did not start")
        yield process, int(found[1])
    finally:
        with suppress(ProcessLookupError):  # its workers with it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


class Client(threading.Thread):
    """Sends requests on one connection until the server asks for an end of it. A
    request whose answer is missing is lost."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self.answered, self.lost = 0, 0

    def run(self) -> None:
        is_open = True
        while is_open:
            try:
                self.connection.request("POST", "/entities", BODY, HEADERS)
                reply = self.connection.getresponse()
                found = json.loads(reply.read())["results"]
            except (OSError, HTTPException):
                self.lost += 1
                break
            self.answered += len(found)
            is_open = not reply.will_close
        self.connection.close()


def wait_until_all_work(clients: list[Client]) -> None:
    deadline = time.monotonic() + 60
    while min(client.answered for client in clients) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 30).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_nothing_is_lost_at_sigterm(model: Path):
    with command(model) as (process, port):
        clients = [Client(port) for _ in range(8)]
        for client in clients:
            client.start()
        wait_until_all_work(clients)
        process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(30)
        assert is_refused(port), "as soon as a client was told of the end"
        assert process.poll() is None, "there is a moment for clients that think"
        assert process.wait(30) in (0, -signal.SIGTERM)
    assert sum(client.lost for client in clients) == 0


def test_several_processes(model: Path):
    with command(model, "--workers", "2") as (process, port):
        started = set()
        for line in process.stderr:
            started |= set(re.findall(r"Started server process \[(\d+)\]", line))
            if len(started) == 2 and "startup complete" in line:
                break
        assert len(started - {str(process.pid)}) == 2
        client = Client(port)
        client.start()
        wait_until_all_work([client])
        process.terminate()
        process.stderr.read()
        process.wait(30)
        client.join(30)
    assert client.lost == 0


def test_the_app_of_the_environment(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    values = {"model": str(model), "max_chars": 100}
    values["corrections"] = str(tmp_path / "corrections.jsonl")
    monkeypatch.setenv(VARIABLE, json.dumps(values))
    # The handler of another library stays, as that of Ray.
    monkeypatch.setattr(signal, "getsignal", lambda number: print)
    with serving(make_app()) as server:
        settings = server.send("GET", "/settings").json
        assert server.entities(TEXT)[0]["entities"]
    assert (settings["max_chars"], settings["corrections"]) == (100, True)


@pytest.mark.parametrize("value", ["", "[]", "{}", '{"model": "a", "max_char": 1}'])
def test_an_environment_without_a_pipeline(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(
        ValueError, match=rf"L373\] {VARIABLE} is {re.escape(repr(value))}"
    ):
        make_app()


def test_what_the_command_refuses(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Before it listens."""
    corrections = tmp_path / "corrections.jsonl"
    args = ["serve", model, "--corrections", corrections, "--workers", 2]
    assert lstm_ner(*args) == 1
    assert "L367] --corrections needs a single process, and 2" in message(capsys)
    assert lstm_ner("serve", model, "--corrections", tmp_path / "a.txt") == 1
    assert "L201" in message(capsys)
    assert lstm_ner("serve", model, "--component", "ner") == 1
    assert "L206" in message(capsys)
    assert lstm_ner("serve", tmp_path / "nowhere") == 1
    assert "nowhere" in message(capsys)
    assert lstm_ner("serve", model, "--max-chars", "0") == 2


def test_addresses(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """Only on this machine, and without other names, unless the user says so."""
    calls: list[Any] = []
    monkeypatch.setattr(
        "spacy_lstm_ner.serve.server.run",
        lambda model, settings, **options: calls.append((settings, options)),
    )
    assert lstm_ner("serve", "model") == 0
    assert calls[0][1] == {"host": "127.0.0.1", "port": 8000, "workers": 1}
    assert "127.0.0.1" in calls[0][0].hosts
    assert not caplog.records
    assert lstm_ner("serve", "model", "--host", "0.0.0.0") == 0
    assert calls[1][0].hosts is None
    assert "L520] The server listens on 0.0.0.0" in caplog.text
