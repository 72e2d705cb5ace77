"""The gold and predicted entities that the report compares."""

from dataclasses import dataclass
from typing import NamedTuple

from spacy.tokens import Doc

from ...tags import TokenSpan


class Entity(NamedTuple):
    """An entity of a text, without white space at its ends.

    start, end (int): Its characters, end exclusive.
    label (str): Its label.
    string (str): Its words, with one space for any white space between them.
    n_tokens (int): Number of its tokens.
    """

    start: int
    end: int
    label: str
    string: str
    n_tokens: int

    @classmethod
    def of(cls, doc: Doc, place: TokenSpan) -> "Entity":
        """An entity of a Doc.

        place (TokenSpan): Its tokens and its label.
        """
        span = doc[place.start : place.end]
        string = " ".join(span.text.split())
        return cls(span.start_char, span.end_char, place.label, string, len(span))


class Found(NamedTuple):
    """A predicted entity.

    entity (Entity): The entity.
    confidence (Optional[float]): Its probability; None if no `lstm_ner` predicted it.
    kind (str): One of `pairs.KINDS`, or `pairs.UNJUDGED`.
    gold (Optional[int]): The number of the gold entity of the text that it is paired
        with.
    """

    entity: Entity
    confidence: float | None
    kind: str
    gold: int | None


class Text(NamedTuple):
    """A text.

    text (str): Its characters.
    gold (Tuple[Entity, ...]): Its gold entities, from left to right.
    """

    text: str
    gold: tuple[Entity, ...]


@dataclass(frozen=True)
class Answers:
    """What a model finds in texts.

    name (str): The name of the model.
    lang (str): The language of the texts, "en" for instance.
    texts (List[Text]): The texts, with their gold entities.
    found (List[List[Found]]): The predicted entities of each text, from left to right.
        Those below the threshold are among them.
    threshold (Optional[float]): Entities of at least this confidence are the model's
        own, at its settings; None if no entity has a confidence.
    lowest (float): Down to this threshold, the entities are those that the model would
        find.
    gold_probabilities (Optional[List[List[Optional[float]]]]): The probability that the
        model gives to each gold entity of each text, exactly; None of one that it
        cannot judge. None if the entities are not those of one `lstm_ner`.
    """

    name: str
    lang: str
    texts: list[Text]
    found: list[list[Found]]
    threshold: float | None
    lowest: float = 0.0
    gold_probabilities: list[list[float | None]] | None = None

    def is_kept(self, found: Found) -> bool:
        """Whether a predicted entity is one at the model's own settings."""
        return (
            found.confidence is None
            or self.threshold is None
            or found.confidence >= self.threshold
        )
