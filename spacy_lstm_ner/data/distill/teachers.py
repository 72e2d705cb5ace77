"""Teachers: what they say of texts, and what several of them say together."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import minibatch
from spacy.vocab import Vocab

from ...component.confidences import confidence
from ...component.lessons import Answer, SoftTarget, soft_targets, store_answer
from ...component.lstm_ner import LSTMNer
from ...tags import TokenSpan


class Labelled(NamedTuple):
    """What one teacher says of one Doc.

    scores: The score of each entity.
    unclear: Tokens of entities that do not begin and end where tokens of the Doc do.
    paths: The distribution over tag paths, if the teacher has one.
    """

    scores: dict[TokenSpan, float]
    unclear: set[int]
    paths: SoftTarget | None = None


class Teacher:
    """A pipeline, or a function, that sets the entities of Docs.

    source (Union[Language, Callable[[Doc], Doc]]): A pipeline, or a function that sets
        `doc.ents` and returns the Doc.
    labels (Optional[Tuple[str, ...]]): The labels that it knows; None for a function.
    """

    def __init__(self, source: Language | Callable[[Doc], Doc]) -> None:
        self.source = source
        self.labels: tuple[str, ...] | None = None
        # The name of the only recognizer of this package.
        self._recognizer: str | None = None
        if isinstance(source, Language):
            labels: set[str] = set()
            for name, pipe in source.pipeline:
                if "doc.ents" in source.get_pipe_meta(name).assigns:
                    labels.update(getattr(pipe, "labels", ()))
            self.labels = tuple(sorted(labels))
            own = [name for name, p in source.pipeline if isinstance(p, LSTMNer)]
            self._recognizer = own[0] if len(own) == 1 else None

    def label(self, docs: Sequence[Doc]) -> list[Labelled]:
        """Ask for the entities of Docs, which stay as they are."""
        pairs = zip(docs, self._run(docs), strict=True)
        return [_read(found, doc, paths) for doc, (found, paths) in pairs]

    def _run(self, docs: Sequence[Doc]) -> Iterator[tuple[Doc, SoftTarget | None]]:
        """The teacher's Docs and, if exactly one recognizer has them, the distributions
        over tag paths. A batch of Docs at a time is in memory, because they may hold
        the vectors of a transformer."""
        nlp = self.source
        if not isinstance(nlp, Language):
            yield from ((nlp(_copy(doc, doc.vocab)), None) for doc in docs)
            return
        copies = (_copy(doc, nlp.vocab) for doc in docs)
        if self._recognizer is None:
            yield from ((doc, None) for doc in nlp.pipe(copies))
            return
        at = nlp.pipe_names.index(self._recognizer)
        first, later = nlp.pipe_names[: at + 1], nlp.pipe_names[at:]
        pipe: Any = nlp.get_pipe(self._recognizer)
        for batch in minibatch(nlp.pipe(copies, disable=later), nlp.batch_size):
            paths = pipe.paths(batch, pipe.settings)
            pipe.set_annotations(batch, paths.entities(pipe.settings))
            targets = soft_targets(paths.chain, pipe.labels)
            yield from zip(nlp.pipe(batch, disable=first), targets, strict=True)


def _copy(doc: Doc, vocab: Vocab) -> Doc:
    """A Doc of the same tokens, without annotation."""
    spaces = [bool(token.whitespace_) for token in doc]
    return Doc(vocab, words=[token.text for token in doc], spaces=spaces)


def _read(found: Doc, doc: Doc, paths: SoftTarget | None) -> Labelled:
    """The entities of a teacher's Doc, in tokens of another Doc of the same text."""
    scores: dict[TokenSpan, float] = {}
    unclear: set[int] = set()
    known = _scores_of_groups(found)
    for ent in found.ents:
        start, end, label = ent.start_char, ent.end_char, ent.label_
        span = doc.char_span(start, end, label)
        if span is None:
            around = doc.char_span(start, end, label, alignment_mode="expand")
            unclear.update(token.i for token in around or ())
            continue
        score = confidence(ent)
        if score is None:
            score = known.get((start, end, label), 1.0)
        key = TokenSpan(span.start, span.end, label)
        scores[key] = 1.0 if math.isnan(score) else score
    return Labelled(scores, unclear, paths)


def _scores_of_groups(doc: Doc) -> dict[tuple[int, int, str], float]:
    """The scores of the spans of all span groups that have them, as `spancat` stores
    them."""
    found: dict[tuple[int, int, str], float] = {}
    for group in doc.spans.values():
        scores = group.attrs.get("scores", ())
        if len(scores) == len(group):
            for span, score in zip(group, scores, strict=True):
                key = (span.start_char, span.end_char, span.label_)
                found[key] = float(score)
    return found


def merge(doc: Doc, labelled: Sequence[Labelled], teachers: Sequence[Teacher]) -> Doc:
    """The Doc from which a student learns: the entities of more than half of the
    teachers, by exact span and label.

    Tokens of other entities are not annotated. The score of an entity is the sum of its
    scores over the number of teachers. The distribution over tag paths is the
    normalized geometric mean of the teachers' distributions; there is none unless all
    of them have one, over the same labels.

    doc (Doc): The tokens.
    labelled (Sequence[Labelled]): What each teacher says of it.
    teachers (Sequence[Teacher]): The teachers, in the same order.
    RETURNS (Doc): A new Doc with an `Answer`.
    """
    silver = _copy(doc, doc.vocab)
    votes: dict[TokenSpan, list[float]] = defaultdict(list)
    unknown: set[int] = set()
    for each in labelled:
        unknown |= each.unclear
        for span, score in each.scores.items():
            votes[span].append(score)
    kept = sorted(
        span for span, found in votes.items() if 2 * len(found) > len(labelled)
    )
    for start, end, _ in votes.keys() - set(kept):
        unknown.update(range(start, end))
    for start, end, _ in kept:
        unknown.difference_update(range(start, end))
    silver.set_ents(
        [Span(silver, *span) for span in kept],
        missing=[silver[i : i + 1] for i in sorted(unknown)],
        default="outside",
    )
    scores = tuple(math.fsum(votes[span]) / len(labelled) for span in kept)
    labels: set[str] | None = set()
    for teacher in teachers:
        both = labels is not None and teacher.labels is not None
        labels = {*(labels or ()), *(teacher.labels or ())} if both else None
    known = None if labels is None else tuple(sorted(labels))
    store_answer(silver, Answer(scores, known, _mean([e.paths for e in labelled])))
    return silver


def _mean(targets: Sequence[SoftTarget | None]) -> SoftTarget | None:
    """The normalized geometric mean of distributions: the mean of their scores."""
    found = [target for target in targets if target is not None]
    kinds = {(t.labels, t.emit.shape, t.transitions is None) for t in found}
    if len(found) < len(targets) or len(kinds) != 1:
        return None
    if len(found) == 1:
        return found[0]
    emit = np.mean([t.emit.astype("f") for t in found], axis=0)
    arrays = [t.transitions for t in found if t.transitions is not None]
    transitions = None
    if arrays:
        columns = zip(*arrays, strict=True)
        transitions = tuple(np.mean(each, axis=0) for each in columns)
    return SoftTarget(found[0].labels, emit.astype("float16"), transitions)
