"""Looks at the columns of a file before they are read: can they be words and tags?

The functions know cells and sentences, neither Docs nor files, so that each reader of a
format with columns can use them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from typing import NamedTuple

from ..errors import Errors
from ..tags import OUTSIDE
from .lines import cut
from .tag_schemes import is_tag

# The tag of a token without annotation, also in spaCy's lists of tags.
UNKNOWN = "-"

# Between several tags of a token. The last ones also occur in labels such as "I/O", so
# there only tags of entities count.
_JOINTS = re.compile("[,|;]")
_RARE_JOINTS = re.compile("[/+& ]")

# Labels of phrases, in the columns of chunks of CoNLL-2000 and CoNLL-2003.
_CHUNKS = frozenset(
    "NP VP PP ADVP ADJP SBAR PRT CONJP INTJ LST UCP NC VC PC".split()  # noqa: SIM905
)
# A number of a token or of a sentence, or both, or a range.
_NUMBER = re.compile(r"(\d+)(?:[-.:]\d+)?")
# Entities in brackets, as in CoNLL-2012: (PER*, *, *), (ORG).
_BRACKETS = re.compile(r"(\([^()*]+)*\*?\)*")
# Separators to try, where none of the columns can be tags.
_SEPARATORS = ("\t", ",", ";", "|")
# Number of tokens, and of pairs of columns, that a proposal shows.
_N_SHOWN, _N_PAIRS = 8, 3


class Tag(NamedTuple):
    """The tag of a cell, and whether further tags were joined to it."""

    name: str
    is_joined: bool


@lru_cache(maxsize=1024)
def read_tag(cell: str) -> Tag | None:
    """Read the tag of a token.

    If tags are joined, as in "B-per,O" or "B-PER|B-ORG", the first one counts. A label
    that begins or ends with a space, or with another invisible character, is a slip:
    it would be another label than the one without.

    cell (str): The cell.
    RETURNS (Optional[Tag]): The tag; None if the cell has none.
    """
    for joints, is_part in ((_JOINTS, _is_tag), (_RARE_JOINTS, _is_entity)):
        parts = [part.strip() for part in joints.split(cell)]
        if len(parts) > 1 and all(map(is_part, parts)):
            return Tag(parts[0], is_joined=True)
    return Tag(cell, is_joined=False) if cell == UNKNOWN or _is_tag(cell) else None


def _is_tag(text: str) -> bool:
    label = text.partition("-")[2]
    ends = (label[:1] + label[-1:]).replace(" ", "\t")
    return is_tag(text) and ends.isprintable()


def _is_entity(text: str) -> bool:
    return text != OUTSIDE and _is_tag(text)


def split_line(line: str, separator: str | None) -> list[str]:
    """Split a line into columns.

    line (str): The line.
    separator (Optional[str]): What stands between columns. None: a tab in lines that
        have one, any number of spaces in others.
    RETURNS (List[str]): The cells, without spaces around them.
    """
    if separator is None and "\t" not in line:
        return re.split(" +", line.strip(" "))
    return [cell.strip(" ") for cell in line.split(separator or "\t")]


def show_tags(words: Sequence[str], tags: Sequence[str]) -> str:
    """Show the start of a sentence, or the part that begins with its first entity.

    words (Sequence[str]): The words.
    tags (Sequence[str]): Their tags.
    RETURNS (str): For instance "Anna/B-PER lives/O in/O".

    >>> show_tags(["Anna", "lives"], ["B-PER", "O"])
    'Anna/B-PER lives/O'
    """
    first = next((i for i, tag in enumerate(tags) if tag not in (OUTSIDE, UNKNOWN)), 0)
    start = first if first >= _N_SHOWN else 0
    shown = slice(start, start + _N_SHOWN)
    pairs = zip(words[shown], tags[shown], strict=True)
    text = " ".join(f"{cut(word)}/{cut(tag)}" for word, tag in pairs)
    before = "... " if start else ""
    return before + text + (" ..." if len(words) > shown.stop else "")


class Table:
    """The cells of a file, by sentence, of which the columns are looked at.

    sentences (Sequence[Sequence[Sequence[str]]]): The cells of each line of each
        sentence. Lines that do not have the most frequent number of cells are left out.
    """

    def __init__(self, sentences: Sequence[Sequence[Sequence[str]]]) -> None:
        widths = Counter(len(cells) for rows in sentences for cells in rows)
        self.width = max(widths, key=lambda width: widths[width], default=0)
        kept = ([c for c in rows if len(c) == self.width] for rows in sentences)
        self.sentences = [list(zip(*rows, strict=True)) for rows in kept if rows]

    def cells(self, column: int) -> Iterator[str]:
        """The cells of a column."""
        return (cell for columns in self.sentences for cell in columns[column])

    @cached_property
    def labels(self) -> dict[int, set[str]]:
        """The labels of each column in which all cells are tags, "-" included."""
        found = {}
        for column in range(self.width):
            tags = {cell: read_tag(cell) for cell in _until_odd(self.cells(column))}
            if None not in tags.values():
                names = [tag.name.partition("-")[2] for tag in tags.values() if tag]
                found[column] = {label for label in names if label}
        return found

    @cached_property
    def tag_columns(self) -> list[int]:
        """Columns of tags with entities; those of phrases stand last."""
        columns = [column for column, labels in self.labels.items() if labels]
        return sorted(columns, key=lambda column: self.labels[column] <= _CHUNKS)

    @cached_property
    def word_column(self) -> int | None:
        """The column that is most likely that of the words, if there is one."""
        columns = (c for c in range(self.width) if c not in self.labels)
        values = {c: set(self.cells(c)) for c in columns if not self.is_ids(c)}
        with_letters = [c for c in values if any(map(str.isalpha, "".join(values[c])))]
        return max(with_letters, key=lambda c: len(values[c]), default=None)

    def is_ids(self, column: int) -> bool:
        """Whether a column has numbers of tokens, or names of sentences."""
        columns = [cells[column] for cells in self.sentences]
        if all(len(cells) == 1 for cells in columns):
            return False
        return all(map(_is_numbered, columns)) or all(map(_is_constant, columns))

    def propose(self) -> list[tuple[int, int]]:
        """Pairs of columns that can be words and tags, the best one first."""
        if self.word_column is None:
            return []
        return [(self.word_column, column) for column in self.tag_columns[:_N_PAIRS]]

    def show(self, word_column: int, tag_column: int) -> str:
        """Show what two columns give: the first sentence with an entity."""
        pairs = [(c[word_column], c[tag_column]) for c in self.sentences]
        tags_of = (tags for _, tags in pairs)
        has_entity = [any(tag not in (OUTSIDE, UNKNOWN) for tag in t) for t in tags_of]
        return show_tags(*pairs[has_entity.index(True)])


def _until_odd(cells: Iterator[str]) -> Iterator[str]:
    """Each different cell, up to the first one that is not a tag."""
    seen = set()
    for cell in cells:
        if cell not in seen:
            seen.add(cell)
            yield cell
            if read_tag(cell) is None:
                return


def _is_numbered(cells: Sequence[str]) -> bool:
    """Whether cells are numbers that do not get smaller."""
    found = [_NUMBER.fullmatch(cell) for cell in cells]
    numbers = [int(match[1]) for match in found if match]
    return len(numbers) == len(cells) and numbers == sorted(numbers)


def _is_constant(cells: Sequence[str]) -> bool:
    """Whether cells are the same, or empty behind the first one."""
    return set(cells[1:]) <= {cells[0]} or not any(cells[1:])


def check_columns(
    sentences: Sequence[Sequence[Sequence[str]]],
    where: str,
    word_column: int,
    tag_column: int,
) -> None:
    """Refuse columns that cannot be what they are taken for.

    sentences (Sequence[Sequence[Sequence[str]]]): The cells of each line of each
        sentence.
    where (str): The file, for messages.
    word_column (int): The column of the words, counted from 0, or back from -1.
    tag_column (int): The column of the tags. If it is counted back, the file must have
        no second column of entities, because the last one is often a prediction, or
        has entities within entities.
    RAISES ValueError: If the words are numbers, names of sentences or tags (L121), if
        all tags are "-" beside a column of entities (L122, L124), or if several columns
        have entities (L123).
    """
    table = Table(sentences)
    columns = range(table.width)
    if not (-len(columns) <= word_column < len(columns)):
        return
    if not (-len(columns) <= tag_column < len(columns)):
        return
    word, tag = columns[word_column], columns[tag_column]
    proposal = describe(table)
    others = [column for column in table.tag_columns if column not in (word, tag)]
    if set(table.cells(tag)) == {UNKNOWN}:
        brackets = [c for c in columns if _is_bracketed(table, c)]
        if others:
            raise ValueError(
                Errors.L122.format(where=where, column=tag_column, proposal=proposal)
            )
        if brackets:
            message = Errors.L124.format(
                where=where, column=tag_column, brackets=brackets
            )
            raise ValueError(message)
    is_word = word not in table.tag_columns and not table.is_ids(word)
    if not is_word and table.word_column is not None:
        message = Errors.L121.format(
            where=where,
            column=word_column,
            words=[cut(cell) for cell in islice(table.cells(word), 5)],
            proposal=proposal,
        )
        raise ValueError(message)
    labels = table.labels.get(tag, set())
    rivals = [
        column
        for column in others
        if not table.labels[column] <= _CHUNKS or table.labels[column] & labels
    ]
    if tag_column < 0 and tag in table.labels and rivals:
        found = sorted({*rivals, tag})
        raise ValueError(
            Errors.L123.format(where=where, columns=found, proposal=proposal)
        )


def _is_bracketed(table: Table, column: int) -> bool:
    cells = set(table.cells(column))
    is_all = all(cell and _BRACKETS.fullmatch(cell) for cell in cells)
    return is_all and any("(" in cell for cell in cells)


def describe(table: Table, separator: str | None = None) -> str:
    """Describe the pairs of columns that can be words and tags, for a message.

    table (Table): The cells.
    separator (Optional[str]): The separator to name.
    RETURNS (str): A sentence for each pair; empty if there is none.
    """
    option = f"--separator {separator!r} " if separator else ""
    return "".join(
        f" {option}--word-column {word} --tag-column {tag} would give: "
        f"{table.show(word, tag)}"
        for word, tag in table.propose()
    )


def propose(sentences: Sequence[Sequence[str]], separator: str | None) -> str:
    """Describe columns, of this or another separator, that can be words and tags.

    sentences (Sequence[Sequence[str]]): The lines of each sentence.
    separator (Optional[str]): The separator of the columns, as for `split_line`.
    RETURNS (str): As `describe`.
    """
    for other in (separator, *_SEPARATORS):
        split = [[split_line(line, other) for line in lines] for lines in sentences]
        shown = None if other == separator else other
        if found := describe(Table(split), shown):
            return found
    return ""
