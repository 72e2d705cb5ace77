"""Reads CoNLL-style files: a token and its tag per line, blank lines between sentences.

`tag_schemes.to_spans` reads the tags of a sentence. This module knows files, lines,
columns, sentences and documents.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from .columns import UNKNOWN, check_columns, propose, read_tag, split_line
from .files import find_files
from .lines import Lines, cut, read_lines
from .tag_schemes import INVALID, SCHEMES, TagError, to_spans

Augmenter = Callable[[Language, Example], Iterator[Example]]

logger = logging.getLogger("spacy.lstm_ner")

# Files with these endings are read in a folder.
ENDINGS = (".conll", ".iob", ".tsv", ".txt")

# The unit that becomes a Doc.
DOCS = ("sentence", "document")

# The first column of a line that begins a document.
DOCSTART = "-DOCSTART-"

# The start of a file that is JSON.
_JSON = re.compile(r"[\[{]\s*([\[{\"]|$)")

# A sentence of more tokens, that is more than half of a file, is told: without blank
# lines a whole file is one sentence.
_LONG = 1000


class _Line(NamedTuple):
    """A line of a token: its place in the file, its text, its columns, and whether the
    separator may occur in a token, which would shift the columns."""

    where: str
    text: str
    cells: list[str]
    is_loose: bool


class _ColumnError(ValueError):
    """A line that does not have the expected columns."""


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
    the tag "-" are not annotated. If tags are joined, as in "B-per,O" or "B-PER|B-ORG",
    the first one counts (see `columns.read_tag`). The logger "spacy.lstm_ner" warns
    once per file of the number of joined and repaired tags, of removed byte order
    marks, of a file without annotation, and of one without blank lines.

    Columns that cannot be words and tags are refused when the file is first read, with
    a proposal (see `columns.check_columns`).

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
    comment (Optional[str]): The start of comments, for instance "#". Lines that begin
        so are skipped, unless they have a tag, as hashtags do. None: no line is
        skipped.
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
            at bytes that are not UTF-8 (L113), columns that cannot be what they are
            taken for (L121 to L125), a line without the expected columns (L114, L115)
            or without a tag (L116), a carriage return within a line (L117), or a tag
            that is not in the scheme or, if `invalid` is "error", forbidden at its
            place (L118).
        """
        yield from self.read(map(read_lines, find_corpus(self.path)), nlp)

    def read(self, files: Iterable[Lines], nlp: Language) -> Iterator[Example]:
        """Read the lines of files, as `__call__` does.

        files (Iterable[Lines]): The lines of each file.
        """
        texts = chain.from_iterable(map(self._read_file, files))
        for sentences in islice(texts, self.limit or None):
            reference = self._make_reference(nlp.vocab, sentences)
            predicted = Doc(nlp.vocab, words=[token.text for token in reference])
            yield from self.augmenter(nlp, Example(predicted, reference))

    def _read_file(self, lines: Lines) -> list[list[_Sentence]]:
        """Read the sentences of each Doc."""
        path = lines.path
        documents = self._split_sentences(lines.texts)
        sentences = [sentence for document in documents for sentence in document]
        try:
            if path not in self._logged:
                cells = [[line.cells for line in sentence] for sentence in sentences]
                check_columns(cells, str(path), self.word_column, self.tag_column)
            self._check_widths(chain.from_iterable(sentences))
            read = [
                [
                    self._read_sentence(list(map(self._make_row, rows)))
                    for rows in document
                ]
                for document in documents
            ]
        except _ColumnError as err:
            texts = [[line.text for line in sentence] for sentence in sentences]
            if _JSON.match(start := texts[0][0].strip()):
                message = Errors.L125.format(path=path, text=cut(start))
                raise ValueError(message) from err
            raise ValueError(f"{err}{propose(texts, self.separator)}") from err
        if path not in self._logged:
            self._logged.add(path)
            lines.log_marks()
            self._log_changes(path, list(chain.from_iterable(read)))
        if self.docs == "document":
            return read
        return [[sentence] for document in read for sentence in document]

    def _split_sentences(self, texts: list[tuple[str, str]]) -> list[list[list[_Line]]]:
        """Split lines into columns, and group those of tokens by sentence and document;
        no group is empty."""
        lines = [
            _Line(where, text, split_line(text, self.separator), self._is_loose(text))
            for where, text in texts
        ]
        width = self._find_width(lines)
        documents: list[list[list[_Line]]] = [[[]]]
        for line in lines:
            if not line.text.strip(" \t"):
                documents[-1].append([])
            elif line.cells[0] == DOCSTART:
                documents.append([[]])
            elif not self._is_comment(line, width):
                documents[-1][-1].append(line)
        filled = ([rows for rows in document if rows] for document in documents)
        return [document for document in filled if document]

    def _is_loose(self, text: str) -> bool:
        if self.separator is None:
            return "\t" not in text
        return self.separator != "\t"

    def _find_width(self, lines: list[_Line]) -> int | None:
        """The most frequent number of columns of lines that are surely no comments."""
        if self.comment is None:
            return None
        widths = Counter(
            len(line.cells)
            for line in lines
            if not line.text.startswith(self.comment) and line.text.strip(" \t")
        )
        return max(widths, key=lambda width: widths[width], default=None)

    def _is_comment(self, line: _Line, width: int | None) -> bool:
        """Whether a line begins like a comment and has no tag in the column of tags. A
        token may begin with the same characters, as hashtags do."""
        if self.comment is None or not line.text.startswith(self.comment):
            return False
        n = len(line.cells)
        if n != (width or max(n, 2)) or not -n <= self.tag_column < n:
            return True
        return read_tag(line.cells[self.tag_column]) is None

    def _check_widths(self, lines: Iterable[_Line]) -> None:
        """Refuse lines that have more or fewer columns than the first one, where the
        separator may occur in a token."""
        loose = (line for line in lines if line.is_loose)
        width = None
        for line in loose:
            width = width or len(line.cells)
            if len(line.cells) != width:
                raise _ColumnError(
                    Errors.L115.format(
                        where=line.where,
                        found=len(line.cells),
                        separator=repr(self.separator) if self.separator else "spaces",
                        text=cut(line.text),
                        width=width,
                    )
                )

    def _make_row(self, line: _Line) -> _Row:
        """Pick token and tag from the columns of a line."""
        n = len(line.cells)
        columns = {
            range(n)[i] for i in (self.word_column, self.tag_column) if -n <= i < n
        }
        if len(columns) != 2:
            raise _ColumnError(
                Errors.L114.format(
                    where=line.where,
                    found=n,
                    text=cut(line.text),
                    word_column=self.word_column,
                    tag_column=self.tag_column,
                )
            )
        cell = line.cells[self.tag_column]
        tag = read_tag(cell)
        if tag is None:
            raise _ColumnError(
                Errors.L116.format(where=line.where, tag=cut(cell), text=cut(line.text))
            )
        return _Row(line.where, line.cells[self.word_column] or " ", *tag)

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
        """Log the numbers of repaired and of joined tags, and what is unlikely."""
        n_tags = sum(len(sentence.words) for sentence in sentences)
        n_repaired = sum(sentence.n_repaired for sentence in sentences)
        n_joined = sum(sentence.n_joined for sentence in sentences)
        n_longest = max((len(sentence.words) for sentence in sentences), default=0)
        if n_tags and n_tags == sum(len(sentence.unknown) for sentence in sentences):
            logger.warning("%s: none of the %d tokens is annotated", path, n_tags)
        if n_longest > max(_LONG, n_tags / 2):
            logger.warning(
                "%s: a sentence has %d of the %d tokens; expected a blank line between "
                "sentences",
                path,
                n_longest,
                n_tags,
            )
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
