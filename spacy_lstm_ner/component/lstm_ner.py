"""The pipeline component `lstm_ner`: predict, set annotations, learn."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from typing import Any, cast

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import check_lexeme_norms, minibatch
from spacy.vocab import Vocab
from thinc.api import Optimizer, set_dropout_rate

from ..architectures import Tagger
from ..chains.linear_chain import Gradient, LinearChain
from ..chains.losses import cross_entropy
from ..errors import Errors, Warnings
from ..layers.words.cache import clear_cache
from . import analysis, objective
from .advice import warn_of_corpus, warn_of_unused_vectors
from .analysis import Analysis, Calibration, Uncertainty
from .annotations import ScoredSpan, set_entities
from .doc_paths import DocPaths, find_paths, require_finite
from .facts import (
    CALIBRATION,
    FACTS,
    INITIALIZATION,
    CorpusSize,
    facts_of_initialization,
    write_meta,
)
from .gold import new_labels
from .origin import sign
from .process import apply_process_effects, warn_of_other_extension
from .saving import SavedTagger
from .settings import Settings, WithSettings
from .white_space import warning_of_white_space

# Number of Docs that are scored at once if the caller gives no batches.
_BATCH_SIZE = 256


class NotInitializedError(ValueError, KeyError):
    """The component has no weights yet. `nlp(text)` converts the KeyError to E109."""

    def __str__(self) -> str:
        return str(self.args[0])


class LSTMNer(WithSettings, SavedTagger):
    """Named entity recognizer: an LSTM tagger whose BIO tags become `doc.ents`.

    model (Model[List[Doc], LinearChain]): The tagger.
    name (str): Name of the component in the pipeline, and of its loss.
    settings (Settings): The settings of the config. Each is also an attribute.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Tagger,
        name: str = "lstm_ner",
        *,
        settings: Settings = Settings(),  # noqa: B008 (immutable)
        scorer: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        cfg = {**asdict(settings), "config": settings.config(), FACTS: {}}
        super().__init__(vocab, model, name, labels=[], **cfg)
        self._settings = settings
        self.set_labels([])
        self.scorer = scorer
        self._rehearsal_model: Tagger | None = None  # set by nlp.resume_training()
        apply_process_effects()

    def __setstate__(self, state: Any) -> None:
        """Unpickle the component, perhaps in another process."""
        super().__setstate__(state)
        apply_process_effects()

    @property
    def settings(self) -> Settings:
        """The settings in effect, checked if one has changed."""
        values = {name: self.cfg[name] for name in vars(self._settings)}
        if values != vars(self._settings):
            self._settings = Settings(**deepcopy(values))
        return self._settings

    def write_settings(self, config: dict[str, Any]) -> None:
        """Write the settings in effect to a config.

        config (Dict[str, Any]): The component's block, `nlp.get_pipe_config(name)`.
        """
        config.update(self.settings.config())
        self.cfg["config"] = self.settings.config()

    @property
    def facts(self) -> dict[str, Any]:
        """What the component knows of its initialization and calibration, as
        `facts.py` describes. Saved with it."""
        return deepcopy(self.cfg[FACTS])

    def add_label(self, label: str) -> int:
        """Add a label. An initialized model grows; its predictions stay the same until
        it is trained on the new label.

        RETURNS (int): 1, or 0 if the label is already there.
        RAISES ValueError (L013): If `label` is not a string or is empty.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(Errors.L013.format(name=self.name, label=label))
        if label in self.labels:
            return 0
        self.vocab.strings.add(label)
        labels = [*self.labels, label]
        self.set_labels(labels if self.is_initialized else sorted(labels))
        if self.is_initialized:
            self._fit_output()
        return 1

    def _fit_output(self) -> None:
        """Give the model a pair of tags for each label."""
        self.set_output(self.tag_set.n_tags)
        sign(self.model, self.labels)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Set up the labels and the model's weights for training.

        get_examples (Callable): Returns the training examples, each time it is called.
        labels (Optional[List[str]]): The labels, as from `spacy init labels`; None
            takes them from the examples. Labels added before are kept. Without any,
            training adds those that it meets (L504).
        nlp (Optional[Language]): The pipeline, whose meta gets the `facts`.
        """
        validate_get_examples(get_examples, "LSTMNer.initialize")
        check_lexeme_norms(self.vocab, "lstm_ner")
        corpus = None
        if labels is None:
            corpus = CorpusSize()
            examples = corpus.counting(get_examples())
            examples = warning_of_white_space(examples, "the training texts")
            labels = new_labels(examples, self.tag_set)
            warn_of_corpus(corpus, self.settings, self.name)
        else:
            sample = CorpusSize.sample(get_examples())
            warn_of_corpus(sample, self.settings, self.name)
        for label in labels:
            self.add_label(label)
        self.cfg[FACTS] = {INITIALIZATION: facts_of_initialization(corpus, nlp)}
        if nlp is not None:
            write_meta(nlp, self.name, self.facts)
            warn_of_unused_vectors(nlp, self.name)
        if not self.labels:
            warnings.warn(Warnings.L504.format(name=self.name), stacklevel=2)
        docs = [eg.predicted for eg in islice(get_examples(), 10)]
        if not any(map(len, docs)):
            docs = [Doc(self.vocab, words=["word"])]
        self.temperature = 1.0
        self._fit_output()
        for node in self.model.walk():
            if "build_vocabulary" in node.attrs:
                texts = (eg.predicted for eg in get_examples())
                node.attrs["build_vocabulary"](node, texts)
        self.model.initialize(X=docs)

    def predict(self, docs: Iterable[Doc]) -> list[list[ScoredSpan]]:
        """Find the entities of Docs, without changing them.

        RETURNS (List[List[ScoredSpan]]): For each Doc, by position, the entities beside
            those that are already there, and the candidates, if they are set.
        RAISES ValueError: As `paths`, if a setting is out of its range, or if a
            threshold's label is unknown (L032).
        """
        settings = self.settings
        return self.paths(docs, settings).entities(settings)

    def set_annotations(
        self, docs: Iterable[Doc], predicted: Iterable[Sequence[ScoredSpan]]
    ) -> None:
        """Set the entities of Docs, and their confidences.

        predicted (Iterable[Sequence[ScoredSpan]]): What `predict` found in each.
        """
        warn_of_other_extension()
        set_entities(docs, predicted, self.settings, self.name)

    def paths(self, docs: Iterable[Doc], settings: Settings) -> DocPaths:
        """The distribution over the tag paths of Docs, as `find_paths`.

        RAISES ValueError: If the model has no weights yet (L011), or if scores are not
            finite (L015).
        """
        self._require_initialized("find entities")
        return find_paths(self.model, list(docs), self.tag_set, settings, self.name)

    def uncertainty(self, docs: Iterable[Doc]) -> list[Uncertainty]:
        """How uncertain the model is about each Doc, given its preset entities: what to
        annotate next, for instance (Culotta & McCallum 2005; Settles & Craven 2008).

        docs (Iterable[Doc]): The Docs, processed by the components before.
        """
        return analysis.uncertainty(self.paths(docs, self.settings))

    def n_best(self, docs: Iterable[Doc], n: int) -> list[list[Analysis]]:
        """The n most probable sets of entities of each Doc, as `analysis.n_best`.

        docs (Iterable[Doc]): The Docs, processed by the components before.
        """
        return analysis.n_best(self.paths(docs, self.settings), n)

    def calibrate(
        self, examples: Iterable[Example], *, beta: float | None = None
    ) -> Calibration:
        """Fit the temperature to held-out examples, so that of the entities with the
        same confidence, this share is right (Guo et al. 2017). Entities of the best
        path stay the same.

        With beta, also decode by probability from now on, with the threshold of the
        best F-score instead of all thresholds that are set.

        examples (Iterable[Example]): Held-out examples; the components before have
            processed their predicted Docs.
        beta (Optional[float]): How many times as important as precision recall is: 0.5
            prefers precision, 2 recall. None keeps the decoding.
        RETURNS (Calibration): The fitted values, which are set and saved.
        RAISES ValueError: If beta is not positive (L023), there are no examples (L054),
            or no probable entity is annotated (L050). Then nothing is changed.
        """
        batches = self._batches(examples, replace(self.settings, temperature=1.0))
        fitted = analysis.calibration(batches, beta)
        if fitted is None:
            raise ValueError(Errors.L050.format(name=self.name))
        self.temperature = fitted.temperature
        if fitted.threshold is not None:
            self.decoding, self.label_thresholds = "probability", {}
            self.threshold = fitted.threshold
        self.cfg[FACTS][CALIBRATION] = fitted._asdict()
        return fitted

    def fit_threshold(
        self, examples: Iterable[Example], *, beta: float = 1.0
    ) -> tuple[float, float]:
        """Find the threshold with the best F-score on held-out examples, one for all
        labels, for the decoding that is set. It is not made the setting.

        examples, beta: As of `calibrate`, which comes first.
        RETURNS (Tuple[float, float]): The threshold and its F-score.
        RAISES ValueError: If beta is not positive (L023), or if there are no examples
            (L054).
        """
        batches = self._batches(examples, replace(self.settings, temperature=1.0))
        settings = replace(
            self.settings, threshold=0.0, label_thresholds={}, candidates=False
        )
        return analysis.fitted_threshold(batches, settings, beta)

    def _batches(
        self, examples: Iterable[Example], settings: Settings
    ) -> list[analysis.Batch]:
        examples = warning_of_white_space(examples, "the held-out texts")
        batches = [
            (batch, self.paths([eg.predicted for eg in batch], settings))
            for batch in minibatch(examples, _BATCH_SIZE)
        ]
        if not batches:
            raise ValueError(Errors.L054)
        return batches

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of examples. Labels that are new are added (L505).

        sgd (Optional[Optimizer]): Changes the weights; without it, gradients add up.
        losses (Optional[Dict[str, float]]): The loss is added under the name.
        RAISES ValueError: As `paths` and `objective.get_loss`.
        """
        examples = _checked(examples, "LSTMNer.update")
        docs = [eg.predicted for eg in examples]
        if any(map(len, docs)):
            self._require_initialized("learn")
            for label in new_labels(examples, self.tag_set):
                message = Warnings.L505.format(name=self.name, label=label)
                warnings.warn(message, stacklevel=2)
                self.add_label(label)
        get_loss = partial(self.get_loss, examples)
        return self._learn(docs, get_loss, drop, sgd, losses)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.1,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Move the probabilities of the tag paths towards those at the time of
        `nlp.resume_training()`, so that the model does not forget while it learns.
        Does nothing without `nlp.resume_training()`.

        examples (Iterable[Example]): Texts without entities of new labels, because the
            old model finds none there. Their annotation does not count.
        drop (float): Dropout rate. At 0 unknown words are not rehearsed.
        sgd (Optional[Optimizer]): Changes the weights; without it, gradients add up.
        losses (Optional[Dict[str, float]]): Cross-entropy with the old paths is added.
        RAISES ValueError (L015): If scores are not finite.
        """
        examples = _checked(examples, "LSTMNer.rehearse")
        old_model: Any = self._rehearsal_model
        if old_model is None:
            examples = []
        docs = [eg.predicted for eg in examples]

        def get_loss(chain: LinearChain) -> tuple[float, Gradient]:
            return cross_entropy(chain, target=old_model.predict(docs))

        return self._learn(docs, get_loss, drop, sgd, losses)

    def _learn(
        self,
        docs: list[Doc],
        get_loss: Callable[[LinearChain], tuple[float, Gradient]],
        drop: float,
        sgd: Optimizer | None,
        losses: dict[str, float] | None,
    ) -> dict[str, float]:
        """Forward, loss, backward, and a step of the optimizer if there is one."""
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        if not any(map(len, docs)):
            return losses
        set_dropout_rate(self.model, drop)
        chain, backprop = self.model.begin_update(docs)
        require_finite(chain, docs, self.name)
        loss, d_chain = get_loss(chain)
        backprop(d_chain)
        losses[self.name] += loss
        if sgd:  # spaCy's training loop passes False to gather gradients
            self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Change the parameters by their gradients."""
        super().finish_update(sgd)
        self.cfg[FACTS].pop(CALIBRATION, None)
        self.clear_cache()

    def clear_cache(self) -> None:
        """Drop the vectors of words that the model keeps from batch to batch. Needed
        only if a few weights of a large array were changed in place."""
        clear_cache(self.model)

    def get_loss(
        self, examples: Iterable[Example], scores: LinearChain
    ) -> tuple[float, Gradient]:
        """The loss of a batch and its gradient, as `objective.get_loss`.

        scores (LinearChain): The model's scores for their predicted Docs.
        """
        examples = list(examples)
        return objective.get_loss(examples, scores, self.tag_set, self.settings)

    def _require_initialized(self, action: str) -> None:
        if not self.is_initialized:
            message = Errors.L011.format(name=self.name, action=action)
            raise NotInitializedError(message)


def _checked(examples: Any, method: str) -> list[Example]:
    """Examples as a list; spaCy's TypeError (E978) if they are something else."""
    found: Any = list(examples) if isinstance(examples, Iterable) else examples
    validate_examples(found, method)
    return cast(list[Example], found)
