"""Results of trainings, kept in a file of JSON lines: what is there is not repeated."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from spacy.attrs import ENT_IOB
from spacy.tokens import Doc
from thinc.api import Config

from ...data.json_lines import parse_json, write_records
from ...errors import Errors

Record = dict[str, Any]

# The field of the first line, which holds what all results depend on.
SETTINGS = "trainings"
# Characters of a digest.
_WIDTH = 16


class Ledger:
    """The results of the trainings of a run.

    path (Optional[Path]): The file, which is written anew after each training. None:
        results are kept in memory only.
    settings (Dict[str, Any]): Everything that the results depend on, as JSON.
    RAISES ValueError: If the file has the results of other settings (L341), or is no
        such file (L342).
    """

    def __init__(self, path: Path | None, settings: Record) -> None:
        self.path = path
        self._first: Record = {SETTINGS: settings}
        self._records: list[Record] = []
        if path is not None and path.exists() and path.stat().st_size:
            self._records = self._read(path)

    def _read(self, path: Path) -> list[Record]:
        first, *records = map(parse_json, path.read_bytes().splitlines())
        before = first.get(SETTINGS) if isinstance(first, dict) else None
        are_records = all(isinstance(record, dict) for record in records)
        if not isinstance(before, dict) or not are_records:
            raise ValueError(Errors.L342.format(path=path))
        now = self._first[SETTINGS]
        changed = [k for k in {**before, **now} if before.get(k) != now.get(k)]
        if changed:
            raise ValueError(Errors.L341.format(path=path, names=", ".join(changed)))
        return records

    def find(self, key: Record) -> Record | None:
        """The result of a training.

        key (Dict[str, Any]): Fields that tell it from all others.
        RETURNS (Optional[Dict[str, Any]]): None if it is not there.
        """
        for record in self._records:
            if key.items() <= record.items():
                return record
        return None

    def add(self, record: Record) -> None:
        """Keep the result of a training.

        record (Dict[str, Any]): Its key and what was measured, as JSON.
        """
        self._records.append(record)
        if self.path is not None:
            write_records(self.path, [self._first, *self._records])


def digests(config: Config, texts: Iterable[Doc], dev: Iterable[Doc]) -> Record:
    """Digests of what all trainings of a run depend on.

    config (Config): The config.
    texts, dev (Iterable[Doc]): The texts to learn from, and those to score.
    """
    found = sha256(config.to_str(interpolate=False).encode("utf8"))
    parts = {"train": _digest(texts), "dev": _digest(dev)}
    return {"config": found.hexdigest()[:_WIDTH], **parts}


def _digest(docs: Iterable[Doc]) -> str:
    """A digest of the tokens and the entities of texts."""
    found = sha256()
    for doc in docs:
        ents = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        words = [token.text_with_ws for token in doc]
        found.update(repr((words, ents)).encode("utf8", "surrogatepass"))
        found.update(doc.to_array(ENT_IOB).tobytes())
    return found.hexdigest()[:_WIDTH]
