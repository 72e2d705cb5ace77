"""The folder of the output: its manifest, and files that are complete or absent.

The manifest has the settings of the run and the list of its shards. A file is written
under a temporary name, forced to disk and renamed, so a file under its final name is
complete, and a shard that is annotated twice because its worker died exists once.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ...errors import Errors
from .shards import Shard

MANIFEST = "_manifest.json"
_TEMPORARY = ".tmp"
# Number of workers that may die of a shard in one run.
_ATTEMPTS = 3


def check_output(source: Path, output: Path) -> None:
    """Refuse an output within the input, or with files of something else.

    source (Path): The input, a file or a folder.
    output (Path): The folder to write to.
    RAISES ValueError (L407): If it is not a folder for this run.
    """
    is_inside = output.resolve().is_relative_to(source.resolve())
    is_foreign = output.exists() and (
        not output.is_dir()
        or (any(output.iterdir()) and not (output / MANIFEST).is_file())
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
        with atomic_file(manifest) as file:
            file.write(json.dumps(content).encode())
        return shards
    try:
        content = json.loads(manifest.read_bytes())
        before = dict(content["settings"])
        shards = [Shard(*shard) for shard in content["shards"]]
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


def clear_temporaries(output: Path) -> None:
    """Remove the temporary files of workers that were killed.

    output (Path): The folder.
    """
    for path in output.glob(f"*{_TEMPORARY}"):
        path.unlink()


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name once it is complete and on disk.

    Each attempt has its own temporary file, which remains if the process dies. Ray
    repeats the work of a dead worker without limit, so the attempts are counted: a
    shard that kills each worker, for want of memory for instance, must fail.

    path (Path): The file to write.
    YIELDS (IO[bytes]): The temporary file.
    RAISES RuntimeError: If too many workers have died of it.
    """
    file = _claim(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, path)
    finally:
        Path(file.name).unlink(missing_ok=True)


def _claim(path: Path) -> IO[bytes]:
    for attempt in range(_ATTEMPTS):
        with suppress(FileExistsError):
            return path.with_name(f".{path.name}.{attempt}{_TEMPORARY}").open("xb")
    raise RuntimeError(f"{_ATTEMPTS} workers died while they annotated it")
