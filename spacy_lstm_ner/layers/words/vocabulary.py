"""The textbook's embedding: each word has a number, each number a learned vector.

The vocabulary is counted once, before training::

    Sharon flew  to Miami last Friday  .     word in the vocabulary: its number
         1    9   6     1   12      1  2     any other: the number of <UNK>

Words that are too rare for the vocabulary are unknown in training too, so the vector of
<UNK> is learned from them. With a second attribute, unknown words have a number for
each value of it, such as <Xxxxx> for a shape.
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

WordEmbed = Model[list[Doc], list[Floats2d]]
Forms = tuple[str, ...]

# Padding of a batch of sentences, and its number.
PADDING, PAD = "<PAD>", 0
# Words that the vocabulary has in no form, and their number.
UNKNOWN, UNK = "<UNK>", 1

logger = logging.getLogger("spacy.lstm_ner")


def WordIndex(
    nO: int, *, attrs: Sequence[str] = ("ORTH",), min_freq: int = 1
) -> WordEmbed:
    """A learned vector for each word of a vocabulary, and one for all other words.

    attrs (Sequence[str]): Forms of a word; the first one in the vocabulary counts. All
        after the first are written in angle brackets.
    min_freq (int): Least number of occurrences of a form in the vocabulary, among the
        words that are not there in an earlier form.
    RETURNS (Model[List[Doc], List[Floats2d]]): (T_b, O) for each Doc b. Its parameter
        is E (V, O), a row for each number. A component calls its attribute
        "build_vocabulary", the function, with the whole corpus.
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
    """Number the words of a corpus: <PAD> 0, <UNK> 1, then the most frequent first.
    `model.initialize` makes the vectors afterwards.

    docs (Iterable[Doc]): The training corpus, read once.
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
    """The number of each word, in the order of the numbers. The model is the embedding,
    `model.get_ref("tok2vec")` of a component."""
    return dict(model.attrs["vocabulary"])


def word_numbers(model: WordEmbed, doc: Doc) -> list[int]:
    """The number of each token's word; 1 if the vocabulary has it in no form."""
    numbers = model.attrs["vocabulary"]
    # A token "<PAD>" has number 0 there, but it is a word, not padding.
    return [
        next(filter(None, map(numbers.get, forms)), UNK) for forms in _forms(model, doc)
    ]


def _forms(model: WordEmbed, doc: Doc) -> list[Forms]:
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
    """Uniform vectors, 0 for <PAD>, which is never learned. Without a vocabulary, it is
    counted in the samples, with a warning."""
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
    model.set_grad("E", model.ops.xp.zeros_like(E))  # the old one may have other rows


def forward(
    model: WordEmbed, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Any]]]:
    """Gather the rows of the words; sum their gradients."""
    ops: Any = model.ops
    E: Floats2d = model.get_param("E")
    rows = ops.asarray1i([row for doc in X for row in word_numbers(model, doc)])

    def backprop(dY: list[Floats2d]) -> list[Any]:
        dE = ops.xp.zeros_like(E)
        if len(rows):
            ops.scatter_add(dE, rows, ops.flatten(dY))
        model.inc_grad("E", dE)
        return []

    return ops.unflatten(E[rows], [len(doc) for doc in X]), backprop
