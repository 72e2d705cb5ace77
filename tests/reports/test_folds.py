"""Models that judge texts that they have not learned."""

from collections import Counter

import numpy as np
import pytest
from contract.helpers import make_example, make_nlp
from spacy.tokens import Doc
from thinc.api import Config

from spacy_lstm_ner.reports.check import Data, Text
from spacy_lstm_ner.reports.check.folds import cut, doubts_of_folds
from spacy_lstm_ner.reports.check.opinions import Opinion, mean_opinion
from spacy_lstm_ner.reports.trials import Trained, Trainer
from spacy_lstm_ner.tags import TokenSpan

NAMES = ["Ada", "Bob", "Carl", "Dora", "Eve", "Finn"]


def gold(text: str, ents: dict[str, str]) -> Doc:
    return make_example(make_nlp(), text, ents).reference


def data_with_an_error() -> Data:
    """Texts like "Ada met Bob", in one of which a name is not annotated."""
    docs = [
        gold(f"{first} met {second}", {first: "PER", second: "PER"})
        for first in NAMES
        for second in NAMES
        if first != second
    ]
    docs[9] = gold(docs[9].text, {NAMES[1]: "PER"})
    return Data({"train": docs[:22], "dev": docs[22:]})


class Spy:
    """Keeps what a trainer learns from."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.learned: list[list[str]] = []

    def __call__(self, texts: list[Doc], dev: list[Doc], *, seed: int) -> Trained:
        self.learned.append([doc.text for doc in [*texts, *dev]])
        return self.trainer(texts, dev, seed=seed)


def test_an_error_is_found_by_a_model_that_has_not_seen_it():
    data = data_with_an_error()
    config = Config(make_nlp().config.copy())
    config["training"].update(max_steps=20, eval_frequency=20)
    spy = Spy(Trainer(config))
    shown: list[tuple[int, Trained]] = []
    found = doubts_of_folds(
        data, spy, n_folds=3, on_fold=lambda *args: shown.append(args)
    )
    assert [number for number, _ in shown] == [1, 2, 3]
    assert all(trained.scores.f1 > 0.8 for _, trained in shown)
    first = found.doubts[0]
    assert (first.entity.part, first.entity.number) == ("train", 10)
    assert not first.is_annotated
    wrong = [doubt.wrong for doubt in found.doubts]
    assert wrong == sorted(wrong, reverse=True)
    # With the same models, by the one that has not learned the text alone.
    models = iter([trained for _, trained in shown])
    unseen = doubts_of_folds(
        data, lambda *args, **kwargs: next(models), n_folds=3, only_unseen=True
    )
    assert unseen.doubts[0].entity.number == 10
    assert unseen.doubts[0].probability != first.probability
    # Each text is learned by all models but one.
    n_learned = Counter(text for texts in spy.learned for text in texts)
    assert set(n_learned.values()) == {2}
    assert len(n_learned) == 30


def test_equal_texts_are_in_one_fold():
    texts = [Text("train", i, gold(f"text {i % 7}", {})) for i in range(21)]
    numbers = cut(texts, 3, 0)
    assert sorted(Counter(numbers).values()) == [6, 6, 9]
    assert numbers == numbers[:7] * 3
    assert cut(texts, 3, 0) == numbers != cut(texts, 3, 1)


@pytest.mark.parametrize(("n", "n_folds"), [(3, 2), (8, 9), (8, 1)])
def test_too_few(n: int, n_folds: int):
    texts = [Text("train", i, gold(f"text {i}", {})) for i in range(n)]
    with pytest.raises(ValueError, match=f"L345.*{n_folds}.*{n}"):
        cut(texts, n_folds, 0)


def test_the_mean_of_opinions():
    a, b, c = (TokenSpan(0, end, "PER") for end in (1, 2, 3))
    first = Opinion({a: 0.2, b: 0.4}, {a: 0.2, c: 0.6}, np.array([0.8, 0.2, np.nan]))
    second = Opinion({a: 0.6}, {a: 0.6}, np.array([0.4, np.nan, np.nan]))
    found = mean_opinion([first, second])
    assert found.entities == pytest.approx({a: 0.4, b: 0.4})
    assert found.spans == pytest.approx({a: 0.4, c: 0.3})
    np.testing.assert_allclose(found.wrong, [0.6, 0.2, np.nan])
    one = mean_opinion([first])
    assert one[:2] == first[:2]
    np.testing.assert_array_equal(one.wrong, first.wrong)
