"""Named entity recognition for spaCy with an LSTM tagger.

spaCy finds every factory, architecture, layer, scorer and reader of the installed
package by its registered name. The names below are for use in Python. They are loaded
at first use, because spaCy imports this package for each pipeline.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .component.analysis import Analysis, Calibration, Uncertainty
    from .component.confidences import confidence
    from .component.lstm_ner import LSTMNer
    from .data.conll import ConllCorpus

    __version__: str

_HOMES = {
    "Analysis": "component.analysis",
    "Calibration": "component.analysis",
    "ConllCorpus": "data.conll",
    "LSTMNer": "component.lstm_ner",
    "Uncertainty": "component.analysis",
    "confidence": "component.confidences",
}

__all__ = [
    "Analysis",
    "Calibration",
    "ConllCorpus",
    "LSTMNer",
    "Uncertainty",
    "confidence",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return metadata.version("spacy-lstm-ner")
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
