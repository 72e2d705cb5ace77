"""Writes files and folders whole or not at all.

Something new is written into a staging folder beside its place, forced to disk, and
then moved there by one rename. If the process is killed, or the disk is full, what was
there before stays as it was, and a staging folder `.NAME.*.tmp` may remain. The next
writer of the same place removes it.
"""

import ctypes
import errno
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import Errors

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".tmp"
_NEW, _OLD = "new", "old"
# Arguments of renameat2, from linux/fcntl.h and linux/fs.h.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or a folder that appears under its name once it is complete.

    A link stays, and the file that it points to is replaced. The new file or folder
    gets the permissions of the old one. The folders above are created.

    path (Path): The file or folder to write or to replace.
    YIELDS (Path): Where to write it: a path with the same name.
    RAISES OSError: If it cannot be written. The old one is there as before.
    RAISES ValueError (L218): If the folder is a mount point, which cannot be renamed.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file() and not target.is_dir():
        yield target  # a pipe or a device has nothing to lose, and must stay
        return
    if os.path.ismount(target):
        raise ValueError(Errors.L218.format(path=path))
    check_writable(path)
    restore(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _staging(target) as folder, _naming(path, folder):
        new = folder / _NEW / target.name
        new.parent.mkdir()
        yield new
        if target.exists():
            shutil.copymode(target, new)
        _sync_all(new)
        _move(new, target, folder / _OLD / target.name)
        _sync(target.parent)


@contextmanager
def _naming(path: Path, folder: Path) -> Iterator[None]:
    """Let errors name the path instead of the staging folder or nothing: the system
    does not say which file found no space."""
    try:
        yield
    except OSError as err:
        where = os.fsdecode(err.filename) if err.filename else ""
        if err.errno is None or (where and not where.startswith(str(folder))):
            raise
        raise OSError(err.errno, err.strerror, str(path)) from err


def check_writable(path: Path) -> None:
    """Refuse a place where no file or folder can be written, before the work begins.

    path (Path): The file or folder to write or to replace.
    RAISES OSError: If it may not be written, if the nearest folder above that exists
        may not be written to, or if that is no folder.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not os.access(target, os.W_OK):
        raise _error(errno.EACCES, path)
    if target.exists() and not target.is_file() and not target.is_dir():
        return  # a pipe or a device is written in its place
    folder = target.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise _error(errno.ENOTDIR, folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _error(errno.EACCES, folder)


def _error(number: int, path: Path) -> OSError:
    """The exception of an error number: PermissionError, for instance."""
    return OSError(number, os.strerror(number), str(path))


def restore(path: Path) -> None:
    """Tidy up behind killed writers of a file or folder: put the old one back if it was
    moved aside and the new one is not in its place, and remove staging folders.

    Call it before reading what an interrupted command may have been replacing. Staging
    folders of writers that are still at work are left alone, and so are all where the
    file system has no locks.

    path (Path): The file or folder.
    """
    target = Path(os.path.realpath(path))
    for folder in leftovers(target):
        with _lock(folder) as is_locked:
            if is_locked is False:
                continue
            old = folder / _OLD / target.name
            if old.exists() and not target.exists():
                old.rename(target)
            if is_locked:
                shutil.rmtree(folder, ignore_errors=True)


def leftovers(path: Path) -> list[Path]:
    """The staging folders of writers of a file or folder, at work or killed.

    path (Path): The file or folder.
    RETURNS (List[Path]): The folders; none if the folder above does not exist.
    """
    prefix = _prefix(path)
    with suppress(FileNotFoundError, NotADirectoryError):
        return [
            Path(entry.path)
            for entry in os.scandir(path.parent)
            if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX)
            if "." not in entry.name[len(prefix) : -len(_SUFFIX)]
            if entry.is_dir(follow_symlinks=False)
        ]
    return []


def _prefix(path: Path) -> str:
    """The start of the names of staging folders. File systems limit their length, so a
    checksum stands for the end of a long name."""
    name = path.name
    if len(name) > 50:
        name = f"{name[:40]}~{zlib.crc32(os.fsencode(name)):08x}"
    return f".{name}."


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A new folder beside the target, locked as long as its writer lives."""
    while True:
        made = tempfile.mkdtemp(_SUFFIX, _prefix(target), target.parent)
        with _lock(folder := Path(made)) as is_locked:
            # Another writer may take a folder that is not locked yet for a leftover.
            if is_locked is False:
                continue
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextmanager
def _lock(folder: Path) -> Iterator[bool | None]:
    """Lock a folder: True if that was possible, False if another process has locked or
    removed it, None if the system or the file system has no locks. The system releases
    the lock when the process ends, however it ends."""
    if sys.platform == "win32":
        yield None
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    is_locked: bool | None = False
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = folder.exists()
        except BlockingIOError:
            pass
        except OSError:
            is_locked = None
        yield is_locked
    finally:
        os.close(descriptor)


def _move(new: Path, target: Path, old: Path) -> None:
    """Put the new file or folder in its place. No rename replaces a folder that has
    contents: exchange the two, or move the old one aside first."""
    if not (target.is_dir() and new.is_dir()):
        os.replace(new, target)
    elif not _exchange(new, target):
        old.parent.mkdir()
        os.replace(target, old)
        try:
            os.replace(new, target)
        except OSError:
            os.replace(old, target)
            raise


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step, if the system and the file system can."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    paths = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return bool(rename(*paths, _RENAME_EXCHANGE) == 0)


def _sync_all(path: Path) -> None:
    """Force a file, or a folder with all its contents, to disk."""
    for folder, _, files in os.walk(path):
        for name in files:
            if not os.path.islink(file := Path(folder, name)):
                _sync(file)
        _sync(Path(folder))
    if path.is_file():
        _sync(path)


def _sync(path: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
