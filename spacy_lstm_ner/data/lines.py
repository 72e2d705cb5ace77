"""Lines of text files in UTF-8."""

import codecs
import logging
import re
from pathlib import Path
from typing import NamedTuple

from ..errors import Errors
from .files import shown

logger = logging.getLogger("spacy.lstm_ner")

# Byte order marks of UTF-16.
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# A byte order mark at the start of a later line, as in files that were concatenated. In
# a column of its own it may be a token.
_MARK = re.compile("\n\ufeff(?![\t ])")
# Messages show so much of a line.
_SHOWN = 80


class Lines(NamedTuple):
    """The lines of a file, without line ends.

    path (Path): The file.
    texts (List[Tuple[str, str]]): The place of each line for messages, and the line.
    n_marks (int): Number of byte order marks that were removed from the start of lines
        behind the first one.
    """

    path: Path
    texts: list[tuple[str, str]]
    n_marks: int

    def log_marks(self) -> None:
        """Log the number of byte order marks, if there are any."""
        if self.n_marks:
            logger.warning(
                "%s: removed %d byte order marks at the start of lines, as left by "
                "concatenating files",
                shown(self.path),
                self.n_marks,
            )


def read_lines(path: Path) -> Lines:
    """Read the lines of a UTF-8 file.

    Only a line feed ends a line, because tokens may contain the other characters at
    which `str.splitlines` splits.

    path (Path): The file.
    RETURNS (Lines): Its lines.
    RAISES ValueError: At bytes that are not UTF-8 (L113), or a carriage return within
        a line (L117).
    """
    text = read_text(path)
    text, n_marks = _MARK.subn("\n", text)
    texts = []
    for number, line in enumerate(text.split("\n"), start=1):
        where, content = _where(path, number), line.removesuffix("\r")
        if "\r" in content:
            raise ValueError(Errors.L117.format(where=where, text=cut(content)))
        texts.append((where, content))
    return Lines(path, texts, n_marks)


def read_text(path: Path) -> str:
    """Read a UTF-8 file, without a byte order mark. Line ends stay as they are.

    path (Path): The file.
    RETURNS (str): Its content.
    RAISES ValueError (L113): At bytes that are not UTF-8.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        where = _where(path, 1 + data[: err.start].count(b"\n"))
        raise ValueError(
            Errors.L113.format(
                where=where,
                byte=hex(data[err.start]),
                encoding="utf-16" if data.startswith(_UTF_16) else "latin1",
            )
        ) from err


def cut(text: str) -> str:
    """Cut a text that was found in a file, for a message.

    text (str): The text.
    RETURNS (str): Its first 80 characters, and three points if there are more.
    """
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _where(path: Path, line: int) -> str:
    """A place in a file, for messages."""
    return f"{path}, line {line}"
