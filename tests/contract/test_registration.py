"""Registration, metadata and config: found by name, described as `ner` is."""

import importlib.metadata
import json
from pathlib import Path

import pytest
import spacy
from confection import ConfigValidationError
from fresh import run_fresh
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from thinc.api import Config

from .helpers import (
    FACTORY,
    TINY_TOK2VEC,
    WIDTH,
    initialized,
    make_nlp,
    train_examples,
)


def test_add_pipe_works_in_a_fresh_process_in_every_language():
    script = (
        "import spacy\n"
        "for lang in ('en', 'de', 'fi', 'xx'):\n"
        f"    print(spacy.blank(lang).add_pipe('{FACTORY}').name)\n"
    )
    assert run_fresh(script).split() == [FACTORY] * 4


def test_factory_belongs_to_the_base_language():
    nlp = Language()  # looks at the entry points
    assert Language.has_factory(FACTORY)
    nlp.add_pipe(FACTORY)
    assert nlp.pipe_names == [FACTORY]


def test_factory_is_advertised_as_an_entry_point():
    points = importlib.metadata.entry_points(group="spacy_factories")
    assert FACTORY in points.names


def test_every_name_of_the_default_config_is_found_without_an_nlp(tmp_path: Path):
    nlp = spacy.blank("en")
    nlp.add_pipe(FACTORY)
    model = nlp.get_pipe_config(FACTORY)["model"]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model), encoding="utf8")
    script = (
        "import json, spacy\n"
        f"model = json.load(open({str(path)!r}, encoding='utf8'))\n"
        "print(type(spacy.registry.resolve({'model': model})['model']).__name__)\n"
    )
    assert any(keys[-1].startswith("@") for keys, _ in util.walk_dict(model))
    assert run_fresh(script).strip() == "Model"


def test_importing_the_factory_stays_light():
    """Every Language on the machine imports it: no optional package comes along."""
    script = (
        "import sys, spacy\n"
        "before = set(sys.modules)\n"
        "from importlib.metadata import entry_points\n"
        f"point, = entry_points(group='spacy_factories', name='{FACTORY}')\n"
        "point.load()\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new & {'torch', 'cupy', 'pandas', 'pyarrow', 'hypothesis',\n"
        "                     'pytest', 'matplotlib', 'IPython', 'typer'}))\n"
    )
    assert run_fresh(script).split() == []


def test_without_the_component_nothing_of_spacy_is_changed():
    """The package may be installed and not used: names of extensions are the user's."""
    script = (
        "import spacy\n"
        "from spacy.tokens import Span\n"
        "from srsly import msgpack\n"
        "nlp = spacy.blank('en')\n"
        "Span.set_extension('confidence', default=None)\n"
        "Span.remove_extension('confidence')\n"
        "print('get_all' in vars(msgpack.msgpack_encoders))\n"
        f"nlp.add_pipe('{FACTORY}')\n"
        "print(Span.has_extension('confidence'))\n"
        "print('get_all' in vars(msgpack.msgpack_encoders))\n"
    )
    assert run_fresh(script).split() == ["False", "True", "True"]


def test_assigns_ents_and_requires_nothing():
    nlp = make_nlp()
    meta = nlp.get_pipe_meta(FACTORY)
    assert sorted(meta.assigns) == ["doc.ents", "token.ent_iob", "token.ent_type"]
    assert list(meta.requires) == []
    assert meta.retokenizes is False


def test_pipe_analysis_finds_no_problem():
    nlp = make_nlp()
    nlp.add_pipe("entity_linker")
    problems = nlp.analyze_pipes()["problems"]
    assert problems[FACTORY] == []
    assert not {"doc.ents", "token.ent_iob", "token.ent_type"} & set(
        problems["entity_linker"]
    )


def test_score_weights_are_those_of_ner():
    nlp = make_nlp()
    weights = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
    assert nlp.get_pipe_meta(FACTORY).default_score_weights == weights
    assert nlp.config["training"]["score_weights"] == weights


def test_component_is_a_trainable_pipe_with_the_usual_attributes():
    nlp = make_nlp("names")
    pipe = nlp.get_pipe("names")
    assert isinstance(pipe, TrainablePipe)
    assert pipe.is_trainable
    assert pipe.name == "names"
    assert pipe.vocab is nlp.vocab
    assert isinstance(pipe.cfg, dict)
    assert callable(pipe.scorer)
    assert callable(pipe.model.predict)


def test_model_has_a_tok2vec_reference():
    pipe = make_nlp().get_pipe(FACTORY)
    assert pipe.model.has_ref("tok2vec")
    assert pipe.model.get_ref("tok2vec") in list(pipe.model.walk())


def test_model_has_an_output_layer_reference():
    nlp = initialized()
    output_layer = nlp.get_pipe(FACTORY).model.get_ref("output_layer")
    assert output_layer in list(nlp.get_pipe(FACTORY).model.walk())
    before = output_layer.get_dim("nO")
    nlp.get_pipe(FACTORY).add_label("ONE_MORE")
    assert nlp.get_pipe(FACTORY).model.get_ref("output_layer").get_dim("nO") > before


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("no_such_setting", 1),
        ("overwrite", "perhaps"),
        ("threshold", "high"),
        ("spans_key", ["a", "list"]),
    ],
)
def test_unknown_or_wrong_setting_is_named(setting, value):
    nlp = spacy.blank("xx")
    with pytest.raises(ConfigValidationError, match=setting):
        nlp.add_pipe(FACTORY, config={setting: value})


def test_right_settings_are_taken():
    config = {"overwrite": True, "threshold": 0.5, "spans_key": "found"}
    nlp = make_nlp(**config)
    assert {key: nlp.get_pipe_config(FACTORY)[key] for key in config} == config


def test_unknown_architecture_is_named():
    nlp = spacy.blank("xx")
    model = {"@architectures": "spacy_lstm_ner.NoSuchTagger.v1"}
    with pytest.raises(ValueError, match=r"(?s)E893.*NoSuchTagger"):
        nlp.add_pipe(FACTORY, config={"model": model})


def test_unknown_initialize_setting_is_named():
    nlp = make_nlp()
    nlp.config["initialize"]["components"][FACTORY] = {"no_such_argument": 1}
    with pytest.raises(ConfigValidationError, match="no_such_argument"):
        nlp.initialize(lambda: train_examples(nlp))


def test_default_config_survives_the_round_trip_through_text():
    nlp = spacy.blank("en")
    nlp.add_pipe(FACTORY)
    text = nlp.config.to_str()
    again = util.load_model_from_config(Config().from_str(text, interpolate=False))
    assert again.config.to_str() == text
    assert json.loads(json.dumps(nlp.get_pipe_config(FACTORY)))


def test_two_instances_are_told_apart_by_name():
    nlp = make_nlp("first", "second")
    first, second = nlp.get_pipe("first"), nlp.get_pipe("second")
    assert (first.name, second.name) == ("first", "second")
    assert first is not second
    assert first.model is not second.model
    assert first.cfg is not second.cfg
    assert first.add_label("ONLY_FIRST") == 1
    assert "ONLY_FIRST" not in second.labels


def test_model_block_can_be_given_by_the_user():
    nlp = make_nlp()
    assert nlp.get_pipe_config(FACTORY)["model"]["tok2vec"] == TINY_TOK2VEC
    assert nlp.get_pipe(FACTORY).model.get_ref("tok2vec").get_dim("nO") == WIDTH
