"""Doubts of models that have not learned from the texts that they judge.

A model that has learned a text with an error in it no longer doubts the error. So the
texts are cut into folds, and those of each fold are judged by a model that is trained
on the other folds (cross-validation, as in confident learning: Northcutt et al. 2021).
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import Errors
from ..recognizers import docs_before, find_recognizer, raw_doc
from ..trials import Scores, Trainer, adopt
from .doubts import Doubts, find_doubts
from .findings import Data, Text

# Of the texts to learn from, one in so many chooses the checkpoint.
_HELD_OUT = 10


def doubts_of_folds(
    data: Data,
    trainer: Trainer,
    *,
    n_folds: int,
    component: str | None = None,
    seed: int = 0,
    on_fold: Callable[[int, Scores], object] = lambda number, scores: None,
) -> Doubts:
    """Find spans whose annotation is doubted by a model that has not seen it.

    The texts of all parts are judged. One tenth of the texts of the other folds chooses
    the checkpoint.

    data (Data): The parts.
    trainer (Trainer): Trains the config.
    n_folds (int): Number of folds, at least 2.
    component (Optional[str]): Name of the recognizer. None: it is the only one.
    seed (int): Another seed makes other folds and other weights.
    on_fold (Callable): Called after each training with the number of the fold, from 1,
        and the scores of the model on the texts that chose its checkpoint.
    RETURNS (Doubts): The doubts of all folds.
    RAISES ValueError: If there are fewer folds, or fewer texts than folds need (L345).
    """
    texts = [text for text in data.docs() if any(t.ent_iob for t in text.doc)]
    folds = cut(texts, n_folds, seed)
    doubts, n_skipped = [], 0
    for number, judged in enumerate(folds, start=1):
        others = [text.doc for fold in folds if fold is not judged for text in fold]
        held_out = others[::_HELD_OUT]
        learned = [doc for i, doc in enumerate(others) if i % _HELD_OUT]
        trained = trainer(learned, held_out, seed=seed)
        on_fold(number, trained.scores)
        found = judge(judged, trained.nlp, component)
        doubts += found.doubts
        n_skipped += found.n_skipped
    doubts.sort(key=lambda doubt: -doubt.log_odds)
    return Doubts(doubts, n_skipped)


def judge(texts: Sequence[Text], nlp: Any, component: str | None) -> Doubts:
    """The doubts of a trained pipeline about annotated texts.

    texts (Sequence[Text]): The texts, in any vocabulary.
    nlp (Language): The pipeline.
    component (Optional[str]): Name of the recognizer. None: it is the only one.
    """
    name, ner = find_recognizer(nlp, component)
    golds = adopt((text.doc for text in texts), nlp.vocab)
    raw = [raw_doc(doc, nlp.make_doc) for doc in golds]
    own = [text._replace(doc=doc) for text, doc in zip(texts, golds, strict=True)]
    return find_doubts(own, docs_before(nlp, name, raw), ner, batch_size=nlp.batch_size)


def cut(texts: Sequence[Text], n_folds: int, seed: int) -> list[list[Text]]:
    """Cut texts into folds of about the same size, at random. Equal texts are in one
    fold, so that no model learns the annotation of a text that it judges.

    texts (Sequence[Text]): The texts.
    n_folds (int): Number of folds.
    seed (int): Another seed makes other folds.
    RAISES ValueError (L345): If there are fewer than 2 folds, or too few texts.
    """
    groups: defaultdict[str, list[Text]] = defaultdict(list)
    for text in texts:
        groups[text.doc.text].append(text)
    if n_folds < 2 or len(groups) < max(n_folds, 4):
        raise ValueError(Errors.L345.format(n_folds=n_folds, n=len(groups)))
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    return [
        [text for group in order[number::n_folds] for text in group]
        for number in range(n_folds)
    ]
