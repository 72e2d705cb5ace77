"""The command `distill`: it labels, and its config trains with `spacy train` too."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app as spacy_app
from spacy.util import load_config
from typer.main import get_command

from spacy_lstm_ner.cli.distill import student_config

from .helpers import TEXTS, Files, lstm_ner, message

TEACHER = """
from spacy.tokens import Span

def label(doc):
    known = [token.i for token in doc if token.text in ("Ada", "Dora")]
    doc.ents = [Span(doc, i, i + 1, "PER") for i in known]
    return doc

nothing = None
"""


@pytest.fixture
def run(files: Files, tmp_path: Path) -> Callable[..., int]:
    """Distill into tmp_path / "out", with further arguments."""
    raw = tmp_path / "raw.jsonl"
    lines = [json.dumps({"text": text}) for text in TEXTS]
    raw.write_text("\n".join(lines), encoding="utf8")
    (tmp_path / "teach.py").write_text(TEACHER, encoding="utf8")

    def run(teacher: object, *more: str, config: Path | None = None) -> int:
        config = config or files.ner / "config.cfg"
        settings = {
            "paths.train": files.dev,
            "paths.dev": files.dev,
            "training.max_steps": 2,
            "training.eval_frequency": 1,
        }
        given = {arg for arg in more if "." in arg}
        args = [
            part
            for name, value in settings.items()
            if f"--{name}" not in given
            for part in (f"--{name}", value)
        ]
        return lstm_ner("distill", teacher, raw, config, tmp_path / "out", *more, *args)

    return run


def test_a_student_learns_from_a_recognizer(run, files, tmp_path, capsys):
    assert run(files.ner, "--corpora.train.temperature", "2") == 0
    out = tmp_path / "out"
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{len(TEXTS)} texts: {len(' '.join(TEXTS).split())} tokens" in shown
    assert f"{len(TEXTS)} texts with a distribution" in shown
    config = load_config(out / "config.cfg")
    assert config["corpora"]["train"]["temperature"] == 2
    assert config["paths"]["train"] == str(files.dev)
    nlp = spacy.load(out / "model-last")
    # The config alone makes the same pipeline.
    args = ["train", str(out / "config.cfg"), "--output", str(tmp_path / "again")]
    with pytest.raises(SystemExit) as exit_info:
        get_command(spacy_app)(args, prog_name="python -m spacy")
    assert not exit_info.value.code
    again = spacy.load(tmp_path / "again" / "model-last")
    assert again.to_bytes() == nlp.to_bytes()
    # Called again, nothing is labelled, and the student is trained anew.
    assert run(files.ner, "--corpora.train.temperature", "2") == 0
    assert "labelled 0 texts" in " ".join(capsys.readouterr().out.split())


def test_votes_of_a_function_and_a_pipeline_without_gold(run, files, tmp_path, capsys):
    vote = ["--vote", str(files.ner), "--corpora.train.targets", "hard"]
    assert run(f"{tmp_path / 'teach.py'}:label", *vote, "--no-gold") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert " 0 texts with a distribution" in shown
    assert " 0 tokens without agreement" not in shown
    assert (tmp_path / "out" / "model-best").is_dir()
    config = load_config(tmp_path / "out" / "config.cfg")
    assert config["corpora"]["train"]["gold"] is None


def test_labelling_alone(run, files, tmp_path):
    assert run(files.ner, "--no-train", "--texts-per-file", "4") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["config.cfg", "silver"]
    assert len(list((tmp_path / "out" / "silver").glob("*.spacy"))) == 2


def test_a_config_that_has_the_reader_keeps_its_settings(run, files, tmp_path):
    assert run(files.ner, "--no-train", "--corpora.train.silver_weight", "0.5") == 0
    first = tmp_path / "out" / "config.cfg"
    config = student_config(first, tmp_path / "other", {}, gold=True)
    assert config["corpora"]["train"]["silver_weight"] == 0.5
    assert config["corpora"]["train"]["silver"] == str(tmp_path / "other")
    assert "silver" not in config["corpora"]["train"]["gold"]


def test_what_is_refused(run, files, tmp_path, capsys):
    assert run(f"{tmp_path / 'teach.py'}:nothing") == 1
    assert "L249" in message(capsys)
    assert run(files.plain) == 1
    assert "L406" in message(capsys)
    assert run(files.ner, "--training.train_corpus", "corpora.other") == 1
    assert "L248" in message(capsys)
    (tmp_path / "raw.spacy").write_bytes(b"no Docs")
    args = (tmp_path / "raw.spacy", files.ner / "config.cfg", tmp_path / "new")
    assert lstm_ner("distill", files.ner, *args) == 1
    assert "L203" in message(capsys)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine", encoding="utf8")
    assert run(files.ner) == 1
    assert "L217" in message(capsys)


def test_other_teachers_are_refused_for_the_same_output(run, files, tmp_path, capsys):
    assert run(files.ner, "--no-train") == 0
    capsys.readouterr()
    assert run(f"{tmp_path / 'teach.py'}:label", "--no-train") == 1
    assert "L408" in message(capsys)
