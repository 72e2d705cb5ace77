"""Reading in tests."""

from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc

from spacy_lstm_ner.data.formats.loading import load_docs

NLP = spacy.blank("en")


def load(path: Path, **settings: Any) -> list[Doc]:
    return load_docs([path], NLP, **settings).docs


def entities(doc: Doc) -> list[tuple[str, str]]:
    """The texts of the entities, with their labels."""
    return [(ent.text, ent.label_) for ent in doc.ents]


def offsets(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def unknown(doc: Doc) -> list[str]:
    """The tokens that are not annotated."""
    return [token.text for token in doc if token.ent_iob == 0]


def group(doc: Doc, key: str) -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in doc.spans.get(key, [])]
