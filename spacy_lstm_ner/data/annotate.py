"""Annotate corpora that outgrow a process, or a machine, with any spaCy pipeline.

The rows of Parquet and JSONL files are cut into shards. A dataset of Ray Data has the
shards as its rows, and a pool of actors, each of which has loaded the pipeline once,
annotates them. A shard becomes one file of the output: it is written under a temporary
name, forced to disk and renamed (`os.replace`), so that a file with its final name is
complete, and a shard that is annotated twice, because its worker died, is there once.
What has its final name is not computed again. Needs the extra `ray`.
"""

import hashlib
import json
import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_package_path, import_file, is_package

from ..checks import check_at_least
from ..component.confidences import confidence
from ..errors import Errors
from .json_lines import for_spacy, to_json

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import ray
    from ray.data import ActorPoolStrategy
except ImportError as error:
    raise ImportError(Errors.L400) from error

__all__ = ["Summary", "annotate"]

MANIFEST = "_manifest.json"
# Each worker is one process on one core.
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
# How many workers may die of a shard in one run.
_ATTEMPTS = 3
_TEMPORARY = ".tmp"
# First characters of the names of files and folders that are left out.
_HIDDEN = "._"
_ENTITIES = pa.list_(
    pa.struct(
        [
            pa.field("start", pa.int64(), nullable=False),
            pa.field("end", pa.int64(), nullable=False),
            pa.field("label", pa.string(), nullable=False),
            pa.field("confidence", pa.float64()),
        ]
    )
)
# The entities of a row; None where there is no text.
_Entities = list[dict[str, Any]] | None


class Summary(NamedTuple):
    """What a run of `annotate` did.

    n_files: Files of the output.
    n_kept: Those of them that an earlier run had written.
    n_rows: Rows that this run annotated.
    n_entities: Entities that it found.
    """

    n_files: int
    n_kept: int
    n_rows: int
    n_entities: int


class _Shard(NamedTuple):
    """Some consecutive rows of an input file, and the file that they become.

    name: Name of the file in the output.
    source: The input file, relative to the folder of the input.
    start, stop: Rows (Parquet) or lines (JSONL), half-open.
    offset: The byte where `start` begins, if the format can seek.
    """

    name: str
    source: str
    start: int
    stop: int
    offset: int


class _Columns(NamedTuple):
    text: str
    entities: str


class _Rows(NamedTuple):
    """The rows of a shard: their texts, and how to write them with entities."""

    texts: list[str | None]
    write: Callable[[list[_Entities], IO[bytes]], None]


class _Format(Protocol):
    def check(self, path: Path, columns: _Columns) -> None:
        """Look at the columns of a file, as far as that is quick."""

    def cut(
        self, path: Path, n_rows: int, columns: _Columns
    ) -> Iterator[tuple[int, int, int]]:
        """Start, stop and offset of each shard of a file, all of which is checked: a
        corrected input is another one, for which all would be computed again."""

    def read(self, path: Path, shard: _Shard, columns: _Columns) -> _Rows:
        """Read a shard."""


class _Parquet:
    def check(self, path: Path, columns: _Columns) -> None:
        try:
            schema = pq.read_schema(path)
        except pa.ArrowInvalid as error:
            raise ValueError(Errors.L403.format(path=path, reason=error)) from error
        if schema.names.count(columns.text) != 1:
            found: Any = "missing, or there twice"
        else:
            found = schema.field(columns.text).type
        is_dictionary = isinstance(found, pa.DictionaryType)
        if (found.value_type if is_dictionary else found) not in _text_types():
            message = Errors.L402.format(
                path=path, column=columns.text, found=found, columns=schema.names
            )
            raise ValueError(message)
        if columns.entities in schema.names:
            raise ValueError(Errors.L404.format(where=path, column=columns.entities))

    def cut(
        self, path: Path, n_rows: int, columns: _Columns
    ) -> Iterator[tuple[int, int, int]]:
        total = pq.read_metadata(path).num_rows
        for start in range(0, total, n_rows):
            yield start, min(start + n_rows, total), 0

    def read(self, path: Path, shard: _Shard, columns: _Columns) -> _Rows:
        with pq.ParquetFile(path) as file:
            table = pa.Table.from_batches(
                _row_range(file, shard.start, shard.stop), file.schema_arrow
            )

        def write(entities: list[_Entities], output: IO[bytes]) -> None:
            column = pa.array(entities, _ENTITIES)
            pq.write_table(table.append_column(columns.entities, column), output)

        return _Rows(table[columns.text].to_pylist(), write)


def _text_types() -> list[Any]:
    """Also that of a column of nothing but nulls."""
    return [pa.string(), pa.large_string(), pa.string_view(), pa.null()]


