"""The command that makes tables of clusters."""

from pathlib import Path
from typing import Annotated

from ..checks import check_at_least
from ..data.replacing import replacing
from .outputs import Force, check_file, is_clusters
from .shared import Arg, Opt, app


@app.command("clusters")
def clusters(
    source: Annotated[
        str,
        Arg(
            metavar="SOURCE",
            help="A language with Brown clusters in spacy-lookups-data (en, de, es); "
            "with --clusters, word vectors as of the command quantize",
        ),
    ],
    output: Annotated[Path, Arg(metavar="OUTPUT.npz", help="File to write")],
    clusters: Annotated[
        int | None, Opt(help="Number of clusters that k-means makes of word vectors")
    ] = None,
    words: Annotated[
        int | None, Opt(help="Number of words, the first ones. Default: all")
    ] = None,
    seed: Annotated[int, Opt(help="Another seed gives other k-means clusters")] = 0,
    force: Force = False,
) -> None:
    """Make a table of clusters of words, for a config."""
    from ..data import clusters as maker
    from ..data.quantize import read_vectors

    check_at_least(1, words=words)
    check_file(output, [".npz"], is_clusters, inputs=[source], force=force)
    if clusters is None:
        names, found = maker.read_brown_clusters(source, limit=words)
    else:
        names, rows = read_vectors(source, limit=words)
        found = maker.cluster_vectors(rows, clusters=clusters, seed=seed)
    table = maker.make_table(names, found)
    data = table.to_bytes()
    with replacing(output) as new:
        new.write_bytes(data)
    print(
        f"{output}: {len(table.keys)} of {len(names)} words, in {table.n_clusters} "
        f"clusters, {len(data):,} bytes"
    )
