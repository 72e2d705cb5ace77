"""Settings of `lstm_ner`: their defaults, their checks, and which value counts.

Each setting is an attribute of the component, `ner.threshold` for instance, which reads
the value in effect. In order of precedence, it is

1. the value set at run time, `ner.threshold = 0.4`. It is kept in `ner.cfg`, where
   `spacy find-threshold` sets it, and saved with the component;
2. the value in the config, `[components.lstm_ner]` or `spacy.load(config=...)`;
3. the default in `Settings`.

A saved value is dropped at loading if the config has changed since it was saved, so an
override in `spacy.load` wins. `del ner.threshold` goes back to the config.

A new setting needs a field, a check and an attribute in this file, an argument in
`factory.py`, and the code that uses it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..checks import check_choice, check_temperature, check_threshold
from ..errors import Errors

DECODING = ("best_path", "probability")

# In `cfg`: the values of the config.
_CONFIG = "config"


@dataclass(frozen=True)
class Settings:
    """The settings of a component.

    overwrite (bool): Replace entities that are already on the Doc. If false, they stay,
        and the other entities are found around them.
    spans_key (str): Name of the span group for the entities with their confidences.
    decoding (str): Which spans become entities: "best_path", those of the best tag
        path, or "probability", the most probable spans that do not overlap.
    threshold (float): Least confidence of an entity, from 0 to 1.
    label_thresholds (Mapping[str, float]): Thresholds of single labels.
    candidates (bool): Add to the span group all spans whose confidence reaches the
        threshold, whether or not they are entities.
    incorrect_spans_key (Optional[str]): Name of the span group of reference Docs whose
        spans are known not to be entities with their label.
    missed_costs (Mapping[str, float]): Margin added in training for each token of a
        gold entity with this label that the path tags otherwise. The label "*" stands
        for all labels that are not named; without it, they cost nothing.
    spurious_costs (Mapping[str, float]): Margin added in training for each token that
        the path tags with this label and the annotation does not; "*" likewise.
    entity_ratio (Optional[Sequence[float]]): Lowest and highest plausible share of
        tokens in entities; None for any.
    entity_ratio_weight (float): Cost of a distance of 1 from that range, in nats per
        Doc.
    temperature (float): Divides all scores. Fitted by `calibrate`; not in the config.
    RAISES ValueError: If a value is out of its range (L014, L016, L017, L030, L031,
        L100).
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
        check_choice("decoding", self.decoding, DECODING)
        for threshold in (self.threshold, *self.label_thresholds.values()):
            check_threshold(threshold)
        check_temperature(self.temperature)
        if not self.spans_key:
            raise ValueError(Errors.L016.format(spans_key=self.spans_key))
        for name in ("missed_costs", "spurious_costs"):
            for label, cost in getattr(self, name).items():
                if not 0 <= cost < math.inf:
                    message = Errors.L030.format(name=name, label=label, cost=cost)
                    raise ValueError(message)
        ratio, weight = self.entity_ratio, self.entity_ratio_weight
        is_range = ratio is None or (len(ratio) == 2 and 0 <= ratio[0] <= ratio[1] <= 1)
        if not (is_range and 0 <= weight < math.inf):
            raise ValueError(Errors.L031.format(ratio=ratio, weight=weight))


_NAMES = tuple(each.name for each in fields(Settings))


class Setting:
    """An attribute of the component that reads and sets one of its settings."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, ner: Any, owner: type) -> Any:
        return self if ner is None else getattr(settings_in(ner.cfg), self._name)

    def __set__(self, ner: Any, value: Any) -> None:
        settings_in({**ner.cfg, self._name: value})  # raises if it is out of range
        ner.cfg[self._name] = value

    def __delete__(self, ner: Any) -> None:
        ner.cfg.pop(self._name, None)


def config_values(settings: Settings) -> dict[str, Any]:
    """The settings that the config has, as JSON-serializable values.

    settings (Settings): The settings.
    """
    values = asdict(settings)
    del values["temperature"]
    return values


def new_cfg(settings: Settings) -> dict[str, Any]:
    """The `cfg` of a new component.

    settings (Settings): Those of the config.
    """
    # `spacy find-threshold` needs the dict of thresholds, also if it is empty.
    thresholds = dict(settings.label_thresholds)
    return {
        "temperature": settings.temperature,
        "label_thresholds": thresholds,
        _CONFIG: config_values(settings),
    }


def settings_in(cfg: Mapping[str, Any]) -> Settings:
    """The settings in effect.

    cfg (Mapping[str, Any]): The component's.
    RAISES ValueError: As `Settings`.
    """
    values = {**cfg[_CONFIG], **cfg}
    return Settings(**{name: values[name] for name in _NAMES if name in values})


def read_cfg(ner: Any, read: Callable[[], object]) -> None:
    """Load the component's `cfg`, without saved values that the config overrides.

    ner (LSTMNer): The component; `cfg` is changed in place.
    read (Callable): Updates `cfg` with the saved one.
    """
    cfg, config = ner.cfg, ner.cfg[_CONFIG]
    for name in config:
        cfg.pop(name, None)
    read()
    saved = cfg[_CONFIG]
    for name, value in config.items():
        if saved.get(name) != value:
            cfg.pop(name, None)
    cfg[_CONFIG] = config
    cfg.setdefault("label_thresholds", dict(config["label_thresholds"]))


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

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        return settings_in(self.cfg)

    def write_settings(self, config: dict[str, Any]) -> None:
        """Move values set at run time to the config, which then has those in effect.

        config (Dict[str, Any]): The component's block, `nlp.get_pipe_config(name)`.
        """
        settings = self.settings
        values = config_values(settings)
        config.update(values)
        for name in values:
            self.cfg.pop(name, None)
        self.cfg.update(new_cfg(settings))
