"""Annotation of Examples -> gold tags, and right and wrong spans."""

import itertools

import numpy as np
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_lstm_ner.component.gold import (
    UNKNOWN,
    gold_tags,
    incorrect_spans,
    judge,
    new_labels,
)
from spacy_lstm_ner.tags import TagSet, TokenSpan

LABELS = ["geo", "per", "JOB-NAME"]
TAG_SET = TagSet(LABELS)


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("xx").vocab


def make_doc(vocab, words: str, ents=(), **kwargs) -> Doc:
    """A Doc of blank-separated words, "_" being a white-space token."""
    doc = Doc(vocab, words=["\n" if w == "_" else w for w in words.split()], **kwargs)
    if ents:
        doc.set_ents([Span(doc, *ent) for ent in ents], default="missing")
    return doc


def example(vocab, words: str, ents, missing=()) -> Example:
    reference = make_doc(vocab, words)
    reference.set_ents(
        [Span(reference, *ent) for ent in ents],
        missing=[reference[i : i + 1] for i in missing],
        default="outside",
    )
    return Example(make_doc(vocab, words), reference)


def other_tokens(vocab, ents=("B-geo", "I-geo", "I-geo", "O")) -> Example:
    return Example(
        Doc(
            vocab,
            words=["New", "YorkCity", "h", "all"],
            spaces=[True, True, False, False],
        ),
        Doc(
            vocab,
            words=["New", "York", "City", "hall"],
            spaces=[True, False, True, False],
            ents=list(ents),
        ),
    )


def tags_of(*examples: Example) -> list[list[str | None]]:
    """The gold tags by name."""
    return [
        [None if tag == UNKNOWN else TAG_SET.names[tag] for tag in tags.tolist()]
        for tags in gold_tags(examples, TAG_SET)
    ]


@pytest.mark.parametrize(
    ("words", "ents", "missing", "expected"),
    [
        ("a b c", [(0, 1, "per"), (1, 3, "per")], [], ["B-per", "B-per", "I-per"]),
        ("a b c d", [(0, 3, "geo")], [], ["B-geo", "I-geo", "I-geo", "O"]),
        ("a b c", [(2, 3, "per")], [0], [None, "O", "B-per"]),
        # White space has no tag; an entity that begins on it begins behind it.
        ("_ a b", [(0, 3, "per")], [], [None, "B-per", "I-per"]),
        ("a _ b", [(0, 3, "per")], [], ["B-per", None, "I-per"]),
        ("a _ b", [(0, 2, "per")], [], ["B-per", None, "O"]),
        ("a _ b", [(1, 2, "per")], [], ["O", None, "O"]),
        ("_ _ a b", [(0, 1, "geo"), (1, 3, "per")], [], [None, None, "B-per", "O"]),
        ("a b", [(0, 1, "JOB-NAME")], [], ["B-JOB-NAME", "O"]),
    ],
)
def test_gold_tags(vocab, words, ents, missing, expected):
    assert tags_of(example(vocab, words, ents, missing)) == [expected]


@pytest.mark.parametrize("seed", range(40))
def test_gold_tags_of_same_tokens_are_those_of_the_alignment(vocab, seed):
    """A token of white space at the end makes the fast way impossible."""
    rng = np.random.default_rng(seed)
    words = rng.choice(["a", "A", "bb", "."], rng.integers(0, 12)).tolist()
    parts, at = [], 0
    while at < len(words):
        end = min(at + int(rng.integers(1, 4)), len(words))
        part = str(rng.choice(["entity", "missing", "blocked", "outside"]))
        parts.append((part, at, end, str(rng.choice(LABELS))))
        at = end

    def annotated(words):
        doc = Doc(vocab, words=words)
        spans = {
            name: [Span(doc, *rest[:2], label=rest[2] if name == "entity" else 0)
                   for part, *rest in parts if part == name]
            for name in ("entity", "missing", "blocked")
        }  # fmt: skip
        doc.set_ents(
            spans["entity"], missing=spans["missing"], blocked=spans["blocked"]
        )
        return doc

    same, longer = (
        Example(Doc(vocab, words=each), annotated(each))
        for each in (words, [*words, "\n"])
    )
    found, expected = tags_of(same, longer)
    assert found == expected[:-1]


def test_gold_tags_of_other_tokens(vocab):
    assert tags_of(other_tokens(vocab)) == [["B-geo", "I-geo", "O", "O"]]
    half = Example(
        Doc(vocab, words=["NewYork", "City"], spaces=[True, False]),
        Doc(
            vocab,
            words=["New", "York", "City"],
            spaces=[False, True, False],
            ents=["O", "B-geo", "I-geo"],
        ),
    )
    assert tags_of(half) == [[None, None]], "what does not align is unknown"


