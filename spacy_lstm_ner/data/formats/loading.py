"""Files and folders of annotation -> Docs."""

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ...errors import Errors, Warnings
from ..files import find_files, shown
from .annotated import AnnotatedText
from .docs import INCORRECT_SPANS_KEY, SPANS_KEY, Losses, make_docs
from .merging import join_documents, merge, of_annotator
from .registry import (
    DOCS,
    FORMATS,
    LAYERED,
    NUMBERED,
    detect,
    find_inputs,
    may_be_other,
    unknown_format,
)
from .source import Options, Source

logger = logging.getLogger("spacy.lstm_ner")

# The format of spaCy's own files, whose Docs are taken as they are.
DOC_BIN = "spacy"


class Loaded(NamedTuple):
    """What was read.

    docs (List[Doc]): The Docs.
    formats (List[Tuple[Path, str]]): The format of each file or folder.
    n_merged (int): Number of texts with annotations of several people.
    annotators (List[str]): Who annotated them.
    losses (Losses): What the Docs do not have.
    """

    docs: list[Doc]
    formats: list[tuple[Path, str]]
    n_merged: int
    annotators: list[str]
    losses: Losses


def load_docs(
    paths: Iterable[Path],
    nlp: Language,
    *,
    name: str | None = None,
    options: Options | None = None,
    annotator: str | None = None,
    join: bool = False,
    limit: int = 0,
    output: Path | None = None,
    spans_key: str = SPANS_KEY,
    incorrect_spans_key: str = INCORRECT_SPANS_KEY,
    progress: Callable[[Iterable[AnnotatedText]], Iterable[AnnotatedText]] = iter,
) -> Loaded:
    """Read files and folders of annotation, and tell what is lost.

    paths (Iterable[Path]): The files and folders.
    nlp (Language): The pipeline, whose tokenizer splits texts without tokens.
    name (Optional[str]): Name of the format. None: it is found out, for each file.
    options (Optional[Options]): What the user says about the files.
    annotator (Optional[str]): Read the annotation of this person only. None: merge
        the annotations of a text (see `merging`).
    join (bool): Join the sentences of a document.
    limit (int): Number of Docs, 0 for all.
    output (Optional[Path]): The file that is written afterwards. In a folder, it may be
        what an earlier run has written.
    spans_key, incorrect_spans_key (str): As of `make_docs`.
    progress (Callable): Wraps the texts, to show progress.
    RETURNS (Loaded): The Docs, and how they were read.
    RAISES ValueError: If a file is in none of the formats (L271) or in several (L272),
        if it is the output (L213), if it has no texts (L278), at content that its
        format does not have, and if nobody has the name (L281).
    """
    paths = list(paths)
    texts: list[AnnotatedText] = []
    docs: list[Doc] = []
    formats: list[tuple[Path, str]] = []
    for path in paths:
        for source, found in _sources(path, name, options):
            if output is not None and output.exists() and output.samefile(source.path):
                raise ValueError(Errors.L213.format(path=output))
            formats.append((source.path, found))
            _check_options(source, found)
            if found == DOC_BIN:
                docs += _read_doc_bin(source.path, nlp)
                continue
            read = list(FORMATS[found].read(source))
            if not read:
                raise ValueError(Errors.L278.format(path=source.path))
            texts += read
    layers = sorted({text.layer for text in texts if text.layer is not None})
    if len(layers) > 1:
        names = ", ".join(layers)
        raise ValueError(Errors.L276.format(where=formats[0][0].parent, names=names))
    where = shown(paths[0]) if len(paths) == 1 else f"{len(paths)} inputs"
    annotators = sorted({t.annotator for t in texts if t.annotator is not None})
    if annotator is not None:
        texts = of_annotator(texts, annotator)
        if not texts:
            message = Errors.L281.format(where=where, name=annotator, names=annotators)
            raise ValueError(message)
    merged = merge(texts)
    n_merged = len(texts) - len(merged)
    if join:
        if all(t.document is None and t.sentences is None for t in merged):
            logger.warning(Warnings.L295.format(where=where))
        merged = join_documents(merged)
    losses = Losses()
    made = make_docs(
        progress(merged),
        nlp,
        losses,
        spans_key=spans_key,
        incorrect_spans_key=incorrect_spans_key,
    )
    docs += islice(made, limit - len(docs) if limit else None)
    losses.log(where)
    return Loaded(docs[: limit or None], formats, n_merged, annotators, losses)


def _sources(
    path: Path, name: str | None, options: Options | None
) -> Iterator[tuple[Source, str]]:
    """The files to read at a path, and the format of each. Log what is left out."""
    formats: list[str] = []
    skipped = []
    for file in find_inputs(path):
        source = Source(file, options)
        found = name or (DOC_BIN if _is_doc_bin(file) else detect(source))
        if found is not None:
            formats.append(found)
            yield source, found
        elif file != path and may_be_other(file):
            skipped.append(file)
        else:
            raise unknown_format(source)
    docs = find_files(path, [DOCS]) if path.is_dir() else []
    if not formats:
        yield from ((Source(file, options), DOC_BIN) for file in docs)
    left_out = docs if formats and DOC_BIN not in formats else []
    for message, files in ((Warnings.L290, skipped), (Warnings.L521, left_out)):
        if files:
            first, n = shown(files[0].name), len(files)
            logger.warning(message.format(where=shown(path), n=n, first=first))
    if not formats and not docs:
        raise unknown_format(Source(skipped[0], options))


def _check_options(source: Source, name: str) -> None:
    """Refuse options that a format does not use."""
    uses = {"layer": LAYERED, "labels": NUMBERED}
    unused = [
        f"--{option}"
        for option, formats in uses.items()
        if getattr(source.options, option) is not None and name not in formats
    ]
    if unused:
        raise ValueError(
            Errors.L279.format(options=", ".join(unused), path=source.path, format=name)
        )


def _read_doc_bin(path: Path, nlp: Language) -> list[Doc]:
    try:
        return list(DocBin().from_disk(path).get_docs(nlp.vocab))
    except (zlib.error, KeyError, ValueError, UnicodeDecodeError) as err:
        raise ValueError(Errors.L203.format(path=path)) from err


def _is_doc_bin(path: Path) -> bool:
    """Whether a file says that it is in spaCy's binary format, by its ending or its
    content."""
    if path.suffix.lower() == DOCS:
        return not path.is_dir()
    return path.is_file() and is_docs(path)


def is_docs(path: Path) -> bool:
    """Whether a file is in spaCy's binary format: packed, a table of some fields."""
    with path.open("rb") as file:
        start = file.read(1000)
    try:
        return b"version" in zlib.decompressobj().decompress(start, 100)
    except zlib.error:
        return False
