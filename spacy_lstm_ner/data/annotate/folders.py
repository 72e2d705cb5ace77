"""Where the input is read and the output written: folders of any file system.

A file of the output is complete, or absent: on this machine `replacing` writes it, an
object store creates an object by one put, and other file systems rename a temporary
file. Local folders need no pyarrow.
"""

import os
import posixpath
import shutil
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple
from uuid import uuid4

from ...errors import Errors
from ..files import HIDDEN, find_files, shown
from ..replacing import replacing

# Names of temporary files begin with a dot and end so, like those of `replacing`.
TEMPORARY = ".tmp"
# File systems of pyarrow where an object appears when its upload is complete, and a
# rename is a copy. In Azure's, an empty object appears first.
_OBJECT_STORES = ("s3", "gcs")

# Size and time of a file, by which a change is noticed.
Stamp = list[int | None]


class LocalFolder(NamedTuple):
    """A folder of this machine, or a file if only `find` is called.

    root: The absolute path.
    """

    root: Path

    def where(self, name: str = "") -> str:
        """The path of a file as it may stand in a message."""
        return shown(self.root / name)

    def contains(self, other: "Folder") -> bool:
        """Whether another folder is this one, or is within it."""
        return isinstance(other, LocalFolder) and (
            other.root.resolve().is_relative_to(self.root.resolve())
        )

    def find(self, endings: Collection[str]) -> tuple["LocalFolder", dict[str, Stamp]]:
        """Find the files of an input, by the rules of `find_files`.

        endings (Collection[str]): The endings in lower case, with their dots.
        RETURNS (Tuple[LocalFolder, Dict[str, Stamp]]): The folder, or that of the file,
            and the files by their names in it.
        RAISES ValueError (L401): If there are none, or if the file ends otherwise.
        """
        # A link keeps its own name, because the ending names the format.
        root = self.root.parent if self.root.is_file() else self.root
        stats = {path: path.stat() for path in find_files(self.root, endings)}
        stamps: dict[str, Stamp] = {
            path.relative_to(root).as_posix(): [stat.st_size, stat.st_mtime_ns]
            for path, stat in stats.items()
        }
        return LocalFolder(root), _checked(self, stamps, endings)

    def names(self) -> list[str] | None:
        """The names of all files of the folder; None if it is something else."""
        if self.root.exists():
            return os.listdir(self.root) if self.root.is_dir() else None
        return []

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.root / name).exists()

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read."""
        return (self.root / name).open("rb")

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which appears once it is complete. The folder is created."""
        with replacing(self.root / name) as new:
            new.write_bytes(content)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all its files."""
        path = self.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


class RemoteFolder(NamedTuple):
    """A folder of a file system of pyarrow, with the methods of `LocalFolder`.

    filesystem: The file system.
    root: The path in it.
    """

    filesystem: Any
    root: str

    def where(self, name: str = "") -> str:
        return posixpath.join(self.root, name) if name else self.root

    def contains(self, other: "Folder") -> bool:
        return (
            isinstance(other, RemoteFolder)
            and other.filesystem == self.filesystem
            and PurePosixPath(other.root).is_relative_to(self.root)
        )

    def find(self, endings: Collection[str]) -> tuple["RemoteFolder", dict[str, Stamp]]:
        info = self.filesystem.get_file_info(self.root)
        is_file = info.is_file
        root = posixpath.dirname(self.root) if is_file else self.root
        stamps = {
            PurePosixPath(info.path).relative_to(root): [info.size, info.mtime_ns]
            for info in ([info] if is_file else self._list(recursive=True))
            if info.is_file
        }
        chosen: dict[str, Stamp] = {
            name.as_posix(): stamps[name]
            for name in sorted(stamps)
            if is_file or name.suffix.lower() in endings
            if is_file or not any(part.startswith(HIDDEN) for part in name.parts)
        }
        return RemoteFolder(self.filesystem, root), _checked(self, chosen, endings)

    def names(self) -> list[str] | None:
        if self.filesystem.get_file_info(self.root).is_file:
            return None
        return [info.base_name for info in self._list()]

    def exists(self, name: str) -> bool:
        return bool(self.filesystem.get_file_info(self.where(name)).is_file)

    def open(self, name: str) -> Any:
        return self.filesystem.open_input_file(self.where(name))

    def write(self, name: str, content: bytes) -> None:
        path = new = self.where(name)
        if self.filesystem.type_name not in _OBJECT_STORES:
            new = self.where(f".{name}.{uuid4().hex}{TEMPORARY}")
            self.filesystem.create_dir(self.root, recursive=True)
        with self.filesystem.open_output_stream(new) as file:
            file.write(content)
        if new != path:
            self.filesystem.move(new, path)

    def remove(self, name: str) -> None:
        self.filesystem.delete_file(self.where(name))

    def _list(self, *, recursive: bool = False) -> Any:
        from pyarrow.fs import FileSelector  # noqa: PLC0415 (needs an extra)

        selector = FileSelector(self.root, allow_not_found=True, recursive=recursive)
        return self.filesystem.get_file_info(selector)


Folder = LocalFolder | RemoteFolder


def open_folder(location: str | Path, filesystem: Any = None) -> Folder:
    """The folder at a location, which need not exist.

    location (Union[str, Path]): A path; or, without a file system, a URI.
    filesystem (Optional[pyarrow.fs.FileSystem]): The file system of the path.
    RAISES ValueError (L410): If no file system of pyarrow knows the URI.
    """
    if filesystem is None and "://" not in str(location):
        return LocalFolder(Path(location).absolute())
    from pyarrow import fs  # noqa: PLC0415 (needs an extra)

    path = str(location)
    if filesystem is None:
        try:
            filesystem, path = fs.FileSystem.from_uri(path)
        except (OSError, ValueError) as error:
            message = Errors.L410.format(path=location, reason=error)
            raise ValueError(message) from error
    while isinstance(filesystem, fs.SubTreeFileSystem):
        path = filesystem.base_path + path
        filesystem = filesystem.base_fs
    if isinstance(filesystem, fs.LocalFileSystem):
        return LocalFolder(Path(path).absolute())
    return RemoteFolder(filesystem, path.rstrip("/"))


def _checked(
    location: "Folder", stamps: dict[str, Stamp], endings: Collection[str]
) -> dict[str, Stamp]:
    """The files that were found; the input may be a file, which may end otherwise."""
    found = {PurePosixPath(name).suffix.lower() for name in stamps}
    if not found or not found <= {*endings}:
        message = Errors.L401.format(path=location.where(), endings=list(endings))
        raise ValueError(message)
    return stamps


def is_temporary(name: str, of: str = "") -> bool:
    """Whether a name is that of what killed writers leave.

    name (str): A name of `Folder.names`.
    of (str): The beginning of the name of the file that was written.
    """
    return name.startswith(f".{of}") and name.endswith(TEMPORARY)
