"""Requests and answers over HTTP, on a server in a thread."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from importlib.metadata import version

import pytest
from component.unsure import TEXT
from fastapi import FastAPI

from spacy_lstm_ner.serve.app import create_app
from spacy_lstm_ner.serve.schemas import AlternativesAnswer, EntitiesAnswer
from spacy_lstm_ner.serve.settings import ServeSettings

from .conftest import Running, serving


def test_entities(server: Running, load):
    nlp = load()
    emoji = f"😀😀 {TEXT}"
    first, second, empty = server.entities([TEXT, emoji, ""])
    expected = [(e.start_char, e.end_char, e.label_) for e in nlp(TEXT).ents]
    found = [(e["start"], e["end"], e["label"]) for e in first["entities"]]
    assert found == expected
    assert len(found) > 1
    for ent in second["entities"]:  # offsets count code points
        assert emoji[ent["start"] : ent["end"]] == ent["text"]
    assert empty == {"entities": []}
    assert server.entities(TEXT) == [first]
    assert server.entities([]) == []


def test_answers_are_as_described(server: Running):
    settings = {"candidates": 0.01, "n_best": 2, "tokens": True}
    request = {"text": [TEXT, ""], **settings}
    reply = server.post("/entities", request)
    assert reply.headers["content-type"] == "application/json"
    answer = EntitiesAnswer.model_validate(reply.json)
    assert json.loads(answer.model_dump_json()) == reply.json
    request = {"text": TEXT, "start": 0, "end": 3}
    reply = server.post("/alternatives", request)
    answer = AlternativesAnswer.model_validate(reply.json)
    assert json.loads(answer.model_dump_json()) == reply.json
    assert answer.text == "Ada"
    described = server.send("GET", "/openapi.json").json
    assert set(described["paths"]) == {
        *("/", "/alternatives", "/corrections", "/entities", "/health", "/labels"),
        *("/metrics", "/settings"),
    }
    responses = described["paths"]["/entities"]["post"]["responses"]
    assert set(responses) == {"200", "400", "413", "422", "500", "503"}
    schema = responses["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/EntitiesAnswer"}


def test_settings_of_one_request_do_not_change_another(server: Running):
    def ask(i: int):
        settings = [{}, {"threshold": 1.0}, {"candidates": 0.01}][i % 3]
        return server.entities(TEXT, **settings)[0]

    alone = [ask(i) for i in range(3)]
    assert alone[0]["entities"]
    assert alone[1]["entities"] == []
    assert alone[2]["candidates"]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(ask, range(60)))
    for i, found in enumerate(together):
        expected = alone[i % 3]
        assert found.keys() == expected.keys()
        for key, spans in found.items():
            scores = [span.pop("confidence") for span in spans]
            others = [dict(span) for span in expected[key]]
            assert scores == pytest.approx(
                [span.pop("confidence") for span in others], abs=1e-5
            )
            assert spans == others


def test_requests_that_arrive_together_form_batches(load):
    with (
        serving(create_app(load(), ServeSettings(wait_ms=200))) as server,
        ThreadPoolExecutor(10) as pool,
    ):
        for _ in range(3):
            list(pool.map(server.entities, [TEXT] * 10))
        found = numbers(server)
    assert found["lstm_ner_texts_total"] == 30
    assert found["lstm_ner_batch_requests_sum"] == 30
    assert found["lstm_ner_batch_requests_count"] <= 12


def numbers(server: Running, path: str = "/metrics") -> dict[str, float]:
    reply = server.send("GET", path)
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.body.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_what_a_server_tells_about_itself(load):
    nlp = load(threshold=0.25, label_thresholds={"PER": 0.5})
    nlp.meta["name"] = "unsure"
    with serving(create_app(nlp)) as server:
        assert server.send("GET", "/labels").json == {"labels": ["GPE", "ORG", "PER"]}
        health = server.send("GET", "/health").json
        settings = server.send("GET", "/settings").json
        server.entities(TEXT)
        server.post("/entities", {"texts": TEXT})
        server.send("GET", "/nowhere")
        found = numbers(server)
    of_package = version("spacy-lstm-ner")
    expected = {"status": "ok", "pipeline": "xx_unsure", "version": of_package}
    assert health == expected
    assert settings["threshold"] == 0.25
    assert settings["label_thresholds"] == {"PER": 0.5}
    assert settings["decoding"] == "best_path"
    assert settings["max_chars"] == 100_000
    assert settings["corrections"] is False
    requests = 'lstm_ner_requests_total{path="%s",status="%d"}'
    assert found[requests % ("/entities", 200)] == 1
    assert found[requests % ("/entities", 422)] == 1
    assert found[requests % ("other", 404)] == 1
    assert found['lstm_ner_request_seconds_count{path="/entities"}'] == 2
    assert found["lstm_ner_waiting_requests"] == 0


def test_an_app_within_another_one(load):
    """No lifespan of it is run there."""
    outer = FastAPI()
    outer.mount("/ner", create_app(load()))
    with serving(outer) as server:
        reply = server.post("/ner/entities", {"text": TEXT})
        found = numbers(server, "/ner/metrics")
        assert b"<title>" in server.send("GET", "/ner/").body
    assert reply.json["results"][0]["entities"]
    assert found['lstm_ner_requests_total{path="/entities",status="200"}'] == 1


class Page(HTMLParser):
    """Gathers what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = ("src", "href", "style", "onclick", "action")
        self.loaded += [f"{tag} {k}={v}" for k, v in attrs if k in names]


