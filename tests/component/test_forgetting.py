"""Learning a new label without forgetting the old one: `nlp.rehearse`.

The new label stands in the frames of the old one, so learning it alone overwrites the
old one. Rehearsal of other texts, which needs no annotation, keeps it.
"""

import pytest
from contract.helpers import (
    FACTORY,
    clone,
    make_example,
    make_nlp,
    trained,
    unannotated_example,
)
from spacy.language import Language
from thinc.api import Adam, fix_random_seed

OLD, NEW = "PER", "ART"
FRAMES = ["we met {} at the station", "nobody told {} about it", "then {} was late"]
NAMES = ["Ada", "Carl", "Dora", "Eve"]
THINGS = ["guitar", "organ", "cello", "flute"]


def texts_of(words: list[str]) -> dict[str, str]:
    """Each word in each frame."""
    return {frame.format(word): word for frame in FRAMES for word in words}


@pytest.fixture(scope="module")
def old_nlp() -> Language:
    """A pipeline that knows the old label."""
    fix_random_seed(0)
    nlp = make_nlp()
    examples = [
        make_example(nlp, text, {word: OLD}) for text, word in texts_of(NAMES).items()
    ]
    return trained(nlp, examples)


def recall(nlp: Language, words: list[str], label: str) -> float:
    """Share of the words that are found with the label."""
    texts = texts_of(words)
    found = [
        (word, label) in [(ent.text, ent.label_) for ent in doc.ents]
        for doc, word in zip(nlp.pipe(texts), texts.values(), strict=True)
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize("rehearses", [True, False])
def test_new_label_is_learned_and_the_old_one_is_kept_by_rehearsal(old_nlp, rehearses):
    fix_random_seed(0)
    nlp = clone(old_nlp)
    assert recall(nlp, NAMES, OLD) == 1
    nlp.get_pipe(FACTORY).add_label(NEW)
    nlp.resume_training()
    sgd = Adam(0.01)
    new = [
        make_example(nlp, text, {word: NEW}) for text, word in texts_of(THINGS).items()
    ]
    old = [unannotated_example(nlp, text) for text in texts_of(NAMES)]
    for _ in range(40):
        nlp.update(new, sgd=sgd)
        if rehearses:
            nlp.rehearse(old, sgd=sgd)
    assert recall(nlp, THINGS, NEW) == 1
    kept = recall(nlp, NAMES, OLD)
    assert kept == 1 if rehearses else kept < 0.3
