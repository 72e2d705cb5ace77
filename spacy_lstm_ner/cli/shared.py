"""Shared by the commands: the group, its errors, progress bars, checks of arguments."""

import sys
import zlib
from collections import Counter
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy.cli._util import app as spacy_app
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import get_lang_class
from tqdm import tqdm
from typer.core import TyperGroup
from wasabi.printer import Printer

from ..data.formats.loading import load_docs
from ..errors import Errors

Arg = typer.Argument
Opt = typer.Option


class _Group(TyperGroup):
    """Commands whose errors in files or their contents end in a message and status 1.
    Wrong arguments end in status 2, as in every command of spaCy."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx))

    def invoke(self, ctx: Any) -> Any:
        # A name of a file that is not UTF-8, or a label on a terminal that knows ASCII
        # only, must not stop a command that has done its work.
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (OSError, ValueError, ImportError) as err:
            typer.echo(Printer(no_print=True).fail(str(err)), err=True)
            raise typer.Exit(1) from err


app = typer.Typer(
    name="lstm-ner",
    cls=_Group,
    help="Commands for the entity recognizer lstm_ner: data, confidences, reports.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
spacy_app.add_typer(app)

# Arguments and options of several commands.
Model = Annotated[str, Arg(help="A trained pipeline: its folder or its name")]
Data = Annotated[Path, Arg(help="Annotated texts: a file or a folder")]
Component = Annotated[
    str | None, Opt(help="Name of the recognizer, if the pipeline has several")
]
Quiet = Annotated[bool, Opt("--quiet", "-q", help="Show no progress bars")]


# Characters of the values of an option that stand beside its name.
_WIDEST = 50


def choice(values: Iterable[str], help_: str, *names: str) -> Any:
    """An option that takes one of several values.

    values (Iterable[str]): The values.
    help_ (str): The help text.
    names (str): Names of the option. Default: that of the argument.
    RETURNS (OptionInfo): The option. Another value is a wrong argument: status 2.
    """
    choices = list(values)

    def check(value: str) -> str:
        if value not in choices:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}.")
        return value

    metavar = "|".join(choices)
    if len(metavar) > _WIDEST:
        metavar, help_ = "NAME", f"{help_}: {', '.join(choices)}"
    return Opt(*names, help=help_, metavar=metavar, callback=check)


def progress(
    items: Iterable[Any] | None = None,
    *,
    quiet: bool,
    total: int | None = None,
    unit: str = "it",
) -> Any:
    """A progress bar on stderr, for a loop of more than two seconds. There is none if
    stderr is not a terminal.

    items (Optional[Iterable]): The items of the loop, if it is over the bar.
    quiet (bool): Show no bar.
    total (Optional[int]): Number of steps, if the items have no length.
    unit (str): What a step is, in "steps a second".
    RETURNS (tqdm): The bar: an iterable of the items. `update` counts a step.
    """
    disable = True if quiet else None
    return tqdm(items, total=total, disable=disable, delay=2, leave=False, unit=unit)


def check_data(path: Path) -> None:
    """Refuse a file that is not in spaCy's binary format.

    path (Path): The file.
    RAISES ValueError: If it does not exist (L202) or has another format (L203).
    """
    if not path.is_file():
        raise ValueError(Errors.L202.format(path=path))
    try:
        DocBin().from_disk(path)
    except (zlib.error, KeyError, ValueError, UnicodeDecodeError) as err:
        raise ValueError(Errors.L203.format(path=path)) from err


def read_examples(nlp: Language, data: Path) -> list[Example]:
    """Read annotated texts in any format, without empty ones, as `spacy evaluate` reads
    its own format.

    nlp (Language): The pipeline, whose tokenizer makes the predicted Docs.
    data (Path): The file or folder.
    RAISES ValueError: As `load_docs`.
    """
    from ..reports.recognizers import raw_doc

    docs = load_docs([data], nlp).docs
    return [Example(raw_doc(doc, nlp.make_doc), doc) for doc in docs if len(doc)]


def tokenizer_of(settings: dict[str, Any]) -> Language:
    """A pipeline without components, with the tokenizer of a config.

    settings (Dict[str, Any]): The block [nlp] of the config, interpolated.
    """
    block = {"nlp": {"tokenizer": settings["tokenizer"]}}
    return get_lang_class(settings["lang"]).from_config(block)


def print_counts(path: Path, n_docs: int, n_tokens: int, labels: Iterable[str]) -> None:
    """Print what was written to a file of annotated texts.

    path (Path): The file.
    n_docs, n_tokens (int): The number of texts and of their tokens.
    labels (Iterable[str]): The label of each entity.
    """
    counts = Counter(labels)
    by_label = ", ".join(f"{label} {n}" for label, n in counts.most_common())
    print(
        f"{path}: {n_docs} sentences or documents, {n_tokens} tokens, "
        f"{counts.total()} entities ({by_label})"
    )
