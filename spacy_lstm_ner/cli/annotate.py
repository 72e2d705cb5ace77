"""The command that annotates large corpora."""

from pathlib import Path
from typing import Annotated

from ..data.annotate import annotate as annotate_files
from .shared import Arg, Model, Opt, Quiet, app, progress

_DEFAULTS = annotate_files.__kwdefaults__ or {}


@app.command("annotate")
def annotate(
    model: Model,
    source: Annotated[
        str,
        Arg(metavar="INPUT", help="A Parquet or JSONL file, or a folder of them"),
    ],
    output: Annotated[
        str,
        Arg(metavar="OUTDIR", help="Folder to write to, or that of an interrupted run"),
    ],
    workers: Annotated[int, Opt(help="Number of processes")] = _DEFAULTS["workers"],
    batch_size: Annotated[
        int | None, Opt(help="Texts per batch. Default: the pipeline's")
    ] = _DEFAULTS["batch_size"],
    text_column: Annotated[str, Opt(help="Column of the texts")] = _DEFAULTS[
        "text_column"
    ],
    entities_column: Annotated[str, Opt(help="Column to add")] = _DEFAULTS[
        "entities_column"
    ],
    rows_per_shard: Annotated[
        int, Opt(help="Greatest number of rows of an output file")
    ] = _DEFAULTS["rows_per_shard"],
    code: Annotated[
        Path | None, Opt(help="Python file to import before the model is loaded")
    ] = None,
    address: Annotated[
        str | None,
        Opt(help="Ray cluster: host:port, or auto. Default: RAY_ADDRESS, or none"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Add entities to Parquet or JSONL files, in parallel.

    INPUT and OUTDIR are paths, or URIs such as s3://bucket/folder.
    """
    with progress(quiet=quiet, unit=" rows") as bar:

        def show(n_done: int, n_rows: int) -> None:
            if bar.total != n_rows:
                # Rows of an earlier run do not count in the rows a second.
                bar.total = n_rows
                bar.initial = bar.n = bar.last_print_n = n_done
            bar.update(n_done - bar.n)

        done = annotate_files(
            model,
            source,
            output,
            workers=workers,
            batch_size=batch_size,
            text_column=text_column,
            entities_column=entities_column,
            rows_per_shard=rows_per_shard,
            code=code,
            address=address,
            on_rows=show,
        )
    print(
        f"{output}: {done.n_files} files, of which {done.n_kept} were there; "
        f"{done.n_rows} rows annotated, {done.n_entities} entities"
    )
