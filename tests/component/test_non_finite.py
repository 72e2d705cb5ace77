"""Scores that are NaN or infinite."""

import numpy as np
import pytest
import spacy
from contract.helpers import (
    TINY_TOK2VEC,
    initialized,
    tiny_model,
)
from spacy.language import Language
from spacy.training import Example
from spacy.util import raise_error
from thinc.api import SGD
from util import bio_chain, random_chain

from spacy_lstm_ner.component.doc_paths import find_non_finite

from .unsure import DISAGREEING, TEXT, examples_of, pipe_of

NOT_FINITE = "Does Lovelace know Sharon"


@pytest.fixture(scope="module", params=[np.nan, np.inf])
def broken(request) -> Language:
    """A pipeline that doesn't look ahead, with a vector that is not finite."""
    nlp = spacy.blank("xx")
    for word in ("Lovelace", "Sharon"):
        nlp.vocab.set_vector(word, np.ones(3, dtype="f"))
    tok2vec = {**TINY_TOK2VEC, "pretrained_vectors": True, "window_size": 0}
    model = tiny_model(tok2vec)
    model["encode"]["bidirectional"] = False
    nlp.add_pipe("lstm_ner", config={"model": model})
    initialized(nlp, examples_of(nlp, DISAGREEING))
    nlp.vocab.set_vector("Lovelace", np.full(3, request.param, dtype="f"))
    return nlp


NAMED = r"L015.*'lstm_ner'.*token 1 \('Lovelace'\) of Doc 2 .*\('Does Lovelace know"


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    "method",
    [
        lambda pipe, docs: pipe.predict(docs),
        lambda pipe, docs: pipe.uncertainty(docs),
        lambda pipe, docs: pipe.n_best(docs, 2),
        lambda pipe, docs: pipe.calibrate([Example(d, d.copy()) for d in docs]),
        lambda pipe, docs: pipe.update(
            [Example(d, d.copy()) for d in docs], sgd=SGD(0.1)
        ),
    ],
    ids=["predict", "uncertainty", "n_best", "calibrate", "update"],
)
def test_scores_that_are_not_finite_are_named(broken, method):
    texts = ["Sharon left", "", NOT_FINITE, NOT_FINITE]
    docs = [broken.make_doc(text) for text in texts]
    pipe = pipe_of(broken)
    before = pipe.model.to_bytes()
    with pytest.raises(ValueError, match=NAMED):
        method(pipe, docs)
    assert pipe.model.to_bytes() == before
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs if len(doc))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_batch_whose_scores_are_not_finite_goes_to_the_error_handler(broken):
    calls = []

    def handler(name, proc, docs, error):
        calls.append((name, [doc.text for doc in docs], str(error)[:6]))

    broken.set_error_handler(handler)
    texts = ["Sharon left", "Dora", "Paris", NOT_FINITE, "Carl"]
    done = [doc.text for doc in broken.pipe(texts, batch_size=2)]
    assert done == ["Sharon left", "Dora", "Carl"]
    assert calls == [("lstm_ner", ["Paris", NOT_FINITE], "[L015]")]
    broken.set_error_handler(raise_error)


def test_a_weight_that_is_nan(load):
    nlp = load()
    layer = pipe_of(nlp).model.get_ref("output_layer")
    b = layer.get_param("b").copy()
    b[0] = np.nan
    layer.set_param("b", b)
    with pytest.raises(ValueError, match=r"L015.*token 0 \('Ada'\) of Doc 0"):
        nlp(TEXT)
    with pytest.raises(ValueError, match=r"L015.*token 0 \('Ada'\) of Doc 1"):
        nlp.update(examples_of(nlp, [("", {}), *DISAGREEING[:1]]), sgd=SGD(0.1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_find_non_finite(bad):
    assert find_non_finite(bio_chain([], 5)) is None
    assert find_non_finite(bio_chain([0], 5)) is None
    chain = bio_chain([2, 0, 3], 5)
    assert find_non_finite(chain) is None
    chain.emit[3, 4] = bad
    assert find_non_finite(chain) == (2, 1)
    chain.emit[1, 0] = bad
    assert find_non_finite(chain) == (0, 1)


@pytest.mark.parametrize("name", ["scores", "start", "end"])
def test_find_non_finite_transitions(name):
    for score, expected in [(-np.inf, None), (np.nan, (0, 0)), (np.inf, (0, 0))]:
        chain = random_chain([2], 3)
        getattr(chain.transitions, name).flat[1] = score
        assert find_non_finite(chain) == expected
