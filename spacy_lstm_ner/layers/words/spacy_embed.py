"""Embeddings of tokens, such as spaCy's, applied to distinct words."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from spacy.attrs import IDS, SPACY, intify_attr
from spacy.tokens import Doc
from thinc.api import Model

from ...types import Floats2d
from .distinct import Embed, Lexemes

# Attributes that a token may have in another value than its word. All others that are
# read here belong to the word.
_OF_TOKENS = [IDS[name] for name in ("NORM", "LEMMA", "POS", "TAG", "MORPH", "DEP")]


def on_words(embed: Model[list[Doc], list[Floats2d]]) -> Embed:
    """Apply an embedding of tokens to words, by showing it a Doc made of them.

    embed (Model[List[Doc], List[Floats2d]]): Gives each token a vector that depends on
        the attributes of this token alone, such as `spacy.MultiHashEmbed.v2`.
    RETURNS (Model[Lexemes, Floats2d]): Words with the attributes `read_attrs(embed)`
        -> (L, O).
    """
    return Model(
        f"on_words({embed.name})",
        forward,
        init=init,
        dims={"nO": embed.maybe_get_dim("nO")},
        layers=[embed],
        attrs={"attrs": read_attrs(embed)},
    )


def read_attrs(embed: Model[Any, Any]) -> list[int]:
    """The attributes of tokens that an embedding of spaCy's reads, besides the text.

    embed (Model): The embedding.
    RETURNS (List[int]): Their distinct ids.
    """
    names = [name for node in embed.walk() for name in node.attrs.get("columns", [])]
    return list(dict.fromkeys(intify_attr(name) for name in names))


def init(model: Embed, X: Lexemes | None = None, Y: Floats2d | None = None) -> None:
    """Initialize the embedding by sample words."""
    docs = None if X is None else [_doc_of(X, model.attrs["attrs"])]
    embed = model.layers[0]
    embed.initialize(X=docs)
    model.set_dim("nO", embed.get_dim("nO"))


def forward(
    model: Embed, X: Lexemes, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    """The vectors of the tokens of a Doc made of the words."""
    ops: Any = model.ops
    embed, attrs = model.layers[0], model.attrs["attrs"]
    docs = [_doc_of(X, attrs)]
    if is_train and any(node.name == "charembed" for node in embed.walk()):
        # spaCy's layer loses gradient if two words of a Doc have the same character in
        # the same place.
        docs = [_doc_of(X.take(np.array([i])), attrs) for i in range(len(X.orths))]
    Y, backprop_embed = embed(docs, is_train)

    def backprop(dY: Floats2d) -> list[Any]:
        backprop_embed(ops.unflatten(dY, [len(doc) for doc in docs]))
        return []

    return ops.xp.concatenate(Y), backprop


def _doc_of(words: Lexemes, attrs: list[int]) -> Doc:
    """A Doc whose tokens are the words, with their attributes."""
    spaces = None
    if SPACY in attrs:
        spaces = words.attrs[:, attrs.index(SPACY)].astype(bool).tolist()
    doc: Any = Doc(words.vocab, words=words.texts(), spaces=spaces)
    columns = [i for i, attr in enumerate(attrs) if attr in _OF_TOKENS]
    if columns:
        doc.from_array([attrs[i] for i in columns], words.attrs[:, columns])
    return cast(Doc, doc)
