"""Between Docs and tags."""

import itertools
from functools import partial

import numpy as np
import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_lstm_ner.component import annotations, gold
from spacy_lstm_ner.component.confidences import confidence, has_confidences
from spacy_lstm_ner.component.constraints import allowed_tags
from spacy_lstm_ner.component.given import ScoredSpan, taggable
from spacy_lstm_ner.component.gold import gold_tags, incorrect_spans, judge
from spacy_lstm_ner.tags import TokenSpan, tag_names

set_entities = partial(annotations.set_entities, component="ner")

LABELS = ["geo", "per"]
TAGS = tag_names(LABELS)


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("en").vocab


def make_doc(vocab, words: str, ents=(), **kwargs) -> Doc:
    """A Doc of blank-separated words, "_" being a white-space token."""
    doc = Doc(vocab, words=["\n" if w == "_" else w for w in words.split()], **kwargs)
    if ents:
        doc.set_ents([Span(doc, *ent) for ent in ents], default="missing")
    return doc


def example(vocab, words: str, ents, missing=()) -> Example:
    reference = make_doc(vocab, words)
    reference.set_ents(
        [Span(reference, *ent) for ent in ents],
        missing=[reference[i : i + 1] for i in missing],
        default="outside",
    )
    return Example(make_doc(vocab, words), reference)


def other_tokens(vocab, ents=("B-geo", "I-geo", "I-geo", "O")) -> Example:
    return Example(
        Doc(
            vocab,
            words=["New", "YorkCity", "h", "all"],
            spaces=[True, True, False, False],
        ),
        Doc(
            vocab,
            words=["New", "York", "City", "hall"],
            spaces=[True, False, True, False],
            ents=list(ents),
        ),
    )


@pytest.mark.parametrize(
    ("words", "ents", "missing", "expected"),
    [
        ("a b c", [(0, 1, "per"), (1, 3, "per")], [], ["B-per", "B-per", "I-per"]),
        ("a b c d", [(0, 3, "geo")], [], ["B-geo", "I-geo", "I-geo", "O"]),
        ("a b c", [(2, 3, "per")], [0], [None, "O", "B-per"]),
        # White space has no tag; an entity that begins on it begins behind it.
        ("_ a b", [(0, 3, "per")], [], [None, "B-per", "I-per"]),
        ("a _ b", [(0, 3, "per")], [], ["B-per", None, "I-per"]),
        ("a _ b", [(0, 2, "per")], [], ["B-per", None, "O"]),
        ("a _ b", [(1, 2, "per")], [], ["O", None, "O"]),
        ("_ _ a b", [(0, 1, "geo"), (1, 3, "per")], [], [None, None, "B-per", "O"]),
        ("a b", [(0, 1, "JOB-NAME")], [], ["B-JOB-NAME", "O"]),
    ],
)
def test_gold_tags(vocab, words, ents, missing, expected):
    assert gold_tags(example(vocab, words, ents, missing)) == expected


@pytest.mark.parametrize("seed", range(40))
def test_gold_tags_of_same_tokens_are_those_of_the_alignment(vocab, seed):
    rng = np.random.default_rng(seed)
    words = rng.choice(["a", "A", "bb", "."], rng.integers(0, 12)).tolist()
    reference, at = Doc(vocab, words=words), 0
    parts: dict[str, list[Span]] = {"entity": [], "missing": [], "blocked": []}
    while at < len(words):
        end = min(at + int(rng.integers(1, 4)), len(words))
        part = rng.choice([*parts, "outside"])
        label = str(rng.choice(LABELS)) if part == "entity" else 0
        if part in parts:
            parts[part].append(Span(reference, at, end, label))
        at = end
    reference.set_ents(
        parts["entity"], missing=parts["missing"], blocked=parts["blocked"]
    )
    eg = Example(
        Doc(vocab, words=words, spaces=rng.random(len(words)) < 0.5), reference
    )
    assert gold._tags_of_same_tokens(eg) is not None
    assert gold_tags(eg) == gold._aligned_tags(eg)


@pytest.mark.parametrize("words", ["a _ b", "a b", "a b c d"])
def test_gold_tags_of_tokens_that_must_be_aligned(vocab, words):
    reference = make_doc(vocab, "a _ b" if "_" in words else "ab c d")
    eg = Example(make_doc(vocab, words), reference)
    assert gold._tags_of_same_tokens(eg) is None


