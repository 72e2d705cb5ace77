"""The command line: each command on tiny data, and what careless use gets."""

import json
import re
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from contract.helpers import add_tiny, make_example, make_nlp, trained
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Config, fix_random_seed

from spacy_lstm_ner.cli.commands import main
from spacy_lstm_ner.component.lstm_ner import LSTMNer
from spacy_lstm_ner.reports.metrics import area_under_roc, expected_calibration_error
from spacy_lstm_ner.reports.visualize import render_page

CONLL = "Sharon\tB-per\nflew\tO\nto\tO\nMiami\tI-geo\n\nNo\tO\n<b>\tB-eve&co\n"


@pytest.fixture
def conll(tmp_path: Path) -> Path:
    path = tmp_path / "train.conll"
    path.write_text(CONLL, encoding="utf8")
    return path


@pytest.fixture
def data(conll: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "new" / "train.spacy"
    assert main(["convert", str(conll), str(path)]) == 0
    capsys.readouterr()
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A pipeline that finds Sharon, and takes Miami for a person."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "per", "pattern": name} for name in ("Sharon", "Miami")]
    )
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def test_demo_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo-corpus", str(tmp_path / "a" / "demo")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"test\.conll: 500 sentences .* tokens, \d+ entities \(", out)
    assert re.search(r"\d\d% of the entities of test are no entities of train", out)
    names = sorted(path.name for path in (tmp_path / "a" / "demo").iterdir())
    assert names == ["dev.conll", "test.conll", "train.conll"]


def test_convert(conll: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "out" / "train.spacy"
    assert main(["convert", str(conll), str(conll), str(output)]) == 0
    out = capsys.readouterr().out
    assert (
        "4 sentences or documents, 12 tokens, 6 entities (per 2, geo 2, eve&co 2)"
        in out
    )
    docs = list(DocBin().from_disk(output).get_docs(spacy.blank("en").vocab))
    assert [(ent.text, ent.label_) for ent in docs[2].ents] == [
        ("Sharon", "per"),
        ("Miami", "geo"),
    ]


def test_convert_passes_the_settings_of_the_reader(tmp_path: Path):
    source = tmp_path / "words.txt"
    source.write_text("# no\nx\tU-PER\tAnn\n\nx\tO\tleft\n", encoding="utf8")
    output = tmp_path / "words.spacy"
    columns = ["--word-column", "2", "--tag-column", "1", "--separator", r"\t"]
    settings = ["--scheme", "BILUO", "--invalid", "error", "--comment", "#"]
    form = ["--docs", "document", "--limit", "1"]
    args = ["convert", str(source), str(output), *columns, *settings, *form]
    assert main(args) == 0
    (doc,) = DocBin().from_disk(output).get_docs(spacy.blank("en").vocab)
    assert [token.text for token in doc] == ["Ann", "left"]
    assert [ent.label_ for ent in doc.ents] == ["PER"]


def test_raw_text(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other, output = tmp_path / "other.spacy", tmp_path / "raw" / "texts.jsonl"
    doc = spacy.blank("en")('Caf\u00e9 \u2013 "closed"\n')
    DocBin(docs=[doc]).to_disk(other)
    assert main(["raw-text", str(data), str(other), str(output)]) == 0
    assert f"{output}: 3 texts" in capsys.readouterr().out
    texts = ["Sharon flew to Miami ", "No <b> ", doc.text]
    assert list(srsly.read_jsonl(output)) == [{"text": text} for text in texts]


def test_visualize(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "pages" / "page.html"
    assert main(["visualize", str(model), str(data), str(output)]) == 0
    assert "2 texts" in capsys.readouterr().out
    page = output.read_text(encoding="utf8")
    assert page.count("<tr class=") == 2
    assert main(["visualize", str(model), str(data), str(output), "--limit", "1"]) == 0
    assert output.read_text(encoding="utf8").count("<tr class=") == 1


def test_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    metrics = tmp_path / "metrics.json"
    per_type = {"per": {"p": 1.0, "r": 0.5, "f": 2 / 3}}
    scores = {"ents_p": 0.25, "ents_r": None, "ents_f": 0.5, "ents_per_type": per_type}
    srsly.write_json(metrics, scores)
    assert main(["scores", str(metrics)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["entities", "precision", "recall", "F1"],
        ["per", "100.0", "50.0", "66.7"],
        ["all", "25.0", "0.0", "50.0"],
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["convert", "{missing}", "{new}.spacy"], "L111.*missing"),
        (["convert", "{conll}", "{new}.conll"], "L201.*new.conll.*'.spacy'"),
        (["visualize", "{model}", "{missing}", "{new}.html"], "L202.*missing"),
        (["visualize", "{model}", "{conll}", "{new}.html"], "L203.*train.conll"),
        (["visualize", "{model}", "{data}", "{data}"], "L201.*'.html'"),
        (["visualize", "{missing}", "{data}", "{new}.html"], "E050.*missing"),
        (["scores", "{missing}"], "missing"),
        (["scores", "{conll}"], "L204.*train.conll"),
        (["visualize", "{model}", "{data}", "{new}.html", "--limit", "-3"], "L120.*-3"),
        (["vectors", "{new}", "--limit", "0"], "L048.*'limit' is 0"),
        (["lab", "{new}", "--corpus", "{conll}", "--updates", "-1"], "L048.*-1"),
        (["scores", "{model}/meta.json"], "L204.*meta.json"),
        (["demo-corpus", "{conll}"], "File exists.*train.conll"),
        (["raw-text", "{data}", "{missing}", "{new}.jsonl"], "L202.*missing"),
        (["raw-text", "{data}", "{conll}", "{new}.jsonl"], "L203.*train.conll"),
        (["raw-text", "{data}", "{data}"], "L201.*'.jsonl'"),
    ],
)
def test_careless_use_gets_a_message(
    args: list[str],
    message: str,
    tmp_path: Path,
    conll: Path,
    data: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
):
    paths = {
        "missing": tmp_path / "missing",
        "new": tmp_path / "new",
        "conll": conll,
        "data": data,
        "model": model,
    }
    before = data.read_bytes()
    assert main([arg.format(**paths) for arg in args]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert data.read_bytes() == before
    assert conll.read_text(encoding="utf8") == CONLL


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["convert"],
        ["convert", "a", "b.spacy", "--docs", "c"],
        ["sing"],
        ["raw-text", "a.jsonl"],
        ["calibrate", "a", "b"],
        ["calibrate", "a", "b", "c", "--beta", "much"],
        ["reliability", "a", "b"],
        ["rank", "a", "b", "c.jsonl", "--by", "size"],
    ],
)
def test_wrong_arguments_exit_with_2(
    args: list[str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_info:
        main(args)
    assert exit_info.value.code == 2
    assert "usage: python -m spacy_lstm_ner" in capsys.readouterr().err


def test_module_runs_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["spacy_lstm_ner", "--help"])
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_module("spacy_lstm_ner", run_name="__main__")
    assert exit_info.value.code == 0
    assert "demo-corpus" in capsys.readouterr().out


@pytest.fixture
def example() -> Callable[..., Example]:
    vocab = spacy.blank("en").vocab

    def make(words: list[str], predicted: list[str], gold: list[str]) -> Example:
        return Example(
            Doc(vocab, words=words, ents=predicted), Doc(vocab, words=words, ents=gold)
        )

    return make


def test_page_marks_what_differs(example: Callable[..., Example]):
    same = example(["Ann", "left"], ["B-per", "O"], ["B-per", "O"])
    other = example(
        ["New", "York", "City"], ["B-geo", "I-geo", "O"], ["B-per", "O", "B-geo"]
    )
    page = render_page([same, other], title="A & B")
    assert "<title>A &amp; B</title>" in page
    agrees, differs = re.findall(r'<tr class="(?:agrees|differs)">.*?</tr>', page, re.S)
    assert agrees.count('<mark class="right"') == 2
    assert differs.count('<mark class="wrong"') == 3
    counts = re.search(r'<table class="counts">(.*?)</table>', page, re.S)
    assert counts is not None
    rows = [
        re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in counts[1].split("</tr>")
    ]
    assert rows[1:-1] == [
        ["geo", "0", "1", "1"],
        ["per", "1", "1", "0"],
        ["all", "1", "2", "1"],
    ]


def test_page_leaves_open_what_is_not_annotated(example: Callable[..., Example]):
    eg = example(
        ["Ann", "met", "Bob", "there"], ["B-per", "O", "B-per", "B-geo"], [""] * 4
    )
    known = example(["Ann", "left"], ["B-per", "O"], ["O", ""])
    page = render_page([eg, known], title="")
    rows = re.findall(r'<tr class="(?:agrees|differs)">.*?</tr>', page, re.S)
    assert [row.count('<mark class="right"') for row in rows] == [3, 0]
    assert [row.count('<mark class="wrong"') for row in rows] == [0, 1]
    assert [row.startswith('<tr class="agrees"') for row in rows] == [True, False]
    assert "<th>all</th><td>0</td><td>0</td><td>1</td>" in page


def test_page_tells_labels_and_languages_apart(example: Callable[..., Example]):
    tags = ["B-per", "B-geo"]
    page = render_page([example(["Ann", "Rome"], tags, tags)], title="", lang="he")
    colours = re.findall(r'<mark class="right" style="background: (#\w+)">', page)
    assert len(colours) == 6, "a legend of two, and two in each column"
    assert len(set(colours)) == 2
    assert '<html lang="he">' in page


def test_page_escapes_texts_and_labels(example: Callable[..., Example]):
    words = ["<script>", "&", "{bg}"]
    page = render_page([example(words, ["B-<i>{x}", "O", "O"], ["O"] * 3)], title="<t>")
    assert "<script>" not in page
    assert "<i>" not in page
    assert "<t>" not in page
    text = unescape(re.sub(r"<[^>]+>", "", page.partition("<tbody>")[2]))
    assert text.split() == [*words, *words[:1], "<i>{x}", *words[1:]]


def test_page_of_nothing():
    assert "<tbody>\n\n</tbody>" in render_page([], title="empty")


# Commands for a recognizer


TRAIN = [
    ("Ada Lovelace met New York", {"Ada Lovelace": "PER", "New York": "GPE"}),
    ("Ada Lovelace met New York", {"Lovelace": "PER", "York": "GPE"}),
    ("they told Dora Paris was nice", {"Dora": "PER", "Paris": "GPE"}),
    ("they told Dora Paris was nice", {"Dora Paris": "PER"}),
    ("Carl left on Monday", {"Carl": "PER"}),
    ("nothing else happened there", {}),
]
DEV = [
    ("Ada Lovelace met New York", {"Lovelace": "PER", "New York": "GPE"}),
    ("Ada Lovelace met York", {"Ada": "PER", "York": "GPE"}),
    ("they told Dora Paris was nice", {"Dora": "GPE", "Paris": "GPE"}),
    ("Dora met New York", {"Dora": "PER", "New York": "GPE"}),
    ("Carl left Dora Paris", {"Carl": "PER", "Paris": "GPE"}),
    ("nothing told Lovelace there", {"Lovelace": "PER"}),
]


@dataclass
class Files:
    """Pipelines and data of the tests below."""

    ner: Path
    two: Path
    plain: Path
    dev: Path
    raw: Path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Read only. `ner` is a trained recognizer; `two` has it between a ruler and a
    second one, "late", that is not trained; `plain` has none. `raw` is not
    annotated."""
    folder = tmp_path_factory.mktemp("recognizers")
    names = ("ner", "two", "plain", "dev.spacy", "raw.spacy")
    files = Files(*(folder / name for name in names))
    fix_random_seed(0)
    nlp = trained(make_nlp(), [make_example(make_nlp(), *each) for each in TRAIN])
    nlp.to_disk(files.ner)
    DocBin(docs=[eg.reference for eg in dev_examples(nlp)]).to_disk(files.dev)
    DocBin(docs=[nlp.make_doc(text) for text in TEXTS]).to_disk(files.raw)
    add_tiny(nlp, "late")
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "PER", "pattern": name} for name in ("Dora", "Ada")])
    nlp.to_disk(files.two)
    spacy.blank("en").to_disk(files.plain)
    return files


def dev_examples(nlp: Language) -> list[Example]:
    return [make_example(nlp, *each) for each in DEV]


def recognizer(nlp: Language) -> LSTMNer:
    return nlp.get_pipe("lstm_ner")


def run(*args: object) -> None:
    assert main([str(arg) for arg in args]) == 0


def test_calibrate(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "calibrated"
    run("calibrate", files.ner, files.dev, output)
    before, after = spacy.load(files.ner), spacy.load(output)
    expected = recognizer(before).calibrate(dev_examples(before))
    assert abs(expected - 1) > 0.1
    found = recognizer(after).cfg["temperature"]
    assert found == pytest.approx(expected, rel=1e-3)
    assert recognizer(spacy.load(files.ner)).cfg["temperature"] == 1
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
    f_score = float(re.findall(r"\d+\.\d", capsys.readouterr().out)[-1])
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
    alone = recognizer(spacy.load(files.ner)).calibrate(examples)
    for eg in examples:
        eg.predicted = nlp.get_pipe("entity_ruler")(eg.predicted)
    temperature = recognizer(nlp).cfg["temperature"]
    expected = recognizer(nlp).calibrate(examples)
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
    args = ["reliability", str(files.ner), str(files.dev), str(output)]
    assert main(args) == 1
    assert re.search(r"L205.*pip install.*plots", capsys.readouterr().err)
    assert not output.exists()


TEXTS = [text for text, _ in DEV]


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
        [spacy.blank("en")("Ada met Dora")]
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
    ("args", "message"),
    [
        (["calibrate", "{plain}", "{dev}", "{new}"], r"L206.*\[\].*\[\]"),
        (["calibrate", "{two}", "{dev}", "{new}"], "L206.*'lstm_ner', 'late'.*--comp"),
        (
            ["calibrate", "{two}", "{dev}", "{new}", "--component", "ner"],
            "L206.*'lstm_ner', 'late'.*--component",
        ),
        (["calibrate", "{missing}", "{dev}", "{new}"], "E050.*missing"),
        (["calibrate", "{ner}", "{missing}", "{new}"], "L202.*missing"),
        (["calibrate", "{ner}", "{lines}", "{new}"], "L203.*lines.txt"),
        (["calibrate", "{ner}", "{dev}", "{new}", "--beta", "0"], r"L023.*0\.0"),
        (["calibrate", "{ner}", "{dev}", "{lines}"], "lines.txt"),
        (
            ["calibrate", "{two}", "{dev}", "{new}", "--component", "late"],
            "L011.*'late'.*not initialized",
        ),
        (["reliability", "{ner}", "{missing}", "{new}.svg"], "L202.*missing"),
        (["reliability", "{ner}", "{dev}", "{new}.txt"], r"L100.*'\.txt'.*\.svg"),
        (["reliability", "{ner}", "{dev}", "{dev}"], r"L100.*'\.spacy'.*\.svg"),
        (["rank", "{plain}", "{lines}", "{new}.jsonl"], "L206"),
        (["rank", "{two}", "{lines}", "{new}.jsonl"], "L206.*--component"),
        (["rank", "{ner}", "{lines}", "{new}.json"], r"L201.*new\.json.*'\.jsonl'"),
        (["rank", "{ner}", "{missing}", "{new}.jsonl"], "missing"),
        (
            ["rank", "{ner}", "{no_text}", "{new}.jsonl"],
            r"L207.*no_text.*line 2",
        ),
        (["rank", "{ner}", "{number}", "{new}.jsonl"], r"L207.*number\.jsonl, line 1"),
        (["rank", "{ner}", "{list}", "{new}.jsonl"], r"L207.*list\.jsonl, line 1"),
        (["rank", "{ner}", "{dev}", "{new}.jsonl"], r"L113.*dev\.spacy"),
        (["rank", "{ner}", "{broken}", "{new}.jsonl"], r"L207.*line 2: found '{\"text"),
        (["rank", "{ner}", "{taken}", "{new}.jsonl"], r"L215.*1 of.*\['entropy'\]"),
        (["rank", "{ner}", "{no_text}", "{no_text}"], r"L213.*no_text\.jsonl"),
        (["rank", "{ner}", "{infinite}", "{new}.jsonl"], r"L207.*infinite.*line 1"),
        (["rank", "{ner}", "{no_number}", "{new}.jsonl"], r"L207.*no_number.*line 1"),
        (["rank", "{ner}", "{document}", "{new}.jsonl"], r"L214.*document\.json"),
        (["rank", "{ner}", "{lines}", "{new}.jsonl", "--component", "x"], "L206.*'x'"),
        (["reliability", "{plain}", "{dev}", "{new}.svg"], "L206"),
        (["reliability", "{ner}", "{raw}", "{new}.svg"], r"L216.*'lstm_ner'.*raw"),
        (["calibrate", "{missing}", "{dev}", "{new}", "--beta", "-1"], r"L023.*-1\.0"),
        (["calibrate", "{ner}", "{raw}", "{new}"], r"L208.*raw\.spacy"),
    ],
)
def test_careless_use_of_a_recognizer_gets_a_message(
    args: list[str],
    message: str,
    files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    contents = {
        "lines.txt": "Ada met Bob\n",
        "no_text.jsonl": '{"text": "Ada"}\n{"txt": "Bob"}\n',
        "number.jsonl": '{"text": 1}\n',
        "list.jsonl": '["Ada met Bob"]\n',
        "broken.jsonl": '{"text": "Ada"}\n{"text": "Bob\n',
        "taken.jsonl": '{"text": "Ada", "entropy": "mine"}\n',
        "infinite.jsonl": '{"text": "Ada", "score": 1e999}\n',
        "no_number.jsonl": '{"text": "Ada", "score": NaN}\n',
        "document.json": '[{"text": "Ada"}]\n',
    }
    paths = {"missing": tmp_path / "missing", "new": tmp_path / "new", **vars(files)}
    for name, content in contents.items():
        path = paths[name.partition(".")[0]] = tmp_path / name
        path.write_text(content, encoding="utf8")
    before = files.dev.read_bytes()
    assert main([arg.format(**paths) for arg in args]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert files.dev.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(contents)
    assert (tmp_path / "lines.txt").read_text(encoding="utf8") == "Ada met Bob\n"
