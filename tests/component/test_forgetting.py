"""Learning a new label without forgetting the old ones: `nlp.rehearse`.

A model of seven labels learns the eighth from sentences in which no other stands. The
sentences say nothing against the old labels; they are forgotten all the same, unless
other texts are rehearsed, which needs no annotation.
"""

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import cycle, islice

import pytest
import spacy
from spacy.language import Language
from spacy.scorer import PRFScore
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_lstm_ner.course.demo_corpus import LABELS, Sentence, generate

SEED = 0
NEW = "nat"
OLD = [label for label in LABELS if label != NEW]

N_OLD_SENTENCES = 2000
N_SENTENCES = 20_000  # enough for more than a hundred with the new label only
EPOCHS = 8
BATCH_SIZE = 16

N_UPDATES = 100
N_NEW = 8  # sentences of an update
N_REHEARSED = 32  # texts rehearsed after it


@pytest.fixture(scope="module")
def old_sentences() -> list[Sentence]:
    """Sentences of the training part without the new label."""
    sentences = generate("train", N_OLD_SENTENCES)
    return [sent for sent in sentences if NEW not in labels_of(sent)]


@pytest.fixture(scope="module")
def new_sentences() -> list[Sentence]:
    """Sentences of the training part with the new label and no other."""
    sentences = generate("train", N_SENTENCES)
    return [sent for sent in sentences if labels_of(sent) == {NEW}]


@pytest.fixture(scope="module")
def dev_sentences() -> list[Sentence]:
    """The dev part, with all labels."""
    return list(generate("dev", 500))


@pytest.fixture(scope="module")
def old_nlp(old_sentences: list[Sentence]) -> Language:
    """A pipeline that knows the old labels."""
    fix_random_seed(SEED)
    nlp = spacy.blank("en")
    nlp.add_pipe("lstm_ner")
    examples = [make_example(nlp, sent) for sent in old_sentences]
    sgd = nlp.initialize(lambda: examples)
    batches = shuffled_batches(examples, BATCH_SIZE)
    for batch in islice(batches, EPOCHS * len(examples) // BATCH_SIZE):
        nlp.update(batch, sgd=sgd, drop=0.3)
    assert set(nlp.get_pipe("lstm_ner").labels) == set(OLD)
    return nlp


def labels_of(sentence: Sentence) -> set[str]:
    return {span.label for span in sentence.spans}


def make_doc(nlp: Language, sentence: Sentence) -> Doc:
    return Doc(nlp.vocab, words=list(sentence.words))


def make_example(nlp: Language, sentence: Sentence) -> Example:
    reference = make_doc(nlp, sentence)
    reference.ents = [Span(reference, *span) for span in sentence.spans]
    return Example(make_doc(nlp, sentence), reference)


def unannotated_example(nlp: Language, sentence: Sentence) -> Example:
    return Example(make_doc(nlp, sentence), make_doc(nlp, sentence))


def shuffled_batches(items: Sequence[Example], size: int) -> Iterator[list[Example]]:
    """Batches without end: the items in one random order, again and again."""
    stream = cycle(random.Random(SEED).sample(items, len(items)))
    while True:
        yield list(islice(stream, size))


def learn_new_label(
    old_nlp: Language,
    new: Iterable[Sentence],
    rehearsed: Iterable[Sentence],
    *,
    rehearses: bool,
) -> Language:
    """A copy of the pipeline that has learned the new label as well."""
    fix_random_seed(SEED)
    nlp = spacy.blank("en")
    nlp.add_pipe("lstm_ner")
    nlp.from_bytes(old_nlp.to_bytes())
    nlp.get_pipe("lstm_ner").add_label(NEW)
    sgd = nlp.resume_training()
    updates = shuffled_batches([make_example(nlp, sent) for sent in new], N_NEW)
    texts = [unannotated_example(nlp, sent) for sent in rehearsed]
    rehearsals = shuffled_batches(texts, N_REHEARSED)
    for _ in range(N_UPDATES):
        nlp.update(next(updates), sgd=sgd, drop=0.1)
        if rehearses:
            nlp.rehearse(next(rehearsals), sgd=sgd)
    return nlp


def f1(nlp: Language, gold: Sequence[Sentence], labels: Collection[str]) -> float:
    """F1 of the entities that have these labels, in points."""
    score = PRFScore()
    docs = nlp.pipe(make_doc(nlp, sentence) for sentence in gold)
    for doc, sentence in zip(docs, gold, strict=True):
        found = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
        score.score_set(
            {span for span in found if span[2] in labels},
            {tuple(span) for span in sentence.spans if span.label in labels},
        )
    return 100 * score.fscore


def test_new_label_is_learned_and_old_ones_are_kept_by_rehearsal(
    old_nlp, old_sentences, new_sentences, dev_sentences
):
    before = f1(old_nlp, dev_sentences, OLD)
    fall, new = {}, {}
    for rehearses in (True, False):
        nlp = learn_new_label(
            old_nlp, new_sentences, old_sentences, rehearses=rehearses
        )
        fall[rehearses] = before - f1(nlp, dev_sentences, OLD)
        new[rehearses] = f1(nlp, dev_sentences, [NEW])
    figures = (
        f"F1 of the old labels was {before:.1f}; it falls by {fall[True]:.1f} with "
        f"rehearsal and by {fall[False]:.1f} without. F1 of the new label is "
        f"{new[True]:.1f} with rehearsal and {new[False]:.1f} without."
    )
    print(figures)
    assert before > 75, figures
    assert fall[True] < 3, figures
    assert fall[False] > fall[True] + 10, figures
    assert new[True] > 40, figures
