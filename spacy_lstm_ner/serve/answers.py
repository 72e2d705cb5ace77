"""Texts -> what a recognizer finds in them, as plain values that JSON can hold.

The questions of a batch may differ in their settings: the tag paths of all texts are
computed once, and decoded by the settings of each question. The component's own
settings are read and never changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..component.analysis import Alternatives, alternatives, n_best
from ..component.annotations import ScoredSpan, set_entities
from ..component.confidences import confidence
from ..component.doc_paths import DocPaths
from ..component.settings import Settings
from ..reports.recognizers import docs_before, docs_behind, find_recognizer
from ..tags import TokenSpan

# Number of tokens whose paths are computed at once: bounds the memory.
MAX_TOKENS = 20_000
# Probabilities are told with this number of digits behind the point.
_DIGITS = 6

Answer = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """Texts, and what to tell about each.

    texts: The texts.
    threshold: Least confidence of an entity, for all labels; None: as the pipeline.
    decoding: One of `DECODING` of the component; None: as the pipeline.
    candidates: List the other spans that reach the threshold, or this probability;
        None: as the pipeline.
    n_best: Number of the most probable sets of entities to list.
    tokens: List the tokens.
    """

    texts: Sequence[str]
    threshold: float | None = None
    decoding: str | None = None
    candidates: bool | float | None = None
    n_best: int = 0
    tokens: bool = False

    def settings(self, default: Settings) -> Settings:
        """The settings of a component as the question changes them.

        RAISES ValueError: If a value is out of its range (L014, L100).
        """
        changed: dict[str, Any] = {}
        if self.threshold is not None:
            changed = {"threshold": self.threshold, "label_thresholds": {}}
        if self.decoding is not None:
            changed["decoding"] = self.decoding
        if self.candidates is not None:
            changed["candidates"] = self.candidates is not False
        return replace(default, **changed)


@dataclass(frozen=True)
class SpanQuestion:
    """Where the probability of some characters of a text goes.

    text: The text.
    start, end: The characters, start <= i < end, not white space alone. Tokens that
        they are part of count as a whole.
    """

    text: str
    start: int
    end: int

    @property
    def texts(self) -> Sequence[str]:
        """The only text."""
        return [self.text]


AnyQuestion = Question | SpanQuestion


class Answerer:
    """Answers questions with a pipeline. Only one thread at a time may ask.

    nlp (Language): The pipeline. It is not changed.
    component (Optional[str]): Name of the recognizer; None: the only one.
    RAISES ValueError (L206): If there is none, or several and no name.
    """

    def __init__(self, nlp: Language, component: str | None = None) -> None:
        self.nlp = nlp
        self.name, self.ner = find_recognizer(nlp, component)

    def __call__(self, questions: Sequence[AnyQuestion]) -> list[list[Answer]]:
        """Answer a batch. Its words leave the memory of the pipeline afterwards.

        questions (Sequence[AnyQuestion]): The questions.
        RETURNS (List[List[Answer]]): For each question, an answer per text.
        """
        asked = [question for question in questions for _ in question.texts]
        texts = (text for question in questions for text in question.texts)
        with self.nlp.memory_zone():
            docs = docs_before(self.nlp, self.name, texts)
            pairs = zip(asked, docs, strict=True)
            answers = iter(
                [answer for part in _parts(pairs) for answer in self._answer(*part)]
            )
        return [[next(answers) for _ in question.texts] for question in questions]

    def _answer(
        self, questions: Sequence[AnyQuestion], docs: Sequence[Doc]
    ) -> list[Answer]:
        """Answer the question about each Doc."""
        paths = self.ner.paths(docs, self.ner.settings)
        answers: list[Answer] = [{} for _ in docs]
        groups: dict[tuple[Question, type], list[int]] = {}
        for i, question in enumerate(questions):
            if isinstance(question, SpanQuestion):
                answers[i] = _explain(question, paths, i, docs[i])
            else:
                # True equals 1.0, but means something else.
                key = replace(question, texts=()), type(question.candidates)
                groups.setdefault(key, []).append(i)
        for (question, _), chosen in groups.items():
            part = [docs[i] for i in chosen]
            found = self._find(question, paths.take(chosen), part)
            for i, answer in zip(chosen, found, strict=True):
                answers[i] = answer
        return answers

    def _find(
        self, question: Question, paths: DocPaths, docs: list[Doc]
    ) -> list[Answer]:
        """Answer one question about several Docs."""
        settings = question.settings(self.ner.settings)
        readings = _readings(paths, docs, question.n_best) if question.n_best else []
        spans = _decode(question, paths, settings)
        set_entities(docs, spans, settings, self.name)
        if self.nlp.pipe_names[-1] != self.name:
            docs = list(docs_behind(self.nlp, self.name, docs))
        answers = []
        for i, doc in enumerate(docs):
            answer: Answer = {"entities": [_scored(ent) for ent in doc.ents]}
            if settings.candidates:
                answer["candidates"] = list(_candidates(doc, settings.spans_key))
            if readings:
                answer["n_best"] = readings[i]
            if question.tokens:
                answer["tokens"] = [[t.idx, t.idx + len(t)] for t in doc]
            answers.append(answer)
        return answers


def _parts(
    pairs: Iterable[tuple[AnyQuestion, Doc]],
) -> Iterator[tuple[list[AnyQuestion], list[Doc]]]:
    """Cut a batch into parts that are not too large."""
    questions: list[AnyQuestion] = []
    docs: list[Doc] = []
    n_tokens = 0
    for question, doc in pairs:
        if docs and n_tokens + len(doc) > MAX_TOKENS:
            yield questions, docs
            questions, docs, n_tokens = [], [], 0
        questions.append(question)
        docs.append(doc)
        n_tokens += len(doc)
    if docs:
        yield questions, docs


def _decode(
    question: Question, paths: DocPaths, settings: Settings
) -> list[list[ScoredSpan]]:
    """The entities of each Doc, and the candidates."""
    if not settings.candidates or isinstance(question.candidates, bool | None):
        return paths.entities(settings)
    entities = paths.entities(replace(settings, candidates=False))
    listed = Settings(
        decoding="probability", threshold=question.candidates, candidates=True
    )
    others = paths.entities(listed)
    return [
        [*chosen, *_others(chosen, listed_here)]
        for chosen, listed_here in zip(entities, others, strict=True)
    ]


def _readings(paths: DocPaths, docs: Sequence[Doc], n: int) -> list[list[Answer]]:
    """The n most probable sets of entities of each Doc."""
    return [
        [
            {
                "probability": round(each.probability, _DIGITS),
                "entities": [_place(doc, span) for span in each.entities],
            }
            for each in analyses
        ]
        for doc, analyses in zip(docs, n_best(paths, n), strict=True)
    ]


def _others(
    chosen: Sequence[ScoredSpan], listed: Sequence[ScoredSpan]
) -> Iterator[ScoredSpan]:
    spans = {each.span for each in chosen}
    return (s._replace(is_entity=False) for s in listed if s.span not in spans)


def _explain(
    question: SpanQuestion, paths: DocPaths, i: int, doc: Doc
) -> dict[str, Any]:
    """Answer a question about a span."""
    span: Any = doc.char_span(question.start, question.end, alignment_mode="expand")
    found: Alternatives = alternatives(paths, i, span.start, span.end)
    labels = sorted(found.labels.items(), key=lambda each: -each[1])
    return {
        "start": span.start_char,
        "end": span.end_char,
        "text": span.text,
        "labels": [
            {"label": label, "probability": round(prob, _DIGITS)}
            for label, prob in labels
        ],
        "others": round(found.others, _DIGITS),
        "spans": [
            {**_place(doc, each.span), "probability": round(each.confidence, _DIGITS)}
            for each in found.spans
        ],
        "none": round(found.none, _DIGITS),
    }


def _place(doc: Doc, span: TokenSpan) -> dict[str, Any]:
    start, end, label = span
    last = doc[end - 1]
    first_char, last_char = doc[start].idx, last.idx + len(last)
    text = doc.text[first_char:last_char]
    return {"start": first_char, "end": last_char, "label": label, "text": text}


def _scored(span: Span) -> dict[str, Any]:
    score = confidence(span)
    return {
        "start": span.start_char,
        "end": span.end_char,
        "label": span.label_,
        "text": span.text,
        "confidence": None if score is None else round(score, _DIGITS),
    }


def _candidates(doc: Doc, key: str) -> Iterator[dict[str, Any]]:
    """The spans of a group that are no entities."""
    entities = {(ent.start, ent.end, ent.label) for ent in doc.ents}
    for span in doc.spans.get(key, ()):
        if (span.start, span.end, span.label) not in entities:
            yield _scored(span)
