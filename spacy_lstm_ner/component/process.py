"""Effects of the component on its whole process.

Each component, made or unpickled, calls `apply_process_effects`:

- `Span._.confidence` is registered. If there is such an extension already, it stays,
  and a warning tells it.
- glibc's allocator keeps up to 64 MB of freed memory, so that the next batch does not
  page it in again.
- srsly's registries of msgpack encoders keep the functions that they have found, so
  that Docs are packed and unpacked faster.

Set the environment variable `SPACY_LSTM_NER_PROCESS_EFFECTS=0` to turn all of them off.
`spacy_lstm_ner.confidence(span)` works in either case.
"""

import os
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import catalogue
import numpy as np
from spacy.tokens import Span
from srsly import msgpack

from ..errors import Warnings
from .confidences import confidence

_NAME = "confidence"

SWITCH = "SPACY_LSTM_NER_PROCESS_EFFECTS"

Functions = dict[str, Callable[..., Any]]


def apply_process_effects() -> None:
    """Apply the effects to this process, unless they are turned off."""
    if os.environ.get(SWITCH) == "0":
        return
    if not Span.has_extension(_NAME):
        Span.set_extension(_NAME, getter=confidence)
    warn_of_other_extension()
    _keep_freed_memory()
    _keep_encoders()


def warn_of_other_extension() -> None:
    """Warn if `Span._.confidence` belongs to somebody else (L506), registered before or
    after ours. Its values are not the confidences of this package."""
    if os.environ.get(SWITCH) != "0" and Span.has_extension(_NAME):
        _, _, getter, _ = Span.get_extension(_NAME)
        if getter is not confidence:
            warnings.warn(Warnings.L506, stacklevel=3)


@cache
def _keep_freed_memory() -> None:
    """Let the process keep the memory that one batch frees for the next one.

    glibc returns free memory at the end of the heap to the system, beyond twice the
    largest block freed so far. One freed block of 32 MB, which is never written to,
    raises that limit to 64 MB.
    """
    np.empty(2**25 - 2**16, dtype=np.uint8)


def _keep_encoders() -> None:
    """Let srsly's registries keep the functions that they have found. srsly looks them
    up with each call, among the entry points of all installed packages."""
    for name in ("msgpack_encoders", "msgpack_decoders"):
        registry = getattr(msgpack, name, None)
        if registry and not isinstance(registry.get_all, _KeptFunctions):
            registry.get_all = _KeptFunctions(registry)


class _KeptFunctions:
    """Replaces `get_all` of a registry: looks functions up again only if one has been
    registered or removed since. Entry points do not change within a process."""

    def __init__(self, registry: catalogue.Registry) -> None:
        self._namespace = tuple(registry.namespace)
        self._look_up: Callable[[], Functions] = registry.get_all
        self._n_registered = -1
        self._found: Functions = {}

    def __call__(self) -> Functions:
        registered = catalogue.REGISTRY
        n_registered = len(registered)
        if n_registered != self._n_registered or not all(
            registered.get((*self._namespace, name)) is function
            for name, function in self._found.items()
        ):
            self._found = self._look_up()
            self._n_registered = n_registered  # last, because threads may share this
        return dict(self._found)
