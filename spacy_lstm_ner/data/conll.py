"""Reads CoNLL-style files: a token and its tag per line, blank lines between sentences.

`tag_schemes.to_spans` reads the tags of a sentence. This module knows files, lines,
columns, sentences and documents.
"""

import codecs
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, dont_augment
from spacy.util import registry
from spacy.vocab import Vocab

from ..checks import check_choice
from ..errors import Errors
from ..tags import OUTSIDE, TokenSpan
from .files import find_files
from .tag_schemes import INVALID, SCHEMES, TagError, is_tag, to_spans

Augmenter = Callable[[Language, Example], Iterator[Example]]

logger = logging.getLogger("spacy.lstm_ner")

# Files with these endings are read in a folder.
ENDINGS = (".conll", ".iob", ".tsv", ".txt")

# The unit that becomes a Doc.
DOCS = ("sentence", "document")

# The first column of a line that begins a document.
DOCSTART = "-DOCSTART-"

# The tag of a token without annotation, also in spaCy's lists of tags.
UNKNOWN = "-"


# Byte order marks of UTF-16.
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _Row(NamedTuple):
    """A token: its place in the file, its text, its tag, and whether further tags were
    joined to this one."""

    where: str
    word: str
    tag: str
    is_joined: bool


class _Sentence(NamedTuple):
    """The tokens of a sentence and their annotation. Offsets count from its start.

    words (List[str]): The tokens.
    spans (List[TokenSpan]): The entities.
    unknown (List[int]): The tokens without annotation.
    n_repaired (int): Number of repaired tags.
    n_joined (int): Number of tokens with several tags; the first one counts.
    """

    words: list[str]
    spans: list[TokenSpan]
    unknown: list[int]
    n_repaired: int
    n_joined: int


