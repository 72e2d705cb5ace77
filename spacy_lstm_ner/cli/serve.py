"""Commands that answer texts as they come: the server, and the terminal."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import spacy
from spacy.util import minibatch
from wasabi.util import color, supports_ansi

from ..data.json_lines import for_spacy
from ..errors import Warnings
from .shared import Arg, Component, Model, Opt, app

if TYPE_CHECKING:
    from ..serve.answers import Answer

logger = logging.getLogger("spacy.lstm_ner")

# Background colours of a terminal, light enough for black letters; used again after
# the last one.
_COLORS = (117, 218, 150, 222, 183, 216, 115, 187, 174, 147)
_BLACK = 16
# Lines of standard input that are analysed together.
_BATCH_SIZE = 64


@app.command("serve")
def serve(
    model: Model,
    host: Annotated[
        str, Opt(help="Address to listen on; the default is for this machine alone")
    ] = "127.0.0.1",
    port: Annotated[int, Opt(help="Port to listen on", min=0, max=65535)] = 8000,
    workers: Annotated[int, Opt(help="Number of processes", min=1)] = 1,
    corrections: Annotated[
        Path | None,
        Opt(
            metavar="FILE.jsonl",
            help="File for corrections from the page, which 'convert' reads",
        ),
    ] = None,
    max_chars: Annotated[
        int, Opt(help="Largest number of characters of a text", min=1)
    ] = 100_000,
    max_texts: Annotated[
        int, Opt(help="Largest number of texts of a request", min=1)
    ] = 1_000,
    max_bytes: Annotated[
        int, Opt(help="Largest number of bytes of a request", min=1)
    ] = 4_000_000,
    max_waiting: Annotated[
        int, Opt(help="Number of requests that may wait for their answers", min=1)
    ] = 1_000,
    component: Component = None,
) -> None:
    """Answer texts over HTTP, with a page to try and correct."""
    from ..serve.server import run
    from ..serve.settings import LOOPBACK, ServeSettings

    is_local = host in LOOPBACK
    if not is_local:
        logger.warning(Warnings.L520.format(host=host))
    settings = ServeSettings(
        component=component,
        max_chars=max_chars,
        max_texts=max_texts,
        max_bytes=max_bytes,
        max_waiting=max_waiting,
        corrections=corrections,
        hosts=LOOPBACK if is_local else None,
    )
    run(model, settings, host=host, port=port, workers=workers)


@app.command("try")
def try_(
    model: Model,
    texts: Annotated[
        list[str] | None,
        Arg(metavar="[TEXT]", help="Texts. Default: the lines of standard input"),
    ] = None,
    threshold: Annotated[
        float | None,
        Opt(help="Least confidence of an entity. Default: as the pipeline"),
    ] = None,
    n_best: Annotated[
        int, Opt(help="Number of the most probable readings to list", min=0)
    ] = 0,
    component: Component = None,
) -> None:
    """Show the entities of texts in the terminal."""
    from ..serve.answers import Answerer, Question

    answer = Answerer(spacy.load(model), component)
    colors = dict(zip(answer.ner.labels, _COLORS * 100, strict=False))
    has_colors = supports_ansi() and sys.stdout.isatty() and not os.getenv("NO_COLOR")
    for batch in [texts] if texts else _batches():
        shown = [for_spacy(text) for text in batch]
        question = Question(shown, threshold=threshold, n_best=n_best)
        (answers,) = answer([question])
        for text, found in zip(shown, answers, strict=True):
            for line in _show(text, found, colors if has_colors else None):
                print(line)
        sys.stdout.flush()


def _batches() -> Iterator[list[str]]:
    """The texts of standard input. Of a terminal, each line is a batch."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    lines = (line.rstrip("\r\n") for line in sys.stdin)
    size = 1 if sys.stdin.isatty() else _BATCH_SIZE
    yield from minibatch((line for line in lines if line.strip()), size)


def _show(text: str, found: "Answer", colors: dict[str, int] | None) -> Iterator[str]:
    """The lines of a text: with its entities, and the most probable readings."""
    yield _mark(text, found["entities"], colors)
    for reading in found.get("n_best", ()):
        marked = _mark(text, reading["entities"], colors)
        yield f"  {reading['probability']:6.3f}  {marked}"


def _mark(
    text: str, entities: Iterable[dict[str, Any]], colors: dict[str, int] | None
) -> str:
    """A text with its entities marked.

    colors (Optional[Dict[str, int]]): The colour of each label; None: use brackets.
    """
    parts, end = [], 0
    for ent in entities:
        score = ent.get("confidence")
        label = ent["label"] if score is None else f"{ent['label']} {score:.2f}"
        parts.append(text[end : ent["start"]])
        if colors is None:
            parts.append(f"[{ent['text']} | {label}]")
        else:
            of_label = colors.get(ent["label"], _COLORS[0])
            parts.append(color(f" {ent['text']} ", fg=_BLACK, bg=of_label))
            parts.append(color(f"{label} ", fg=_BLACK, bg=of_label, bold=True))
        end = ent["end"]
    return "".join([*parts, text[end:]])
