"""Requests that are not as described: an answer of 4xx, and never of 5xx."""

import json
from typing import Any

import pytest
from component.unsure import TEXT
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Running

LONE = '{"text": "\\ud83d"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"text",
        b"[]",
        b"{}",
        b'{"text"',
        b"\xff\xfe",
        b'{"text": 1}',
        b'{"text": null}',
        b'{"text": ["a", 1]}',
        b'{"text": [["a"]]}',
        b'{"text": "a", "treshold": 0.5}',
        b'{"text": "a", "threshold": 1.5}',
        b'{"text": "a", "threshold": -0.1}',
        b'{"text": "a", "threshold": "0.5"}',
        b'{"text": "a", "threshold": true}',
        b'{"text": "a", "threshold": NaN}',
        b'{"text": "a", "threshold": Infinity}',
        b'{"text": "a", "threshold": 1e999}',
        b'{"text": "a", "candidates": NaN}',
        b'{"text": "a", "candidates": 2}',
        b'{"text": "a", "n_best": 21}',
        b'{"text": "a", "n_best": 1.5}',
        b'{"text": "a", "decoding": "beam"}',
        b'{"text": "a", "tokens": 1}',
        b'{"text": "a", "\\ud800": 1}',
        LONE.encode(),
        b'{"text": ["a", "\\udc00 b"]}',
    ],
)
def test_bodies(server: Running, body: bytes):
    _check_refusal(server, body, 422)


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "\xff"}',
        b'{"text": "a", "n_best": ' + b"9" * 5000 + b"}",
        b"[" * 15_000,
        b'{"text": ' + b"[" * 15_000,
        b'{"text": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
    ],
)
def test_bodies_that_cannot_be_read(server: Running, body: bytes):
    _check_refusal(server, body, 400)


def _check_refusal(server: Running, body: bytes, status: int) -> None:
    reply = server.post("/entities", body)
    assert reply.status == status
    assert isinstance(reply.json["detail"], str)
    assert reply.json["detail"]
    assert len(reply.body) < 3000


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "image/png", "a"],
)
def test_only_json_is_read(server: Running, content_type: str):
    """Other sites can send these without asking."""
    reply = server.post("/entities", {"text": TEXT}, content_type=content_type)
    assert reply.status == 422


def test_messages_name_the_field(server: Running):
    reply = server.post("/entities", {"text": "a", "treshold": 0.5, "n_best": -1})
    assert reply.json["detail"] == (
        "body.n_best: Input should be greater than or equal to 0; "
        "body.treshold: Extra inputs are not permitted"
    )


@pytest.mark.parametrize("span", [(0, 0), (3, 2), (0, 99), (3, 4), (99, 100)])
def test_spans_that_are_none(server: Running, span: tuple[int, int]):
    start, end = span
    reply = server.post("/alternatives", {"text": TEXT, "start": start, "end": end})
    assert reply.status == 422
    assert f"L368] Span {start} to {end} is not" in reply.json["detail"]


@pytest.mark.parametrize(
    "text",
    ["\0", "a\0b", "\u2028", "\ufeff", "\u202e", "\U0010ffff", "\x7f", " \t\r\n"],
)
def test_odd_characters_are_texts(server: Running, text: str):
    (found,) = server.entities(f"{text}Ada{text}", tokens=True)
    assert "".join(f"{text}Ada{text}"[a:b] for a, b in found["tokens"]).split() == (
        f"{text}Ada{text}".split()
    )


def test_other_methods_and_paths(server: Running):
    assert server.send("GET", "/entities").status == 405
    assert server.send("DELETE", "/").status == 405
    assert server.send("GET", "/docs").status == 404
    assert server.send("GET", "/..%2f..%2fetc/passwd").status == 404


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)
fields = st.sampled_from(
    ["text", "threshold", "decoding", "candidates", "n_best", "tokens", "start", "end"]
)
requests = st.dictionaries(fields, values | st.sampled_from([0, 1, "a"]), max_size=5)


@given(
    path=st.sampled_from(["/entities", "/alternatives", "/corrections", "/labels"]),
    request=requests | values,
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT"]),
    cut=st.none() | st.integers(0, 50),
)
def test_whatever_is_sent(
    server: Running, path: str, request: Any, method: str, cut: int | None
):
    body = json.dumps(request).encode()[:cut]
    reply = server.send(method, path, body)
    assert reply.status < 500, (path, body)
