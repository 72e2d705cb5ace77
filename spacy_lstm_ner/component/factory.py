"""The factory `lstm_ner`, with the default config."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language
from thinc.api import Config

from ..architectures import Tagger
from .lstm_ner import LSTMNer
from .settings import Settings

DEFAULT_CONFIG = """
[model]
@architectures = "spacy_lstm_ner.LSTMTagger.v1"
nO = null
window = 512
overlap = 64

[model.tok2vec]
@architectures = "spacy_lstm_ner.WordCharEmbed.v1"
width = 64
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [2500, 500, 1000, 1000]
char_width = 0
include_static_vectors = false
word_dropout = 0.0
rare_dropout = null
fine_tune_vectors = false
word_table = "packaged"
clusters = null
char_kind = "lstm"
cache_bytes = 8000000

[model.encode]
@architectures = "spacy_lstm_ner.LSTMEncoder.v1"
width = 128
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
DEFAULT_MODEL = Config().from_str(DEFAULT_CONFIG)["model"]


@Language.factory(
    "lstm_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        **Settings().config(),
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
) -> LSTMNer:
    """Make a named entity recognizer with an LSTM tagger (factory `lstm_ner`). The
    arguments are those of `LSTMNer` and `Settings`."""
    settings = Settings(
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
    )
    return LSTMNer(nlp.vocab, model, name, settings=settings, scorer=scorer)
