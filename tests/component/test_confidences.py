"""Where confidences stand."""

import gc

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup

from spacy_lstm_ner import confidence
from spacy_lstm_ner.component.annotations import ScoredSpan
from spacy_lstm_ner.component.confidences import (
    Prediction,
    ScoredGroup,
    has_confidences,
    prediction_of,
    score_spans,
)
from spacy_lstm_ner.tags import TokenSpan

WORDS = ["Ada", "Lovelace", "met", "Bob", "in", "New", "York", "today"]
SCORED = {(0, 2, "per"): 0.75, (3, 4, "per"): 0.5, (5, 7, "gpe"): 0.25}


@pytest.fixture
def doc() -> Doc:
    doc = Doc(spacy.blank("xx").vocab, words=WORDS)
    doc.set_ents([Span(doc, *span) for span in SCORED], default="outside")
    set_group(doc, dict(reversed(SCORED.items())))
    return doc


def set_group(doc: Doc, scores: dict[tuple[int, int, str], float]) -> None:
    scored = [
        (Span(doc, *span), Prediction(score, "ner")) for span, score in scores.items()
    ]
    doc.spans["k"] = score_spans(doc, "k", scored)


def limits(doc: Doc) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in doc.spans["k"]]


def content(doc: Doc) -> dict[tuple[str, str], float]:
    """What the span group says, and each span's confidence agrees."""
    group = doc.spans["k"]
    assert len(group) == len(group.attrs["scores"]) == len(list(group))
    scores = [float(score) for score in group.attrs["scores"]]
    for span, score in zip(group, scores, strict=True):
        assert doc[span.start : span.end].text == span.text
        assert confidence(span) == score
        assert prediction_of(span, "k") == Prediction(score, "ner")
    pairs = zip(group, scores, strict=True)
    return {(span.text, span.label_): score for span, score in pairs}


ALL = {("Ada Lovelace", "per"): 0.75, ("Bob", "per"): 0.5, ("New York", "gpe"): 0.25}


def merge(doc: Doc, *spans: tuple[int, int]) -> None:
    with doc.retokenize() as retokenizer:
        for start, end in spans:
            retokenizer.merge(doc[start:end])


def test_spans_stand_in_order_with_their_scores(doc):
    assert content(doc) == ALL
    assert limits(doc) == [
        (0, 2),
        (3, 4),
        (5, 7),
    ]
    assert has_confidences(doc.spans["k"])


def test_spans_of_merged_tokens_are_found_by_their_characters(doc):
    """spaCy's own group then names other tokens, and the last of them do not exist."""
    doc.spans["spacy"] = list(doc.ents)
    merge(doc, (0, 2), (5, 7))
    assert len(doc) == 6
    with pytest.raises(IndexError, match="E035"):
        list(doc.spans["spacy"])
    del doc.spans["spacy"]
    assert content(doc) == ALL
    assert limits(doc) == [
        (0, 1),
        (2, 3),
        (4, 5),
    ]
    assert [confidence(ent) for ent in doc.ents] == [0.75, 0.5, 0.25]


@pytest.mark.parametrize(
    "store",
    [
        lambda doc: Doc(doc.vocab).from_bytes(doc.to_bytes()),
        lambda doc: doc.copy(),
        lambda doc: next(DocBin(docs=[doc]).get_docs(doc.vocab)),
    ],
)
def test_a_doc_with_merged_tokens_can_be_stored(doc, store):
    merge(doc, (0, 2))
    assert content(store(doc)) == ALL
    assert [confidence(ent) for ent in store(doc).ents] == [0.75, 0.5, 0.25]


def test_docs_with_merged_tokens_can_be_joined(doc):
    """As with other groups, spaCy keeps the spans and drops the attrs."""
    merge(doc, (0, 2))
    joined = Doc.from_docs([doc, doc])
    texts = ["Ada Lovelace", "Bob", "New York"]
    assert [span.text for span in joined.spans["k"]] == [*texts, *texts]


