"""The page in a headless Chromium: what a person sees, clicks and saves."""

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from cli.helpers import lstm_ner
from component.unsure import TEXT
from spacy.tokens import DocBin

from spacy_lstm_ner.serve.app import create_app
from spacy_lstm_ner.serve.settings import LOOPBACK, ServeSettings

from .conftest import Running, serving

EMOJI = f"😀😀 {TEXT}"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "corrections.jsonl"


@pytest.fixture(scope="module")
def saving(load, path: Path):
    settings = ServeSettings(corrections=path, hosts=LOOPBACK, max_chars=1000)
    with serving(create_app(load(), settings)) as running:
        yield running


@pytest.fixture
def page(saving: Running, open_page) -> Any:
    page = open_page(saving.url, permissions=["clipboard-read", "clipboard-write"])
    page.wait_for_selector("#about:not(:empty)")
    return page


def write(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.wait_for_function("text => found.text === text", arg=text)


def marks(page: Any, selector: str = "mark:not(.ghost)") -> list[list[str]]:
    script = "marks => marks.map(m => [m.textContent, m.dataset.note.split(' ')[0]])"
    return page.eval_on_selector_all(selector, script)


def set_threshold(page: Any, value: float) -> None:
    page.eval_on_selector(
        "#threshold",
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }",
        str(value),
    )
    page.wait_for_function("() => !isAsking && !mustAsk")


def select(page: Any, words: str) -> None:
    """Drag over words of the view."""
    page.evaluate(
        """words => {
          const range = document.createRange();
          const start = view.textContent.indexOf(words);
          const walker = document.createTreeWalker(view, NodeFilter.SHOW_TEXT);
          const at = (n) => { let node; let last;
            walker.currentNode = view;
            while ((node = walker.nextNode())) {
              if (n <= node.length) return [node, n];
              n -= node.length; last = node;
            }
            return [last, last.length]; };
          range.setStart(...at(start)); range.setEnd(...at(start + words.length));
          getSelection().removeAllRanges(); getSelection().addRange(range);
          view.dispatchEvent(new MouseEvent("mouseup", { bubbles: true }));
        }""",
        words,
    )


def test_entities_appear_as_one_types(page: Any, saving: Running):
    page.focus("#text")
    page.keyboard.type(TEXT)
    page.wait_for_function("text => found.text === text", arg=TEXT)
    (found,) = saving.entities(TEXT)
    expected = [[ent["text"], ent["label"]] for ent in found["entities"]]
    assert marks(page) == expected
    assert len(expected) > 1
    notes = page.eval_on_selector_all("mark", "ms => ms.map(m => m.dataset.note)")
    assert f"{expected[0][1]} {found['entities'][0]['confidence']:.2f}" in notes
    shades = page.eval_on_selector_all(
        "mark:not(.ghost)", "ms => ms.map(m => m.style.getPropertyValue('--part'))"
    )
    scores = [ent["confidence"] for ent in found["entities"]]
    assert [int(s.strip("%")) for s in shades] == [
        pytest.approx(20 + 80 * score, abs=1) for score in scores
    ]
    page.fill("#text", "")
    page.wait_for_function("() => found.text === ''")
    assert marks(page, "mark") == []


def test_offsets_of_emoji(page: Any, saving: Running):
    """JavaScript counts two units for each."""
    write(page, EMOJI)
    (found,) = saving.entities(EMOJI)
    assert marks(page) == [[ent["text"], ent["label"]] for ent in found["entities"]]
    assert page.inner_text("#view").strip() == EMOJI
    page.click("mark >> nth=0")
    page.wait_for_selector("#shares li")
    assert page.inner_text("#span-title") == f"“{found['entities'][0]['text']}”"


def test_half_an_emoji(page: Any):
    page.evaluate("text.value = 'Ada \\ud83d'; ask()")
    page.wait_for_function("() => found.text === 'Ada \\ufffd'")
    assert page.is_hidden("#trouble")


