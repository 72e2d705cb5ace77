"""Docs -> the distribution over their tag paths -> spans of the Docs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import get_array_module, to_numpy

from ..architectures import Tagger
from ..chains.bio_transitions import bio_transitions
from ..chains.decoding import (
    decode_best_path,
    decode_by_probability,
    merge_candidates,
)
from ..chains.linear_chain import LinearChain, Spans
from ..errors import Errors
from ..tags import TagSet, TokenSpan
from .annotations import Preset, ScoredSpan, Tokens, open_tags
from .settings import Settings


class DocPaths(NamedTuple):
    """The distribution over the tag paths of a batch of Docs, given their annotation.

    chain: One sequence for each Doc, of its taggable tokens.
    tokens: For each Doc, the index of each token of its sequence.
    presets: For each Doc, the entities that are already there.
    tag_set: The tags of the model.
    """

    chain: LinearChain
    tokens: list[Tokens]
    presets: list[Preset | None]
    tag_set: TagSet

    def take(self, docs: Sequence[int]) -> "DocPaths":
        """The distribution over the tag paths of some of the Docs.

        docs (Sequence[int]): Their numbers in the batch, ascending.
        """
        if len(docs) == len(self.tokens):
            return self
        chosen = np.zeros(len(self.tokens), dtype=bool)
        chosen[list(docs)] = True
        return DocPaths(
            self.chain.take_sequences(chosen),
            [self.tokens[i] for i in docs],
            [self.presets[i] for i in docs],
            self.tag_set,
        )

    def decode(self, settings: Settings) -> Spans:
        """The entities, and candidates if they are set, without preset entities.

        settings (Settings): Decoding, thresholds and candidates count.
        RETURNS (Spans): In tokens of the sequences of `chain`.
        RAISES ValueError (L032): If a threshold has an unknown label.
        """
        thresholds = self._thresholds(settings)
        if settings.decoding == "probability":
            spans = decode_by_probability(self.chain, thresholds)
        else:
            spans = decode_best_path(self.chain)
            if thresholds.any():
                spans = spans.where(spans.confidence >= thresholds[spans.label])
            if settings.candidates:
                probable = decode_by_probability(self.chain, thresholds)
                spans = merge_candidates(spans, probable)
        if not settings.candidates and not spans.chosen.all():
            spans = spans.where(spans.chosen)
        return self.without_presets(spans)

    def entities(self, settings: Settings) -> list[list[ScoredSpan]]:
        """The spans of `decode`, `by_doc`."""
        return self.by_doc(self.decode(settings))

    def without_presets(self, spans: Spans) -> Spans:
        """Leave out preset entities: those with a known label are on the path too."""
        if not any(preset is not None and preset.entities for preset in self.presets):
            return spans
        starts: list[set[int]] = [
            set() if preset is None else {t.i for ent in preset.entities for t in ent}
            for preset in self.presets
        ]
        pairs = zip(spans.sequence.tolist(), spans.start.tolist(), strict=True)
        is_new = [int(self.tokens[i][start]) not in starts[i] for i, start in pairs]
        return spans.where(np.array(is_new, dtype=bool))

    def by_doc(self, spans: Spans) -> list[list[ScoredSpan]]:
        """The spans of each Doc, in tokens of the Doc.

        spans (Spans): In tokens of the sequences of `chain`.
        """
        found: list[list[ScoredSpan]] = [[] for _ in self.tokens]
        rows = zip(
            spans.sequence.tolist(),
            spans.start.tolist(),
            spans.end.tolist(),
            spans.label.tolist(),
            spans.confidence.tolist(),
            spans.chosen.tolist(),
            strict=True,
        )
        for i, start, end, label, confidence, is_entity in rows:
            first, last = int(self.tokens[i][start]), int(self.tokens[i][end - 1])
            span = TokenSpan(first, last + 1, self.tag_set.labels[label])
            found[i].append(ScoredSpan(span, confidence, is_entity))
        return found

    def _thresholds(self, settings: Settings) -> NDArray[np.float64]:
        """The threshold of each label.  (L,)"""
        labels = self.tag_set.labels
        thresholds = np.full(len(labels), settings.threshold, dtype="float64")
        for label, threshold in settings.label_thresholds.items():
            if label not in labels:
                message = Errors.L032.format(
                    name="label_thresholds", label=label, labels=list(labels)
                )
                raise ValueError(message)
            thresholds[labels.index(label)] = threshold
        return thresholds


def find_paths(
    model: Tagger,
    docs: Sequence[Doc],
    tag_set: TagSet,
    settings: Settings,
    component: str,
) -> DocPaths:
    """The distribution over the tag paths of Docs, given their annotation.

    settings (Settings): The temperature, `overwrite` and `spans_key` count.
    component (str): Name of the component.
    RAISES ValueError (L015): If scores are not finite.
    """
    tokens, presets, allowed = open_tags(docs, tag_set, settings, component)
    lengths = np.array([len(rows) for rows in tokens], dtype=np.intp)
    if not lengths.any():
        n_tags = tag_set.n_tags
        chain = LinearChain(np.zeros((0, n_tags)), lengths, bio_transitions(n_tags))
        return DocPaths(chain, tokens, presets, tag_set)
    chain = model.predict(list(docs))
    require_finite(chain, docs, component)
    if lengths.sum() < len(chain.emit):  # leave white space out
        pairs = zip(chain.first_rows, tokens, strict=True)
        rows = np.concatenate([first + each for first, each in pairs])
        chain = chain.take(model.ops.xp.asarray(rows), lengths)
    if settings.temperature != 1.0:
        chain = chain.with_temperature(settings.temperature)
    if allowed is not None:
        chain = chain.constrain(allowed)
    return DocPaths(chain, tokens, presets, tag_set)


def require_finite(chain: LinearChain, docs: Sequence[Doc], component: str) -> None:
    """Refuse scores that are NaN or infinite.

    chain (LinearChain): The model's scores for all tokens of the Docs.
    component (str): Name of the component.
    RAISES ValueError (L015): Names the first token with such scores.
    """
    where = find_non_finite(chain)
    if where is None:
        return
    i, token = where
    message = Errors.L015.format(
        name=component,
        i=i,
        text=docs[i].text[:50],
        token=token,
        word=docs[i][token].text,
    )
    raise ValueError(message)


def find_non_finite(chain: LinearChain) -> tuple[int, int] | None:
    """Find the first score that is NaN or infinite.

    RETURNS (Optional[Tuple[int, int]]): Number of the sequence, and token in it.
        Transitions that are NaN or +inf count as the first token's of all.
    """
    if not chain.transitions.is_finite:
        return int((chain.lengths > 0).argmax()), 0
    is_finite = get_array_module(chain.emit).isfinite(chain.emit)
    if bool(is_finite.all()):
        return None
    row = int(to_numpy(~is_finite.all(axis=1)).argmax())
    i = int(chain.sequences[row])
    return i, row - int(chain.first_rows[i])
