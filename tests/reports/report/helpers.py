"""Texts with gold and predicted entities, without a model."""

import random
from collections.abc import Mapping, Sequence

import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_lstm_ner.component.annotations import ScoredSpan, set_entities
from spacy_lstm_ner.component.settings import Settings
from spacy_lstm_ner.reports.report import Answers, predict
from spacy_lstm_ner.tags import TokenSpan

NLP = spacy.blank("en")
Spans = Mapping[tuple[int, int, str], float] | Sequence[tuple[int, int, str]]


def example(words: str | Sequence[str], gold: Spans, found: Spans) -> Example:
    """An example whose predicted Doc has entities already: start and end in tokens, and
    label; with confidences if they are a mapping."""
    words = words.split() if isinstance(words, str) else words
    reference, predicted = (Doc(NLP.vocab, words=list(words)) for _ in range(2))
    reference.set_ents([spacy.tokens.Span(reference, *span) for span in gold])
    if isinstance(found, Mapping):
        scored = [ScoredSpan(TokenSpan(*span), p) for span, p in found.items()]
        set_entities([predicted], [scored], Settings(), "lstm_ner")
    else:
        predicted.set_ents([spacy.tokens.Span(predicted, *span) for span in found])
    return Example(predicted, reference)


def answers(*examples: Example, name: str = "model") -> Answers:
    """The answers of a model that has found the entities of these examples."""
    return predict(NLP, examples, name=name)


def random_examples(seed: int, n: int = 60) -> list[Example]:
    """Texts with many entities, which overlap in all ways."""
    rng = random.Random(seed)

    def spans(n_tokens: int) -> list[tuple[int, int, str]]:
        found, place = [], 0
        while (place := place + rng.choice([0, 0, 1, 2])) < n_tokens:
            end = min(place + rng.choice([1, 1, 2, 3]), n_tokens)
            found.append((place, end, rng.choice(["A", "B", "C"])))
            place = end
        return found

    examples = []
    for _ in range(n):
        words = [f"w{rng.randrange(50)}" for _ in range(rng.randrange(1, 15))]
        gold = spans(len(words))
        kept = [span for span in gold if rng.random() < 0.5]
        found = kept if rng.random() < 0.5 else spans(len(words))
        examples.append(example(words, gold, found))
    return examples
