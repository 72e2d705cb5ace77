"""Quicker bytes of Docs.

spaCy packs Docs with srsly, which asks two registries with each call how to encode and
decode what msgpack can't, and they look through all functions that are registered
anywhere and all entry points of all packages that are installed: a tenth to a fifth of
a millisecond. A Doc with a span group takes three calls each way. Of short texts,
`nlp.pipe(n_process=2)` spends most of its time there.
"""

from collections.abc import Callable
from typing import Any

import catalogue
from srsly import msgpack

Functions = dict[str, Callable[..., Any]]


def keep_encoders() -> None:
    """Let srsly's registries keep what they have found, in this process.

    They look again when any function has been registered since. Entry points never
    change within a process.
    """
    for name in ("msgpack_encoders", "msgpack_decoders"):
        registry = getattr(msgpack, name, None)
        if registry and not isinstance(registry.get_all, _KeptFunctions):
            registry.get_all = _KeptFunctions(registry)


class _KeptFunctions:
    """The functions of a registry, as its `get_all` finds them."""

    def __init__(self, registry: catalogue.Registry) -> None:
        self._namespace = tuple(registry.namespace)
        self._look_up: Callable[[], Functions] = registry.get_all
        self._n_registered = -1
        self._found: Functions = {}

    def __call__(self) -> Functions:
        """By name."""
        registered = catalogue.REGISTRY
        n_registered = len(registered)
        if n_registered != self._n_registered or not all(
            registered.get((*self._namespace, name)) is function
            for name, function in self._found.items()
        ):
            self._found = self._look_up()
            self._n_registered = n_registered  # last, as other threads go by it
        return dict(self._found)
