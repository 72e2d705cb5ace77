"""Labels raw texts: a folder of .spacy files, each complete or absent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ...checks import check_at_least
from ...component.lessons import answer_of
from ..annotate.folders import LocalFolder
from ..annotate.output import check_output, clear_temporaries, open_output
from ..replacing import replacing
from .raw import ENDINGS, cut, read
from .teachers import Teacher, merge


class Summary(NamedTuple):
    """Counts of a run of `label`.

    n_files: Files of the output.
    n_kept: Files of the output that an earlier run wrote; not in the other counts.
    n_texts, n_tokens, n_entities: Those that this run labelled.
    n_unknown: Tokens on which teachers disagree.
    n_paths: Texts with a distribution over tag paths.
    """

    n_files: int
    n_kept: int
    n_texts: int = 0
    n_tokens: int = 0
    n_entities: int = 0
    n_unknown: int = 0
    n_paths: int = 0


def label(
    teachers: Sequence[Teacher],
    source: Path,
    output: Path,
    nlp: Language,
    *,
    settings: dict[str, Any],
    texts_per_file: int = 1000,
    on_file: Callable[[int, int], object] = lambda n_done, n_files: None,
) -> Summary:
    """Label raw texts, file by file; memory holds the texts of one file.

    Called again with the same arguments after an interruption, it labels only the
    missing files.

    teachers (Sequence[Teacher]): One teacher, or several that vote (see `merge`).
    source (Path): A file of JSON lines with a field "text" (.jsonl, .ndjson), of a text
        per line (.txt) or of Docs (.spacy), or a folder of such files.
    output (Path): The folder to write to, for one run at a time.
    nlp (Language): The student's pipeline. Its tokenizer splits the texts.
    settings (Dict[str, Any]): What else the labels depend on, such as digests of the
        teachers, as JSON. A run with other settings is refused.
    texts_per_file (int): Greatest number of texts of a file. An interrupted run loses
        at most one file.
    on_file (Callable[[int, int], object]): Called after each file with the number of
        files that are done and the number of all files.
    RETURNS (Summary): Counts.
    RAISES ValueError: If there are no texts (L401), if a line can't be read (L113,
        L117, L207), if the output is something else (L407) or was begun with other
        settings (L408).
    """
    check_at_least(1, texts_per_file=texts_per_file)
    location, folder = LocalFolder(source.absolute()), LocalFolder(output.absolute())
    (root,), stamps = location.find(ENDINGS)
    check_output(location, folder)
    paths = [root / name for name in stamps]
    inputs = {f"input {name}": stamp for name, stamp in stamps.items()}
    settings = {**settings, "texts_per_file": texts_per_file, **inputs}
    shards, missing = open_output(
        folder, settings, lambda: cut(paths, root, texts_per_file)
    )
    n_kept = len(shards) - len(missing)
    total = Summary(len(shards), n_kept)
    for n_done, shard in enumerate(missing, start=n_kept + 1):
        docs = _label(teachers, read(root / shard.source, shard, nlp))
        with replacing(output / shard.name) as new:
            DocBin(docs=docs, store_user_data=True).to_disk(new)
        total = _add(total, docs)
        on_file(n_done, len(shards))
    clear_temporaries(folder)
    return total


def _label(teachers: Sequence[Teacher], docs: list[Doc]) -> list[Doc]:
    """Ask all teachers. Texts of similar length are batched together, because
    transformers pad."""
    order = sorted(range(len(docs)), key=lambda i: len(docs[i]))
    ordered = [docs[i] for i in order]
    answers = zip(*(teacher.label(ordered) for teacher in teachers), strict=True)
    silver = {
        i: merge(docs[i], answer, teachers)
        for i, answer in zip(order, answers, strict=True)
    }
    return [silver[i] for i in range(len(docs))]


def _add(total: Summary, docs: Sequence[Doc]) -> Summary:
    """The counts with those of further texts."""
    answers = [answer_of(doc) for doc in docs]
    return total._replace(
        n_texts=total.n_texts + len(docs),
        n_tokens=total.n_tokens + sum(map(len, docs)),
        n_entities=total.n_entities + sum(len(doc.ents) for doc in docs),
        n_unknown=total.n_unknown + sum(t.ent_iob == 0 for doc in docs for t in doc),
        n_paths=total.n_paths
        + sum(a is not None and a.paths is not None for a in answers),
    )
