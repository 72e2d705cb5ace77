"""Pieces of HTML: escaped text, tables, numbers."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from .bootstrap import Interval


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(content: object) -> str:
    """Content as HTML: escaped, unless it is `Markup`.

    content (object): Text, a number, or `Markup`.
    """
    return content if isinstance(content, Markup) else escape(str(content))


def tag(name: str, content: object = "", **attributes: object) -> Markup:
    """An element.

    name (str): Its name.
    content (object): What is in it.
    attributes (object): Its attributes; "_" in their names stands for "-", and one at
        the end is left out. Those that are None are left out.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{shown}>{html(content)}</{name}>")


def joined(pieces: Iterable[object], between: str = "\n") -> Markup:
    """Pieces one after the other.

    pieces (Iterable[object]): The pieces, escaped unless they are `Markup`.
    between (str): HTML between them.
    """
    return Markup(between.join(map(html, pieces)))


class Head(NamedTuple):
    """The head of a column.

    name (str): Its name.
    hint (Optional[str]): What it means, for a pointer that rests on it.
    """

    name: str
    hint: str | None = None


def table(
    caption: object,
    head: Sequence[str | Head],
    rows: Iterable[Sequence[object]],
    *,
    kind: str | None = None,
) -> Markup:
    """A table in a box of its own that scrolls sideways on narrow screens. The first
    cell of each row is its name.

    caption (object): The caption.
    head (Sequence[Union[str, Head]]): The names of the columns; empty for a picture.
    rows (Iterable[Sequence[object]]): The cells of each row.
    kind (Optional[str]): The class of the table.
    """
    heads = [each if isinstance(each, Head) else Head(each) for each in head]
    top = joined(
        tag("th", h.name, scope="col", title=h.hint) if h.name else tag("td")
        for h in heads
    )
    body = joined(
        tag("tr", joined([tag("th", first, scope="row"), *map(_cell, cells)], ""))
        for first, *cells in rows
    )
    content = [
        tag("caption", caption),
        tag("thead", tag("tr", top)),
        tag("tbody", body),
    ]
    made = tag("table", joined(content), class_=kind)
    name = f"Table: {caption}" if not isinstance(caption, Markup) else "Table"
    return tag("div", made, class_="scroll", tabindex=0, role="region", aria_label=name)


def _cell(content: object) -> Markup:
    if isinstance(content, int):
        content = number(content)
    return tag("td", content)


def number(value: int) -> str:
    """A number with commas."""
    return f"{value:,}"


def percent(value: float) -> str:
    """A share, in percent."""
    return f"{100 * value:.1f}"


def with_interval(value: Interval) -> Markup:
    """A share in percent, with its interval."""
    limits = f"{percent(value.low)} to {percent(value.high)}"
    return joined([percent(value.value), tag("small", limits)], " ")


def bar(value: Interval) -> Markup:
    """A picture of a share and its interval."""
    style = ";".join(f"--{k}:{100 * v:.1f}%" for k, v in value._asdict().items())
    return tag("span", tag("span"), class_="bar", style=style, aria_hidden="true")


def shows(content: object, label: str, filters: Mapping[str, object]) -> Markup:
    """A button that lists the entities that a number counts.

    content (object): The number.
    label (str): What the button shows, in words.
    filters (Mapping[str, object]): The settings of the list, by name.
    """
    data = {f"data_{name}": value for name, value in filters.items()}
    attributes = {"title": label, "aria_label": f"{content}: {label}", **data}
    return tag("button", content, type="button", class_="shows", **attributes)
