"""Active learning, played through: what is chosen, what is needed."""

from pathlib import Path

import numpy as np
import pytest
from contract.helpers import make_example, make_nlp, trained
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import fix_random_seed

from spacy_lstm_ner.reports.rank import most_uncertain
from spacy_lstm_ner.reports.trials import (
    Ledger,
    Needed,
    Round,
    Scores,
    Settings,
    Simulation,
    Trained,
    savings,
    score_lines,
    simulate,
)

KNOWN, NEW = "Ada met Bob", "Dora told them nothing about Rome or Paris"


@pytest.fixture(scope="module")
def nlp() -> Language:
    fix_random_seed(0)
    texts = [(KNOWN, {"Ada": "PER", "Bob": "PER"}), ("Carl left", {"Carl": "PER"})]
    return trained(make_nlp(), [make_example(make_nlp(), *each) for each in texts])


@pytest.fixture(scope="module")
def texts(nlp: Language) -> list[Doc]:
    """Ten texts that are new to the model among thirty that it knows."""
    known = make_example(nlp, KNOWN, {"Ada": "PER", "Bob": "PER"}).reference
    new = make_example(nlp, NEW, {"Dora": "PER"}).reference
    return [new if i % 4 == 0 else known for i in range(40)]


class Fake:
    """Has a model already; F1 is the share of the ten new texts."""

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp
        self.calls: list[tuple[int, int]] = []

    def __call__(self, texts: list[Doc], dev: list[Doc], *, seed: int) -> Trained:
        n_new = sum(doc.text == NEW for doc in texts)
        self.calls.append((seed, len(texts)))
        return Trained(self.nlp, Scores(0.5, 0.5, n_new / 10))


def run(nlp: Language, texts: list[Doc], path: Path | None = None, **more: object):
    fake, shown = Fake(nlp), []
    found = simulate(
        fake,
        texts,
        texts[:1],
        **{"measures": ["entropy"], "seeds": [0, 1], **more},
        settings=Settings(8, 1.5, 0.8),
        ledger=Ledger(path, {}),
        on_round=shown.append,
    )
    return found, fake.calls, shown


def test_the_most_uncertain_texts_are_chosen(nlp: Language, texts: list[Doc]):
    found, calls, shown = run(nlp, texts)
    assert [(each.by, each.texts, each.f1) for each in found.full] == [
        ("all", 40, 1.0),
        ("all", 40, 1.0),
    ]
    for seed in (0, 1):
        rounds = [each for each in found.rounds if each.seed == seed]
        chosen = [each for each in rounds if each.by == "entropy"]
        at_random = [each for each in rounds if each.by == "random"]
        assert chosen[0]._replace(by="random") == at_random[0]
        assert [each.texts for each in at_random][:3] == [8, 12, 18]
        n_new = [round(10 * each.f1) for each in chosen]
        # Each text that is chosen by entropy is new, up to the goal of eight.
        assert n_new[1] - n_new[0] == 4
        assert n_new[-1] >= 8 > n_new[-2]
        assert len(at_random) > len(chosen)
        assert [each.tokens for each in chosen] == [
            3 * each.texts + 5 * n for each, n in zip(chosen, n_new, strict=True)
        ]
    assert shown[0] == found.full[0]
    assert len(shown) == len(found.rounds) + 2
    # All ways share the first training.
    assert calls.count((0, 8)) == 1
    random_, entropy = savings(found)
    assert (random_.by, random_.text_shares) == ("random", [1.0, 1.0])
    assert max(entropy.text_shares) < 0.7
    assert entropy.texts < random_.texts


def test_an_interrupted_simulation_goes_on(
    nlp: Language, texts: list[Doc], tmp_path: Path
):
    path = tmp_path / "results.jsonl"
    found, calls, _ = run(nlp, texts, path)
    again, none, shown = run(nlp, texts, path)
    assert again == found
    assert none == []
    assert len(shown) == len(found.rounds) + 2
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    rest, two, _ = run(nlp, texts, path)
    assert rest == found
    assert two == calls[-2:]
    more, _, _ = run(nlp, texts, path, measures=["entropy", "probability"], seeds=[0])
    assert more.rounds[: len(more.rounds) // 2] == found.rounds[: len(more.rounds) // 2]


def test_an_unknown_component(nlp: Language, texts: list[Doc]):
    with pytest.raises(ValueError, match=r"L206.*'other'"):
        run(nlp, texts, component="other")


@pytest.mark.parametrize("settings", [(40,), (5, 1.0), (5, 2.0, 0.0), (5, 2.0, 1.1)])
def test_impossible_settings(settings: tuple[float, ...]):
    with pytest.raises(ValueError, match=r"L347.*40 texts"):
        Settings(*settings).check(40)


def round_of(by: str, seed: int, texts: int, f1: float) -> Round:
    return Round(by, seed, texts, 10 * texts, texts, f1, f1, f1)


def test_savings_and_lines():
    full = [round_of("all", seed, 100, 0.9) for seed in (0, 1)]
    rounds = [
        *(round_of("random", 0, n, f1) for n, f1 in ((10, 0.5), (20, 0.6), (40, 0.9))),
        *(round_of("random", 1, n, f1) for n, f1 in ((10, 0.7), (20, 0.9))),
    ]
    needed = [
        Needed("random", 0, 30, 300, 30),
        Needed("entropy", 0, 15, 200, 15),
        Needed("random", 1, 20, 200, 20),
        Needed("entropy", 1, 12, 150, 12),
    ]
    found = Simulation(full, rounds, needed)
    _, entropy = savings(found)
    assert entropy.texts == 13.5
    assert entropy.text_shares == [0.5, 0.6]
    assert entropy.token_shares == pytest.approx([2 / 3, 0.75])
    line = score_lines(found)["random"]
    assert line.texts == [10, 20]  # seed 1 has no round of 40
    np.testing.assert_allclose(
        [line.f1, line.low, line.high], [[0.6, 0.75], [0.5, 0.6], [0.7, 0.9]]
    )


def test_order_of_uncertainty(nlp: Language):
    (ner,) = (pipe for _, pipe in nlp.pipeline)
    docs = [nlp.make_doc(text) for text in (KNOWN, NEW, "Carl left", "")]
    for by in ("entropy", "probability"):
        order = most_uncertain(docs, ner, by=by, batch_size=2)
        assert order[0] == 1
        assert sorted(order) == [0, 1, 2, 3]
    entropies = [each.entropy for each in ner.uncertainty(docs)]
    order = most_uncertain(docs, ner, by="entropy", batch_size=3)
    assert [entropies[i] for i in order] == sorted(entropies, reverse=True)
