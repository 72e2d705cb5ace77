"""The command model-card: front matter, figures, odd names, what it may overwrite."""

import re
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import yaml
from contract.helpers import make_example, make_nlp, trained
from spacy.tokens import DocBin

from .helpers import Files, dev_examples, lstm_ner, message

# Not in the order of the table, with all that YAML and Markdown could take for markup.
ODD = ["A|B", "no", "<b>`x`", "'\"\\: #", "é\U0001f600"]


def front_matter(card: Path) -> dict[str, Any]:
    """The metadata of a card, the same to readers of YAML 1.1 and 1.2."""
    _, block, _ = card.read_text(encoding="utf8").split("---\n", 2)
    found = yaml.safe_load(block)
    assert srsly.yaml_loads(block) == found
    return found


def rows(card: Path, heading: str) -> dict[str, list[str]]:
    """The cells of the last table of a section, by the first cell."""
    _, _, body = card.read_text(encoding="utf8").partition(f"\n## {heading}\n")
    lines = [
        line for line in body.partition("\n## ")[0].splitlines() if line[:1] == "|"
    ]
    cells = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in lines[2:]]
    return {first: rest for first, *rest in cells}


@pytest.fixture(scope="module")
def card(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "new" / "README.md"
    assert lstm_ner("model-card", files.ner, files.dev, "--output", path) == 0
    return path


def test_figures_are_those_of_spacy_evaluate(files: Files, card: Path, tmp_path: Path):
    nlp = spacy.load(files.ner)
    scores = nlp.evaluate(list(spacy.training.Corpus(files.dev)(nlp)))
    (entry,) = front_matter(card)["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "xx_pipeline"
    assert result["task"] == {"name": "NER", "type": "token-classification"}
    assert result["dataset"]["name"] == "dev"
    expected = [
        ("NER Precision", "precision", scores["ents_p"]),
        ("NER Recall", "recall", scores["ents_r"]),
        ("NER F Score", "f_score", scores["ents_f"]),
    ]
    found = [(each["name"], each["type"], each["value"]) for each in result["metrics"]]
    assert [each[:2] for each in found] == [each[:2] for each in expected]
    assert [each[2] for each in found] == pytest.approx([each[2] for each in expected])
    assert 0 < scores["ents_f"] < 1
    table = rows(card, "Scores")
    for label, found in scores["ents_per_type"].items():
        assert table[f"`{label}`"][1:] == [f"{100 * found[key]:.1f}" for key in "prf"]
    assert table["`PER`"][0] == "5"
    assert table["**all**"] == ["11", *(f"{100 * each[2]:.1f}" for each in expected)]


def test_what_the_hub_needs(card: Path):
    data = front_matter(card)
    assert data["tags"] == ["spacy", "token-classification"]
    assert data["language"] == ["multilingual"]
    assert data["library_name"] == "spacy"
    assert "license" not in data, "the pipeline states none"


def test_the_picture_lies_beside(card: Path):
    (name,) = re.findall(r"!\[[^]]*\]\(([^)]+)\)", card.read_text(encoding="utf8"))
    assert (card.parent / name).read_bytes().startswith(b"\x89PNG")


def test_names_that_are_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    nlp = make_nlp()
    texts = ["Ada met", "Bob met", "Carl met", "Dora met", "Rome met"]
    ents = [{text.split()[0]: label} for text, label in zip(texts, ODD, strict=True)]
    examples = list(map(make_example, [nlp] * len(ODD), texts, ents))
    trained(nlp, examples)
    nlp.meta.update(lang="no", name="a|b: #", license="CC BY-SA 4.0")
    nlp.to_disk(tmp_path / "model")
    data = tmp_path / "dev.spacy"
    DocBin(docs=[eg.reference for eg in examples]).to_disk(data)
    args = ["--name", "-\u2028 'a': \x07 #", "--dataset", "null"]
    assert lstm_ner("model-card", tmp_path / "model", data, *args) == 0
    card = tmp_path / "model" / "README.md"
    found = front_matter(card)
    assert found["language"] == ["no"]
    assert found["license"] == "cc-by-sa-4.0"
    assert found["model-index"][0]["name"] == "-\u2028 'a': \x07 #"
    assert found["model-index"][0]["results"][0]["dataset"]["name"] == "null"
    table = rows(card, "Scores")
    assert all(len(cells) == 4 for cells in table.values())
    cells = [
        r"`A\|B`",
        "`no`",
        "`` <b>`x` ``",
        "`'\"\\: #`",
        "`é\U0001f600`",
        "**all**",
    ]
    assert set(table) == set(cells)


def test_a_license_that_the_hub_does_not_know(files: Files, tmp_path: Path):
    nlp = spacy.load(files.ner)
    nlp.meta["license"] = "My own (2)"
    nlp.to_disk(tmp_path)
    assert lstm_ner("model-card", tmp_path, files.dev) == 0
    data = front_matter(tmp_path / "README.md")
    assert (data["license"], data["license_name"]) == ("other", "my-own-2")


def test_one_of_several_components(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    nlp = spacy.load(files.two)
    nlp.get_pipe("late").initialize(lambda: dev_examples(nlp))
    nlp.to_disk(tmp_path)
    path = tmp_path / "README.md"
    args = ["model-card", tmp_path, files.dev]
    assert lstm_ner(*args) == 1
    assert "[L206]" in message(capsys)
    assert lstm_ner(*args, "--component", "lstm_ner") == 0
    text = path.read_text(encoding="utf8")
    assert "| Recognizer | `lstm_ner` (factory `lstm_ner`)" in text
    assert "| Other components that set entities | `entity_ruler`, `late` |" in text


def test_facts_and_settings(files: Files, tmp_path: Path):
    model = tmp_path / "model"
    assert (
        lstm_ner("model-card", files.ner, files.dev, "--output", tmp_path / "a.md") == 0
    )
    assert lstm_ner("calibrate", files.ner, files.dev, model, "--beta", "1") == 0
    assert lstm_ner("model-card", model, files.dev) == 0
    before = (tmp_path / "a.md").read_text(encoding="utf8")
    after = (model / "README.md").read_text(encoding="utf8")
    fitted = "The temperature is fitted to "
    assert (fitted in before, fitted in after) == (False, True)
    assert "No calibration of its confidences is recorded." in before
    ner = spacy.load(model).get_pipe("lstm_ner")
    settings = rows(model / "README.md", "Settings")
    assert settings["`decoding`"][0] == "`probability`"
    assert settings["`threshold`"][0] == f"{ner.threshold:.4g}"
    assert settings["`temperature`"][0] == f"{ner.temperature:.4g}"
    assert "was initialized with 6 texts, 30 tokens, 8 entities." in after
    assert rows(model / "README.md", "Training")["spacy"] == [spacy.__version__] * 2


def test_a_temperature_set_by_hand_is_not_called_fitted(files: Files, tmp_path: Path):
    assert lstm_ner("calibrate", files.ner, files.dev, tmp_path) == 0
    nlp = spacy.load(tmp_path)
    nlp.get_pipe("lstm_ner").temperature = 9.0
    nlp.to_disk(tmp_path)
    assert lstm_ner("model-card", tmp_path, files.dev) == 0
    settings = rows(tmp_path / "README.md", "Settings")
    assert "how it was fitted is not recorded" in settings["`temperature`"][1]


def test_overwrites_its_own_cards_only(
    files: Files, card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "README.md"
    args = ["model-card", files.ner, files.dev, "--output", path]
    path.write_text("mine\n", encoding="utf8")
    assert lstm_ner(*args) == 1
    assert "[L217]" in message(capsys)
    assert path.read_text(encoding="utf8") == "mine\n"
    assert lstm_ner(*args, "--force") == 0
    assert lstm_ner(*args) == 0
    assert path.read_bytes() == card.read_bytes(), "the same each time"


def test_nothing_found_is_told(files: Files, tmp_path: Path):
    nlp = spacy.load(files.ner)
    nlp.get_pipe("lstm_ner").threshold = 1.0
    nlp.to_disk(tmp_path / "model")
    path = tmp_path / "card" / "README.md"
    assert lstm_ner("model-card", tmp_path / "model", files.dev, "--output", path) == 0
    text = path.read_text(encoding="utf8")
    assert "finds no entities" in text
    assert [file.name for file in path.parent.iterdir()] == ["README.md"]
    (entry,) = front_matter(path)["model-index"]
    assert [each["value"] for each in entry["results"][0]["metrics"]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ("model-card {ner} {raw} --output {out}.md", "L391"),
        ("model-card {ner} {dev} --output {out}.txt", "L201"),
        ("model-card {plain} {dev} --output {out}.md", "L206"),
        ("model-card en_core_web_sm {dev}", "L390"),
    ],
)
def test_bad_input(
    files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    args: str,
    code: str,
):
    assert lstm_ner(*args.format(**vars(files), out=tmp_path / "a").split()) == 1
    assert f"[{code}]" in message(capsys)
    assert list(tmp_path.iterdir()) == []
