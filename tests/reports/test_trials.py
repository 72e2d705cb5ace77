"""Trainings on parts of the data: the trainer, the ledger, the curve, its forecast."""

from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from contract.helpers import TRAIN_DATA, make_example, make_nlp
from spacy.tokens import Doc
from thinc.api import Config

from spacy_lstm_ner.reports.trials import (
    Ledger,
    Scores,
    Trained,
    Trainer,
    adopt,
    digests,
    forecast,
    learning_curve,
    rows_of,
)
from spacy_lstm_ner.reports.trials.learning_curve import sample
from spacy_lstm_ner.reports.trials.training import with_texts


def tiny_config(**training: Any) -> Config:
    config = Config(make_nlp().config.copy())
    config["training"].update({"max_steps": 20, "eval_frequency": 10, **training})
    return config


@pytest.fixture(scope="module")
def docs() -> list[Doc]:
    nlp = make_nlp()
    return [make_example(nlp, *each).reference for each in TRAIN_DATA]


class Fake:
    """Trains nothing; F1 is a function of the number of texts."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[Doc], int]] = []

    def __call__(self, texts: list[Doc], dev: list[Doc], *, seed: int) -> Trained:
        self.calls.append((texts, seed))
        f1 = 0.9 - 0.5 * len(texts) ** -0.5 + 0.001 * seed
        return Trained(spacy.blank("xx"), Scores(f1, f1, f1))


# The trainer


def test_a_trainer_learns_from_the_texts(docs: list[Doc]):
    log = StringIO()
    train = Trainer(tiny_config(), log=log)
    found = train(docs, docs, seed=0)
    assert found.scores.f1 > 0.9
    assert "ENTS_F" in log.getvalue()
    same, other = (
        train(docs, docs, seed=seed).nlp.get_pipe("lstm_ner").to_bytes()
        for seed in (0, 1)
    )
    assert same == found.nlp.get_pipe("lstm_ner").to_bytes() != other
    for doc, ready in zip(docs, adopt(docs, found.nlp.vocab), strict=True):
        assert ready.vocab is found.nlp.vocab
        assert [str(e) for e in ready.ents] == [str(e) for e in doc.ents]
    # The label is not in the texts, so it can't be learned.
    people = [docs[0].copy()]
    people[0].set_ents(people[0].ents[:1])
    scores = train(people, docs, seed=0).scores
    assert scores.recall < found.scores.recall


def test_a_trainer_keeps_the_best_checkpoint(docs: list[Doc]):
    train = Trainer(tiny_config(eval_frequency=5, max_steps=20))
    wrong = [doc.copy() for doc in docs]
    for doc in wrong:
        doc.set_ents([])
    # On texts without entities each step makes it worse: recall falls to 0.
    assert train([*wrong, docs[0]], docs, seed=0).scores.f1 > 0


def test_the_config_of_a_training():
    config = tiny_config()
    config["paths"] = {"train": "a", "dev": "b", "vectors": None}
    config["corpora"] = {
        "mine": {"@readers": "spacy.Corpus.v1", "path": "a", "max_length": 9},
        "dev": {"@readers": "other.v1", "files": ["b"]},
        "pretrain": {"@readers": "spacy.JsonlCorpus.v1"},
    }
    config["training"].update(train_corpus="corpora.mine", dev_corpus="corpora.dev")
    files = {part: Path(f"{part}.spacy") for part in ("train", "dev")}
    ready = with_texts(config, files, 7)
    assert ready["corpora"]["train"] == {
        "@readers": "spacy.Corpus.v1",
        "path": "train.spacy",
        "max_length": 9,
        "limit": 0,
    }
    assert ready["corpora"]["dev"]["path"] == "dev.spacy"
    assert "files" not in ready["corpora"]["dev"]
    assert ready["corpora"]["pretrain"] == config["corpora"]["pretrain"]
    assert ready["paths"] == {
        "train": "train.spacy",
        "dev": "dev.spacy",
        "vectors": None,
    }
    assert ready["training"]["seed"] == 7
    assert config["training"]["train_corpus"] == "corpora.mine"


def test_other_pipelines_are_refused(docs: list[Doc]):
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    config = Config(nlp.config.copy())
    config["training"].update(max_steps=1)
    with pytest.raises(ValueError, match=r"L340.*sentencizer"):
        Trainer(config)(docs, docs, seed=0)


# The ledger


def test_a_ledger_goes_on(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    ledger = Ledger(path, {"a": 1})
    assert ledger.find({"share": 10}) is None
    ledger.add({"share": 10, "f1": 0.5})
    ledger.add({"share": 20, "f1": 0.6})
    again = Ledger(path, {"a": 1})
    assert again.find({"share": 20}) == {"share": 20, "f1": 0.6}
    with pytest.raises(ValueError, match=r"L341.*results\.jsonl.*\(a\)"):
        Ledger(path, {"a": 2})
    with pytest.raises(ValueError, match=r"L341.*\(b\)"):
        Ledger(path, {"a": 1, "b": 1})


@pytest.mark.parametrize("text", ["no", "[1]", '{"a": 1}', '{"trainings": {}}\n[1]'])
def test_other_files_are_no_ledgers(tmp_path: Path, text: str):
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"L342.*other\.jsonl"):
        Ledger(path, {})


def test_digests_tell_data_apart(docs: list[Doc]):
    config = tiny_config()
    found = digests(config, docs, docs[:1])
    assert found == digests(config.copy(), [doc.copy() for doc in docs], docs[:1])
    other = [doc.copy() for doc in docs]
    other[0].set_ents(other[0].ents[1:])
    unknown = [doc.copy() for doc in docs]
    unknown[3].set_ents([], default="missing")
    for changed in (docs[1:], other, unknown):
        assert digests(config, changed, docs[:1])["train"] != found["train"]
    assert digests(tiny_config(dropout=0.5), docs, docs)["config"] != found["config"]


# The learning curve


def test_samples_are_nested(docs: list[Doc]):
    small, large = (sample(docs, share, 3) for share in (40, 80))
    assert (len(small), len(large)) == (2, 4)
    assert large[:2] == small
    assert sample(docs, 100, 3) != sample(docs, 100, 4)
    assert len(sample(docs, 1, 0)) == 1


def test_learning_curve(docs: list[Doc], tmp_path: Path):
    texts = docs * 20
    fake, shown = Fake(), []

    def run(seeds: Iterable[int]) -> Any:
        return learning_curve(
            fake,
            texts,
            docs,
            shares=[100, 10, 40, 20, 10],
            seeds=list(seeds),
            ledger=Ledger(tmp_path / "results.jsonl", {}),
            on_point=shown.append,
        )

    curve = run(range(2))
    assert [len(each) for each, _ in fake.calls] == [10, 10, 20, 20, 40, 40, 100, 100]
    assert [(p.share, p.seed) for p in curve.points[:3]] == [(10, 0), (10, 1), (20, 0)]
    assert shown == curve.points
    assert curve.points[-1].tokens == sum(map(len, texts))
    assert curve.points[-1].entities == sum(len(doc.ents) for doc in texts)
    last = rows_of(curve)[-1]
    assert (last["share"], last["texts"]) == (100, 100)
    assert last["f1"] == pytest.approx(0.8505)
    assert (last["low"], last["high"]) == pytest.approx((0.85, 0.851))
    assert curve.doubled.texts == 200
    # Called again, it trains the new seed only.
    assert run(range(3)).points[0] == curve.points[0]
    assert len(fake.calls) == 8 + 4


# The forecast


def power_law(sizes: Any, *, a: float, b: float, c: float) -> Any:
    return 1 - (c + a * np.asarray(sizes, dtype="f8") ** -b)


def test_forecast_of_an_exact_curve():
    sizes = [100, 200, 400, 800, 1000]
    f1s = power_law(sizes, a=4, b=0.5, c=0.1)
    found = forecast(sizes, f1s)
    gain = power_law(2000, a=4, b=0.5, c=0.1) - f1s[-1]
    assert found.texts == 2000
    assert found.low < gain < found.high
    assert found.gain == pytest.approx(gain, abs=0.01)
    assert found.low < found.gain < found.high
    assert forecast(sizes, f1s, factor=4).gain > found.gain


def test_forecasts_are_as_honest_as_they_say():
    """Of intervals with a probability of 90%, about 90% have the true gain."""
    rng = np.random.default_rng(0)
    sizes = [100, 200, 400, 800, 1000]
    n_inside = 0
    for _ in range(30):
        b, c, end = rng.uniform(0.1, 0.8), rng.uniform(0, 0.3), rng.uniform(0.2, 0.6)
        curve = {"a": end * 1000**b, "b": b, "c": c}
        f1s = power_law(sizes, **curve) + rng.normal(0, 0.007, len(sizes))
        found = forecast(sizes, f1s)
        gain = power_law(2000, **curve) - power_law(1000, **curve)
        n_inside += found.low <= gain <= found.high
    assert 24 <= n_inside <= 30


def test_more_trainings_make_it_surer():
    sizes = [100, 200, 400, 800, 1000]
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, (6, 5))
    f1s = power_law(sizes, a=2, b=0.4, c=0.1) + noise
    one, six = forecast(sizes, f1s[0]), forecast(sizes * 6, f1s.ravel())
    assert six.high - six.low < one.high - one.low


@pytest.mark.parametrize(
    ("sizes", "f1s"),
    [
        ([], []),
        ([100, 200, 400], [0.5, 0.6, 0.65]),
        ([100, 200, 400, 400], [0.5, 0.6, 0.65, 0.66]),
        ([100, 200, 400, 800], [0.6, 0.7, 0.7, 0.6]),
    ],
)
def test_what_it_cannot_say(sizes: list[int], f1s: list[float]):
    assert forecast(sizes, f1s) is None
