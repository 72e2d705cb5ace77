"""One run: from the input to the files of the output."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...checks import check_at_least
from ...errors import Errors
from ..files import find_files
from .output import check_output, clear_temporaries, open_output
from .pipeline import Pipeline, check_recognizer
from .shards import Columns


class Summary(NamedTuple):
    """Counts of a run of `annotate`.

    n_files: Files of the output.
    n_kept: Files of the output that an earlier run wrote.
    n_rows: Rows that this run annotated.
    n_entities: Entities that this run found.
    """

    n_files: int
    n_kept: int
    n_rows: int
    n_entities: int


def annotate(
    model: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    workers: int = 2,
    batch_size: int | None = None,
    text_column: str = "text",
    entities_column: str = "entities",
    rows_per_shard: int = 10_000,
    code: str | Path | None = None,
    on_file: Callable[[int, int], object] = lambda n_done, n_files: None,
) -> Summary:
    """Annotate the rows of Parquet and JSONL files with the entities of a pipeline.

    The output has the rows of the input in its order, with all their columns, in files
    of the same format. The column of entities is a list of structs `start`, `end` (in
    characters), `label` and `confidence` (null if no `lstm_ner` made the entity). It is
    null where the text is null.

    Called again with the same arguments after an interruption, it computes only the
    missing files; `workers` and `batch_size` may differ. Ray is started unless it is
    running (`ray.init`). In a cluster, all machines need the files under the same
    paths.

    model (Union[str, Path]): The pipeline: its folder, or the name of its package.
    source (Union[str, Path]): A file that ends in .parquet, .jsonl or .ndjson, or a
        folder of such files (see `find_files`).
    output (Union[str, Path]): The folder to write to, for one run at a time.
    workers (int): Number of processes.
    batch_size (Optional[int]): Number of texts of a batch of `nlp.pipe`; None: that of
        the pipeline.
    text_column (str): Name of the column of texts.
    entities_column (str): Name of the column to add.
    rows_per_shard (int): Greatest number of rows of a file of the output. An
        interrupted run loses at most such a file per worker.
    code (Optional[Union[str, Path]]): A Python file to import before the pipeline is
        loaded, as `--code` of `spacy train`.
    on_file (Callable[[int, int], object]): Called after each file of the output with
        the number of files that are done and the number of all files.
    RETURNS (Summary): Counts of files, rows and entities.
    RAISES ImportError (L400): If Ray is not installed.
    RAISES ValueError: If the arguments or the input are at fault (L401 to L405), if the
        pipeline sets no entities (L406), if the output is something else (L407) or
        was begun with other settings (L408), and, after all other shards have been
        annotated, if some could not be (L409).
    """
    try:
        from . import formats  # noqa: PLC0415 (needs an extra)
        from . import workers as pool  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(Errors.L400) from error
    check_at_least(
        1, workers=workers, batch_size=batch_size, rows_per_shard=rows_per_shard
    )
    source, output = Path(source), Path(output)
    columns = Columns(text_column, entities_column)
    endings = formats.INPUT_ENDINGS
    root = (source.parent if source.is_file() else source).resolve()
    # A link keeps its own name, because the ending names the format.
    paths = find_files(root / source.name if source.is_file() else root, endings)
    if not paths or any(path.suffix.lower() not in endings for path in paths):
        raise ValueError(Errors.L401.format(path=source, endings=list(endings)))
    check_output(source, output)
    for path in paths:
        formats.format_of(path).check(path, columns)
    pipeline = Pipeline.locate(model, code)
    check_recognizer(pipeline.load())
    settings = {
        **pipeline.digests(),
        "columns": list(columns),
        "rows_per_shard": rows_per_shard,
        **{f"input {path.relative_to(root).as_posix()}": stamp(path) for path in paths},
    }
    shards = open_output(
        output, settings, lambda: formats.cut(paths, root, rows_per_shard, columns)
    )
    missing = [shard for shard in shards if not (output / shard.name).exists()]
    task = pool.Task(pipeline, root, output.resolve(), columns, batch_size)
    n_files, n_kept = len(shards), len(shards) - len(missing)
    n_rows = n_entities = 0
    reasons = {}
    results = pool.run(missing, task, workers) if missing else ()
    for n_done, result in enumerate(results, start=n_kept + 1):
        n_rows += result["n_rows"]
        n_entities += result["n_entities"]
        if result["error"]:
            reasons[result["name"]] = result["error"]
        on_file(n_done, n_files)
    clear_temporaries(output)
    unfinished = [shard for shard in missing if not (output / shard.name).exists()]
    if unfinished:
        first = unfinished[0]
        message = Errors.L409.format(
            n=len(unfinished),
            n_files=n_files,
            where=f"{root / first.source}, rows {first.start} to {first.stop}",
            reason=reasons[first.name],
        )
        raise ValueError(message)
    return Summary(n_files, n_kept, n_rows, n_entities)


def stamp(path: Path) -> list[int]:
    """Size and time of a file, by which a change is noticed."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
