"""The pipeline component `lstm_ner`: predict, set annotations, learn, save."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import check_lexeme_norms, minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Optimizer, set_dropout_rate

from ..architectures import Tagger
from ..chains.linear_chain import LinearChain, no_tokens
from ..chains.losses import cross_entropy
from ..chains.path_sums import PathSums
from ..chains.spans import (
    DecodedSpans,
    confidences_of,
    decode_best_path,
    decode_by_probability,
    decode_paths,
    merge_candidates,
)
from ..chains.viterbi import best_path
from ..checks import check_choice, check_threshold
from ..errors import Errors
from ..layers.kept import note_update
from ..tags import TokenSpan, tag_names
from .annotations import set_entities
from .constraints import allowed_tags
from .fitting import best_threshold, fit_temperature
from .given import ScoredSpan, given_entities, taggable, token_spans
from .gold import judge
from .objective import Objective
from .process import apply_process_effects

DEFAULT_CONFIG = """
[model]
@architectures = "spacy_lstm_ner.LSTMTagger.v1"
nO = null
window = 512
overlap = 64

[model.tok2vec]
@architectures = "spacy_lstm_ner.WordCharEmbed.v1"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
char_width = 0
include_static_vectors = false
word_dropout = 0.0
rare_dropout = 0.3
fine_tune_vectors = false
char_kind = "lstm"
cache_bytes = 8000000

[model.encode]
@architectures = "spacy_lstm_ner.LSTMEncoder.v1"
width = 192
depth = 2
bidirectional = true
dropout = null
skip = true
grad_clip = null
input_dropout = null
output_dropout = null
recurrent_dropout = 0.0
forget_bias = 1.0

