"""Used before initialize: the message says what to do, whatever the way in."""

import pytest

from .helpers import FACTORY, make_nlp, train_examples


@pytest.fixture(params=["no labels", "labels by hand"])
def fresh_nlp(request):
    nlp = make_nlp()
    if request.param == "labels by hand":
        nlp.get_pipe(FACTORY).add_label("PER")
    return nlp


def test_calling_nlp_says_initialize(fresh_nlp):
    with pytest.raises(ValueError, match=r"E109.*initialize"):
        fresh_nlp("Ada met Bob")


def test_nlp_pipe_says_initialize(fresh_nlp):
    with pytest.raises(ValueError, match="initialize"):
        list(fresh_nlp.pipe(["Ada met Bob"]))


def test_nlp_update_says_initialize(fresh_nlp):
    with pytest.raises(ValueError, match="initialize"):
        fresh_nlp.update(train_examples(fresh_nlp))


def test_other_errors_are_not_taken_for_a_missing_initialize(nlp, monkeypatch):
    def fail(docs):
        raise RuntimeError("something else")

    monkeypatch.setattr(nlp.get_pipe(FACTORY), "predict", fail)
    with pytest.raises(RuntimeError, match="something else"):
        nlp("Ada met Bob")