def test_gold_tags_of_other_tokens(vocab):
    assert gold_tags(other_tokens(vocab)) == ["B-geo", "I-geo", "O", "O"]
    half = Example(
        Doc(vocab, words=["NewYork", "City"], spaces=[True, False]),
        Doc(
            vocab,
            words=["New", "York", "City"],
            spaces=[False, True, False],
            ents=["O", "B-geo", "I-geo"],
        ),
    )
    assert gold_tags(half) == [None, None], "what does not align is unknown"


def test_gold_tags_without_annotation(vocab):
    eg = Example(make_doc(vocab, "a b"), make_doc(vocab, "a b"))
    assert gold_tags(eg) == [None, None]


def test_taggable_leaves_white_space_out(vocab):
    assert taggable(make_doc(vocab, "_ a _ _ b")).tolist() == [1, 4]
    assert taggable(Doc(vocab)).tolist() == []


def allowed(doc: Doc, overwrite: bool = False) -> list[set[str]] | None:
    """The names of the tags that each taggable token may have."""
    given = [] if overwrite else doc.ents
    mask = allowed_tags(doc, taggable(doc), LABELS, given)
    if mask is None:
        return None
    return [{TAGS[i] for i in np.flatnonzero(row)} for row in mask]


ANY = set(TAGS)
NOT_INSIDE = {"O", "B-geo", "B-per"}


def test_a_plain_doc_rules_nothing_out(vocab):
    assert allowed(make_doc(vocab, "a b c")) is None
    assert allowed(make_doc(vocab, "a b", sent_starts=[True, False])) is None


def test_preset_entities_are_clamped_and_closed(vocab):
    doc = make_doc(vocab, "a b c d", [(1, 3, "per")])
    assert allowed(doc) == [ANY, {"B-per"}, {"I-per"}, NOT_INSIDE]
    assert allowed(doc, overwrite=True) is None


def test_preset_entity_with_unknown_label_is_outside(vocab):
    doc = make_doc(vocab, "a b c", [(0, 2, "art")])
    assert allowed(doc) == [{"O"}, {"O"}, NOT_INSIDE]


def test_preset_entities_and_white_space(vocab):
    doc = make_doc(vocab, "a _ b _ c", [(0, 2, "per"), (3, 4, "geo")])
    assert allowed(doc) == [{"B-per"}, NOT_INSIDE, NOT_INSIDE]
    begins_on_space = make_doc(vocab, "_ a b", [(0, 2, "per")])
    assert allowed(begins_on_space) == [{"B-per"}, NOT_INSIDE]


@pytest.mark.parametrize("overwrite", [True, False])
def test_blocked_tokens_stay_outside(vocab, overwrite):
    doc = make_doc(vocab, "a b c")
    doc.set_ents([], blocked=[doc[1:2]], default="missing")
    assert allowed(doc, overwrite) == [ANY, {"O"}, ANY]


@pytest.mark.parametrize("overwrite", [True, False])
def test_sentence_starts_are_not_crossed(vocab, overwrite):
    doc = make_doc(vocab, "a b _ c", sent_starts=[True, True, True, False])
    assert allowed(doc, overwrite) == [ANY, NOT_INSIDE, NOT_INSIDE]
    doc = make_doc(vocab, "a b _", sent_starts=[True, False, True])
    assert allowed(doc, overwrite) == [ANY, ANY]


def test_a_preset_entity_across_a_sentence_start_stays(vocab):
    doc = make_doc(vocab, "a b", [(0, 2, "per")], sent_starts=[True, True])
    assert allowed(doc) == [{"B-per"}, {"I-per"}]