[model.decode]
@layers = "spacy_lstm_ner.LogSoftmax.v1"
"""
# Number of Docs whose scores are computed at once where no batches are given.
_BATCH_SIZE = 256
# By how much the confidence of a span may depend on what else is in the batch.
_ROUNDING = 1e-6
DECODING = ("best_path", "probability")
DEFAULT_MODEL = Config().from_str(DEFAULT_CONFIG)["model"]


@Language.factory(
    "lstm_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "overwrite": False,
        "spans_key": "lstm_ner",
        "decoding": "best_path",
        "threshold": 0.0,
        "label_thresholds": {},
        "candidates": False,
        "incorrect_spans_key": None,
        "missed_costs": {},
        "spurious_costs": {},
        "entity_ratio": None,
        "entity_ratio_weight": 10.0,
        "scorer": {"@scorers": "spacy_lstm_ner.scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
    },
)
def make_lstm_ner(
    nlp: Language,
    name: str,
    model: Tagger,
    overwrite: bool,
    spans_key: str,
    decoding: str,
    threshold: float,
    label_thresholds: dict[str, float],
    candidates: bool,
    incorrect_spans_key: str | None,
    missed_costs: dict[str, float],
    spurious_costs: dict[str, float],
    entity_ratio: list[float] | None,
    entity_ratio_weight: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> "LSTMNer":
    """Make a named entity recognizer with an LSTM tagger (factory `lstm_ner`).

    nlp, name, model, and all settings: As of `LSTMNer`.
    RETURNS (LSTMNer): The component.
    """
    return LSTMNer(
        nlp.vocab,
        model,
        name,
        overwrite=overwrite,
        spans_key=spans_key,
        decoding=decoding,
        threshold=threshold,
        label_thresholds=label_thresholds,
        candidates=candidates,
        incorrect_spans_key=incorrect_spans_key,
        missed_costs=missed_costs,
        spurious_costs=spurious_costs,
        entity_ratio=entity_ratio,
        entity_ratio_weight=entity_ratio_weight,
        scorer=scorer,
    )


class Uncertainty(NamedTuple):
    """How unsure a model is of the entities of one Doc.

    probability: Of the best path of tags, that is of all its entities together.
    entropy: Of the distribution over all paths, in nats.
    """

    probability: float
    entropy: float


class Analysis(NamedTuple):
    """One of the ways in which the entities of a Doc may lie.

    probability: That they lie exactly so.
    entities: The entities, by position.
    """

    probability: float
    entities: list[TokenSpan]


class LSTMNer(TrainablePipe):
    """Named entity recognizer: an LSTM tagger whose BIO tags become `doc.ents`.

    vocab (Vocab): The shared vocabulary.
    model (Model[List[Doc], LinearChain]): The tagger.
    name (str): Name of the component in the pipeline, and of its loss.
    overwrite (bool): Replace entities that are already on the Doc; else they stay,
        and the other entities are found around them.
    spans_key (str): Name of the span group that gets the entities together with their
        confidences, `doc.spans[spans_key].attrs["scores"]`.
    decoding (str): Which spans become entities: "best_path", those of the best path of
        tags; or "probability", the most probable spans, highest first, without
        overlap.
    threshold (float): Spans below this confidence are left out; 0 to 1.
    label_thresholds (Mapping[str, float]): Thresholds of single labels, where they
        differ.
    candidates (bool): List in `doc.spans[spans_key]` all spans whose confidence
        reaches the threshold, also those that are no entities as they overlap more
        probable ones or are not on the best path.
    incorrect_spans_key, missed_costs, spurious_costs, entity_ratio,
        entity_ratio_weight: What is learned besides the entities, as of `Objective`.
    scorer (Optional[Callable]): The scoring method.
    RAISES ValueError: If a setting is out of its range (L014, L016, L030, L031, L100).
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Tagger,
        name: str = "lstm_ner",
        *,
        overwrite: bool = False,
        spans_key: str = "lstm_ner",
        decoding: str = "best_path",
        threshold: float = 0.0,
        label_thresholds: Mapping[str, float] | None = None,
        candidates: bool = False,
        incorrect_spans_key: str | None = None,
        missed_costs: Mapping[str, float] | None = None,
        spurious_costs: Mapping[str, float] | None = None,
        entity_ratio: Sequence[float] | None = None,
        entity_ratio_weight: float = 10.0,
        scorer: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        self._label_thresholds = dict(label_thresholds or {})
        check_choice("decoding", decoding, DECODING)
        for value in (threshold, *self._label_thresholds.values()):
            check_threshold(value)
        if not spans_key:
            raise ValueError(Errors.L016.format(spans_key=spans_key))
        # `spacy find-threshold` sets thresholds in `cfg`, and needs the dict there.
        super().__init__(
            vocab, model, name, labels=[], temperature=1.0, label_thresholds={}
        )
        self.scorer = scorer
        self.objective = Objective(
            incorrect_spans_key=incorrect_spans_key,
            missed_costs=dict(missed_costs or {}),
            spurious_costs=dict(spurious_costs or {}),
            entity_ratio=entity_ratio,
            entity_ratio_weight=entity_ratio_weight,
        )
        self._settings = {
            "overwrite": overwrite,
            "spans_key": spans_key,
            "decoding": decoding,
            "threshold": threshold,
            "candidates": candidates,
        }
        self._rehearsal_model: Tagger | None = None  # set by nlp.resume_training()
        apply_process_effects()

    def __setstate__(self, state: Any) -> None:
        """Unpickle the component, perhaps in another process."""
        super().__setstate__(state)
        apply_process_effects()

    def _setting(self, name: str) -> Any:
        """A setting of the factory. The config keeps it, not `cfg`, so that it can be
        changed when a pipeline is loaded; `cfg` wins where it has it (as `spacy
        find-threshold` sets it there)."""
        return self.cfg.get(name, self._settings[name])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of entities: sorted as long as the component is not initialized;
        later additions follow."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """The labels, as `spacy init labels` writes and `initialize` takes them."""
        return list(self.cfg["labels"])

    def add_label(self, label: str) -> int:
        """Add a label. An initialized model grows: what it predicts stays the same
        until it is trained on the new label.

        label (str): The label, without "B-" or "I-".
        RETURNS (int): 1, or 0 if the label is already there.
        RAISES ValueError (L013): If `label` is not a string or is empty.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(Errors.L013.format(name=self.name, label=label))
        if label in self.labels:
            return 0
        self.vocab.strings.add(label)
        self.cfg["labels"].append(label)
        if self._is_initialized():
            self.set_output(len(tag_names(self.labels)))
        else:
            self.cfg["labels"].sort()
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Set the labels and the model's weights up for training.

        get_examples (Callable[[], Iterable[Example]]): Gives a representative sample of
            examples, each time it is called.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[List[str]]): The labels, as from `spacy init labels`; None
            takes them from the examples. Labels added before are kept.
        RAISES ValueError (L010): If there are no labels.
        """
        validate_get_examples(get_examples, "LSTMNer.initialize")
        check_lexeme_norms(self.vocab, "lstm_ner")
        if labels is None:
            labels = sorted(
                {ent.label_ for eg in get_examples() for ent in eg.reference.ents}
            )
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise ValueError(Errors.L010.format(name=self.name))
        docs = [eg.predicted for eg in islice(get_examples(), 10)]
        if not any(len(doc) for doc in docs):
            docs = [Doc(self.vocab, words=["word"])]
        self.cfg["temperature"] = 1.0
        self.set_output(len(tag_names(self.labels)))
        for node in self.model.walk():
            if "build_vocabulary" in node.attrs:
                corpus = (eg.predicted for eg in get_examples())
                node.attrs["build_vocabulary"](node, corpus)
        self.model.initialize(X=docs)

    def predict(self, docs: Iterable[Doc]) -> list[list[ScoredSpan]]:
        """Find the entities of Docs, without changing them.

        docs (Iterable[Doc]): The Docs.
        RETURNS (List[List[ScoredSpan]]): The entities of each, by position, around
            those that are already there but for its own; and the candidates, if they
            are set.
        RAISES ValueError: If the model has no weights yet (L011), if scores are not
            finite (L015), or if a threshold's label is unknown (L032).
        """
        docs = list(docs)
        predicted: list[list[ScoredSpan]] = [[] for _ in docs]
        chain, tokens = self._chain(docs)
        spans = self._decode(chain, self._thresholds())
        for i, span, score, chosen in self._located(spans, tokens):
            predicted[i].append(ScoredSpan(*span, score, chosen))
        return predicted

    def set_annotations(
        self, docs: Iterable[Doc], predicted: Iterable[Sequence[ScoredSpan]]
    ) -> None:
        """Set the entities of Docs, and their confidences.

        docs (Iterable[Doc]): The Docs.
        predicted (Iterable[Sequence[ScoredSpan]]): What `predict` found in each.
        """
        overwrite, spans_key = self._setting("overwrite"), self._setting("spans_key")
        for doc, spans in zip(docs, predicted, strict=True):
            set_entities(
                doc,
                spans,
                overwrite=overwrite,
                spans_key=spans_key,
                component=self.name,
            )

    def uncertainty(self, docs: Iterable[Doc]) -> list[Uncertainty]:
        """How sure the model is of each Doc as a whole: what to annotate next, for
        instance (Culotta & McCallum 2005; Settles & Craven 2008).

        docs (Iterable[Doc]): The Docs, which the components before have processed; they
            stay as they are.
        RETURNS (List[Uncertainty]): Of each Doc, given the entities already there but
            for its own.
        """
        chain, _ = self._chain(list(docs))
        sums = PathSums(chain)
        probs = np.exp(np.minimum(sums.log_prob_of_paths(best_path(chain)), 0.0))
        pairs = zip(probs.tolist(), sums.entropy().tolist(), strict=True)
        return [Uncertainty(*pair) for pair in pairs]

    def n_best(self, docs: Iterable[Doc], n: int) -> list[list[Analysis]]:
        """The n most probable ways in which the entities of each Doc may lie.

        docs (Iterable[Doc]): The Docs, which the components before have processed; they
            stay as they are.
        n (int): How many, at least 1.
        RETURNS (List[List[Analysis]]): Of each Doc, most probable first; fewer where
            there are no more.
        RAISES ValueError (L034): If n is not positive.
        """
        docs = list(docs)
        chain, tokens = self._chain(docs)
        analyses: list[list[Analysis]] = [[] for _ in docs]
        given = [self._given(doc) for doc in docs]
        taken = [{token.i for ent in ents for token in ent} for ents in given]
        for spans, log_probs in decode_paths(chain, n):
            entities = [token_spans(ents) for ents in given]
            for i, span, _, _ in self._located(spans, tokens):
                # A given entity that the model knows is one of its spans too.
                if span.start not in taken[i]:
                    entities[i].append(span)
            for i, log_prob in enumerate(log_probs.tolist()):
                if log_prob > -math.inf:
                    analysis = Analysis(math.exp(log_prob), sorted(entities[i]))
                    analyses[i].append(analysis)
        return analyses

    def calibrate(self, examples: Iterable[Example]) -> float:
        """Fit the temperature to held-out examples, so that of all entities with the
        same confidence, that share is right (Guo et al. 2017). Entities stay the same,
        as long as they come from the best path.

        examples (Iterable[Example]): Annotated examples that the model was not trained
            on, and whose predicted Docs the components before have processed.
        RETURNS (float): The temperature, which `to_disk` keeps.
        RAISES ValueError (L050): If there is nothing to fit it to: no probable entity
            that the annotation says anything about.

        Entities are here those of the best paths; but where a cautious model has none,
        all spans that are probable at all.
        """
        none = np.zeros(len(self.labels))
        batches = []
        for batch in minibatch(examples, _BATCH_SIZE):
            docs = [eg.predicted for eg in batch]
            batches.append((batch, *self._chain(docs, temperature=1.0)))
        for decode in (decode_best_path, lambda c: decode_by_probability(c, none)):
            judged = [
                (chain, *self._judge(batch, decode(chain), tokens))
                for batch, chain, tokens in batches
            ]
            if any(part for _, _, part in judged):
                break

        def confidences_at(temperature: float) -> NDArray[np.float64]:
            return np.concatenate(
                [
                    confidences_of(chain.with_temperature(temperature), spans)
                    for chain, spans, _ in judged
                ]
                or [np.zeros(0)]
            )

        right = np.array([is_right for _, _, part in judged for is_right in part])
        if not len(right):
            raise ValueError(Errors.L050.format(name=self.name))
        self.cfg["temperature"] = fit_temperature(confidences_at, right)
        return float(self.cfg["temperature"])

    def fit_threshold(
        self, examples: Iterable[Example], *, beta: float = 1.0
    ) -> tuple[float, float]:
        """Find the threshold with the best F-score on held-out examples, one for all
        labels, for the way of decoding that is set.

        examples (Iterable[Example]): As of `calibrate`, which comes first.
        beta (float): How many times as important as precision recall is: 0.5 prefers
            precision, 2 recall.
        RETURNS (Tuple[float, float]): The threshold, and its F-score. To make it the
            setting is up to the caller.
        RAISES ValueError (L023): If beta is not positive.
        """
        no_threshold = np.zeros(len(self.labels))
        confidences: list[float] = []
        right: list[bool] = []
        n_gold = 0
        for batch in minibatch(examples, _BATCH_SIZE):
            chain, tokens = self._chain([eg.predicted for eg in batch])
            spans = self._decode(chain, no_threshold)
            spans, is_right = self._judge(batch, spans.where(spans.chosen), tokens)
            confidences += spans.confidence.tolist()
            right += is_right
            for eg in batch:
                n_gold += len(eg.reference.ents)
                for given in judge(eg, token_spans(self._given(eg.predicted))):
                    if given is not None:
                        confidences.append(1.0)  # no threshold drops it
                        right.append(given)
        return best_threshold(
            np.array(confidences, dtype="float64"),
            np.array(right, dtype=bool),
            n_gold,
            beta,
            rounding=_ROUNDING,
        )

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The batch.
        drop (float): Rate of dropout.
        sgd (Optional[Optimizer]): Changes the weights; without it gradients add up.
        losses (Optional[Dict[str, float]]): The loss is added under the component's
            name: negative log-likelihood of the annotated tags, in nats.
        RETURNS (Dict[str, float]): The losses.
        RAISES ValueError: If the model has no weights yet (L011), if gold data or costs
            have a label that the component does not know (L012, L032), if scores are
            not finite (L015), or if annotation contradicts itself (L033).
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "LSTMNer.update")
        if not any(len(eg.predicted) for eg in examples):
            return losses
        self._require_initialized("learn")
        docs = [eg.predicted for eg in examples]
        get_loss = partial(self.get_loss, examples)
        losses[self.name] += self._learn(docs, get_loss, drop, sgd)
        return losses

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.1,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Keep what was known when training was resumed: move the probabilities of the
        tag paths towards those of the model of that time, so that learning something
        new does not make it forget.

        examples (Iterable[Example]): The batch; its annotation does not matter. Texts
            with entities of new labels should not be among them: the old model holds
            that they have none.
        drop (float): Rate of dropout. 0 would turn word dropout off, too: what to do
            with unknown words, not rehearsed then, is forgotten first.
        sgd (Optional[Optimizer]): Changes the weights; without it gradients add up.
        losses (Optional[Dict[str, float]]): The loss is added under the component's
            name: cross-entropy of the paths with those of the old model, in nats.
        RETURNS (Dict[str, float]): The losses. Nothing happens without
            `nlp.resume_training()`.
        RAISES ValueError (L015): If scores are not finite.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "LSTMNer.rehearse")
        docs = [eg.predicted for eg in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        target = PathSums(self._rehearsal_model.predict(docs))
        get_loss = partial(cross_entropy, target=target)
        losses[self.name] += self._learn(docs, get_loss, drop, sgd)
        return losses

    def _learn(
        self,
        docs: list[Doc],
        get_loss: Callable[[LinearChain], tuple[float, LinearChain]],
        drop: float,
        sgd: Optimizer | None,
    ) -> float:
        """Forward, loss, backward, and a step of the optimizer if there is one."""
        set_dropout_rate(self.model, drop)
        chain, backprop = self.model.begin_update(docs)
        self._require_finite(chain, docs)
        loss, d_chain = get_loss(chain)
        backprop(d_chain)
        if sgd:  # the training loop says False for "not now"
            self.finish_update(sgd)
        return loss

    def finish_update(self, sgd: Optimizer) -> None:
        """Change the parameters by their gradients.

        sgd (Optimizer): Changes them.
        """
        super().finish_update(sgd)
        note_update(self.model)

    def get_loss(
        self, examples: Iterable[Example], scores: LinearChain
    ) -> tuple[float, LinearChain]:
        """The loss of a batch and its gradient.

        examples (Iterable[Example]): The batch.
        scores (LinearChain): The model's scores of their predicted Docs.
        RETURNS (Tuple[float, LinearChain]): As of `Objective`: negative log-likelihood
            of the annotated tags, summed over examples, in nats.
        RAISES ValueError: As `Objective`.
        """
        return self.objective(examples, scores, self.labels)

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "LSTMNer":
        """Load the component from a bytestring.

        bytes_data (bytes): From `to_bytes`.
        exclude (Iterable[str]): Parts to leave out: "vocab", "cfg" or "model".
        RETURNS (LSTMNer): The component.
        """
        self._read_labels(partial(super().from_bytes, bytes_data), exclude)
        super().from_bytes(bytes_data, exclude=exclude)
        self._store_labels()
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "LSTMNer":
        """Load the component from a folder.

        path (Union[str, Path]): From `to_disk`.
        exclude (Iterable[str]): Parts to leave out: "vocab", "cfg" or "model".
        RETURNS (LSTMNer): The component.
        """
        self._read_labels(partial(super().from_disk, path), exclude)
        super().from_disk(path, exclude=exclude)
        self._store_labels()
        return self

    def _read_labels(
        self, read: Callable[..., "LSTMNer"], exclude: Iterable[str]
    ) -> None:
        """Give a model without weights the number of tags of those that it will get,
        whatever the config says that it had before there were labels."""
        if "cfg" in exclude or "model" in exclude or self._is_initialized():
            return
        read(exclude=[*exclude, "model", "vocab"])
        n_tags = len(tag_names(self.labels))
        layer = self.model.get_ref("output_layer")
        if layer.has_dim("nO") and layer.get_dim("nO") != n_tags:
            self.set_output(n_tags)

    def _store_labels(self) -> None:
        for label in self.labels:
            self.vocab.strings.add(label)

    def _chain(
        self, docs: list[Doc], *, temperature: float | None = None
    ) -> tuple[LinearChain, list[NDArray[np.intp]]]:
        """The distribution over the tag paths of Docs, given what is known about them,
        at a temperature (the fitted one); and the tokens of each that have a tag."""
        self._require_initialized("find entities")
        tokens = [taggable(doc) for doc in docs]
        lengths = np.array([len(t) for t in tokens], dtype=np.intp)
        if not lengths.any():
            return no_tokens(lengths, len(tag_names(self.labels))), tokens
        chain = self.model.predict(docs)
        self._require_finite(chain, docs)
        if lengths.sum() < len(chain.emit):
            pairs = zip(chain.first_rows, tokens, strict=True)
            rows = np.concatenate([first + each for first, each in pairs])
            chain = chain.take(self.model.ops.xp.asarray(rows), lengths)
        chain = chain.with_temperature(temperature or self.cfg["temperature"])
        masks = [
            allowed_tags(doc, t, self.labels, self._given(doc))
            for doc, t in zip(docs, tokens, strict=True)
        ]
        if all(mask is None for mask in masks):
            return chain, tokens
        allowed = np.ones(chain.emit.shape, dtype=bool)
        for mask, end in zip(masks, np.cumsum(lengths), strict=True):
            if mask is not None:
                allowed[end - len(mask) : end] = mask
        return chain.constrain(allowed), tokens

    def _decode(
        self, chain: LinearChain, thresholds: NDArray[np.float64]
    ) -> DecodedSpans:
        """The spans that the settings ask for."""
        if self._setting("decoding") == "probability":
            spans = decode_by_probability(chain, thresholds)
        else:
            spans = decode_best_path(chain)
            spans = spans.where(spans.confidence >= thresholds[spans.label])
            if self._setting("candidates"):
                probable = decode_by_probability(chain, thresholds)
                spans = merge_candidates(spans, probable)
        return spans if self._setting("candidates") else spans.where(spans.chosen)

    def _thresholds(self) -> NDArray[np.float64]:
        """The threshold of each label."""
        thresholds = dict.fromkeys(self.labels, self._setting("threshold"))
        of_labels = {**self._label_thresholds, **self.cfg["label_thresholds"]}
        for label, threshold in of_labels.items():
            if label not in thresholds:
                message = Errors.L032.format(
                    name="label_thresholds", label=label, labels=list(self.labels)
                )
                raise ValueError(message)
            thresholds[label] = threshold
        return np.array(list(thresholds.values()), dtype="float64")

    def _located(
        self, spans: DecodedSpans, tokens: list[NDArray[np.intp]]
    ) -> Iterator[tuple[int, TokenSpan, float, bool]]:
        """Number of the Doc of each span, its tokens there, confidence, and whether it
        is chosen."""
        labels = self.labels
        for i, start, end, label, score, chosen in zip(
            *(array.tolist() for array in spans), strict=True
        ):
            first, last = int(tokens[i][start]), int(tokens[i][end - 1])
            yield i, TokenSpan(first, last + 1, labels[label]), score, chosen

    def _judge(
        self,
        examples: Sequence[Example],
        spans: DecodedSpans,
        tokens: list[NDArray[np.intp]],
    ) -> tuple[DecodedSpans, list[bool]]:
        """Which spans are right, of those that are not given and that the reference
        tells something about."""
        found: list[list[TokenSpan]] = [[] for _ in examples]
        for i, span, _, _ in self._located(spans, tokens):
            found[i].append(span)
        judged: list[bool | None] = []
        for eg, part in zip(examples, found, strict=True):
            # A given entity that the model knows is one of its spans too.
            taken = {token.i for ent in self._given(eg.predicted) for token in ent}
            is_right = iter(judge(eg, [s for s in part if s.start not in taken]))
            judged += [None if s.start in taken else next(is_right) for s in part]
        is_known = np.array([right is not None for right in judged], dtype=bool)
        return spans.where(is_known), [right for right in judged if right is not None]

    def _given(self, doc: Doc) -> list[Span]:
        """The entities of a Doc that the component takes as they are."""
        if self._setting("overwrite"):
            return []
        return given_entities(doc, self._setting("spans_key"), self.name)

    def _require_finite(self, chain: LinearChain, docs: Sequence[Doc]) -> None:
        where = chain.find_non_finite()
        if where is not None:
            i, token = where
            raise ValueError(
                Errors.L015.format(
                    name=self.name,
                    i=i,
                    text=docs[i].text[:50],
                    token=token,
                    word=docs[i][token].text,
                )
            )

    def _is_initialized(self) -> bool:
        layer = self.model.get_ref("output_layer")
        return all(layer.has_param(name) for name in layer.param_names)

    def _require_initialized(self, action: str) -> None:
        if not self._is_initialized():
            message = Errors.L011.format(name=self.name, action=action)
            raise NotInitializedError(message)


class NotInitializedError(ValueError, KeyError):
    """The component has no weights yet.

    A ValueError with a message for the user; a KeyError as well, because that is what
    `nlp(text)` turns into spaCy's own error for this case, E109.
    """

    def __str__(self) -> str:
        return str(self.args[0])
