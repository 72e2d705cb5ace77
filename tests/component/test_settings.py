"""Settings: which value counts, how it is checked, and how it is kept."""

import math
import pickle
from dataclasses import replace
from operator import attrgetter

import pytest
import spacy
from contract.helpers import FACTORY, initialized, make_nlp

from spacy_lstm_ner import LSTMNer
from spacy_lstm_ner.component.settings import Settings

# Other values than the defaults.
VALUES = {
    "overwrite": True,
    "spans_key": "mine",
    "decoding": "probability",
    "threshold": 0.25,
    "label_thresholds": {"PER": 0.5},
    "candidates": True,
    "incorrect_spans_key": "wrong",
    "missed_costs": {"PER": 2.0},
    "spurious_costs": {"*": 1.0},
    "entity_ratio": [0.1, 0.2],
    "entity_ratio_weight": 5.0,
}
# Again others, not of all settings.
OTHER_VALUES = {
    "spans_key": "other",
    "threshold": 0.75,
    "label_thresholds": {"GPE": 0.75},
    "missed_costs": {"GPE": 1.0},
    "entity_ratio": [0.3, 0.4],
}
# Values out of range, and the error.
WRONG = [
    ("threshold", 1.5, r"L014.*1\.5"),
    ("threshold", -0.5, r"L014.*-0\.5"),
    ("threshold", math.nan, r"L014.*nan"),
    ("label_thresholds", {"PER": 0.5, "GPE": 1.5}, r"L014.*1\.5"),
    ("spans_key", "", r"L016.*''"),
    ("decoding", "greedy", "L100.*'decoding'.*'greedy'.*'best_path'.*'prob"),
    ("missed_costs", {"GPE": 1.0, "PER": -0.5}, r"L030\] missed_costs.*-0\.5.*'PER'"),
    ("spurious_costs", {"PER": math.inf}, r"L030\] spurious_costs.*inf.*'PER'"),
    ("spurious_costs", {"PER": math.nan}, r"L030\] spurious_costs.*nan.*'PER'"),
    ("entity_ratio", [0.3, 0.2], r"L031\].*\[0\.3, 0\.2\]"),
    ("entity_ratio", [-0.1, 0.2], "L031"),
    ("entity_ratio", [0.1, 1.2], "L031"),
    ("entity_ratio", [0.1, math.nan], "L031"),
    ("entity_ratio", [0.1], "L031"),
    ("entity_ratio_weight", -1.0, r"L031\].*-1\.0"),
    ("entity_ratio_weight", math.inf, r"L031\].*inf"),
    ("missed_costs", {"PER": 1e39}, r"L030\] missed_costs has 1e\+39.*'PER'"),
]
# Values of another type, which a config can't have, but `cfg` can.
WRONG_TYPES = [
    ("overwrite", "yes", r"L053\].*'overwrite' is 'yes'.*true or false"),
    ("candidates", 1, r"L053\].*'candidates' is 1.*true or false"),
    ("threshold", "0.5", r"L014\].*'0\.5'"),
    ("threshold", None, r"L014\].*None"),
    ("temperature", "1", r"L017\].*'1'"),
    ("label_thresholds", [0.5], r"L053\].*'label_thresholds' is \[0\.5\]"),
    ("label_thresholds", {"PER": "0.5"}, r"L014\].*'0\.5'"),
    ("missed_costs", None, r"L053\].*'missed_costs' is None"),
    ("spurious_costs", {"PER": "1"}, r"L030\] spurious_costs has '1'"),
    ("spans_key", 3, r"L016\].*3"),
    ("incorrect_spans_key", 3, r"L053\].*'incorrect_spans_key' is 3"),
    ("entity_ratio", 0.5, r"L031\].*0\.5"),
    ("entity_ratio", "ab", r"L031\].*ab"),
    ("entity_ratio", ["a", "b"], r"L031\].*'a'"),
    ("entity_ratio_weight", "10", r"L031\].*10"),
    ("decoding", ["best_path"], r"L100\].*'decoding'"),
]


@pytest.fixture(scope="module")
def nlp():
    """An initialized pipeline with default settings; leave it like that."""
    return initialized()


def pipe_of(nlp) -> LSTMNer:
    return nlp.get_pipe(FACTORY)


@pytest.mark.parametrize("name", VALUES)
def test_value_of_the_config_and_of_run_time(name):
    get, default = attrgetter(name), getattr(Settings(), name)
    assert get(pipe_of(make_nlp())) == default != VALUES[name]
    configured = pipe_of(make_nlp(**{name: VALUES[name]}))
    assert get(configured) == VALUES[name]
    setattr(configured, name, default)
    assert get(configured) == get(configured.settings) == default


@pytest.mark.parametrize("way", ["config", "attribute", "cfg"])
@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_wrong_value_has_the_same_error_wherever_it_comes_from(
    nlp, name, value, message, way
):
    if way == "config":  # the factory passes its values on; a config has no NaN
        with pytest.raises(ValueError, match=message):
            Settings(**{name: value})
        return
    pipe = pipe_of(nlp)
    if way == "attribute":
        with pytest.raises(ValueError, match=message):
            setattr(pipe, name, value)
        assert getattr(pipe, name) == getattr(Settings(), name)
    else:
        pipe.cfg[name] = value
        with pytest.raises(ValueError, match=message):
            nlp("Ada met Bob")
        setattr(pipe, name, getattr(Settings(), name))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan, None])
