"""The sections of the page: figures of one model, and of several side by side."""

import math
from collections.abc import Mapping, Sequence

from .bootstrap import N_SAMPLES
from .charts import curve_chart, reliability_chart
from .figures import Figures, Point
from .markup import (
    Head,
    Markup,
    bar,
    joined,
    number,
    percent,
    shows,
    table,
    tag,
    with_interval,
)
from .pairs import KINDS, RIGHT
from .run import Comparison, Report
from .scores import Scores

_SCORES = (
    Head("precision", "share of the predicted entities that is right"),
    Head("recall", "share of the gold entities that is found"),
    Head("F1", "harmonic mean of precision and recall"),
)
_MEASURES = {
    "strict": "same limits, same label",
    "exact": "same limits, any label",
    "partial": "any overlap, any label; other limits count half",
    "type": "any overlap, same label",
}
_NO_TRAINING = (
    "Scores of seen and unseen strings need the training data: name it with --train."
)
NO_ENTITY = "none"


def summary(report: Report) -> Markup:
    """The scores of all models, in large numbers.

    report (Report): The report.
    """
    cards = []
    for figures in report.models:
        total = figures.total
        rows = [
            ("F1", total.f1),
            ("precision", total.precision),
            ("recall", total.recall),
        ]
        values = [
            tag("div", joined([tag("dt", name), tag("dd", with_interval(value))]))
            for name, value in rows
        ]
        name = tag("h3", figures.answers.name) if len(report.models) > 1 else Markup()
        note = (
            f"{number(total.right)} of {number(total.gold)} gold entities found, "
            f"{number(total.predicted - total.right)} of {number(total.predicted)} "
            "predicted ones wrong."
        )
        if figures.n_unjudged:
            note += (
                f" {number(figures.n_unjudged)} more on tokens without annotation are "
                "left out."
            )
        pieces = [name, tag("dl", joined(values)), tag("p", note)]
        cards.append(tag("div", joined(pieces), class_="card"))
    head = tag("h2", "At a glance", class_="hidden")
    return joined([head, tag("div", joined(cards), class_="cards")])


def comparison(report: Report) -> Markup:
    """Models side by side; nothing if there is one.

    report (Report): The report, of several models.
    """
    if len(report.models) < 2:
        return Markup()
    names = [figures.answers.name for figures in report.models]
    rows: list[list[object]] = []
    for label in report.labels:
        values = [model.scores["label"][label].f1 for model in report.models]
        rows.append([label, *map(with_interval, values)])
    rows.append(["all", *(with_interval(model.total.f1) for model in report.models)])
    pieces = [
        tag("h2", "Side by side", id="comparison"),
        *(_difference(each, report) for each in report.comparisons),
        table("F1 by label, in percent, with 95% intervals", ["label", *names], rows),
    ]
    return tag("section", joined(pieces), aria_labelledby="comparison")


def _difference(each: Comparison, report: Report) -> Markup:
    first, second = (report.models[i].answers.name for i in (each.first, each.second))
    value, low, high = (100 * v for v in each.difference)
    word = "better" if value > 0 else "worse"
    same = f"{second} and {first} have the same F1."
    text = (
        f"{second} is {abs(value):.1f} points of F1 {word} than {first} "
        f"(95% interval of the difference: {low:+.1f} to {high:+.1f})."
    )
    if each.p < 0.05:
        verdict = f"The difference is significant: p = {each.p:.2g}"
    else:
        verdict = f"The difference is not significant: p = {each.p:.2g}"
    method = f"{verdict} (paired bootstrap over texts, {number(N_SAMPLES)} samples)."

    def button(n: int, name: str, **filters: object) -> object:
        return _count(n, f"found by {name} only", kinds=RIGHT, **filters)

    rows = [
        ("both", number(each.both)),
        (
            f"only {first}",
            button(each.only_first, first, model=each.first, against=each.second),
        ),
        (
            f"only {second}",
            button(each.only_second, second, model=each.second, against=each.first),
        ),
        ("neither", number(each.neither)),
    ]
    counts = table("Gold entities", ["found by", "entities"], rows)
    head = tag("h3", f"{first} and {second}")
    told = tag("p", f"{text} {method}" if value else same)
    return tag("div", joined([head, told, counts]), class_="pair")


def model_section(report: Report, number_of_model: int) -> Markup:
    """The figures of one model.

    report (Report): The report.
    number_of_model (int): The number of the model in it.
    """
    figures = report.models[number_of_model]
    scores = figures.scores
    pieces = [
        tag("h2", "Scores"),
        _scores(
            "Scores per label, in percent", "label", scores["label"], figures.total
        ),
        tag("h2", "Kinds of error"),
        _kinds(report, number_of_model),
        _semeval(figures),
        tag("h2", "Confusions"),
        _confusion(report, number_of_model),
        tag("h2", "Seen and unseen strings"),
        *_by_training(report, scores),
        tag("h2", "Length"),
        _scores("Scores by the number of tokens", "tokens", scores["length"]),
    ]
    if len(figures.confidences):
        pieces += [tag("h2", "Confidence"), _confidence(figures)]
    name = figures.answers.name
    return tag(
        "section",
        joined(pieces),
        class_="model",
        data_model=number_of_model,
        aria_label=f"Figures of {name}",
    )