def _row_range(file: pq.ParquetFile, start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """The rows start <= i < stop, from the row groups that have some of them."""
    row, groups = 0, []
    for group in range(file.num_row_groups):
        end = row + file.metadata.row_group(group).num_rows
        if row < stop and end > start:
            groups.append((group, row))
        row = end
    row = groups[0][1]
    for batch in file.iter_batches(row_groups=[group for group, _ in groups]):
        first, last = max(start - row, 0), min(stop - row, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        row += batch.num_rows
        if row >= stop:
            return


class _JsonLines:
    def check(self, path: Path, columns: _Columns) -> None:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if _record(line):
                    _read_text(line, f"{path}, line {number}", columns)
                    return

    def cut(
        self, path: Path, n_rows: int, columns: _Columns
    ) -> Iterator[tuple[int, int, int]]:
        start = offset = 0
        with path.open("rb") as file:
            while lines := list(islice(file, n_rows)):
                self._texts(path, start, lines, columns)
                yield start, start + len(lines), offset
                start, offset = start + len(lines), offset + sum(map(len, lines))

    def read(self, path: Path, shard: _Shard, columns: _Columns) -> _Rows:
        with path.open("rb") as file:
            file.seek(shard.offset)
            lines = list(islice(file, shard.stop - shard.start))
        texts = self._texts(path, shard.start, lines, columns)
        records = [record for line in lines if (record := _record(line))]

        def write(entities: list[_Entities], output: IO[bytes]) -> None:
            name = to_json(columns.entities)
            for record, found in zip(records, entities, strict=True):
                # All up to the last brace stays as it was written.
                fields = (record[:-1].rstrip(), name, to_json(found))
                output.write(b"%b, %b: %b}\n" % fields)

        return _Rows(texts, write)

    def _texts(
        self, path: Path, start: int, lines: list[bytes], columns: _Columns
    ) -> list[str | None]:
        """The texts of consecutive lines, of which `start` come before."""
        return [
            _read_text(line, f"{path}, line {number}", columns)
            for number, line in enumerate(lines, start=start + 1)
            if _record(line)
        ]


def _record(line: bytes) -> bytes:
    """What stands on a line, if anything."""
    return line.removeprefix(BOM_UTF8).strip()


def _read_text(line: bytes, where: str, columns: _Columns) -> str | None:
    """The text of a record, which has no column of entities yet."""
    try:
        record = json.loads(_record(line).decode("utf8", "surrogatepass"))
    except ValueError:
        record = None
    if (
        not isinstance(record, dict)
        or columns.text not in record
        or not isinstance(record[columns.text], str | None)
    ):
        start = line[:50].decode("utf8", errors="replace")
        message = Errors.L405.format(where=where, line=start, column=columns.text)
        raise ValueError(message)
    if columns.entities in record:
        raise ValueError(Errors.L404.format(where=where, column=columns.entities))
    text: str | None = record[columns.text]
    return text


_FORMATS: dict[str, _Format] = {".parquet": _Parquet(), ".jsonl": _JsonLines()}


def annotate(
    model: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    workers: int = 2,
    batch_size: int | None = None,
    text_column: str = "text",
    entities_column: str = "entities",
    rows_per_shard: int = 10_000,
    code: str | Path | None = None,
    on_file: Callable[[int, int], object] = lambda n_done, n_files: None,
) -> Summary:
    """Annotate the rows of Parquet and JSONL files with the entities of a pipeline.

    The output has the rows of the input in its order, with all their columns, in files
    of the same format. The column of entities is a list of structs `start`, `end` (in
    characters), `label` and `confidence` (null if no `lstm_ner` made the entity); it is
    null where the text is null.

    Called again with the same arguments after an interruption, it computes only what is
    missing; `workers` and `batch_size` may differ. Ray is started if it is not yet
    (`ray.init`); in a cluster, all machines need the files under the same paths.

    model (Union[str, Path]): The pipeline: its folder, or the name of its package.
    source (Union[str, Path]): A file ending in .parquet or .jsonl, or a folder that has
        such files, there or in its subfolders, also linked ones. What begins with "."
        or "_" is left out.
    output (Union[str, Path]): The folder to write to. One run at a time.
    workers (int): Number of processes.
    batch_size (Optional[int]): Number of texts of a batch of `nlp.pipe`; None: that of
        the pipeline.
    text_column (str): Name of the column of texts.
    entities_column (str): Name of the column to add.
    rows_per_shard (int): Greatest number of rows of a file of the output, which is what
        may have to be computed again.
    code (Optional[Union[str, Path]]): A Python file to import before the pipeline is
        loaded, as `--code` of `spacy train`.
    on_file (Callable[[int, int], object]): Called after each file of the output with
        the number of complete files and the number of all.
    RETURNS (Summary): Counts of files, rows and entities.
    RAISES ValueError: If the arguments or the input are at fault (L401 to L405), if the
        pipeline sets no entities (L406), if the output is something else (L407) or
        was begun with other settings (L408), and, after all other shards have been
        annotated, if some could not be (L409).
    """
    check_at_least(
        1, workers=workers, batch_size=batch_size, rows_per_shard=rows_per_shard
    )
    source, output = Path(source), Path(output)
    columns = _Columns(text_column, entities_column)
    root = (source.parent if source.is_file() else source).resolve()
    paths = _find_files(source, root)
    _check_output(source, output)
    for path in paths:
        _FORMATS[path.suffix].check(path, columns)
    pipeline = _Pipeline.locate(model, code)
    _check_recognizer(pipeline.load())
    settings = {
        **pipeline.digests(),
        "columns": list(columns),
        "rows_per_shard": rows_per_shard,
        **{
            f"input {path.relative_to(root).as_posix()}": _stamp(path) for path in paths
        },
    }
    shards = _open_output(
        output, settings, lambda: list(_cut(paths, root, rows_per_shard, columns))
    )
    missing = [shard for shard in shards if not (output / shard.name).exists()]
    annotator = {
        "pipeline": pipeline,
        "root": root,
        "output": output.resolve(),
        "columns": columns,
        "batch_size": batch_size,
    }
    n_rows = n_entities = 0
    reasons = {}
    n_files, n_kept = len(shards), len(shards) - len(missing)
    results = _run(missing, annotator, workers) if missing else ()
    for n_done, result in enumerate(results, start=n_kept + 1):
        n_rows += result["n_rows"]
        n_entities += result["n_entities"]
        if result["error"]:
            reasons[result["name"]] = result["error"]
        on_file(n_done, n_files)
    _clear_temporaries(output)
    unfinished = [shard for shard in missing if not (output / shard.name).exists()]
    if unfinished:
        first = unfinished[0]
        message = Errors.L409.format(
            n=len(unfinished),
            n_files=n_files,
            where=f"{root / first.source}, rows {first.start} to {first.stop}",
            reason=reasons[first.name],
        )
        raise ValueError(message)
    return Summary(n_files, n_kept, n_rows, n_entities)


def _find_files(source: Path, root: Path) -> list[Path]:
    """The input files, in order, under the names that they have there (a link may lead
    to one without ending); of a folder neither hidden ones nor other formats."""
    paths = [root / source.name] if source.is_file() else sorted(_walk(root))
    found = [path for path in paths if path.suffix in _FORMATS and path.is_file()]
    if not found:
        raise ValueError(Errors.L401.format(path=source, endings=list(_FORMATS)))
    return found


def _walk(root: Path) -> Iterator[Path]:
    """What is not hidden, under `root` and in folders that are linked there; each
    folder once."""
    seen = set()
    for folder, names, files in os.walk(root, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if name[0] not in _HIDDEN)
        yield from (Path(folder, name) for name in files if name[0] not in _HIDDEN)


def _stamp(path: Path) -> list[int]:
    """Size and time of a file, by which a change is noticed."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _cut(
    paths: Iterable[Path], root: Path, n_rows: int, columns: _Columns
) -> Iterator[_Shard]:
    number = 0
    for path in paths:
        name = path.relative_to(root).as_posix()
        for rows in _FORMATS[path.suffix].cut(path, n_rows, columns):
            yield _Shard(f"part-{number:08d}{path.suffix}", name, *rows)
            number += 1


class _Pipeline(NamedTuple):
    """A pipeline that each process loads for itself.

    model: The name of its package, or its folder.
    code: A file to import before.
    """

    model: str | Path
    code: Path | None

    @classmethod
    def locate(cls, model: str | Path, code: str | Path | None) -> "_Pipeline":
        if not (isinstance(model, str) and is_package(model)):
            model = Path(model).resolve()
        return cls(model, Path(code).resolve() if code else None)

    def load(self) -> Language:
        if self.code:
            import_file("spacy_lstm_ner_code", self.code)
        return spacy.load(self.model)

    def digests(self) -> dict[str, str | None]:
        """A digest of all that the results depend on."""
        model = self.model
        folder = get_package_path(model) if isinstance(model, str) else model
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            "model": _digest(folder, paths),
            "code": _digest(self.code.parent, [self.code]) if self.code else None,
        }


def _digest(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _check_recognizer(nlp: Language) -> None:
    """A component may set entities if it says so, or if it says nothing and is not one
    of spaCy's."""
    for name, pipe in nlp.pipeline:
        assigns = nlp.get_pipe_meta(name).assigns
        is_spacys = pipe.__module__.startswith("spacy.")
        if "doc.ents" in assigns or getattr(pipe, "annotate_ents", False):
            return
        if not assigns and not is_spacys:
            return
    raise ValueError(Errors.L406.format(pipes=nlp.pipe_names))


def _check_output(source: Path, output: Path) -> None:
    """Neither what else lies in the output nor the input may be mixed up with it."""
    is_inside = output.resolve().is_relative_to(source.resolve())
    is_foreign = output.exists() and (
        not output.is_dir()
        or (any(output.iterdir()) and not (output / MANIFEST).is_file())
    )
    if is_inside or is_foreign:
        raise ValueError(Errors.L407.format(path=output))


def _open_output(
    output: Path, settings: dict[str, Any], cut: Callable[[], list[_Shard]]
) -> list[_Shard]:
    """The shards, as the manifest lists them; written at the first start.

    A later start with other settings is refused, and remains of an interrupted one are
    cleared away."""
    manifest = output / MANIFEST
    if not manifest.exists():
        shards = cut()
        output.mkdir(parents=True, exist_ok=True)
        content = {"settings": settings, "shards": shards}
        with _atomic_file(manifest) as file:
            file.write(json.dumps(content).encode())
        return shards
    try:
        content = json.loads(manifest.read_bytes())
        before = dict(content["settings"])
        shards = [_Shard(*shard) for shard in content["shards"]]
    except (ValueError, LookupError, TypeError) as error:  # that of another program
        raise ValueError(Errors.L407.format(path=output)) from error
    names = sorted(before.keys() | settings.keys())
    changed = {
        name: (before.get(name), settings.get(name))
        for name in names
        if before.get(name) != settings.get(name)
    }
    if changed:
        differences = [
            f"{name}: {old}, now {new}"
            for name, (old, new) in islice(changed.items(), 5)
        ]
        message = Errors.L408.format(path=output, differences="; ".join(differences))
        raise ValueError(message)
    _clear_temporaries(output)
    return shards


def _clear_temporaries(output: Path) -> None:
    """Remove what workers that were killed have left."""
    for path in output.glob(f"*{_TEMPORARY}"):
        path.unlink()


@contextmanager
def _atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that appears under its name when it is complete, and on disk.

    Each attempt has a temporary file of its own, which remains if its process dies.
    Ray tries again without end what its worker did not survive; but what kills each
    worker (for want of memory, for instance) has to end."""
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


def _run(
    shards: list[_Shard], annotator: dict[str, Any], workers: int
) -> Iterator[dict[str, Any]]:
    """Annotate the shards, and give the result of each as it is ready."""
    if not ray.is_initialized():
        # Connects to a running cluster where RAY_ADDRESS names one.
        local: dict[str, Any] = (
            {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers}
        )
        ray.init(include_dashboard=False, **local)
    dataset = ray.data.from_items(
        [shard._asdict() for shard in shards], override_num_blocks=len(shards)
    )
    annotator_class: Any = _Annotator
    results = dataset.map(
        annotator_class,
        fn_constructor_kwargs=annotator,
        compute=ActorPoolStrategy(size=min(workers, len(shards))),
        num_cpus=1,
        runtime_env={"env_vars": _ONE_THREAD},
    )
    yield from results.iter_rows()


class _Annotator:
    """An actor: a pipeline that has been loaded, to which shards come one by one."""

    def __init__(
        self,
        pipeline: _Pipeline,
        root: Path,
        output: Path,
        columns: _Columns,
        batch_size: int | None,
    ) -> None:
        self._nlp = pipeline.load()
        self._root, self._output = root, output
        self._columns = columns
        self._batch_size = batch_size

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        shard = _Shard(**row)
        result = {"name": shard.name, "n_rows": 0, "n_entities": 0, "error": ""}
        try:
            entities = self._annotate(shard)
        except Exception as err:  # a pipeline has anybody's components: any kind
            # What leaves this method ends Ray's whole dataset, all other shards for one
            # bad row. So it becomes the result of its shard, and `annotate` raises L409
            # with it when the others are done. Interrupts, no Exception, get through.
            return {**result, "error": f"{type(err).__name__}: {err}"}
        found = sum(len(row or ()) for row in entities)
        return {**result, "n_rows": len(entities), "n_entities": found}

    def _annotate(self, shard: _Shard) -> list[_Entities]:
        path = self._root / shard.source
        with _atomic_file(self._output / shard.name) as file:
            rows = _FORMATS[path.suffix].read(path, shard, self._columns)
            texts = [for_spacy(text) for text in rows.texts if text is not None]
            docs = self._nlp.pipe(texts, batch_size=self._batch_size)
            entities = [
                None if text is None else _entities(next(docs)) for text in rows.texts
            ]
            rows.write(entities, file)
        return entities


def _entities(doc: Doc) -> list[dict[str, Any]]:
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "confidence": confidence(ent),
        }
        for ent in doc.ents
    ]
