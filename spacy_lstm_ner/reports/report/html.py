"""The page: one file with all figures and texts, for browsers without a network."""

from html import escape
from importlib.resources import files
from string import Template

from .data import page_data, script_json
from .markup import joined, number
from .run import Report
from .sections import sections

# The line by which the pages of this module are known.
MARK = '<meta name="generator" content="spacy-lstm-ner report">'


def render_page(report: Report, *, title: str) -> str:
    """Render a self-contained page.

    report (Report): The report.
    title (str): The heading of the page.
    RETURNS (str): The page, with escaped texts and labels. Write it as UTF-8.
    """
    folder = files(__package__) / "page"
    template, style, *scripts = (
        (folder / name).read_text(encoding="utf8")
        for name in ("page.html", "page.css", "list.js", "page.js")
    )
    n_gold = sum(len(text.gold) for text in report.texts)
    return Template(template).substitute(
        mark=MARK,
        title=escape(title),
        counts=f"{number(len(report.texts))} texts, {number(n_gold)} gold entities",
        style=style,
        sections=joined(sections(report)),
        lang=escape(report.models[0].answers.lang),
        data=script_json(page_data(report)),
        script="\n".join(scripts),
    )
