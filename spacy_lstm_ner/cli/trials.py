"""Commands that train a config many times, on parts of the user's data."""

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated, Any

import typer
from spacy.cli._util import setup_gpu
from spacy.tokens import Doc
from wasabi.printer import Printer

from ..checks import check_choice
from ..data.files import shown
from ..data.formats.loading import load_docs
from ..data.json_lines import ENDINGS
from ..errors import Errors, Warnings
from .outputs import Force, check_file, has_fields, has_text
from .shared import Arg, Component, Opt, Quiet, app, tokenizer_of
from .training import OVERRIDES, Code, Gpu, MaxSteps, Verbose, load_settings

if TYPE_CHECKING:
    from thinc.api import Config as ThincConfig

    from ..reports.trials import Curve, Simulation

logger = logging.getLogger("spacy.lstm_ner")

_MSG = Printer()
Config = Annotated[Path, Arg(help="Config of spacy train")]
Train = Annotated[Path, Arg(help="Annotated texts: a file or a folder")]
Dev = Annotated[Path, Arg(help="Annotated texts to score")]
Seeds = Annotated[
    int, Opt(help="Number of trainings, with other texts and weights", min=1)
]
Results = Annotated[
    Path | None,
    Opt(
        metavar="RESULTS.jsonl",
        help="File that keeps the scores, so that an interrupted run continues",
    ),
]
Plot = Annotated[
    Path | None, Opt(metavar="OUTPUT.svg", help="Picture: .svg, .png or .pdf")
]
AsJson = Annotated[bool, Opt("--json", help="Print JSON")]


