"""What training has seen of words, and what is hidden of them."""

from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model

from ...types import Floats2d
from ..ragged import cut
from .lexemes import _IDENTIFYING, Lexemes, _Settings

# How many texts of training are told apart, in at most 100 MB.
_N_TEXTS = 1 << 20


def forget_counts(model: Model[Any, Any]) -> None:
    """Have all layers of a model forget which words they have met in training.

    model (Model): The model.
    """
    for node in model.walk():
        if node.name == "per_lexeme":
            node.attrs.update(seen_counts={}, n_steps=0, n_hiding_steps=0)


def _count(
    model: Model[list[Doc], list[Floats2d]], tokens: Lexemes, lengths: list[int]
) -> None:
    """Count the values of the attributes of a training batch, but not of texts that
    were there before, as in earlier epochs. Which texts these are is not saved: when
    training is resumed, they are counted once more."""
    seen_counts = model.attrs["seen_counts"]
    texts: set[int] = model.attrs["texts"].get([seen_counts], set)
    is_new = []
    for orths in cut(tokens.orths, lengths):
        text = hash(orths.tobytes())
        is_new.append(text not in texts)
        texts.add(text)
    if len(texts) > _N_TEXTS:
        texts.clear()
    new = np.repeat(is_new, lengths)
    for id_, column in zip(model.attrs["attrs"][1:], tokens.attrs[new].T, strict=True):
        counts = seen_counts.setdefault(id_, {})
        values, n = np.unique(column, return_counts=True)
        for value, n_value in zip(values.tolist(), n.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + n_value


def _drop_out(model: Model[list[Doc], list[Floats2d]], tokens: Lexemes) -> Lexemes:
    """Hide some of the tokens' words, and rare values of attributes, in place."""
    settings: _Settings = model.attrs["settings"]
    word_dropout, rare_dropout = settings.word_dropout, settings.rare_dropout
    hides = model.attrs["dropout_rate"] > 0 and (word_dropout or rare_dropout)
    model.attrs["n_steps"] += 1
    model.attrs["n_hiding_steps"] += bool(hides)
    if not hides:
        return tokens
    attrs = tokens.attrs
    hidden = np.random.random(len(attrs)) < word_dropout
    for column, id_ in enumerate(model.attrs["attrs"][1:]):
        if rare_dropout:
            counts = model.attrs["seen_counts"][id_]
            n = np.array([counts.get(value, 0) for value in attrs[:, column].tolist()])
            is_hidden = np.random.random(len(n)) < rare_dropout / (rare_dropout + n)
            attrs[is_hidden, column] = 0
        if id_ in _IDENTIFYING:
            attrs[hidden, column] = 0
    return tokens._replace(hidden=hidden)


def _hide_unknown(model: Model[list[Doc], list[Floats2d]], words: Lexemes) -> None:
    """Hide what training never met of words, in place, if it has hidden such things."""
    if 2 * model.attrs["n_hiding_steps"] <= model.attrs["n_steps"]:
        return
    for column, id_ in enumerate(model.attrs["attrs"][1:]):
        if model.attrs["settings"].rare_dropout or id_ in _IDENTIFYING:
            counts = model.attrs["seen_counts"][id_]
            values = words.attrs[:, column].tolist()
            is_new = np.array([value not in counts for value in values], dtype=bool)
            words.attrs[is_new, column] = 0