def test_the_copy_of_a_doc_follows_too(doc):
    copied = doc.copy()
    merge(copied, (0, 2))
    assert content(copied) == ALL
    assert len(doc) == len(WORDS)
    assert content(doc) == ALL


def test_spans_of_split_tokens_are_found_by_their_characters(doc):
    with doc.retokenize() as retokenizer:
        heads = [(doc[1], 1), doc[2]]
        retokenizer.split(doc[1], ["Love", "lace"], heads=heads)
    assert content(doc) == ALL
    assert limits(doc) == [
        (0, 3),
        (4, 5),
        (6, 8),
    ]


def test_spans_that_no_tokens_make_up_leave_with_their_scores(doc):
    merge(doc, (1, 4))
    # Asked for before anything else of the group, they are those of the spans.
    assert doc.spans["k"].attrs["scores"].tolist() == [0.25]
    assert content(doc) == {("New York", "gpe"): 0.25}
    assert confidence(Span(doc, 0, 2, "per")) is None


def test_labels_ids_and_other_attrs_are_kept(doc):
    span = Span(doc, 7, 8, "date", kb_id="Q1", span_id="id1")
    attrs = {"by": {"me"}, "scores": (1,)}  # the user's, not ours
    doc.spans["k"] = ScoredGroup(doc, name="k", attrs=attrs, spans=[span])
    merge(doc, (5, 7))
    (found,) = doc.spans["k"]
    assert (found.text, found.label_) == ("today", "date")
    assert (found.kb_id_, found.id_) == ("Q1", "id1")
    assert doc.spans["k"].attrs == attrs
    assert doc.spans["k"].name == "k"


def test_a_group_outlives_its_doc(doc):
    group = doc.copy().spans["k"]
    gc.collect()
    with pytest.raises(RuntimeError, match="E865"):
        group.doc  # noqa: B018
    assert group.attrs["scores"].tolist() == [0.75, 0.5, 0.25]
    assert len(group) == 3


def test_a_group_can_be_changed_before_and_after(doc):
    group = doc.spans["k"]
    group.append(Span(doc, 7, 8, "date"))
    merge(doc, (0, 2))
    group.extend([Span(doc, 1, 2, "verb")])
    assert [span.text for span in group][3:] == ["today", "met"]
    group[4] = Span(doc, 6, 7, "day")
    assert [span.label_ for span in group][3:] == ["date", "day"]
    group += [Span(doc, 1, 2, "verb")]
    assert len(group) == 6
    assert len(group + group) == 12
    group.attrs = {**group.attrs, "by": "me"}
    assert group.attrs["by"] == "me"


@pytest.mark.parametrize("in_place", [True, False])
def test_joined_groups_follow_tokens(doc, in_place):
    added = SpanGroup(doc, spans=[Span(doc, 7, 8, "date")])
    if in_place:
        doc.spans["k"] += added
    else:
        doc.spans["k"] = doc.spans["k"] + added
    merge(doc, (0, 2))
    names = ["Ada Lovelace", "Bob", "New York", "today"]
    assert [span.text for span in doc.spans["k"]] == names
    assert doc.spans["k"].attrs["scores"].tolist() == [0.75, 0.5, 0.25]


def test_a_replaced_span_takes_no_score_over(doc):
    group = doc.spans["k"]
    group[-1] = Span(doc, 5, 7, "org")
    group[0] = Span(doc, 0, 2, "per", kb_id="Q7259")
    scores = group.attrs["scores"].tolist()
    assert scores[:2] == [0.75, 0.5]
    assert np.isnan(scores[2])
    assert [confidence(span) for span in group] == [0.75, 0.5, None]


@pytest.mark.parametrize("change", ["add", "take away", "put others before"])
def test_confidences_do_not_depend_on_what_else_is_in_the_group(doc, change):
    group = doc.spans["k"]
    if change == "add":
        group.append(Span(doc, 7, 8, "date"))
    elif change == "take away":
        del group[1]
    else:
        doc.spans["k"] = [Span(doc, 7, 8, "date")]
        doc.spans["k"] += group
    assert [confidence(ent) for ent in doc.ents] == [0.75, 0.5, 0.25]
    assert confidence(Span(doc, 7, 8, "date")) is None
    merge(doc, (0, 2))
    assert [confidence(ent) for ent in doc.ents] == [0.75, 0.5, 0.25]


