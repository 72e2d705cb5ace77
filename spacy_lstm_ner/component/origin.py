"""What a saved model says of itself: the labels that its weights were trained for, and
the version of this package.

The component's labels are saved apart from the weights, in the file "cfg". Weights that
are loaded with other labels, or another order of them, would give entities wrong names.
A checksum in "cfg" tells weights that are damaged or come from another pipeline.
"""

import zlib
from collections.abc import Sequence
from importlib import metadata
from itertools import zip_longest

import srsly

from ..architectures import Tagger
from ..errors import Errors

# The versions whose weights this version reads, by their first two numbers.
READABLE = ("0.1",)

_PACKAGE = "spacy-lstm-ner"
_LABELS, _VERSION = "labels", "version"
# In the file "cfg": the CRC-32 of the saved weights. It tells damage, not forgery.
CHECKSUM = "checksum"


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


def check_files(cfg: bytes | None, model: bytes | None, component: str) -> None:
    """Refuse saved settings that can't be read, and weights that are not the ones that
    were saved with them.

    cfg (Optional[bytes]): The content of the file "cfg", or None.
    model (Optional[bytes]): The content of the file "model", or None.
    component (str): Its name.
    RAISES ValueError: If the settings can't be read (L056), or if the weights have
        another checksum than these name (L057).
    """
    if cfg is None:
        return
    try:
        settings = srsly.json_loads(cfg)
    except ValueError as err:  # UnicodeDecodeError is one
        raise ValueError(Errors.L056.format(name=component, reason=err)) from err
    labels = settings.get("labels") if isinstance(settings, dict) else None
    if not (
        isinstance(labels, list)
        and all(isinstance(label, str) and label for label in labels)
        and isinstance(settings.get("config"), dict)
    ):
        reason = "expected 'labels', a list of strings, and 'config'"
        raise ValueError(Errors.L056.format(name=component, reason=reason))
    expected = settings.get(CHECKSUM)
    if model is None or expected is None:
        return
    found = zlib.crc32(model)
    if found != expected:
        message = Errors.L057.format(name=component, found=found, expected=expected)
        raise ValueError(message)


def check_origin(model: Tagger, labels: Sequence[str], component: str) -> None:
    """Refuse loaded weights that belong to other labels, or are of a version that this
    one can't read.

    labels (Sequence[str]): The labels of the component, in their order.
    component (str): Its name.
    RAISES ValueError: If the version can't be read (L052), or the labels differ (L051).
    """
    version = model.attrs.get(_VERSION)
    if ".".join(str(version).split(".")[:2]) not in READABLE:
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