def test_the_page_loads_nothing(server: Running):
    reply = server.send("GET", "/")
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Page()
    page.feed(reply.body.decode())
    assert [each for each in page.loaded if "href=data:," not in each] == []


# Limits


def test_limits_of_texts(server: Running):
    assert server.entities("a" * 1000) == [{"entities": []}]
    reply = server.post("/entities", {"text": ["a", "a" * 1001]})
    assert reply.status == 413
    assert "L362] Text 1 has 1001 characters, and at most 1000" in reply.json["detail"]
    assert len(server.entities(["a"] * 50)) == 50
    reply = server.post("/entities", {"text": ["a"] * 51})
    assert reply.status == 413
    assert "L363] The request has 51 texts" in reply.json["detail"]
    request = {"text": "a" * 1001, "start": 0, "end": 1}
    assert server.post("/alternatives", request).status == 413


def test_limit_of_the_body(server: Running):
    reply = server.post("/entities", {"text": "a" * 20_000})
    assert reply.status == 413
    assert "L364] The body of the request has more than 20000" in reply.json["detail"]
    assert reply.headers["connection"] == "close"
    assert server.post("/nowhere", b"a" * 20_001).status == 413


def talk(server: Running, *parts: bytes) -> bytes:
    """Send bytes as they are; return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while part := connection.recv(10_000):
            answer += part
        return answer


def test_limit_of_a_body_in_chunks(server: Running):
    """It has no length that could be looked at before."""
    head = (
        b"POST /entities HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n"
    )
    chunk = b"2710\r\n%s\r\n" % (b"a" * 10_000)
    text = b'{"text": "Ada met"}'
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
    short = talk(server, head, b"Connection: close\r\n\r\n", chunks)
    assert short.startswith(b"HTTP/1.1 200 ")
    answer = talk(server, head, b"\r\n", chunk, chunk, chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"L364" in answer


def test_a_client_that_states_too_much_is_not_waited_for(server: Running):
    head = b"POST /entities HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    assert talk(server, head).startswith(b"HTTP/1.1 413 ")


def test_too_many_requests(load):
    """All others are answered."""
    settings = ServeSettings(max_waiting=1)
    with (
        serving(create_app(load(), settings)) as server,
        ThreadPoolExecutor(20) as pool,
    ):
        texts = [TEXT * 20] * 10
        send = pool.map(lambda _: server.post("/entities", {"text": texts}), range(60))
        replies = list(send)
    statuses = {reply.status for reply in replies}
    assert statuses == {200, 503}
    refused = next(reply for reply in replies if reply.status == 503)
    assert refused.headers["retry-after"] == "1"
    assert "L365" in refused.json["detail"]


def test_a_failure_is_that_of_one_request(load, caplog: pytest.LogCaptureFixture):
    nlp = load()
    pipe = nlp.get_pipe("lstm_ner")
    paths = pipe.paths

    def failing(docs, settings):
        if any("bad" in doc.text for doc in docs):
            raise RuntimeError("secret")
        return paths(docs, settings)

    pipe.paths = failing
    settings = ServeSettings(wait_ms=200)
    with (
        serving(create_app(nlp, settings)) as server,
        ThreadPoolExecutor(10) as pool,
    ):
        texts = [f"{TEXT} {'bad' * (i % 10 == 3)}" for i in range(30)]
        send = pool.map(lambda text: server.post("/entities", {"text": text}), texts)
        replies = list(send)
    for text, reply in zip(texts, replies, strict=True):
        assert reply.status == (500 if "bad" in text else 200)
        assert ("L372" in reply.body.decode()) == ("bad" in text)
        assert b"secret" not in reply.body
    failed = [each for each in caplog.records if each.exc_info]
    assert len(failed) == 3
