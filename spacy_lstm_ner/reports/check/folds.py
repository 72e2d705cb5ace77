"""Doubts of several models, each of which has not learned a part of the texts.

The texts are cut into folds, and a model is trained without each fold. All models judge
all texts, and their probabilities are averaged. The model that has not learned a text
cannot have learned an error in it. The models that have learned it know its words: they
no longer doubt an entity just because it is rare, but still doubt one that the other
texts contradict.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ...errors import Errors
from ..recognizers import docs_before, find_recognizer, raw_doc
from ..trials import Trained, Trainer, adopt
from .doubts import Doubts, doubts_of
from .findings import Data, Text
from .opinions import Opinion, find_opinions, mean_opinion

# Of the texts to learn from, one in so many chooses the checkpoint.
_HELD_OUT = 10


def doubts_of_folds(
    data: Data,
    trainer: Trainer,
    *,
    n_folds: int,
    component: str | None = None,
    only_unseen: bool = False,
    seed: int = 0,
    on_fold: Callable[[int, Trained], object] = lambda number, trained: None,
) -> Doubts:
    """Find spans whose annotation is doubted by models that are trained on the other
    texts, or on most of them.

    The texts of all parts are judged. One tenth of the texts that a model learns from
    chooses the checkpoint.

    data (Data): The parts.
    trainer (Trainer): Trains the config.
    n_folds (int): Number of folds and models, at least 2.
    component (Optional[str]): Name of the recognizer. None: it is the only one.
    only_unseen (bool): Each text is judged only by the model that has not learned it
        (cross-validation, as in confident learning: Northcutt et al. 2021).
    seed (int): Another seed makes other folds and other weights.
    on_fold (Callable): Called after each training with the number of the fold, from 1,
        and the trained pipeline with its scores on the texts that chose its checkpoint.
    RETURNS (Doubts): The doubts.
    RAISES ValueError (L345): If there are fewer folds, or fewer texts than they need.
    """
    texts = [text for text in data.docs() if any(t.ent_iob for t in text.doc)]
    numbers = cut(texts, n_folds, seed)
    docs: list[Doc] = []
    opinions: list[list[Opinion]] = [[] for _ in texts]
    for fold in range(n_folds):
        others = [
            text.doc
            for text, number in zip(texts, numbers, strict=True)
            if number != fold
        ]
        random.Random(seed).shuffle(others)
        n_held_out = max(len(others) // _HELD_OUT, 1)
        trained = trainer(others[n_held_out:], others[:n_held_out], seed=seed)
        on_fold(fold + 1, trained)
        docs, found = _judge(texts, trained.nlp, component)
        for kept, opinion, number in zip(opinions, found, numbers, strict=True):
            if number == fold or not only_unseen:
                kept.append(opinion)
    return doubts_of(texts, docs, map(mean_opinion, opinions))


def _judge(
    texts: Sequence[Text], nlp: Language, component: str | None
) -> tuple[list[Doc], list[Opinion]]:
    """The Docs of texts as a pipeline makes them, and its opinions."""
    name, ner = find_recognizer(nlp, component)
    golds = adopt((text.doc for text in texts), nlp.vocab)
    docs = list(docs_before(nlp, name, (raw_doc(doc, nlp.make_doc) for doc in golds)))
    return docs, list(find_opinions(golds, docs, ner, batch_size=nlp.batch_size))


def cut(texts: Sequence[Text], n_folds: int, seed: int) -> list[int]:
    """Cut texts into folds of about the same size, at random. Equal texts are in one
    fold, so that no model learns the annotation of a text that is in its fold.

    texts (Sequence[Text]): The texts.
    n_folds (int): Number of folds.
    seed (int): Another seed makes other folds.
    RETURNS (List[int]): The fold of each text, from 0.
    RAISES ValueError (L345): If there are fewer than 2 folds, or too few texts.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        groups[text.doc.text].append(i)
    if n_folds < 2 or len(groups) < max(n_folds, 4):
        raise ValueError(Errors.L345.format(n_folds=n_folds, n=len(groups)))
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    numbers = {i: k % n_folds for k, group in enumerate(order) for i in group}
    return [numbers[i] for i in range(len(texts))]
