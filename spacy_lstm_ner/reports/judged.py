"""Confidences of predicted entities, and whether each entity is right."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example
from spacy.util import minibatch

from ..component.confidences import prediction_of
from ..component.gold import judge, token_spans
from ..component.lstm_ner import LSTMNer


def judged_confidences(
    examples: Iterable[Example], ner: LSTMNer, *, batch_size: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Predict the entities of examples and compare them with the gold ones.

    examples (Iterable[Example]): Examples whose predicted Docs the components before
        `ner` have processed.
    ner (LSTMNer): The recognizer. Entities of other components are left out.
    batch_size (int): Number of Docs of a batch.
    RETURNS (Tuple[ndarray, ndarray]): For each entity that the annotation covers, the
        confidence, and whether a gold entity has the same limits and label.  (S,), (S,)
    """
    return judge_entities(_predicted(examples, ner, batch_size), ner)


def judge_entities(
    examples: Iterable[Example], ner: LSTMNer
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Compare predicted entities with the gold ones.

    examples (Iterable[Example]): Examples whose predicted Docs have entities.
    ner, RETURNS: As of `judged_confidences`.
    """
    confidences, correct = [], []
    for eg in examples:
        ents = eg.predicted.ents
        for ent, is_right in zip(ents, judge(eg, token_spans(ents)), strict=True):
            found = prediction_of(ent, ner.spans_key)
            if is_right is None or found is None or found.component != ner.name:
                continue
            confidences.append(found.confidence)
            correct.append(is_right)
    return np.array(confidences, dtype="float64"), np.array(correct, dtype="bool")


def _predicted(
    examples: Iterable[Example], ner: LSTMNer, batch_size: int
) -> Iterator[Example]:
    for batch in minibatch(examples, batch_size):
        docs = ner.pipe((eg.predicted for eg in batch), batch_size=batch_size)
        for eg, doc in zip(batch, docs, strict=True):
            eg.predicted = doc
            yield eg
