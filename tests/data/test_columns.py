"""Columns that cannot be what they are taken for, and what is told of the others."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from spacy.training import Example

from spacy_lstm_ner.data.columns import (
    Table,
    propose,
    read_tag,
    show_tags,
    split_line,
)
from spacy_lstm_ner.data.conll import ConllCorpus

Read = Callable[..., list[Example]]
nlp = spacy.blank("xx")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads the examples of a file with the given content."""

    def read(content: str, **settings) -> list[Example]:
        path = tmp_path / "file.conll"
        path.write_text(content, encoding="utf8")
        return list(ConllCorpus(path, **settings)(nlp))

    return read


def ents(examples: list[Example]) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for eg in examples for ent in eg.reference.ents]


def lines(*columns: str, separator: str = "\t") -> str:
    """The lines of a file from its columns; "|" stands between sentences."""
    split = [column.split() for column in columns]
    rows = zip(*split, strict=True)
    return "".join(
        "\n" if row[0] == "|" else separator.join(row) + "\n" for row in rows
    )


WORDS = "Anna lives in Rome | Bo Li left"
TAGS = "B-PER O O B-LOC | B-PER I-PER O"
ENTS = [("Anna", "PER"), ("Rome", "LOC"), ("Bo Li", "PER")]
POS = "NNP VBZ IN NNP | NNP NNP VBD"
CHUNKS = "B-NP B-VP B-PP B-NP | B-NP I-NP B-VP"
SHOWN = "would give: Anna/B-PER lives/O in/O Rome/B-LOC"


@pytest.mark.parametrize(
    ("code", "columns", "settings", "right"),
    [
        # Numbers of tokens, of sentences, of both; names of sentences and documents.
        ("L121", ["1 2 3 4 | 1 2 3", WORDS, TAGS], {}, (1, 2)),
        ("L121", ["0 1 2 3 | 0 1 2", WORDS, TAGS], {}, (1, 2)),
        ("L121", ["1 2 3 4 | 5 6 7", WORDS, POS, TAGS], {}, (1, 3)),
        ("L121", ["1-1 1-2 1-3 1-4 | 2-1 2-2 2-3", WORDS, TAGS], {}, (1, 2)),
        ("L121", ["1 1 1 1 | 2 2 2", WORDS, TAGS], {}, (1, 2)),
        ("L121", ["s-a s-a s-a s-a | s-b s-b s-b", WORDS, TAGS], {}, (1, 2)),
        (
            "L121",
            ["doc doc doc doc | doc doc doc", "1 2 3 4 | 1 2 3", WORDS, TAGS],
            {},
            (2, 3),
        ),
        ("L121", ["_ _ _ _ | _ _ _", WORDS, TAGS], {}, (1, 2)),
        ("L121", [WORDS, "1 2 3 4 | 1 2 3", TAGS], {"word_column": 1}, (0, 2)),
        ("L121", [WORDS, TAGS, CHUNKS], {"word_column": 1}, (0, 1)),
        # Nothing but "-".
        ("L122", [WORDS, TAGS, "- - - - | - - -"], {}, (0, 1)),
        ("L122", [WORDS, "- - - - | - - -", TAGS], {"tag_column": 1}, (0, 2)),
        ("L122", ["1 2 3 4 | 1 2 3", WORDS, TAGS, "- - - - | - - -"], {}, (1, 2)),
        # Gold and predicted; outer and inner; no entities predicted; coarse and fine.
        ("L123", [WORDS, TAGS, "B-PER O O O | O B-PER O"], {}, (0, 1)),
        ("L123", [WORDS, POS, TAGS, "O O O O | O O O"], {}, (0, 2)),
        ("L123", [WORDS, TAGS, "B-A O O B-B | B-A I-A O"], {}, (0, 1)),
        ("L123", [WORDS, TAGS, CHUNKS], {}, (0, 1)),
        ("L123", [WORDS, TAGS, "B-PER O O O | B-PER O O"], {"tag_column": -2}, (0, 1)),
        # Not tags at all.
        ("L121", [TAGS, WORDS], {}, (1, 0)),
        ("L116", [WORDS, TAGS, POS], {}, (0, 1)),
        ("L116", [WORDS, TAGS, "1 2 3 4 | 1 2 3"], {}, (0, 1)),
        ("L114", [WORDS, TAGS], {"tag_column": 2}, (0, 1)),
    ],
)
@pytest.mark.parametrize("separator", ["\t", " ", "   "])
def test_wrong_columns_are_refused_with_a_proposal(
    code: str,
    columns: list[str],
    settings: dict[str, int],
    right: tuple[int, int],
    separator: str,
    read: Read,
):
    content = lines(*columns, separator=separator)
    with pytest.raises(ValueError, match=rf"{code}.*file\.conll") as info:
        read(content, **settings)
    word, tag = right
    assert f"--word-column {word} --tag-column {tag} {SHOWN}" in str(info.value)
    # The proposal is accepted, and gives this.
    assert ents(read(content, word_column=word, tag_column=tag)) == ENTS


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_another_separator_is_proposed(separator: str, read: Read):
    header = separator.join(["id", "word", "tag"])
    content = lines("1 2 3 4 | 1 2 3", WORDS, TAGS, separator=separator)
    with pytest.raises(ValueError, match=r"L11[46]") as info:
        read(content)
    option = f"--separator '{separator}' --word-column 1 --tag-column 2 {SHOWN}"
    assert option in str(info.value)
    settings = {"separator": separator, "word_column": 1, "tag_column": 2}
    assert ents(read(content, **settings)) == ENTS
    with pytest.raises(ValueError, match=r"L116.*line 1: found 'tag'"):
        read(f"{header}\n{content}", **settings)


