"""Each format, told from its content and read."""

import json
from pathlib import Path

import pytest

from spacy_lstm_ner.data.formats import FORMATS
from spacy_lstm_ner.data.formats.loading import load_docs

from .helpers import NLP, group, load, offsets, unknown
from .samples import SAMPLES, SPANS, TEXTS, WORDS, format_of, write

SHARED = Path(__file__).resolve().parents[4] / "shared" / "formats"


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str, tmp_path: Path):
    path = write(name, tmp_path)
    loaded = load_docs([path], NLP)
    assert loaded.formats == [(path, format_of(name))]
    assert [offsets(doc) for doc in loaded.docs] == SPANS
    assert [[token.text for token in doc] for doc in loaded.docs] == WORDS
    if not loaded.docs[0].has_unknown_spaces:
        assert [doc.text for doc in loaded.docs] == TEXTS
    assert not any(unknown(doc) for doc in loaded.docs)


def test_all_formats_have_a_sample():
    assert {format_of(name) for name in SAMPLES} == set(FORMATS)


def shared_files() -> list[str]:
    if not SHARED.is_dir():
        return []
    others = ("README.md", "expected.json", "hf-ids.labels.txt")
    return sorted(path.name for path in SHARED.iterdir() if path.name not in others)


@pytest.mark.skipif(not shared_files(), reason="no folder of files in all formats")
@pytest.mark.parametrize("name", shared_files())
def test_shared_files(name: str):
    expected = json.loads((SHARED / "expected.json").read_text(encoding="utf8"))
    docs = load(SHARED / name)
    assert ["".join(doc.text.split()) for doc in docs] == [
        "".join(each["text"].split()) for each in expected
    ]
    found = [[list(entity) for entity in offsets(doc)] for doc in docs]
    if name == "prodigy-binary.jsonl":
        assert found == [[[0, 10, "PER"]], [], []]
        assert len(unknown(docs[0])) == len(docs[0]) - 2
        assert [len(unknown(doc)) for doc in docs[1:]] == [13, 5]
        assert group(docs[1], "incorrect_spans") == [("Port Pim", "PER")]
    else:
        assert found == [each["entities"] for each in expected]
        assert not any(map(unknown, docs))
