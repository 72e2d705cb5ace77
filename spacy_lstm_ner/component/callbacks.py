"""Between spaCy's pretraining on raw text and training."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language

from ..layers.words.frequencies import forget_counts


def make_forget_raw_text() -> Callable[[Language], Language]:
    """`[initialize.after_init]` of pipelines that start from pretrained layers: what
    stands in the raw text counts as not met until training meets it.

    The weights of pretraining come with the counts that `rare_dropout` goes by. Left
    there, they would keep nothing hidden of what the annotated texts never show.

    RETURNS (Callable[[Language], Language]): Called with the initialized pipeline; does
        nothing where `init_tok2vec` names no weights.
    """
    return _forget_raw_text


def _forget_raw_text(nlp: Language) -> Language:
    config = nlp.config.interpolate()
    if config["pretraining"] and config["initialize"]["init_tok2vec"] is not None:
        pipe: Any = nlp.get_pipe(config["pretraining"]["component"])
        forget_counts(pipe.model)
    return nlp
