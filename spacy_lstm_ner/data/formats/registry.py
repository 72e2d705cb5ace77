"""The formats that there are, and how the format of a file is found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ...errors import Errors
from ..files import find_files
from ..lines import cut
from . import (
    brat,
    columns,
    conll2012,
    conllu,
    doccano,
    germeval,
    gliner,
    hugging_face,
    label_studio,
    multiconer,
    prodigy,
    records,
    spacy_tuples,
    webanno,
)
from .annotated import AnnotatedText
from .source import COMPANION, Source


class Format(Protocol):
    """A format of annotation. The modules of this package are such objects."""

    @property
    def NAME(self) -> str:
        """The name, as --format takes it."""

    def looks_like(self, source: Source) -> bool:
        """Whether a file or folder has this format."""

    def read(self, source: Source) -> Iterator[AnnotatedText]:
        """Read the texts.

        RAISES ValueError: At content that the format does not have (L270 to L279).
        """


_MODULES: tuple[Format, ...] = (
    prodigy,
    doccano,
    label_studio,
    brat,
    spacy_tuples,
    records,
    gliner,
    hugging_face,
    conllu,
    multiconer,
    conll2012,
    germeval,
    webanno,
    columns,
)
FORMATS: dict[str, Format] = {module.NAME: module for module in _MODULES}

# The formats in which entities may be in several layers, columns or fields, and the one
# in which tags may be numbers.
LAYERED = {m.NAME for m in (hugging_face, conllu, label_studio, webanno)}
NUMBERED = {hugging_face.NAME}

# In a folder, files with these endings are read. The first ones must be in one of the
# formats; the others may be something else.
_ALWAYS = (
    ".conll",
    ".iob",
    ".tsv",
    ".txt",
    ".iob2",
    ".conllu",
    ".conllup",
    ".gold_conll",
    ".v4_gold_conll",
)
_PERHAPS = (".jsonl", ".ndjson", ".json", ".parquet")
ENDINGS = (*_ALWAYS, *_PERHAPS)
# Files in spaCy's own format are read if there are no others: often they were made of
# these.
DOCS = ".spacy"


def find_inputs(path: Path) -> list[Path]:
    """The files to read at a path, and folders that are read as a whole.

    path (Path): A file or a folder.
    RETURNS (List[Path]): The path itself, or the files of the folder, sorted.
    RAISES ValueError: If there is nothing at the path (L111), or no file with one of
        the endings in the folder (L112).
    """
    if not path.exists():
        raise ValueError(Errors.L111.format(path=path, cwd=Path.cwd()))
    if not path.is_dir():
        return [path]
    # A pair of files is one text, so BRAT's folders are read as a whole.
    pairs = find_files(path, [".ann"])
    texts = {file.with_suffix(".txt") for file in pairs}
    files = [
        file
        for file in find_files(path, ENDINGS)
        if file not in texts and not file.name.endswith(COMPANION)
    ]
    if pairs:
        return [path, *(file for file in files if file.suffix.lower() != ".txt")]
    files = files or find_files(path, [DOCS])
    if not files:
        endings = ", ".join([*ENDINGS, DOCS])
        raise ValueError(Errors.L112.format(path=path, endings=endings))
    return files


def may_be_other(path: Path) -> bool:
    """Whether a file in a folder may be something else than annotation."""
    return path.suffix.lower() in _PERHAPS


def detect(source: Source) -> str | None:
    """The format of a file or folder.

    source (Source): The file or folder.
    RETURNS (Optional[str]): The name of the format; None if it is in none of them.
    RAISES ValueError (L272): If it may be in several.
    """
    found = [m.NAME for m in _MODULES if m is not columns and m.looks_like(source)]
    if len(found) > 1:
        raise ValueError(Errors.L272.format(path=source.path, found=", ".join(found)))
    if not found and columns.looks_like(source):
        return columns.NAME
    return found[0] if found else None


def unknown_format(source: Source) -> ValueError:
    """The error of a file in none of the formats: what was seen (L271)."""
    if source.items:
        value = source.items[0].value
        names = list(value) if isinstance(value, dict) else None
        seen = f"its first record is {cut(repr(value))}"
        if names is not None:
            seen = f"its first record has the fields {', '.join(map(str, names))}"
    elif source.head:
        seen = f"it begins with the line {cut(source.head[0])!r}"
    else:
        seen = "it is empty" if source.is_text else "it has no files of a format"
    return ValueError(
        Errors.L271.format(path=source.path, formats=", ".join(FORMATS), seen=seen)
    )