def test_gold_tags_without_annotation(vocab):
    eg = Example(make_doc(vocab, "a b"), make_doc(vocab, "a b"))
    assert tags_of(eg) == [[None, None]]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 2, "per"), True),
        ((0, 2, "geo"), False),
        ((0, 1, "per"), False),
        ((0, 3, "per"), False),
        ((2, 3, "geo"), True),
        ((3, 4, "geo"), False),
        ((3, 5, "geo"), None),
        ((4, 5, "per"), None),
        ((0, 5, "per"), None),
    ],
)
def test_judge(vocab, span, expected):
    eg = example(vocab, "a b c d e", [(0, 2, "per"), (2, 3, "geo")], missing=[4])
    assert judge(eg, [TokenSpan(*span)]) == [expected]


@pytest.mark.parametrize(
    "ents",
    [
        ("B-geo", "I-geo", "I-geo", "O"),
        ("B-geo", "I-geo", "I-geo", "B-per"),
        ("B-geo", "B-per", "I-per", "B-per"),
        ("O", "B-per", "O", "B-geo"),
    ],
)
def test_judge_agrees_with_spacy(vocab, ents):
    n_right = 0
    for start, end in itertools.combinations(range(5), 2):
        for label in LABELS[:2]:
            eg = other_tokens(vocab, ents)
            eg.predicted.set_ents([Span(eg.predicted, start, end, label)])
            (found,) = judge(eg, [TokenSpan(start, end, label)])
            assert found is (get_ner_prf([eg])["ents_p"] == 1.0)
            n_right += found
    assert n_right


def test_nothing_is_right_where_nothing_is_known(vocab):
    unannotated = Example(make_doc(vocab, "a b"), make_doc(vocab, "a b"))
    assert judge(unannotated, [TokenSpan(0, 1, "per")]) == [None]
    eg = Example(
        Doc(vocab, words=["a", " ", "b"], spaces=[True, False, False]),
        Doc(vocab, words=["a", "b"], ents=["B-per", "O"]),
    )
    assert judge(eg, [TokenSpan(0, 1, "per")]) == [True]
    assert judge(eg, [TokenSpan(1, 2, "per")]) == [None], "aligned to no token"


def test_an_entity_is_found_once(vocab):
    # Two tokens of the predicted Doc are one of the reference.
    eg = Example(
        Doc(vocab, words=["Rome", "Rome"], spaces=[False, False]),
        Doc(vocab, words=["RomeRome"], spaces=[False], ents=["B-geo"]),
    )
    spans = [TokenSpan(0, 1, "geo"), TokenSpan(1, 2, "geo")]
    assert judge(eg, spans) == [True, False]
    eg.predicted.set_ents([Span(eg.predicted, *span) for span in spans])
    assert get_ner_prf([eg])["ents_p"] == 0.5


def test_incorrect_spans(vocab):
    eg = example(vocab, "a b c d", [(0, 1, "geo")])
    eg.reference.spans["no"] = [
        Span(eg.reference, *span)
        for span in [(0, 2, "per"), (0, 2, "geo"), (1, 4, "per"), (0, 2, "")]
    ]
    found = incorrect_spans(eg, "no")
    assert sorted(found) == [(0, 2, ""), (0, 2, "geo"), (0, 2, "per"), (1, 4, "per")]
    assert incorrect_spans(eg, "other") == []
    aligned = other_tokens(vocab)
    aligned.reference.spans["no"] = [
        Span(aligned.reference, *span, "geo")
        for span in [(0, 3), (0, 2), (1, 3), (3, 4)]
    ]
    # (0, 2) ends within a token of the predicted Doc.
    expected = [(0, 2, "geo"), (1, 2, "geo"), (2, 4, "geo")]
    assert sorted(incorrect_spans(aligned, "no")) == expected


@pytest.mark.parametrize("words", ["a b", "a _ b"])
def test_label_that_the_model_does_not_know(vocab, words):
    known = example(vocab, "a b", [(0, 1, "per")])
    unknown = example(vocab, words, [(0, 1, "per"), (1, 2, "art")])
    message = r"(?s)L012.*'art'.*example 1 .*\['geo', 'per', 'JOB-NAME'\]"
    if words == "a _ b":
        unknown = example(vocab, words, [(2, 3, "art")])
    with pytest.raises(ValueError, match=message):
        gold_tags([known, unknown], TAG_SET)


def test_new_labels(vocab):
    """A label that the first Example has on white space alone counts in a later one."""
    on_space = example(vocab, "a _ b", [(1, 2, "art"), (2, 3, "geo")])
    of_words = example(vocab, "a _ b", [(1, 3, "art")])
    other = example(vocab, "a _ b", [(0, 1, "tim")])
    assert new_labels([on_space], TAG_SET) == []
    assert new_labels([on_space, of_words, other], TAG_SET) == ["art", "tim"]
