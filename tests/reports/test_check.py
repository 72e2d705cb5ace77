"""Problems and hints in annotated data. Each test plants what it looks for."""

import re
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_lstm_ner.data.formats.docs import Losses
from spacy_lstm_ner.reports.check import KINDS, Check, Finding, check_docs

NLP = spacy.blank("en")


def make(text: str, *ents: tuple[str, str], words: list[str] | None = None) -> Doc:
    """A Doc in which the first occurrence of each string is an entity."""
    doc = NLP.make_doc(text) if words is None else Doc(NLP.vocab, words)
    spans = []
    for string, label in ents:
        start = doc.text.index(string)
        spans.append(doc.char_span(start, start + len(string), label=label))
    doc.set_ents(spans)
    return doc


def check(train: list[Doc], dev: list[Doc] | None = None, **more) -> Check:
    return check_docs(
        {"train": train} if dev is None else {"train": train, "dev": dev},
        NLP.make_doc,
        **more,
    )


def found(result: Check, kind: str) -> Finding:
    """The only finding of a kind; one without examples if there is none."""
    return next((f for f in result.findings if f.kind == kind), Finding(kind, 0, []))


SOUND = [
    make(f"Visitor number {word} of Ada saw Rome.", ("Ada", "PER"), ("Rome", "GPE"))
    for word in [f"{a}{b}" for a in "abcdefgh" for b in "ijklmnop"]
]


def test_sound_data():
    result = check(SOUND[:50], SOUND[50:])
    assert result.findings == []
    assert result.n_problems == 0


def test_counts():
    doc = make("Ada Lee met Ada in Rome", ("Ada Lee", "PER"), ("Rome", "GPE"))
    bare = NLP.make_doc("not annotated")
    counts = check([doc, make("Ada left", ("Ada", "PER")), bare]).parts["train"]
    assert counts[:5] == (3, 10, 3, 2, 2)
    assert list(counts.labels.items()) == [("PER", (2, 2, 3, 2)), ("GPE", (1, 1, 1, 1))]


def test_labels():
    train = [make("Ada left", ("Ada", "PER")), make("in Rome", ("Rome", "GPE"))]
    dev = [make("Kim saw Acme", ("Kim", "PER"), ("Acme", "ORG"))]
    result = check(train, dev)
    assert found(result, "new_label").examples == [{"label": "ORG", "entities": 1}]
    assert found(result, "unused_label").examples == [{"label": "GPE", "entities": 1}]
    assert found(result, "rare_label").count == 2
    assert found(check(train), "unused_label").count == 0
    empty = check(train, [make("nothing")])
    assert found(empty, "no_entities").examples == [{"part": "dev"}]


def test_limits_of_entities():
    spaces = make("Ada  left Rome")
    spaces.set_ents([Span(spaces, 0, 2, "PER")])
    crossing = make("of Ada Lee here", ("Ada Lee", "PER"))
    for token in crossing:
        token.is_sent_start = token.text in ("of", "Lee")
    inside = Doc(NLP.vocab, ["New", "Yorker", "s"], spaces=[True, False, False])
    inside.set_ents([Span(inside, 0, 2, "GPE")])
    unknown_spaces = make("", ("New Yorker", "GPE"), words=["New", "Yorker", "s"])
    result = check([spaces, crossing, inside, unknown_spaces])
    assert found(result, "white_space").examples[0]["text"] == 1
    assert found(result, "crosses_sentence").examples == [
        {
            "string": "Ada Lee",
            "label": "PER",
            "part": "train",
            "text": 2,
            "context": "of Ada Lee here",
        }
    ]
    (misfit,) = found(result, "span_not_tokens").examples
    assert (misfit["text"], misfit["tokens"]) == (3, ["New", "Yorkers"])
    assert result.n_problems == 3


def test_losses_of_reading():
    lost = Losses(misfits=["line 1: 'Ad' in the tokens ['Ada']"], n_misfits=7)
    lost.n_trimmed, lost.n_blank = 2, 3
    result = check(SOUND[:50], losses={"train": lost})
    misfits = found(result, "span_not_tokens")
    assert misfits.count == 7
    assert misfits.examples == [{"part": "train", "place": lost.misfits[0]}]
    assert found(result, "white_space").count == 5


def test_texts_of_both_parts():
    train = [make("Flight 12 to Rome was late"), make("Ada left", ("Ada", "PER"))]
    dev = [
        make("Flight 12 to Rome was late "),
        make("flight 34  to Rome was LATE"),
        make("Flight to Rome was late"),
    ]
    result = check(train, dev)
    (same,) = found(result, "same_text").examples
    assert same == {
        "train": 1,
        "part": "dev",
        "text": 1,
        "context": "Flight 12 to Rome was late",
    }
    (similar,) = found(result, "similar_text").examples
    assert (similar["train"], similar["text"]) == (1, 2)


