"""The folder of the output: its manifest, and which files are missing.

The manifest has the settings of the run and the list of its shards. Each shard becomes
one file of the output, which is complete or absent (see `folders`), so the files that
are there tell what is done. A shard that is annotated twice because its worker died
exists once.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import Errors
from ..json_lines import parse_json
from .folders import TEMPORARY, Folder, LocalFolder, is_temporary
from .shards import Shard

MANIFEST = "_manifest.json"
# The names of shards, as `formats.cut` makes them.
_NAME = re.compile(r"part-\d{8,}\.\w+", re.ASCII)
# Number of workers that may die of a shard in one run.
_ATTEMPTS = 3


def check_output(source: Folder, output: Folder) -> None:
    """Refuse an output within the input, or with files of something else.

    source (Folder): The input, a file or a folder.
    output (Folder): The folder to write to.
    RAISES ValueError (L407): If it is not a folder for this run.
    """
    names = output.names()
    # A run that was killed while it wrote the manifest leaves a temporary file.
    is_foreign = names is None or (
        MANIFEST not in names
        and not all(is_temporary(name, MANIFEST) for name in names)
    )
    if is_foreign or source.contains(output):
        raise ValueError(Errors.L407.format(path=output.where()))


def open_output(
    output: Folder, settings: dict[str, Any], cut: Callable[[], list[Shard]]
) -> tuple[list[Shard], list[Shard]]:
    """Begin an output, or go on with one.

    output (Folder): The folder.
    settings (Dict[str, Any]): Everything that the results depend on, as JSON.
    cut (Callable[[], List[Shard]]): Makes the shards at the first start.
    RETURNS (Tuple[List[Shard], List[Shard]]): All shards, and the missing ones.
    RAISES ValueError: If the manifest is that of something else (L407) or of other
        settings (L408).
    """
    if MANIFEST not in (output.names() or ()):
        shards = cut()
        content = json.dumps({"settings": settings, "shards": shards})
        output.write(MANIFEST, content.encode("utf8"))
        return shards, shards
    try:
        content = _read_manifest(output)
        before = dict(content["settings"])
        shards = [_read_shard(shard, before) for shard in content["shards"]]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(Errors.L407.format(path=output.where())) from error
    names = sorted(before.keys() | settings.keys())
    changed = [
        f"{name}: {before.get(name)}, now {settings.get(name)}"
        for name in names
        if before.get(name) != settings.get(name)
    ]
    if changed:
        differences = "; ".join(islice(changed, 5))
        message = Errors.L408.format(path=output.where(), differences=differences)
        raise ValueError(message)
    clear_temporaries(output)
    return shards, missing_shards(output, shards)


def missing_shards(output: Folder, shards: list[Shard]) -> list[Shard]:
    """The shards that have no file in the output.

    output (Folder): The folder.
    shards (List[Shard]): All shards.
    """
    names = {*(output.names() or ())}
    return [shard for shard in shards if shard.name not in names]


def missing_files(output: Path) -> list[str]:
    """The files that an interrupted run has not written; none if there was no run.

    output (Path): The folder.
    """
    folder = LocalFolder(output)
    names = folder.names() or ()
    if MANIFEST not in names:
        return []
    shards = (_read_manifest(folder) or {}).get("shards", [])
    return [shard[0] for shard in shards if shard[0] not in names]


def _read_manifest(output: Folder) -> Any:
    with output.open(MANIFEST) as file:
        return parse_json(file.read())


def _read_shard(fields: list[Any], settings: dict[str, Any]) -> Shard:
    """A shard of a manifest, which may have been tampered with.

    RAISES ValueError: If it leads to another file than one of the output and one of the
        input, or has other numbers than rows.
    """
    shard = Shard(*fields)
    numbers = (shard.start, shard.stop, shard.offset)
    if not (
        _NAME.fullmatch(shard.name)
        and f"input {shard.source}" in settings
        and all(type(number) is int for number in numbers)
        and 0 <= shard.start < shard.stop
        and shard.offset >= 0
    ):
        raise ValueError(shard)
    return shard


@contextmanager
def counted(output: Folder, shard: Shard) -> Iterator[None]:
    """Count the workers that begin a shard, by a temporary file for each.

    Ray Data repeats the work of a dead worker without limit. A shard that kills each
    worker, for want of memory for instance, must fail.

    output (Folder): The folder.
    shard (Shard): The shard, which the context annotates.
    RAISES RuntimeError: If too many workers have died of it.
    """
    marks = [f".{shard.name}.{i}{TEMPORARY}" for i in range(_ATTEMPTS)]
    mark = next((mark for mark in marks if not output.exists(mark)), None)
    if mark is None:
        raise RuntimeError(f"{_ATTEMPTS} workers died while they annotated it")
    output.write(mark, b"")
    try:
        yield
    finally:
        output.remove(mark)


def clear_temporaries(output: Folder) -> None:
    """Remove what killed workers left.

    output (Folder): The folder, in which no worker is at work.
    """
    for name in filter(is_temporary, output.names() or ()):
        output.remove(name)