@pytest.mark.parametrize(
    "columns",
    [
        [WORDS, TAGS],
        [WORDS, POS, TAGS],
        [WORDS, POS, CHUNKS, TAGS],  # CoNLL-2003
        [WORDS, "_ _ _ _ | _ _ _", "1 2 3 4 | 1 2 3", TAGS],
        [WORDS, "O O O O | O O O", TAGS],
        [WORDS, "- - - - | - - -", TAGS],
        [POS, WORDS, TAGS],
    ],
)
def test_usual_columns_are_read(columns: list[str], read: Read, caplog):
    found = read(lines(*columns))
    assert [label for _, label in ents(found)] == ["PER", "LOC", "PER"]
    assert caplog.records == []


@pytest.mark.parametrize(
    "content",
    [
        "1\tO\n2\tO\n3\tB-X\n",  # a list of numbers: there is no other column
        "no\tO\nno\tO\n\nha\tB-X\nha\tI-X\n",
        "Ann NNP I-NP O\nleft VBD I-VP O\n",  # chunks, and no entity
        "1 CD O\n\n2 CD B-X\n",
        "- : O\n- : O\n",
    ],
)
def test_odd_words_are_read(content: str, read: Read):
    n_tokens = sum(len(eg.reference) for eg in read(content))
    assert n_tokens == len(content.replace("\n\n", "\n").splitlines())


def test_brackets_are_told(read: Read):
    content = lines(WORDS, "(PER*) * * (LOC* | (PER* *) *", "- - - - | - - -")
    with pytest.raises(ValueError, match=r"L124.*\[1\] have entities in brackets"):
        read(content)


def test_a_file_without_annotation_is_told(read: Read, caplog):
    for content in (lines(WORDS, "- - - - | - - -"), "Ann NNP -\nleft VBD -\n"):
        caplog.clear()
        assert ents(read(content)) == []
        n = content.count("-\n")
        assert caplog.messages[0].endswith(f"none of the {n} tokens is annotated")


@pytest.mark.parametrize("n_blank", [0, 1, 2])
def test_a_file_without_blank_lines_is_told(n_blank: int, read: Read, caplog):
    content = ("w,O\n" * 1500 + "\n" * (n_blank > 0)) * max(n_blank, 1)
    read(content, separator=",")
    told = [m for m in caplog.messages if "a sentence has 1500 of the 1500 token" in m]
    assert len(told) == (n_blank < 2)


