"""Charts of the page, as SVG: reliability diagram and precision-recall curve."""

from collections.abc import Sequence

import numpy as np

from ...component.reliability import reliability_bins
from ..metrics import wilson_interval
from .figures import Figures, Point
from .markup import Markup, joined, tag

# The square of both charts, from 0 to 1 in both directions, and the width of the whole.
_LEFT, _TOP, _SIZE = 46, 12, 240
_WIDTH, _HEIGHT = _LEFT + _SIZE + 12, _TOP + _SIZE + 44
_TICKS = (0, 0.25, 0.5, 0.75, 1)


def reliability_chart(figures: Figures) -> Markup:
    """The share of right entities by confidence, in bins of equal mass, with their 95%
    intervals (Wilson).

    figures (Figures): The figures of a model whose entities have confidences.
    """
    bins = reliability_bins(figures.confidences, figures.correct)
    n_right = np.rint(bins.accuracy * bins.n_spans).astype("int")
    lower, upper = wilson_interval(n_right, bins.n_spans)
    shapes = [_line((0, 0), (1, 1), "ideal")]
    for x, y, low, high in zip(
        bins.confidence.tolist(),
        bins.accuracy.tolist(),
        lower.tolist(),
        upper.tolist(),
        strict=True,
    ):
        shapes.append(_line((x, low), (x, high), "limits"))
        shapes.append(_dot(x, y, "point"))
    rows = zip(bins.confidence.tolist(), bins.accuracy.tolist(), strict=True)
    points = "; ".join(f"{x:.2f}: {y:.2f}" for x, y in rows)
    return _chart(
        "Reliability diagram",
        "Share of right entities by confidence, in bins of equal size. On the dashed "
        f"diagonal, confidences are honest; below it they are too high. {points}.",
        ("confidence", "share that is right"),
        shapes,
    )


def curve_chart(curve: Sequence[Point], at: Point) -> Markup:
    """The precision-recall curve. The script of the page moves the mark along it.

    curve (Sequence[Point]): The curve.
    at (Point): Where the mark is at first.
    """
    path = " ".join(
        "{:.1f},{:.1f}".format(*_place(p.recall, p.precision)) for p in curve
    )
    shapes = [
        tag("polyline", points=path, class_="curve"),
        _dot(at.recall, at.precision, "mark"),
    ]
    first, last = curve[0], curve[-1]
    return _chart(
        "Precision and recall by threshold",
        f"At threshold {first.threshold:.2f} precision is {first.precision:.2f} and "
        f"recall {first.recall:.2f}; at {last.threshold:.2f} they are "
        f"{last.precision:.2f} and {last.recall:.2f}.",
        ("recall", "precision"),
        shapes,
    )


def _chart(
    title: str, description: str, axes: tuple[str, str], shapes: Sequence[Markup]
) -> Markup:
    pieces = [tag("title", title), tag("desc", description), *_axes(*axes), *shapes]
    return tag(
        "svg",
        joined(pieces),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{title}. {description}",
        class_="chart",
        data_left=_LEFT,
        data_top=_TOP,
        data_size=_SIZE,
    )


def _axes(below: str, beside: str) -> list[Markup]:
    pieces = []
    for tick in _TICKS:
        x, y = _place(tick, tick)
        pieces += [
            _line((tick, 0), (tick, 1), "grid"),
            _line((0, tick), (1, tick), "grid"),
            tag("text", f"{tick:g}", x=x, y=_TOP + _SIZE + 16, class_="below"),
            tag("text", f"{tick:g}", x=_LEFT - 7, y=y + 4, class_="beside"),
        ]
    middle, up = _LEFT + _SIZE / 2, _TOP + _SIZE / 2
    pieces += [
        tag("text", below, x=middle, y=_HEIGHT - 8, class_="below"),
        tag(
            "text", beside, class_="below", transform=f"translate(12 {up}) rotate(-90)"
        ),
    ]
    return pieces


def _place(x: float, y: float) -> tuple[float, float]:
    return _LEFT + _SIZE * x, _TOP + _SIZE * (1 - y)


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    (x1, y1), (x2, y2) = _place(*start), _place(*end)
    return tag(
        "line",
        x1=f"{x1:.1f}",
        y1=f"{y1:.1f}",
        x2=f"{x2:.1f}",
        y2=f"{y2:.1f}",
        class_=kind,
    )


def _dot(x: float, y: float, kind: str) -> Markup:
    cx, cy = _place(x, y)
    return tag("circle", cx=f"{cx:.1f}", cy=f"{cy:.1f}", r=4, class_=kind)
