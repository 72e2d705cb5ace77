"""CoNLL-U, CoNLL-U Plus and Universal NER: the tags are in a column, or in MISC."""

import re
from collections.abc import Iterator, Sequence

from ...errors import Errors
from ...tags import OUTSIDE
from ..columns import UNKNOWN
from ..lines import cut
from .annotated import AnnotatedText, mismatch, refuse
from .source import Source, mostly
from .tokens import Tagged, from_tags

NAME = "conllu"

_GLOBAL = "# global.columns ="
_COLUMNS = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC".split()  # noqa: SIM905
# Keys of tags in MISC, in lower case: Stanza and others; DaNE and NorNE; others.
_KEYS = ("ner", "name", "ne")
_EMPTY = ("_", "*")
# Universal NER: a number, a word, a tag, and who annotated it; sentences have comments.
_ROW = re.compile(r"\d+\t[^\t]+\t(?:O|[BI]-[^\t]+)(?:\t[^\t]*)*")
_COMMENT = re.compile(r"# (?:text|sent_id)\b")


def looks_like(source: Source) -> bool:
    """Whether there is a header of columns, or lines have CoNLL-U's ten columns."""
    lines = source.head
    if any(line.startswith(_GLOBAL) for line in lines):
        return True
    rows = [line for line in lines if not line.startswith("#")]
    if any(map(_COMMENT.match, lines)) and mostly(map(_ROW.fullmatch, rows)):
        return True
    return mostly(
        row.count("\t") == len(_COLUMNS) - 1 and row[:1].isdigit() for row in rows
    )


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read sentences.

    The tokens are the words of the file; lines of multiword tokens and empty nodes are
    skipped. The text is that of "# text", or of the tokens with SpaceAfter=No. Words
    without a tag, "_" or "*", are outside of entities if no word of the file has the
    tag "O", and not annotated otherwise.

    source (Source): The file. Its option `layer` names the column of the tags.
    YIELDS (AnnotatedText): A text per sentence.
    RAISES ValueError (L276): If several columns may be meant.
    """
    columns = _COLUMNS
    for line in source.head:
        if line.startswith(_GLOBAL):
            columns = line.removeprefix(_GLOBAL).split()
            break
        if not line.startswith("#") and _ROW.fullmatch(line):
            columns = ["ID", "FORM", "NER", *["_"] * (line.count("\t") - 2)]
            break
    where = source.lines[0][0]
    column = _choose(columns, source.options.layer, where)
    for name in ("ID", "FORM"):
        if name not in columns:
            raise mismatch(where, f"columns {', '.join(columns)}", f"one named {name}")
    sentences = list(_sentences(source, columns, column))
    tags = {tag for sentence in sentences for layer in sentence.tags for tag in layer}
    if tags <= {UNKNOWN}:
        names = ", ".join(f"{key.upper()}=" for key in _KEYS)
        expected = f"tags such as B-PER (in MISC: after one of {names})"
        raise mismatch(where, f"nothing in the column {column}", expected)
    if OUTSIDE not in tags:
        sentences = [
            s._replace(tags=[[OUTSIDE if t == UNKNOWN else t for t in s.tags[0]]])
            for s in sentences
        ]
    yield from from_tags(sentences)


def _choose(columns: Sequence[str], asked: str | None, where: str) -> str:
    """The name of the column of the tags."""
    if asked is not None:
        if asked not in columns:
            names = ", ".join(columns)
            raise mismatch(where, f"no column {asked!r}", f"one of {names}")
        return asked
    found = [name for name in columns if "NER" in name.upper().split(":")]
    found = found or [name for name in columns if "NE" in name.upper().split(":")]
    if len(found) > 1:
        raise ValueError(Errors.L276.format(where=where, names=", ".join(found)))
    if not found and "MISC" not in columns:
        names = ", ".join(columns)
        raise mismatch(
            where, f"columns {names}", "one named NER (--layer names another)"
        )
    return found[0] if found else "MISC"


def _sentences(source: Source, columns: Sequence[str], column: str) -> Iterator[Tagged]:
    id_, form, tag = (columns.index(name) for name in ("ID", "FORM", column))
    misc = columns.index("MISC") if "MISC" in columns else None
    document = str(source.path)
    for block in source.blocks():
        text, words, tags, places, glued = None, [], [], [], []
        for where, line in block:
            if line.startswith("#") and "\t" not in line:
                name, _, value = line[1:].partition("=")
                if name.strip() == "text":
                    text = value.strip()
                elif name.split()[:1] == ["newdoc"]:
                    document = f"{source.path}, {where}"
                continue
            cells = line.split("\t")
            if len(cells) != len(columns):
                found = f"{len(cells)} columns in {cut(line)!r}"
                raise mismatch(where, found, f"{len(columns)}, between tabs")
            if not cells[id_].isdigit():
                if not cells[id_].replace("-", "").replace(".", "").isdigit():
                    raise refuse(where, cells[id_], "the number of a token")
                continue
            more = _features(cells[misc]) if misc is not None else {}
            words.append(cells[form])
            glued.append(more.get("spaceafter") == "No")
            tags.append(_tag(more if column == "MISC" else cells[tag]))
            places.append(where)
        if words:
            if text is None and any(glued):
                text = _glue(words, glued)
            yield Tagged(places[0], words, [tags], places, text, document)


def _features(cell: str) -> dict[str, str]:
    """The features of MISC, such as SpaceAfter=No|NER=B-PER."""
    pairs = (part.partition("=") for part in cell.split("|"))
    return {name.lower(): value for name, _, value in pairs}


def _tag(cell: str | dict[str, str]) -> str:
    if isinstance(cell, dict):
        cell = next((cell[key] for key in _KEYS if key in cell), UNKNOWN)
    return UNKNOWN if cell in _EMPTY else cell


def _glue(words: Sequence[str], glued: Sequence[bool]) -> str:
    pairs = zip(words, glued, strict=True)
    return "".join(word + ("" if is_glued else " ") for word, is_glued in pairs).strip()
