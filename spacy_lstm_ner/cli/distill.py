"""The command that trains a student with the help of a teacher."""

from pathlib import Path
from typing import Annotated, Any

import typer
from spacy.cli._util import import_code, parse_config_overrides, setup_gpu
from spacy.cli.train import train
from spacy.util import import_file, load_config
from thinc.api import Config

from ..data.files import find_files
from ..data.replacing import replacing
from ..errors import Errors
from .outputs import Force, check_folder
from .shared import Arg, Opt, Quiet, app, check_data, progress, tokenizer_of
from .training import OVERRIDES, Code, Gpu

# The folder of the labelled texts within the output, and the config of the training.
_SILVER, _CONFIG = "silver", "config.cfg"


@app.command("distill", context_settings=OVERRIDES)
def distill(
    ctx: typer.Context,
    teacher: Annotated[
        str,
        Arg(help="A pipeline, its folder or its name, or a function, FILE.py:NAME"),
    ],
    raw: Annotated[
        Path,
        Arg(help="Raw texts: a .jsonl, .ndjson, .txt or .spacy file, or a folder"),
    ],
    config: Annotated[Path, Arg(help="Config of the student, with its gold data")],
    output: Annotated[
        Path,
        Arg(metavar="OUTDIR", help="Folder to write to, or that of an interrupted run"),
    ],
    vote: Annotated[
        list[str] | None, Opt(help="A further teacher; may be repeated")
    ] = None,
    gold: Annotated[
        bool, Opt(help="Learn from the training data of the config too")
    ] = True,
    train_student: Annotated[
        bool, Opt("--train/--no-train", help="Train, or label the texts only")
    ] = True,
    texts_per_file: Annotated[
        int, Opt(help="An interrupted run loses at most so many texts")
    ] = 1000,
    code: Code = None,
    gpu_id: Gpu = -1,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Label raw texts with a teacher; train a student. Further options override the
    config, as in spacy train: --corpora.train.temperature 2."""
    from ..data import distill as distillation

    overrides = parse_config_overrides(ctx.args)
    check_folder(output, _is_ours, force=force, whole=False)
    import_code(code)
    setup_gpu(gpu_id, silent=True)
    ready = student_config(config, output / _SILVER, overrides, gold=gold)
    for path in find_files(raw, [".spacy"]):
        if path.suffix.lower() == ".spacy":
            check_data(path)
    found = [_load(name) for name in [teacher, *(vote or [])]]
    student = ready.interpolate()["nlp"]
    nlp = tokenizer_of(student)
    settings = {
        "teachers": [digest for _, digest in found],
        "lang": student["lang"],
        "tokenizer": student["tokenizer"],
    }
    with progress(quiet=quiet) as bar:

        def show(n_done: int, n_files: int) -> None:
            bar.total = n_files
            bar.update(n_done - bar.n)

        done = distillation.label(
            [distillation.Teacher(source) for source, _ in found],
            raw,
            output / _SILVER,
            nlp,
            settings=settings,
            texts_per_file=texts_per_file,
            on_file=show,
        )
    print(
        f"{output / _SILVER}: {done.n_files} files, of which {done.n_kept} were there; "
        f"labelled {done.n_texts} texts: {done.n_tokens} tokens, {done.n_entities} "
        f"entities, {done.n_unknown} tokens without agreement, {done.n_paths} texts "
        "with a distribution over tag paths"
    )
    with replacing(output / _CONFIG) as new:
        ready.to_disk(new, interpolate=False)
    if train_student:
        train(output / _CONFIG, output, use_gpu=gpu_id)


def student_config(
    path: Path, silver: Path, overrides: dict[str, Any], *, gold: bool
) -> Config:
    """The config with which `spacy train` alone trains the same student: the reader of
    the training data mixes them with labelled texts.

    path (Path): The config of the student.
    silver (Path): The folder of the labelled texts.
    overrides (Dict[str, Any]): Settings that replace those of the config.
    gold (bool): Keep the training data.
    RAISES ValueError (L248): If the training corpus is not a block of [corpora].
    """
    config = load_config(path, interpolate=False)
    name = config.get("training", {}).get("train_corpus", "corpora.train")
    name = overrides.get("training.train_corpus", name)
    section, _, key = name.partition(".")
    if section != "corpora" or key not in config.get("corpora", {}):
        raise ValueError(Errors.L248.format(path=path, name=name))
    reader: dict[str, Any] = config["corpora"][key]
    if reader.get("@readers") != _READER["@readers"]:
        reader = {**_READER, "gold": reader}
    config["corpora"][key] = {**reader, "silver": str(silver)}
    if not gold:
        config["corpora"][key]["gold"] = None
    text = config.to_str(interpolate=False)
    return Config().from_str(text, overrides=overrides, interpolate=False)


_READER = {"@readers": "spacy_lstm_ner.DistillCorpus.v1"}


def _load(name: str) -> tuple[Any, Any]:
    """A teacher, and the digest of its files."""
    from ..data.annotate.pipeline import Pipeline, check_recognizer, digest_of

    path, _, function = name.rpartition(":")
    if path.endswith(".py"):
        module = import_file(Path(path).stem, path)
        source = getattr(module, function, None)
        if not callable(source):
            raise ValueError(Errors.L249.format(path=path, name=function))
        return source, digest_of(Path(path))
    pipeline = Pipeline.locate(name, None)
    nlp = pipeline.load()
    check_recognizer(nlp)
    return nlp, pipeline.digests()["model"]


def _is_ours(folder: Path) -> bool:
    """Whether the command has written a folder, or was interrupted before."""
    names = {path.name for path in folder.iterdir() if path.name[0] != "."}
    ours = {_SILVER, _CONFIG, "model-best", "model-last"}
    return _SILVER in names and names <= ours
