"""Files and folders that are written whole or not at all."""

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.test_outputs import full_disk

from spacy_lstm_ner.data import replacing as module
from spacy_lstm_ner.data.replacing import leftovers, replacing, restore

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="locks and kills are those of POSIX"
)


def write_file(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf8")


def write_folder(path: Path, content: str) -> None:
    (path / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (path / name).write_text(content, encoding="utf8")


def contents(path: Path) -> set[str]:
    """The different contents of all files of a place, hidden ones included."""
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    return {file.read_text(encoding="utf8") for file in files}


def killed(run: Callable[[], object]) -> None:
    """Run a function in a process that must be killed meanwhile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forks beside threads
        child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def die(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(params=[write_file, write_folder])
def write(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    return request.param


@pytest.fixture(params=["x", "x.conll", ".x", "\u6f22" * 80, "caf\udce9.tmp"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A place with a name that is long, hidden or not UTF-8."""
    return tmp_path / "new" / request.param


@pytest.mark.parametrize("can_exchange", [True, False])
def test_the_new_takes_the_place_of_the_old(
    write: Callable[[Path, str], None],
    target: Path,
    can_exchange: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    if not can_exchange:
        monkeypatch.setattr(module, "_exchange", lambda new, old: False)
    for content in ("first", "second"):
        with replacing(target) as new:
            write(new, content)
            assert new.name == target.name
        assert contents(target) == {content}
        assert list(target.parent.iterdir()) == [target]
        target.chmod(0o750)
    assert target.stat().st_mode & 0o777 == 0o750


@pytest.mark.skipif(sys.platform != "linux", reason="other systems can't")
def test_two_folders_are_exchanged_in_one_step(tmp_path: Path):
    for name in ("a", "b"):
        write_folder(tmp_path / name, name)
    assert module._exchange(tmp_path / "a", tmp_path / "b")
    assert contents(tmp_path / "a") == {"b"}
    assert contents(tmp_path / "b") == {"a"}
    assert not module._exchange(tmp_path / "a", tmp_path / "none")


def test_an_error_leaves_the_old(write: Callable[[Path, str], None], target: Path):
    def fill_the_disk() -> None:
        with replacing(target) as new:
            write(new, "ne")
            raise OSError(errno.ENOSPC, "the disk is full")

    target.parent.mkdir()
    for is_there in (False, True):
        if is_there:
            write(target, "old")
        with pytest.raises(OSError, match="full"):
            fill_the_disk()
        assert list(target.parent.iterdir()) == [target] * is_there
    assert contents(target) == {"old"}


def test_a_kill_leaves_the_old(write: Callable[[Path, str], None], target: Path):
    def run() -> None:
        with replacing(target) as new:
            write(new, "ne")
            die()

    target.parent.mkdir()
    write(target, "old")
    other = target.with_name(f"{target.name}.other")
    write(other, "other")
    killed(run)
    killed(run)
    assert contents(target) == {"old"}
    # The second writer has removed what the first one left.
    assert len(leftovers(target)) == 1
    with replacing(other) as new:
        write(new, "new")
    assert len(leftovers(target)) == 1
    with replacing(target) as new:
        write(new, "new")
    assert {*target.parent.iterdir()} == {target, other}
    assert contents(target) == contents(other) == {"new"}


def test_a_kill_between_two_renames_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As on systems that can't exchange two folders in one step."""
    target = tmp_path / "model"
    write_folder(target, "old")

    def rename_and_die(source: Path, place: Path) -> None:
        os.rename(source, place)
        die()

    def run() -> None:
        module._exchange = lambda new, old: False
        module.os.replace = rename_and_die
        with replacing(target) as new:
            write_folder(new, "new")

    killed(run)
    assert not target.exists()
    restore(target)
    assert contents(target) == {"old"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_rename_that_fails_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / "model"
    write_folder(target, "old")

    def replace(source: Path, place: Path) -> None:
        if "new" in Path(source).parts[-2:]:
            raise OSError(errno.EIO, "cannot move")
        os.rename(source, place)

    monkeypatch.setattr(module, "_exchange", lambda new, old: False)
    monkeypatch.setattr(module.os, "replace", replace)
    with pytest.raises(OSError, match="cannot move"), replacing(target) as new:
        write_folder(new, "new")
    assert contents(target) == {"old"}
    assert list(tmp_path.iterdir()) == [target]


def test_errors_name_the_path_that_was_given(tmp_path: Path):
    """Not the staging folder, and not nothing, as those of a full disk."""
    target = tmp_path / "x.txt"
    with (
        full_disk(100),
        pytest.raises(OSError, match=r"'\S+/x\.txt'$"),
        replacing(target) as new,
        new.open("wb") as file,
    ):
        file.write(bytes(1000))
    target.mkdir()
    with (
        pytest.raises(IsADirectoryError, match=r"directory: '\S+[0-9]/x\.txt'$"),
        replacing(target) as new,
    ):
        new.write_text("new", encoding="utf8")
    with (
        pytest.raises(FileNotFoundError, match=r"none\.txt'$"),
        replacing(tmp_path / "y.txt"),
    ):
        (tmp_path / "none.txt").read_bytes()


def test_writers_at_work_are_left_alone(write: Callable[[Path, str], None], target):
    with replacing(target) as first:
        write(first, "first")
        restore(target)
        with replacing(target) as second:
            write(second, "second")
            assert len(leftovers(target)) == 2
        assert contents(target) == {"second"}
    assert contents(target) == {"first"}
    assert list(target.parent.iterdir()) == [target]


def test_without_locks_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Some network file systems have none; a folder may be that of a live writer."""

    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    target = tmp_path / "x"
    leftover = tmp_path / ".x.abc.tmp"
    leftover.mkdir()
    monkeypatch.setattr(module.fcntl, "flock", refuse)
    with replacing(target) as new:
        write_file(new, "new")
    assert contents(target) == {"new"}
    assert {*tmp_path.iterdir()} == {target, leftover}


def test_links_stay(write: Callable[[Path, str], None], tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    place, link = tmp_path / "elsewhere" / "x", tmp_path / "y"
    write(place, "old")
    link.symlink_to(place)
    with replacing(link) as new:
        write(new, "new")
    assert link.is_symlink()
    assert contents(place) == {"new"}
    assert {*tmp_path.rglob("*")} >= {place, link}
    assert list(place.parent.iterdir()) == [place]


def test_pipes_are_written_to(tmp_path: Path):
    pipe = tmp_path / "x.jsonl"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(pipe) as new:
        write_file(new, "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_file_never_takes_the_place_of_a_folder(tmp_path: Path):
    write_folder(tmp_path / "folder", "old")
    write_file(tmp_path / "file", "old")
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "folder") as new:
        write_file(new, "new")
    with pytest.raises(NotADirectoryError), replacing(tmp_path / "file") as new:
        write_folder(new, "new")
    assert contents(tmp_path) == {"old"}
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_replaced_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / "x"
    write_file(target, "old")
    monkeypatch.setattr(module.os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="x"), replacing(target) as new:
        write_file(new, "new")
    monkeypatch.setattr(module.os.path, "ismount", lambda path: True)
    with pytest.raises(ValueError, match=r"L218.*mount point"), replacing(tmp_path):
        write_file(target, "new")
    assert contents(target) == {"old"}
