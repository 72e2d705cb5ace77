"""Settings of `lstm_ner`: their defaults, their checks, and which value counts.

`ner.cfg` has the value in effect of each setting, and is saved with the component.
`ner.threshold = 0.4` checks and sets one; `spacy find-threshold` sets it there. All
values are checked when they are used.

`ner.cfg["config"]` has the values of the config, `[components.lstm_ner]`. A loaded
component takes each value that differs from the saved config, so an override in
`spacy.load` wins over a value set at run time.

A new setting needs a field, a check and an attribute in this file, an argument in
`factory.py`, and the code that uses it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..checks import check_choice
from ..errors import Errors

DECODING = ("best_path", "probability")

# The largest finite number of 32 bits, the type of the scores.
_LARGEST = 3.4028235e38


@dataclass(frozen=True)
class Settings:
    """The settings of a component.

    overwrite: Replace entities that are already on the Doc. If false, they stay, and
        the other entities are found around them.
    spans_key: Name of the span group for the entities with their confidences.
    decoding: Which spans become entities: "best_path", those of the best tag path, or
        "probability", the most probable spans that do not overlap.
    threshold: Least confidence of an entity, from 0 to 1.
    label_thresholds: Thresholds of single labels.
    candidates: Add to the span group all spans whose confidence reaches the threshold.
    incorrect_spans_key: Name of the span group of reference Docs whose spans are known
        not to be entities with their label.
    missed_costs: Margin added in training for each token of a gold entity with this
        label that the path tags otherwise. The label "*" stands for all labels that are
        not named; without it, they cost nothing.
    spurious_costs: Margin added in training for each token that the path tags with this
        label and the annotation does not; "*" likewise.
    entity_ratio: Lowest and highest plausible share of tokens in entities.
    entity_ratio_weight: Cost of a distance of 1 from that range, in nats per Doc.
    temperature: Divides all scores. Fitted by `calibrate`; not in the config.
    RAISES ValueError: If a value is out of its range (L014, L016, L017, L030, L031,
        L100) or of another type (L053).
    """

    overwrite: bool = False
    spans_key: str = "lstm_ner"
    decoding: str = "best_path"
    threshold: float = 0.0
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    candidates: bool = False
    incorrect_spans_key: str | None = None
    missed_costs: Mapping[str, float] = field(default_factory=dict)
    spurious_costs: Mapping[str, float] = field(default_factory=dict)
    entity_ratio: Sequence[float] | None = None
    entity_ratio_weight: float = 10.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("overwrite", "candidates"):
            _check(name, getattr(self, name), bool, "true or false")
        check_choice("decoding", self.decoding, DECODING)
        for name in ("label_thresholds", "missed_costs", "spurious_costs"):
            _check(name, getattr(self, name), Mapping, "a number for each label")
        if self.incorrect_spans_key is not None:
            name = "incorrect_spans_key"
            _check(name, self.incorrect_spans_key, str, "null or a name")
        for threshold in (self.threshold, *self.label_thresholds.values()):
            if not _is_within(0, threshold, 1):
                raise ValueError(Errors.L014.format(threshold=threshold))
        if not (_is_within(0, self.temperature, _LARGEST) and self.temperature > 0):
            raise ValueError(Errors.L017.format(temperature=self.temperature))
        if not (isinstance(self.spans_key, str) and self.spans_key):
            raise ValueError(Errors.L016.format(spans_key=self.spans_key))
        for name in ("missed_costs", "spurious_costs"):
            for label, cost in getattr(self, name).items():
                if not _is_within(0, cost, _LARGEST):
                    message = Errors.L030.format(name=name, label=label, cost=cost)
                    raise ValueError(message)
        weight = self.entity_ratio_weight
        if not (_is_range(self.entity_ratio) and _is_within(0, weight, _LARGEST)):
            message = Errors.L031.format(ratio=self.entity_ratio, weight=weight)
            raise ValueError(message)

    def config(self) -> dict[str, Any]:
        """The settings that a config has: all except the temperature."""
        values = asdict(self)
        del values["temperature"]
        return values


def _check(name: str, value: object, kind: type, expected: str) -> None:
    if not isinstance(value, kind):
        message = Errors.L053.format(name=name, value=value, expected=expected)
        raise ValueError(message)


def _is_within(low: float, value: object, high: float) -> bool:
    """Whether a value is a number in a range; NaN is in none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return low <= value <= high


def _is_range(ratio: object) -> bool:
    if ratio is None:
        return True
    if not isinstance(ratio, (list, tuple)) or len(ratio) != 2:
        return False
    low, high = ratio
    return _is_within(0, high, 1) and _is_within(0, low, high)


class Setting:
    """An attribute of the component that reads and sets one of its settings."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, ner: Any, owner: type) -> Any:
        return self if ner is None else ner.cfg[self._name]

    def __set__(self, ner: Any, value: Any) -> None:
        # Other values may be wrong: they are replaced one by one.
        Settings(**{self._name: value})
        ner.cfg[self._name] = value


class WithSettings:
    """A component whose settings are attributes."""

    cfg: dict[str, Any]

    overwrite = Setting()
    spans_key = Setting()
    decoding = Setting()
    threshold = Setting()
    label_thresholds = Setting()
    candidates = Setting()
    incorrect_spans_key = Setting()
    missed_costs = Setting()
    spurious_costs = Setting()
    entity_ratio = Setting()
    entity_ratio_weight = Setting()
    temperature = Setting()
