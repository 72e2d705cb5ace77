"""The file of corrections: JSON lines, a task of Prodigy for each text."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

from ..data.formats.prodigy import is_task
from ..data.json_lines import ENDINGS, parse_json, write_records
from ..data.lines import cut, read_lines
from ..data.replacing import check_writable
from ..errors import Errors
from .schemas import LabelledSpan


class Corrections:
    """Corrected texts, which `convert` reads. The last correction of a text counts.
    Threads may share an object; only one process may write to a file.

    path (Path): The file. It is created with the first correction. What is in it stays.
    RAISES ValueError: If it ends otherwise than JSON lines (L201), or if it has other
        records than tasks of Prodigy (L366).
    RAISES OSError: If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in ENDINGS:
            endings = " or ".join(map(repr, ENDINGS))
            raise ValueError(Errors.L201.format(output=path, endings=endings))
        self.path = path
        check_writable(path)
        self._lock = Lock()
        self._read()

    def save(self, text: str, spans: Iterable[LabelledSpan]) -> tuple[int, bool]:
        """Save a text with all of its entities.

        spans (Iterable[LabelledSpan]): The entities.
        RETURNS (Tuple[int, bool]): The number of texts in the file, and whether there
            was this one already.
        RAISES ValueError: If spans are not within the text (L368) or overlap (L369).
        """
        ordered = sorted(spans, key=lambda span: (span.start, span.end))
        for span in ordered:
            check_span(text, span.start, span.end)
        for first, second in pairwise(ordered):
            if second.start < first.end:
                pair = [(s.start, s.end, s.label) for s in (first, second)]
                raise ValueError(Errors.L369.format(first=pair[0], second=pair[1]))
        found = [
            {**span.model_dump(), "text": text[span.start : span.end]}
            for span in ordered
        ]
        task = {"text": text, "spans": found, "answer": "accept"}
        with self._lock:
            before = self._read()
            others = [each for each in before if each["text"] != text]
            write_records(self.path, [*others, task])
        return len(others) + 1, len(others) < len(before)

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        tasks = []
        for where, line in read_lines(self.path).texts:
            if not line.strip():
                continue
            task = parse_json(line, only_finite=True)
            is_text = isinstance(task, dict) and isinstance(task.get("text"), str)
            if not (is_text and is_task(task)):
                raise ValueError(Errors.L366.format(where=where, line=cut(line)))
            tasks.append(task)
        return tasks


def check_span(text: str, start: int, end: int) -> None:
    """Refuse a span that is not one of a text (L368)."""
    if not (0 <= start < end <= len(text) and text[start:end].strip()):
        message = Errors.L368.format(start=start, end=end, n=len(text))
        raise ValueError(message)
