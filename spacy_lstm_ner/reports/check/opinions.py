"""What models hold of the annotation of a text: exact probabilities of spans."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import to_numpy

from ...chains.linear_chain import Spans
from ...chains.path_sums import PathSums
from ...component.doc_paths import DocPaths
from ...component.lstm_ner import LSTMNer
from ...tags import TagSet, TokenSpan

# The least probability of the spans that are listed: a doubt begins at a tenth, and the
# mean over several models may have less from each.
_LEAST = 0.02


class Opinion(NamedTuple):
    """What one model holds of a text, or the mean of several.

    entities (Dict[TokenSpan, float]): The probability of each entity of the annotation
        that the model can judge.
    spans (Dict[TokenSpan, float]): The probability of all probable spans.
    wrong (ndarray): For each token, the probability that its tag is another than that
        of the annotation. NaN for white space, and for the tokens of entities that the
        model cannot judge.  (T,)
    """

    entities: dict[TokenSpan, float]
    spans: dict[TokenSpan, float]
    wrong: NDArray[np.float64]


def find_opinions(
    golds: Iterable[Doc], docs: Iterable[Doc], ner: LSTMNer, *, batch_size: int
) -> Iterator[Opinion]:
    """Ask a model about annotated texts.

    golds (Iterable[Doc]): The annotated texts.
    docs (Iterable[Doc]): The Docs of `raw_doc` for all of them, processed by the
        components before `ner`.
    ner (LSTMNer): The recognizer.
    batch_size (int): Number of Docs of a batch.
    YIELDS (Opinion): One for each text.
    """
    settings = replace(
        ner.settings,
        decoding="probability",
        threshold=_LEAST,
        label_thresholds={},
        candidates=True,
    )
    for batch in minibatch(zip(golds, docs, strict=True), batch_size):
        paths = ner.paths([doc for _, doc in batch], ner.settings)
        candidates = paths.by_doc(paths.decode(settings))
        known = [_known_entities(gold, doc, ner.labels) for gold, doc in batch]
        sums = PathSums(paths.chain)
        probs = iter(_span_probabilities(paths, sums, known))
        tags = np.split(to_numpy(sums.marginals()), paths.chain.first_rows[1:])
        for i, (gold, doc) in enumerate(batch):
            wrong = np.full(len(doc), np.nan)
            wrong[paths.tokens[i]] = 1 - tags[i][:, TagSet.outside]
            for ent in gold.ents:
                where = doc.char_span(
                    ent.start_char, ent.end_char, alignment_mode="expand"
                )
                if where is not None:
                    wrong[where.start : where.end] = np.nan
            for span in known[i]:
                rows = _rows(paths, i, span)
                given = np.full(len(rows), TagSet.inside(_label(paths, span)))
                given[:1] = TagSet.begin(_label(paths, span))
                wrong[paths.tokens[i][rows]] = 1 - tags[i][rows, given]
            yield Opinion(
                {span: next(probs) for span in known[i]},
                {scored.span: scored.confidence for scored in candidates[i]},
                wrong,
            )


def _known_entities(gold: Doc, doc: Doc, labels: Sequence[str]) -> list[TokenSpan]:
    """The entities that fit the tokens of a Doc and have one of the labels."""
    found = (
        doc.char_span(ent.start_char, ent.end_char, label=ent.label_)
        for ent in gold.ents
    )
    return [
        TokenSpan(span.start, span.end, span.label_)
        for span in found
        if span is not None and span.label_ in labels
    ]


def _rows(paths: DocPaths, i: int, span: TokenSpan) -> NDArray[np.intp]:
    """The tokens of a span as rows of its sequence, which has no white space."""
    start, end = np.searchsorted(paths.tokens[i], [span.start, span.end])
    return np.arange(start, end)


def _label(paths: DocPaths, span: TokenSpan) -> int:
    return paths.tag_set.label_numbers[span.label]


def _span_probabilities(
    paths: DocPaths, sums: PathSums, known: Sequence[Sequence[TokenSpan]]
) -> list[float]:
    """The probability of each entity, one text after the other."""
    rows = []
    for i, entities in enumerate(known):
        for span in entities:
            found = _rows(paths, i, span)
            rows.append((i, int(found[0]), int(found[-1]) + 1, _label(paths, span)))
    return list(np.exp(sums.log_prob_of_spans(Spans.of(rows))).tolist())


def mean_opinion(opinions: Sequence[Opinion]) -> Opinion:
    """The mean of several models, which is a distribution too. An entity counts for the
    models that can judge it; a span that a model does not list has no probability.

    opinions (Sequence[Opinion]): At least one.
    """
    n_judges = Counter(span for opinion in opinions for span in opinion.entities)
    n_models = dict.fromkeys(
        (span for opinion in opinions for span in opinion.spans), len(opinions)
    )
    wrong = np.stack([opinion.wrong for opinion in opinions])
    is_known = ~np.isnan(wrong)
    n_known = is_known.sum(axis=0)
    total = np.where(is_known, wrong, 0).sum(axis=0)
    return Opinion(
        _mean([opinion.entities for opinion in opinions], n_judges),
        _mean([opinion.spans for opinion in opinions], n_models),
        np.where(n_known, total / np.maximum(n_known, 1), np.nan),
    )


def _mean(
    parts: Sequence[dict[TokenSpan, float]], n: dict[TokenSpan, int]
) -> dict[TokenSpan, float]:
    total = dict.fromkeys(n, 0.0)
    for part in parts:
        for span, value in part.items():
            total[span] += value / n[span]
    return total
