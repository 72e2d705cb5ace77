"""What each format knows beyond complete annotation."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from spacy_lstm_ner.data.formats import Options

from .helpers import entities, group, load, unknown
from .samples import BILOU, NAMES, TAGS, WORDS, lines

WRONG = "incorrect_spans"


def put(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf8"))
    return path


def span(start: int, end: int, label: str, **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label, **more}


# Prodigy

TEXT = "Ann met Bo in Rio"
ANN, BO = span(0, 3, "PER"), span(8, 10, "PER")


def task(*spans: Any, **more: Any) -> dict[str, Any]:
    return {"text": TEXT, "spans": list(spans), **more}


@pytest.mark.parametrize(
    ("tasks", "ents", "wrong", "n_unknown"),
    [
        ([task(ANN, answer="accept")], ["Ann"], [], 0),
        ([task(answer="accept")], [], [], 0),
        ([{"text": TEXT, "answer": "accept"}], [], [], 0),
        ([task(ANN)], ["Ann"], [], 0),
        ([task(ANN, answer="reject")], [], [], 5),
        ([task(ANN, answer="ignore")], [], [], 5),
        ([task(ANN, answer="accept", _is_binary=True)], ["Ann"], [], 4),
        ([task(ANN, answer="accept", _view_id="ner")], ["Ann"], [], 4),
        ([task(ANN, answer="accept", _view_id="ner_manual")], ["Ann"], [], 0),
        ([task(ANN, answer="reject", _is_binary=True)], [], ["Ann"], 5),
        ([task(ANN, BO, answer="reject", _is_binary=True)], [], [], 5),
        ([task(ANN, answer="ignore", _is_binary=True)], [], [], 5),
        # answers of single spans
        (
            [task({**ANN, "answer": "accept"}, {**BO, "answer": "reject"})],
            ["Ann"],
            ["Bo"],
            4,
        ),
        # several binary tasks of a text
        (
            [
                task(ANN, answer="accept", _is_binary=True),
                task(BO, answer="reject", _is_binary=True),
                task(BO, answer="ignore", _is_binary=True),
            ],
            ["Ann"],
            ["Bo"],
            4,
        ),
        # accepted and rejected
        (
            [task(ANN, answer=a, _is_binary=True) for a in ("accept", "reject")],
            [],
            [],
            5,
        ),
        # a question about the whole text
        ([{"text": TEXT, "label": "SPORT", "answer": "accept"}], [], [], 5),
        # two annotators, who agree on one span
        (
            [
                task(ANN, answer="accept", _input_hash=7, _annotator_id="d-ed"),
                task(ANN, BO, answer="accept", _input_hash=7, _annotator_id="d-al"),
            ],
            ["Ann"],
            [],
            1,
        ),
    ],
)
def test_prodigy(tasks: Any, ents: Any, wrong: Any, n_unknown: int, tmp_path: Path):
    (doc,) = load(put(tmp_path, "t.jsonl", lines(tasks)), name="prodigy")
    assert [text for text, _ in entities(doc)] == ents
    assert [text for text, _ in group(doc, WRONG)] == wrong
    assert len(unknown(doc)) == n_unknown


def test_prodigy_keeps_tokens(tmp_path: Path):
    tokens = [{"text": text, "id": i} for i, text in enumerate(["A", "nn met", "B"])]
    record = {"text": "Ann met\nB", "spans": [span(0, 1, "X")], "tokens": tokens}
    path = put(tmp_path, "t.jsonl", lines([record]))
    (doc,) = load(path)
    assert [token.text for token in doc] == ["A", "nn met", "\n", "B"]
    assert (doc.text, entities(doc)) == (record["text"], [("A", "X")])
    tokens[1]["text"] = "other"
    (doc,) = load(put(tmp_path, "t.jsonl", lines([record])))
    assert [token.text for token in doc] == ["Ann", "met", "\n", "B"]


def test_prodigy_tells_annotators_apart(tmp_path: Path):
    tasks = [
        task(ANN, answer="accept", _input_hash=7, _session_id="ed"),
        task(BO, answer="accept", _input_hash=7, _session_id="al"),
    ]
    path = put(tmp_path, "t.jsonl", lines(tasks))
    assert [entities(doc) for doc in load(path, annotator="al")] == [[("Bo", "PER")]]
    with pytest.raises(ValueError, match=r"L281.*'bo'.*\['al', 'ed'\]"):
        load(path, annotator="bo")


# doccano


def test_doccano_users(tmp_path: Path):
    marks = [
        {"label": 2, "start_offset": 0, "end_offset": 3, "user": 1},
        {"label": 2, "label_name": "X", "start_offset": 8, "end_offset": 10, "user": 1},
        {"label": 2, "start_offset": 0, "end_offset": 3, "user": 2},
    ]
    records = [{"id": 1, "text": TEXT, "annotations": marks}]
    path = put(tmp_path, "d.json", json.dumps(records))
    (doc,) = load(path)
    assert (entities(doc), unknown(doc)) == ([("Ann", "2")], ["Bo"])
    (doc,) = load(path, annotator="1")
    assert entities(doc) == [("Ann", "2"), ("Bo", "X")]


def test_doccano_files_of_users(tmp_path: Path):
    for name, label in (("ed", "PER"), ("al", "GPE")):
        record = {"id": 4, "text": TEXT, "label": [[0, 3, "PER"], [14, 17, label]]}
        put(tmp_path, f"{name}.jsonl", lines([record]))
    (doc,) = load(tmp_path)
    assert (entities(doc), unknown(doc)) == ([("Ann", "PER")], ["Rio"])
    (doc,) = load(tmp_path, annotator="al")
    assert entities(doc) == [("Ann", "PER"), ("Rio", "GPE")]


def test_doccano_over_several_lines(tmp_path: Path):
    record = {"text": TEXT, "label": [[0, 3, "PER"]]}
    (doc,) = load(put(tmp_path, "d.jsonl", "\n" + json.dumps(record, indent=4)))
    assert entities(doc) == [("Ann", "PER")]


# Label Studio


def result(start: int, end: int, *labels: str, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": list(labels), **more}
    return {"type": "labels", "value": value}


def annotation(*results: Any, **more: Any) -> dict[str, Any]:
    return {"result": list(results), **more}


A, B = result(0, 3, "PER"), result(8, 10, "PER")


@pytest.mark.parametrize(
    ("record", "ents", "n_unknown"),
    [
        ({"annotations": [annotation(A)]}, ["Ann"], 0),
        ({"annotations": [annotation()]}, [], 0),
        ({"completions": [annotation(A)]}, ["Ann"], 0),
        ({"annotations": []}, [], 5),
        ({"annotations": [], "predictions": [annotation(A)]}, [], 5),
        ({"annotations": [annotation(A, was_cancelled=True)]}, [], 5),
        ({"annotations": [annotation(A, B), annotation(B)]}, ["Bo"], 1),
        (
            {"annotations": [annotation(A), annotation(B, ground_truth=True)]},
            ["Bo"],
            0,
        ),
        ({"annotations": [annotation(result(0, 3), B)]}, ["Bo"], 1),
        (
            {"annotations": [annotation(A, {"type": "choices"}, {"type": "relation"})]},
            ["Ann"],
            0,
        ),
    ],
)
def test_label_studio(record: Any, ents: Any, n_unknown: int, tmp_path: Path):
    tasks = [{"id": 1, "data": {"text": TEXT}, **record}]
    (doc,) = load(put(tmp_path, "l.json", json.dumps(tasks)))
    assert [text for text, _ in entities(doc)] == ents
    assert len(unknown(doc)) == n_unknown


def test_label_studio_annotators(tmp_path: Path):
    both = [
        annotation(A, completed_by={"id": 1, "email": "a@b.c"}),
        annotation(B, completed_by=2),
    ]
    tasks = [{"data": {"text": TEXT}, "annotations": both}]
    path = put(tmp_path, "l.json", json.dumps(tasks))
    assert [entities(doc) for doc in load(path, annotator="a@b.c")] == [
        [("Ann", "PER")]
    ]
    assert [entities(doc) for doc in load(path, annotator="2")] == [[("Bo", "PER")]]


def test_label_studio_counts_code_units(tmp_path: Path):
    """Versions before 1.6 count as JavaScript does. The text of the regions tells."""
    for start, end in ((2, 5), (3, 6)):
        tasks = [
            {
                "data": {"text": "\U0001f30d Ann"},
                "annotations": [annotation(result(start, end, "PER", text="Ann"))],
            }
        ]
        (doc,) = load(put(tmp_path, "l.json", json.dumps(tasks)))
        assert entities(doc) == [("Ann", "PER")]


def test_label_studio_with_the_end_at_the_last_character(tmp_path: Path):
    completions = [annotation(result(3, 5, "PER", text="Ann"))]
    tasks = [{"data": {"text": "\U0001f30d Ann"}, "completions": completions}]
    (doc,) = load(put(tmp_path, "l.json", json.dumps(tasks)))
    assert entities(doc) == [("Ann", "PER")]


def test_label_studio_other_shapes(tmp_path: Path):
    """Several labels, HTML, the field of the text, and annotations of cloud storage."""
    html = {"start": "/p[1]/text()", "globalOffsets": {"start": 8, "end": 10}}
    value = {**html, "hypertextlabels": ["X"]}
    stored = {
        "result": [
            result(0, 3, "PER", "VIP", text="Ann"),
            {"type": "hypertextlabels", "value": value},
        ],
        "task": {"id": 3, "data": {"url": "http://x", "tweet": TEXT}},
    }
    (doc,) = load(put(tmp_path, "l.json", json.dumps(stored)))
    assert entities(doc) == [("Ann", "PER"), ("Bo", "X")]
    assert group(doc, "sc") == [("Ann", "PER"), ("Ann", "VIP"), ("Bo", "X")]
    del stored["result"][0]["value"]["text"]
    path = put(tmp_path, "l.json", json.dumps(stored))
    with pytest.raises(ValueError, match="L273"):
        load(path, options=Options(layer="url"))
    (doc,) = load(path, options=Options(layer="tweet"))
    assert len(doc.ents) == 2


# BRAT


def brat(folder: Path, text: str, *annotation: str) -> Path:
    put(folder, "a.txt", text)
    return put(folder, "a.ann", "".join(f"{line}\n" for line in annotation))


def test_brat_fragments(tmp_path: Path):
    """Those around a line end are one span; others can't be entities."""
    brat(
        tmp_path,
        "left and right lung of New\nYork met",
        "T1\tORGAN 0 4;15 19\tleft lung",
        "T2\tGPE 23 26;27 31\tNew York",
        "T3\tMeet 32 35\tmet",
        "E1\tMeet:T3 Who:T2",
        "R1\tIn Arg1:T1 Arg2:T2",
        "A1\tSure T1",
        "*\tEquiv T1 T2",
        "#1\tAnnotatorNotes T1\tno",
    )
    (doc,) = load(tmp_path)
    assert entities(doc) == [("New\nYork", "GPE")]
    assert unknown(doc) == ["left", "lung"]


