"""Draw the tables of `make bench`.

    python benchmarks/draw.py metrics/benchmarks docs/speed.svg

The folder holds layer.json, speed.json and scaling.json. Bars and points are medians; a
line goes from the lowest to the highest ratio of the rounds. Needs the extra `plots`.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import srsly
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacy_lstm_ner.reports.plots import check_picture

# Okabe and Ito's colours, which the colour-blind can tell apart.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", type=Path, help="folder of the tables")
    parser.add_argument("output", type=Path, help=".svg, .png or .pdf")
    args = parser.parse_args()
    check_picture(args.output)
    layer, speed, scaling = (
        srsly.read_json(args.tables / f"{name}.json")
        for name in ("layer", "speed", "scaling")
    )
    figure = Figure(figsize=(9, 7), layout="constrained")
    (pipelines, layers), (lengths, batches) = figure.subplots(2, 2)
    draw_pipelines(pipelines, speed)
    draw_layers(layers, layer)
    draw_costs(lengths, scaling, " tokens", "tokens of a text")
    draw_costs(batches, scaling, "batches of ", "texts of a batch")
    with rc_context({"svg.hashsalt": "spacy-lstm-ner"}):
        metadata = {"Date": None} if args.output.suffix == ".svg" else None
        figure.savefig(args.output, dpi=150, metadata=metadata)


def draw_pipelines(axes: Axes, speed: dict[str, Any]) -> None:
    """How many times as fast as `ner`, by task."""
    for i, (name, colour) in enumerate({"lstm_ner": BLUE, "small": GREEN}.items()):
        draw_bars(axes, [row[name] for row in speed.values()], i, name, colour)
    axes.set_xticks(range(len(speed)), list(speed))
    axes.axhline(1, color="#666666", lw=1)
    axes.set(title="times as fast as ner", xlabel="task")
    axes.legend(fontsize="small")


def draw_layers(axes: Axes, layer: list[dict[str, Any]]) -> None:
    """How many times as fast as torch's LSTM, by batch and width."""
    for i, (what, colour) in enumerate(
        {"forward": BLUE, "with backward": ORANGE}.items()
    ):
        draw_bars(axes, [row[f"torch {what}"] for row in layer], i, what, colour)
    labels = [row["batch, in, width"].replace(", ", "\n") for row in layer]
    axes.set_xticks(range(len(layer)), labels, fontsize=6)
    axes.axhline(1, color="#666666", lw=1)
    axes.set(
        title="the layer: times as fast as torch.nn.LSTM",
        xlabel="sequences, width of input, of one direction",
    )
    axes.legend(fontsize="small")


def draw_bars(
    axes: Axes, rows: list[list[float]], i: int, label: str, colour: str
) -> None:
    """The i-th of two bars for each row of ratios."""
    middles = [statistics.median(ratios) for ratios in rows]
    spread = [
        [middle - min(ratios) for middle, ratios in zip(middles, rows, strict=True)],
        [max(ratios) - middle for middle, ratios in zip(middles, rows, strict=True)],
    ]
    places = [x + 0.4 * i - 0.2 for x in range(len(rows))]
    axes.bar(places, middles, 0.4, yerr=spread, capsize=2, color=colour, label=label)


def draw_costs(axes: Axes, scaling: dict[str, float], key: str, label: str) -> None:
    """Time per word against what the key names, as a ratio."""
    points = {
        int(name.replace(key, "")): value
        for name, value in scaling.items()
        if key in name and "bytes" not in name
    }
    axes.plot(list(points), list(points.values()), "o-", color=BLUE)
    axes.set(
        xscale="log",
        xlabel=label,
        ylim=(0, 1.1 * max(points.values())),
        title="time per word, texts of 20 tokens by 256 = 1",
    )
    axes.grid(alpha=0.3)


if __name__ == "__main__":
    main()
