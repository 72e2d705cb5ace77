"""What a model card measures: scores, and how far confidences can be trusted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB
from spacy.training import Example

from ...component.facts import CorpusSize
from ...component.lstm_ner import LSTMNer
from ...component.reliability import expected_calibration_error
from ...component.scorer import score
from ..judged import judge_entities
from ..metrics import area_under_roc


class Measured(NamedTuple):
    """A pipeline beside annotated texts.

    size (CorpusSize): What the texts have.
    unknown_tokens (int): Number of their tokens without annotation.
    scores (Dict[str, Any]): As of the scorer.
    confidences, correct (ndarray): For each entity of the recognizer that the
        annotation covers, its confidence, and whether it is right.  (S,), (S,)
    """

    size: CorpusSize
    unknown_tokens: int
    scores: dict[str, Any]
    confidences: NDArray[np.float64]
    correct: NDArray[np.bool_]

    @property
    def calibration_error(self) -> float:
        """The expected calibration error; NaN if there are no entities."""
        return expected_calibration_error(self.confidences, self.correct)

    @property
    def area_under_roc(self) -> float:
        """The area under the ROC curve; NaN unless entities are right and wrong."""
        return area_under_roc(self.confidences, self.correct)


def measure(examples: Sequence[Example], ner: LSTMNer) -> Measured:
    """Measure a pipeline.

    examples (Sequence[Example]): Examples whose predicted Docs the whole pipeline has
        processed.
    ner (LSTMNer): The recognizer whose confidences are measured. The scores are those
        of all entities.
    """
    size = CorpusSize()
    unknown = 0
    for eg in size.counting(examples):
        unknown += int((eg.reference.to_array(ENT_IOB) == 0).sum())
    return Measured(size, unknown, score(examples), *judge_entities(examples, ner))
