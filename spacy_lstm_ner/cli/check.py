"""The command that looks for problems in annotated data."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import spacy
import typer
from spacy.cli._util import setup_gpu
from spacy.language import Language
from wasabi.printer import Printer

from ..data.formats import FORMATS
from ..data.formats.loading import load_docs
from ..data.json_lines import ENDINGS
from ..errors import Errors, Warnings
from ..reports.check import Check, Data, Finding, check_docs, raw_doc
from .outputs import Force, check_file
from .shared import Arg, Component, Opt, Quiet, app, choice, progress, tokenizer_of
from .training import Code, Gpu, MaxSteps, Verbose, load_settings

if TYPE_CHECKING:
    from ..reports.check.doubts import Doubts
    from ..reports.trials import Trained, Trainer

logger = logging.getLogger("spacy.lstm_ner")

_AUTO = "auto"
_PARTS = ("train", "dev")
_MSG = Printer()
# Fields of an example that its place shows, or that only JSON has.
_AT = ("part", "text", "label", "context", "places", "entity_at")


@app.command("check")
def check(
    train: Annotated[Path, Arg(help="Annotated texts to train on: a file or a folder")],
    dev: Annotated[Path | None, Arg(help="Annotated texts to evaluate on")] = None,
    format_: Annotated[
        str, choice([_AUTO, *FORMATS], "Format of the annotation", "--format")
    ] = _AUTO,
    lang: Annotated[str, Opt("--lang", "-l", help="Language of the tokenizer")] = "en",
    model: Annotated[
        str | None,
        Opt(
            help="Pipeline whose tokenizer is used instead. If it has an lstm_ner, "
            "annotation that is improbable to it is listed"
        ),
    ] = None,
    config: Annotated[
        Path | None, Opt(help="Config of spacy train, for models that judge the texts")
    ] = None,
    folds: Annotated[
        int | None,
        Opt(help="Number of these models: each judges texts it has not learned"),
    ] = None,
    max_steps: MaxSteps = None,
    top: Annotated[
        int, Opt(help="Number of improbable annotations to list and to write", min=1)
    ] = 100,
    output: Annotated[
        Path | None,
        Opt(
            metavar="OUTPUT.jsonl",
            help="File for them, as tasks of Prodigy (.jsonl) or Label Studio (.json)",
        ),
    ] = None,
    component: Component = None,
    show: Annotated[
        int, Opt(help="Number of examples of each finding, 0 for all", min=0)
    ] = 5,
    as_json: Annotated[
        bool, Opt("--json", help="Print JSON, with all examples")
    ] = False,
    strict: Annotated[
        bool, Opt("--strict", help="Exit with status 1 if there is a problem")
    ] = False,
    code: Code = None,
    gpu_id: Gpu = -1,
    verbose: Verbose = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Look for problems in annotated data."""
    from ..reports.check.tasks import LABEL_STUDIO, is_tasks, write_tasks
    from ..reports.trials import Trainer

    paths = {
        part: path for part, path in zip(_PARTS, (train, dev), strict=True) if path
    }
    _check_judges(model, config, folds, max_steps)
    if output is not None:
        if model is None and config is None:
            raise ValueError(Errors.L300.format(output=output))
        endings = (*ENDINGS, *LABEL_STUDIO)
        check_file(output, endings, is_tasks, inputs=paths.values(), force=force)
    trainer = None
    if config is not None:
        settings = load_settings(config, [], max_steps, code)
        setup_gpu(gpu_id, silent=True)
        trainer = Trainer(settings, gpu_id, sys.stderr if verbose else None)
        nlp = tokenizer_of(settings.interpolate()["nlp"])
    else:
        nlp = spacy.blank(lang) if model is None else spacy.load(model)
    name = None if format_ == _AUTO else format_
    loaded = {
        part: load_docs([path], nlp, name=name, output=output)
        for part, path in paths.items()
    }
    data = Data({part: each.docs for part, each in loaded.items()})
    losses = {part: each.losses for part, each in loaded.items()}
    found = check_docs(data.parts, nlp.make_doc, losses)
    doubts = None
    if trainer is not None and folds is not None:
        doubts = _doubts_of_folds(trainer, folds, component, data, quiet=quiet)
    elif output is not None or component is not None or _has_recognizer(nlp):
        doubts = _find_doubts(nlp, component, data, quiet=quiet)
    if doubts is not None:
        found = found.adding([doubts.finding(top)])
        if output is not None:
            write_tasks(output, doubts.doubts[:top], data)
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        _print_counts(found)
        for finding in found.findings:
            _print_finding(finding, show)
        n_hints = len(found.findings) - found.n_problems
        print(f"{found.n_problems} kinds of problems, {n_hints} kinds of hints")
    if strict and found.n_problems:
        raise typer.Exit(1)


