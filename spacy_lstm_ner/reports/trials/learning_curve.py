"""F1 by the number of annotated texts."""

import random
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any, NamedTuple

from spacy.tokens import Doc

from .ledger import Ledger
from .power_law import Forecast, forecast
from .training import Trainer, count


class Point(NamedTuple):
    """One training.

    share (float): Share of the texts, in percent.
    seed (int): Its seed.
    texts, tokens, entities (int): Their numbers.
    precision, recall, f1 (float): Scores on dev, from 0 to 1.
    """

    share: float
    seed: int
    texts: int
    tokens: int
    entities: int
    precision: float
    recall: float
    f1: float


class Curve(NamedTuple):
    """A learning curve.

    points (List[Point]): All trainings, by share, then by seed.
    doubled (Optional[Forecast]): What twice the data would bring; None if the points
        cannot say.
    """

    points: list[Point]
    doubled: Forecast | None


def learning_curve(
    trainer: Trainer,
    texts: Sequence[Doc],
    dev: Sequence[Doc],
    *,
    shares: Sequence[float],
    seeds: Sequence[int],
    ledger: Ledger,
    on_point: Callable[[Point], object] = lambda point: None,
) -> Curve:
    """Train on growing parts of the data.

    The parts of one seed are nested: each begins with the texts of the smaller ones.

    trainer (Trainer): Trains the config.
    texts (Sequence[Doc]): All annotated texts to learn from.
    dev (Sequence[Doc]): Those to score.
    shares (Sequence[float]): Shares of the texts, in percent, above 0.
    seeds (Sequence[int]): Each seed draws other texts and other weights.
    ledger (Ledger): Keeps the results; those that it has are not trained again.
    on_point (Callable): Called after each training.
    RETURNS (Curve): The curve, with a forecast.
    """
    points = []
    for share in sorted(set(shares)):
        for seed in seeds:
            key = {"share": share, "seed": seed}
            record = ledger.find(key)
            if record is None:
                chosen = sample(texts, share, seed)
                scores = trainer(chosen, dev, seed=seed).scores
                counts = count(chosen)
                record = {**key, **counts, **scores._asdict()}
                ledger.add(record)
            points.append(Point(**record))
            on_point(points[-1])
    doubled = forecast([p.texts for p in points], [p.f1 for p in points])
    return Curve(points, doubled)


def sample(texts: Sequence[Doc], share: float, seed: int) -> list[Doc]:
    """A share of the texts, at least one.

    share (float): In percent.
    seed (int): Another seed draws other texts.
    """
    order = list(texts)
    random.Random(seed).shuffle(order)
    return order[: max(1, round(len(order) * share / 100))]


def rows_of(curve: Curve) -> list[dict[str, Any]]:
    """The mean over the seeds for each share, with the lowest and the highest F1.

    curve (Curve): The curve.
    """
    rows = []
    for share in sorted({point.share for point in curve.points}):
        points = [point for point in curve.points if point.share == share]
        f1s = [point.f1 for point in points]
        names = ("texts", "tokens", "entities", "precision", "recall", "f1")
        means = {name: mean(getattr(p, name) for p in points) for name in names}
        rows.append({"share": share, **means, "low": min(f1s), "high": max(f1s)})
    return rows
