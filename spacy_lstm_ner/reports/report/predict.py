"""Lets a model find entities in annotated texts, and pairs them with the gold ones."""

from collections.abc import Callable, Iterable, Iterator
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

    If one `lstm_ner` sets all entities, those below its threshold are found, too.

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
    with _listing(nlp) as listing:
        docs = watch(nlp.pipe(eg.predicted for eg in examples))
        for eg, doc in zip(examples, docs, strict=True):
            eg.predicted = doc
            text, found = _compare(eg)
            texts.append(text)
            entities.append(found)
    if all(each.confidence is None for found in entities for each in found):
        return Answers(name, nlp.meta["lang"], texts, entities, None)
    return Answers(name, nlp.meta["lang"], texts, entities, *listing)


class _Listing(NamedTuple):
    """The threshold of a pipeline, and the lowest one for which it lists entities."""

    threshold: float
    lowest: float


@contextmanager
def _listing(nlp: Language) -> Iterator[_Listing]:
    """Lower the threshold of the recognizer that sets all entities, if there is one.

    Entities at a higher threshold are then those of at least this confidence: decoding
    by probability chooses the surest first. Thresholds of single labels, and other
    components, would break this; then the entities are those of the pipeline as it is.
    """
    setting = [n for n in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(n).assigns]
    pipes = [nlp.get_pipe(name) for name in setting]
    ner = pipes[0] if len(pipes) == 1 else None
    if not isinstance(ner, LSTMNer) or ner.label_thresholds:
        yield _Listing(0.0, 0.0)
        return
    threshold = ner.threshold
    lowest = 0.0 if ner.decoding == "best_path" else min(threshold, _LOWEST)
    ner.threshold = lowest
    try:
        yield _Listing(threshold, lowest)
    finally:
        ner.threshold = threshold


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