def _scores(
    caption: str, head: str, scores: Mapping[str, Scores], total: Scores | None = None
) -> Markup:
    rows = [_score_row(name, each) for name, each in scores.items()]
    if total is not None:
        rows.append(_score_row("all", total))
    return table(
        f"{caption}, with 95% intervals",
        [head, *_SCORES, "", "gold", "predicted", "right"],
        rows,
        kind="totals" if total is not None else None,
    )


def _score_row(name: str, each: Scores) -> list[object]:
    values: list[object] = [
        with_interval(each.precision) if each.predicted else Markup("&ndash;"),
        with_interval(each.recall) if each.gold else Markup("&ndash;"),
    ]
    if each.gold or each.predicted:
        values += [with_interval(each.f1), bar(each.f1)]
    else:
        values += [Markup("&ndash;"), ""]
    return [name, *values, each.gold, each.predicted, each.right]


def _by_training(
    report: Report, scores: Mapping[str, Mapping[str, Scores]]
) -> list[Markup]:
    if report.n_training is None:
        return [tag("p", _NO_TRAINING)]
    n = number(report.n_training)
    return [
        _scores(
            f"Scores by whether one of the {n} training entities has the same string",
            "string",
            scores["seen"],
        ),
        _scores(
            "Scores by the number of training entities with the same string",
            "in training",
            scores["frequency"],
        ),
    ]


def _kinds(report: Report, model: int) -> Markup:
    rows = []
    for i, label in enumerate(report.labels):
        counts = report.models[model].kinds[label]
        cells = [
            _count(n, f"{kind}, {label}", model=model, kinds=kind, either=i)
            for kind, n in counts.items()
        ]
        rows.append([label, *cells])
    totals = report.models[model].kinds.values()
    cells = [
        _count(sum(each[kind] for each in totals), kind, model=model, kinds=kind)
        for kind in KINDS
    ]
    heads = [Head(kind, meaning) for kind, meaning in KINDS.items()]
    return table(
        "Entities by gold label (of invented ones, the predicted label)",
        ["label", *heads],
        [*rows, ["all", *cells]],
        kind="totals",
    )


def _count(n: int, label: str, **filters: object) -> object:
    return shows(number(n), label, filters) if n else n


def _semeval(figures: Figures) -> Markup:
    rows = [
        [
            joined([name, tag("small", _MEASURES[name])], " "),
            *map(percent, (each.precision, each.recall, each.f1)),
            *each,
        ]
        for name, each in figures.semeval.items()
    ]
    names = ("correct", "incorrect", "partial", "missed", "spurious")
    return table(
        "Measures of SemEval 2013, in percent", ["measure", *_SCORES, *names], rows
    )


def _confusion(report: Report, model: int) -> Markup:
    numbers = {label: i for i, label in enumerate((*report.labels, ""))}
    numbers[""] = -1
    rows = []
    for gold, counts in report.models[model].confusion.items():
        row: list[object] = [gold or NO_ENTITY]
        for found, n in counts.items():
            if not gold and not found:
                row.append("")
                continue
            label = f"gold {gold or NO_ENTITY}, predicted {found or NO_ENTITY}"
            filters = {"gold": numbers[gold], "found": numbers[found], "kinds": "all"}
            row.append(_count(n, label, model=model, **filters))
        rows.append(row)
    return table(
        "Gold labels (rows) and predicted labels (columns) of entities that overlap",
        ["gold", *(label or NO_ENTITY for label in numbers)],
        rows,
        kind="confusion",
    )


def _confidence(figures: Figures) -> Markup:
    error, area = figures.calibration_error, figures.area_under_roc
    told = f"The expected calibration error of the {number(len(figures.correct))} "
    told += f"predicted entities is {error:.3f}"
    if not math.isnan(area):
        told += f", the area under the ROC curve {area:.3f}"
    at = own_point(figures)
    charts = [
        _figure(reliability_chart(figures), "On the diagonal, confidences are honest."),
        _figure(
            curve_chart(figures.curve, at),
            "The dot is at the threshold of the slider, below.",
        ),
    ]
    pieces = [tag("p", told + "."), tag("div", joined(charts), class_="charts")]
    return joined(pieces)


def own_point(figures: Figures) -> Point:
    """Precision and recall of a model at its own settings."""
    total = figures.total
    threshold = figures.answers.threshold or 0.0
    return Point(threshold, total.precision.value, total.recall.value, total.f1.value)


def _figure(chart: Markup, caption: str) -> Markup:
    return tag("figure", joined([chart, tag("figcaption", caption)]))


def sections(report: Report) -> Sequence[Markup]:
    """All sections with figures.

    report (Report): The report.
    """
    models = [model_section(report, i) for i in range(len(report.models))]
    return [summary(report), comparison(report), *models]
