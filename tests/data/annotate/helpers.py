"""Rows of several types, before and after they are annotated; a stand-in for Ray."""

import importlib
import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from spacy.language import Language
from spacy.tokens import Span

from spacy_lstm_ner.component.confidences import confidence
from spacy_lstm_ner.data.annotate.shards import Shard

# Ray Data warns of its own settings when they are looked at.
WARNINGS = [
    pytest.mark.filterwarnings(r"ignore:::ray\.data\.context"),
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]
N_ROWS = 50


def make_rows(n: int = N_ROWS) -> list[dict[str, Any]]:
    """Rows of several types; some without text, or with an empty one."""
    rows = []
    for i in range(n):
        text = f"Caf\u00e9 {i}: Ada Lovelace met Bob in Rome"
        rows.append({"id": i, "text": text, "meta": {"x": [i / 3, None]}})
    rows[3]["text"] = None
    rows[4]["text"] = ""
    return rows


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=row["id"] % 2 == 0) for row in rows]
    path.write_text("\r\n".join(lines) + "\n\n", encoding="utf8")


def read_lines(output: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(output.glob("part-*.jsonl"))
        for line in path.read_text(encoding="utf8").splitlines()
    ]


def confidence_of(ent: Span) -> Any:
    found = confidence(ent)  # the extension comes with the first component
    return None if found is None else pytest.approx(found, abs=1e-5)


def expected(nlp: Language, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as one process annotates them; confidences may differ by rounding."""
    found = []
    for row in rows:
        ents = None
        if row["text"] is not None:
            ents = [
                {
                    "start": ent.start_char,
                    "end": ent.end_char,
                    "label": ent.label_,
                    "confidence": confidence_of(ent),
                }
                for ent in nlp(row["text"]).ents
            ]
        found.append({**row, "entities": ents})
    return found


def names(output: Path) -> list[str]:
    return sorted(path.name for path in output.iterdir())


@contextmanager
def in_one_process() -> Iterator[None]:
    """One worker in this process, because that of Ray costs seconds to start. What it
    gets is pickled, as Ray does."""
    workers = importlib.import_module("spacy_lstm_ner.data.annotate.workers")

    def run(
        shards: Sequence[Shard], task: Any, n: int, address: str | None = None
    ) -> Iterator[dict[str, Any]]:
        annotator = workers.Annotator(pickle.loads(pickle.dumps(task)))
        for shard in shards:
            yield annotator(shard._asdict())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "run", run)
        yield
