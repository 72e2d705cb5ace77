"""GLiNER: records with tokens, and spans in tokens whose end is inclusive."""

from collections.abc import Iterator

from ...tags import TokenSpan
from .annotated import AnnotatedText, expect, get_field, make_span, refuse
from .source import Source, mostly
from .tokens import from_words

NAME = "gliner"


def looks_like(source: Source) -> bool:
    """Whether the records have the fields "tokenized_text" and "ner"."""
    return mostly("tokenized_text" in r and "ner" in r for r in source.records)


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read records.

    source (Source): The file.
    YIELDS (AnnotatedText): A text per record, completely annotated.
    """
    for where, value in source.items:
        record = expect(value, dict, where)
        words = get_field(record, "tokenized_text", list, where)
        for word in words:
            expect(word, str, f"{where}, token")
        spans = []
        for i, span in enumerate(get_field(record, "ner", list, where), start=1):
            place = f"{where}, ner {i}"
            if not isinstance(span, list) or len(span) != 3:
                raise refuse(place, span, "a span: [first token, last token, label]")
            first, last, label = span
            end = expect(last, int, place) + 1
            spans.append(make_span(words, first, end, label, place, unit="tokens"))
        yield from_words(where, words, [TokenSpan(*span) for span in spans])
