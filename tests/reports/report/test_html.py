"""The page as text: what is escaped, and what the script gets."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from spacy_lstm_ner.reports.report import make_report
from spacy_lstm_ner.reports.report.data import page_data, script_json
from spacy_lstm_ner.reports.report.html import MARK, render_page
from spacy_lstm_ner.reports.report.markup import Markup, joined, shows, table, tag
from spacy_lstm_ner.reports.report.pairs import KINDS

from .helpers import answers, example

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 &amp; $title ${data}"


def embedded(page: str):
    (found,) = re.findall(
        r'<script type="application/json".*?>(.*?)</script>', page, re.S
    )
    return json.loads(found)


def cells(page: str, caption: str) -> list[list[str]]:
    """The cells of a table, as text."""
    made = re.search(rf"<caption>{re.escape(caption)}.*?</table>", page, re.S)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", made, re.S)
    pattern = r"<t[hd][^>]*>(.*?)</t[hd]>"
    return [
        [
            unescape(re.sub(r"<[^>]+>", "", cell))
            for cell in re.findall(pattern, row, re.S)
        ]
        for row in rows
    ]


def test_hostile_texts_and_labels():
    words = HOSTILE.split(" ")
    report = make_report(
        [
            answers(
                example(words, [(0, 1, HOSTILE)], {(1, 2, "<b>"): 0.5}), name=HOSTILE
            )
            for _ in range(2)
        ]
    )
    page = render_page(report, title=HOSTILE)
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<b>" not in page
    assert "<!--" not in page
    assert "\u2028" not in page[page.index('id="data"') :]
    data = embedded(page)
    assert data["texts"][0].split(" ")[:-1] == words
    assert data["labels"] == [HOSTILE, "<b>"]
    assert data["models"][0]["name"] == HOSTILE
    assert cells(page, "Scores per label")[1][0] == HOSTILE


def test_offsets_are_those_of_javascript():
    eg = example(
        "Hi 🎉🎉 Bob 🎉", [(2, 3, "A")], {(1, 2, "A"): 0.12345678, (2, 3, "A"): 1.0}
    )
    data = page_data(make_report([answers(eg)]))
    units = data["texts"][0].encode("utf-16-le")
    (gold,), (party, bob) = data["gold"][0], data["models"][0]["found"][0]
    assert units[2 * gold[0] : 2 * gold[1]].decode("utf-16-le") == "Bob"
    assert units[2 * party[0] : 2 * party[1]].decode("utf-16-le") == "🎉🎉"
    assert party[2:] == [0, 0.1234568, data["kinds"].index("invented"), -1]
    assert bob == [*gold, 1.0, data["kinds"].index("right"), 0]


def test_the_tables():
    examples = [
        example("a b c d e", [(0, 1, "A"), (2, 4, "B")], [(0, 1, "B"), (2, 3, "B")]),
        example("a b c", [(0, 1, "A")], [(0, 1, "A")]),
    ]
    page = render_page(make_report([answers(*examples)]), title="t")
    assert MARK in page
    assert "2 texts, 3 gold entities" in page
    scores = cells(page, "Scores per label")
    assert [row[0] for row in scores] == ["label", "A", "B", "all"]
    assert [row[-3:] for row in scores[1:]] == [
        ["2", "1", "1"],
        ["1", "2", "0"],
        ["3", "3", "1"],
    ]
    assert scores[3][3].startswith("33.3 ")
    kinds = cells(page, "Entities by gold label")
    assert kinds[0] == ["label", *KINDS]
    assert kinds[1] == ["A", "1", "1", "0", "0", "0", "0"]
    assert kinds[2] == ["B", "0", "0", "1", "0", "0", "0"]
    strict = cells(page, "Measures of SemEval 2013")[1]
    assert strict[1:] == ["33.3", "33.3", "33.3", "1", "2", "0", "0", "0"]
    assert cells(page, "Gold labels (rows)")[1:] == [
        ["A", "1", "1", "0"],
        ["B", "0", "1", "0"],
        ["none", "0", "0", ""],
    ]
    assert "--train" in page
    assert "Reliability" not in page
    assert "Side by side" not in page


def test_nothing_at_all():
    page = render_page(make_report([answers()]), title="empty")
    assert "0 texts, 0 gold entities" in page
    assert embedded(page)["texts"] == []


def test_nothing_is_fetched():
    page = render_page(make_report([answers(example("a", [], []))]), title="t")
    assert re.findall(r"https?://|url\(|@import|<link|src=", page) == []


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (tag("p", "a<b"), "<p>a&lt;b</p>"),
        (
            tag("p", Markup("<i>"), class_="x", data_y='"'),
            '<p class="x" data-y="&quot;"><i></p>',
        ),
        (tag("p", title=None), "<p></p>"),
        (joined(["<", Markup("<br>")], ""), "&lt;<br>"),
        (script_json("</a>\u2028"), '"\\u003c/a>\\u2028"'),
    ],
)
def test_markup(made: str, expected: str):
    assert made == expected


def test_tables_and_buttons_have_names():
    button = shows("3", "missed, A", {"kinds": "missed", "either": 0})
    made = table("Kinds", ["label", "missed"], [["A", button]])
    assert '<th scope="row">A</th>' in made
    assert '<th scope="col">missed</th>' in made
    assert "<caption>Kinds</caption>" in made
    assert 'aria-label="3: missed, A"' in made
    assert 'data-either="0"' in made


def test_the_docs_list_all_kinds():
    page = Path(__file__).parents[3] / "docs" / "report.md"
    rows = re.findall(r"^\| `([a-z ]+)` \|", page.read_text("utf8"), re.M)
    assert rows == list(KINDS)
