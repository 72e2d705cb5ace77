"""Raw texts of files, in shards."""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ...errors import Errors
from ..annotate.shards import Shard
from ..json_lines import ENDINGS as JSON_LINES
from ..json_lines import for_spacy, parse_json
from ..lines import cut as cut_line

# Files with these endings are read: JSON lines with a field "text", a text per line,
# and Docs, which keep their tokens.
ENDINGS = (*JSON_LINES, ".txt", ".spacy")


def cut(paths: Iterable[Path], root: Path, n_texts: int) -> list[Shard]:
    """Cut files into shards, numbered in the order of the files and their lines. All
    texts are checked.

    paths (Iterable[Path]): The files.
    root (Path): The folder of the input.
    n_texts (int): Greatest number of lines or Docs of a shard.
    RAISES ValueError: At a line that cannot be read (L113, L117, L207).
    """
    shards: list[Shard] = []
    for path in paths:
        for start, stop, offset in _cut_file(path, n_texts):
            name = f"part-{len(shards):08d}.spacy"
            source = path.relative_to(root).as_posix()
            shards.append(Shard(name, source, start, stop, offset))
    return shards


def _cut_file(path: Path, n_texts: int) -> Iterator[tuple[int, int, int]]:
    """Start, stop and offset of each shard of a file."""
    if path.suffix.lower() == ".spacy":
        total = len(DocBin().from_disk(path))
        for start in range(0, total, n_texts):
            yield start, min(start + n_texts, total), 0
        return
    start = offset = 0
    with path.open("rb") as file:
        while lines := list(islice(file, n_texts)):
            list(_texts(path, start, lines))
            yield start, start + len(lines), offset
            start, offset = start + len(lines), offset + sum(map(len, lines))


def read(path: Path, shard: Shard, nlp: Language) -> list[Doc]:
    """The texts of a shard as Docs, without empty ones.

    path (Path): The file.
    nlp (Language): The pipeline whose tokenizer splits the texts. Docs of .spacy files
        keep their tokens.
    """
    docs: Iterable[Doc]
    if path.suffix.lower() == ".spacy":
        stored = DocBin().from_disk(path).get_docs(nlp.vocab)
        docs = islice(stored, shard.start, shard.stop)
    else:
        with path.open("rb") as file:
            file.seek(shard.offset)
            lines = list(islice(file, shard.stop - shard.start))
        docs = (nlp.make_doc(text) for text in _texts(path, shard.start, lines))
    return [doc for doc in docs if len(doc)]


def _texts(path: Path, start: int, lines: Iterable[bytes]) -> Iterator[str]:
    """The texts of consecutive lines, without blank ones; `start` is the number of
    lines before them."""
    is_json = path.suffix.lower() in JSON_LINES
    for number, line in enumerate(lines, start=start + 1):
        where = f"{path}, line {number}"
        try:
            text = line.removeprefix(BOM_UTF8).decode("utf8").strip()
        except UnicodeDecodeError as err:
            byte = hex(line[err.start])
            message = Errors.L113.format(where=where, byte=byte, encoding="latin1")
            raise ValueError(message) from err
        if "\r" in text and not is_json:  # of an old Mac: the whole file is one line
            raise ValueError(Errors.L117.format(where=where, text=cut_line(text)))
        if text and is_json:
            record = parse_json(text)
            if not isinstance(record, dict) or not isinstance(record.get("text"), str):
                message = Errors.L207.format(where=where, line=cut_line(text))
                raise ValueError(message)
            text = record["text"]
        if text:
            yield for_spacy(text)
