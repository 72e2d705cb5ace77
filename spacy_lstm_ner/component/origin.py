"""What a saved model says of itself: the labels that its weights were trained for, and
the version of this package.

The component's labels are saved apart from the weights, in the file "cfg". Weights that
are loaded with other labels, or another order of them, would give entities wrong names.
"""

from collections.abc import Sequence
from importlib import metadata
from itertools import zip_longest

from ..architectures import Tagger
from ..errors import Errors

# The versions whose weights this version reads, by their first two numbers.
READABLE = ("0.1",)

_PACKAGE = "spacy-lstm-ner"
_LABELS, _VERSION = "labels", "version"


def sign(model: Tagger, labels: Sequence[str]) -> None:
    """Note labels and version; they are saved with the weights.

    labels (Sequence[str]): The labels of the component, in their order.
    """
    model.attrs[_LABELS] = list(labels)
    model.attrs[_VERSION] = metadata.version(_PACKAGE)


def unsign(model: Tagger) -> None:
    """Forget labels and version, before others are loaded."""
    for name in (_LABELS, _VERSION):
        model.attrs.pop(name, None)


def check_origin(model: Tagger, labels: Sequence[str], component: str) -> None:
    """Refuse loaded weights that belong to other labels, or are of a version that this
    one can't read.

    labels (Sequence[str]): The labels of the component, in their order.
    component (str): Its name.
    RAISES ValueError: If the version can't be read (L052), or the labels differ (L051).
    """
    version = model.attrs.get(_VERSION)
    if not isinstance(version, str) or not _is_readable(version):
        message = Errors.L052.format(
            name=component,
            found=version,
            version=metadata.version(_PACKAGE),
            readable=", ".join(READABLE),
        )
        raise ValueError(message)
    trained = model.attrs.get(_LABELS, [])
    for i, (theirs, ours) in enumerate(zip_longest(trained, labels)):
        if theirs != ours:
            message = Errors.L051.format(
                name=component,
                n_trained=len(trained),
                n_found=len(labels),
                trained=theirs,
                found=ours,
                i=i,
            )
            raise ValueError(message)


def _is_readable(version: str) -> bool:
    return ".".join(version.split(".")[:2]) in READABLE
