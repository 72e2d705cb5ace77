"""The text of a model card, in Markdown."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ...component.facts import CALIBRATION, INITIALIZATION, versions
from ...component.lstm_ner import LSTMNer
from .front_matter import front_matter, metadata_of
from .markdown import code, plain, table
from .measured import Measured

# By this mark, a card is known as one of ours.
MARK = "<!-- model card of spacy-lstm-ner -->"

# With fewer gold entities, the scores of a label say little.
FEW = 50

_USE = """```bash
pip install "spacy-lstm-ner=={series}.*"
```

```python
import spacy

nlp = spacy.load("{path}")  # the folder of this file, or an installed package
doc = nlp("Put your text here.")
for ent in doc.ents:
    print(ent.text, ent.label_, ent._.confidence)
```"""

_CITATION = """\
If you use this model, please cite the texts that it is trained on, and the work that
its recognizer stands on: Hochreiter & Schmidhuber 1997 (LSTM), Lample et al. 2016
(neural entity recognition), Culotta & McCallum 2004 (confidence of an entity) and Guo
et al. 2017 (calibration).

```bibtex
@software{{spacy_lstm_ner,
  title = {{spacy-lstm-ner: an LSTM named entity recognizer for spaCy}},
  author = {{{{The spacy-lstm-ner developers}}}},
  version = {{{version}}}
}}
```"""


@dataclass(frozen=True)
class Card:
    """What a card tells of.

    name: Name of the pipeline on the card.
    dataset: Name of the texts that it is measured on.
    meta: As of `nlp.meta`.
    component: Name of the recognizer in the pipeline.
    ner: The recognizer.
    others: Names of the other components that set entities.
    measured: The measures.
    picture: Name of the file with the reliability diagram; None if there is none.
    """

    name: str
    dataset: str
    meta: Mapping[str, Any]
    component: str
    ner: LSTMNer
    others: list[str]
    measured: Measured
    picture: str | None

    @property
    def is_calibrated(self) -> bool:
        """Whether the temperature is the one of the calibration that is known."""
        found = self.ner.facts.get(CALIBRATION)
        return found is not None and found["temperature"] == self.ner.temperature


def render_card(card: Card) -> str:
    """Write a card: metadata for the hub, then Markdown. The same card gives the same
    text."""
    metadata = metadata_of(card.name, card.dataset, card.meta, card.measured.scores)
    sections = {
        "How to use": _use(),
        "Scores": _scores(card),
        "Confidences": _confidences(card),
        "Training": _training(card),
        "Settings": _settings(card),
        "Limits": _limits(card),
        "Citation": _CITATION.format(version=versions()["spacy-lstm-ner"]),
    }
    parts = [front_matter(metadata), MARK, f"# {plain(card.name)}", _about(card)]
    for heading, body in sections.items():
        parts += [f"## {heading}", body]
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(card: Card) -> str:
    meta = card.meta
    labels = ", ".join(map(code, card.ner.labels)) or "none"
    others = ", ".join(map(code, card.others))
    author = " ".join(filter(None, [meta.get("author"), meta.get("url")]))
    rows = [
        ("Recognizer", f"{code(card.component)} (factory `lstm_ner`): an LSTM tagger"),
        ("Labels", labels),
        ("Other components that set entities", others),
        ("Pipeline", ", ".join(map(code, meta["pipeline"]))),
        ("Language", code(meta["lang"])),
        ("Version", code(meta["version"])),
        ("License", plain(meta.get("license") or "not stated")),
        ("Author", plain(author)),
    ]
    intro = (
        "A [spaCy](https://spacy.io) pipeline that finds named entities and tells how "
        "sure it is of each: the probability of exactly this span with this label."
    )
    described = (meta.get("description") or "").strip()
    shown = table(["", ""], [row for row in rows if row[1]])
    return "\n\n".join(filter(None, [described, intro, shown]))


def _use() -> str:
    series = ".".join(versions()["spacy-lstm-ner"].split(".")[:2])
    return _USE.format(series=series, path="path/to/folder")


def _scores(card: Card) -> str:
    measured = card.measured
    size, scores = measured.size, measured.scores
    by_label = scores["ents_per_type"] or {}
    found = {key: scores[f"ents_{key}"] for key in "prf"}
    rows = [
        (code(label), f"{size.entities[label]:,}", *_percent(by_label.get(label, {})))
        for label in sorted({*card.ner.labels, *by_label, *size.entities})
    ]
    rows.append(("**all**", f"{size.entities.total():,}", *_percent(found)))
    head = ["Label", "Gold entities", "Precision", "Recall", "F1"]
    intro = (
        f"Exact spans with their labels, in percent, on {code(card.dataset)}: "
        f"{size.texts:,} texts, {size.tokens:,} tokens."
    )
    if card.others:
        intro += " The scores are those of all entities of the pipeline."
    if measured.unknown_tokens:
        intro += (
            f" {measured.unknown_tokens:,} of the tokens are not annotated; entities "
            "there do not count."
        )
    return f"{intro}\n\n{table(head, rows)}"


def _percent(scores: Mapping[str, float | None]) -> list[str]:
    values = [scores.get(key) for key in "prf"]
    return ["-" if value is None else f"{100 * value:.1f}" for value in values]


def _confidences(card: Card) -> str:
    measured = card.measured
    parts = []
    if len(measured.correct):
        area = measured.area_under_roc
        text = (
            f"Expected calibration error {measured.calibration_error:.3f} (10 bins of "
            f"equal mass; 0 is best), over {len(measured.correct):,} entities of "
            f"{code(card.component)} in {code(card.dataset)}."
        )
        if not math.isnan(area):
            text += (
                f" Area under the ROC curve {area:.3f}: the probability that a right "
                "entity has a higher confidence than a wrong one (0.5 is chance)."
            )
        parts.append(text)
        if card.picture is not None:
            link = f"({quote(card.picture)})"
            parts.append(f"![Share of entities that are right, by confidence]{link}")
    else:
        text = (
            f"{code(card.component)} finds no entities in the annotated parts of "
            f"{code(card.dataset)}, so its confidences are not measured."
        )
        parts.append(text)
    if card.is_calibrated:
        found = card.ner.facts[CALIBRATION]
        parts.append(
            f"The temperature is fitted to {found['n_spans']:,} entities of "
            f"{found['n_texts']:,} held-out texts; on these its calibration error fell "
            f"from {found['error_before']:.3f} to {found['error']:.3f}. If "
            f"{code(card.dataset)} is these texts, the error above is too low for new "
            "ones."
        )
    return "\n\n".join(parts)


def _training(card: Card) -> str:
    found = card.ner.facts.get(INITIALIZATION, {})
    corpus = found.get("corpus")
    parts = []
    if sources := _sources(card.meta.get("sources")):
        parts.append(f"Sources: {sources}.")
    if corpus is None:
        parts.append("The size of the training data was not recorded.")
    else:
        parts.append(
            f"The recognizer was initialized with {corpus['texts']:,} texts, "
            f"{corpus['tokens']:,} tokens, {sum(corpus['entities'].values()):,} "
            "entities. `spacy train` takes all training texts for this; a training "
            "loop may have used others."
        )
        rows = [(code(label), f"{n:,}") for label, n in corpus["entities"].items()]
        if rows:
            parts.append(table(["Label", "Entities"], rows))
    now = versions()
    then = found.get("versions", {})
    seed = found.get("seed")
    head = ["Version of", "At initialization", "For this card"]
    both = [(name, then.get(name, "not recorded"), now[name]) for name in now]
    parts.append(table(head, both))
    if seed is not None:
        parts.append(f"Seed in the config: {seed}. `spacy train` starts with it.")
    return "\n\n".join(parts)


def _sources(sources: Any) -> str:
    """The sources of the meta: names, or mappings with name, url and author."""
    shown = []
    for each in sources if isinstance(sources, list) else []:
        found = each if isinstance(each, Mapping) else {"name": each}
        fields = [str(found[key]) for key in ("name", "author", "url") if key in found]
        shown.append(", ".join(map(plain, fields)))
    return "; ".join(filter(None, shown))


def _settings(card: Card) -> str:
    ner = card.ner
    decoding = {
        "best_path": "the entities of the most probable tag path",
        "probability": "the most probable spans that do not overlap",
    }
    rows = [
        ("decoding", code(ner.decoding), decoding[ner.decoding]),
        ("threshold", f"{ner.threshold:.4g}", "least confidence of an entity"),
        *(
            ("threshold", f"{value:.4g}", f"the same, for {code(label)}")
            for label, value in sorted(ner.label_thresholds.items())
        ),
        ("temperature", f"{ner.temperature:.4g}", _temperature(card)),
        ("spans_key", code(ner.spans_key), "the span group with all confidences"),
    ]
    cells = [(code(name), value, meaning) for name, value, meaning in rows]
    return table(["Setting", "Value", "Meaning"], cells)


def _temperature(card: Card) -> str:
    if card.is_calibrated:
        return "divides all scores; fitted to held-out texts"
    if card.ner.temperature == 1:
        return "divides all scores; not fitted to held-out texts"
    return "divides all scores; how it was fitted is not recorded"


def _limits(card: Card) -> str:
    size = card.measured.size
    few = [label for label in card.ner.labels if size.entities[label] < FEW]
    limits = [
        f"The scores hold for texts like those of {code(card.dataset)}. Expect lower "
        "ones on other kinds of text: other topics, styles or times.",
        "Confidences are valid for texts like those that they were fitted to. On "
        "others they are usually too high.",
        "It knows only the labels above, and entities neither overlap nor contain "
        "each other.",
        "How scores differ between groups of people, dialects or sources has not been "
        "measured.",
    ]
    if few:
        limits.append(
            f"{code(card.dataset)} has fewer than {FEW} entities of "
            f"{', '.join(map(code, few))}: their scores are uncertain."
        )
    if not card.is_calibrated:
        limits.append("No calibration of its confidences is recorded.")
    return "\n".join(f"- {limit}" for limit in limits)
