"""The file of corrections: what is saved, who may save, and what `convert` reads."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli.helpers import lstm_ner
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_lstm_ner.serve.app import create_app
from spacy_lstm_ner.serve.corrections import Corrections
from spacy_lstm_ner.serve.schemas import LabelledSpan
from spacy_lstm_ner.serve.settings import LOOPBACK, ServeSettings

from .conftest import Running, serving

TEXT = "😀 Ada flew to Oslo."
SPANS = [(14, 18, "GPE"), (2, 5, "PER")]


def labelled(spans: list[tuple[int, int, str]]) -> list[LabelledSpan]:
    return [LabelledSpan(start=s, end=e, label=label) for s, e, label in spans]


def request_of(text: str, *spans: tuple[int, int, str]) -> dict[str, Any]:
    return {"text": text, "spans": [each.model_dump() for each in labelled([*spans])]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "corrections.jsonl"


@pytest.fixture
def saving(load, path: Path):
    settings = ServeSettings(corrections=path, hosts=LOOPBACK)
    with serving(create_app(load(), settings)) as running:
        yield running


def test_round_trip(saving: Running, path: Path):
    """`convert` reads the file as it is."""
    assert not path.exists()
    texts = [(TEXT, SPANS), ("Nothing here.", []), ("Rio, Rio", [(5, 8, "GPE")])]
    for i, (text, spans) in enumerate(texts, start=1):
        reply = saving.post("/corrections", request_of(text, *spans))
        assert reply.status == 200
        assert reply.json == {"n_texts": i, "replaced": False}
    output = path.with_suffix(".spacy")
    assert lstm_ner("convert", path, output) == 0
    docs = list(DocBin().from_disk(output).get_docs(Vocab()))
    found = [
        (doc.text, [(e.start_char, e.end_char, e.label_) for e in doc.ents])
        for doc in docs
    ]
    assert found == [(text, sorted(spans)) for text, spans in texts]
    assert all(token.ent_iob for doc in docs for token in doc), "all is annotated"


def test_the_last_correction_counts(saving: Running, path: Path):
    for spans in ([], SPANS[:1], SPANS):
        saving.post("/corrections", request_of(TEXT, *spans))
        reply = saving.post("/corrections", request_of("Other", *[]))
    assert reply.json == {"n_texts": 2, "replaced": True}
    tasks = [json.loads(line) for line in path.read_text("utf8").splitlines()]
    assert [task["text"] for task in tasks] == [TEXT, "Other"]
    assert [span["text"] for span in tasks[0]["spans"]] == ["Ada", "Oslo"]


def test_what_is_in_the_file_stays(path: Path):
    path.parent.mkdir()
    old = {"text": "Old", "spans": [], "answer": "reject", "_input_hash": 3}
    path.write_text(json.dumps(old), encoding="utf8")  # without a line end
    assert Corrections(path).save("New", []) == (2, False)
    first, second = map(json.loads, path.read_text("utf8").splitlines())
    assert first == old
    assert second == {"text": "New", "spans": [], "answer": "accept"}


@pytest.mark.parametrize(
    "line", ['{"text": "a"}', "Ada\tB-PER", "[1]", '{"spans": []}']
)
def test_a_file_of_something_else_is_refused(path: Path, line: str):
    path.parent.mkdir()
    content = f'{{"text": "Old", "answer": "accept"}}\n\n{line}\n'
    path.write_text(content, encoding="utf8")
    with pytest.raises(ValueError, match=r"L366.*line 3.*--corrections"):
        Corrections(path)
    assert path.read_text("utf8") == content


def test_a_place_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path):
    """Not at the first correction, which would be lost."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="file"):
        Corrections(tmp_path / "file" / "corrections.jsonl")


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"L201.*'\.jsonl' or '\.ndjson'"):
        Corrections(tmp_path / "corrections.spacy")


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 99, "A")], "L368] Span 0 to 99"),
        ([(5, 5, "A")], "L368"),
        ([(5, 6, "A")], "white space alone"),
        ([(2, 5, "A"), (4, 9, "B")], r"L369] Spans (2, 5, 'A') and (4, 9, 'B')"),
        ([(2, 5, "A"), (2, 5, "B")], "L369"),
    ],
)
def test_spans_that_are_none(saving: Running, path: Path, spans, message: str):
    reply = saving.post("/corrections", request_of(TEXT, *spans))
    assert reply.status == 422
    assert message in reply.json["detail"]
    assert not path.exists()


@pytest.mark.parametrize("body", [{}, {"text": "", "spans": []}, {"text": "a"}])
def test_requests_that_are_none(saving: Running, path: Path, body: Any):
    assert saving.post("/corrections", body).status == 422
    no_label = {"text": "a", "spans": [{"start": 0, "end": 1, "label": ""}]}
    assert saving.post("/corrections", no_label).status == 422
    assert not path.exists()


def test_only_the_page_may_save(saving: Running, path: Path):
    ours, port = request_of(TEXT), saving.port
    wrong = [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{port}"},
        {"origin": "http://[", "host": f"localhost:{port}"},
        {"host": f"evil.example:{port}", "origin": f"http://evil.example:{port}"},
        {"host": "[", "origin": "http://["},
    ]
    for headers in wrong:
        reply = saving.post("/corrections", ours, **headers)
        assert reply.status == 403, headers
        assert "L370] Corrections come from the page" in reply.json["detail"]
    plain = saving.post("/corrections", ours, content_type="text/plain")
    assert plain.status == 422
    assert not path.exists()
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"):
        headers = {"host": host, "origin": f"http://{host}"}
        assert saving.post("/corrections", ours, **headers).status == 200
    assert "access-control-allow-origin" not in reply.headers


def test_without_a_file_nothing_is_saved(server: Running):
    reply = server.post("/corrections", request_of(TEXT))
    assert reply.status == 403
    assert "L371] This server saves no corrections" in reply.json["detail"]
