"""Tag schemes: spans as strings of tags, and back."""

import doctest
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_lstm_ner.data import tag_schemes
from spacy_lstm_ner.data.tag_schemes import (
    INVALID,
    SCHEMES,
    TagError,
    is_tag,
    split_tag,
    to_spans,
    to_tags,
)
from spacy_lstm_ner.tags import TagSet, TokenSpan

LABELS = ["PER", "JOB-NAME", "O", "B-X", "a,b"]
SYNONYMS = str.maketrans("LU", "ES")


@st.composite
def annotated_texts(draw):
    """A number of tokens, and spans among them that often touch."""
    spans, start = [], 0
    for gap, length, label in draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(LABELS)),
            max_size=6,
        )
    ):
        spans.append(TokenSpan(start + gap, start + gap + length, label))
        start += gap + length
    return start + draw(st.integers(0, 2)), spans


def tags_of(prefixes):
    """Any sequence of tags with these prefixes, mostly invalid."""
    tag = st.builds("{}-{}".format, st.sampled_from(prefixes), st.sampled_from("XY"))
    return st.lists(st.one_of(st.just("O"), tag), max_size=12)


def write(scheme, n_tokens, spans):
    """Tags by another way than `to_tags`: each token looks at its neighbours."""
    owner = {i: span for span in spans for i in range(span.start, span.end)}
    tags = []
    for i in range(n_tokens):
        span, before, after = owner.get(i), owner.get(i - 1), owner.get(i + 1)
        if span is None:
            tags.append("O")
            continue
        is_first, is_last = before is not span, after is not span
        if scheme == "IOB2":
            prefix = "B" if is_first else "I"
        elif scheme == "IOB1":
            touches = is_first and before is not None and before.label == span.label
            prefix = "B" if touches else "I"
        else:
            prefix = {(0, 0): "I", (1, 0): "B", (0, 1): "L", (1, 1): "U"}[
                is_first, is_last
            ]
        tags.append(f"{prefix}-{span.label}")
    return tags


def conlleval(tags):
    """The chunks that conlleval finds, by its startOfChunk and endOfChunk.

    With the rules for E and S of its later ports, which the first version, written
    before BIOES was in use, has only in part.
    """

    def end_of_chunk(prev_tag, tag, prev_type, type_):
        return (
            (prev_tag, tag)
            in {("B", "B"), ("B", "S"), ("B", "O"), ("I", "B"), ("I", "S"), ("I", "O")}
            or prev_tag in {"E", "S"}
            or (prev_tag != "O" and prev_type != type_)
        )

    def start_of_chunk(prev_tag, tag, prev_type, type_):
        return (
            tag in {"B", "S"}
            or (prev_tag in {"E", "S", "O"} and tag in {"E", "I"})
            or (tag != "O" and prev_type != type_)
        )

    chunks, start, prev_tag, prev_type = [], None, "O", ""
    for i, item in enumerate([*tags, "O"]):
        tag, _, type_ = item.partition("-")
        tag = {"L": "E", "U": "S"}.get(tag, tag)
        if start is not None and end_of_chunk(prev_tag, tag, prev_type, type_):
            chunks.append(TokenSpan(start, i, prev_type))
            start = None
        if start_of_chunk(prev_tag, tag, prev_type, type_):
            start = i
        prev_tag, prev_type = tag, type_
    return chunks


def test_examples_in_docstrings():
    results = doctest.testmod(tag_schemes)
    assert results.attempted >= 3
    assert results.failed == 0


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("O", ("O", "")),
        ("B-PER", ("B", "PER")),
        ("I-JOB-NAME", ("I", "JOB-NAME")),
        ("B-B-X", ("B", "B-X")),
        ("B-O", ("B", "O")),
        ("B--", ("B", "-")),
        ("L-PER", ("L", "PER")),
        ("E-PER", ("L", "PER")),
        ("U-PER", ("U", "PER")),
        ("S-PER", ("U", "PER")),
    ],
)
def test_split_tag(tag, parts):
    assert is_tag(tag)
    assert split_tag(tag) == parts


NO_TAGS = ["X-PER", "B", "B-", "", "I-", "-", "o", "b-PER", "O-PER", "PER", "B- ", " O"]


