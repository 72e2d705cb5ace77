"""The commands about a trained pipeline, on a tiny recognizer."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from contract.helpers import make_example, make_nlp, trained
from spacy.language import Language
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_lstm_ner.component.lstm_ner import LSTMNer
from spacy_lstm_ner.component.reliability import expected_calibration_error
from spacy_lstm_ner.reports.metrics import area_under_roc

from .helpers import DEV, TEXTS, TRAIN, Files, dev_examples, lstm_ner, message


def recognizer(nlp: Language) -> LSTMNer:
    return nlp.get_pipe("lstm_ner")


def run(*args: object) -> None:
    assert lstm_ner(*args) == 0


def test_calibrate(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sure, output = tmp_path / "sure", tmp_path / "calibrated"
    nlp = spacy.load(files.ner)
    layer = recognizer(nlp).model.get_ref("output_layer")
    for name in layer.param_names:  # overconfident
        layer.set_param(name, 8 * layer.get_param(name))
    nlp.to_disk(sure)
    run("calibrate", sure, files.dev, output)
    before, after = spacy.load(sure), spacy.load(output)
    expected = recognizer(before).calibrate(dev_examples(before)).temperature
    assert expected > 1.1
    found = recognizer(after).cfg["temperature"]
    assert found == pytest.approx(expected, rel=1e-3)
    assert recognizer(spacy.load(sure)).cfg["temperature"] == 1
    assert after.config == before.config
    out = capsys.readouterr().out
    assert f"temperature {found:.3f}\n" in out
    assert "threshold" not in out
    assert f"{output}: fitted to 6 texts" in out


@pytest.mark.parametrize("beta", ["0.5", "2"])
def test_calibrate_with_a_threshold(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], beta: str
):
    run("calibrate", files.ner, files.dev, tmp_path, "--beta", beta)
    nlp = spacy.load(tmp_path)
    config = nlp.config.copy()
    block = config["components"]["lstm_ner"]
    assert block["decoding"] == "probability"
    out = capsys.readouterr().out
    temperature, threshold, f_score = map(float, re.findall(r"\d+\.\d+", out)[:3])
    assert temperature != 1
    assert block["threshold"] == pytest.approx(threshold, abs=6e-5)
    assert 0 < threshold < 1
    scores = nlp.evaluate(dev_examples(nlp))
    p, r, weight = scores["ents_p"], scores["ents_r"], float(beta) ** 2
    expected = (1 + weight) * p * r / (weight * p + r)
    assert f_score == pytest.approx(100 * expected, abs=0.06)
    block.update(decoding="best_path", threshold=0.0)
    assert config == spacy.load(files.ner).config


@pytest.mark.parametrize("where", ["config", "cfg"])
def test_thresholds_of_before_do_not_count(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
):
    """Wherever they stand: what is set in `cfg` at run time is saved, too."""
    settings = {"threshold": 1.0, "label_thresholds": {"PER": 1.0}}
    nlp = spacy.load(files.ner)
    if where == "config":
        nlp = spacy.load(files.ner, config={"components": {"lstm_ner": settings}})
    else:
        recognizer(nlp).cfg.update(settings, decoding="best_path")
    nlp.to_disk(tmp_path / "model")
    output = tmp_path / "new" / "calibrated"
    run("calibrate", tmp_path / "model", files.dev, output, "--beta", "1")
    (f_score,) = map(float, re.findall(r"F-score of (\S+)", capsys.readouterr().out))
    nlp = spacy.load(output)
    assert nlp.config["components"]["lstm_ner"]["label_thresholds"] == {}
    expected = nlp.evaluate(dev_examples(nlp))["ents_f"]
    assert f_score == pytest.approx(100 * expected, abs=0.06)


def test_beta_of_calibrate(files: Files, tmp_path: Path):
    thresholds = []
    for beta in (0.2, 5):
        run("calibrate", files.ner, files.dev, tmp_path, "--beta", beta)
        config = Config().from_disk(tmp_path / "config.cfg")
        thresholds.append(config["components"]["lstm_ner"]["threshold"])
    assert thresholds[0] > thresholds[1]


def test_calibrate_one_of_several_components(files: Files, tmp_path: Path):
    """Those before it have their say; those behind it are not even trained."""
    args = ["--component", "lstm_ner", "--beta", "1"]
    run("calibrate", files.two, files.dev, tmp_path, *args)
    nlp = spacy.load(tmp_path)
    examples = dev_examples(nlp)
    alone = recognizer(spacy.load(files.ner)).calibrate(examples).temperature
    for eg in examples:
        eg.predicted = nlp.get_pipe("entity_ruler")(eg.predicted)
    temperature = recognizer(nlp).cfg["temperature"]
    expected = recognizer(nlp).calibrate(examples).temperature
    assert temperature == pytest.approx(expected, rel=1e-3)
    assert temperature != pytest.approx(alone, rel=1e-2)
    assert nlp.config["components"]["late"]["decoding"] == "best_path"
    assert nlp.config["components"]["lstm_ner"]["decoding"] == "probability"


def test_reliability(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    nlp = spacy.load(files.ner)
    data = tmp_path / "dev.spacy"
    # One more text, without annotation: its entities say nothing.
    unknown = nlp.make_doc("Carl left on Monday")
    assert nlp(unknown.copy()).ents
    DocBin(docs=[*(eg.reference for eg in dev_examples(nlp)), unknown]).to_disk(data)
    output = tmp_path / "new" / "picture.svg"
    run("reliability", files.ner, data, output)
    assert "</svg>" in output.read_text(encoding="utf8")
    confidences, right = [], []
    for text, phrases in DEV:
        for ent in nlp(text).ents:
            confidences.append(ent._.confidence)
            right.append(phrases.get(ent.text) == ent.label_)
    assert 0 < sum(right) < len(right)
    *rows, last, written = capsys.readouterr().out.splitlines()[1:]
    table = [[float(cell) for cell in row.split()] for row in rows]
    assert sum(row[2] for row in table) == len(right)
    n_right = sum(row[1] * row[2] for row in table)
    assert n_right == pytest.approx(sum(right), abs=0.02)
    total = sum(row[0] * row[2] for row in table)
    assert total == pytest.approx(sum(confidences), abs=0.02)
    expected = [
        measure(np.array(confidences), np.array(right))
        for measure in (expected_calibration_error, area_under_roc)
    ]
    found = [float(number) for number in re.findall(r"\d\.\d+", last)]
    assert found == pytest.approx(expected, abs=0.001)
    assert written == f"{output}: {len(right)} entities of 7 texts"


def test_reliability_of_one_of_several_components(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Only what the component itself has found counts, not what others have."""
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    verbs = [("they told Dora that nothing happened", {"told": "VERB"}), *TRAIN[5:]]
    second = trained(make_nlp(), [make_example(make_nlp(), *each) for each in verbs])
    nlp = spacy.load(files.ner)
    nlp.add_pipe("lstm_ner", name="second", source=second)
    nlp.to_disk(tmp_path / "model")
    alone = sum(len(doc.ents) for doc in spacy.load(files.ner).pipe(TEXTS))
    together = sum(len(doc.ents) for doc in nlp.pipe(TEXTS))
    assert 0 < alone < together
    for name, n in (("lstm_ner", alone), ("second", together - alone)):
        output = tmp_path / f"{name}.svg"
        run("reliability", tmp_path / "model", files.dev, output, "--component", name)
        assert f"{output}: {n} entities of 6 texts" in capsys.readouterr().out


