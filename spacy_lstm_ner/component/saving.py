"""Saving and loading: settings and weights belong together.

A component is saved as the files "cfg" (labels and settings) and "model" (weights). The
labels are also saved with the weights, and a checksum of the weights with the settings.
So weights that are damaged, or come from another pipeline, are refused.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import srsly
from spacy.pipeline import TrainablePipe
from spacy.vocab import Vocab

from ..errors import Errors
from ..layers.words.keys import TableError
from ..tags import TagSet
from .facts import FACTS
from .origin import CHECKSUM, check_files, check_origin, unsign

Pipe = TypeVar("Pipe", bound="SavedTagger")


class SavedTagger(TrainablePipe):
    """A tagger with labels, its settings in `cfg`."""

    cfg: dict[str, Any]
    name: str
    vocab: Vocab
    tag_set: TagSet

    def set_labels(self, labels: Iterable[str]) -> None:
        """Replace the labels, in the settings and in the tag set."""
        self.tag_set = TagSet(labels)
        self.cfg["labels"] = self.label_data

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of entities: sorted until the component is initialized; labels
        added later follow."""
        return self.tag_set.labels

    @property
    def label_data(self) -> list[str]:
        """The labels, as `spacy init labels` writes and `initialize` takes them."""
        return list(self.labels)

    @property
    def is_initialized(self) -> bool:
        """Whether the model has weights."""
        layer = self.model.get_ref("output_layer")
        return all(layer.has_param(name) for name in layer.param_names)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save the component.

        exclude (Iterable[str]): Parts to leave out: "vocab", "cfg" or "model".
        """
        parts = srsly.msgpack_loads(super().to_bytes(exclude=list(exclude)))
        if "cfg" in parts and "model" in parts:
            parts["cfg"] = srsly.json_dumps(self._cfg_of(parts["model"]))
        data: bytes = srsly.msgpack_dumps(parts)
        return data

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the component, as `to_bytes`."""
        exclude, path = list(exclude), Path(path)
        super().to_disk(path, exclude=exclude)
        if "cfg" not in exclude and "model" not in exclude:
            model = (path / "model").read_bytes()
            srsly.write_json(path / "cfg", self._cfg_of(model))

    def _cfg_of(self, model: bytes) -> dict[str, Any]:
        return {**self.cfg, CHECKSUM: crc32(model)}

    def from_bytes(
        self: Pipe, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> Pipe:
        """Load the component.

        exclude (Iterable[str]): Parts to leave out: "vocab", "cfg" or "model".
        RAISES ValueError: If the settings are damaged (L056), or the weights are
            damaged or belong to others (L051, L052, L057, L412).
        """
        parts = srsly.msgpack_loads(bytes_data)
        read = partial(super().from_bytes, bytes_data)
        return self._load(read, parts.get, list(exclude))

    def from_disk(self: Pipe, path: str | Path, *, exclude: Iterable[str] = ()) -> Pipe:
        """Load the component, as `from_bytes`."""

        def content(name: str) -> bytes | None:
            file = Path(path) / name
            return file.read_bytes() if file.is_file() else None

        return self._load(partial(super().from_disk, path), content, list(exclude))

    def _load(
        self: Pipe,
        read: Callable[..., Any],
        content: Callable[[str], bytes | None],
        exclude: list[str],
    ) -> Pipe:
        """Load the parts that are not excluded.

        read (Callable): Loads parts.
        content (Callable): The content of a part; None if it is missing.
        """
        if "cfg" not in exclude:
            model = None if "model" in exclude else content("model")
            check_files(content("cfg"), model, self.name)
            config = self.cfg["config"]
            self.cfg[FACTS] = {}  # what was saved by a version without them has none
            read(exclude=[*exclude, "model", "vocab"])
            saved = self.cfg["config"]
            changed = {k: v for k, v in config.items() if v != saved.get(k)}
            self.cfg.update(deepcopy(changed), config=config)
            self.cfg.pop(CHECKSUM, None)  # of the saved weights, which may change
            self.set_labels(self.cfg["labels"])
            for label in self.labels:
                self.vocab.strings.add(label)
            # The config may have been written before there were labels, and the
            # component may have had others.
            n_tags, layer = self.tag_set.n_tags, self.model.get_ref("output_layer")
            if "model" not in exclude and layer.maybe_get_dim("nO") not in (
                None,
                n_tags,
            ):
                self.set_output(n_tags)
        unsign(self.model)
        try:
            read(exclude=[*exclude, "cfg"])
        except TableError as err:
            message = Errors.L412.format(name=self.name, reason=err)
            raise ValueError(message) from err
        if "model" not in exclude and self.is_initialized:
            check_origin(self.model, self.labels, self.name)
        return self
