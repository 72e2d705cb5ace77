"""The commands that make data."""

import re
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from spacy.strings import get_string_id
from spacy.tokens import DocBin
from spacy.util import registry

from spacy_lstm_ner.layers.words.clusters import ClusterTable

from .helpers import lstm_ner, message


def test_demo_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert lstm_ner("demo-corpus", tmp_path / "a" / "demo") == 0
    out = capsys.readouterr().out
    assert re.search(r"test\.conll: 500 sentences .* tokens, \d+ entities \(", out)
    assert re.search(r"\d\d% of the entities of test are no entities of train", out)
    names = sorted(path.name for path in (tmp_path / "a" / "demo").iterdir())
    assert names == ["dev.conll", "test.conll", "train.conll"]


def test_convert(conll: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "out" / "train.spacy"
    assert lstm_ner("convert", conll, conll, output) == 0
    counts = "4 sentences or documents, 12 tokens, 6 entities (per 2, geo 2, eve&co 2)"
    out = capsys.readouterr().out
    assert f"{output}: {counts}\n0 tokens without annotation\n" in out
    assert "first entities: Sharon/B-per flew/O to/O Miami/B-geo\n" in out
    docs = list(DocBin().from_disk(output).get_docs(spacy.blank("xx").vocab))
    ents = [(ent.text, ent.label_) for ent in docs[2].ents]
    assert ents == [("Sharon", "per"), ("Miami", "geo")]


def test_convert_counts_tokens_without_annotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = tmp_path / "words.txt"
    source.write_text("x\t-\nAnn\tO\n\nBo\tB-X\nLi\tI-X\ny\t-\n", encoding="utf8")
    assert lstm_ner("convert", source, tmp_path / "words.spacy") == 0
    out = capsys.readouterr().out
    assert "\n2 tokens without annotation\nfirst entities: Bo/B-X Li/I-X y/-\n" in out


def test_convert_passes_the_settings_of_the_reader(tmp_path: Path):
    source = tmp_path / "words.txt"
    source.write_text("# no\nx\tU-PER\tAnn\n\nx\tO\tleft\n", encoding="utf8")
    output = tmp_path / "words.spacy"
    columns = ["--word-column", "2", "--tag-column", "1", "--separator", r"\t"]
    settings = ["--scheme", "BILUO", "--invalid", "error", "--comment", "#"]
    form = ["--docs", "document", "--limit", "1"]
    assert lstm_ner("convert", source, output, *columns, *settings, *form) == 0
    (doc,) = DocBin().from_disk(output).get_docs(spacy.blank("xx").vocab)
    assert [token.text for token in doc] == ["Ann", "left"]
    assert [ent.label_ for ent in doc.ents] == ["PER"]


def test_raw_text(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other, output = tmp_path / "other.spacy", tmp_path / "raw" / "texts.jsonl"
    doc = spacy.blank("xx")('Caf\u00e9 \u2013 "closed"\n')
    DocBin(docs=[doc]).to_disk(other)
    assert lstm_ner("raw-text", data, other, output) == 0
    assert f"{output}: 3 texts\n" in capsys.readouterr().out
    texts = ["Sharon flew to Miami ", "No <b> ", doc.text]
    assert list(srsly.read_jsonl(output)) == [{"text": text} for text in texts]


@pytest.mark.parametrize("source", ["tl", "words.vec"])
def test_clusters(
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """A language has the clusters of its lookups; vectors have as many as asked for."""
    path, output = tmp_path / source, tmp_path / "out" / "clusters.npz"
    options: list[object] = []
    if source == "tl":
        srsly.write_json(path, {"the": 11, "a": 0, "Rome": 678, "Paris": 678})
        tables = {"tl": {"lexeme_cluster": path}}
        monkeypatch.setattr(registry.lookups, "get_all", lambda: tables)
        assert lstm_ner("clusters", "xx", output) == 1
        assert "L232" in message(capsys)
    else:
        pytest.importorskip("sklearn", reason="needs the extra `quantize`")
        path.write_text("the 0 1\nRome 3 2\nParis 3 2\na 2 2\n", encoding="utf8")
        source, options = str(path), ["--clusters", 2, "--words", 3]
    assert lstm_ner("clusters", source, output, *options) == 0
    size = output.stat().st_size
    words = "3 of 4 words" if options == [] else "3 of 3 words"
    expected = f"{output}: {words}, in 2 clusters, {size:,} bytes\n"
    assert capsys.readouterr().out == expected
    table = ClusterTable.read(output)
    hashes = [get_string_id(word) for word in ("the", "Rome", "Paris", "a")]
    rows = table.rows_of(np.array(hashes, dtype="uint64"))
    the, rome, paris, a = table.numbers_of(rows).tolist()
    assert {the, rome} == {1, 2}
    assert (paris, a) == (rome, 0)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("convert {missing} {new}.spacy", "L111.*missing"),
        ("convert {conll} {new}.spacy --tag-column 0", "L114.*--word-column 0 --tag-c"),
        ("convert {conll} {new}.conll", "L201.*new.conll.*'.spacy'"),
        ("vectors {new} --limit 0", "L048.*'limit' is 0"),
        ("clusters {missing} {new}.npz --words 0", "L048.*'words' is 0"),
        ("clusters {conll} {conll}", "L201.*'.npz'"),
        ("demo-corpus {conll}", "Not a directory.*train.conll"),
        ("raw-text {data} {missing} {new}.jsonl", "L202.*missing"),
        ("raw-text {data} {conll} {new}.jsonl", "L203.*train.conll"),
        ("raw-text {data} {data}", "L201.*'.jsonl'"),
    ],
)
def test_careless_use_gets_a_message(
    args: str,
    expected: str,
    tmp_path: Path,
    conll: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
):
    paths = {"missing": tmp_path / "missing", "new": tmp_path / "new"}
    before = conll.read_bytes(), data.read_bytes()
    assert lstm_ner(*args.format(**paths, conll=conll, data=data).split()) == 1
    assert re.search(expected, message(capsys))
    assert (conll.read_bytes(), data.read_bytes()) == before
