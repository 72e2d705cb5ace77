"""Annotated texts -> Docs, and what that loses.

A text of which the file has the tokens keeps them; other texts are tokenized by a
pipeline. A span that does not begin and end where tokens do can be no entity: its
tokens are unknown, not outside of entities.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ...errors import Warnings
from ..json_lines import for_spacy
from ..lines import cut
from .annotated import AnnotatedText, CharSpan, Extent
from .tokens import find_words

logger = logging.getLogger("spacy.lstm_ner")

# The span groups of spans that are known to be wrong, as in spaCy's and Prodigy's
# examples, and of overlapping spans, as `spancat` has it by default.
INCORRECT_SPANS_KEY, SPANS_KEY = "incorrect_spans", "sc"


@dataclass
class Losses:
    """What the texts have and the Docs do not, to be told once.

    misfits: Each span that does not fit the tokens, told in words.
    n_misfits: Their number.
    n_spans: Number of spans, those included.
    n_trimmed: Number of spans that were trimmed of white space at their ends.
    n_blank: Number of spans of white space alone.
    n_overlaps: Number of spans that are no entities because a longer one overlaps them.
    n_unfit_wrong: Number of wrong spans that do not fit the tokens.
    n_unknown: Number of texts without annotation.
    left_out: What the readers left out.
    """

    misfits: list[str] = field(default_factory=list)
    n_misfits: int = 0
    n_spans: int = 0
    n_trimmed: int = 0
    n_blank: int = 0
    n_overlaps: int = 0
    n_unfit_wrong: int = 0
    n_unknown: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def log(self, where: str) -> None:
        """Log what is lost, if anything is.

        where (str): The file.
        """
        if self.n_misfits:
            message = Warnings.L285.format(
                where=where,
                n=self.n_misfits,
                n_spans=self.n_spans,
                shown="; ".join(self.misfits),
            )
            logger.warning(message)
        if self.n_overlaps:
            logger.warning(Warnings.L286.format(where=where, n=self.n_overlaps))
        if self.n_trimmed or self.n_blank:
            message = Warnings.L287.format(
                where=where, n=self.n_trimmed, n_blank=self.n_blank
            )
            logger.warning(message)
        left_out = self.left_out + Counter(
            {"wrong spans that do not fit the tokens": self.n_unfit_wrong}
        )
        if left_out:
            kinds = ", ".join(f"{kind}: {n}" for kind, n in left_out.most_common())
            logger.warning(Warnings.L288.format(where=where, kinds=kinds))
        if self.n_unknown:
            logger.warning(Warnings.L289.format(where=where, n=self.n_unknown))


# The number of misfits that are shown.
_N_SHOWN = 5


def make_docs(
    texts: Iterable[AnnotatedText],
    nlp: Language,
    losses: Losses,
    *,
    spans_key: str = SPANS_KEY,
    incorrect_spans_key: str = INCORRECT_SPANS_KEY,
) -> Iterator[Doc]:
    """Make the Docs of annotated texts.

    texts (Iterable[AnnotatedText]): The texts.
    nlp (Language): The pipeline, whose tokenizer splits texts without tokens.
    losses (Losses): Counts what is lost.
    spans_key (str): The span group of all spans, in Docs in which some overlap.
    incorrect_spans_key (str): The span group of spans that are known to be wrong.
    YIELDS (Doc): A Doc per text.
    """
    for text in texts:
        doc = _make_tokens(text, nlp)
        losses.left_out.update(text.left_out)
        spans, unknown = _fit(doc, text, losses)
        ents = filter_spans(spans)
        if len(ents) < len(spans):
            losses.n_overlaps += len(spans) - len(ents)
            doc.spans[spans_key] = sorted(spans)
        _set_entities(doc, ents, unknown, is_complete=text.is_complete)
        wrong = _wrong_spans(doc, text, losses)
        if wrong:
            doc.spans[incorrect_spans_key] = wrong
        losses.n_unknown += not (text.is_complete or ents or wrong)
        yield doc


def _make_tokens(text: AnnotatedText, nlp: Language) -> Doc:
    if text.words is None:
        return nlp.make_doc(for_spacy(text.text))
    words, spaces = [for_spacy(word) for word in text.words], None
    if not text.is_joined:
        words, spaces = _spaces(words, for_spacy(text.text))
    sentences = None if text.sentences is None else set(text.sentences)
    doc = Doc(nlp.vocab, words=words, spaces=spaces)
    if sentences is not None:
        for token in doc:
            token.is_sent_start = token.idx in sentences
    return doc


def _spaces(words: list[str], text: str) -> tuple[list[str], list[bool]]:
    """The tokens of a text, and whether a space follows each; further white space is a
    token."""
    tokens: list[str] = []
    spaces: list[bool] = []
    end = 0
    extents = find_words(words, text) or []
    for start, stop in [*extents, Extent(len(text), len(text))]:
        gap = text[end:start]
        if gap and tokens and gap[0] == " ":
            spaces[-1] = True
            gap = gap[1:]
        for token in (gap, text[start:stop]):
            if token:
                tokens.append(token)
                spaces.append(False)
        end = stop
    return tokens, spaces


def _fit(
    doc: Doc, text: AnnotatedText, losses: Losses
) -> tuple[list[Span], list[Extent]]:
    """The spans that fit the tokens, each once, and the extents that are unknown."""
    spans: dict[tuple[int, int, str], Span] = {}
    unknown = list(text.unknown)
    for span in text.spans:
        losses.n_spans += 1
        trimmed = _trim(text.text, span)
        if trimmed is None:
            losses.n_blank += 1
            continue
        losses.n_trimmed += trimmed != span
        found = doc.char_span(trimmed.start, trimmed.end, label=for_spacy(span.label))
        if found is None:
            unknown.append(Extent(trimmed.start, trimmed.end))
            losses.n_misfits += 1
            if len(losses.misfits) < _N_SHOWN:
                losses.misfits.append(_describe(doc, text, trimmed))
        else:
            spans.setdefault(trimmed, found)
    return list(spans.values()), unknown


def _trim(text: str, span: CharSpan) -> CharSpan | None:
    content = text[span.start : span.end]
    start = span.start + len(content) - len(content.lstrip())
    end = span.end - (len(content) - len(content.rstrip()))
    return CharSpan(start, end, span.label) if start < end else None


def _describe(doc: Doc, text: AnnotatedText, span: CharSpan) -> str:
    """A span that does not fit, with its place, its text and the tokens around it."""
    near = _cover(doc, span.start, span.end)
    tokens = [token.text for token in doc[near.start : near.stop]]
    content = cut(text.text[span.start : span.end])
    return f"{text.where}: {content!r} ({span.label}) in the tokens {tokens}"


def _cover(doc: Doc, start: int, end: int) -> range:
    """The tokens that have characters of an extent."""
    first = doc.char_span(start, start + 1, alignment_mode="expand")
    last = doc.char_span(end - 1, end, alignment_mode="expand")
    if first is None or last is None:
        return range(0)
    return range(first.start, last.end)


def _set_entities(
    doc: Doc, ents: list[Span], unknown: list[Extent], *, is_complete: bool
) -> None:
    inside = {i for ent in ents for i in range(ent.start, ent.end)}
    missing = {i for start, end in unknown for i in _cover(doc, start, end)} - inside
    doc.set_ents(
        ents,
        missing=[doc[i : i + 1] for i in sorted(missing)] if is_complete else [],
        default="outside" if is_complete else "missing",
    )


def _wrong_spans(doc: Doc, text: AnnotatedText, losses: Losses) -> list[Span]:
    wrong = []
    for span in text.wrong:
        trimmed = _trim(text.text, span)
        found = trimmed and doc.char_span(
            trimmed.start, trimmed.end, label=for_spacy(span.label)
        )
        if found is None:
            losses.n_unfit_wrong += 1
        else:
            wrong.append(found)
    return wrong
