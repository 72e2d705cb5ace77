"""Input and output of any file system of pyarrow."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import spacy

from spacy_lstm_ner.data.annotate import annotate
from spacy_lstm_ner.data.annotate.folders import (
    LocalFolder,
    RemoteFolder,
    open_folder,
)

from .helpers import WARNINGS, expected, make_rows, names, read_lines

pytest.importorskip("ray", reason='needs Ray: pip install ".[ray]"')
fs = importlib.import_module("pyarrow.fs")
local = importlib.import_module("fsspec.implementations.local")

pytestmark = WARNINGS


@pytest.mark.usefixtures("one_process")
def test_from_one_file_system_to_another(ruler: Path, jsonl: Path, tmp_path: Path):
    """The output goes through fsspec, which pyarrow does not know as local: its files
    are renamed when they are complete."""
    source = fs.SubTreeFileSystem(str(jsonl.parent), fs.LocalFileSystem())
    through = fs.PyFileSystem(fs.FSSpecHandler(local.LocalFileSystem()))
    output = tmp_path / "new" / "out"
    settings: dict[str, Any] = {
        "workers": 1,
        "rows_per_shard": 20,
        "source_filesystem": source,
        "output_filesystem": through,
    }
    assert annotate(ruler, jsonl.name, output, **settings)[:3] == (4, 0, 50)
    assert read_lines(output) == expected(spacy.load(ruler), make_rows())
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    (output / "part-00000001.jsonl").unlink()
    (output / ".part-00000001.jsonl.k1ll3d.tmp").write_bytes(b'{"id": ')
    assert annotate(ruler, jsonl.name, output, **settings)[:3] == (4, 3, 10)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_locations(tmp_path: Path):
    uri = (tmp_path / "a b").as_uri()
    assert "a%20b" in uri
    assert open_folder(uri) == LocalFolder(tmp_path / "a b")
    assert open_folder(tmp_path / "a b") == LocalFolder(tmp_path / "a b")
    assert open_folder("a b") == LocalFolder(Path.cwd() / "a b")
    tree = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    tree = fs.SubTreeFileSystem("a b", tree)
    assert open_folder("c", tree) == LocalFolder(tmp_path / "a b" / "c")
    mock = fs._MockFileSystem()
    tree = fs.SubTreeFileSystem("a", mock)
    assert open_folder("c/", tree) == RemoteFolder(mock, "a/c")


@pytest.fixture
def remote() -> RemoteFolder:
    """A folder in memory."""
    return RemoteFolder(fs._MockFileSystem(), "bucket/in")


def test_files_of_a_remote_input(remote: RemoteFolder):
    for name in ("b/c.jsonl", "b.NDJSON", "_b/c.jsonl", ".a.jsonl", "a.txt", "a.jsonl"):
        folder, _, last = f"bucket/in/{name}".rpartition("/")
        RemoteFolder(remote.filesystem, folder).write(last, name.encode())
    root, stamps = remote.find([".jsonl", ".ndjson"])
    assert root == remote
    assert list(stamps) == ["a.jsonl", "b/c.jsonl", "b.NDJSON"]
    size, time = stamps["b/c.jsonl"]
    assert size == len("b/c.jsonl")
    assert (time or 0) > 10**18
    with root.open("b/c.jsonl") as file:
        assert file.read() == b"b/c.jsonl"
    # A file that is named is taken, hidden or not.
    for name in ("b.NDJSON", "_b/c.jsonl"):
        path = remote._replace(root=remote.where(name))
        root, stamps = path.find([".jsonl", ".ndjson"])
        assert [root.where(each) for each in stamps] == [f"bucket/in/{name}"]
    for name in ("a.txt", "none", "none.jsonl"):
        path = remote._replace(root=remote.where(name))
        with pytest.raises(ValueError, match=rf"L401.*bucket/in/{name}"):
            path.find([".jsonl", ".ndjson"])


@pytest.mark.parametrize("is_store", [False, True])
def test_files_of_a_remote_output(
    is_store: bool, remote: RemoteFolder, monkeypatch: pytest.MonkeyPatch
):
    if is_store:
        module = "spacy_lstm_ner.data.annotate.folders"
        monkeypatch.setattr(f"{module}._OBJECT_STORES", ("mock",))
    assert remote.names() == []
    if is_store:  # the mock has folders, as object stores do not
        remote.filesystem.create_dir(remote.root)
    remote.write("a", b"old")
    remote.write("a", b"new")
    assert remote.names() == ["a"]
    assert remote.open("a").read() == b"new"
    assert remote.exists("a")
    assert not remote.exists("b")
    broken: Any = 5  # fails when the file is open already
    with pytest.raises(TypeError):
        remote.write("b", broken)
    (left,) = {*(remote.names() or ())} - {"a"}
    if not is_store:
        assert left.startswith(".b.")
        assert left.endswith(".tmp")
    remote.remove(left)
    assert remote.names() == ["a"]
    assert remote._replace(root="bucket/in/a").names() is None


def test_what_is_within(remote: RemoteFolder, tmp_path: Path):
    inner = remote._replace(root="bucket/in/out")
    beside = remote._replace(root="bucket/in2")
    other = RemoteFolder(fs._MockFileSystem(), "bucket/in/out")
    found = [remote.contains(each) for each in (remote, inner, beside, other)]
    assert found == [True, True, False, False]
    assert not inner.contains(remote)
    here = LocalFolder(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    assert here.contains(LocalFolder(tmp_path / "link" / "out"))
    assert not here.contains(LocalFolder(tmp_path.parent))
    assert not here.contains(remote)
    assert not remote.contains(here)


@pytest.mark.usefixtures("one_process")
def test_uris_of_the_command(ruler: Path, tmp_path: Path):
    """The same input and output by their paths, later."""
    (tmp_path / "a b.jsonl").write_text('{"text": "Bob"}\n', encoding="utf8")
    source, output = tmp_path / "a b.jsonl", tmp_path / "out"
    done = annotate(ruler, source.as_uri(), output.as_uri(), workers=1)
    assert done == (1, 0, 1, 1)
    assert names(output) == ["_manifest.json", "part-00000000.jsonl"]
    (record,) = read_lines(output)
    assert record["entities"][0]["label"] == "PER"
    assert json.loads((output / "_manifest.json").read_bytes())["shards"]
    assert annotate(ruler, source, output) == (1, 1, 0, 0)
