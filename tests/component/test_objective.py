"""Annotation of Examples -> which paths agree, the loss and its gradient, against the
list of all tag paths."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from util import (
    all_paths,
    as_learned,
    bio_chain,
    fresh,
    gradient_arrays,
    gradient_error,
    random_chain,
    relative_error,
)

from spacy_lstm_ner.chains.linear_chain import Spans
from spacy_lstm_ner.chains.losses import negative_log_likelihood
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.component.objective import get_loss
from spacy_lstm_ner.component.settings import Settings
from spacy_lstm_ner.data.tag_schemes import to_spans
from spacy_lstm_ner.tags import TagSet

LABELS = ("GPE", "PER")
TAG_SET = TagSet(LABELS)
TAGS = TAG_SET.names
KEY = "wrong"
VOCAB = spacy.blank("xx").vocab


@cache
def spans_in(*tags: str) -> frozenset[tuple[int, int, str]]:
    """The entities of a path, which several cases have."""
    return frozenset(to_spans(tags)[0])


@dataclass
class Case:
    """An example, and what it says.

    words: Tokens of the predicted Doc.
    tags: Tag of each reference token, "?" where it is unknown; "" if all are.
    wrong: Spans of the reference that are no entities; None without a span group.
    reference: Tokens of the reference, if they are others.
    known: What `tags` says about the predicted tokens, white space left out.
    excluded: What `wrong` says about them.
    starts: Tokens of the predicted Doc at which sentences start.
    """

    words: Sequence[str]
    tags: str = ""
    wrong: Sequence[tuple[int, int, str]] | None = None
    reference: Sequence[str] | None = None
    known: str | None = None
    excluded: set[tuple[int, int, str]] = field(default_factory=set)
    starts: Sequence[int] = ()

    def example(self) -> Example:
        words = self.words if self.reference is None else self.reference
        ents = ["" if tag == "?" else tag for tag in self.tags.split()]
        reference = Doc(VOCAB, words=list(words), ents=ents or None)
        if self.wrong is not None:
            reference.spans[KEY] = [
                Span(reference, start, end, label=label)
                for start, end, label in self.wrong
            ]
        predicted = Doc(VOCAB, words=list(self.words))
        for i in self.starts:
            predicted[i].is_sent_start = True
        return Example(predicted, reference)

    def rows(self) -> list[int]:
        """The tokens that are not white space."""
        return [i for i, word in enumerate(self.words) if not word.isspace()]

    def crosses(self, tags: Sequence[str]) -> bool:
        """Whether an entity crosses the start of a sentence."""
        if not self.starts:
            return False
        spans = [(self.rows()[start], end) for start, end, _ in spans_in(*tags)]
        return any(
            start < i <= self.rows()[end - 1]
            for start, end in spans
            for i in self.starts
        )

    def known_tags(self) -> list[str]:
        known = self.tags if self.known is None else self.known
        return known.split() or ["?"] * len(self.rows())

    def says_something(self) -> bool:
        return bool(self.excluded) or any(tag != "?" for tag in self.known_tags())

    def agrees(self, tags: Sequence[str]) -> bool:
        """Whether a path of the tokens that are not white space is a possible one by
        the tags: it has the known entities, as a whole, and none where there is none.
        """
        known = self.known_tags()
        entities = spans_in(*("O" if tag == "?" else tag for tag in known))
        return entities <= spans_in(*tags) and all(
            tag == "O" for known, tag in zip(known, tags, strict=True) if known == "O"
        )


CASES = {
    "known": Case(["Ada", "met", "Bob"], "B-PER O B-PER"),
    "partly known": Case(["Bob", "Lee", "left"], "? B-PER ?"),
    "known entities beside unknown tokens": Case(
        ["so", "Ada", "Lee", "Roe", "\n", "Ida"],
        "O B-PER I-PER ? ? ?",
        known="O B-PER I-PER ? ?",
    ),
    "known entity, white space, unknown token": Case(
        ["Ada", "\n", "Lee"], "B-PER O ?", known="B-PER ?"
    ),
    "nothing known": Case(["Ada", "met", "Bob"]),
    "known to have no entities": Case(["it", "rained"], "O O"),
    "empty": Case([]),
    "white space": Case(
        ["\n", "New", "\n\n", "York", "\n"],
        "O B-GPE I-GPE I-GPE O",
        known="B-GPE I-GPE",
    ),
    "white space alone": Case(["\n"], "O", known=""),
    "split tokens": Case(
        ["Rome", "-", "based"], "B-PER", None, ["Rome-based"], "B-PER I-PER I-PER"
    ),
    "tokens that do not align": Case(
        ["Rome-based", "Bob"],
        "B-GPE O O B-PER",
        None,
        ["Rome", "-", "based", "Bob"],
        "? B-PER",
    ),
    "sentences": Case(["Ada", "Lee", "Roe"], "B-PER ? ?", starts=[0, 1, 2]),
    "sentence that starts with white space": Case(
        ["Ada", "\n", "Lee", "Roe"], "O O ? ?", known="O ? ?", starts=[1]
    ),
}
CROSSING = {
    "entity": Case(
        ["Ada", "Lee", "met", "Bob"],
        "B-PER I-PER O B-PER",
        known="? ? O B-PER",
        starts=[1],
    ),
    "entity of three tokens, behind another": Case(
        ["Rome", "Ada", "\n", "Lee", "Roe"],
        "B-GPE B-PER I-PER I-PER I-PER",
        known="B-GPE ? ? ?",
        starts=[4],
    ),
    "all": Case(["Ada", "Lee"], "B-PER I-PER", known="? ?", starts=[1]),
}
WRONG_CASES = {
    "alone": Case(
        ["Ada", "Lee", "left"], "", [(0, 2, "PER")], excluded={(0, 2, "PER")}
    ),
    "overlapping": Case(
        ["New", "York", "Times"],
        "",
        [(1, 3, "GPE"), (0, 2, "GPE"), (0, 3, "GPE"), (1, 2, "GPE")],
        excluded={(1, 3, "GPE"), (0, 2, "GPE"), (0, 3, "GPE"), (1, 2, "GPE")},
    ),
    "alike": Case(
        ["New", "York"],
        "",
        [(0, 2, "GPE"), (0, 2, "GPE"), (0, 2, "PER")],
        excluded={(0, 2, "GPE"), (0, 2, "PER")},
    ),
    "beside known tags": Case(
        ["Ada", "Lee", "Roe", "met", "Bob"],
        "B-PER ? ? O ?",
        [(0, 2, "PER"), (1, 2, "PER"), (4, 5, "PER"), (2, 3, "GPE")],
        excluded={(0, 2, "PER"), (1, 2, "PER"), (4, 5, "PER"), (2, 3, "GPE")},
    ),
    "known to be wrong twice": Case(
        ["Ada", "met"], "B-PER O", [(0, 1, "GPE")], excluded={(0, 1, "GPE")}
    ),
    "unknown labels": Case(["Ada", "met"], "", [(0, 1, "ORG"), (0, 2, "")]),
    "across white space": Case(
        ["New", "\n", "York"], "", [(0, 3, "GPE")], excluded={(0, 2, "GPE")}
    ),
    "bordering on white space": Case(
        ["Rome", "\n", "Bob"],
        "",
        [(0, 2, "GPE"), (1, 3, "PER")],
        excluded={(0, 1, "GPE"), (1, 2, "PER")},
    ),
    "on white space": Case(["Rome", "\n", "Bob"], "", [(1, 2, "GPE")]),
    "between tokens": Case(["Rome", "Bob"], "", [(1, 1, "GPE")]),
    "split tokens": Case(
        ["Rome", "-", "based", "Bob"],
        "",
        [(0, 1, "GPE"), (1, 2, "PER")],
        ["Rome-based", "Bob"],
        excluded={(0, 3, "GPE"), (3, 4, "PER")},
    ),
    "merged tokens": Case(
        ["Rome-based", "Bob"],
        "",
        [(0, 3, "GPE"), (0, 4, "PER")],
        ["Rome", "-", "based", "Bob"],
        excluded={(0, 1, "GPE"), (0, 2, "PER")},
    ),
    "tokens that do not align": Case(
        ["Rome-based", "Bob"],
        "",
        [(0, 1, "GPE"), (2, 4, "PER"), (1, 2, "PER")],
        ["Rome", "-", "based", "Bob"],
    ),
    "empty group": Case(["Ada", "met"], "", []),
    "no group, known": Case(["Ada", "met"], "B-PER O"),
    "empty group, known": Case(["Ada", "met"], "B-PER O", []),
}
ALL_CASES = [*CASES.values(), *WRONG_CASES.values()]
# Cost of the label [second] where the label [first] is right.
MISSED, SPURIOUS = {"GPE": 0.25, "PER": 0.5}, {"GPE": 1.0, "PER": 2.0}
COSTS = {
    ("", "GPE"): 1.0,
    ("", "PER"): 2.0,
    ("GPE", ""): 0.25,
    ("PER", ""): 0.5,
    ("GPE", "PER"): 2.25,
    ("PER", "GPE"): 1.5,
}
COSTLY = {"missed_costs": MISSED, "spurious_costs": SPURIOUS}
OBJECTIVES = {
    "incorrect spans": Settings(incorrect_spans_key=KEY),
    "and costs": Settings(incorrect_spans_key=KEY, **COSTLY),
}


def scores_of(cases, seed=0):
    """Random scores of all tokens, in float64, under the BIO rules."""
    chain = random_chain([len(case.words) for case in cases], len(TAGS), seed=seed)
    rules = as_learned(bio_chain(chain.lengths, len(TAGS))).transitions
    return replace(chain, transitions=chain.transitions.plus(rules))


def take(scores, cases, i):
    """The rows of the tokens of a case that are not white space."""
    first = int(scores.lengths[:i].sum())
    return [first + row for row in cases[i].rows()]


def by_all_paths(cases, scores, costs=None):
    """The loss, and its gradient, by the list of all paths of each example."""
    loss = 0.0
    gradient = {name: np.zeros(a.shape) for name, a in gradient_arrays(scores).items()}
    for i, case in enumerate(cases):
        rows = take(scores, cases, i)
        if not rows:
            continue
        [listed] = all_paths(scores.take(np.array(rows), np.array([len(rows)])))
        paths = listed.paths.tolist()
        agrees = [case.agrees([TAGS[tag] for tag in path]) for path in paths]
        known = np.where(agrees, listed.scores, -np.inf)
        free = listed.scores + [cost_of(case, path, costs or {}) for path in paths]
        crosses = [case.crosses([TAGS[tag] for tag in path]) for path in paths]
        known, free = (np.where(crosses, -np.inf, each) for each in (known, free))
        log_zs = [np.logaddexp.reduce(scores) for scores in (free, known)]
        loss += log_zs[0] - log_zs[1]
        probs = np.exp(free - log_zs[0]) - np.exp(known - log_zs[1])
        for span in case.excluded:
            has_span = [span in spans_in(*(TAGS[tag] for tag in p)) for p in paths]
            without = np.where(has_span, -np.inf, known)
            log_z = np.logaddexp.reduce(without)
            loss += log_zs[1] - log_z  # -log(1 - P(span))
            probs += np.exp(known - log_zs[1]) - np.exp(without - log_z)
        for path, prob in zip(paths, probs.tolist(), strict=True):
            gradient["emit"][rows, path] += prob
            np.add.at(gradient["transition"], (path[:-1], path[1:]), prob)
            gradient["start"][path[0]] += prob
            gradient["end"][path[-1]] += prob
    return loss, gradient


def cost_of(case, path, costs):
    """What a path costs where the tags are known."""
    return sum(
        costs.get((known[2:], TAGS[tag][2:]), 0.0)
        for known, tag in zip(case.known_tags(), path, strict=True)
        if known != "?"
    )


def loss_of(settings, cases, scores):
    return get_loss([case.example() for case in cases], scores, TAG_SET, settings)


# Which paths agree


@pytest.mark.parametrize("case", CROSSING.values(), ids=CROSSING)
def test_entities_across_the_start_of_a_sentence_are_left_out(case):
    scores = scores_of([case])
    with pytest.warns(UserWarning, match="L503.*cross the start of a sentence"):
        loss, gradient = loss_of(Settings(), [case], scores)
    expected, expected_gradient = by_all_paths([case], scores)
    assert loss == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(gradient.emit, expected_gradient["emit"], atol=1e-9)


@pytest.mark.parametrize("case", ALL_CASES, ids=[*CASES, *WRONG_CASES])
def test_loss_of_one_example(case):
    scores = scores_of([case])
    expected, _ = by_all_paths([case], scores)
    loss, _ = loss_of(Settings(incorrect_spans_key=KEY), [case], scores)
    assert loss == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert (loss > 0) == case.says_something()


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("order", [1, -1])
def test_loss_and_gradient_of_a_batch(name, order):
    cases = ALL_CASES[::order]
    scores = scores_of(cases)
    costs = COSTS if name == "and costs" else None
    expected_loss, expected = by_all_paths(cases, scores, costs)
    loss, gradient = loss_of(OBJECTIVES[name], cases, scores)
    assert isinstance(loss, float)
    assert loss == pytest.approx(expected_loss, rel=1e-9)
    for key, found in gradient_arrays(gradient).items():
        assert relative_error(found, expected[key]) < 1e-6, key


def test_without_a_key_span_groups_mean_nothing():
    for case in WRONG_CASES.values():
        scores = scores_of([case])
        plain = replace(case, wrong=None, excluded=set())
        expected, _ = by_all_paths([plain], scores)
        for objective in (Settings(), Settings(incorrect_spans_key="other")):
            loss, _ = loss_of(objective, [case], scores)
            assert loss == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_an_incorrect_span_alone_costs_its_probability():
    case = WRONG_CASES["alone"]
    scores = scores_of([case])
    span = Spans.of([(0, 0, 2, LABELS.index("PER"))])
    prob = np.exp(PathSums(scores).log_prob_of_spans(span)[0])
    loss, _ = loss_of(Settings(incorrect_spans_key=KEY), [case], scores)
    assert 0 < prob < 1
    assert loss == pytest.approx(-np.log1p(-prob))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradient_is_exactly_zero_where_nothing_is_known(name):
    scores = scores_of(ALL_CASES)
    _, gradient = loss_of(OBJECTIVES[name], ALL_CASES, scores)
    ends = np.cumsum(scores.lengths)
    n_unknown = 0
    for i, case in enumerate(ALL_CASES):
        rows = gradient.emit[ends[i] - len(case.words) : ends[i]]
        tokens = case.rows()
        white_space = [row for row in range(len(rows)) if row not in tokens]
        assert not rows[white_space].any()
        assert rows.any() == case.says_something()
        n_unknown += bool(tokens) and not case.says_something()
    assert n_unknown >= 6


@pytest.mark.parametrize("seed", range(5))
def test_gradient_is_exactly_zero_beside_an_incorrect_span(seed):
    unknown = CASES["nothing known"]
    cases = [unknown, Case(["word"] * 8, "", [(0, 1, "PER"), (0, 6, "GPE")]), unknown]
    scores = scores_of(cases, seed)
    _, gradient = loss_of(Settings(incorrect_spans_key=KEY), cases, scores)
    assert gradient.emit[3:-3].any(axis=1).all()
    assert not gradient.emit[[0, 1, 2, -3, -2, -1]].any()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_nothing_known_in_the_whole_batch(name):
    cases = [case for case in ALL_CASES if not case.says_something()]
    loss, gradient = loss_of(OBJECTIVES[name], cases, scores_of(cases))
    assert loss == 0.0
    assert isinstance(loss, float)
    assert gradient.emit.shape == (sum(len(case.words) for case in cases), len(TAGS))
    assert not any(array.any() for array in gradient_arrays(gradient).values())


def allowed_by(known, tags):
    """Whether each token may have each tag: if it is None any, but for the inner tags
    next to a known entity, as that is known as a whole."""
    pairs = zip(["O", *known], known, strict=False)
    return np.array(
        [
            [
                tag == other
                or (tag is None and (before in (None, "O") or other[0] != "I"))
                for other in tags
            ]
            for before, tag in pairs
        ]
    )


def test_plain_objective_is_the_negative_log_likelihood_bit_for_bit():
    cases = [CASES["known"], CASES["partly known"]]
    scores = scores_of(cases)
    known = [tag for case in cases for tag in case.known_tags()]
    allowed = allowed_by([None if tag == "?" else tag for tag in known], TAGS)
    expected_loss, expected = negative_log_likelihood(scores, allowed)
    loss, gradient = loss_of(Settings(), cases, scores)
    assert loss == expected_loss
    for key, array in gradient_arrays(expected).items():
        assert np.array_equal(gradient_arrays(gradient)[key], array), key


# Costs


@pytest.mark.parametrize(
    ("right", "found", "cost"),
    [
        ("O", "O", 0.0),
        ("O", "B-GPE", 1.0),
        ("O", "B-PER", 2.0),
        ("B-GPE", "O", 0.25),
        ("B-PER", "O", 0.5),
        ("B-PER", "B-PER", 0.0),
        ("B-GPE", "B-PER", 0.25 + 2.0),
        ("B-PER", "B-GPE", 0.5 + 1.0),
        ("O O", "B-PER I-PER", 2 * 2.0),
        ("B-GPE I-GPE", "O O", 2 * 0.25),
        ("B-PER I-PER", "B-PER O", 0.5),
        ("B-PER O", "B-PER I-PER", 2.0),
        # Where entities of one label begin costs nothing.
        ("B-PER I-PER", "B-PER B-PER", 0.0),
        ("B-PER B-PER", "B-PER I-PER", 0.0),
        # Nor does anything where the right label is unknown.
        ("? O", "B-PER O", 0.0),
        ("B-PER ?", "B-PER B-GPE", 0.0),
    ],
)
def test_what_costs_what(right, found, cost):
    """Where the model is sure, the loss grows by the cost of what it is sure of."""
    case = Case(["Ada", "Lee"][: len(right.split())], right)
    scores = scores_of([case])
    for row, tag in enumerate(found.split()):
        scores.emit[row, TAGS.index(tag)] += 50.0
    loss, _ = loss_of(Settings(**COSTLY), [case], scores)
    plain, _ = loss_of(Settings(), [case], scores)
    assert loss - plain == pytest.approx(cost, abs=1e-6)


def test_labels_that_are_not_named_cost_nothing():
    case = Case(["Ada"], "B-PER")
    scores = scores_of([case])
    missed, spurious = (
        loss_of(objective, [case], scores)[0]
        for objective in (
            Settings(missed_costs={"PER": 1.0}),
            Settings(spurious_costs={"PER": 1.0}),
        )
    )
    costs = {("PER", ""): 1.0, ("PER", "GPE"): 1.0}
    assert missed == pytest.approx(by_all_paths([case], scores, costs)[0])
    assert spurious == pytest.approx(by_all_paths([case], scores)[0])
    assert missed > spurious


# The entity ratio


RATIO_CASES = [
    CASES["white space"],
    CASES["nothing known"],
    CASES["empty"],
    WRONG_CASES["across white space"],
    CASES["white space alone"],
    CASES["known"],
]


def expected_share(cases, scores):
    """The expected share of tokens, white space left out, that are in entities."""
    rows = [take(scores, cases, i) for i in range(len(cases))]
    lengths = np.array([len(part) for part in rows])
    chain = scores.take(np.concatenate(rows).astype(int), lengths)
    marginals = [paths.marginals()[:, 1:].sum() for paths in all_paths(chain)]
    return sum(marginals) / lengths.sum()


@pytest.mark.parametrize(
    ("low", "high", "side"), [(0.0, 0.2, 1), (0.9, 1.0, -1), (0.2, 0.9, 0)]
)
@pytest.mark.parametrize("settings", [{}, {"incorrect_spans_key": KEY}])
def test_entity_ratio(low, high, side, settings):
    scores = scores_of(RATIO_CASES)
    share = expected_share(RATIO_CASES, scores)
    assert 0.2 < share < 0.9
    distance = {1: share - high, -1: low - share, 0: 0.0}[side]
    plain, plain_gradient = loss_of(Settings(**settings), RATIO_CASES, scores)
    objective = Settings(**settings, entity_ratio=[low, high], entity_ratio_weight=3.0)
    loss, gradient = loss_of(objective, RATIO_CASES, scores)
    assert loss - plain == pytest.approx(len(RATIO_CASES) * 3.0 * distance, abs=1e-9)
    unannotated = slice(5, 8)
    assert gradient.emit[unannotated].any() == (side != 0)
    assert not gradient.emit[[0, 2, 4]].any()  # white space
    arrays, found_arrays = gradient_arrays(scores), gradient_arrays(gradient)
    plain_arrays = gradient_arrays(plain_gradient)
    for name, array in arrays.items():
        found = found_arrays[name]
        if not side:
            assert np.array_equal(found, plain_arrays.get(name, np.zeros_like(found)))
            continue
        error = gradient_error(
            lambda: loss_of(objective, RATIO_CASES, fresh(scores))[0],
            array,
            found,
            1e-3,
        )
        assert error < 1e-5, name


def test_the_default_weight_of_the_entity_ratio():
    cases = [CASES["nothing known"]]
    scores = scores_of(cases)
    loss, _ = loss_of(Settings(entity_ratio=[0.0, 0.0]), cases, scores)
    assert loss == pytest.approx(10.0 * expected_share(cases, scores))


def test_entity_ratio_of_no_tokens():
    cases = [CASES["empty"], CASES["white space alone"]]
    loss, gradient = loss_of(Settings(entity_ratio=[0.1, 0.2]), cases, scores_of(cases))
    assert loss == 0.0
    assert not gradient.emit.any()


# What can't be learned


@pytest.mark.parametrize(
    ("case", "token", "word"),
    [
        (Case(["Ada", "met"], "B-PER O", [(0, 1, "PER")]), 0, "Ada"),
        (Case(["so", "Ada"], "O B-PER", [(1, 2, "PER")]), 1, "Ada"),
        (Case(["Ada", "Lee"], "B-PER ?", [(0, 1, "PER")]), 0, "Ada"),
        (Case(["\n", "Ada", "\n", "met"], "? B-PER ? O", [(1, 2, "PER")]), 1, "Ada"),
        (
            Case(
                ["so", "Rome", "-", "based"],
                "O B-PER",
                [(1, 2, "PER")],
                ["so", "Rome-based"],
            ),
            1,
            "Rome",
        ),
    ],
    ids=["an entity", "at the end", "before unknown", "white space", "split tokens"],
)
def test_annotation_that_contradicts_itself(case, token, word):
    cases = [CASES["nothing known"], CASES["empty"], CASES["known"], case]
    eg = case.example()
    ents = [(ent.text, ent.label_) for ent in eg.reference.ents]
    with pytest.raises(ValueError, match=r"\[L033\]") as info:
        loss_of(Settings(incorrect_spans_key=KEY), cases, scores_of(cases))
    for part in (
        f"example 3 ('{eg.reference.text}')",
        f"token {token} ({word!r})",
        f"entities are {ents}",
        f"spans[{KEY!r}]",
    ):
        assert part in str(info.value)
    loss_of(Settings(), cases, scores_of(cases))


def test_label_of_gold_data_that_is_unknown():
    cases = [CASES["known"], Case(["Acme", "hired", "Ada"], "B-ORG O B-PER")]
    message = r"\[L012\] Label 'ORG' .*example 1 \('Acme hired Ada '\).*'GPE', 'PER'"
    with pytest.raises(ValueError, match=message):
        loss_of(Settings(), cases, scores_of(cases))
