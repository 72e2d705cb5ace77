"""Pictures of how far confidences can be trusted. Needs the extra `plots`."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .bio import check_choice
from .calibration import (
    area_under_roc,
    expected_calibration_error,
    reliability_bins,
    wilson_interval,
)
from .errors import Errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Metadata for each format: what depends on the time is left out.
_METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None},
    ".png": {},
    ".pdf": {"CreationDate": None},
}
# Okabe and Ito's colours, which the colour-blind can tell apart.
_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "#666666"


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
    output (Path): The file to write, an .svg, .png or .pdf, in a folder that exists.
    title (str): What the spans are, the pipeline and the data, for instance.
    RAISES ValueError: L020 if the lengths differ, L021 if a confidence is not within
        0 to 1, L100 if the ending of the file is another one.
    RAISES ImportError: L205 without matplotlib.
    """
    check_picture(output)
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(5, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    figure.suptitle(title.replace("$", r"\$"), wrap=True)
    _draw_accuracy(above, confidences, correct)
    _draw_distribution(below, confidences, correct)
    with rc_context({"svg.hashsalt": "spacy-lstm-ner"}):
        figure.savefig(output, dpi=150, metadata=_METADATA[output.suffix])


def check_picture(output: Path) -> None:
    """Tell before the work begins if a picture can't be drawn.

    output (Path): The file to write.
    RAISES ValueError: L100 if the ending of the file is none of a picture.
    RAISES ImportError: L205 without matplotlib.
    """
    check_choice("suffix of output", output.suffix, _METADATA)
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError as err:
        raise ImportError(Errors.L205) from err


def _draw_accuracy(
    axes: "Axes", confidences: NDArray[np.float64], correct: NDArray[np.bool_]
) -> None:
    """The share of right spans of each bin, with the interval of 95 percent."""
    bins = reliability_bins(confidences, correct)
    n_right = np.rint(bins.accuracy * bins.n_spans).astype("int")
    lower, upper = wilson_interval(n_right, bins.n_spans)
    axes.plot([0, 1], [0, 1], "--", color=_GREY, lw=1, label="confidence = share")
    axes.errorbar(
        bins.confidence,
        bins.accuracy,
        # Lists, as some versions of matplotlib warn of arrays with one element.
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
    """The number of right and of wrong spans by confidence."""
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
