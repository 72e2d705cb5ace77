"""The pipeline that annotates, loaded by each process for itself."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.language import Language
from spacy.util import get_package_path, import_file, is_package

from ...errors import Errors


class Pipeline(NamedTuple):
    """Where a pipeline is.

    model: The name of its package, or its folder.
    code: A Python file to import before it is loaded.
    """

    model: str | Path
    code: Path | None

    @classmethod
    def locate(cls, model: str | Path, code: str | Path | None) -> "Pipeline":
        """Make the paths absolute, because workers have working folders of their own.

        model (Union[str, Path]): The pipeline: its folder, or the name of its package.
        code (Optional[Union[str, Path]]): A Python file.
        """
        if not (isinstance(model, str) and is_package(model)):
            model = Path(model).resolve()
        return cls(model, Path(code).resolve() if code else None)

    def load(self) -> Language:
        """Load the pipeline."""
        if self.code:
            import_file("spacy_lstm_ner_code", self.code)
        return spacy.load(self.model)

    def digests(self) -> dict[str, str | None]:
        """Digests of the files that the results depend on."""
        model = self.model
        folder = get_package_path(model) if isinstance(model, str) else model
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            "model": _digest(folder, paths),
            "code": digest_of(self.code) if self.code else None,
        }


def digest_of(path: Path) -> str:
    """Digest of one file.

    path (Path): The file.
    """
    return _digest(path.parent, [path])


def _digest(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if "__pycache__" not in path.parts:
            name = path.relative_to(folder).as_posix()
            # The name of a file need not be UTF-8.
            digest.update(os.fsencode(name) + b"\n")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def check_recognizer(nlp: Language) -> None:
    """Refuse a pipeline without a component that sets entities. A component sets them
    if it says so, or if it says nothing and is not one of spaCy's.

    nlp (Language): The pipeline.
    RAISES ValueError (L406): If there is no such component.
    """
    for name, pipe in nlp.pipeline:
        assigns = nlp.get_pipe_meta(name).assigns
        is_spacys = pipe.__module__.startswith("spacy.")
        if "doc.ents" in assigns or getattr(pipe, "annotate_ents", False):
            return
        if not assigns and not is_spacys:
            return
    raise ValueError(Errors.L406.format(pipes=nlp.pipe_names))
