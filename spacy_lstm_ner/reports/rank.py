"""Texts in the order in which a recognizer is uncertain of them: active learning."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from spacy.tokens import Doc
from spacy.util import minibatch

if TYPE_CHECKING:
    from ..component.lstm_ner import LSTMNer

# The probability of the predicted entities of a text (the lowest comes first), and the
# entropy, in nats, of all ways to tag it (the highest comes first).
MEASURES = ("entropy", "entropy_per_token", "probability")
DEFAULT = "entropy"


def rank_texts(
    records: Sequence[dict[str, Any]],
    docs: Iterable[Doc],
    ner: "LSTMNer",
    *,
    by: str,
    batch_size: int,
) -> list[dict[str, Any]]:
    """Sort records of texts by uncertainty, the most uncertain first.

    records (Sequence[Dict[str, Any]]): The records.
    docs (Iterable[Doc]): Their texts, processed by the components before `ner`.
    ner (LSTMNer): The recognizer.
    by (str): One of `MEASURES`.
    batch_size (int): Number of Docs of a batch.
    RETURNS (List[Dict[str, Any]]): The records with all measures as further fields.
    """
    measured = measure(docs, ner, batch_size=batch_size)
    ranked = [
        {**record, **measures}
        for record, measures in zip(records, measured, strict=True)
    ]
    return sorted(ranked, key=lambda record: -_uncertainty(record, by))


def most_uncertain(
    docs: Iterable[Doc], ner: "LSTMNer", *, by: str, batch_size: int
) -> list[int]:
    """The numbers of texts, from 0, in the order of their uncertainty.

    docs, ner, by, batch_size: As of `rank_texts`.
    """
    measured = list(measure(docs, ner, batch_size=batch_size))
    return sorted(range(len(measured)), key=lambda i: -_uncertainty(measured[i], by))


def measure(
    docs: Iterable[Doc], ner: "LSTMNer", *, batch_size: int
) -> Iterator[dict[str, float]]:
    """All measures of texts.

    docs, ner, batch_size: As of `rank_texts`.
    YIELDS (Dict[str, float]): The measures of each text, by name.
    """
    for batch in minibatch(docs, batch_size):
        for doc, found in zip(batch, ner.uncertainty(batch), strict=True):
            yield {
                "probability": found.probability,
                "entropy": found.entropy,
                "entropy_per_token": found.entropy / max(len(doc), 1),
            }


def _uncertainty(measures: dict[str, Any], by: str) -> float:
    """A measure as one that is higher for more uncertain texts."""
    value: float = measures[by]
    return -value if by == "probability" else value
