"""The folder of the output: its manifest, and files that are complete or absent.

The manifest has the settings of the run and the list of its shards. `replacing` writes
the files, so a file under its final name is complete, and a shard that is annotated
twice because its worker died exists once.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ...errors import Errors
from ..json_lines import parse_json
from ..replacing import leftovers, replacing
from .shards import Shard

MANIFEST = "_manifest.json"
# The end of the name of an empty file that a worker leaves if it dies of a shard.
_DIED = ".died"
# The names of shards, as `formats.cut` makes them.
_NAME = re.compile(r"part-\d{8,}\.\w+", re.ASCII)
# Number of workers that may die of a shard in one run.
_ATTEMPTS = 3


def check_output(source: Path, output: Path) -> None:
    """Refuse an output within the input, or with files of something else.

    source (Path): The input, a file or a folder.
    output (Path): The folder to write to.
    RAISES ValueError (L407): If it is not a folder for this run.
    """
    is_inside = output.resolve().is_relative_to(source.resolve())
    # A run that was killed while it wrote the manifest leaves a temporary folder.
    manifest = output / MANIFEST
    is_foreign = output.exists() and (
        not output.is_dir()
        or (
            not manifest.is_file() and not {*output.iterdir()} <= {*leftovers(manifest)}
        )
    )
    if is_inside or is_foreign:
        raise ValueError(Errors.L407.format(path=output))


def open_output(
    output: Path, settings: dict[str, Any], cut: Callable[[], list[Shard]]
) -> list[Shard]:
    """Begin an output, or go on with one, and return its shards.

    output (Path): The folder.
    settings (Dict[str, Any]): Everything that the results depend on, as JSON.
    cut (Callable[[], List[Shard]]): Makes the shards at the first start.
    RETURNS (List[Shard]): The shards of the manifest.
    RAISES ValueError: If the manifest is that of something else (L407) or of other
        settings (L408).
    """
    manifest = output / MANIFEST
    if not manifest.exists():
        shards = cut()
        output.mkdir(parents=True, exist_ok=True)
        content = {"settings": settings, "shards": shards}
        with replacing(manifest) as new:
            new.write_text(json.dumps(content), encoding="utf8")
        return shards
    try:
        content = parse_json(manifest.read_bytes())
        before = dict(content["settings"])
        shards = [_read_shard(shard, before) for shard in content["shards"]]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(Errors.L407.format(path=output)) from error
    names = sorted(before.keys() | settings.keys())
    changed = [
        f"{name}: {before.get(name)}, now {settings.get(name)}"
        for name in names
        if before.get(name) != settings.get(name)
    ]
    if changed:
        differences = "; ".join(islice(changed, 5))
        raise ValueError(Errors.L408.format(path=output, differences=differences))
    clear_temporaries(output)
    return shards


def missing_files(output: Path) -> list[str]:
    """The files that an interrupted run has not written; none if there was no run.

    output (Path): The folder.
    """
    manifest = output / MANIFEST
    if not manifest.is_file():
        return []
    shards = (parse_json(manifest.read_bytes()) or {}).get("shards", [])
    return [shard[0] for shard in shards if not (output / shard[0]).exists()]


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


def clear_temporaries(output: Path) -> None:
    """Remove what killed workers left.

    output (Path): The folder, in which no worker is at work.
    """
    for path in output.glob(f".*{_DIED}"):
        path.unlink()
    for path in output.glob(".*.tmp"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def shard_file(path: Path) -> Iterator[IO[bytes]]:
    """Open the file of a shard, which appears once it is complete and on disk.

    Ray repeats the work of a dead worker without limit, so the attempts are counted: a
    shard that kills each worker, for want of memory for instance, must fail.

    path (Path): The file to write.
    YIELDS (IO[bytes]): The temporary file.
    RAISES RuntimeError: If too many workers have died of it.
    """
    attempt = _count(path)
    try:
        with replacing(path) as new, new.open("wb") as file:
            yield file
    finally:
        attempt.unlink(missing_ok=True)


def _count(path: Path) -> Path:
    """Create the file that says that a worker died of the shard."""
    for i in range(_ATTEMPTS):
        attempt = path.with_name(f".{path.name}.{i}{_DIED}")
        with suppress(FileExistsError):
            attempt.touch(exist_ok=False)
            return attempt
    raise RuntimeError(f"{_ATTEMPTS} workers died while they annotated it")
