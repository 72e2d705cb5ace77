"""Pictures: reliability diagrams, the decay of gradients, F1 by number of texts.

Needs the extra `plots`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice
from ..component.reliability import expected_calibration_error, reliability_bins
from ..data.replacing import replacing
from ..errors import Errors
from .metrics import area_under_roc, wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..course.lab import Decay

# The program that has made a picture, by which its own pictures are known.
CREATOR = "spacy-lstm-ner"
# Metadata for each format. Dates are left out: the same arguments give the same file.
METADATA: dict[str, dict[str, str | None]] = {
    ".svg": {"Creator": CREATOR, "Date": None},
    ".png": {"Software": CREATOR},
    ".pdf": {"Creator": CREATOR, "CreationDate": None},
}
# Colours of Okabe and Ito, distinct for colour-blind readers.
_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "#666666"
_RED, _GREEN, _PURPLE = "#D55E00", "#009E73", "#CC79A7"
_LINES: tuple[dict[str, Any], ...] = (
    {"color": _RED, "lw": 2.5},
    {"color": "black", "lw": 1.2, "ls": (0, (4, 3))},
    {"color": _PURPLE, "lw": 1.8},
    {"color": _GREEN, "lw": 2.5},
    {"color": _ORANGE, "lw": 2.5},
    {"color": _BLUE, "lw": 2.5},
)
# Lower limit of the axis.
_FLOOR = 1e-12


def draw_reliability(
    confidences: NDArray[np.float64],
    correct: NDArray[np.bool_],
    output: Path,
    *,
    title: str,
) -> None:
    """Draw a reliability diagram (Niculescu-Mizil & Caruana 2005): the share of right
    spans by confidence, in bins of equal mass, above the distribution of confidences.

    The same arguments give the same file.

    confidences (ndarray): Confidence of each span.  (S,)
    correct (ndarray): Whether it is right.  (S,)
    output (Path): The file to write, an .svg, .png or .pdf.
    title (str): Title of the picture.
    RAISES ValueError: L020 if the lengths differ, L021 if a confidence is not within
        0 to 1, L100 if the file has another ending.
    RAISES ImportError: L205 without matplotlib.
    """
    check_picture(output)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(5, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    figure.suptitle(title.replace("$", r"\$"), wrap=True)
    _draw_accuracy(above, confidences, correct)
    _draw_distribution(below, confidences, correct)
    _save(figure, output)


def draw_decay(decays: "Mapping[str, Decay]", output: Path, *, title: str) -> None:
    """Draw the decay of gradients back in time, before and after training, side by side
    on a logarithmic scale.

    The same arguments give the same file.

    decays (Mapping[str, Decay]): By name of the network, as from
        `lab.measure_gradients`.
    output (Path): As of `draw_reliability`.
    title (str): Title of the picture.
    RAISES: As of `check_picture`.
    """
    check_picture(output)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    before, after = figure.subplots(1, 2, sharey=True)
    figure.suptitle(title.replace("$", r"\$"), wrap=True)
    _draw_lines(before, {name: decay.before for name, decay in decays.items()})
    _draw_lines(after, {name: decay.after for name, decay in decays.items()})
    before.set_title("before training", fontsize="medium")
    after.set_title("after training", fontsize="medium")
    before.set_ylabel(
        r"$|\partial L\,/\,\partial h_{t-k}|$ as a share of that at $k = 0$"
    )
    handles, names = after.get_legend_handles_labels()
    from_above = sorted(
        zip(handles, names, strict=True), key=lambda pair: -pair[0].get_ydata()[-1]
    )
    after.legend(
        *zip(*from_above, strict=True),
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
    )
    _save(figure, output)


class ScoreLine(NamedTuple):
    """A line of F1 by the number of texts; all sequences have the same length.

    texts (Sequence[float]): Numbers of texts.
    f1 (Sequence[float]): Mean F1 over the seeds, from 0 to 1.
    low, high (Sequence[float]): The lowest and the highest.
    """

    texts: Sequence[float]
    f1: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def draw_scores(
    lines: Mapping[str, ScoreLine],
    output: Path,
    *,
    title: str,
    level: float | None = None,
) -> None:
    """Draw F1 by the number of texts, on a logarithmic axis.

    The same arguments give the same file.

    lines (Mapping[str, ScoreLine]): By name. Bars go from the lowest to the highest F1.
    output (Path): As of `draw_reliability`.
    title (str): Title of the picture.
    level (Optional[float]): F1 of a horizontal line.
    RAISES: As of `check_picture`.
    """
    check_picture(output)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(title.replace("$", r"\$"), wrap=True)
    if level is not None:
        axes.axhline(100 * level, color=_GREY, lw=1, ls="--")
    colours = (_BLUE, _ORANGE, _GREEN, _PURPLE, _RED)
    for i, (name, line) in enumerate(lines.items()):
        f1, low, high = (100 * np.array(v) for v in (line.f1, line.low, line.high))
        axes.errorbar(
            line.texts,
            f1,
            yerr=[(f1 - low).tolist(), (high - f1).tolist()],
            fmt="o-",
            color=colours[i % len(colours)],
            capsize=3,
            label=name,
        )
    axes.set_xscale("log")
    axes.set(xlabel="annotated texts", ylabel="F1 in percent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _save(figure, output)


def check_picture(output: Path) -> None:
    """Check that a picture can be drawn, before the work begins.

    output (Path): The file to write.
    RAISES ValueError: L100 if the file does not end in .svg, .png or .pdf.
    RAISES ImportError: L205 without matplotlib.
    """
    check_choice("suffix of output", output.suffix.lower(), METADATA)
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError as err:
        raise ImportError(Errors.L205) from err


def _save(figure: "Figure", output: Path) -> None:
    from matplotlib import rc_context  # noqa: PLC0415

    metadata = METADATA[output.suffix.lower()]
    with rc_context({"svg.hashsalt": "spacy-lstm-ner"}), replacing(output) as new:
        figure.savefig(new, dpi=150, metadata=metadata)


def _draw_lines(axes: "Axes", ratios: Mapping[str, Sequence[float]]) -> None:
    """Draw a line for each network: the gradient by the number of steps back."""
    for i, (name, values) in enumerate(ratios.items()):
        axes.plot(range(len(values)), values, label=name, **_LINES[i % len(_LINES)])
    axes.set_yscale("log")
    axes.set_ylim(_FLOOR, 10)
    axes.set_xlim(left=0)
    axes.set_xlabel("steps back in time, $k$")
    axes.grid(alpha=0.3)


def _draw_accuracy(
    axes: "Axes", confidences: NDArray[np.float64], correct: NDArray[np.bool_]
) -> None:
    """Draw the share of right spans of each bin, with its 95% interval."""
    bins = reliability_bins(confidences, correct)
    n_right = np.rint(bins.accuracy * bins.n_spans).astype("int")
    lower, upper = wilson_interval(n_right, bins.n_spans)
    axes.plot([0, 1], [0, 1], "--", color=_GREY, lw=1, label="confidence = share")
    axes.errorbar(
        bins.confidence,
        bins.accuracy,
        # Lists, because some versions of matplotlib warn of arrays with one element.
        yerr=[(bins.accuracy - lower).tolist(), (upper - bins.accuracy).tolist()],
        fmt="o",
        color=_BLUE,
        capsize=3,
        label="bins of equal mass, with 95% interval",
    )
    axes.set_title(
        f"ECE {expected_calibration_error(confidences, correct):.3f}, "
        f"AUROC {area_under_roc(confidences, correct):.3f}, "
        f"n = {len(confidences):,}",
        fontsize="medium",
    )
    axes.set_ylabel("share that is right")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _draw_distribution(
    axes: "Axes", confidences: NDArray[np.float64], correct: NDArray[np.bool_]
) -> None:
    """Draw the numbers of right and of wrong spans by confidence."""
    confidences, correct = np.asarray(confidences), np.asarray(correct, dtype="bool")
    axes.hist(
        [confidences[correct], confidences[~correct]],
        bins=20,
        range=(0, 1),
        stacked=True,
        color=[_BLUE, _ORANGE],
        label=["right", "wrong"],
    )
    axes.set_xlabel("confidence")
    axes.set_ylabel("spans")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=2,
        frameon=False,
        fontsize="small",
    )
