"""Damaged files: the message names the file and the place."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .helpers import load
from .samples import SAMPLES, format_of, write

# The sample, what is replaced by what, and what the message says about it.
DAMAGE = [
    ("prodigy", '"end": 22', '"end": 99', r"L273.*p\.jsonl, line 1, span 2"),
    ("prodigy", '"start": 14', '"start": 22', r"L273.*line 1, span 2.*is empty"),
    ("prodigy", '"start": 14', '"start": -3', r"L273.*line 1, span 2"),
    ("prodigy", '"start": 14', '"start": "14"', r"L274.*span 2, field 'start'"),
    ("prodigy", '"label": "LOC"', '"label": null', r"L274.*line 1, span 2, .*'label'"),
    ("prodigy", '"text": "No', '"txt": "No', r"L274.*line 2: found fields txt,"),
    ("prodigy", '"accept"', '"yes"', r"L274.*line 1, answer: found 'yes'"),
    ("prodigy", '{"text": "Zo', '"text": "Zo', r"L270.*p\.jsonl, line 1"),
    ("prodigy", '"meta": {}}\n{', '"meta": {}\n{', r"L270.*p\.jsonl, line 1"),
    ("doccano", '[14, 22, "LOC"]', "[14, 22]", r"L274.*d\.jsonl, line 1, label 2"),
    ("doccano", "[14, 22", "[14.0, 22", r"L274.*line 1, label 2, offset.*found 14\.0"),
    ("doccano", '"label": []', '"tag": []', r"L274.*line 2: found fields text, tag"),
    (
        "doccano-1",
        '"LOC"',
        '" "',
        r"L274.*line 1, labels 2, label .*' '",
    ),
    (
        "doccano-relations",
        "start_offset",
        "start",
        r"L274.*entities 1: .*start_",
    ),
    ("label-studio", '"end": 22', '"end": 20', r"L275.*annotation 1, result 2"),
    (
        "label-studio",
        '"result"',
        '"results"',
        r"L274.*annotation 1: .*'result'",
    ),
    ("label-studio", '"text": "No', '"tex": "No', r"L274.*item 2: found fields tex"),
    ("label-studio", '"start": 0,', '"start": 0', r"L270.*l\.json, line 1\d: .*','"),
    ("label-studio-min", '"end": 22', '"end": 99', r"L273.*l\.json, item 1, ner 2"),
    (
        "label-studio-min",
        '["LOC"]',
        '"LOC"',
        r"L274.*item 1, ner 2, labels: .*'LOC'",
    ),
    ("brat", "LOC 14 22", "LOC 16 24", r"L275.*0\.ann, line 2: .* but .*'Lake Iso'"),
    ("brat", "LOC 14 22", "LOC 14-22", r"L274.*0\.ann, line 2: found 'T1"),
    ("brat", "T1\tLOC", "X1\tLOC", r"L274.*0\.ann, line 2: found 'X1"),
    ("brat", "Zoë Ngo saw", "Zoë saw", r"L275.*0\.ann, line 1: the characters 0 to 7"),
    ("spacy-tuples", "[14, 22", "[22, 14", r"L273.*s\.json, item 1, entity 2"),
    ("spacy-tuples", '{"entities": []}', "[]", r"L274.*s\.json, item 2: found \['No"),
    (
        "spacy-tuples",
        '[14, 22, "LOC"]',
        '"LOC"',
        r"L274.*item 1, entity 2: .*'LOC'",
    ),
    ("records", "[14, 22", "[14, 99", r"L273.*r\.jsonl, line 1, entity 2"),
    ("records", '"entities": []', '"ents": []', r"L274.*line 2: found fields text, e"),
    ("records-objects", '"end": 22, ', "", r"L274.*r\.json, item 1, entity 2.*'end'"),
    ("gliner", "[4, 5", "[4, 7", r"L273.*g\.json, item 1, ner 2: .*7 tokens"),
    ("gliner", '"saw"', "7", r"L274.*g\.json, item 1, token: found 7"),
    ("hf", '"saw", ', "", r"L274.*h\.jsonl, line 1, ner_tags: found 7 tags, .* 6"),
    ("hf", '"I-LOC"', '"X-LOC"', r"L118.*h\.jsonl, line 1, token 6: .*'X-LOC'"),
    ("hf-ids", "3, 4, 0", "3, 5, 0", r"L282.*h\.jsonl, line 1, token 6: found 5 .* 5"),
    ("hf-ids", "3, 4, 0", "3, null, 0", r"L274.*line 1, token 6: found None"),
    ("conllu-plus", "NER:X", "TAG:X", r"L274.*c\.conllup, line 1: .*TAG:X"),
    ("conllu-plus", "3\tsaw\tO", "3\tsaw", r"L274.*line 5: found 2 columns in '3"),
    ("conllu-plus", "3\tsaw", "three\tsaw", r"L274.*line 5: found 'three'"),
    ("conllu-name", "name=B-LOC", "name=LOC", r"L118.*c\.conllu, line 5: .*'LOC'"),
    ("conllu-ner", "3\tsaw", "3 saw", r"L274.*c\.conllu, line 3: found 9 columns"),
    ("multiconer", "saw _ _ O", "saw _ O", r"L274.*m\.conll, line 4: found 'saw _ O'"),
    ("multiconer", "_ B-LOC", "_ B_LOC", r"L118.*m\.conll, line 6: .*'B_LOC'"),
    ("conll2012", "(PER*", "*", r"L274.*x\.gold_conll, line 3: found '\*\)'"),
    ("conll2012", "*)", "*", r"L274.*line 2: found '\(PER\*', expected '\)'"),
    ("conll2012", "(PER*", "(PER", r"L274.*line 2: found '\(PER'"),
    ("conll2012", "XX * - - - - * * -", "XX", r"L274.*line 4: found 5 columns in 'x"),
    ("germeval", "3\tsaw\tO\tO", "3\tsaw\tO", r"L274.*g\.tsv, line 4: found 3 columns"),
    ("germeval", "B-LOC", "B", r"L118.*g\.tsv, line 6: .*'B'"),
    ("webanno", "WebAnno TSV 3.3", "WebAnno TSV 2", r"L274.*w\.tsv, line 1: found '#F"),
    ("webanno", "4-7", "4-8", r"L275.*w\.tsv, line 7: .*'Ngo ', but .* 'Ngo'"),
    ("webanno", "8-11", "8-99", r"L274.*w\.tsv, line 8: found the offsets 8-99"),
    ("webanno", "8-11", "8", r"L274.*w\.tsv, line 8: found '1-3"),
    (
        "webanno",
        "Ngo\tPER[0]",
        "Ngo\tLOC[0]",
        r"L274.*line 7: found 'LOC', .*'PER'",
    ),
    ("webanno", "Ngo\tPER[0]", "Ngo\tPER[0", r"L274.*w\.tsv, line 7: found 'PER\[0'"),
    ("webanno", "#Text=No", "#Txt=No", r"L274.*line 15: found no line '#Text='"),
    (
        "webanno",
        "saw\t_\t",
        "saw\t_\t_\t",
        r"L274.*line 8: found 2 columns, .* 1",
    ),
    ("webanno", "1-3\t8-11\tsaw\t_\t\n", "", r"L274.*line 8: found '🦉'.* follows"),
    ("conll", "saw\tO", "saw\tX", r"L116.*c\.conll, line 3: found 'X'"),
]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"), DAMAGE, ids=[f"{d[0]} {d[1]!r}" for d in DAMAGE]
)
def test_damage(name: str, old: str, new: str, message: str, tmp_path: Path):
    path = write(name, tmp_path)
    for file in SAMPLES[name]:
        content = SAMPLES[name][file]
        changed = content.replace(old, new, 1)
        if changed != content:
            (tmp_path / file).write_text(changed, encoding="utf8")
            break
    else:
        pytest.fail(f"nothing is damaged: no {old!r}")
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("brat", "0.txt", r"L280.*0\.ann' has no file '0\.txt'"),
        ("hf-ids", "h.labels.txt", r"L277.*h\.jsonl, line 1: .*'h\.labels\.txt'"),
    ],
)
def test_missing_files(name: str, file: str, message: str, tmp_path: Path):
    path = write(name, tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ValueError, match=message):
        load(path)


NOT_ASCII = [name for name in SAMPLES if "ë" in next(iter(SAMPLES[name].values()))]


@pytest.mark.parametrize("name", NOT_ASCII)
def test_bytes_that_are_not_utf8(name: str, tmp_path: Path):
    path = write(name, tmp_path)
    file = tmp_path / next(iter(SAMPLES[name]))
    file.write_bytes(file.read_bytes().replace("ë".encode(), b"\xeb"))
    with pytest.raises(ValueError, match=rf"L113.*{re.escape(file.name)}, line \d"):
        load(path)


def changed(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a JSON value."""
    yield path
    items: Any = ()
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield from changed(inner, (*path, key))


