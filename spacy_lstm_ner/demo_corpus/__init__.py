"""A small annotated corpus, generated offline from names and sentence templates."""

from .generate import LABELS, PARTS, Sentence, generate, unseen_share, write_corpus

__all__ = ["LABELS", "PARTS", "Sentence", "generate", "unseen_share", "write_corpus"]
