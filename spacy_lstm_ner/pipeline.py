"""The pipeline component `lstm_ner`: predict, set annotations, learn, save."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import check_lexeme_norms
from spacy.vocab import Vocab
from thinc.api import Config, Optimizer, set_dropout_rate

from .architectures import Tagger
from .bio import split_tag, tag_names
from .decode import decode_best_path
from .ents import (
    ScoredSpan,
    allowed_tags,
    confidence,
    gold_tags,
    set_entities,
    taggable,
)
from .errors import Errors
from .linear_chain import LinearChain, PathSums
from .losses import cross_entropy, negative_log_likelihood

DEFAULT_CONFIG = """
[model]
@architectures = "spacy_lstm_ner.LSTMTagger.v1"
nO = null

[model.tok2vec]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = false

[model.encode]
@architectures = "spacy_lstm_ner.LSTMEncoder.v1"
width = 192
depth = 2
bidirectional = true
dropout = null
skip = true
grad_clip = null

[model.decode]
@layers = "spacy_lstm_ner.LogSoftmax.v1"
"""
DEFAULT_MODEL = Config().from_str(DEFAULT_CONFIG)["model"]


@Language.factory(
    "lstm_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "overwrite": False,
        "spans_key": "lstm_ner",
        "threshold": 0.0,
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
    threshold: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> "LSTMNer":
    """Make a named entity recognizer with an LSTM tagger (factory `lstm_ner`).

    nlp, name, model, overwrite, spans_key, threshold, scorer: As of `LSTMNer`.
    RETURNS (LSTMNer): The component.
    """
    return LSTMNer(
        nlp.vocab,
        model,
        name,
        overwrite=overwrite,
        spans_key=spans_key,
        threshold=threshold,
        scorer=scorer,
    )


class LSTMNer(TrainablePipe):
    """Named entity recognizer: an LSTM tagger whose BIO tags become `doc.ents`.

    vocab (Vocab): The shared vocabulary.
    model (Model[List[Doc], LinearChain]): The tagger.
    name (str): Name of the component in the pipeline, and of its loss.
    overwrite (bool): Replace entities that are already on the Doc; else they stay,
        and the other entities are found around them.
    spans_key (str): Name of the span group that gets the entities together with their
        confidences, `doc.spans[spans_key].attrs["scores"]`.
    threshold (float): Entities below this confidence are left out; 0 to 1.
    scorer (Optional[Callable]): The scoring method.
    RAISES ValueError: If a setting is out of its range (L014, L016).
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Tagger,
        name: str = "lstm_ner",
        *,
        overwrite: bool = False,
        spans_key: str = "lstm_ner",
        threshold: float = 0.0,
        scorer: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(Errors.L014.format(threshold=threshold))
        if not spans_key:
            raise ValueError(Errors.L016.format(spans_key=spans_key))
        super().__init__(vocab, model, name, labels=[])
        self.scorer = scorer
        self._settings = {
            "overwrite": overwrite,
            "spans_key": spans_key,
            "threshold": threshold,
        }
        self._rehearsal_model: Tagger | None = None  # set by nlp.resume_training()

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
        self.set_output(len(tag_names(self.labels)))
        self.model.initialize(X=docs)

    def predict(self, docs: Iterable[Doc]) -> list[list[ScoredSpan]]:
        """Find the entities of Docs, without changing them.

        docs (Iterable[Doc]): The Docs.
        RETURNS (List[List[ScoredSpan]]): The entities of each, by position, around
            those that are already there.
        RAISES NotInitializedError (L011): If the model has no weights yet.
        """
        docs = list(docs)
        self._require_initialized("find entities")
        predicted: list[list[ScoredSpan]] = [[] for _ in docs]
        if not any(len(doc) for doc in docs):
            return predicted
        tokens = [taggable(doc) for doc in docs]
        chain = self._constrain(self.model.predict(docs), docs, tokens)
        spans = decode_best_path(chain)
        labels, threshold = self.labels, self._setting("threshold")
        for i, start, end, label, score in zip(
            *(array.tolist() for array in spans), strict=True
        ):
            if score >= threshold:
                first, last = tokens[i][start], tokens[i][end - 1]
                predicted[i].append(
                    ScoredSpan(int(first), int(last) + 1, labels[label], score)
                )
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
            set_entities(doc, spans, overwrite=overwrite, spans_key=spans_key)

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
        RAISES ValueError: If the model has no weights yet (L011), if gold data has a
            label that the component does not know (L012), or if scores are not finite
            (L015).
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
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Keep what was known when training was resumed: move the probabilities of the
        tag paths towards those of the model of that time, so that learning something
        new does not make it forget.

        examples (Iterable[Example]): The batch; its annotation does not matter.
        drop (float): Rate of dropout.
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
        if not self.model.ops.xp.isfinite(chain.emit).all():
            raise ValueError(Errors.L015.format(name=self.name))
        loss, d_chain = get_loss(chain)
        backprop(d_chain)
        if sgd:  # the training loop says False for "not now"
            self.finish_update(sgd)
        return loss

    def get_loss(
        self, examples: Iterable[Example], scores: LinearChain
    ) -> tuple[float, LinearChain]:
        """The loss of a batch and its gradient.

        examples (Iterable[Example]): The batch.
        scores (LinearChain): The model's scores of their predicted Docs.
        RETURNS (Tuple[float, LinearChain]): Negative log-likelihood of the annotated
            tags, summed over examples, in nats. Tokens without annotation may have any
            tag; examples without any have neither loss nor gradient.
        RAISES ValueError (L012): If gold data has a label that the component does not
            know.
        """
        xp = self.model.ops.xp
        number: dict[str | None, int]
        number = {tag: i for i, tag in enumerate(tag_names(self.labels))}
        every_tag = np.ones(len(number), dtype=bool)
        only_tag = np.eye(len(number), dtype=bool)
        rows, allowed, lengths = [], [], []
        first = 0
        for i, eg in enumerate(examples):
            tags = gold_tags(eg)
            if any(tags):
                tokens = taggable(eg.predicted)
                rows.append(first + tokens)
                lengths.append(len(tokens))
                for tag in (tags[token] for token in tokens):
                    if tag is not None and tag not in number:
                        raise ValueError(self._unknown_label(tag, i, eg))
                    allowed.append(every_tag if tag is None else only_tag[number[tag]])
            first += len(tags)
        d_emit = xp.zeros_like(scores.emit)
        if not rows:
            zeros = (xp.zeros_like(a) for a in (scores.move, scores.start, scores.end))
            return 0.0, LinearChain(d_emit, scores.lengths, *zeros)
        annotated = xp.asarray(np.concatenate(rows))
        chain = scores.take(annotated, np.array(lengths))
        loss, d_chain = negative_log_likelihood(chain, np.stack(allowed))
        d_emit[annotated] = d_chain.emit
        return loss, replace(d_chain, emit=d_emit, lengths=scores.lengths)

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "LSTMNer":
        """Load the component from a bytestring.

        bytes_data (bytes): From `to_bytes`.
        exclude (Iterable[str]): Parts to leave out: "vocab", "cfg" or "model".
        RETURNS (LSTMNer): The component.
        """
        super().from_bytes(bytes_data, exclude=exclude)
        self._store_labels()
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "LSTMNer":
        """Load the component from a folder.

        path (Union[str, Path]): From `to_disk`.
        exclude (Iterable[str]): Parts to leave out: "vocab", "cfg" or "model".
        RETURNS (LSTMNer): The component.
        """
        super().from_disk(path, exclude=exclude)
        self._store_labels()
        return self

    def _store_labels(self) -> None:
        for label in self.labels:
            self.vocab.strings.add(label)

    def _constrain(
        self, chain: LinearChain, docs: list[Doc], tokens: list[NDArray[np.intp]]
    ) -> LinearChain:
        """Leave out tokens without a tag, and rule out what the Docs rule out."""
        lengths = np.array([len(t) for t in tokens])
        if lengths.sum() < len(chain.emit):
            firsts = np.cumsum(chain.lengths) - chain.lengths
            rows = np.concatenate([f + t for f, t in zip(firsts, tokens, strict=True)])
            chain = chain.take(self.model.ops.xp.asarray(rows), lengths)
        overwrite = self._setting("overwrite")
        masks = [
            allowed_tags(doc, t, self.labels, overwrite=overwrite)
            for doc, t in zip(docs, tokens, strict=True)
        ]
        if all(mask is None for mask in masks):
            return chain
        allowed = np.ones(chain.emit.shape, dtype=bool)
        for mask, end in zip(masks, np.cumsum(lengths), strict=True):
            if mask is not None:
                allowed[end - len(mask) : end] = mask
        return chain.restrict(allowed)

    def _is_initialized(self) -> bool:
        layer = self.model.get_ref("output_layer")
        return all(layer.has_param(name) for name in layer.param_names)

    def _require_initialized(self, action: str) -> None:
        if not self._is_initialized():
            message = Errors.L011.format(name=self.name, action=action)
            raise NotInitializedError(message)

    def _unknown_label(self, tag: str, i: int, eg: Example) -> str:
        return Errors.L012.format(
            label=split_tag(tag)[1],
            i=i,
            text=eg.reference.text[:50],
            name=self.name,
            labels=list(self.labels),
        )


class NotInitializedError(ValueError, KeyError):
    """The component has no weights yet.

    A ValueError with a message for the user; a KeyError as well, because that is what
    `nlp(text)` turns into spaCy's own error for this case, E109.
    """

    def __str__(self) -> str:
        return str(self.args[0])


if not Span.has_extension("confidence"):
    Span.set_extension("confidence", getter=confidence)
