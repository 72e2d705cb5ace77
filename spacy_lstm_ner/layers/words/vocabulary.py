"""The textbook's embedding: each word a number, each number a learned vector.

The numbers are those of a vocabulary, which is counted once, before training::

    Sharon flew  to Miami last Friday  .     a word of the vocabulary: its number
         1    9   6     1   12      1  2     any other: that of <UNK>

Words that are too rare for the vocabulary are unknown in training too, so the vector of
<UNK> is learned from them. Unknown words may have several numbers, by their shape: that
<Xxxxx> is the name of something is easier to tell than that <UNK> is.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.attrs import intify_attr
from spacy.tokens import Doc
from thinc.api import Model
from thinc.initializers import uniform_init

from ...checks import check_at_least
from ...errors import Errors
from ...types import Floats2d
from .lexemes import no_input_gradient

WordEmbed = Model[list[Doc], list[Floats2d]]

# What fills a batch of padded sentences up, and its number.
PADDING, PAD = "<PAD>", 0
# What words count as that the vocabulary has in no form, and its number.
UNKNOWN, UNK = "<UNK>", 1

logger = logging.getLogger("spacy.lstm_ner")


def WordIndex(
    nO: int, *, attrs: Sequence[str] = ("ORTH",), min_freq: int = 1
) -> WordEmbed:
    """A learned vector for each word of a vocabulary, and one for all other words.

    nO (int): Width of the vectors.
    attrs (Sequence[str]): Forms of the word; the first one that is in the vocabulary
        counts. All after the first one are written in brackets there.
    min_freq (int): How often a form occurs at least to be in the vocabulary, where
        those before it are not.
    RETURNS (Model[List[Doc], List[Floats2d]]): (T_b, O) for each Doc b. Its parameter
        is E (V, O), a row for each number; its attribute "build_vocabulary" is the
        function, for components that have more Docs than samples.
    RAISES ValueError: If an attribute is unknown or there is none (L041), or if
        the width or `min_freq` is not positive (L048).
    """
    ids = [intify_attr(name) for name in attrs]
    if None in ids or not ids:
        raise ValueError(Errors.L041.format(attrs=list(attrs)))
    check_at_least(1, width=nO, min_freq=min_freq)
    return Model(
        "word_index",
        forward,
        init=init,
        dims={"nO": nO},
        params={"E": None},
        attrs={
            "attrs": ids,
            "min_freq": min_freq,
            "vocabulary": {},
            "build_vocabulary": build_vocabulary,
        },
    )


def build_vocabulary(model: WordEmbed, docs: Iterable[Doc]) -> None:
    """Number the words of a corpus: after <PAD>, 0, and <UNK>, 1, the most frequent
    ones first. Vectors are for `model.initialize` to set up.

    model (Model): The embedding; a vocabulary that it has is replaced.
    docs (Iterable[Doc]): The whole training corpus, read once.
    """
    counts: Counter[Forms] = Counter()
    for doc in docs:
        counts.update(_forms(model, doc))
    vocabulary = {PADDING: PAD, UNKNOWN: UNK}
    for i in range(len(model.attrs["attrs"])):
        still_unknown: Counter[str] = Counter()
        for forms, n in counts.items():
            if vocabulary.keys().isdisjoint(forms[:i]):
                still_unknown[forms[i]] += n
        for form, n in still_unknown.most_common():
            if n >= model.attrs["min_freq"]:
                vocabulary.setdefault(form, len(vocabulary))
    model.attrs["vocabulary"] = vocabulary


def vocabulary(model: WordEmbed) -> dict[str, int]:
    """The number of each word.

    model (Model): The embedding; of a component, `model.get_ref("tok2vec")`.
    RETURNS (Dict[str, int]): By number.
    """
    return dict(model.attrs["vocabulary"])


def word_numbers(model: WordEmbed, doc: Doc) -> list[int]:
    """The number of each token's word.

    model (Model): The embedding.
    doc (Doc): The text.
    RETURNS (List[int]): 1 for words that the vocabulary has in no form.
    """
    numbers = model.attrs["vocabulary"]
    # A token that is written "<PAD>" is no padding.
    return [
        next(filter(None, map(numbers.get, forms)), UNK) for forms in _forms(model, doc)
    ]


Forms = tuple[str, ...]


def _forms(model: WordEmbed, doc: Doc) -> list[Forms]:
    """The forms of each token's word."""
    ids = model.attrs["attrs"]
    strings = doc.vocab.strings
    rows: Any = doc.to_array(ids).reshape(-1, len(ids)).tolist()
    return [
        (strings[first], *(f"<{strings[key]}>" for key in others))
        for first, *others in rows
    ]


def init(
    model: WordEmbed, X: list[Doc] | None = None, Y: list[Floats2d] | None = None
) -> None:
    """Uniform vectors for the words of the vocabulary; that of <PAD>, which is never
    learned, is 0. If there is no vocabulary yet, the samples are its corpus.
    """
    if not model.attrs["vocabulary"]:
        docs = X or []
        build_vocabulary(model, docs)
        logger.warning(
            "the vocabulary of WordIndexEmbed was counted in %d sample texts: it has "
            "%d words, all others are %s. For the whole corpus, use it within "
            "lstm_ner, not in a tok2vec component, or call build_vocabulary() before",
            len(docs),
            len(model.attrs["vocabulary"]) - 2,
            UNKNOWN,
        )
    shape = len(model.attrs["vocabulary"]), model.get_dim("nO")
    E: Floats2d = uniform_init(model.ops, shape)
    E[PAD] = 0
    model.set_param("E", E)
    model.set_grad("E", model.ops.xp.zeros_like(E))  # an earlier one has other rows


def forward(
    model: WordEmbed, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Any]]]:
    """Gather the rows of the words; add up their gradients."""
    ops: Any = model.ops
    E: Floats2d = model.get_param("E")
    rows = ops.asarray1i([row for doc in X for row in word_numbers(model, doc)])

    def backprop(dY: list[Floats2d]) -> list[Any]:
        dE = ops.xp.zeros_like(E)
        if len(rows):
            ops.scatter_add(dE, rows, ops.flatten(dY))
        model.inc_grad("E", dE)
        return no_input_gradient(dY)

    return ops.unflatten(E[rows], [len(doc) for doc in X]), backprop
