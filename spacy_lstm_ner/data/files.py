"""The rules by which the files of a folder are found, and names are shown."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

# Names of hidden files and folders begin with one of these.
HIDDEN = (".", "_")


def find_files(path: Path, endings: Collection[str]) -> list[Path]:
    """Find the files to read at a path.

    A file is taken as it is. In a folder and its subfolders, all files with one of the
    endings are taken, in upper or lower case, sorted by path. Files and folders whose
    names begin with "." or "_" are left out. Links are followed, each folder once, and
    files keep the names of their links.

    path (Path): A file or a folder.
    endings (Collection[str]): The endings in lower case, with their dots.
    RETURNS (List[Path]): The files; none if there is nothing at the path.
    """
    if not path.is_dir():
        return [path] if path.is_file() else []
    return sorted(
        file
        for file in _walk(path)
        if file.suffix.lower() in endings and file.is_file()
    )


def _walk(root: Path) -> Iterator[Path]:
    seen = set()
    for folder, names, files in os.walk(root, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith(HIDDEN))
        yield from (Path(folder, n) for n in files if not n.startswith(HIDDEN))


def shown(name: object) -> str:
    """A name of a file or a pipeline as it may stand in a text, where bytes that are
    not UTF-8 are escaped.

    name (object): The path or the name.
    RETURNS (str): The name, which can be encoded.
    """
    return str(name).encode("utf8", "backslashreplace").decode("utf8")
