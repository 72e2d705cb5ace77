"""What a teacher says of a text, and how a student learns it (distillation).

Labelling stores the teacher's answer in `doc.user_data` of the reference Doc: the
scores of its entities and, if the teacher is an `lstm_ner`, the scores of all tag
paths. A reader adds a `Lesson`: what of it training uses, and with which weight.
`objective` learns by it.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import get_array_module, to_numpy

from ..chains.bio_transitions import bio_transitions
from ..chains.learned_transitions import LearnedTransitions
from ..chains.linear_chain import LinearChain
from ..chains.path_sums import PathSums
from ..errors import Errors
from ..tags import TagSet

# Keys of `doc.user_data`.
_ANSWER = "lstm_ner_answer"
_LESSON = "lstm_ner_lesson"


@dataclass(frozen=True, eq=False)
class SoftTarget:
    """The scores of all tag paths of one text.

    labels: The labels of the tags.
    emit: Score of each tag at each token that is not white space; half precision.
        (T, N)
    transitions: Scores of transitions, of starts and of ends; None by the BIO rules
        alone.  (N, N), (N,), (N,)
    """

    labels: tuple[str, ...]
    emit: NDArray[np.float16]
    transitions: tuple[NDArray[np.float32], ...] | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What a teacher says of one text, beside the entities.

    scores: Score of each entity, by position, from 0 to 1.
    labels: The labels that the teacher knows; None if that is not known.
    paths: The distribution over tag paths, if the teacher has one.
    """

    scores: tuple[float, ...] = ()
    labels: tuple[str, ...] | None = None
    paths: SoftTarget | None = None


@dataclass(frozen=True, eq=False)
class Lesson:
    """How a student learns from an Example.

    weight: Factor of its loss.
    known: The labels that the annotation covers; None: all.
    paths: Learn this distribution; None: the annotation of the reference.
    temperature: Of `paths`, as of `cross_entropy`.
    """

    weight: float = 1.0
    known: tuple[str, ...] | None = None
    paths: SoftTarget | None = None
    temperature: float = 1.0

    @property
    def kind(self) -> tuple[Hashable, ...]:
        """Equal for Examples whose losses can be computed together."""
        rules: Hashable = None
        if self.paths is not None:
            arrays = self.paths.transitions or ()
            rules = (self.paths.labels, *(array.tobytes() for array in arrays))
        return self.weight, self.known, self.temperature, rules


def soft_targets(chain: LinearChain, labels: tuple[str, ...]) -> list[SoftTarget]:
    """The distributions over the tag paths of a batch, one for each sequence. The
    highest score of each token is moved to 0, for precision; probabilities stay the
    same.

    labels (Tuple[str, ...]): The labels of the tags.
    """
    emit, T = to_numpy(chain.emit), chain.transitions
    with np.errstate(over="ignore"):  # below the range of half precision: -inf
        emit = (emit - emit.max(axis=1, keepdims=True)).astype("float16")
    arrays = None
    if isinstance(T, LearnedTransitions):
        arrays = tuple(to_numpy(array).astype("float32") for array in T.arrays)
    ends = chain.first_rows + chain.lengths
    rows = zip(chain.first_rows.tolist(), ends.tolist(), strict=True)
    return [SoftTarget(labels, emit[start:end], arrays) for start, end in rows]


def store_answer(doc: Doc, answer: Answer) -> None:
    """Store an answer on a Doc, in types that spaCy can save."""
    found: dict[str, Any] = {"scores": list(answer.scores)}
    if answer.labels is not None:
        found["labels"] = list(answer.labels)
    if answer.paths is not None:
        found["path_labels"] = list(answer.paths.labels)
        found["emit"] = answer.paths.emit
        if answer.paths.transitions is not None:
            found["transitions"] = list(answer.paths.transitions)
    doc.user_data[_ANSWER] = found


def answer_of(doc: Doc) -> Answer | None:
    """The answer stored on a Doc; None if there is none."""
    found = doc.user_data.get(_ANSWER)
    if found is None:
        return None
    labels, paths = found.get("labels"), None
    if "emit" in found:
        arrays = found.get("transitions")
        paths = SoftTarget(
            tuple(found["path_labels"]),
            found["emit"],
            None if arrays is None else tuple(arrays),
        )
    known = None if labels is None else tuple(labels)
    return Answer(tuple(found["scores"]), known, paths)


def set_lesson(eg: Example, lesson: Lesson) -> None:
    """Set how a student learns from an Example."""
    eg.reference.user_data[_LESSON] = lesson


def lesson_of(eg: Example) -> Lesson:
    """How a student learns from an Example: by default its annotation, at a weight of
    1."""
    lesson: Lesson = eg.reference.user_data.get(_LESSON, _DEFAULT)
    return lesson


_DEFAULT = Lesson()


def teacher_chain(
    examples: Sequence[Example], chain: LinearChain, tag_set: TagSet
) -> LinearChain:
    """The teacher's scores as a chain of the student's tags.

    Paths that the student's chain forbids, across starts of sentences, are left out.
    Labels that the teacher lacks have no probability.

    examples (Sequence[Example]): Examples whose lessons have paths and are of the same
        kind.
    chain (LinearChain): The student's scores.
    tag_set (TagSet): The student's tags.
    RAISES ValueError: If the texts have other tokens (L240), if the student lacks a
        label (L241), or if no path is left (L242).
    """
    lengths = np.asarray(chain.lengths).tolist()
    targets = [paths for eg in examples if (paths := lesson_of(eg).paths)]
    for eg, target, n in zip(examples, targets, lengths, strict=True):
        if len(target.emit) != n:
            text, found = eg.reference.text[:50], len(target.emit)
            raise ValueError(Errors.L240.format(text=text, found=found, n=n))
    labels, T = targets[0].labels, targets[0].transitions
    unknown = [label for label in labels if label not in tag_set.label_numbers]
    if unknown:
        names = list(tag_set.labels)
        raise ValueError(Errors.L241.format(unknown=unknown, labels=names))
    numbers = np.array([tag_set.label_numbers[label] for label in labels], dtype=int)
    pairs = np.stack([tag_set.begin(numbers), tag_set.inside(numbers)], axis=1)
    tags = np.append(tag_set.outside, pairs)
    xp = get_array_module(chain.emit)
    emit = np.full((sum(lengths), tag_set.n_tags), -np.inf)
    emit[:, tags] = np.concatenate([target.emit for target in targets])
    is_allowed = to_numpy(xp.isfinite(chain.emit))
    emit[~is_allowed] = -np.inf
    transitions: Any = bio_transitions(tag_set.n_tags, xp)
    if T is not None:
        scores = np.full((tag_set.n_tags, tag_set.n_tags), -np.inf)
        ends = np.full((2, tag_set.n_tags), -np.inf)
        scores[tags[:, None], tags], ends[:, tags] = T[0], T[1:]
        transitions = LearnedTransitions(*map(xp.asarray, (scores, *ends)))
    teacher = LinearChain(xp.asarray(emit), chain.lengths, transitions)
    if not is_allowed.all():
        has_path = PathSums(teacher).has_path()
        if not has_path.all():
            text = examples[int(has_path.argmin())].reference.text[:50]
            raise ValueError(Errors.L242.format(text=text))
    return teacher