def test_wrong_temperature(nlp, value):
    pipe = pipe_of(nlp)
    with pytest.raises(ValueError, match=rf"L017\] temperature = {value}"):
        pipe.temperature = value
    pipe.cfg["temperature"] = value
    with pytest.raises(ValueError, match=rf"L017\] temperature = {value}"):
        nlp("Ada met Bob")
    pipe.temperature = 1.0  # a wrong value can be replaced
    assert pipe.temperature == pipe.cfg["temperature"] == 1.0


@pytest.mark.parametrize(("name", "value", "message"), WRONG_TYPES)
def test_value_of_another_type(nlp, name, value, message):
    pipe = pipe_of(nlp)
    with pytest.raises(ValueError, match=message):
        setattr(pipe, name, value)
    pipe.cfg[name] = value
    with pytest.raises(ValueError, match=message):
        nlp("Ada met Bob")
    setattr(pipe, name, getattr(Settings(), name))


def test_the_ends_of_the_ranges():
    costs = {"PER": 0.0}
    Settings(missed_costs=costs, entity_ratio=[0.0, 1.0], entity_ratio_weight=0.0)
    Settings(threshold=0, label_thresholds={"PER": 1}, entity_ratio=(1.0, 1.0))


def reload(nlp, path, **settings):
    nlp.to_disk(path)
    return spacy.load(path, config={"components": {FACTORY: settings}})


def test_saved_values_of_run_time_and_overrides_at_load(tmp_path):
    nlp = make_nlp()
    for name, value in VALUES.items():
        setattr(pipe_of(nlp), name, value)
    set_at_run_time = pipe_of(nlp).settings
    loaded = reload(nlp, tmp_path / "saved")
    assert pipe_of(loaded).settings == set_at_run_time
    overridden = reload(loaded, tmp_path / "again", **OTHER_VALUES)
    expected = replace(set_at_run_time, **OTHER_VALUES)
    assert pipe_of(overridden).settings == expected
    # What was not overridden stays, and the overrides outlive the next save.
    assert pipe_of(reload(overridden, tmp_path / "third")).settings == expected


def test_bytes_and_pickle_keep_values_of_run_time():
    nlp = make_nlp(threshold=0.1)
    pipe = pipe_of(nlp)
    pipe.threshold, pipe.temperature = 0.5, 2.0
    same, others = make_nlp(threshold=0.1), make_nlp(threshold=0.2)
    pipe_of(same).decoding = "probability"  # not saved, so gone after loading
    same.from_bytes(nlp.to_bytes())
    others.from_bytes(nlp.to_bytes())
    unpickled = pickle.loads(pickle.dumps(pipe))
    for each, threshold in ((pipe_of(same), 0.5), (pipe_of(others), 0.2)):
        assert (each.threshold, each.temperature) == (threshold, 2.0)
        assert each.decoding == "best_path"
    assert unpickled.settings == pipe.settings


def test_loading_without_cfg_keeps_the_settings():
    nlp = initialized()
    pipe = pipe_of(nlp)
    saved = pipe.to_bytes()
    pipe.threshold = 0.5
    pipe.from_bytes(saved, exclude=["cfg"])
    assert pipe.threshold == 0.5


def test_values_of_run_time_move_to_the_config(tmp_path):
    nlp = make_nlp(threshold=0.1, label_thresholds={"PER": 0.9})
    pipe = pipe_of(nlp)
    pipe.threshold, pipe.label_thresholds, pipe.temperature = 0.5, {}, 2.0
    before = pipe.settings
    pipe.write_settings(nlp.get_pipe_config(FACTORY))
    assert pipe.settings == before
    block = nlp.config["components"][FACTORY]
    assert (block["threshold"], block["label_thresholds"]) == (0.5, {})
    assert pipe_of(reload(nlp, tmp_path / "a")).settings == before
    # The value before is an override like any other.
    assert pipe_of(reload(nlp, tmp_path / "b", threshold=0.1)).threshold == 0.1


def test_a_nested_threshold_can_be_set_in_cfg():
    """As `spacy find-threshold ... label_thresholds.PER` sets it."""
    pipe = pipe_of(make_nlp(label_thresholds={"GPE": 0.5}))
    assert pipe.settings.label_thresholds == {"GPE": 0.5}
    pipe.cfg["label_thresholds"]["PER"] = 1.0
    assert pipe.label_thresholds == {"GPE": 0.5, "PER": 1.0}
    assert pipe.settings.label_thresholds == {"GPE": 0.5, "PER": 1.0}
    pipe.cfg["label_thresholds"]["PER"] = 2.0
    with pytest.raises(ValueError, match=r"L014\]"):
        _ = pipe.settings
    assert pipe_of(make_nlp()).cfg["label_thresholds"] == {}
