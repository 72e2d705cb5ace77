"""Which files and folders a command may write, and how it writes a pipeline.

A command replaces what the same command has written before. Anything else in its place
is somebody's work: it stays, unless the user says --force.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

from spacy.language import Language

from ..data.json_lines import parse_json
from ..data.replacing import check_writable, replacing, restore
from ..errors import Errors
from ..layers.words.clusters import ClusterTable
from ..layers.words.word_table import WordTable
from .shared import Opt

Force = Annotated[
    bool, Opt("--force", "-f", help="Replace what something else has written")
]

# The files and folders of a pipeline, beside the folders of its components.
_PIPELINE = {"meta.json", "config.cfg", "tokenizer", "vocab"}


def check_file(
    output: Path,
    endings: Iterable[str],
    is_ours: Callable[[Path], bool],
    *,
    inputs: Iterable[Path | str] = (),
    force: bool,
) -> None:
    """Refuse a file that the command must not write, before its work begins.

    output (Path): The file to write.
    endings (Iterable[str]): Its endings in lower case, with their dots.
    is_ours (Callable[[Path], bool]): Whether the command has written an existing file.
    inputs (Iterable[Union[Path, str]]): The files that it reads.
    force (bool): Replace a file of something else.
    RAISES ValueError: If the file ends otherwise, often an input whose output was
        forgotten (L201), if it is also an input (L213), or if something else has
        written it (L217).
    RAISES OSError: If it is a folder, or as `check_writable`.
    """
    endings = list(endings)
    if output.suffix.lower() not in endings:
        names = " or ".join(map(repr, endings))
        raise ValueError(Errors.L201.format(output=output, endings=names))
    for path in inputs:
        if output.exists() and os.path.exists(path) and output.samefile(path):
            raise ValueError(Errors.L213.format(path=output))
    if output.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(output))
    check_writable(output)
    if not force and output.is_file() and output.stat().st_size and not is_ours(output):
        raise ValueError(Errors.L217.format(path=output))


def check_folder(
    output: Path, is_ours: Callable[[Path], bool], *, force: bool, whole: bool = True
) -> None:
    """Refuse a folder that the command must not write to, before its work begins.

    output (Path): The folder to write to.
    is_ours (Callable[[Path], bool]): Whether the command may write to an existing
        folder that is not empty.
    force (bool): Write to a folder of something else. What the command does not write
        itself stays there.
    whole (bool): The command replaces the folder as a whole; else it writes files into
        it.
    RAISES OSError: If it is a file, or as `check_writable`.
    RAISES ValueError (L217): If something else has written it.
    """
    restore(output)
    if output.exists() and not output.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(output))
    check_writable(output if whole else output / "file")
    if not force and output.is_dir() and any(output.iterdir()) and not is_ours(output):
        raise ValueError(Errors.L217.format(path=output))


def write_pipeline(nlp: Language, output: Path) -> None:
    """Write a pipeline to a folder. What else is in the folder stays.

    nlp (Language): The pipeline.
    output (Path): The folder, which `check_folder` has accepted.
    """
    with replacing(output) as new:
        nlp.to_disk(new)
        replaced = _pipeline_names(output)
        for entry in output.iterdir() if output.is_dir() else ():
            if entry.name in replaced or (new / entry.name).exists():
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.copytree(entry, new / entry.name, symlinks=True)
            else:
                shutil.copy2(entry, new / entry.name, follow_symlinks=False)


def is_pipeline(folder: Path) -> bool:
    """Whether a folder is that of a pipeline which spaCy has written."""
    return bool(_pipeline_names(folder))


def _pipeline_names(folder: Path) -> set[str]:
    """The files and folders of a pipeline; none if the folder is something else."""
    if not all((folder / name).exists() for name in _PIPELINE):
        return set()
    meta = parse_json((folder / "meta.json").read_bytes())
    if not isinstance(meta, dict) or not {"lang", "spacy_version"} <= meta.keys():
        return set()
    return _PIPELINE | {str(name) for name in meta.get("components", ())}


def is_vectors(path: Path) -> bool:
    """Whether a file of word vectors begins with their number and their width."""
    with path.open("rb") as file:
        cells = file.readline(100).split()
    return len(cells) == 2 and all(cell.isdigit() for cell in cells)


def is_table(path: Path) -> bool:
    """Whether a file is a table of quantized word vectors."""
    return _can(WordTable.read, path)


def is_clusters(path: Path) -> bool:
    """Whether a file is a table of clusters of words."""
    return _can(ClusterTable.read, path)


def _can(read: Callable[[Path], object], path: Path) -> bool:
    """Whether a file can be read so."""
    try:
        read(path)
    except ValueError:
        return False
    return True


def has_fields(path: Path, names: Iterable[str], *, only: bool = False) -> bool:
    """Whether the first record of a file of JSON lines has certain fields.

    path (Path): The file.
    names (Iterable[str]): The names of the fields.
    only (bool): There must be no others.
    """
    with path.open("rb") as file:
        record = parse_json(file.readline())
    if not isinstance(record, dict):
        return False
    return record.keys() == set(names) if only else record.keys() >= set(names)


def has_text(path: Path, text: str) -> bool:
    """Whether a file contains a text, by which the command marks its files."""
    return text.encode() in path.read_bytes()


def is_json_with(path: Path, name: str) -> bool:
    """Whether a file is a JSON object with a certain field."""
    content = parse_json(path.read_bytes())
    return isinstance(content, dict) and name in content


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write a JSON object, indented."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf8")