@app.command("learning-curve", context_settings=OVERRIDES)
def learning_curve(
    ctx: typer.Context,
    config: Config,
    train: Train,
    dev: Dev,
    shares: Annotated[
        str, Opt(help="Shares of the texts to train on, in percent")
    ] = "10,20,40,80,100",
    seeds: Seeds = 1,
    max_steps: MaxSteps = None,
    results: Results = None,
    plot: Plot = None,
    as_json: AsJson = False,
    code: Code = None,
    gpu_id: Gpu = -1,
    verbose: Verbose = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Measure F1 by the number of texts. Says what twice the texts would bring. Further
    options override the config, as in spacy train."""
    from ..reports import trials

    percents = _numbers("--shares", shares)
    _check_outputs(plot, results, inputs=(config, train, dev), force=force)
    ready = load_settings(config, ctx.args, max_steps, code)
    setup_gpu(gpu_id, silent=True)
    texts, scored = _read(ready, train, dev)
    trainer = trials.Trainer(ready, gpu_id, sys.stderr if verbose else None)
    settings = {"command": "learning-curve", **trials.digests(ready, texts, scored)}
    ledger = trials.Ledger(results, settings)
    n_trainings, n_done = len(set(percents)) * seeds, 0

    def show(point: trials.Point) -> None:
        nonlocal n_done
        n_done += 1
        if not quiet:
            line = f"{n_done} of {n_trainings}: {point.share:g}%, seed {point.seed}"
            _tell(f"{line}, {point.texts} texts: F1 {100 * point.f1:.1f}")

    curve = trials.learning_curve(
        trainer,
        texts,
        scored,
        shares=percents,
        seeds=range(seeds),
        ledger=ledger,
        on_point=show,
    )
    if plot is not None:
        _draw_curve(curve, plot, title=shown(f"{config} on {train}"))
    if as_json:
        print(json.dumps(_curve_to_json(curve), indent=2))
    else:
        _print_curve(curve)


def _draw_curve(curve: "Curve", plot: Path, *, title: str) -> None:
    from ..reports.plots import ScoreLine, draw_scores
    from ..reports.trials import rows_of

    rows = rows_of(curve)
    line = ScoreLine(
        *([r[key] for r in rows] for key in ("texts", "f1", "low", "high"))
    )
    lines = {"measured": line}
    doubled = curve.doubled
    if doubled is not None:
        last = rows[-1]["f1"]
        ends = (doubled.gain, doubled.low, doubled.high)
        lines["expected, 90%"] = ScoreLine(
            [doubled.texts], *([last + gain] for gain in ends)
        )
    draw_scores(lines, plot, title=title)


def _curve_to_json(curve: "Curve") -> dict[str, Any]:
    from ..reports.trials import rows_of

    doubled = curve.doubled
    return {
        "shares": rows_of(curve),
        "trainings": [point._asdict() for point in curve.points],
        "doubled": None if doubled is None else doubled._asdict(),
    }


def _print_curve(curve: "Curve") -> None:
    from ..reports.trials import rows_of

    rows = rows_of(curve)
    _print_table(
        ("share", "texts", "tokens", "entities", "precision", "recall", "F1", "range"),
        (
            (
                f"{row['share']:g}%",
                *(f"{row[name]:,.0f}" for name in ("texts", "tokens", "entities")),
                *(_percent(row[name]) for name in ("precision", "recall", "f1")),
                f"{_percent(row['low'])} to {_percent(row['high'])}",
            )
            for row in rows
        ),
    )
    doubled = curve.doubled
    if doubled is None:
        print(
            "Cannot say what twice the texts would bring: that needs four shares, and "
            "a higher F1 with the largest than with the smallest."
        )
        return
    low, gain, high = (100 * x for x in (doubled.low, doubled.gain, doubled.high))
    print(
        f"Twice the texts ({doubled.texts:,.0f}): expected F1 +{gain:.1f}, with a "
        f"probability of 90% +{low:.1f} to +{high:.1f}"
    )


@app.command("active-learning", context_settings=OVERRIDES)
def active_learning(
    ctx: typer.Context,
    config: Config,
    train: Train,
    dev: Dev,
    by: Annotated[
        list[str] | None,
        Opt(help="Measure of rank; may be repeated. Default: that of rank"),
    ] = None,
    first: Annotated[
        int | None, Opt(help="Texts of the first batch. Default: one in 20", min=1)
    ] = None,
    growth: Annotated[
        float, Opt(help="How many times as many texts each round has")
    ] = 1.5,
    target: Annotated[
        float, Opt(help="Goal, in percent of the F1 with all texts")
    ] = 95,
    seeds: Seeds = 1,
    max_steps: MaxSteps = None,
    results: Results = None,
    plot: Plot = None,
    as_json: AsJson = False,
    component: Component = None,
    code: Code = None,
    gpu_id: Gpu = -1,
    verbose: Verbose = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Measure what texts chosen by 'rank' save. Further options override the config, as
    in spacy train."""
    from ..reports import trials
    from ..reports.rank import DEFAULT, MEASURES

    measures = list(dict.fromkeys(by or [DEFAULT]))
    for name in measures:
        check_choice("by", name, MEASURES)
    _check_outputs(plot, results, inputs=(config, train, dev), force=force)
    ready = load_settings(config, ctx.args, max_steps, code)
    setup_gpu(gpu_id, silent=True)
    texts, scored = _read(ready, train, dev)
    sizes = trials.Settings(first or max(len(texts) // 20, 1), growth, target / 100)
    trainer = trials.Trainer(ready, gpu_id, sys.stderr if verbose else None)
    ledger = trials.Ledger(
        results,
        {
            "command": "active-learning",
            **trials.digests(ready, texts, scored),
            "first": sizes.first,
            "growth": growth,
        },
    )

    def show(done: trials.Round) -> None:
        if not quiet:
            line = f"seed {done.seed}, {done.by}: {done.texts} texts"
            _tell(f"{line}, {done.tokens} tokens: F1 {_percent(done.f1)}")

    found = trials.simulate(
        trainer,
        texts,
        scored,
        measures=measures,
        seeds=range(seeds),
        settings=sizes,
        component=component,
        ledger=ledger,
        on_round=show,
    )
    if plot is not None:
        _draw_simulation(found, sizes.target, plot, title=shown(f"{config} on {train}"))
    if as_json:
        print(json.dumps(_simulation_to_json(found), indent=2))
    else:
        _print_simulation(found, sizes.target)


def _draw_simulation(
    found: "Simulation", target: float, plot: Path, *, title: str
) -> None:
    from ..reports.plots import draw_scores
    from ..reports.trials import score_lines

    level = target * mean(each.f1 for each in found.full)
    draw_scores(score_lines(found), plot, title=title, level=level)


def _simulation_to_json(found: "Simulation") -> dict[str, Any]:
    from ..reports.trials import savings

    return {
        "full": [each._asdict() for each in found.full],
        "rounds": [each._asdict() for each in found.rounds],
        "needed": [each._asdict() for each in found.needed],
        "savings": [each._asdict() for each in savings(found)],
    }


def _print_simulation(found: "Simulation", target: float) -> None:
    from ..reports.trials import savings

    full = mean(each.f1 for each in found.full)
    n_texts = found.full[0].texts
    print(
        f"F1 with all {n_texts:,} texts: {_percent(full)}. Needed for "
        f"{100 * target:g}% of it, and as a share of what random texts need:"
    )
    _print_table(
        ("chosen by", "texts", "share", "tokens", "share", "entities"),
        (
            (
                each.by,
                f"{each.texts:,.0f}",
                _range(each.text_shares),
                f"{each.tokens:,.0f}",
                _range(each.token_shares),
                f"{each.entities:,.0f}",
            )
            for each in savings(found)
        ),
    )


def _range(shares: Sequence[float]) -> str:
    """The mean of some shares, and if there are several, the lowest and highest."""
    percents = f"{100 * mean(shares):.0f}%"
    if len(shares) == 1 or min(shares) == max(shares):
        return percents
    return f"{percents} ({100 * min(shares):.0f} to {100 * max(shares):.0f})"


def _print_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    header = list(header)
    aligns = ("l", *"r" * (len(header) - 1))
    _MSG.table(list(map(list, rows)), header=header, aligns=aligns, divider=True)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _tell(line: str) -> None:
    """Print a line of progress, apart from the results."""
    print(line, file=sys.stderr, flush=True)


def _numbers(option: str, text: str) -> list[float]:
    """The percentages of an option.

    RAISES ValueError (L343): If it has others.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < number <= 100 for number in numbers):
        raise ValueError(Errors.L343.format(option=option, value=text))
    return numbers


def _check_outputs(
    plot: Path | None, results: Path | None, *, inputs: Iterable[Path], force: bool
) -> None:
    """Refuse outputs that the command must not write, before its work begins."""
    from ..reports.plots import CREATOR, METADATA, check_picture
    from ..reports.trials.ledger import SETTINGS

    inputs = list(inputs)
    if plot is not None:
        check_picture(plot)
        check_file(
            plot,
            METADATA,
            lambda path: has_text(path, CREATOR),
            inputs=inputs,
            force=force,
        )
    if results is not None:
        check_file(
            results,
            ENDINGS,
            lambda path: has_fields(path, [SETTINGS]),
            inputs=inputs,
            force=force,
        )


def _read(config: "ThincConfig", *paths: Path) -> list[list[Doc]]:
    """The annotated texts at each path, in one vocabulary.

    RAISES ValueError (L344): If there are none.
    """
    nlp = tokenizer_of(config.interpolate()["nlp"])
    parts = []
    for path in paths:
        docs = load_docs([path], nlp).docs
        known = [doc for doc in docs if any(token.ent_iob for token in doc)]
        if not known:
            raise ValueError(Errors.L344.format(path=path, n=len(docs)))
        if len(known) < len(docs):
            message = Warnings.L515.format(path=shown(path), n=len(docs) - len(known))
            logger.warning(message)
        parts.append(known)
    return parts
