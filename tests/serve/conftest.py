"""A pipeline that is unsure, and servers in a thread of the tests."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
from component.unsure import DISAGREEING, examples_of
from contract.helpers import make_nlp, trained
from spacy.language import Language
from thinc.api import fix_random_seed

pytest.importorskip("fastapi", reason="needs the extra `serve`")
pytest.importorskip("prometheus_client", reason="needs the extra `serve`")
uvicorn = pytest.importorskip("uvicorn", reason="needs the extra `serve`")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A server that runs."""

    port: int
    app: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request on a connection of its own. Bytes are sent as they are, other
        values as JSON. Underscores in the names of headers become hyphens."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named = {"content-type": "application/json", **named}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            found = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, found, reply.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self.send("POST", path, body, **headers)

    def entities(self, text: str | list[str], **settings: Any) -> Any:
        reply = self.post("/entities", {"text": text, **settings})
        assert reply.status == 200, reply.body
        return reply.json["results"]


@contextmanager
def serving(app: Any) -> Iterator[Running]:
    """Run an app in a thread."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    deadline = monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert monotonic() < deadline
        sleep(0.01)
    yield Running(server.servers[0].sockets[0].getsockname()[1], app)
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def unsure() -> bytes:
    fix_random_seed(0)
    nlp = make_nlp()
    return trained(nlp, examples_of(nlp, DISAGREEING)).to_bytes()


@pytest.fixture(scope="session")
def load(unsure: bytes) -> Callable[..., Language]:
    """Loads the pipeline with some settings."""

    def load(**settings: Any) -> Language:
        return make_nlp(**settings).from_bytes(unsure)

    return load


@pytest.fixture(scope="session")
def server(load: Callable[..., Language]) -> Iterator[Running]:
    """A server with narrow limits."""
    from spacy_lstm_ner.serve.app import create_app  # noqa: PLC0415
    from spacy_lstm_ner.serve.settings import ServeSettings  # noqa: PLC0415

    settings = ServeSettings(max_chars=1000, max_texts=50, max_bytes=20_000)
    with serving(create_app(load(), settings)) as running:
        yield running
