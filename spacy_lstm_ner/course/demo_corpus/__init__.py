"""A small annotated corpus, generated offline from names and sentence templates."""

from .generate import LABELS, SIZES, Sentence, generate, unseen_share, write_corpus

__all__ = ["LABELS", "SIZES", "Sentence", "generate", "unseen_share", "write_corpus"]
