"""One run: from the input to the files of the output."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ...checks import check_at_least
from ...errors import Errors
from .folders import open_folder
from .output import check_output, clear_temporaries, missing_shards, open_output
from .pipeline import Pipeline, check_recognizer
from .shards import Columns, Shard


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
    rows_per_shard: int = 5_000,
    code: str | Path | None = None,
    address: str | None = None,
    source_filesystem: Any = None,
    output_filesystem: Any = None,
    on_rows: Callable[[int, int], object] = lambda n_done, n_rows: None,
) -> Summary:
    """Annotate the rows of Parquet and JSONL files with the entities of a pipeline.

    The output has the rows of the input in its order, with all their columns, in files
    of the same format. The column of entities is a list of structs `start`, `end` (in
    characters), `label` and `confidence` (null if no `lstm_ner` made the entity). It is
    null where the text is null.

    Called again with the same arguments after an interruption, it computes only the
    missing files; `workers`, `batch_size` and `address` may differ. In a cluster, all
    machines need this package, the pipeline, and local files of the input and the
    output, under the same paths.

    model (Union[str, Path]): The pipeline: its folder, or the name of its package.
    source (Union[str, Path]): A file that ends in .parquet, .jsonl or .ndjson, or a
        folder of such files (see `find_files`): a path, or a URI that pyarrow knows,
        such as s3://bucket/folder.
    output (Union[str, Path]): The folder to write to, for one run at a time: a path or
        a URI.
    workers (int): Number of processes.
    batch_size (Optional[int]): Number of texts of a batch of `nlp.pipe`; None: that of
        the pipeline.
    text_column (str): Name of the column of texts.
    entities_column (str): Name of the column to add.
    rows_per_shard (int): Greatest number of rows of a file of the output. An
        interrupted run loses at most such a file per worker.
    code (Optional[Union[str, Path]]): A Python file to import before the pipeline is
        loaded, as `--code` of `spacy train`.
    address (Optional[str]): The Ray cluster: "host:port", or "auto" for the one that
        runs on this machine. None: the environment variable RAY_ADDRESS, or else a new
        Ray on this machine. Not used if Ray is initialized in this process.
    source_filesystem, output_filesystem (Optional[pyarrow.fs.FileSystem]): The file
        systems of the paths of the input and the output.
    on_rows (Callable[[int, int], object]): Called with the number of rows that are done
        and the number of all rows: after each file of the output and, while the input
        is read for the first time, with the rows that were read.
    RETURNS (Summary): Counts of files, rows and entities.
    RAISES ImportError (L400): If Ray is not installed.
    RAISES ConnectionError (L411): If no Ray cluster answers.
    RAISES ValueError: If the arguments or the input are at fault (L401 to L405), if no
        file system of pyarrow knows a URI (L410), if the pipeline sets no entities
        (L406), if the output is something else (L407) or was begun with other settings
        (L408), and, after all other shards have been annotated, if some could not be
        (L409).
    """
    try:
        from . import formats  # noqa: PLC0415 (needs an extra)
        from . import workers as pool  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(Errors.L400) from error
    check_at_least(
        1, workers=workers, batch_size=batch_size, rows_per_shard=rows_per_shard
    )
    location = open_folder(source, source_filesystem)
    folder = open_folder(output, output_filesystem)
    columns = Columns(text_column, entities_column)
    root, stamps = location.find(formats.INPUT_ENDINGS)
    check_output(location, folder)
    for name in stamps:
        with root.open(name) as file:
            formats.format_of(name).check(file, root.where(name), columns)
    pipeline = Pipeline.locate(model, code)
    check_recognizer(pipeline.load())
    settings = {
        **pipeline.digests(),
        "columns": list(columns),
        "rows_per_shard": rows_per_shard,
        **{f"input {name}": stamp for name, stamp in stamps.items()},
    }

    def cut() -> list[Shard]:
        shards: list[Shard] = []
        n_read = 0
        for shard in formats.cut(root, stamps, rows_per_shard, columns):
            shards.append(shard)
            n_read += shard.n_rows
            on_rows(0, n_read)
        return shards

    shards, missing = open_output(folder, settings, cut)
    n_files, n_kept = len(shards), len(shards) - len(missing)
    n_all = sum(shard.n_rows for shard in shards)
    n_done = n_all - sum(shard.n_rows for shard in missing)
    on_rows(n_done, n_all)
    by_name = {shard.name: shard for shard in missing}
    n_rows = n_entities = 0
    reasons = {}
    task = pool.Task(pipeline, root, folder, columns, batch_size)
    for result in pool.run(missing, task, workers, address) if missing else ():
        n_rows += result["n_rows"]
        n_entities += result["n_entities"]
        if result["error"]:
            reasons[result["name"]] = result["error"]
        n_done += by_name[result["name"]].n_rows
        on_rows(n_done, n_all)
    clear_temporaries(folder)
    unfinished = missing_shards(folder, missing)
    if unfinished:
        first = unfinished[0]
        message = Errors.L409.format(
            n=len(unfinished),
            n_files=n_files,
            where=f"{root.where(first.source)}, rows {first.start} to {first.stop}",
            reason=reasons[first.name],
        )
        raise ValueError(message)
    return Summary(n_files, n_kept, n_rows, n_entities)
