"""What choosing texts by uncertainty saves: active learning, played through on texts
whose annotation is known (pool-based simulation, Settles & Craven 2008)."""

import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ...checks import check_at_least
from ...errors import Errors
from ..rank import most_uncertain
from ..recognizers import find_recognizer
from .ledger import Ledger
from .training import Trained, Trainer, count, raw_docs

RANDOM = "random"
# The name of the trainings on all texts.
_ALL = "all"


class Round(NamedTuple):
    """A training on the texts that are annotated so far.

    by (str): How they were chosen: a measure of `rank`, or "random".
    seed (int): Its seed.
    texts, tokens, entities (int): Their numbers.
    precision, recall, f1 (float): Scores on dev, from 0 to 1.
    """

    by: str
    seed: int
    texts: int
    tokens: int
    entities: int
    precision: float
    recall: float
    f1: float


class Needed(NamedTuple):
    """What one way to choose needs to reach the target with one seed.

    by (str): How texts are chosen.
    seed (int): The seed.
    texts, tokens, entities (float): Their numbers, interpolated between two rounds.
    """

    by: str
    seed: int
    texts: float
    tokens: float
    entities: float


class Simulation(NamedTuple):
    """The result.

    full (List[Round]): Training on all texts, for each seed.
    rounds (List[Round]): All rounds, by seed, by way to choose, by number of texts.
    needed (List[Needed]): What each way to choose needs, for each seed.
    """

    full: list[Round]
    rounds: list[Round]
    needed: list[Needed]


class Settings(NamedTuple):
    """How a simulation goes.

    first (int): Number of texts of the first batch, which is drawn at random.
    growth (float): Each round has so many times the texts of the one before.
    target (float): A way to choose is done when it reaches this share of the F1 with
        all texts.
    """

    first: int
    growth: float = 1.5
    target: float = 0.95

    def check(self, n_texts: int) -> None:
        """Refuse settings that make no simulation.

        n_texts (int): Number of texts there are.
        RAISES ValueError (L347): If one is out of its range.
        """
        check_at_least(1, first=self.first)
        is_possible = self.first < n_texts and self.growth > 1 and 0 < self.target <= 1
        if not is_possible:
            raise ValueError(Errors.L347.format(n=n_texts, **self._asdict()))


def simulate(
    trainer: Trainer,
    texts: Sequence[Doc],
    dev: Sequence[Doc],
    *,
    measures: Sequence[str],
    seeds: Sequence[int],
    settings: Settings,
    component: str | None = None,
    ledger: Ledger,
    on_round: Callable[[Round], object] = lambda found: None,
) -> Simulation:
    """Annotate texts in rounds, choosing them at random and by each measure.

    All ways to choose begin with the same texts. Each round trains a model from scratch
    on what is annotated, and the model ranks the other texts.

    trainer (Trainer): Trains the config.
    texts (Sequence[Doc]): The annotated texts to choose from.
    dev (Sequence[Doc]): Those to score.
    measures (Sequence[str]): Measures of `rank`.
    seeds (Sequence[int]): Each seed begins with other texts and other weights.
    settings (Settings): Sizes and target.
    component (Optional[str]): Name of the recognizer. None: it is the only one.
    ledger (Ledger): Keeps the results; those that it has are not trained again.
    on_round (Callable): Called after each training.
    RETURNS (Simulation): The rounds, and what each way to choose needs.
    RAISES ValueError (L347): If settings are out of their ranges.
    """
    settings.check(len(texts))
    full, rounds, needed = [], [], []
    for seed in seeds:
        pool = _Pool(trainer, texts, dev, seed, component, ledger)
        done, _ = pool.train(_ALL, 0, pool.order, 0)
        full.append(done)
        on_round(done)
        goal = settings.target * done.f1
        for by in (RANDOM, *measures):
            found = []
            for each in _rounds(pool, by, settings, goal):
                found.append(each)
                on_round(each)
            rounds += found
            needed.append(_interpolate(found, goal))
    return Simulation(full, rounds, needed)


def _rounds(pool: "_Pool", by: str, settings: Settings, goal: float) -> list[Round]:
    """Rounds until the goal is reached, which all texts do."""
    chosen = pool.order[: settings.first]
    found: list[Round] = []
    while True:
        n_next = math.ceil(len(chosen) * settings.growth) - len(chosen)
        done, further = pool.train(by, len(found), chosen, n_next)
        found.append(done)
        if done.f1 >= goal or len(chosen) == len(pool.order):
            return found
        chosen = [*chosen, *further]


class _Pool:
    """The texts of a simulation with one seed."""

    def __init__(
        self,
        trainer: Trainer,
        texts: Sequence[Doc],
        dev: Sequence[Doc],
        seed: int,
        component: str | None,
        ledger: Ledger,
    ) -> None:
        self.order = list(range(len(texts)))
        random.Random(seed).shuffle(self.order)
        self._trainer, self._texts, self._dev = trainer, texts, dev
        self._seed, self._component, self._ledger = seed, component, ledger
        # The models of the first round and of all texts serve all ways to choose.
        self._kept: dict[int, Trained] = {}

    def train(
        self, by: str, number: int, chosen: list[int], n_next: int
    ) -> tuple[Round, list[int]]:
        """Train on the chosen texts, and choose more.

        by (str): How texts are chosen.
        number (int): Number of the round.
        chosen (List[int]): The texts that are annotated.
        n_next (int): Number of texts to annotate next.
        RETURNS (Tuple[Round, List[int]]): The round, and the texts to annotate next.
        """
        key = {"by": by, "seed": self._seed, "round": number}
        record = self._ledger.find(key)
        if record is None:
            trained = self._train(chosen, is_shared=number == 0)
            record = {
                **key,
                **count([self._texts[i] for i in chosen]),
                **trained.scores._asdict(),
                "next": self._choose(by, trained.nlp, chosen, n_next),
            }
            self._ledger.add(record)
        return Round(**{name: record[name] for name in Round._fields}), record["next"]

    def _train(self, chosen: list[int], *, is_shared: bool) -> Trained:
        kept = self._kept.get(len(chosen))
        if kept is not None:
            return kept
        taken = set(chosen)  # in one order, however they were chosen
        texts = [self._texts[i] for i in self.order if i in taken]
        trained = self._trainer(texts, self._dev, seed=self._seed)
        if is_shared:
            self._kept[len(chosen)] = trained
        return trained

    def _choose(
        self, by: str, nlp: Language, chosen: list[int], n_next: int
    ) -> list[int]:
        taken = set(chosen)
        others = [i for i in self.order if i not in taken]
        if by in (_ALL, RANDOM) or not others:
            return others[:n_next]
        name, ner = find_recognizer(nlp, self._component)
        docs = raw_docs([self._texts[i] for i in others], nlp, before=name)
        ranked = most_uncertain(docs, ner, by=by, batch_size=nlp.batch_size)
        return [others[i] for i in ranked[:n_next]]


def _interpolate(rounds: Sequence[Round], goal: float) -> Needed:
    """The numbers at which F1 reaches the goal, on a line between the last round, which
    has reached it, and the one before."""
    last = rounds[-1]
    before = rounds[-2] if len(rounds) > 1 else last
    gain = last.f1 - before.f1
    share = 1.0 if gain <= 0 else min(max((goal - before.f1) / gain, 0.0), 1.0)
    numbers = [
        getattr(before, name) + share * (getattr(last, name) - getattr(before, name))
        for name in Needed._fields[2:]
    ]
    return Needed(last.by, last.seed, *numbers)