def ents_of(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_set_entities_annotates_every_token(vocab):
    doc = make_doc(vocab, "a b c d")
    spans = [ScoredSpan(0, 1, "per", 0.75), ScoredSpan(1, 3, "per", 0.5)]
    set_entities(doc, spans, overwrite=False, spans_key="k")
    assert [token.ent_iob_ for token in doc] == ["B", "B", "I", "O"]
    assert doc.spans["k"].attrs["scores"].tolist() == [0.75, 0.5]
    assert [confidence(ent) for ent in doc.ents] == [0.75, 0.5]
    assert confidence(doc[0:2]) is None
    assert confidence(Span(doc, 0, 1, "geo")) is None


def test_set_entities_keeps_what_is_there(vocab):
    doc = make_doc(vocab, "a b c d")
    doc.set_ents(
        [Span(doc, 1, 2, "geo", kb_id="Q1", span_id="id1")],
        blocked=[doc[2:3]],
        default="missing",
    )
    spans = [ScoredSpan(i, i + 1, "per", 0.9) for i in range(4)]
    set_entities(doc, spans, overwrite=False, spans_key="k")
    assert ents_of(doc) == [(0, 1, "per"), (1, 2, "geo"), (3, 4, "per")]
    assert (doc.ents[1].kb_id_, doc.ents[1].id_) == ("Q1", "id1")
    assert [confidence(ent) is None for ent in doc.ents] == [False, True, False]
    assert (doc[2].ent_iob_, doc[2].ent_type_) == ("B", "")


def test_set_entities_overwrites_all_but_blocked_tokens(vocab):
    doc = make_doc(vocab, "a b c d")
    doc.set_ents(
        [Span(doc, 0, 2, "geo", kb_id="Q1", span_id="id1")],
        blocked=[doc[2:3]],
        default="missing",
    )
    spans = [ScoredSpan(1, 2, "per", 0.9), ScoredSpan(2, 3, "per", 0.9)]
    set_entities(doc, spans, overwrite=True, spans_key="k")
    assert ents_of(doc) == [(1, 2, "per")]
    assert (doc.ents[0].kb_id_, doc.ents[0].id_) == ("", "")
    assert [token.ent_iob_ for token in doc] == ["O", "B", "B", "O"]


def test_confidence_survives_a_second_run_and_storage(vocab):
    doc = make_doc(vocab, "a b c d")
    set_entities(
        doc,
        [ScoredSpan(0, 1, "per", 0.75)],
        overwrite=False,
        spans_key="k",
    )
    set_entities(
        doc,
        [ScoredSpan(2, 4, "geo", 0.25)],
        overwrite=False,
        spans_key="k",
    )
    copies = [
        doc,
        Doc(vocab).from_bytes(doc.to_bytes()),
        *DocBin(docs=[doc], store_user_data=True).get_docs(vocab),
    ]
    for each in copies:
        assert ents_of(each) == [(0, 1, "per"), (2, 4, "geo")]
        assert [confidence(ent) for ent in each.ents] == [0.75, 0.25]
        assert [span.label_ for span in each.spans["k"]] == ["per", "geo"]


def test_scores_of_other_components_are_no_confidence(vocab):
    doc = make_doc(vocab, "a b")
    span = Span(doc, 0, 1, "per")
    doc.spans["sc"] = [span]
    doc.spans["sc"].attrs["scores"] = np.array([0.5])
    assert confidence(span) is None


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 2, "per"), True),
        ((0, 2, "geo"), False),
        ((0, 1, "per"), False),
        ((0, 3, "per"), False),
        ((2, 3, "geo"), True),
        ((3, 4, "geo"), False),
        ((3, 5, "geo"), None),
        ((4, 5, "per"), None),
        ((0, 5, "per"), None),
    ],
)
def test_judge(vocab, span, expected):
    eg = example(vocab, "a b c d e", [(0, 2, "per"), (2, 3, "geo")], missing=[4])
    assert judge(eg, [TokenSpan(*span)]) == [expected]


@pytest.mark.parametrize(
    "ents",
    [
        ("B-geo", "I-geo", "I-geo", "O"),
        ("B-geo", "I-geo", "I-geo", "B-per"),
        ("B-geo", "B-per", "I-per", "B-per"),
        ("O", "B-per", "O", "B-geo"),
    ],
)
def test_judge_agrees_with_spacy(vocab, ents):
    n_right = 0
    for start, end in itertools.combinations(range(5), 2):
        for label in LABELS:
            eg = other_tokens(vocab, ents)
            eg.predicted.set_ents([Span(eg.predicted, start, end, label)])
            (found,) = judge(eg, [TokenSpan(start, end, label)])
            assert found is (get_ner_prf([eg])["ents_p"] == 1.0)
            n_right += found
    assert n_right


def test_nothing_is_right_where_nothing_is_known(vocab):
    unannotated = Example(make_doc(vocab, "a b"), make_doc(vocab, "a b"))
    assert judge(unannotated, [TokenSpan(0, 1, "per")]) == [None]
    eg = Example(
        Doc(vocab, words=["a", " ", "b"], spaces=[True, False, False]),
        Doc(vocab, words=["a", "b"], ents=["B-per", "O"]),
    )
    assert judge(eg, [TokenSpan(0, 1, "per")]) == [True]
    assert judge(eg, [TokenSpan(1, 2, "per")]) == [None], "aligned to no token"


