"""What a simulation says: savings, and the lines of a picture."""

from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

from ..plots import ScoreLine
from .simulation import RANDOM, Needed, Round, Simulation


class Saving(NamedTuple):
    """What one way to choose needs, beside random texts.

    by (str): How texts are chosen.
    texts, tokens, entities (float): What it needs: means over the seeds.
    text_shares, token_shares (List[float]): For each seed, its texts and tokens as a
        share of those that random texts need with this seed.
    """

    by: str
    texts: float
    tokens: float
    entities: float
    text_shares: list[float]
    token_shares: list[float]


def savings(found: Simulation) -> list[Saving]:
    """What each way to choose needs, random texts first.

    found (Simulation): The simulation.
    """
    at_random = {each.seed: each for each in found.needed if each.by == RANDOM}
    result = []
    for by in _ways(found.needed):
        needed = [each for each in found.needed if each.by == by]
        result.append(
            Saving(
                by,
                mean(each.texts for each in needed),
                mean(each.tokens for each in needed),
                mean(each.entities for each in needed),
                [each.texts / at_random[each.seed].texts for each in needed],
                [each.tokens / at_random[each.seed].tokens for each in needed],
            )
        )
    return result


def score_lines(found: Simulation) -> dict[str, ScoreLine]:
    """F1 by the number of texts, for each way to choose. A number of texts counts if
    all seeds have a training with it.

    found (Simulation): The simulation.
    """
    n_seeds = len(found.full)
    lines = {}
    for by in _ways(found.rounds):
        f1s: dict[int, list[float]] = {}
        for each in found.rounds:
            if each.by == by:
                f1s.setdefault(each.texts, []).append(each.f1)
        f1s = {n: values for n, values in f1s.items() if len(values) == n_seeds}
        values = list(f1s.values())
        lines[by] = ScoreLine(
            list(f1s),
            list(map(mean, values)),
            list(map(min, values)),
            list(map(max, values)),
        )
    return lines


def _ways(found: Sequence[Needed] | Sequence[Round]) -> list[str]:
    return list(dict.fromkeys(each.by for each in found))
