"""Uncertainty of Docs, other analyses of them, and settings fitted to held-out data."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example

from ..chains.decoding import best_path, decode_paths
from ..chains.linear_chain import Spans
from ..chains.path_sums import PathSums, confidences_of
from ..checks import check_beta
from ..errors import Errors
from ..tags import TagSet, TokenSpan
from .annotations import ScoredSpan
from .doc_paths import DocPaths
from .gold import judge, token_spans
from .reliability import (
    best_threshold,
    expected_calibration_error,
    fit_temperature,
)
from .settings import Settings
from .white_space import entities_of

# How far the rest of a batch may change a confidence, by rounding.
_ROUNDING = 1e-6

# Examples, and the tag paths of their predicted Docs.
Batch = tuple[Sequence[Example], DocPaths]


class Uncertainty(NamedTuple):
    """How uncertain a model is about the entities of one Doc.

    probability: Probability of the best tag path: of all its entities together.
    entropy: Entropy of the distribution over all paths, in nats.
    """

    probability: float
    entropy: float


class Analysis(NamedTuple):
    """One possible set of entities of a Doc.

    probability: Probability of exactly these entities.
    entities: The entities, by position.
    """

    probability: float
    entities: list[TokenSpan]


class Calibration(NamedTuple):
    """Settings fitted to held-out examples.

    temperature: The temperature.
    threshold: The threshold for decoding by probability, if it has been fitted.
    f_score: The F-score at this threshold.
    n_texts: Number of examples.
    n_spans: Number of spans that the temperature is fitted to.
    error_before: Expected calibration error of these spans at a temperature of 1.
    error: The same at the fitted temperature. New texts like these have more: the
        temperature is not fitted to them.
    """

    temperature: float
    threshold: float | None
    f_score: float | None
    n_texts: int
    n_spans: int
    error_before: float
    error: float


class Alternatives(NamedTuple):
    """Where the probability of some tokens of a Doc goes. The probabilities of the
    labels, `others` and `none` sum to 1.

    labels: The probability that these tokens are one entity, by label.
    others: The probability of all other entities on these tokens.
    spans: The most probable of those, with their own probabilities; the highest first.
        Spans that do not overlap each other can be entities together.
    none: The probability that none of these tokens is in an entity.
    """

    labels: dict[str, float]
    others: float
    spans: list[ScoredSpan]
    none: float


def uncertainty(paths: DocPaths) -> list[Uncertainty]:
    """The uncertainty of each Doc."""
    sums = PathSums(paths.chain)
    log_probs = sums.log_prob_of_paths(best_path(paths.chain))
    probs = np.exp(np.minimum(log_probs, 0.0))
    pairs = zip(probs.tolist(), sums.entropy().tolist(), strict=True)
    return [Uncertainty(*pair) for pair in pairs]


def n_best(paths: DocPaths, n: int) -> list[list[Analysis]]:
    """The n most probable analyses of each Doc, preset entities included.

    n (int): At least 1.
    RETURNS (List[List[Analysis]]): The most probable first; fewer if there are no more.
    RAISES ValueError (L034): If n is not positive.
    """
    preset = _preset_spans(paths)
    analyses: list[list[Analysis]] = [[] for _ in preset]
    for spans, log_probs in decode_paths(paths.chain, n):
        new = paths.by_doc(paths.without_presets(spans))
        for i, log_prob in enumerate(log_probs.tolist()):
            if log_prob > -math.inf:
                entities = sorted([*preset[i], *(each.span for each in new[i])])
                analyses[i].append(Analysis(math.exp(log_prob), entities))
    return analyses


def alternatives(paths: DocPaths, i: int, start: int, end: int) -> Alternatives:
    """Where the probability of some tokens of a Doc goes, given its preset entities.

    i (int): The number of the Doc in the batch.
    start, end (int): The tokens of the Doc, start <= i < end. White space at the ends
        does not count.
    RAISES ValueError (L360): If they are not within the Doc, or white space alone.
    """
    paths = paths.take([i])
    chain, tokens, labels = paths.chain, paths.tokens[0], paths.tag_set.labels
    rows = np.flatnonzero((start <= tokens) & (tokens < end))
    if not len(rows):
        raise ValueError(Errors.L360.format(start=start, end=end, i=i))
    first, last = int(rows[0]), int(rows[-1]) + 1
    sums = PathSums(chain)
    chain.require_paths(sums.has_path())
    same = Spans.of((0, first, last, label) for label in range(len(labels)))
    probs = np.exp(sums.log_prob_of_spans(same)).tolist()
    outside = np.ones(chain.emit.shape, dtype=bool)
    outside[rows] = False
    outside[rows, TagSet.outside] = True
    log_z = PathSums(chain.constrain(outside)).log_z - sums.log_z
    none = min(math.exp(float(log_z[0])), 1.0)
    probable = paths.decode(Settings(decoding="probability", candidates=True))
    is_other = (probable.start < last) & (first < probable.end)
    is_other &= (probable.start != first) | (probable.end != last)
    (spans,) = paths.by_doc(probable.where(is_other))
    return Alternatives(
        dict(zip(labels, probs, strict=True)),
        max(1.0 - sum(probs) - none, 0.0),
        sorted(spans, key=lambda each: -each.confidence),
        none,
    )


def calibration(batches: Sequence[Batch], beta: float | None) -> Calibration | None:
    """The temperature with which confidences agree best with the annotation, and if
    beta is given the threshold for decoding by probability.

    The temperature is fitted to the entities of the best paths. If there are none,
    because the model is cautious, it is fitted to all probable spans.

    batches (Sequence[Batch]): Held-out examples, at a temperature of 1.
    RETURNS (Optional[Calibration]): None if no such span is annotated.
    RAISES ValueError (L023): If beta is not positive.
    """
    if beta is not None:
        check_beta(beta)
    for settings in (Settings(), Settings(decoding="probability", candidates=True)):
        judged = [judge_spans(*batch, batch[1].decode(settings)) for batch in batches]
        right = [is_right for _, marks in judged for is_right in marks]
        if right:
            break
    else:
        return None

    def confidences_at(temperature: float) -> NDArray[np.float64]:
        found = [
            confidences_of(paths.chain.with_temperature(temperature), spans)
            for (_, paths), (spans, _) in zip(batches, judged, strict=True)
        ]
        return np.concatenate(found)

    correct = np.array(right)
    temperature = fit_temperature(confidences_at, correct)
    threshold, f_score = None, None
    if beta is not None:
        settings = Settings(decoding="probability", temperature=temperature)
        threshold, f_score = fitted_threshold(batches, settings, beta)
    return Calibration(
        temperature,
        threshold,
        f_score,
        n_texts=sum(len(examples) for examples, _ in batches),
        n_spans=len(right),
        error_before=expected_calibration_error(confidences_at(1.0), correct),
        error=expected_calibration_error(confidences_at(temperature), correct),
    )


def fitted_threshold(
    batches: Iterable[Batch], settings: Settings, beta: float
) -> tuple[float, float]:
    """The threshold of the best F-score, one for all labels, and this F-score.

    batches (Iterable[Batch]): Held-out examples, at a temperature of 1.
    settings (Settings): The decoding and the temperature, without thresholds.
    beta (float): How many times as important as precision recall is.
    RAISES ValueError (L023): If beta is not positive.
    """
    confidences: list[float] = []
    right: list[bool] = []
    n_gold = 0
    for examples, unscaled in batches:
        chain = unscaled.chain.with_temperature(settings.temperature)
        paths = unscaled._replace(chain=chain)
        spans, is_right = judge_spans(examples, paths, paths.decode(settings))
        confidences += spans.confidence.tolist()
        right += is_right
        for eg, preset in zip(examples, _preset_spans(paths), strict=True):
            n_gold += len(entities_of(eg.reference))
            is_known = [each for each in judge(eg, preset) if each is not None]
            confidences += [1.0] * len(is_known)  # no threshold drops them
            right += is_known
    return best_threshold(
        np.array(confidences, dtype="float64"),
        np.array(right, dtype=bool),
        n_gold,
        beta,
        rounding=_ROUNDING,
    )


def judge_spans(
    examples: Sequence[Example], paths: DocPaths, spans: Spans
) -> tuple[Spans, list[bool]]:
    """The spans that the annotation covers, and whether each is right.

    spans (Spans): Spans of the tag paths of the predicted Docs.
    """
    judged = [
        is_right
        for eg, found in zip(examples, paths.by_doc(spans), strict=True)
        for is_right in judge(eg, [each.span for each in found])
    ]
    is_known = np.array([is_right is not None for is_right in judged], dtype=bool)
    return spans.where(is_known), [each for each in judged if each is not None]


def _preset_spans(paths: DocPaths) -> list[list[TokenSpan]]:
    return [
        [] if preset is None else token_spans(preset.entities)
        for preset in paths.presets
    ]