@pytest.mark.parametrize("start", [5, 6])
def test_brat_offsets_with_and_without_carriage_returns(start: int, tmp_path: Path):
    path = brat(tmp_path, "Ann\r\n Bo", f"T1\tPER {start} {start + 2}\tBo")
    (doc,) = load(path)
    assert entities(doc) == [("Bo", "PER")]
    assert load(path.with_suffix(".txt"))[0].text == doc.text


def test_brat_texts_without_annotation(tmp_path: Path):
    brat(tmp_path, "Ann", "T1\tPER 0 3\tAnn")
    put(tmp_path, "b.txt", "Bo left")
    docs = load(tmp_path)
    assert [unknown(doc) for doc in docs] == [[], ["Bo", "left"]]


# spaCy's tuples


def test_spacy_tuples(tmp_path: Path):
    pairs = [
        [TEXT, {"entities": [[0, 3, "PER", "Q1"], [8, 17, "X"], [8, 10, "PER"]]}],
        [TEXT, {"cats": {"SPORT": 1.0}}],
    ]
    first, second = load(put(tmp_path, "s.jsonl", lines(pairs)))
    assert entities(first) == [("Ann", "PER"), ("Bo in Rio", "X")]
    assert group(first, "sc") == [("Ann", "PER"), ("Bo", "PER"), ("Bo in Rio", "X")]
    assert not unknown(first)
    assert len(unknown(second)) == len(second)


