"""CoNLL: a token and its tag per line, in columns that the user may name."""

import re
from collections.abc import Iterator

import spacy

from ..conll import ConllCorpus
from .annotated import AnnotatedText, CharSpan, Extent
from .source import Source

NAME = "conll"

# A tag between separators. Most lines of a file of columns have one.
_TAG = re.compile(r"(?:^|[\s,;|])(?:[BILUES]-\S|O(?=$|[\s,;|])|-(?=$|[\s,;|]))")


def looks_like(source: Source) -> bool:
    """Whether most lines have a tag. Formats with columns and signs of their own are
    more certain than this."""
    if source.is_json or not source.head:
        return False
    tagged = sum(bool(_TAG.search(line)) for line in source.head)
    return tagged > len(source.head) / 2


def read(source: Source) -> Iterator[AnnotatedText]:
    """Read sentences or documents, as `ConllCorpus` does.

    source (Source): The file. Its option `conll` has the settings of `ConllCorpus`.
    YIELDS (AnnotatedText): A text per Doc.
    RAISES ValueError: As `ConllCorpus`.
    """
    corpus = ConllCorpus(source.path, **source.options.conll)
    told = source.file._replace(n_marks=0)
    examples = corpus.read([told], spacy.blank("xx"))
    for i, eg in enumerate(examples, start=1):
        doc = eg.reference
        has_starts = doc.has_annotation("SENT_START")
        yield AnnotatedText(
            f"{source.path}, text {i}",
            doc.text,
            [CharSpan(e.start_char, e.end_char, e.label_) for e in doc.ents],
            words=[token.text for token in doc],
            is_joined=True,
            unknown=[
                Extent(token.idx, token.idx + len(token))
                for token in doc
                if token.ent_iob == 0
            ],
            sentences=[s.start_char for s in doc.sents] if has_starts else None,
        )
