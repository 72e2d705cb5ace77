"""A pipeline that is unsure of its entities."""

from functools import cache

import pytest
from contract.helpers import (
    make_nlp,
    trained,
)
from spacy.language import Language
from thinc.api import fix_random_seed
from util import all_paths

from spacy_lstm_ner.data.tag_schemes import to_spans
from spacy_lstm_ner.tags import TagSet

from .unsure import DISAGREEING, LABELS, TEXT, Path, examples_of, pipe_of


@pytest.fixture(scope="session")
def unsure() -> bytes:
    fix_random_seed(0)
    nlp = make_nlp()
    return trained(nlp, examples_of(nlp, DISAGREEING)).to_bytes()


@pytest.fixture
def load(unsure):
    """Loads the pipeline that is unsure with some settings."""

    def load(**settings) -> Language:
        return make_nlp(**settings).from_bytes(unsure)

    return load


@pytest.fixture(scope="session")
def shared(unsure):
    """As `load`, once for the same settings. Do not change the pipeline."""

    @cache
    def load(**settings) -> Language:
        return make_nlp(**settings).from_bytes(unsure)

    return load


@pytest.fixture(scope="session")
def paths(unsure) -> list[Path]:
    """All legal tag paths of TEXT."""
    nlp = make_nlp().from_bytes(unsure)
    (sequence,) = all_paths(pipe_of(nlp).model.predict([nlp.make_doc(TEXT)]))
    names = TagSet(LABELS).names
    paths = []
    for path, prob in zip(sequence.paths, sequence.probs.tolist(), strict=True):
        if prob:
            tags = [names[tag] for tag in path]
            spans, n_repaired = to_spans(tags)
            assert not n_repaired
            paths.append(Path(tags, spans, prob))
    return paths
