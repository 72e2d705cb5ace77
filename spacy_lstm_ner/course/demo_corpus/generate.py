"""Generates the demo corpus: annotated sentences from the names and the templates.

Training, dev and test part share cue words and forms of phrases, but neither names nor
sentence templates. So a model scores on the dev and test part only if it has learned
contexts and forms.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.language import Language

from ...data.replacing import replacing
from ...data.tag_schemes import to_tags
from ...errors import Errors
from ...tags import TokenSpan
from .names import NAMES
from .templates import CLAUSES, PHRASES

__all__ = [
    "LABELS",
    "SIZES",
    "Sentence",
    "generate",
    "part_of",
    "tokenize",
    "unseen_share",
    "write_corpus",
]

LABELS = ("per", "geo", "gpe", "org", "tim", "art", "eve", "nat")

# Sentences in each part.
SIZES = {"train": 6000, "dev": 500, "test": 500}

# The part that owns each name or template of a list: seven for training, one for dev,
# one for test, and again.
_SHARES = ("train",) * 7 + ("dev", "test")

_SLOT = re.compile(r"\{([^{}]+)\}")


def _split() -> dict[str, str]:
    parts: dict[str, str] = {}
    for texts in (*NAMES.values(), *CLAUSES.values()):
        for i, text in enumerate(texts):
            parts.setdefault(text, _SHARES[i % len(_SHARES)])
    return parts


_PARTS = _split()


@cache
def _english() -> Language:
    """spaCy's English tokenizer. It takes a tenth of a second to build."""
    return spacy.blank("en")


class Sentence(NamedTuple):
    """Tokens and the entities among them.

    words (Tuple[str, ...]): The tokens, as spaCy's English tokenizer cuts them.
    spans (Tuple[TokenSpan, ...]): The entities, left to right.
    """

    words: tuple[str, ...]
    spans: tuple[TokenSpan, ...]

    @property
    def entities(self) -> list[str]:
        """The surface string of each entity, its tokens joined by blanks."""
        return [" ".join(self.words[span.start : span.end]) for span in self.spans]


def part_of(text: str) -> str:
    """The only part of the corpus in which a name or a clause template occurs.

    The position in its list decides. A name in several lists has the part of the first
    one, in all its roles.

    text (str): The name or the template.
    RETURNS (str): "train", "dev" or "test".
    """
    return _PARTS[text]


def generate(part: str, n_sentences: int, *, seed: int = 0) -> Iterator[Sentence]:
    """Generate one part of the corpus.

    part (str): "train", "dev" or "test".
    n_sentences (int): Number of sentences, all different.
    seed (int): The same seed gives the same sentences, on every machine.
    YIELDS (Sentence): The sentences.
    """
    grammar = _Grammar(part, random.Random(f"{part} {seed}"))
    nlp = _english()
    seen: set[str] = set()
    while len(seen) < n_sentences:
        text, entities = grammar.sentence()
        if text not in seen:
            seen.add(text)
            yield tokenize(nlp, text, entities)


def unseen_share(train: Iterable[Sentence], test: Iterable[Sentence]) -> float:
    """The share of entities whose text does not occur as an entity in training.

    train (Iterable[Sentence]): The training part.
    test (Iterable[Sentence]): The part to look at.
    RETURNS (float): Between 0 and 1; 0 if there are no entities.
    """
    known = {entity for sentence in train for entity in sentence.entities}
    entities = [entity for sentence in test for entity in sentence.entities]
    unseen = [entity for entity in entities if entity not in known]
    return len(unseen) / max(len(entities), 1)


def write_corpus(
    folder: Path,
    *,
    sizes: Mapping[str, int] = SIZES,
    seed: int = 0,
    force: bool = False,
) -> dict[str, list[Sentence]]:
    """Generate the corpus and write it as train.conll, dev.conll and test.conll.

    folder (Path): Folder to write to; created if it does not exist.
    sizes (Mapping[str, int]): The number of sentences of each part.
    seed (int): As for `generate`.
    force (bool): Replace files with other contents.
    RETURNS (Dict[str, List[Sentence]]): The sentences, by part.
    RAISES ValueError (L217): If one of the files is there, with other contents.
    """
    corpus = {part: list(generate(part, n, seed=seed)) for part, n in sizes.items()}
    contents = {
        folder / f"{part}.conll": "\n".join(map(_to_conll, sentences)).encode()
        for part, sentences in corpus.items()
    }
    for path, content in contents.items():
        if not force and path.exists() and path.read_bytes() not in (b"", content):
            raise ValueError(Errors.L217.format(path=path))
    for path, content in contents.items():
        with replacing(path) as new:
            new.write_bytes(content)
    return corpus


class _CharSpan(NamedTuple):
    """Characters ``start <= i < end`` with a label: an entity of a text."""

    start: int
    end: int
    label: str


class _Grammar:
    """The grammar of one part: fills the slots of its templates with its names."""

    def __init__(self, part: str, rng: random.Random) -> None:
        clauses = {f"clause.{group}": CLAUSES[group] for group in CLAUSES}
        split = {
            symbol: tuple(text for text in texts if part_of(text) == part)
            for symbol, texts in {**NAMES, **clauses}.items()
        }
        any_clause = tuple(f"{{{symbol}}}" for symbol in clauses)
        self._rules = {**PHRASES, **split, "clause": any_clause}
        self._rng = rng

    def sentence(self) -> tuple[str, list[_CharSpan]]:
        """Draw a sentence: its text, tokens apart by blanks, and its entities."""
        text, entities = self._expand("sentence", 0)
        start = text.startswith('" ') * 2
        return text[:start] + text[start].upper() + text[start + 1 :], entities

    def _expand(self, symbol: str, offset: int) -> tuple[str, list[_CharSpan]]:
        """Draw a text for a symbol, `offset` characters into the sentence."""
        alternatives = symbol.split("|") if "|" in symbol else self._rules[symbol]
        text = ""
        entities: list[_CharSpan] = []
        for i, piece in enumerate(_SLOT.split(self._rng.choice(alternatives))):
            if i % 2 == 0:  # the text between two slots
                text += piece
            else:
                filler, inner = self._expand(piece, offset + len(text))
                text += filler
                entities += inner
        label = symbol.partition(".")[0]
        if label in LABELS:
            entities = [_CharSpan(offset, offset + len(text), label)]
        return text, entities


def tokenize(nlp: Language, text: str, entities: Iterable[_CharSpan]) -> Sentence:
    """Turn a text and the character offsets of its entities into tokens and spans.

    RAISES ValueError: If an entity begins or ends within a token (L200).
    """
    doc = nlp.make_doc(text)
    spans = []
    for start, end, label in entities:
        span = doc.char_span(start, end)
        if span is None:
            message = Errors.L200.format(entity=text[start:end], text=text)
            raise ValueError(message)
        spans.append(TokenSpan(span.start, span.end, label))
    return Sentence(tuple(token.text for token in doc), tuple(spans))


def _to_conll(sentence: Sentence) -> str:
    tags = to_tags(sentence.spans, len(sentence.words))
    return "".join(
        f"{word}\t{tag}\n" for word, tag in zip(sentence.words, tags, strict=True)
    )
