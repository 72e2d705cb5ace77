"""Lets a model find entities in annotated texts, and pairs them with the gold ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ...component.confidences import confidence
from ...component.gold import aligned, token_spans
from ...component.lstm_ner import LSTMNer
from ...component.white_space import entities_of, trim, warning_of_white_space
from ...errors import Errors
from ..check.opinions import find_opinions
from ..recognizers import docs_before, raw_doc
from .entities import Answers, Entity, Found, Text
from .pairs import pair

# With decoding by probability, entities down to this confidence are found, for the
# slider of the threshold. Less probable ones would be many, and few of them right.
_LOWEST = 0.05


def predict(
    nlp: Language,
    examples: Iterable[Example],
    *,
    name: str,
    watch: Callable[[Iterable[Doc]], Iterable[Doc]] = iter,
) -> Answers:
    """Let a pipeline find the entities of texts, and pair them with the gold ones.

    If one `lstm_ner` sets all entities, those below its threshold are found, too, and
    the gold entities get their probabilities.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): The annotated texts; the predicted Docs are processed
        here. As `spacy evaluate` does, texts and tokens without annotation are left
        out, and white space at the ends of entities (with a warning, L501).
    name (str): The name of the model.
    watch (Callable): Passes the processed Docs on: a progress bar.
    RETURNS (Answers): The entities.
    RAISES ValueError (L320): If the two Docs of an Example have different texts.
    """
    examples = list(warning_of_white_space(examples, "the gold texts"))
    for i, eg in enumerate(examples, start=1):
        if eg.predicted.text != eg.reference.text:
            raise ValueError(
                Errors.L320.format(
                    i=i, found=eg.predicted.text[:50], expected=eg.reference.text[:50]
                )
            )
    texts: list[Text] = []
    entities: list[list[Found]] = []
    recognizer = _only_recognizer(nlp)
    with _listing(recognizer) as listing:
        docs = watch(nlp.pipe(eg.predicted for eg in examples))
        for eg, doc in zip(examples, docs, strict=True):
            eg.predicted = doc
            text, found = _compare(eg)
            texts.append(text)
            entities.append(found)
    has_confidences = any(e.confidence is not None for found in entities for e in found)
    return Answers(
        name,
        nlp.meta["lang"],
        texts,
        entities,
        listing.threshold if has_confidences else None,
        listing.lowest,
        None if recognizer is None else _judge_gold(nlp, recognizer, examples, texts),
    )


def _only_recognizer(nlp: Language) -> LSTMNer | None:
    """The `lstm_ner` of a pipeline, if no other component sets entities."""
    setting = [n for n in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(n).assigns]
    found = nlp.get_pipe(setting[0]) if len(setting) == 1 else None
    return found if isinstance(found, LSTMNer) else None


class _Listing(NamedTuple):
    """The threshold of a pipeline, and the lowest one for which it lists entities."""

    threshold: float
    lowest: float


@contextmanager
def _listing(ner: LSTMNer | None) -> Iterator[_Listing]:
    """Lower the threshold of the recognizer that sets all entities, if there is one.

    Entities at a higher threshold are then those of at least this confidence: decoding
    by probability chooses the surest first. Thresholds of single labels would break
    this; then the entities are those of the pipeline as it is.
    """
    if ner is None or ner.label_thresholds:
        yield _Listing(0.0, 0.0)
        return
    threshold = ner.threshold
    lowest = 0.0 if ner.decoding == "best_path" else min(threshold, _LOWEST)
    ner.threshold = lowest
    try:
        yield _Listing(threshold, lowest)
    finally:
        ner.threshold = threshold


def _judge_gold(
    nlp: Language, ner: LSTMNer, examples: Sequence[Example], texts: Sequence[Text]
) -> list[list[float | None]]:
    """The probability of each gold entity."""
    golds = [eg.reference for eg in examples]
    raw = (raw_doc(gold, nlp.make_doc) for gold in golds)
    docs = list(docs_before(nlp, ner.name, raw))
    opinions = find_opinions(golds, docs, ner, batch_size=nlp.batch_size)
    found: list[list[float | None]] = []
    for text, doc, opinion in zip(texts, docs, opinions, strict=True):
        probabilities = {
            Entity.of(doc, trimmed)[:3]: probability
            for span, probability in opinion.entities.items()
            if (trimmed := trim(doc, span)) is not None
        }
        found.append([probabilities.get(entity[:3]) for entity in text.gold])
    return found


def _compare(eg: Example) -> tuple[Text, list[Found]]:
    gold = entities_of(eg.reference)
    pairs = [
        (trimmed, aligned(eg, span), confidence(ent))
        for ent, span in zip(
            eg.predicted.ents, token_spans(eg.predicted.ents), strict=True
        )
        if (trimmed := trim(eg.predicted, span)) is not None
    ]
    judged = pair(gold, [p[1] for p in pairs], [p[2] for p in pairs])
    found = [
        Found(Entity.of(eg.predicted, place), sureness, *kind)
        for (place, _, sureness), kind in zip(pairs, judged, strict=True)
    ]
    text = Text(eg.text, tuple(Entity.of(eg.reference, place) for place in gold))
    return text, found