@pytest.mark.parametrize(
    "name", [n for n in SAMPLES if next(iter(SAMPLES[n])).endswith(("json", "jsonl"))]
)
@pytest.mark.parametrize("new", [None, "x", {"a": [True]}])
def test_any_value_in_place_of_another(name: str, new: Any, tmp_path: Path):
    """Is read or refused with the name of the file, and never breaks a reader."""
    path = write(name, tmp_path)
    content = path.read_text(encoding="utf8")
    is_lines = path.suffix == ".jsonl"
    value = [json.loads(line) for line in content.splitlines()] if is_lines else content
    text = json.dumps(value) if is_lines else content
    for place in changed(json.loads(text)):
        value = json.loads(text)
        target = value
        for key in place[:-1]:
            target = target[key]
        if place:
            target[place[-1]] = new
        else:
            value = new
        path.write_text(json.dumps(value), encoding="utf8")
        try:
            load(path, name=format_of(name))
        except ValueError as err:
            assert str(tmp_path) in str(err)  # noqa: PT017


@pytest.mark.parametrize(
    "name", ["conllu-plus", "multiconer", "conll2012", "germeval", "webanno"]
)
def test_any_line_in_place_of_another(name: str, tmp_path: Path):
    path = write(name, tmp_path)
    lines = path.read_text(encoding="utf8").split("\n")
    for i, line in enumerate(lines):
        for new in (
            [],
            [line] * 2,
            [line[1:]],
            [line[:-1]],
            ["#"],
            ["1\t2"],
            ["", line],
        ):
            content = "\n".join([*lines[:i], *new, *lines[i + 1 :]])
            path.write_text(content, encoding="utf8")
            try:
                load(path, name=format_of(name))
            except ValueError as err:
                assert str(tmp_path) in str(err)  # noqa: PT017