@pytest.mark.parametrize("text", NO_TAGS)
def test_what_is_no_tag_is_an_error_and_never_repaired(text):
    assert not is_tag(text)
    with pytest.raises(
        ValueError, match=r"L101.*is not a tag: expected 'O' or a prefix"
    ):
        split_tag(text)
    for scheme, invalid in product(SCHEMES, INVALID):
        with pytest.raises(TagError, match=r"L102.*at token 1.*or name the") as info:
            to_spans(["O", text, "O"], scheme=scheme, invalid=invalid)
        assert info.value.index == 1
        assert repr(text) in str(info.value)
        assert scheme in str(info.value)


@pytest.mark.parametrize("tag", ["L-X", "U-X", "E-X", "S-X"])
@pytest.mark.parametrize("scheme", ["IOB1", "IOB2"])
def test_a_tag_of_another_scheme_is_an_error(tag, scheme):
    with pytest.raises(
        TagError, match=f"not a tag of the scheme {scheme}.* B, I, a hy"
    ):
        to_spans([tag], scheme=scheme)
    assert to_spans([tag], scheme="BILUO")[0] == [TokenSpan(0, 1, "X")]


# The tags in a valid sequence that may come right after each tag, the end of the
# sequence among them as None.
NEXT = {
    "IOB1": {
        "O": ["O", "I-X", "I-Y", None],
        "I-X": ["O", "I-X", "B-X", "I-Y", None],
        "B-X": ["O", "I-X", "B-X", "I-Y", None],
    },
    "IOB2": {
        "O": ["O", "B-X", "B-Y", None],
        "B-X": ["O", "B-X", "I-X", "B-Y", None],
        "I-X": ["O", "B-X", "I-X", "B-Y", None],
    },
    "BILUO": {
        "O": ["O", "B-X", "U-X", "B-Y", "U-Y", None],
        "B-X": ["I-X", "L-X"],
        "I-X": ["I-X", "L-X"],
        "L-X": ["O", "B-X", "U-X", "B-Y", "U-Y", None],
        "U-X": ["O", "B-X", "U-X", "B-Y", "U-Y", None],
    },
}
# What makes the first tag of a pair valid, and what ends an entity left open.
LEAD = {
    "IOB1": {"B-X": ["I-X"]},
    "IOB2": {"I-X": ["B-X"]},
    "BILUO": {"I-X": ["B-X"], "L-X": ["B-X"]},
}


def close(tag, scheme):
    return ["L-" + tag[2:]] if scheme == "BILUO" and tag[0] in "BI" else []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_pair_of_tags_in_each_scheme(scheme):
    tags = ["O"] + [f"{p}-{label}" for p in SCHEMES[scheme] for label in "XY"]
    for prev, tag in product(NEXT[scheme], [*tags, None]):
        pair = [*LEAD[scheme].get(prev, []), prev]
        if tag is not None:
            pair += [tag, *close(tag, scheme)]
        _, n_repaired = to_spans(pair, scheme=scheme)
        assert (n_repaired == 0) == (tag in NEXT[scheme][prev]), pair
        if n_repaired:
            with pytest.raises(TagError, match="L103"):
                to_spans(pair, scheme=scheme, invalid="error")
        else:
            to_spans(pair, scheme=scheme, invalid="error")


@given(tags_of("BI"))
def test_may_follow_and_to_spans_agree(tags):
    labels = {split_tag(tag)[1] for tag in tags} - {""}
    tag_set = TagSet(labels)
    numbers = [tag_set.names.index(tag) for tag in ["O", *tags]]
    is_allowed = tag_set.may_follow[numbers[:-1], numbers[1:]]
    assert to_spans(tags)[1] == (~is_allowed).sum()


@pytest.mark.parametrize("scheme", SCHEMES)
@given(text=annotated_texts())
def test_spans_to_tags_to_spans_is_the_identity(scheme, text):
    n_tokens, spans = text
    tags = to_tags(spans, n_tokens, scheme=scheme)
    assert tags == write(scheme, n_tokens, spans)
    assert to_spans(tags, scheme=scheme, invalid="error") == (spans, 0)
    assert to_spans(tags, scheme=scheme) == (spans, 0)


