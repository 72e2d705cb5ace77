"""Texts in the order in which a recognizer is uncertain of them: active learning."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from spacy.tokens import Doc
from spacy.util import minibatch

if TYPE_CHECKING:
    from ..component.lstm_ner import LSTMNer

# The probability of the predicted entities of a text (the lowest comes first), and the
# entropy, in nats, of all ways to tag it (the highest comes first).
MEASURES = ("entropy", "entropy_per_token", "probability")


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
    ranked = []
    for batch in minibatch(zip(records, docs, strict=True), batch_size):
        uncertainties = ner.uncertainty([doc for _, doc in batch])
        for (record, doc), (probability, entropy) in zip(
            batch, uncertainties, strict=True
        ):
            measures = {
                "probability": probability,
                "entropy": entropy,
                "entropy_per_token": entropy / max(len(doc), 1),
            }
            ranked.append({**record, **measures})
    sign = 1 if by == "probability" else -1
    return sorted(ranked, key=lambda record: sign * record[by])
