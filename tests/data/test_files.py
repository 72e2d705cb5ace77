"""The rule by which the files of a folder are found."""

from pathlib import Path

from spacy_lstm_ner.data.files import find_files


def test_files_of_a_folder(tmp_path: Path):
    """Links keep their names, and links in a circle end. Hidden files and folders are
    left out."""
    folder = tmp_path / "in"
    names = ["b/c.TXT", "a.txt", ".git/x.txt", "_tmp/x.txt", "b/.x.txt", "_x.txt"]
    for name in [*names, "readme.md", "b.txt.gz", "../blob", "../other/d.txt"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "folder.txt").mkdir()
    (folder / "e.txt").symlink_to("../blob")
    (folder / "gone.txt").symlink_to("../nothing")
    (folder / "more").symlink_to("../other")
    (folder / "b" / "circle").symlink_to(folder)
    found = find_files(folder, [".txt"])
    read = ["a.txt", "b/c.TXT", "e.txt", "more/d.txt"]
    assert [path.relative_to(folder).as_posix() for path in found] == read


def test_a_named_file_is_taken_as_it_is(tmp_path: Path):
    for name in ("_hidden.md", "a.txt"):
        assert find_files(tmp_path / name, [".txt"]) == []
        (tmp_path / name).touch()
        assert find_files(tmp_path / name, [".txt"]) == [tmp_path / name]