@pytest.mark.parametrize("joint", ["|", ",", ";", "/", "+", "&", " ", ", ", " | "])
def test_joined_tags_are_counted(joint: str, read: Read, caplog):
    found = read(f"Bo\tB-PER{joint}B-ORG\nLi\tI-PER\nwent\tO\n")
    assert ents(found) == [("Bo Li", "PER")]
    assert "took the first of several tags at 1 of 3 tokens" in caplog.text


def test_labels_that_look_like_joined_tags():
    for label in ("I/O", "R&D", "a|b", "natural person", "x, y", "C++", "A+O"):
        assert read_tag(f"B-{label}") == (f"B-{label}", False)
    assert read_tag("O|B-X") == ("O", True)
    assert read_tag("B-X,O") == ("B-X", True)
    assert read_tag("-") == ("-", False)


@pytest.mark.parametrize("space", [" ", "\xa0", "\u3000", "\u200b", "\ufeff", "\x0b"])
@pytest.mark.parametrize("tag", ["B-{}PER", "B-PER{}", "B{}-PER", "O{}", "{}O"])
def test_tags_with_space_are_refused(space: str, tag: str, read: Read):
    """They would be another label, or none. Spaces around a cell are no part of it."""
    content = f"Bo\t{tag.format(space)}\nLi\tO\n"
    if space == " " and tag in ("B-PER{}", "O{}", "{}O"):
        assert len(read(content)) == 1
    else:
        with pytest.raises(ValueError, match=r"L116.*line 1: found"):
            read(content)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_marks_of_concatenated_files(end: str, read: Read, caplog):
    one = end.join(["Bo\tB-PER", "left\tO", ""])
    for second in (one, end + one, f"-DOCSTART-\t-{end}" + one):
        caplog.clear()
        found = read("\ufeff" + one + "\ufeff" + second, docs="document")
        assert ents(found) == [("Bo", "PER")] * 2
        assert {t.text for eg in found for t in eg.reference} == {"Bo", "left"}
        assert "removed 1 byte order marks at the start of lines" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([{"text": "Anna lives in Rome", "spans": [[0, 4]]}] * 5000),
        json.dumps({"tokens": ["Anna"], "ner_tags": [1]}, indent=1),
        '\n{"text": "Anna", "label": []}\n{"text": "Bo"}\n',
        "[" * 50_000,
        "[\n  [\n",
    ],
)
def test_json_is_told(content: str, read: Read):
    with pytest.raises(ValueError, match=r"L125.*looks like JSON.*annotate") as info:
        read(content)
    assert len(str(info.value)) < 700


@pytest.mark.parametrize(
    "content",
    ["x" * 300_000, "x\t" * 9_999, "x O\n" + "y " * 9_999, "a\t" + "T" * 300_000],
)
def test_long_lines_are_cut(content: str, read: Read):
    with pytest.raises(ValueError, match=r"L11[456]") as info:
        read(content)
    assert len(str(info.value)) < 700


def test_the_shown_sentence_has_the_entity():
    words = [f"w{i}" for i in range(30)]
    tags = ["O"] * 20 + ["B-X"] + ["O"] * 9
    assert show_tags(words, tags).startswith("... w20/B-X w21/O")
    assert show_tags(words, tags).endswith("w27/O ...")
    assert show_tags(["a"], ["O"]) == "a/O"


def test_tables_and_proposals():
    table = Table([[["1", "Bo", "B-X"], ["2", "odd"]], [["1", "left", "O"]]])
    assert table.width == 3
    assert table.word_column == 1
    assert table.tag_columns == [2]
    assert Table([]).propose() == []
    assert propose([["no", "columns"]], None) == ""
    assert split_line(" a  b ", None) == ["a", "b"]
    assert split_line("a b\tc ", None) == ["a b", "c"]
    assert split_line("a ;b", ";") == ["a", "b"]