def test_reliability_of_a_component_that_overwrites(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    n_entities = []
    for overwrite in (False, True):
        config = {"components": {"lstm_ner": {"overwrite": overwrite}}}
        nlp = spacy.load(files.two, config=config, exclude=["late"])
        nlp.to_disk(tmp_path / "model")
        run("reliability", tmp_path / "model", files.dev, tmp_path / "picture.svg")
        n_entities.append(int(capsys.readouterr().out.split()[-5]))
    alone = sum(len(doc.ents) for doc in spacy.load(files.ner).pipe(TEXTS))
    assert n_entities[0] < n_entities[1] == alone


def test_reliability_without_matplotlib(
    files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    output = tmp_path / "picture.svg"
    assert lstm_ner("reliability", files.ner, files.dev, output) == 1
    assert re.search(r"L205.*pip install.*plots", message(capsys))
    assert not output.exists()


def test_rank_lines_of_text(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source, output = tmp_path / "texts.txt", tmp_path / "new" / "ranked.jsonl"
    source.write_text("\n \n".join(TEXTS) + "\n", encoding="utf8")
    run("rank", files.ner, source, output)
    assert f"{output}: 6 texts" in capsys.readouterr().out
    ranked = list(srsly.read_jsonl(output))
    assert sorted(record["text"] for record in ranked) == sorted(TEXTS)
    entropies = [record["entropy"] for record in ranked]
    assert entropies == sorted(entropies, reverse=True)
    nlp = spacy.load(files.ner)
    for record in ranked:
        doc = nlp.make_doc(record["text"])
        (expected,) = recognizer(nlp).uncertainty([doc])
        assert record["probability"] == pytest.approx(expected.probability, rel=1e-4)
        assert record["entropy"] == pytest.approx(expected.entropy, rel=1e-4)
        per_token = expected.entropy / len(doc)
        assert record["entropy_per_token"] == pytest.approx(per_token, rel=1e-4)


def test_rank_records_by_each_measure(files: Files, tmp_path: Path):
    source, output = tmp_path / "texts.jsonl", tmp_path / "ranked.jsonl"
    texts = [*TEXTS, ""]
    records = [{"text": text, "id": i} for i, text in enumerate(texts)]
    srsly.write_jsonl(source, records)
    orders = set()
    for by, is_reversed in [
        ("probability", False),
        ("entropy", True),
        ("entropy_per_token", True),
    ]:
        run("rank", files.ner, source, output, "--by", by)
        ranked = list(srsly.read_jsonl(output))
        values = [record[by] for record in ranked]
        assert values == sorted(values, reverse=is_reversed)
        assert all(texts[record["id"]] == record["text"] for record in ranked)
        orders.add(tuple(record["id"] for record in ranked))
        assert {"id": 6, "text": "", "probability": 1, "entropy": 0}.items() <= (
            ranked[-1].items()
        )
    assert len(orders) == 3


@pytest.mark.parametrize("ending", [".jsonl", ".JSONL", ".ndjson"])
def test_rank_keeps_other_fields_as_they_are(files: Files, tmp_path: Path, ending: str):
    source, output = tmp_path / f"texts{ending}", tmp_path / "ranked.jsonl"
    others = {"score": 1.23456789012345e-12, "user": "\ud83d", "name": "Zo\u00eb"}
    source.write_text(json.dumps({"text": "Ada met Dora", **others}), "ascii")
    run("rank", files.ner, source, output)
    (record,) = map(json.loads, output.read_text("utf8").splitlines())
    (expected,) = recognizer(spacy.load(files.ner)).uncertainty(
        [spacy.blank("xx")("Ada met Dora")]
    )
    assert {**record, **others} == record
    assert record["probability"] == expected.probability


def test_rank_knows_what_comes_before(files: Files, tmp_path: Path):
    source, output = tmp_path / "texts.txt", tmp_path / "ranked.jsonl"
    source.write_text("Dora met Ada", encoding="utf8")
    entropies = []
    for model in (files.ner, files.two):
        run("rank", model, source, output, "--component", "lstm_ner")
        (record,) = srsly.read_jsonl(output)
        entropies.append(record["entropy"])
    assert entropies[1] < entropies[0] / 2


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("calibrate {plain} {dev} {new}", r"L206.*\[\].*\[\]"),
        ("calibrate {two} {dev} {new}", "L206.*'lstm_ner', 'late'.*--comp"),
        ("calibrate {two} {dev} {new} --component ner", "L206.*'ner'.*'late'.*--comp"),
        ("calibrate {missing} {dev} {new}", "E050.*missing"),
        ("calibrate {ner} {missing} {new}", "L111.*missing"),
        ("calibrate {ner} {lines} {new}", "L271.*lines.txt.*Ada met Bob"),
        ("calibrate {ner} {dev} {lines}", "lines.txt"),
        ("calibrate {two} {dev} {new} --component late", "L011.*'late'.*not init"),
        ("calibrate {ner} {raw} {new}", r"L208.*raw\.spacy"),
        ("calibrate {missing} {dev} {new} --beta -1", r"L023.*-1\.0"),
        ("reliability {ner} {missing} {new}.svg", "L111.*missing"),
        ("reliability {ner} {dev} {dev}", r"L100.*'\.spacy'.*\.svg"),
        ("reliability {plain} {dev} {new}.svg", "L206"),
        ("reliability {ner} {raw} {new}.svg", r"L216.*'lstm_ner'.*raw"),
        ("rank {two} {lines} {new}.jsonl", "L206.*--component"),
        ("rank {ner} {lines} {new}.json", r"L201.*new\.json.*'\.jsonl'"),
        ("rank {ner} {missing} {new}.jsonl", "missing"),
        ("rank {ner} {no_text} {new}.jsonl", "L207.*no_text.*line 2"),
        ("rank {ner} {taken} {new}.jsonl", r"L215.*1 of.*\['entropy'\]"),
        ("rank {ner} {no_text} {no_text}", r"L213.*no_text\.jsonl"),
        ("report {ner} {missing} {new}.html", "L111.*missing"),
        ("report {ner} {lines} {new}.html", "L271.*lines.txt"),
        ("report {ner} {dev} {dev}", "L201.*'.html'"),
        ("report {missing} {dev} {new}.html", "E050.*missing"),
        ("scores {missing}", "missing"),
        ("scores {lines}", "L204.*lines.txt"),
        ("scores {ner}/meta.json", "L204.*meta.json"),
    ],
)
def test_careless_use_gets_a_message(
    args: str,
    expected: str,
    files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    contents = {
        "lines.txt": "Ada met Bob\n",
        "no_text.jsonl": '{"text": "Ada"}\n{"txt": "Bob"}\n',
        "taken.jsonl": '{"text": "Ada", "entropy": "mine"}\n',
    }
    paths = {"missing": tmp_path / "missing", "new": tmp_path / "new", **vars(files)}
    for name, content in contents.items():
        path = paths[name.partition(".")[0]] = tmp_path / name
        path.write_text(content, encoding="utf8")
    before = files.dev.read_bytes()
    assert lstm_ner(*args.format(**paths).split()) == 1
    assert re.search(expected, message(capsys))
    assert files.dev.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(contents)
    assert (tmp_path / "lines.txt").read_text(encoding="utf8") == "Ada met Bob\n"


def test_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    metrics = tmp_path / "metrics.json"
    per_type = {"per": {"p": 1.0, "r": 0.5, "f": 2 / 3}}
    scores = {"ents_p": 0.25, "ents_r": None, "ents_f": 0.5, "ents_per_type": per_type}
    srsly.write_json(metrics, scores)
    run("scores", metrics)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["entities", "precision", "recall", "F1"],
        ["per", "100.0", "50.0", "66.7"],
        ["all", "25.0", "0.0", "50.0"],
    ]