def _check_judges(
    model: str | None,
    config: Path | None,
    folds: int | None,
    max_steps: int | None,
) -> None:
    """Refuse options of trainings without a config, and a config without folds."""
    is_complete = config is not None and folds is not None and model is None
    if not is_complete and any(x is not None for x in (config, folds, max_steps)):
        raise ValueError(Errors.L346)


def _has_recognizer(nlp: Language) -> bool:
    return any(nlp.get_pipe_meta(name).factory == "lstm_ner" for name in nlp.pipe_names)


def _find_doubts(
    nlp: Language, component: str | None, data: Data, *, quiet: bool
) -> "Doubts":
    from ..reports.check.doubts import find_doubts
    from ..reports.recognizers import docs_before, find_recognizer

    name, ner = find_recognizer(nlp, component)
    raw = [raw_doc(doc, nlp.make_doc) for _, _, doc in data.docs()]
    docs = progress(docs_before(nlp, name, raw), quiet=quiet, total=len(raw))
    found = find_doubts(data.docs(), docs, ner, batch_size=nlp.batch_size)
    _tell_skipped(found, name)
    return found


def _doubts_of_folds(
    trainer: "Trainer", n_folds: int, component: str | None, data: Data, *, quiet: bool
) -> "Doubts":
    from ..reports.check.folds import doubts_of_folds

    def show(number: int, trained: "Trained") -> None:
        if not quiet:
            f1 = 100 * trained.scores.f1
            line = f"model {number} of {n_folds}: F1 {f1:.1f} on texts held out"
            print(line, file=sys.stderr, flush=True)

    found = doubts_of_folds(
        data, trainer, n_folds=n_folds, component=component, on_fold=show
    )
    _tell_skipped(found, component or "The recognizer")
    return found


def _tell_skipped(found: "Doubts", name: str) -> None:
    if found.n_skipped:
        logger.warning(Warnings.L301.format(name=name, n=found.n_skipped))


def _print_counts(found: Check) -> None:
    rows = {
        "texts": "texts",
        "  with entities": "texts_with_entities",
        "tokens": "tokens",
        "  not annotated": "unknown_tokens",
        "entities": "entities",
    }
    counts = [each._asdict() for each in found.parts.values()]
    _MSG.table(
        [
            (title, *(f"{each[row]:,}" for each in counts))
            for title, row in rows.items()
        ],
        header=("", *found.parts),
        aligns=("l", *"r" * len(counts)),
        divider=True,
    )
    names = ("entities", "texts", "tokens", "strings")
    labels = dict.fromkeys(
        name for each in found.parts.values() for name in each.labels
    )
    table = []
    for label in labels:
        cells = [label]
        for each in found.parts.values():
            n = each.labels.get(label)
            cells += [f"{number:,}" for number in n] if n else ["0"] * len(names)
        table.append(cells)
    header = [
        f"{part}: {names[0]}" if name == names[0] else name
        for part in found.parts
        for name in names
    ]
    _MSG.table(
        table,
        header=("label", *header),
        aligns=("l", *"r" * len(header)),
        divider=True,
    )


def _print_finding(finding: Finding, n_shown: int) -> None:
    title = f"{finding.message} [{finding.kind}]"
    if finding.is_problem:
        _MSG.fail(title)
    else:
        _MSG.warn(title)
    for example in finding.examples[: n_shown or None]:
        print(f"    {_one_line(example)}")
    if n_shown and len(finding.examples) > n_shown:
        print(f"    and {len(finding.examples) - n_shown:,} more: --show 0, or --json")


def _one_line(example: dict[str, Any]) -> str:
    """An example on one line, its place last."""
    places = [example] if "part" in example else example.get("places", ())
    hidden = _AT if "part" in example else ("places", "entity_at")
    fields = [f"{k} {_value(v)}" for k, v in example.items() if k not in hidden]
    return "; ".join([*fields, *map(_place, places)])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {n}" for name, n in value.items())
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return repr(value) if isinstance(value, str) else str(value)


def _place(example: dict[str, Any]) -> str:
    found = [str(example[k]) for k in ("part", "text", "label") if k in example]
    return " ".join(found + [repr(v) for k, v in example.items() if k == "context"])