def test_repeated_texts():
    ada = make("Ada left Rome", ("Ada", "PER"))
    both = make("Ada left Rome", ("Ada", "PER"), ("Rome", "GPE"))
    partly = NLP.make_doc("Ada left Rome")
    thanks, blank = make("Thanks !"), make(" ")
    result = check([ada, ada, both, partly, thanks, thanks, blank, blank])
    assert [e["text"] for e in found(result, "repeated_text").examples] == [2, 3]
    (other,) = found(result, "other_entities").examples
    assert other["entities"] == ["Rome (GPE)"]
    assert other["other_entities"] == []
    assert (other["text"], other["other"]) == (3, {"part": "train", "text": 1})
    assert found(result, "empty_text").count == 2


def test_texts_annotated_in_part():
    doc = make("Ada left Rome", ("Ada", "PER"))
    doc.set_ents(doc.ents, missing=[doc[2:3]], default="outside")
    (example,) = found(check([doc, *SOUND]), "partly_annotated").examples
    assert (example["tokens"], example["unknown"], example["text"]) == (3, 1, 1)


def test_strings_with_several_labels():
    docs = [make(f"{word} Paris", ("Paris", "GPE")) for word in "abc"]
    docs.append(make("Paris sang", ("Paris", "PER")))
    docs += [make("x Dora", ("Dora", "PER")), make("y Dora", ("Dora", "GPE"))] * 2
    dora, paris = found(check(docs), "several_labels").examples
    assert paris["string"] == "Paris"
    assert paris["labels"] == {"GPE": 3, "PER": 1}
    assert [(p["text"], p["label"]) for p in paris["places"]] == [
        (1, "GPE"),
        (4, "PER"),
    ]
    assert dora["labels"] == {"PER": 2, "GPE": 2}


def test_strings_without_label_elsewhere():
    missing = make("New York burns")
    missing.set_ents([], missing=[missing[0:3]], default="outside")
    train = [
        *[make(f"{word} in York", ("York", "GPE")) for word in "abc"],
        make("New York is big", ("New York", "GPE")),  # York is within an entity
        make("May sang", ("May", "PER")),
        missing,
    ]
    dev = [
        make("New York and York"),
        make("of York"),
        make("May June May"),
        make("may york"),
    ]
    york, new_york, may = found(check(train, dev), "unlabelled").examples
    assert (york["string"], york["labels"]) == ("York", {"GPE": 3})
    assert york["unlabelled"] == 2
    assert [(p["text"], p["context"]) for p in york["places"]] == [
        (1, "New York and York"),
        (2, "of York"),
    ]
    assert york["entity_at"]["context"] == "a in York"
    assert (new_york["string"], new_york["unlabelled"]) == ("New York", 1)
    assert (may["string"], may["unlabelled"]) == ("May", 2)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Rome", False),
        ("Rome ,", True),
        ('" Rome', True),
        ("Rome ( RM )", False),
        ("( RM ) Rome", False),
        ("Rome ( RM", True),
        ("RM ] Rome", True),
        ("Acme Inc.", False),
    ],
)
def test_punctuation(text: str, is_found: bool):
    doc = make(f"to {text}", (text, "GPE"))
    assert found(check([doc]), "punctuation").count == is_found


def test_length():
    docs = [make("of Ada Lee", ("Ada Lee", "PER")) for _ in range(5)]
    docs.append(make("a b c d e f g h i j", ("a b c d e f g h i j", "PER")))
    assert found(check(docs), "length").count == 0  # five times the median
    docs.append(make("a b c d e f g h i j k", ("a b c d e f g h i j k", "PER")))
    docs.append(make("of X", ("X", "PER")))
    examples = found(check(docs), "length").examples
    assert [each["text"] for each in examples] == [7, 8]


def test_context_is_cut():
    text = "x" * 50 + " Rome " + "y" * 50
    doc = make(text, ("Rome", "GPE"))
    doc.set_ents([Span(doc, 1, 2, "GPE")])
    other = make("Rome", ("Rome", "PER"))
    place = found(check([doc, other]), "several_labels").examples[0]["places"][0]
    assert place["context"] == "..." + "x" * 39 + " Rome " + "y" * 39 + "..."


def test_problems_come_first():
    marks = [kind.is_problem for kind in KINDS.values()]
    assert marks == sorted(marks, reverse=True)


def test_the_page_lists_all_kinds():
    page = Path(__file__).parents[2] / "docs" / "check.md"
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", page.read_text("utf8"), re.M)
    names = {True: "problem", False: "hint"}
    assert rows == [(name, names[kind.is_problem]) for name, kind in KINDS.items()]
