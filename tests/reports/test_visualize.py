"""The page of gold and predicted entities."""

import re
from collections.abc import Callable
from html import unescape

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_lstm_ner.reports.visualize import render_page


@pytest.fixture
def example() -> Callable[..., Example]:
    vocab = spacy.blank("xx").vocab

    def make(words: list[str], predicted: list[str], gold: list[str]) -> Example:
        return Example(
            Doc(vocab, words=words, ents=predicted), Doc(vocab, words=words, ents=gold)
        )

    return make


def test_page_marks_what_differs(example: Callable[..., Example]):
    same = example(["Ann", "left"], ["B-per", "O"], ["B-per", "O"])
    other = example(
        ["New", "York", "City"], ["B-geo", "I-geo", "O"], ["B-per", "O", "B-geo"]
    )
    page = render_page([same, other], title="A & B")
    assert "<title>A &amp; B</title>" in page
    agrees, differs = re.findall(r'<tr class="(?:agrees|differs)">.*?</tr>', page, re.S)
    assert agrees.count('<mark class="right"') == 2
    assert differs.count('<mark class="wrong"') == 3
    counts = re.search(r'<table class="counts">(.*?)</table>', page, re.S)
    assert counts is not None
    rows = [
        re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in counts[1].split("</tr>")
    ]
    assert rows[1:-1] == [
        ["geo", "0", "1", "1"],
        ["per", "1", "1", "0"],
        ["all", "1", "2", "1"],
    ]


def test_page_leaves_open_what_is_not_annotated(example: Callable[..., Example]):
    eg = example(
        ["Ann", "met", "Bob", "there"], ["B-per", "O", "B-per", "B-geo"], [""] * 4
    )
    known = example(["Ann", "left"], ["B-per", "O"], ["O", ""])
    page = render_page([eg, known], title="")
    rows = re.findall(r'<tr class="(?:agrees|differs)">.*?</tr>', page, re.S)
    assert [row.count('<mark class="right"') for row in rows] == [3, 0]
    assert [row.count('<mark class="wrong"') for row in rows] == [0, 1]
    assert [row.startswith('<tr class="agrees"') for row in rows] == [True, False]
    assert "<th>all</th><td>0</td><td>0</td><td>1</td>" in page


def test_page_tells_labels_and_languages_apart(example: Callable[..., Example]):
    tags = ["B-per", "B-geo"]
    page = render_page([example(["Ann", "Rome"], tags, tags)], title="", lang="he")
    colours = re.findall(r'<mark class="right" style="background: (#\w+)">', page)
    assert len(colours) == 6, "a legend of two, and two in each column"
    assert len(set(colours)) == 2
    assert '<html lang="he">' in page


def test_page_escapes_texts_and_labels(example: Callable[..., Example]):
    words = ["<script>", "&", "{bg}"]
    page = render_page([example(words, ["B-<i>{x}", "O", "O"], ["O"] * 3)], title="<t>")
    assert "<script>" not in page
    assert "<i>" not in page
    assert "<t>" not in page
    text = unescape(re.sub(r"<[^>]+>", "", page.partition("<tbody>")[2]))
    assert text.split() == [*words, *words[:1], "<i>{x}", *words[1:]]


def test_page_of_nothing():
    assert "<tbody>\n\n</tbody>" in render_page([], title="empty")
