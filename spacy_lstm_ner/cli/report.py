"""The command that shows what a pipeline gets wrong."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..data.files import shown
from ..data.formats.loading import load_docs
from ..data.formats.registry import find_inputs
from ..data.replacing import replacing
from ..errors import Errors
from .outputs import Force, check_file, has_text, is_json_with
from .shared import (
    Arg,
    Data,
    Model,
    Opt,
    Quiet,
    app,
    progress,
    read_examples,
)

if TYPE_CHECKING:
    from ..reports.report import Answers, Report


@app.command("report")
def report(
    model: Model,
    data: Data,
    output: Annotated[
        Path,
        Arg(metavar="OUTPUT.html", help="Page to write, with OUTPUT.json beside it"),
    ],
    compare: Annotated[
        list[str] | None,
        Opt(metavar="MODEL", help="Another pipeline, side by side. May be repeated"),
    ] = None,
    train: Annotated[
        Path | None,
        Opt(help="Training data: adds the scores of seen and of unseen strings"),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Show on an HTML page what a pipeline gets wrong."""
    from ..reports.report import make_report
    from ..reports.report.html import MARK, render_page
    from ..reports.report.run import FIELD

    inputs = [data] if train is None else [data, train]
    check_file(
        output, [".html"], lambda p: has_text(p, MARK), inputs=inputs, force=force
    )
    figures = output.with_suffix(".json")
    check_file(figures, [".json"], lambda p: is_json_with(p, FIELD), force=force)
    for path in inputs:
        find_inputs(path)
    models = [model, *(compare or ())]
    names = _short([shown(each) for each in models])
    answers, learned = [], None
    for each, name in zip(models, names, strict=True):
        nlp = spacy.load(each)
        if train is not None and learned is None:
            learned = load_docs([train], nlp).docs
        answers.append(_predict(nlp, data, name, quiet=quiet))
    made = make_report(answers, learned)
    page = render_page(made, title=shown(f"{' and '.join(names)} on {data}"))
    with replacing(output) as new_page, replacing(figures) as new_figures:
        new_page.write_text(page, encoding="utf8")
        content = json.dumps(made.to_json(), indent=2)
        new_figures.write_text(content + "\n", encoding="utf8")
    for line in _lines(made):
        print(line)
    print(f"{output}: {len(made.texts)} texts; figures in {figures}")


def _predict(nlp: Language, data: Path, name: str, *, quiet: bool) -> "Answers":
    from ..reports.report import predict

    examples = read_examples(nlp, data)
    if not any(eg.reference.has_annotation("ENT_IOB") for eg in examples):
        raise ValueError(Errors.L392.format(path=data))

    def watch(docs: Iterable[Doc]) -> Any:
        return progress(docs, quiet=quiet, total=len(examples))

    return predict(nlp, examples, name=name, watch=watch)


def _short(paths: Sequence[str]) -> list[str]:
    """Names of models without the folders that all have in common.

    >>> _short(["training/a/model-best", "training/b/model-best"])
    ['a', 'b']
    """
    parts = [PurePath(path).parts for path in paths]
    if len(set(parts)) == len(parts) > 1:
        for end in (0, -1):
            while len({each[end] for each in parts}) == 1:
                parts = [each[1:] if end == 0 else each[:-1] for each in parts]
    return [str(PurePath(*each)) for each in parts]


def _lines(made: "Report") -> Iterator[str]:
    """The main figures, in words."""
    names = [model.answers.name for model in made.models]
    for name, model in zip(names, made.models, strict=True):
        values = (
            "{} {:.1f} ({:.1f} to {:.1f})".format(measure, *(100 * x for x in each))
            for measure, each in (
                ("F1", model.total.f1),
                ("precision", model.total.precision),
                ("recall", model.total.recall),
            )
        )
        yield f"{name}: {', '.join(values)}"
    for pair in made.comparisons:
        yield (
            f"{names[pair.second]} against {names[pair.first]}: "
            f"{100 * pair.difference.value:+.1f} points of F1, p = {pair.p:.2g}"
        )
