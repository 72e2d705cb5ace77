"""Texts from files with one per line."""

from pathlib import Path

import pytest

from spacy_lstm_ner.data.json_lines import for_spacy, read_texts, write_records


@pytest.mark.parametrize("name", ["a.txt", "a"])
def test_lines_of_text(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_text('Ada\n \n{"text": "Bob"}\n', encoding="utf8")
    assert read_texts(path) == [{"text": "Ada"}, {"text": '{"text": "Bob"}'}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.JSONL", "a.ndjson"])
def test_records_are_written_as_they_were_read(tmp_path: Path, name: str):
    """Digits and lone surrogates included."""
    content = (
        '{"text": "Zo\u00eb", "score": 1.23456789012345e-12}\n'
        '{"text": "cut \\ud83d", "n": 12345678901234567890}\n'
    )
    path, copy = tmp_path / name, tmp_path / "copy.jsonl"
    path.write_text(content, encoding="utf8")
    records = read_texts(path)
    assert for_spacy(records[1]["text"]) == "cut \ufffd"
    write_records(copy, records)
    assert copy.read_text(encoding="utf8") == content


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": 1}\n', r"L207.*a\.jsonl, line 1"),
        ("a.jsonl", '["Ada met Bob"]\n', r"L207.*line 1"),
        (
            "a.jsonl",
            '{"text": "Ada"}\n{"text": "Bob\n',
            r"L207.*line 2: found '{",
        ),
        ("a.jsonl", '{"text": "Ada", "score": 1e999}\n', r"L207.*line 1"),
        ("a.jsonl", '{"text": "Ada", "score": NaN}\n', r"L207.*line 1"),
        ("a.json", '[{"text": "Ada"}]\n', r"L214.*a\.json"),
        ("a.CONLL", "Ada\tB-PER\n", r"L214.*a\.CONLL' ends in '\.conll'"),
        ("a.tsv", "Ada\tO\n", r"L214.*'\.tsv'"),
        ("a.csv", "text,id\nAda,1\n", r"L214.*'\.csv'"),
        ("a.txt", "a\rb\n", r"L117.*a\.txt, line 1"),
    ],
)
def test_unreadable_content_is_named(
    tmp_path: Path, name: str, content: str, message: str
):
    path = tmp_path / name
    path.write_text(content, encoding="utf8", newline="")
    with pytest.raises(ValueError, match=message):
        read_texts(path)