@registry.readers("spacy_lstm_ner.ConllCorpus.v1")
class ConllCorpus:
    """Iterate over Example objects from CoNLL-style files.

    A line has columns, two of which are a token and its tag. A blank line ends a
    sentence. A line whose first column is -DOCSTART- begins a document. A line that
    cannot be read is an error, so no token is lost. Blanks around a token are left out.
    A token without text becomes a space, because spaCy has no empty tokens.

    The predicted Docs have the tokens of the file too, so they align with the
    reference. Tokens with the tag "O" are annotated as outside of entities; tokens with
    the tag "-" are not annotated. If tags are joined by a comma, as in "B-per,O", the
    first one counts. The logger "spacy.lstm_ner" warns once per file of the number of
    joined and repaired tags.

    path (Union[str, Path, List[Union[str, Path]]]): A file, a folder, or a list of
        these. In a folder, files that end in .conll, .iob, .tsv or .txt are read (see
        `data.files.find_files`).
    word_column (int): The column of the token, counted from 0, or back from -1.
    tag_column (int): The column of the tag.
    separator (Optional[str]): What stands between columns. None: a tab in lines that
        have one, any number of spaces in others.
    scheme (str): The scheme of the tags: "IOB2" (BIO), "IOB1" or "BILUO" (BIOES).
    invalid (str): "repair" reads an invalid sequence of tags as the CoNLL evaluation
        does; "error" stops there. Repairing is the default because published corpora
        contain such tags, and published scores rest on this reading.
    docs (str): "sentence" for a Doc per sentence; "document" for a Doc per document,
        with its sentence starts set. A file without -DOCSTART- is one document.
    comment (Optional[str]): The start of lines to skip, for instance "# ". None: no
        line is skipped, because a token may begin with any character (hashtags).
    limit (int): The number of examples to read, before augmentation; 0 means all, as
        in spaCy's own readers.
    augmenter (Optional[Callable[[Language, Example], Iterator[Example]]]): Yields the
        variants of an example to train on, such as `spacy.lower_case.v1`.
    RAISES ValueError: If `path` is None or empty (L110), or if another setting has no
        meaning (L100, L119, L120).
    """

    def __init__(
        self,
        path: str | Path | list[str | Path] | None,
        *,
        word_column: int = 0,
        tag_column: int = -1,
        separator: str | None = None,
        scheme: str = "IOB2",
        invalid: str = "repair",
        docs: str = "sentence",
        comment: str | None = None,
        limit: int = 0,
        augmenter: Augmenter | None = None,
    ) -> None:
        check_choice("scheme", scheme, SCHEMES)
        check_choice("invalid", invalid, INVALID)
        check_choice("docs", docs, DOCS)
        for name, value in (("separator", separator), ("comment", comment)):
            if value == "":
                raise ValueError(Errors.L119.format(name=name))
        if limit < 0:
            raise ValueError(Errors.L120.format(limit=limit))
        if not path:
            raise ValueError(Errors.L110)
        self.path = path
        self.word_column = word_column
        self.tag_column = tag_column
        self.separator = separator
        self.scheme = scheme
        self.invalid = invalid
        self.docs = docs
        self.comment = comment
        self.limit = limit
        self.augmenter = dont_augment if augmenter is None else augmenter
        self._logged: set[Path] = set()

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the files.

        nlp (Language): The pipeline, whose vocabulary the Docs get.
        YIELDS (Example): Examples in the order of the files.
        RAISES ValueError: If the path does not exist (L111) or has no files (L112), or
            at bytes that are not UTF-8 (L113), a line without the expected columns
            (L114, L115) or without a tag (L116), a carriage return within a line
            (L117), or a tag that is not in the scheme or, if `invalid` is "error",
            forbidden at its place (L118).
        """
        texts = chain.from_iterable(map(self._read_file, find_corpus(self.path)))
        for sentences in islice(texts, self.limit or None):
            reference = self._make_reference(nlp.vocab, sentences)
            predicted = Doc(nlp.vocab, words=[token.text for token in reference])
            yield from self.augmenter(nlp, Example(predicted, reference))

    def _read_file(self, path: Path) -> list[list[_Sentence]]:
        """Read the sentences of each Doc."""
        documents = [
            [self._read_sentence(rows) for rows in document]
            for document in self._read_rows(path)
        ]
        if path not in self._logged:
            self._logged.add(path)
            self._log_changes(path, list(chain.from_iterable(documents)))
        if self.docs == "document":
            return documents
        return [[sentence] for document in documents for sentence in document]

    def _read_rows(self, path: Path) -> list[list[list[_Row]]]:
        """Read the rows of each sentence of each document; none of them is empty."""
        documents: list[list[list[_Row]]] = [[[]]]
        width = None
        for where, line in read_lines(path):
            if self.comment is not None and line.startswith(self.comment):
                continue
            if not line.strip(" \t"):
                documents[-1].append([])
                continue
            cells, is_loose = self._split_line(line)
            if cells[0] == DOCSTART:
                documents.append([[]])
                continue
            if is_loose:
                width = width or len(cells)
                if len(cells) != width:
                    separator = repr(self.separator) if self.separator else "spaces"
                    raise ValueError(
                        Errors.L115.format(
                            where=where,
                            found=len(cells),
                            separator=separator,
                            text=line,
                            width=width,
                        )
                    )
            documents[-1][-1].append(self._make_row(cells, where, line))
        filled = ([rows for rows in document if rows] for document in documents)
        return [document for document in filled if document]

    def _split_line(self, line: str) -> tuple[list[str], bool]:
        """Split a line into columns. Also tell whether the separator may occur in a
        token, which would shift the columns."""
        if self.separator is None and "\t" not in line:
            return re.split(" +", line.strip(" ")), True
        separator = self.separator or "\t"
        cells = [cell.strip(" ") for cell in line.split(separator)]
        return cells, separator != "\t"

    def _make_row(self, cells: list[str], where: str, line: str) -> _Row:
        """Pick token and tag from the columns of a line."""
        n = len(cells)
        columns = {
            range(n)[i] for i in (self.word_column, self.tag_column) if -n <= i < n
        }
        if len(columns) != 2:
            raise ValueError(
                Errors.L114.format(
                    where=where,
                    found=n,
                    text=line,
                    word_column=self.word_column,
                    tag_column=self.tag_column,
                )
            )
        tag = cells[self.tag_column]
        first, *others = tag.split(",")
        is_joined = bool(others) and all(map(is_tag, [first, *others]))
        if is_joined:
            tag = first
        if not is_tag(tag) and tag != UNKNOWN:
            raise ValueError(Errors.L116.format(where=where, tag=tag, text=line))
        return _Row(where, cells[self.word_column] or " ", tag, is_joined)

    def _read_sentence(self, rows: list[_Row]) -> _Sentence:
        """Read the tags of a sentence."""
        unknown = [i for i, row in enumerate(rows) if row.tag == UNKNOWN]
        tags = [OUTSIDE if row.tag == UNKNOWN else row.tag for row in rows]
        try:
            spans, n_repaired = to_spans(tags, scheme=self.scheme, invalid=self.invalid)
        except TagError as err:
            message = Errors.L118.format(where=rows[err.index].where, reason=err)
            raise ValueError(message) from err
        words = [row.word for row in rows]
        return _Sentence(
            words, spans, unknown, n_repaired, sum(row.is_joined for row in rows)
        )

    def _make_reference(self, vocab: Vocab, sentences: list[_Sentence]) -> Doc:
        """Make the annotated Doc of some sentences."""
        words = [word for sentence in sentences for word in sentence.words]
        offsets = list(accumulate((len(s.words) for s in sentences), initial=0))
        sent_starts: list[bool | int | None] | None = None
        if self.docs == "document":
            sent_starts = [False] * len(words)
            for offset in offsets[:-1]:
                sent_starts[offset] = True
        doc = Doc(vocab, words=words, sent_starts=sent_starts)
        ents, missing = [], []
        for offset, sentence in zip(offsets, sentences, strict=False):
            for start, end, label in sentence.spans:
                ents.append(Span(doc, offset + start, offset + end, label=label))
            for i in sentence.unknown:
                missing.append(doc[offset + i : offset + i + 1])
        doc.set_ents(ents, missing=missing, default="outside")
        return doc

    def _log_changes(self, path: Path, sentences: list[_Sentence]) -> None:
        """Log the numbers of repaired and of joined tags."""
        n_tags = sum(len(sentence.words) for sentence in sentences)
        n_repaired = sum(sentence.n_repaired for sentence in sentences)
        n_joined = sum(sentence.n_joined for sentence in sentences)
        if n_repaired:
            logger.warning(
                "%s: repaired %d of %d tags, which are invalid in the scheme %s",
                path,
                n_repaired,
                n_tags,
                self.scheme,
            )
        if n_joined:
            logger.warning(
                "%s: took the first of several tags at %d of %d tokens",
                path,
                n_joined,
                n_tags,
            )


def find_corpus(path: str | Path | Sequence[str | Path]) -> list[Path]:
    """Find the files of a corpus.

    path (Union[str, Path, List[Union[str, Path]]]): A file, a folder, or a list of
        these.
    RETURNS (List[Path]): The files in the given order; those of a folder are sorted.
    RAISES ValueError: If a path does not exist (L111) or has no files (L112).
    """
    paths = [path] if isinstance(path, str | Path) else path
    return list(chain.from_iterable(_find_in(Path(path)) for path in paths))


def _find_in(path: Path) -> list[Path]:
    """The file itself, or the files of a folder."""
    if not path.exists():
        raise ValueError(Errors.L111.format(path=path, cwd=Path.cwd()))
    if not path.is_dir():
        return [path]
    files = find_files(path, ENDINGS)
    if not files:
        raise ValueError(Errors.L112.format(path=path, endings=", ".join(ENDINGS)))
    return files


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Read the lines of a UTF-8 file, without line ends.

    Only a line feed ends a line, because tokens may contain the other characters at
    which `str.splitlines` splits.

    path (Path): The file.
    YIELDS (Tuple[str, str]): The place of the line for messages, and the line.
    RAISES ValueError: At bytes that are not UTF-8 (L113), or a carriage return within
        a line (L117).
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        where = _where(path, 1 + data[: err.start].count(b"\n"))
        raise ValueError(
            Errors.L113.format(
                where=where,
                byte=hex(data[err.start]),
                encoding="utf-16" if data.startswith(_UTF_16) else "latin1",
            )
        ) from err
    for number, line in enumerate(text.split("\n"), start=1):
        where, content = _where(path, number), line.removesuffix("\r")
        if "\r" in content:
            raise ValueError(Errors.L117.format(where=where, text=content[:80]))
        yield where, content


def _where(path: Path, line: int) -> str:
    """A place in a file, for messages."""
    return f"{path}, line {line}"
