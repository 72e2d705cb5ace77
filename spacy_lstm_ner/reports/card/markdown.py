"""Names and tables in Markdown."""

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """A text in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|~#&$])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """A text as code, on one line.

    >>> code("WORK_OF_ART"), code("a`b")
    ('`WORK_OF_ART`', '``a`b``')
    """
    text = " ".join(text.split()) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table: the first column to the left, numbers to the right.

    head (Sequence[str]): The headings.
    rows (Iterable[Sequence[str]]): The cells, in Markdown.
    """
    rows = list(rows)
    numeric = [
        bool(rows) and all(re.fullmatch(r"[\d.,]+|-", row[i]) for row in rows)
        for i in range(len(head))
    ]
    marks = ["---:" if is_numeric else "---" for is_numeric in numeric]
    lines = [" | ".join(head), " | ".join(marks)]
    lines += [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)
