"""F1 of a student against the amount of raw text, with soft and with hard targets.

    python -m spacy lstm-ner distill TEACHER raw.jsonl student.cfg distilled \\
        --no-train --paths.train train.spacy --paths.dev dev.spacy
    python benchmarks/distillation.py distilled/config.cfg runs \\
        --amounts 0 2500 5000 10000 --plot distillation.svg

An amount is the number of texts that the teacher has labelled, the first ones of the
file; 0 is the gold data alone. Scores are those of the best checkpoint by dev, on the
dev part unless --data names another: by the best path, and in brackets by probability
with the threshold fitted to dev. A cell is the mean over the seeds. RUNS keeps the
models: what is there with the same config is not trained again.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from accuracy import COLOURS, adapt, evaluate, load_decoders, train
from spacy.util import load_config
from thinc.api import Config

from spacy_lstm_ner.reports.plots import check_picture

# F1 of each seed, by targets, decoding and amount.
Scores = dict[tuple[str, str], dict[int, list[float]]]


def main() -> None:
    """Train, evaluate, print the table, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("config", type=Path, metavar="CONFIG", help="config.cfg of lstm-ner distill")
    add("runs", type=Path, metavar="RUNS", help="folder of the models")
    add("--amounts", type=int, nargs="+", default=[0, 2500, 5000, 10000])
    add("--targets", nargs="+", choices=("soft", "hard"), default=["soft", "hard"])
    add("--seeds", type=int, nargs="+", default=[0])
    add("--max-steps", type=int, help="of training; default: the config's")
    add("--data", type=Path, metavar="DATA.spacy", help="to score; default: dev")
    add("--plot", type=Path, metavar="FILE", help="draw F1: .svg, .png or .pdf")
    args = parser.parse_args()
    if args.plot:
        check_picture(args.plot)
    scores: Scores = {}
    config = load_config(args.config)
    paths = config.interpolate()["paths"]
    files = {part: Path(paths[part]) for part in ("train", "dev")}
    for targets in args.targets:
        for amount in args.amounts:
            for seed in args.seeds:
                name = f"{targets}-{amount}" if amount else "gold"
                folder = args.runs / name / f"seed-{seed}"
                ready = with_amount(config, targets, amount)
                ready = adapt(ready, files, None, args.max_steps, seed=seed)
                train(ready, folder)
                for decoding, nlp in load_decoders(folder / "model-best", files):
                    f1 = evaluate(nlp, args.data or files["dev"], set())["F1"]
                    found = scores.setdefault((targets, decoding), {})
                    found.setdefault(amount, []).append(f1)
                    print(f"{name}{decoding}, seed {seed}: F1 {f1:.1f}", flush=True)
    print(render(scores, args.targets, args.amounts))
    if args.plot:
        draw(scores, args.plot)


def with_amount(config: Config, targets: str, amount: int) -> Config:
    """The config with the first texts that the teacher has labelled."""
    config = config.copy()
    reader: dict[str, Any] = config["corpora"]["train"]
    if amount:
        reader.update(targets=targets, limit=amount)
    else:
        config["corpora"]["train"] = reader["gold"]
    return config


def render(scores: Scores, targets: list[str], amounts: list[int]) -> str:
    """A table in Markdown: a row for each amount, a column for each kind of targets."""
    rows = [["raw texts", *targets], ["---"] * (1 + len(targets))]
    for amount in amounts:
        cells = []
        for each in targets:
            found = [scores[each, d][amount] for d in ("", " by probability")]
            cells.append("{:.1f} ({:.1f})".format(*map(statistics.mean, found)))
        rows.append([f"{amount:,}", *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def draw(scores: Scores, output: Path) -> None:
    """A line for each kind of targets: the mean F1 of the best path, by amount."""
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for ((targets, decoding), by_amount), colour in zip(
        scores.items(), COLOURS, strict=False
    ):
        means = [statistics.mean(values) for values in by_amount.values()]
        style = "o--" if decoding else "o-"
        axes.plot(list(by_amount), means, style, color=colour, label=targets + decoding)
    axes.set(xlabel="texts that the teacher has labelled", ylabel="F1 in percent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    with rc_context({"svg.hashsalt": "spacy-lstm-ner"}):
        metadata = {"Date": None} if output.suffix == ".svg" else None
        figure.savefig(output, dpi=150, metadata=metadata)


if __name__ == "__main__":
    main()