def test_an_entity_is_found_once(vocab):
    # Two tokens of the predicted Doc are one of the reference.
    eg = Example(
        Doc(vocab, words=["Rome", "Rome"], spaces=[False, False]),
        Doc(vocab, words=["RomeRome"], spaces=[False], ents=["B-geo"]),
    )
    spans = [TokenSpan(0, 1, "geo"), TokenSpan(1, 2, "geo")]
    assert judge(eg, spans) == [True, False]
    eg.predicted.set_ents([Span(eg.predicted, *span) for span in spans])
    assert get_ner_prf([eg])["ents_p"] == 0.5


def test_incorrect_spans(vocab):
    eg = example(vocab, "a b c d", [(0, 1, "geo")])
    eg.reference.spans["no"] = [
        Span(eg.reference, *span)
        for span in [(0, 2, "per"), (0, 2, "geo"), (1, 4, "per"), (0, 2, "")]
    ]
    found = incorrect_spans(eg, "no")
    assert sorted(found) == [(0, 2, ""), (0, 2, "geo"), (0, 2, "per"), (1, 4, "per")]
    assert incorrect_spans(eg, "other") == []
    aligned = other_tokens(vocab)
    aligned.reference.spans["no"] = [
        Span(aligned.reference, *span, "geo")
        for span in [(0, 3), (0, 2), (1, 3), (3, 4)]
    ]
    # (0, 2) ends within a token of the predicted Doc.
    expected = [(0, 2, "geo"), (1, 2, "geo"), (2, 4, "geo")]
    assert sorted(incorrect_spans(aligned, "no")) == expected


CANDIDATES = [
    ScoredSpan(0, 1, "geo", 0.25, is_entity=False),
    ScoredSpan(0, 2, "per", 0.5),
    ScoredSpan(1, 3, "per", 0.125, is_entity=False),
    ScoredSpan(3, 4, "geo", 0.375, is_entity=False),
]


def group_of(doc: Doc) -> list[tuple[int, int, str, float]]:
    group = doc.spans["k"]
    scores = group.attrs["scores"].tolist()
    return [
        (span.start, span.end, span.label_, score)
        for span, score in zip(group, scores, strict=True)
    ]


def test_candidates_are_no_entities(vocab):
    doc = make_doc(vocab, "a b c d")
    set_entities(doc, CANDIDATES, overwrite=False, spans_key="k")
    assert ents_of(doc) == [(0, 2, "per")]
    assert [token.ent_iob_ for token in doc] == ["B", "I", "O", "O"]
    assert group_of(doc) == [span[:4] for span in CANDIDATES]
    assert confidence(Span(doc, 1, 3, "per")) == 0.125
    assert confidence(Span(doc, 0, 2, "geo")) is None


@pytest.mark.parametrize("overwrite", [False, True])
def test_candidates_beside_entities_already_there(vocab, overwrite):
    doc = make_doc(vocab, "a b c d", [(2, 3, "geo")])
    set_entities(doc, CANDIDATES, overwrite=overwrite, spans_key="k")
    left = [span for span in CANDIDATES if overwrite or span.start != 1]
    assert group_of(doc) == [span[:4] for span in left]
    assert ents_of(doc) == [(0, 2, "per")] + [(2, 3, "geo")] * (not overwrite)
    assert [token.ent_iob_ for token in doc][3] == "O"


def test_candidates_beside_blocked_tokens(vocab):
    doc = make_doc(vocab, "a b c d")
    doc.set_ents([], blocked=[doc[3:4]], default="missing")
    set_entities(doc, CANDIDATES, overwrite=True, spans_key="k")
    assert group_of(doc) == [span[:4] for span in CANDIDATES[:3]]


def test_which_groups_have_confidences(vocab):
    doc = make_doc(vocab, "a b c d")
    set_entities(doc, CANDIDATES, overwrite=False, spans_key="k")
    set_entities(doc, [], overwrite=False, spans_key="nothing")
    doc.spans["other"] = [doc[0:1]]
    doc.spans["other"].attrs["scores"] = np.array([0.5])
    for each in (doc, Doc(vocab).from_bytes(doc.to_bytes())):
        found = {key: has_confidences(group) for key, group in each.spans.items()}
        assert found == {"k": True, "nothing": True, "other": False}