@given(annotated_texts())
def test_bioes_is_biluo_with_other_letters(text):
    n_tokens, spans = text
    tags = [tag[0].translate(SYNONYMS) + tag[1:] for tag in write("BILUO", *text)]
    assert to_spans(tags, scheme="BILUO", invalid="error") == (spans, 0)
    assert len(tags) == n_tokens


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_repair_reads_what_conlleval_reads(scheme, data):
    tags = data.draw(tags_of(SCHEMES[scheme]))
    spans, n_repaired = to_spans(tags, scheme=scheme)
    assert spans == conlleval(tags)
    repaired = write(scheme, len(tags), spans)
    assert n_repaired == sum(a != b for a, b in zip(tags, repaired, strict=True))
    assert to_spans(repaired, scheme=scheme, invalid="error") == (spans, 0)


def test_adjacent_entities_of_one_label_stay_apart():
    spans = [TokenSpan(0, 1, "X"), TokenSpan(1, 3, "X"), TokenSpan(3, 4, "X")]
    assert to_tags(spans, 4) == ["B-X", "B-X", "I-X", "B-X"]
    for tags, scheme in (
        (["B-X", "B-X", "I-X", "B-X"], "IOB2"),
        (["I-X", "B-X", "I-X", "B-X"], "IOB1"),
        (["U-X", "B-X", "L-X", "U-X"], "BILUO"),
    ):
        assert to_spans(tags, scheme=scheme, invalid="error") == (spans, 0)


@pytest.mark.parametrize(
    ("tags", "scheme", "spans", "n_repaired"),
    [
        (["I-X", "I-X", "O"], "IOB2", [(0, 2, "X")], 1),
        (["B-X", "I-Y"], "IOB2", [(0, 1, "X"), (1, 2, "Y")], 1),
        (["B-X", "O", "I-X"], "IOB2", [(0, 1, "X"), (2, 3, "X")], 1),
        (["B-X", "I-X"], "IOB1", [(0, 2, "X")], 1),
        (["B-X", "O"], "BILUO", [(0, 1, "X")], 1),
        (["I-X", "I-X"], "BILUO", [(0, 2, "X")], 2),
        (["L-X", "L-X"], "BILUO", [(0, 1, "X"), (1, 2, "X")], 2),
        ([], "IOB2", [], 0),
    ],
)
def test_repaired_tags_are_counted(tags, scheme, spans, n_repaired):
    assert to_spans(tags, scheme=scheme) == (spans, n_repaired)


def test_an_invalid_tag_is_rejected_on_demand():
    with pytest.raises(TagError) as info:
        to_spans(["O", "B-PER", "I-ORG"], invalid="error")
    assert info.value.index == 2
    message = str(info.value)
    for part in ("[L103]", "'I-ORG' at token 2", "IOB2", "'B-ORG'", '"repair"'):
        assert part in message


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(1, 1, "X")], r"L104.*\(1, 1, 'X'\) is not within the 3 tokens"),
        ([(2, 1, "X")], "L104"),
        ([(-1, 1, "X")], "L104"),
        ([(2, 4, "X")], "L104"),
        ([(1, 3, "Y"), (0, 2, "X")], r"L105.*\(0, 2, 'X'\) and \(1, 3, 'Y'\) overlap"),
        ([(0, 3, "Y"), (1, 2, "X")], "L105"),
        ([(0, 1, "X"), (0, 1, "X")], "L105"),
        ([(0, 1, "")], "L106.*no label"),
    ],
)
def test_impossible_spans_are_rejected(spans, message):
    with pytest.raises(ValueError, match=message):
        to_tags([TokenSpan(*span) for span in spans], 3)


def test_unknown_settings_name_the_known_ones():
    with pytest.raises(
        ValueError, match=r"L100.*'scheme' is 'BMES'.*IOB1.*IOB2.*BILUO"
    ):
        to_spans([], scheme="BMES")
    with pytest.raises(ValueError, match=r"L100.*'scheme' is 'IOB'"):
        to_tags([], 0, scheme="IOB")
    with pytest.raises(ValueError, match=r"L100.*'invalid' is 'drop'.*repair.*error"):
        to_spans([], invalid="drop")
