"""Tags and their numbers."""

import pytest

from spacy_lstm_ner.tags import TagSet


def test_tag_names_keep_the_order_of_labels():
    names = TagSet(["b", "a", "B-X"]).names
    assert names == ["O", "B-b", "I-b", "B-a", "I-a", "B-B-X", "I-B-X"]
    assert TagSet([]).names == ["O"]


BIO_PAIRS = {
    # prev: O, B-X, I-X, B-Y, I-Y
    "O": (True, True, True, True, True),
    "B-X": (True, True, True, True, True),
    "I-X": (False, True, True, False, False),
    "B-Y": (True, True, True, True, True),
    "I-Y": (False, False, False, True, True),
}


@pytest.mark.parametrize("tag", BIO_PAIRS)
def test_every_pair_of_tags(tag):
    tags = TagSet(["X", "Y"])
    column = tags.may_follow[:, tags.names.index(tag)]
    assert tuple(column.tolist()) == BIO_PAIRS[tag]
