"""An HTML page of predicted entities beside the gold ones, drawn by displaCy."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from spacy import displacy
from spacy.tokens import Span
from spacy.training import Example

from ..component.gold import judge, token_spans
from ..component.white_space import trim_examples

__all__ = ["render_page"]

# Fills of the labels, in the order of their names, used again after the last one.
_COLORS = (
    *("#a9d8f5", "#f7c6d9", "#c9e8b5", "#fbe09a", "#d5c8f2", "#fbcba6", "#b3e5dc"),
    *("#d9d4c5", "#e4b8b8", "#bcc9e8"),
)

# displaCy fills in {text}, {bg}, the escaped label, and the mark: right or wrong.
_ENTITY = (
    '<mark class="{mark}" style="background: {bg}">'
    "{text}&nbsp;<b>{shown_label}</b></mark>"
)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.5rem; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
table.counts { width: auto; margin: 1rem 0; }
table.counts th, table.counts td { padding: 0.1rem 1.2rem 0.1rem 0; }
table.counts td { text-align: right; font-variant-numeric: tabular-nums; }
th { text-align: left; padding: 0.4rem 0.8rem; }
thead th { border-bottom: 2px solid #888; }
.docs td { vertical-align: top; padding: 0.5rem 0.8rem; border-top: 1px solid #ddd;
  overflow-wrap: anywhere; }
.docs tr.differs { background: #fff6f4; }
.docs tr.differs td:first-child { box-shadow: inset 4px 0 #c0392b; }
.entities { line-height: 2.1 !important; direction: inherit !important; }
mark { color: inherit; padding: 0.15em 0.4em; border-radius: 0.3em;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
mark b { font-size: 0.72em; padding-left: 0.2em; }
mark.wrong { outline: 2px dashed #c0392b; }
.legend { display: flex; flex-wrap: wrap; gap: 0.6rem; margin: 1rem 0; }
#only-differing:checked ~ .docs tr.agrees { display: none; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="generator" content="spacy-lstm-ner">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<div class="legend">{legend}</div>
<table class="counts">{counts}</table>
<input type="checkbox" id="only-differing">
<label for="only-differing">show only texts in which gold and predicted differ</label>
<table class="docs">
<thead><tr><th>gold</th><th>predicted</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""

# The line by which the pages of this module are known.
MARK = '<meta name="generator" content="spacy-lstm-ner">'

# An entity: the offsets of its characters, end exclusive, and its label.
_Entity = tuple[int, int, str]


class _Pair(NamedTuple):
    """A text with its entities. `unknown` are the predicted entities on tokens that the
    gold Doc does not annotate."""

    text: str
    gold: list[_Entity]
    predicted: list[_Entity]
    unknown: set[_Entity]

    @classmethod
    def of(cls, eg: Example) -> "_Pair":
        (eg,) = trim_examples([eg])
        predicted = _entities(eg.predicted.ents)
        judged = judge(eg, token_spans(eg.predicted.ents))
        pairs = zip(predicted, judged, strict=True)
        unknown = {ent for ent, is_right in pairs if is_right is None}
        return cls(eg.text, _entities(eg.reference.ents), predicted, unknown)


def render_page(examples: Iterable[Example], *, title: str, lang: str = "en") -> str:
    """Render a self-contained page: each text twice, with gold and predicted entities.

    An entity is outlined if the other side has none with the same limits and label, and
    a table counts such entities by label. Predicted entities on tokens that the gold
    Doc does not annotate are neither outlined nor counted.

    examples (Iterable[Example]): Predicted and gold Docs, of the same texts.
    title (str): The heading of the page.
    lang (str): The language of the texts, "en" for instance.
    RETURNS (str): The page, with escaped texts and labels. Write it as UTF-8.
    """
    pairs = [_Pair.of(eg) for eg in examples]
    labels = sorted({ent[2] for pair in pairs for ent in pair.gold + pair.predicted})
    options = {
        "template": _ENTITY,
        "colors": {label: _COLORS[i % len(_COLORS)] for i, label in enumerate(labels)},
    }
    rows = "\n".join(
        '<tr class="{}"><td dir="auto">{}</td><td dir="auto">{}</td></tr>'.format(
            "agrees" if set(gold) == set(predicted) - unknown else "differs",
            _render_text(text, gold, set(predicted), options),
            _render_text(text, predicted, {*gold, *unknown}, options),
        )
        for text, gold, predicted, unknown in pairs
    )
    return _PAGE.format(
        lang=escape(lang),
        title=escape(title),
        style=_STYLE,
        legend="\n".join(_render_legend(labels, options)),
        counts="\n".join(_render_counts(labels, pairs)),
        rows=rows,
    )


def _entities(ents: Iterable[Span]) -> list[_Entity]:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in ents]


def _render_text(
    text: str, entities: Iterable[_Entity], accepted: set[_Entity], options: Any
) -> str:
    """Mark entities in a text: right if they are accepted, else wrong."""
    ents = [
        {
            "start": start,
            "end": end,
            "label": label,
            "params": {
                "shown_label": escape(label),
                "mark": "right" if (start, end, label) in accepted else "wrong",
            },
        }
        for start, end, label in entities
    ]
    parsed = {"text": text, "ents": ents}
    return displacy.render(
        parsed, style="ent", manual=True, jupyter=False, options=options
    )


def _render_legend(labels: Iterable[str], options: Any) -> Iterator[str]:
    for label in labels:
        yield _ENTITY.format(
            mark="right",
            bg=options["colors"][label],
            text="",
            shown_label=escape(label),
        )
    yield '<mark class="wrong" style="background: none">not on the other side</mark>'


def _render_counts(labels: Iterable[str], pairs: Sequence[_Pair]) -> Iterator[str]:
    """Count right, missed and spurious entities by label."""
    gold = {(i, *ent) for i, pair in enumerate(pairs) for ent in pair.gold}
    predicted = {
        (i, *ent)
        for i, pair in enumerate(pairs)
        for ent in pair.predicted
        if ent not in pair.unknown
    }
    yield "<tr><th>entities</th><th>right</th><th>missed</th><th>spurious</th></tr>"
    for label in (*labels, None):
        right, missed, spurious = (
            sum(label in (ent[-1], None) for ent in ents)
            for ents in (gold & predicted, gold - predicted, predicted - gold)
        )
        yield (
            f"<tr><th>{'all' if label is None else escape(label)}</th>"
            f"<td>{right}</td><td>{missed}</td><td>{spurious}</td></tr>"
        )
