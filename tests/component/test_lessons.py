"""What a teacher says of a text: stored, saved, and learned."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import spacy
from contract.helpers import initialized, make_example, make_nlp, train, trained
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from util import as_learned, bio_chain, fresh, gradient_error, random_chain

from spacy_lstm_ner.chains.linear_chain import LinearChain
from spacy_lstm_ner.chains.losses import cross_entropy
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.component.lessons import (
    Answer,
    Lesson,
    answer_of,
    set_lesson,
    soft_targets,
    store_answer,
)
from spacy_lstm_ner.component.objective import get_loss
from spacy_lstm_ner.component.settings import Settings
from spacy_lstm_ner.tags import TagSet

LABELS = ("GPE", "PER")
TAG_SET = TagSet(LABELS)
VOCAB = spacy.blank("xx").vocab
WORDS = (["Ada", "met", "Bob"], ["in", "\n", "Rome"], ["today"])


def crf_chain(lengths, n_tags, *, seed=0):
    """A chain with a score for each transition that the BIO rules allow."""
    chain = random_chain(lengths, n_tags, seed=seed)
    rules = as_learned(bio_chain(lengths, n_tags)).transitions
    return replace(chain, transitions=chain.transitions.plus(rules))


def example(words, tags=()) -> Example:
    reference = Doc(VOCAB, words=list(words), ents=list(tags) or None)
    return Example(Doc(VOCAB, words=list(words)), reference)


def examples_with(targets, **settings) -> list[Example]:
    """Examples of WORDS that teach these distributions."""
    examples = [example(words) for words in WORDS[: len(targets)]]
    for eg, target in zip(examples, targets, strict=True):
        set_lesson(eg, Lesson(paths=target, **settings))
    return examples


def loss_of(examples, chain, tag_set=TAG_SET):
    return get_loss(examples, chain, tag_set, Settings())


# White space has scores, but no tag.
ALL, TAGGED = [3, 3, 1], [3, 2, 1]
ROWS = [0, 1, 2, 3, 5, 6]


@pytest.mark.parametrize("make_target", [bio_chain, crf_chain])
@pytest.mark.parametrize("make_chain", [bio_chain, crf_chain])
def test_loss_is_the_cross_entropy_with_the_teacher(make_chain, make_target):
    chain, teacher = make_chain(ALL, 5), make_target(TAGGED, 5, seed=1)
    examples = examples_with(soft_targets(teacher, LABELS), temperature=2.0)
    loss, gradient = loss_of(examples, chain)
    lengths = np.array(TAGGED)
    expected, _ = cross_entropy(chain.take(np.array(ROWS), lengths), teacher, 2.0)
    assert loss == pytest.approx(expected, rel=1e-3)  # half precision
    assert not gradient.emit[4].any()
    chain = replace(chain, emit=chain.emit.astype("float64"))
    error = gradient_error(
        lambda: loss_of(examples, fresh(chain))[0],
        chain.emit,
        loss_of(examples, chain)[1].emit,
        eps=1e-4,
    )
    assert error < 1e-6


def test_labels_may_stand_in_another_order_or_be_more():
    """A label that the teacher lacks has no probability."""
    chain, teacher = bio_chain(TAGGED, 5), crf_chain(TAGGED, 5, seed=1)
    words = (WORDS[0], ["in", "Rome"], WORDS[2])
    order = [0, 3, 4, 1, 2]  # O, then the tags of the other label
    swapped = teacher.take_tags(np.array(order))
    losses = []
    for target, names in ((teacher, LABELS), (swapped, LABELS[::-1])):
        examples = [example(each) for each in words]
        targets = soft_targets(target, names)
        for eg, paths in zip(examples, targets, strict=True):
            set_lesson(eg, Lesson(paths=paths))
        losses.append(loss_of(examples, chain)[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    wider = random_chain(TAGGED, 7)
    wider = replace(wider, transitions=bio_chain(TAGGED, 7).transitions)
    gradient = loss_of(examples, wider, TagSet([*LABELS, "ORG"]))[1]
    expected = PathSums(wider).marginals()[:, 5:]
    np.testing.assert_allclose(gradient.emit[:, 5:], expected, rtol=1e-5)


def test_each_example_counts_by_its_weight():
    """Soft and hard targets in one batch; the loss is the weighted sum."""
    chain = bio_chain(TAGGED, 5)
    words = (WORDS[0], ["in", "Rome"], WORDS[2])
    (target, _, _) = soft_targets(crf_chain(TAGGED, 5, seed=1), LABELS)
    lessons = [Lesson(0.5, paths=target), Lesson(3.0), None]
    tags = ([], ["O", "B-GPE"], ["O"])
    examples = [example(*each) for each in zip(words, tags, strict=True)]
    for eg, lesson in zip(examples, lessons, strict=True):
        if lesson is not None:
            set_lesson(eg, lesson)
    loss, gradient = loss_of(examples, chain)
    expected, parts = 0.0, []
    for i, (eg, weight) in enumerate(zip(examples, (0.5, 3.0, 1.0), strict=True)):
        if i == 0:
            set_lesson(eg, Lesson(paths=target))
        else:
            set_lesson(eg, Lesson())
        part, d_part = loss_of([eg], chain.take_sequences(np.arange(3) == i))
        expected += weight * part
        parts.append(weight * d_part.emit)
    assert loss == pytest.approx(expected)
    np.testing.assert_allclose(gradient.emit, np.concatenate(parts), atol=1e-7)


@pytest.mark.parametrize("make_target", [bio_chain, crf_chain])
def test_answers_are_saved_with_the_doc(make_target):
    _, target, _ = soft_targets(make_target(ALL, 5), LABELS)
    doc = Doc(VOCAB, words=WORDS[1], ents=["O", "O", "B-GPE"])
    store_answer(doc, Answer((0.75,), ("GPE", "PER", "ORG"), target))
    saved = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (loaded,) = DocBin().from_bytes(saved).get_docs(spacy.blank("xx").vocab)
    found = answer_of(loaded)
    assert (found.scores, found.labels) == ((0.75,), ("GPE", "PER", "ORG"))
    assert found.paths.labels == LABELS
    np.testing.assert_array_equal(found.paths.emit, target.emit)
    assert (found.paths.transitions is None) == (make_target is bio_chain)
    if make_target is crf_chain:
        pairs = zip(found.paths.transitions, target.transitions, strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)


def test_answers_without_a_distribution():
    doc = Doc(VOCAB, words=WORDS[0])
    assert answer_of(doc) is None
    store_answer(doc, Answer((0.5, 1.0)))
    found = answer_of(doc)
    assert (found.scores, found.labels, found.paths) == ((0.5, 1.0), None, None)


def test_scores_out_of_range_of_half_precision_are_forbidden():
    emit = np.array([[1e6, 0.0, -1e5], [-5.0, -6.0, -np.inf]])
    chain = LinearChain(emit, np.array([2]), bio_chain([2], 3).transitions)
    (target,) = soft_targets(chain, ("PER",))
    expected = [[0, -np.inf, -np.inf], [0, -1, -np.inf]]
    np.testing.assert_array_equal(target.emit, expected)


def test_texts_with_other_tokens_are_refused():
    (target, *_) = soft_targets(bio_chain([4, 1], 5), LABELS)
    with pytest.raises(ValueError, match=r"L240.*Ada met Bob.*of 4 tokens.*sees 3"):
        loss_of(examples_with([target]), bio_chain([3], 5))


def test_labels_that_the_student_lacks_are_refused():
    targets = soft_targets(bio_chain([3], 7), ("GPE", "ORG", "PER"))
    with pytest.raises(ValueError, match=r"L241.*\['ORG'\].*GPE.*PER"):
        loss_of(examples_with(targets), bio_chain([3], 5))


def test_entities_across_sentences():
    """No path of the student has them, so the teacher's other paths count; if it has
    no others, it is told."""
    chain = bio_chain([3], 5)
    emit = np.array([[-9.0, -9, -9, 0, -9], [-1, -9, -9, -9, 0], [0, -9, -9, -9, -9]])
    for certain in (False, True):
        if certain:
            emit[emit < 0] = -np.inf
        teacher = replace(chain, emit=emit)
        (eg,) = examples_with(soft_targets(teacher, LABELS))
        eg.predicted[1].is_sent_start = True
        if certain:
            with pytest.raises(ValueError, match=r"L242.*Ada met Bob"):
                loss_of([eg], chain)
        else:
            allowed = np.ones(emit.shape, dtype=bool)
            allowed[1, 2::2] = False
            inside = (each.constrain(allowed) for each in (chain, teacher))
            expected = cross_entropy(*inside)[0]
            assert loss_of([eg], chain)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("known", "missing"),
    [(("PER", "ORG"), r"\['GPE'\]"), ((), r"\['GPE', 'PER'\]")],
)
def test_labels_that_the_teacher_does_not_know_are_told(
    known: tuple[str, ...], missing: str
):
    eg = example(WORDS[0], ["B-PER", "O", "B-PER"])
    set_lesson(eg, Lesson(known=known))
    with pytest.warns(UserWarning, match=rf"L250.*{missing}"):
        loss_of([eg], bio_chain([3], 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_lesson(eg, Lesson(known=("PER", "GPE")))
        loss_of([eg], bio_chain([3], 5))


def test_a_student_learns_the_probabilities_of_its_teacher():
    """Texts that are ambiguous: the annotation alone would make it certain."""
    teacher = make_nlp()
    data = [("Ada met Rome", {"Ada": "PER", "Rome": "GPE"}), ("Ada met Rome", {})]
    trained(teacher, [make_example(teacher, *each) for each in data])
    pipe = teacher.get_pipe("lstm_ner")
    docs = [teacher.make_doc("Ada met Rome")]
    (target,) = soft_targets(pipe.paths(docs, pipe.settings).chain, pipe.labels)
    student = make_nlp()
    eg = make_example(student, "Ada met Rome", {})
    set_lesson(eg, Lesson(paths=target))
    initialized(student, [eg])
    assert student.get_pipe("lstm_ner").labels == ("GPE", "PER")
    train(student, [eg], steps=60)
    found, expected = (
        PathSums(each.get_pipe("lstm_ner").model.predict([eg.predicted])).marginals()
        for each in (student, teacher)
    )
    assert expected[0, 3] == pytest.approx(0.5, abs=0.2)
    np.testing.assert_allclose(found, expected, atol=0.05)
