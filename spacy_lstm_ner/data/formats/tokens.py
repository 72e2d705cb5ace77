"""For formats whose annotation stands on tokens: tokens, tags and spans -> texts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from ...errors import Errors
from ...tags import OUTSIDE, TokenSpan
from ..columns import UNKNOWN
from ..tag_schemes import TagError, is_tag, to_spans
from .annotated import AnnotatedText, CharSpan, Extent


class Tagged(NamedTuple):
    """A sentence with tags.

    where: Its place.
    words: The tokens.
    tags: One or several layers of tags, each with a tag per token; UNKNOWN where the
        token is not annotated.
    places: The place of each token.
    text: The text, if the file has it.
    document: The document that the sentence belongs to.
    """

    where: str
    words: Sequence[str]
    tags: Sequence[Sequence[str]]
    places: Sequence[str]
    text: str | None = None
    document: str | None = None


def from_words(
    where: str,
    words: Sequence[str],
    spans: Iterable[TokenSpan],
    *,
    text: str | None = None,
    unknown: Iterable[int] = (),
    **more: Any,
) -> AnnotatedText:
    """A text of tokens.

    words (Sequence[str]): The tokens. One without text becomes a space, because spaCy
        has no empty tokens.
    spans (Iterable[TokenSpan]): The entities.
    text (Optional[str]): The text of these tokens. None, or a text of which these are
        not the tokens: they are joined by spaces.
    unknown (Iterable[int]): The tokens without annotation.
    more (Any): Further fields of the text.
    """
    words = [word or " " for word in words]
    extents = None if text is None else find_words(words, text)
    is_joined = extents is None
    if extents is None or text is None:
        text = " ".join(words)
        starts = accumulate((len(word) + 1 for word in words), initial=0)
        extents = [Extent(s, s + len(w)) for s, w in zip(starts, words, strict=False)]
    return AnnotatedText(
        where,
        text,
        [
            CharSpan(extents[s].start, extents[e - 1].end, label)
            for s, e, label in spans
        ],
        words=words,
        is_joined=is_joined,
        unknown=[extents[i] for i in unknown],
        **more,
    )


def find_words(words: Sequence[str], text: str) -> list[Extent] | None:
    """Where the words of a text are; None if it is not made of them and white space."""
    extents, end = [], 0
    for word in words:
        start = text.find(word, end)
        if start < 0 or text[end:start].strip():
            return None
        end = start + len(word)
        extents.append(Extent(start, end))
    return None if text[end:].strip() else extents


def from_tags(sentences: Iterable[Tagged]) -> Iterator[AnnotatedText]:
    """Texts from tags of any scheme: BIO, IOB1, BILUO, or labels without prefixes.

    The scheme is that of the file: BILUO if there are prefixes of it, and otherwise
    the one of IOB2 and IOB1 in which fewer tags are invalid. Invalid sequences of tags
    are read as the CoNLL evaluation does, and counted.

    sentences (Iterable[Tagged]): All sentences of a file.
    YIELDS (AnnotatedText): A text per sentence.
    RAISES ValueError (L118): At a tag of no scheme.
    """
    sentences = list(sentences)
    tags = {tag for s in sentences for layer in s.tags for tag in layer}
    has_prefixes = any(is_tag(tag) for tag in tags - {OUTSIDE, UNKNOWN})
    schemes = ["IOB2", "IOB1"] if has_prefixes else ["IOB1"]
    if any(tag[:2] in ("L-", "U-", "E-", "S-") for tag in tags):
        schemes = ["BILUO"]
    read = {
        scheme: [_spans(s, scheme, has_prefixes) for s in sentences]
        for scheme in schemes
    }
    best = min(schemes, key=lambda scheme: sum(n for _, n in read[scheme]))
    for sentence, (spans, n_repaired) in zip(sentences, read[best], strict=True):
        layers = zip(*sentence.tags, strict=True)
        yield from_words(
            sentence.where,
            sentence.words,
            spans,
            text=sentence.text,
            unknown=[i for i, tags in enumerate(layers) if UNKNOWN in tags],
            document=sentence.document,
            left_out=Counter(
                {f"repaired tags ({best})": n_repaired} if n_repaired else {}
            ),
        )


def _spans(
    sentence: Tagged, scheme: str, has_prefixes: bool
) -> tuple[list[TokenSpan], int]:
    spans, n_repaired = [], 0
    for layer in sentence.tags:
        tags = [OUTSIDE if tag == UNKNOWN else tag for tag in layer]
        if not has_prefixes:
            tags = [tag if tag == OUTSIDE else f"I-{tag}" for tag in tags]
        try:
            found, n = to_spans(tags, scheme=scheme)
        except TagError as err:
            place = sentence.places[err.index]
            raise ValueError(Errors.L118.format(where=place, reason=err)) from err
        spans += found
        n_repaired += n
    return spans, n_repaired
