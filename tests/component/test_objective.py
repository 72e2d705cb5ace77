"""What `lstm_ner` learns from Examples: which paths agree with the annotation, what the
settings of training do to the loss, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import spacy
from contract.helpers import (
    FACTORY,
    add_tiny,
    initialized,
    make_nlp,
    parameters,
    same_arrays,
    tagged_example,
    tiny_model,
    train,
)
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from thinc.api import SGD, fix_random_seed
from util import (
    all_paths,
    as_learned,
    bio_chain,
    gradient_arrays,
    numeric_gradient,
    random_chain,
    relative_error,
)

from spacy_lstm_ner.chains.losses import negative_log_likelihood
from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.chains.spans import Spans
from spacy_lstm_ner.component.objective import get_loss
from spacy_lstm_ner.component.settings import Settings
from spacy_lstm_ner.tags import TagSet, to_spans

LABELS = ("GPE", "PER")
TAG_SET = TagSet(LABELS)
TAGS = TAG_SET.names
KEY = "wrong"
VOCAB = spacy.blank("en").vocab


@dataclass
class Case:
    """An example, and what it says.

    words: Tokens of the predicted Doc.
    tags: Tag of each reference token, "?" where it is unknown; "" if all are.
    wrong: Spans of the reference that are no entities; None without a span group.
    reference: Tokens of the reference, if they are others.
    known: What `tags` says about the predicted tokens, white space left out.
    excluded: What `wrong` says about them.
    """

    words: Sequence[str]
    tags: str = ""
    wrong: Sequence[tuple[int, int, str]] | None = None
    reference: Sequence[str] | None = None
    known: str | None = None
    excluded: set[tuple[int, int, str]] = field(default_factory=set)

    def example(self) -> Example:
        words = self.words if self.reference is None else self.reference
        ents = ["" if tag == "?" else tag for tag in self.tags.split()]
        reference = Doc(VOCAB, words=list(words), ents=ents or None)
        if self.wrong is not None:
            reference.spans[KEY] = [
                Span(reference, start, end, label=label)
                for start, end, label in self.wrong
            ]
        return Example(Doc(VOCAB, words=list(self.words)), reference)

    def rows(self) -> list[int]:
        """The tokens that are not white space."""
        return [i for i, word in enumerate(self.words) if not word.isspace()]

    def known_tags(self) -> list[str]:
        known = self.tags if self.known is None else self.known
        return known.split() or ["?"] * len(self.rows())

    def says_something(self) -> bool:
        return bool(self.excluded) or any(tag != "?" for tag in self.known_tags())

    def agrees(self, tags: Sequence[str]) -> bool:
        """Whether a path of the tokens that are not white space is a possible one by
        the tags: it has the known entities, as a whole, and none where there is none.
        """
        known, spans = self.known_tags(), to_spans(tags)[0]
        entities = to_spans(["O" if tag == "?" else tag for tag in known])[0]
        return set(entities) <= set(spans) and all(
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
        log_zs = [np.logaddexp.reduce(scores) for scores in (free, known)]
        loss += log_zs[0] - log_zs[1]
        probs = np.exp(free - log_zs[0]) - np.exp(known - log_zs[1])
        for span in case.excluded:
            has_span = [
                span in to_spans([TAGS[tag] for tag in path])[0] for path in paths
            ]
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
        numeric = numeric_gradient(
            lambda: loss_of(objective, RATIO_CASES, scores)[0], array, eps=1e-3
        )
        assert relative_error(found, numeric) < 1e-5, name


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


# The component


CRF = {**tiny_model(), "decode": {"@layers": "spacy_lstm_ner.CRF.v1"}}
WORDS = ["Ada", "Lovelace", "Roe", "met", "Bob"]
RIGHT = "B-PER I-PER O O B-GPE"


def tagged(nlp, words, tags, **wrong):
    """An example by its tokens, with span groups; "?" is a tag that is unknown."""
    eg = tagged_example(nlp, words, ["" if tag == "?" else tag for tag in tags.split()])
    for key, spans in wrong.items():
        eg.reference.spans[key] = [
            Span(eg.reference, start, end, label=label) for start, end, label in spans
        ]
    return eg


def labelled(nlp):
    """Examples of all labels, without anything wrong."""
    return [tagged(nlp, WORDS, RIGHT), tagged(nlp, ["it", "rained"], "O O")]


def fresh(examples=labelled, **settings):
    """An initialized pipeline of a tiny component, always with the same weights."""
    fix_random_seed(0)
    nlp = make_nlp(**settings)
    return initialized(nlp, examples(nlp))


def probability(pipe, words, start, end, label):
    """Of exactly this span with this label."""
    span = Spans.of([(0, start, end, pipe.labels.index(label))])
    chain = pipe.model.predict([Doc(pipe.vocab, words=list(words))])
    return float(np.exp(PathSums(chain).log_prob_of_spans(span)[0]))


@pytest.mark.parametrize("model", [tiny_model(), CRF], ids=["log-softmax", "CRF"])
def test_exactly_the_incorrect_span_becomes_improbable(model):
    nlp = fresh(model=model, incorrect_spans_key=KEY)
    pipe = nlp.get_pipe(FACTORY)
    longer = tagged(nlp, WORDS, "B-PER I-PER I-PER O B-GPE")
    train(nlp, [*labelled(nlp), *labelled(nlp), longer], steps=30)
    assert 0.5 < probability(pipe, WORDS, 0, 2, "PER") < 0.8
    wrong = tagged(nlp, WORDS, "? ? ? ? ?", wrong=[(0, 2, "PER")])
    # Steps along the gradient: Adam's, alike for all weights, would move more.
    train(nlp, [wrong], steps=20, sgd=SGD(0.03))
    assert probability(pipe, WORDS, 0, 2, "PER") < 0.05
    # The next probable takes its place, of the same words, and the rest stays.
    assert probability(pipe, WORDS, 0, 3, "PER") > 0.9
    assert probability(pipe, WORDS, 4, 5, "GPE") > 0.9


def test_a_known_entity_ends_where_nothing_is_known():
    nlp = fresh()
    train(nlp, [tagged(nlp, WORDS, "B-PER I-PER ? ? ?")], steps=20)
    assert probability(nlp.get_pipe(FACTORY), WORDS, 0, 2, "PER") > 0.9


def test_each_component_has_its_own_incorrect_spans():
    fix_random_seed(0)
    nlp = spacy.blank("en")
    first = add_tiny(nlp, "first", incorrect_spans_key="long")
    second = add_tiny(nlp, "second", incorrect_spans_key="short")
    longer = tagged(nlp, WORDS, "B-PER I-PER I-PER O B-GPE")
    train(initialized(nlp, labelled(nlp)), [*labelled(nlp), longer])
    groups = {"long": [(0, 3, "PER")], "short": [(0, 2, "PER")]}
    wrong = tagged(nlp, WORDS, "? ? ? ? ?", **groups)
    train(nlp, [wrong], steps=20, sgd=SGD(0.03))
    assert probability(first, WORDS, 0, 2, "PER") > 0.9
    assert probability(second, WORDS, 0, 3, "PER") > 0.9


def test_incorrect_spans_through_files_of_docs(tmp_path):
    """Span groups of reference Docs survive DocBin and Corpus."""
    nlp = fresh(incorrect_spans_key=KEY)
    wrong = tagged(nlp, WORDS, "? ? ? O B-GPE", wrong=[(0, 2, "PER"), (0, 2, "GPE")])
    path = tmp_path / "wrong.spacy"
    DocBin(docs=[wrong.reference]).to_disk(path)
    [read] = Corpus(path)(nlp)
    pipe = nlp.get_pipe(FACTORY)
    losses = [pipe.update([eg], losses={})[FACTORY] for eg in (read, wrong)]
    assert losses[0] == losses[1]
    train(nlp, labelled(nlp), steps=20)
    assert probability(pipe, WORDS, 0, 2, "PER") > 0.9
    train(nlp, [read], steps=20)
    assert probability(pipe, WORDS, 0, 2, "PER") < 0.05
    assert probability(pipe, WORDS, 4, 5, "GPE") > 0.9


SETTINGS = {
    "incorrect_spans_key": {"incorrect_spans_key": KEY},
    "missed_costs": {"missed_costs": {"PER": 2.0}},
    "spurious_costs": {"spurious_costs": {"GPE": 2.0}},
    "entity_ratio": {"entity_ratio": [0.0, 0.1]},
    "entity_ratio_weight": {"entity_ratio": [0.0, 0.1], "entity_ratio_weight": 1.0},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_config_reach_the_loss_and_are_kept(name, tmp_path):
    nlp = fresh(**SETTINGS[name])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    plain = fresh()

    def loss(nlp):
        wrong = [(0, 2, "PER"), (0, 2, "GPE")]
        examples = [tagged(nlp, WORDS, "? ? ? O B-GPE", wrong=wrong), *labelled(nlp)]
        return nlp.update(examples, sgd=False, losses={})[FACTORY]

    found = loss(nlp)
    assert found > loss(plain) + 0.01
    assert loss(loaded) == pytest.approx(found, rel=1e-5)
    if name == "entity_ratio_weight":
        whole = loss(fresh(entity_ratio=[0.0, 0.1]))
        assert whole - loss(plain) == pytest.approx(
            10 * (found - loss(plain)), rel=1e-3
        )


def weights_after_training(nlp):
    fix_random_seed(0)
    partly = tagged(nlp, WORDS, "? ? O O ?", wrong=[(0, 2, "PER")])
    train(nlp, [*labelled(nlp), partly], steps=4, drop=0.2)
    return parameters(nlp.get_pipe(FACTORY))


@pytest.mark.parametrize("name", SETTINGS)
def test_neutral_settings_change_no_bit(name):
    neutral = {
        "incorrect_spans_key": {"incorrect_spans_key": "other"},
        "missed_costs": {"missed_costs": {"PER": 0.0}},
        "spurious_costs": {"spurious_costs": {"GPE": 0.0}},
        "entity_ratio": {"entity_ratio": [0.0, 1.0]},
        "entity_ratio_weight": {"entity_ratio_weight": 1.0},
    }
    plain = weights_after_training(fresh())
    assert same_arrays(weights_after_training(fresh(**neutral[name])), plain)
    assert not same_arrays(weights_after_training(fresh(**SETTINGS[name])), plain)


@pytest.mark.parametrize("setting", ["missed_costs", "spurious_costs"])
@pytest.mark.parametrize("tags", [RIGHT, "? ? ? ? ?"])
def test_costs_of_unknown_labels(setting, tags):
    nlp = fresh(**{setting: {"PER": 1.0, "ORG": 1.0}})
    message = rf"\[L032\] The setting {setting} names the label 'ORG'.*'GPE', 'PER'"
    with pytest.raises(ValueError, match=message):
        nlp.update([tagged(nlp, WORDS, tags)])
    nlp.get_pipe(FACTORY).add_label("ORG")
    nlp.update([tagged(nlp, WORDS, tags)])


def test_contradictory_annotation_stops_the_update():
    nlp = fresh(incorrect_spans_key=KEY)
    examples = [*labelled(nlp), tagged(nlp, WORDS, RIGHT, wrong=[(4, 5, "GPE")])]
    with pytest.raises(ValueError, match=r"\[L033\].*example 2 .*token 4 \('Bob'\)"):
        nlp.update(examples)


NAMES = ["Ada", "Carl", "Dora", "Eve", "Finn", "Hugo", "Ida", "Kim", "Lena", "Max"]
FRAMES = [
    "we met {} at the old station today .",
    "nobody told {} about it before lunch .",
    "then {} went to see {} again after work .",
    "{} was late and {} had to wait there .",
]
HELD_OUT_NAMES = ["Paul", "Quin", "Rosa", "Sven"]
HELD_OUT_FRAMES = [
    "yesterday {} came home with {} very late .",
    "they think that {} is never on time at all .",
]


def named(nlp, frames, names, other):
    """Each name in one of the frames; `other` is the tag of all other words."""
    examples = []
    for i in range(len(names)):
        frame, here = frames[i % len(frames)].split(), iter([*names[i:], *names])
        words = [next(here) if word == "{}" else word for word in frame]
        tags = ["B-PER" if word == "{}" else other for word in frame]
        examples.append(tagged(nlp, words, " ".join(tags)))
    return examples


@pytest.mark.parametrize("model", [tiny_model(), CRF], ids=["log-softmax", "CRF"])
def test_entities_alone_teach_what_is_none_with_an_entity_ratio(model):
    def share_of_entity_tokens(**settings):
        nlp = fresh(lambda nlp: named(nlp, FRAMES, NAMES, "?"), model=model, **settings)
        train(nlp, named(nlp, FRAMES, NAMES, "?"), steps=30)
        held_out = named(nlp, HELD_OUT_FRAMES, HELD_OUT_NAMES, "O")
        assert nlp.evaluate(held_out)["ents_r"] > 0.7
        docs = [nlp.get_pipe(FACTORY)(eg.predicted) for eg in held_out]
        return sum(len(ent) for doc in docs for ent in doc.ents) / sum(map(len, docs))

    assert share_of_entity_tokens() > 0.8
    assert share_of_entity_tokens(entity_ratio=[0.1, 0.25]) < 0.35


# In how many of five copies the word is an entity.
COPIES = {
    "GPE": {"Rome": 5, "Lima": 3, "Apia": 2},
    "PER": {"Ada": 5, "Bob": 3, "Carl": 2},
}


def contradictory(nlp):
    return [
        tagged(nlp, ["so", word, "left"], f"O B-{label} O" if copy < n else "O O O")
        for label, words in COPIES.items()
        for word, n in words.items()
        for copy in range(5)
    ]


@pytest.mark.parametrize("label", LABELS)
def test_costs_trade_precision_for_recall_of_their_label(label):
    def scores(**settings):
        nlp = fresh(contradictory, **settings)
        train(nlp, contradictory(nlp), steps=40)
        per_type = nlp.evaluate(contradictory(nlp))["ents_per_type"]
        return {name: (prf["p"], prf["r"]) for name, prf in per_type.items()}

    # Of 10 entities in 15 copies: what is one in most copies is found in all.
    usual = (8 / 10, 8 / 10)
    [other] = {*LABELS} - {label}
    assert scores() == {label: usual, other: usual}
    found = scores(missed_costs={label: 3.0})
    assert found == {label: (10 / 15, 10 / 10), other: usual}
    found = scores(spurious_costs={label: 3.0})
    assert found == {label: (5 / 5, 5 / 10), other: usual}