def test_tuples_of_a_script(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The script is not run; lists of something else are not texts."""
    script = (
        "import nonesuch\n"
        "LABELS = ['PER', 'GPE']\n"
        "TRAIN_DATA: list = [\n"
        f"    ({TEXT!r}, {{'entities': [(0, 3, 'PER')]}}),\n"
        "    (\n"
        f"        {TEXT!r},\n"
        "        {'entities': [(8, 10, 'PER')]},\n"
        "    ),\n"
        "]\n"
        "raise SystemExit\n"
    )
    docs = load(put(tmp_path, "train.py", script), name=None)
    assert [entities(doc) for doc in docs] == [[("Ann", "PER")], [("Bo", "PER")]]
    assert not caplog.text
    script += "def main():\n    TRAIN_DATA = [('Bo left', {'entities': ()})]\n"
    docs = load(put(tmp_path, "train.py", script), name=None)
    assert [doc.text for doc in docs] == [TEXT, TEXT, "Bo left"]
    found = r"train\.py'?: texts of the lists TRAIN_DATA \(2\), TRAIN_DATA \(1\)"
    assert re.search(found, caplog.text)
    assert {record.name for record in caplog.records} == {"spacy.lstm_ner"}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("X = [('Bo', {'entities': [(0, 2, PER)]})]", r"line 1: found .*PER.*written"),
        ("\nX = [('Bo', {'entities': [(0, 9, 'PER')]})]", r"L273.* line 2, entity 1"),
        ("X = 1\nX = [(", r"line 2: found .*, expected valid Python"),
    ],
)
def test_scripts_that_cannot_be_read(tmp_path: Path, script: str, expected: str):
    with pytest.raises(ValueError, match=expected):
        load(put(tmp_path, "train.py", script), name=None)


# Records


def test_records_as_annotate_writes_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    found = [{"start": 8, "end": 10, "label": "PER", "confidence": 0.9}]
    rows = [
        {"id": 1, "text": TEXT, "entities": found},
        {"id": 2, "text": "Rio", "entities": []},
        {"id": 3, "text": "Rio", "entities": None},
        {"id": 4, "text": None, "entities": None},
    ]
    docs = load(put(tmp_path, "a.jsonl", lines(rows)), name=None)
    assert [entities(doc) for doc in docs] == [[("Bo", "PER")], [], [], []]
    assert [unknown(doc) for doc in docs] == [[], [], ["Rio"], []]
    assert "fields 'id': 4" in caplog.text
    pa = pytest.importorskip("pyarrow", reason="needs an extra")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs an extra")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    same = load(tmp_path / "a.parquet", name=None)
    assert [entities(doc) for doc in same] == [[("Bo", "PER")], [], [], []]


def test_entities_of_records_may_have_identifiers(tmp_path: Path):
    record = {"text": TEXT, "entities": [[0, 3, "PER", "Q1"]]}
    (doc,) = load(put(tmp_path, "r.jsonl", lines([record])))
    assert entities(doc) == [("Ann", "PER")]


# Hugging Face


def test_hugging_face_parquet(tmp_path: Path):
    pa = pytest.importorskip("pyarrow", reason="needs an extra")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs an extra")
    rows = {"tokens": WORDS, "ner_tags": [[NAMES.index(t) for t in s] for s in TAGS]}
    names = {"info": {"features": {"ner_tags": {"feature": {"names": NAMES}}}}}
    table = pa.table(rows).replace_schema_metadata({"huggingface": json.dumps(names)})
    pq.write_table(table, tmp_path / "h.parquet")
    docs = load(tmp_path)
    assert [entities(doc) for doc in docs] == [
        [("Zoë Ngo", "PER"), ("Lake Iso", "LOC")],
        [],
    ]
    put(tmp_path, "h.parquet", "no")
    with pytest.raises(ValueError, match=r"L274.*h\.parquet.*a Parquet file"):
        load(tmp_path / "h.parquet")


def test_hugging_face_names(tmp_path: Path):
    """`labels` wins over the file beside the data. A token of tag -100 is unknown."""
    record = {"tokens": ["Ann", "a", "b"], "ner_tags": [1, 0, -100]}
    path = put(tmp_path, "h.jsonl", lines([record]))
    put(tmp_path, "labels.txt", "O\nB-NO\n")
    model = {"id2label": {"0": "O", "1": "B-X"}}
    names = put(tmp_path, "names.json", json.dumps(model))
    numbers = put(tmp_path, "numbers.json", json.dumps({"B-N": 1, "O": 0}))
    (doc,) = load(path, options=Options(labels=numbers))
    assert entities(doc) == [("Ann", "N")]
    for content, message in (("{", r"L270.*no\.json, line 1"), ('["A"]', "L277")):
        wrong = put(tmp_path, "no.json", content)
        with pytest.raises(ValueError, match=message):
            load(path, options=Options(labels=wrong))
    (doc,) = load(path, options=Options(labels=names))
    assert (entities(doc), unknown(doc)) == ([("Ann", "X")], ["b"])
    (doc,) = load(path)
    assert entities(doc) == [("Ann", "NO")]


def test_hugging_face_column(tmp_path: Path):
    record = {"tokens": WORDS[0], "ner_tags": TAGS[0], "fine": BILOU[0]}
    record["fine"] = ["U-FINE", *["O"] * 6]
    path = put(tmp_path, "h.jsonl", lines([record]))
    (doc,) = load(path, options=Options(layer="fine"))
    assert entities(doc) == [("Zoë", "FINE")]


# Columns


def test_conllu(tmp_path: Path):
    """Multiword tokens, empty nodes, spaces, and words without a tag."""
    content = (
        "# newdoc id = a\n1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "1\tzu\t_\t_\t_\t_\t_\t_\t_\tNER=O\n"
        "2\tdem\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "3\tRio\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No|ner=S-GPE\n"
        "4\t.\t_\t_\t_\t_\t_\t_\t_\tner=O\n\n"
        "1\tJa\t_\t_\t_\t_\t_\t_\t_\tner=O\n"
    )
    path = put(tmp_path, "c.conllu", content)
    first, second = load(path)
    assert (first.text, second.text.strip()) == ("zu dem Rio.", "Ja")
    assert (entities(first), unknown(first)) == ([("Rio", "GPE")], ["dem"])
    (doc,) = load(path, join=True)
    assert [sent.text.strip() for sent in doc.sents] == ["zu dem Rio.", "Ja"]


def test_conllu_columns(tmp_path: Path):
    content = "# global.columns = ID FORM NER A:NER\n1\tRio\tB-X\tB-Y\n"
    path = put(tmp_path, "c.conllup", content)
    with pytest.raises(ValueError, match=r"L276.*c\.conllup, line 1.*NER, A:NER"):
        load(path)
    (doc,) = load(path, options=Options(layer="A:NER"))
    assert entities(doc) == [("Rio", "Y")]
    with pytest.raises(ValueError, match=r"L274.*no column 'B'.*A:NER"):
        load(path, options=Options(layer="B"))
    put(tmp_path, "c.conllup", "# global.columns = ID WORD NER\n1\tRio\tB-X\n")
    with pytest.raises(ValueError, match=r"L274.*ID, WORD, NER.*FORM"):
        load(path)


def test_universal_ner(tmp_path: Path):
    content = "# sent_id = 1\n# text = Rio.\n1\tRio\tB-LOC\t-\tme\n2\t.\tO\t-\t-\n"
    (doc,) = load(put(tmp_path, "u.iob2", content))
    assert (doc.text, entities(doc)) == ("Rio.", [("Rio", "LOC")])


def test_conllu_without_tags(tmp_path: Path):
    """Nothing says that the texts have no entities."""
    path = put(tmp_path, "c.conllu", "1\tRio" + "\t_" * 8 + "\n")
    with pytest.raises(ValueError, match=r"L274.*nothing in the column MISC"):
        load(path)


def test_conll2012(tmp_path: Path):
    """Entities in entities, and two parts of a document."""
    row = "x 0 0 {} XX * - - - - {} (3)\n"
    head = "#begin document (x); part 00{}\n"
    cells = ["(ORG(GPE)", "*)", "(PER)"]
    sentence = "".join(row.format(w, c) for w, c in zip("abc", cells, strict=True))
    content = head.format(0) + sentence + "\n" + sentence + "\n#end document\n"
    path = put(tmp_path, "c.conll", content + head.format(1) + sentence)
    docs = load(path)
    assert len(docs) == 3
    assert entities(docs[0]) == [("a b", "ORG"), ("c", "PER")]
    assert group(docs[0], "sc") == [("a", "GPE"), ("a b", "ORG"), ("c", "PER")]
    assert [len(doc) for doc in load(path, join=True)] == [6, 3]


def test_germeval_inner_tags(tmp_path: Path):
    content = "#\tx\n1\tUni\tB-ORG\tO\n2\tRio\tI-ORG\tB-LOC\n"
    (doc,) = load(put(tmp_path, "g.tsv", content))
    assert entities(doc) == [("Uni Rio", "ORG")]
    assert group(doc, "sc") == [("Uni Rio", "ORG"), ("Rio", "LOC")]


def test_multiconer_without_tags(tmp_path: Path):
    content = "# id 1\tdomain=test\nAnn _ _ _\nleft _ _ _\n"
    (doc,) = load(put(tmp_path, "m.conll", content))
    assert unknown(doc) == ["Ann", "left"]


def test_hugging_face_repairs_tags(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    tags = ["O", "I-X", "I-X", "B-X", "B-Y"]
    record = {"tokens": list("abcde"), "ner_tags": tags}
    (doc,) = load(put(tmp_path, "h.jsonl", lines([record])))
    assert [text for text, _ in entities(doc)] == ["b c", "d", "e"]
    assert "repaired tags (IOB2): 1" in caplog.text


# WebAnno


def webanno(folder: Path, header: str, *rows: str, version: str = "3.3") -> Path:
    head = f"#FORMAT=WebAnno TSV {version}\n{header}\n\n\n"
    return put(folder, "w.tsv", head + "\n".join(rows) + "\n")


POS = "#T_SP=de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS|PosValue"
NE = "#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value"
REL = "#T_RL=webanno.custom.Rel|kind|BT_webanno.custom.Name"


def test_webanno(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Stacked, partial, empty and cut annotations, escapes and text over two lines."""
    path = webanno(
        tmp_path,
        f"{POS}\n{NE}\n{REL}",
        "#Sentence.id=s1",
        "#Text=\U0001f30d An\\\\n Lee",
        "#Text=x-ray saw",
        "1-1\t5-7\t\U0001f30d\tX\t_\t_\t_\t_\t",
        "1-2\t8-12\tAn\\\\n\tX\t*[1]|*[2]\tPER[1]|A\\_B[2]\tto\t1-3\t",
        "1-3\t13-16\tLee\tX\t*[1]\tPER[1]\t_\t_\t",
        "1-4\t17-22\tx-ray\tX\t_\t_\t_\t_\t",
        "1-4.1\t17-18\tx\tX\t*\tLETTER\t_\t_\t",
        "1-4.2\t18-18\t\tX\t*\tNONE\t_\t_\t",
        "1-5\t23-26\tsaw\tX\tQ1\t*\t_\t_\t",
    )
    (doc,) = load(path)
    assert doc.text == "\U0001f30d An\\n Lee\nx-ray saw"
    assert entities(doc) == [("An\\n Lee", "PER")]
    assert group(doc, "sc") == [("An\\n", "A_B"), ("An\\n Lee", "PER")]
    assert unknown(doc) == ["x-ray", "saw"]
    for told in (
        "annotations of no characters: 1",
        "annotations without a value (left unknown): 1",
        "annotations of the layer webanno.custom.Rel: 1",
        "'x' (LETTER) in the tokens ['x-ray']",
    ):
        assert told in caplog.text


def test_webanno_of_scripts_that_count_code_points(tmp_path: Path):
    rows = ["#Text=\U0001f30d Rio", "1-1\t0-1\t\U0001f30d\t_", "1-2\t2-5\tRio\tGPE"]
    (doc,) = load(webanno(tmp_path, "#T_SP=a.Place|value", *rows))
    assert entities(doc) == [("Rio", "GPE")]


def test_webanno_layers(tmp_path: Path):
    rows = ["#Text=Rio", "1-1\t0-3\tRio\tGPE\tbad\t*\t"]
    path = webanno(tmp_path, "#T_SP=a.Place|value|mood\n#T_SP=a.Other|", *rows)
    with pytest.raises(ValueError, match=r"L276.*'a.Place\|value', .*'a.Other'"):
        load(path)
    for layer in ("a.Place", "Place", "a.Place|value"):
        (doc,) = load(path, options=Options(layer=layer))
        assert entities(doc) == [("Rio", "GPE")]
    (doc,) = load(path, options=Options(layer="Place|mood"))
    assert entities(doc) == [("Rio", "bad")]
    with pytest.raises(ValueError, match=r"L274.*no layer 'b'.*a.Other"):
        load(path, options=Options(layer="b"))


def test_webanno_annotations_across_sentences(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = webanno(
        tmp_path,
        NE,
        "#Text=Rio de",
        "1-1\t0-3\tRio\t*[1]|*[2]\tGPE[1]|GPE[2]\t",
        "1-2\t4-6\tde\t*[1]\tGPE[1]\t",
        "",
        "#Text=Janeiro",
        "2-1\t7-14\tJaneiro\t*[1]\tGPE[1]\t",
    )
    first, second = load(path)
    assert (entities(first), unknown(first)) == ([("Rio", "GPE")], ["de"])
    assert (entities(second), unknown(second)) == ([], ["Janeiro"])
    assert "parts of annotations across sentences (left unknown): 2" in caplog.text
    (doc,) = load(path, join=True)
    assert [sent.text for sent in doc.sents] == ["Rio de", "Janeiro"]


def test_webanno_files_with_different_layers(tmp_path: Path):
    for name in ("a", "b", "empty"):
        (tmp_path / name).mkdir()
        columns = "" if name == "empty" else "GPE\t"
        header = "" if name == "empty" else f"#T_SP=custom.{name}|value"
        row = f"1-1\t0-3\tRio\t{columns}"
        webanno(tmp_path / name, header, "#Text=Rio", row)
    (doc,) = load(tmp_path / "empty")
    assert unknown(doc) == ["Rio"]
    with pytest.raises(ValueError, match=r"L276.*custom\.a, custom\.b"):
        load(tmp_path)
