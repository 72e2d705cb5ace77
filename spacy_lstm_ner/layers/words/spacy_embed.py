"""Embeddings of tokens, such as spaCy's, for words."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from spacy.attrs import (
    DEP,
    ENT_ID,
    ENT_IOB,
    ENT_KB_ID,
    ENT_TYPE,
    HEAD,
    IDS,
    LEMMA,
    MORPH,
    NORM,
    POS,
    SENT_START,
    SPACY,
    TAG,
    intify_attr,
)
from spacy.tokens import Doc
from thinc.api import Model

from ...errors import Errors
from ...types import Floats2d
from ..ragged import cut
from .lexemes import Embed, Lexemes, no_input_gradient

# Attributes of tokens that tokens of the same word may differ in. All others that a Doc
# gives are the word's own.
_OF_TOKENS = (NORM, LEMMA, POS, TAG, MORPH, DEP)
# Those that depend on other tokens.
_OF_PLACES = (HEAD, SENT_START, ENT_IOB, ENT_TYPE, ENT_ID, ENT_KB_ID)


def on_words(embed: Model[list[Doc], list[Floats2d]]) -> Embed:
    """Let an embedding of tokens embed words, by showing it a Doc of them.

    embed (Model[List[Doc], List[Floats2d]]): Gives each token a vector that depends on
        the attributes of this token alone, such as `spacy.MultiHashEmbed.v2`.
    RETURNS (Model[Lexemes, Floats2d]): Words with the attributes `read_attrs(embed)`.
    RAISES ValueError (L046): If it reads an attribute that depends on other tokens.
    """
    of_places = [attr for attr in read_attrs(embed) if attr in _OF_PLACES]
    if of_places:
        names = [name for name, attr in IDS.items() if attr in of_places]
        raise ValueError(Errors.L046.format(attrs=names))
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
    RETURNS (List[int]): Their ids, without repetition.
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
    embed, attrs = model.layers[0], model.attrs["attrs"]
    docs = [_doc_of(X, attrs)]
    if is_train and any(node.name == "charembed" for node in embed.walk()):
        # spaCy's layer loses gradient where a character stands at the same place in two
        # words of a Doc.
        docs = [_doc_of(X.take(np.array([i])), attrs) for i in range(len(X.orths))]
    Y, backprop_embed = embed(docs, is_train)

    def backprop(dY: Floats2d) -> list[Any]:
        backprop_embed(cut(dY, [len(doc) for doc in docs]))
        return no_input_gradient(dY)

    return model.ops.xp.concatenate(Y), backprop


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