def test_scores_stay_beside_their_spans(doc):
    group = doc.spans["k"]
    del group[0]
    assert content(doc) == {("Bob", "per"): 0.5, ("New York", "gpe"): 0.25}
    assert confidence(doc.ents[0]) == 0.75
    group.append(Span(doc, 7, 8, "date"))  # has no score
    merge(doc, (2, 4))
    assert [span.text for span in group] == ["New York", "today"]
    assert group.attrs["scores"].tolist() == [0.25]
    group.attrs["scores"] = []  # the user's affair
    assert [confidence(span) for span in group] == [0.25, None]


def test_as_many_tokens_merged_as_split(doc):
    """The number of tokens stays, and all tokens between are others."""
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
        retokenizer.split(doc[6], ["Yo", "rk"], heads=[(doc[6], 1), doc[5]])
    assert len(doc) == len(WORDS)
    assert content(doc) == ALL
    assert limits(doc) == [
        (0, 1),
        (2, 3),
        (4, 7),
    ]
    assert content(Doc(doc.vocab).from_bytes(doc.to_bytes())) == ALL


def test_spans_with_the_same_start_are_told_apart(doc):
    scores = {(3, 4, "per"): 0.5, (3, 5, "per"): 0.25, (3, 4, "gpe"): 0.125}
    set_group(doc, {**scores, (7, 8, "per"): 0.0625})
    for span, score in scores.items():
        assert confidence(Span(doc, *span)) == score
    assert confidence(Span(doc, 3, 6, "per")) is None
    assert confidence(Span(doc, 2, 4, "per")) is None
    assert confidence(Span(doc, 7, 8, "per")) == 0.0625


def test_confidence_of_a_candidate_after_loading(doc):
    """A group that has been stored is spaCy's own class."""
    set_group(doc, {(3, 4, "per"): 0.5, (3, 5, "per"): 0.25})
    loaded = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert type(loaded.spans["k"]) is not ScoredGroup
    assert confidence(Span(loaded, 3, 5, "per")) == 0.25


def test_an_extension_of_somebody_else_is_told(doc):
    """Registered after ours with `force`, or before: ours does not replace it."""
    try:
        Span.set_extension("confidence", default=0.5, force=True)
        with pytest.warns(UserWarning, match=r"L506.*spacy_lstm_ner\.confidence\(span"):
            ner = spacy.blank("xx").add_pipe("lstm_ner")
        set_group(doc, {(3, 4, "per"): 0.25})
        assert doc[3:4]._.confidence == 0.5
        assert confidence(Span(doc, 3, 4, "per")) == 0.25
        with pytest.warns(UserWarning, match="L506"):
            ner.set_annotations([], [])
    finally:
        Span.set_extension("confidence", getter=confidence, force=True)
    ner.set_annotations([], [])  # told no more


def test_the_spans_of_joined_docs_stay_in_the_group(doc):
    """`Doc.from_docs` drops the confidences, and keeps the spans."""
    set_group(doc, {(3, 4, "per"): 0.5, (7, 8, "date"): 0.25})
    doc.set_ents(list(doc.spans["k"]), default="outside")
    joined = Doc.from_docs([doc, doc])
    spans = content_of_spans(joined)
    ner = spacy.blank("xx").add_pipe("lstm_ner", config={"spans_key": "k"})
    new = ScoredSpan(TokenSpan(0, 1, "per"), 0.75)
    ner.set_annotations([joined], [[new]])
    assert content_of_spans(joined) == [(0, 1, "per"), *spans]
    scores = joined.spans["k"].attrs["scores"]
    np.testing.assert_array_equal(scores, np.array([0.75, *[np.nan] * 4], dtype="f"))
    assert [confidence(ent) for ent in joined.ents] == [0.75, *[None] * 4]


def content_of_spans(doc: Doc) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label_) for span in doc.spans["k"]]
