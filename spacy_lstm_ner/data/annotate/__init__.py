"""Annotate corpora that outgrow a process, or a machine, with any spaCy pipeline.

- `run` cuts the input into shards and starts the workers for those that are missing.
- `shards` names a shard, `formats` reads and writes one as Parquet or JSON lines.
- `folders` finds the input, and writes files that are either complete or absent.
- `output` keeps the manifest.
- `pipeline` loads the pipeline in each process.
- `workers` runs on Ray.

Needs the extra `ray`. Importing this package does not import Ray.
"""

from .run import Summary, annotate

__all__ = ["Summary", "annotate"]