def test_the_threshold_makes_ghosts(page: Any):
    write(page, TEXT)
    before = marks(page)
    set_threshold(page, 1)
    assert marks(page) == []
    assert set(map(tuple, before)) <= set(map(tuple, marks(page, "mark.ghost")))
    assert page.inner_text("#shown") == "1.00"
    set_threshold(page, 0)
    assert marks(page) == before
    page.select_option("#decoding", "probability")
    page.wait_for_function("() => !isAsking && !mustAsk")
    assert len(marks(page)) > len(before)


def test_readings(page: Any, saving: Running):
    write(page, TEXT)
    (found,) = saving.entities(TEXT, n_best=5)
    rows = page.query_selector_all("#readings li")
    assert len(rows) == 5
    for row, reading in zip(rows, found["n_best"], strict=True):
        number, *_ = row.inner_text().split("%")
        assert float(number) == pytest.approx(100 * reading["probability"], abs=0.51)
        shown = row.eval_on_selector_all(
            ".chip:not(.missing)",
            "cs => cs.map(c => [c.firstChild.data, c.lastChild.textContent])",
        )
        assert shown == [[e["text"], e["label"]] for e in reading["entities"]]
    rows[1].query_selector("button").click()
    assert marks(page) == [
        [e["text"], e["label"]] for e in found["n_best"][1]["entities"]
    ]


def test_where_the_probability_of_a_span_goes(page: Any, saving: Running):
    write(page, TEXT)
    page.click("mark:has-text('Ada Lovelace')")
    page.wait_for_selector("#shares li")
    request = {"text": TEXT, "start": 0, "end": 12}
    answer = saving.post("/alternatives", request).json
    rows = page.eval_on_selector_all(
        "#shares li", "ls => ls.map(l => [...l.children].map(c => c.textContent))"
    )
    shown = {name: number for name, _, number in rows}
    best = answer["labels"][0]
    assert shown[best["label"]] == f"{100 * best['probability']:.0f}%"
    assert {"other boundaries", "no entity"} <= shown.keys()
    other = answer["spans"][0]
    assert f"{other['text']} ({other['label']})" in shown


def test_a_click_beside_an_entity_closes_the_details(page: Any):
    write(page, f"{TEXT}\n\n\n")
    page.click("mark >> nth=0")
    page.wait_for_selector("#details:not([hidden])")
    box = page.query_selector("#view").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5)
    page.wait_for_selector("#details", state="hidden")


def test_corrections_by_mouse(page: Any, path: Path):
    """The file is read by `convert`."""
    path.unlink(missing_ok=True)
    write(page, EMOJI)
    before = marks(page)
    assert ["New York", "PER"] not in before
    page.click("mark:has-text('New York')")
    page.click("#labels button:has-text('PER')")
    assert ["New York", "PER"] in marks(page)
    select(page, "ovelac")  # whole tokens are marked
    page.wait_for_function("() => byId('span-title').textContent === '“Lovelace”'")
    page.click("#labels button:has-text('PER')")
    expected = [["Lovelace", "PER"], ["New York", "PER"]]
    assert [each for each in marks(page) if each[0] != "met"] == expected
    page.click("#save")
    page.wait_for_selector("#done:has-text('Saved: 1 text in the file.')")
    page.keyboard.press("Tab")
    page.click("mark:has-text('Lovelace')")
    page.click("#labels button:has-text('no entity')")
    page.click("#save")
    page.wait_for_selector("#done:has-text('Saved again: 1 text in the file.')")
    output = path.with_suffix(".spacy")
    assert lstm_ner("convert", path, output, "--lang", "xx") == 0
    (doc,) = DocBin().from_disk(output).get_docs(spacy.blank("xx").vocab)
    assert doc.text == EMOJI
    assert [[e.text, e.label_] for e in doc.ents] == marks(page)
    assert ["New York", "PER"] in marks(page)
    page.click("#reset")
    assert marks(page) == before


def test_corrections_by_keyboard(page: Any):
    write(page, TEXT)
    page.focus("mark:has-text('New York')")
    page.keyboard.press("2")  # the second label
    assert ["New York", "ORG"] in marks(page)
    assert page.evaluate("document.activeElement.textContent") == "New York"
    page.keyboard.press("Delete")
    assert "New York" not in [words for words, _ in marks(page)]
    page.focus("#text")  # words of the text field can be selected
    page.keyboard.press("Control+Home")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function("() => byId('span-title').textContent === '“Ada”'")
    page.keyboard.type("x")  # the text is another one: corrections are dropped
    page.wait_for_function("() => edited === null && found.text.startsWith('x')")


