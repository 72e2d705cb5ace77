"""The decoder that learns how tags follow each other."""

import numpy as np
import pytest
from thinc.api import Adam, fix_random_seed
from util import gradient_errors, random_vectors

from spacy_lstm_ner.chains.decoding import best_path, decode_best_path
from spacy_lstm_ner.chains.losses import negative_log_likelihood
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.layers.decoders import CRF, LogSoftmax
from spacy_lstm_ner.tags import TagSet

LENGTHS = [4, 1, 0, 3]


def make_decoder(nO=5, nI=3, *, seed=0):
    """A decoder with random parameters."""
    fix_random_seed(seed)
    model = CRF(nO, nI).initialize()
    rng = np.random.default_rng(seed)
    for name in ("b", "transition", "start", "end"):
        shape = model.get_param(name).shape
        model.set_param(name, rng.standard_normal(shape).astype("f"))
    return model


def known_tags(tags: dict[int, list[int]]):
    allowed = np.ones((8, 5), dtype=bool)
    for row, kept in tags.items():
        allowed[row] = np.isin(np.arange(5), kept)
    return allowed


@pytest.mark.parametrize(
    "tags",
    [
        {0: [0], 1: [1], 2: [2], 3: [0], 4: [3], 5: [0], 6: [3], 7: [4]},
        {0: [0], 1: [1], 4: [3], 5: [0, 1], 7: [0]},
        {6: [4]},
    ],
    ids=["known", "partly known", "one known"],
)
def test_gradient_through_the_whole_loss(tags):
    errors = gradient_errors(
        make_decoder(),
        random_vectors(LENGTHS, 3),
        lambda chain: negative_log_likelihood(chain, known_tags(tags)),
    )
    assert len(errors) == 6
    assert max(errors.values()) < 1e-3, errors


def test_scores_of_transitions():
    model = make_decoder()
    found = model.predict(random_vectors(LENGTHS, 3)).transitions
    transition, start = model.get_param("transition"), model.get_param("start")
    for i in range(5):
        assert found.start[i] == (-np.inf if i in (2, 4) else start[i])
        for j in range(5):
            is_allowed = j in (0, 1, 3) or i in (j - 1, j)
            assert found.scores[i, j] == (transition[i, j] if is_allowed else -np.inf)
    np.testing.assert_array_equal(found.end, model.get_param("end"))


def test_no_parameter_allows_what_bio_forbids():
    model, tag_set = make_decoder(), TagSet.of_size(5)
    may_follow = tag_set.may_follow
    model.set_param("transition", np.where(may_follow, -50, 50).astype("f"))
    model.set_param("start", np.where(tag_set.may_start, -50, 50).astype("f"))
    chain = model.predict(random_vectors([6, 5], 3))
    tags = best_path(chain)
    assert may_follow[tags[:5], tags[1:6]].all()
    assert may_follow[tags[6:-1], tags[7:]].all()
    expected = PathSums(chain).expected().transitions.scores
    assert (expected[~may_follow] == 0).all()
    assert expected.sum() == pytest.approx(5 + 4)


def test_a_new_decoder_is_that_of_single_tokens():
    fix_random_seed(0)
    crf = CRF(5, 3).initialize()
    plain = LogSoftmax(5, 3).initialize()
    for name in ("W", "b"):
        plain.set_param(name, crf.get_param(name))
    X = random_vectors(LENGTHS, 3)
    allowed = known_tags({0: [0], 1: [1], 2: [2]})
    losses = [negative_log_likelihood(m.predict(X), allowed)[0] for m in (crf, plain)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_learns_what_single_tokens_do_not_show():
    # All tokens look alike; the labels take turns.
    X = [np.ones((6, 2), dtype="f")] * 4
    gold = np.tile([1, 3, 1, 3, 1, 3], 4)
    allowed = np.eye(5, dtype=bool)[gold]
    right = []
    for build in (CRF, LogSoftmax):
        fix_random_seed(0)
        model, sgd = build(5, 2).initialize(), Adam(0.05)
        for _ in range(150):
            chain, backprop = model.begin_update(X)
            backprop(negative_log_likelihood(chain, allowed)[1])
            model.finish_update(sgd)
        right.append((best_path(model.predict(X)) == gold).mean())
    assert right[0] == 1
    assert right[1] <= 0.5


@pytest.mark.parametrize("seed", range(10))
def test_growing_keeps_the_best_path(seed):
    model = make_decoder(seed=seed)
    grown = model.attrs["grow"](model, 9)
    assert grown.id != model.id
    X = random_vectors([9, 1, 4], 3)
    found, expected = (decode_best_path(m.predict(X)) for m in (grown, model))
    for field in ("sequence", "start", "end", "label"):
        assert getattr(found, field).tolist() == getattr(expected, field).tolist()
    for name in ("W", "b", "transition", "start", "end"):
        old, new = model.get_param(name), grown.get_param(name)
        np.testing.assert_array_equal(new[tuple(map(slice, old.shape))], old)


def test_growing_before_initialization():
    model = CRF(3)
    grown = model.attrs["grow"](model, 5).initialize(X=random_vectors([2], 4))
    assert grown.get_param("W").shape == (5, 4)
    assert grown.get_param("transition").shape == (5, 5)


def test_bytes_keep_the_transitions():
    model = make_decoder()
    loaded = CRF().from_bytes(model.to_bytes())
    X = random_vectors(LENGTHS, 3)
    allowed = known_tags({0: [0], 1: [1]})
    losses = [
        negative_log_likelihood(m.predict(X), allowed)[0] for m in (model, loaded)
    ]
    assert losses[0] == losses[1]
    for name in ("transition", "start", "end"):
        np.testing.assert_array_equal(loaded.get_param(name), model.get_param(name))