def test_copies(page: Any, tmp_path: Path):
    text = f"{EMOJI}\n\nIt's\ttrue."
    write(page, text)
    shown = marks(page)
    copied = {}
    for name in ("JSON", "CoNLL", "Prodigy"):
        page.click(f"[data-copy={name}]")
        page.wait_for_selector(f"#done:has-text('Copied as {name}.')")
        copied[name] = page.evaluate("navigator.clipboard.readText()")
    found = json.loads(copied["JSON"])
    assert found["text"] == text
    assert [[e["text"], e["label"]] for e in found["entities"]] == shown
    for ent in found["entities"]:
        assert text[ent["start"] : ent["end"]] == ent["text"]
    for name, ending in (("CoNLL", ".conll"), ("Prodigy", ".jsonl")):
        source = tmp_path / f"copied{ending}"
        output = source.with_suffix(f"{ending}.spacy")
        source.write_text(copied[name], encoding="utf8")
        assert lstm_ner("convert", source, output, "--lang", "xx") == 0
        (doc,) = DocBin().from_disk(output).get_docs(spacy.blank("xx").vocab)
        assert [[e.text, e.label_] for e in doc.ents] == shown
        words = spacy.blank("xx").tokenizer(text)
        assert [t.text for t in doc if not t.is_space] == [
            t.text for t in words if not t.is_space
        ]


def test_html_in_a_text_is_text(page: Any):
    html = "<img src=x onerror=alert(1)> <b>Ada Lovelace</b> met New York"
    write(page, html)
    assert page.inner_text("#view").strip() == html
    assert page.query_selector("#view img, #view b") is None
    page.click("mark >> nth=0")
    page.wait_for_selector("#shares li")
    assert page.query_selector("#shares b, #shares img") is None


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_everything_fits(saving: Running, open_page, width: int, scheme: str):
    page = open_page(saving.url, width=width, color_scheme=scheme)
    page.wait_for_selector("#about:not(:empty)")
    write(page, f"{TEXT} {'long' * 100} https://example.com/{'a' * 200}")
    page.click("mark >> nth=0")
    page.wait_for_selector("#shares li")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = page.eval_on_selector_all(
        "button, input, select, textarea, [role=button]",
        """all => all.filter(e => !(e.ariaLabel || e.textContent.trim() ||
          (e.labels && e.labels.length))).map(e => e.outerHTML)""",
    )
    assert unnamed == []
    assert contrast(page, "mark:not(.ghost)") >= 4.5
    assert contrast(page, ".hint:visible") >= 4.5


def contrast(page: Any, selector: str) -> float:
    """Contrast of letters and ground (WCAG), as Chromium draws them."""
    return page.eval_on_selector(
        selector,
        """element => {
          const layers = [];
          for (let e = element; e; e = e.parentElement)
            layers.unshift(getComputedStyle(e).backgroundColor);
          const context = new OffscreenCanvas(1, 1).getContext("2d");
          const paint = (colour) => { context.fillStyle = colour;
            context.fillRect(0, 0, 1, 1);
            return [...context.getImageData(0, 0, 1, 1).data]; };
          const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v =>
            v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = light(layers.map(paint).pop());
          const ink = light(paint(getComputedStyle(element).color));
          const [low, high] = [ground, ink].sort((a, b) => a - b);
          return (high + 0.05) / (low + 0.05);
        }""",
    )


def test_a_text_that_is_too_long(page: Any):
    page.fill("#text", "😀" * 1001)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "1001 characters" in page.inner_text("#trouble")
    write(page, "😀" * 1000)
    page.wait_for_selector("#trouble", state="hidden")
    page.fill("#text", "a" * 1001)
    page.wait_for_selector("#trouble:not([hidden])")
    write(page, TEXT)
    page.wait_for_selector("#trouble", state="hidden")


def test_without_a_file_nothing_can_be_saved(server: Running, open_page):
    page = open_page(server.url)
    page.wait_for_selector("#about:not(:empty)")
    write(page, TEXT)
    assert marks(page)
    assert page.is_hidden("#save")
