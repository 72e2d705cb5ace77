"""The workers: a pool of Ray actors, each with a pipeline."""

import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ray
from ray.data import ActorPoolStrategy
from spacy.tokens import Doc
from thinc.api import Model

from ...component.confidences import confidence
from ...errors import Errors
from ...layers.words.cache import clear_cache
from ..json_lines import for_spacy
from .folders import Folder
from .formats import Entities, format_of
from .output import counted
from .pipeline import Pipeline
from .shards import Columns, Shard

# Each worker is one process on one core.
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


# Seconds to wait for a cluster.
_PATIENCE = 10


class Task(NamedTuple):
    """The settings that all workers share."""

    pipeline: Pipeline
    source: Folder
    output: Folder
    columns: Columns
    batch_size: int | None


def run(
    shards: Sequence[Shard], task: Task, workers: int, address: str | None = None
) -> Iterator[dict[str, Any]]:
    """Annotate shards in parallel, and yield the result of each when it is ready.

    shards (Sequence[Shard]): The shards.
    task (Task): The settings of the workers.
    workers (int): Greatest number of workers.
    address (Optional[str]): The Ray cluster, see `annotate`.
    YIELDS (Dict[str, Any]): A result of `Annotator`.
    RAISES ConnectionError (L411): If no Ray cluster answers.
    """
    if not ray.is_initialized():
        _start(address or os.environ.get("RAY_ADDRESS"), workers)
    dataset = ray.data.from_items(
        [shard._asdict() for shard in shards], override_num_blocks=len(shards)
    )
    # A worker has one shard at a time, so that none waits while another is idle.
    size = min(workers, len(shards))
    results = dataset.map(
        Annotator,
        fn_constructor_args=(task,),
        compute=ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
        runtime_env={"env_vars": _ONE_THREAD},
    )
    results.context.enable_progress_bars = False
    yield from results.iter_rows()


def _start(address: str | None, workers: int) -> None:
    """Start Ray on this machine, or connect to a cluster.

    RAISES ConnectionError (L411): If no Ray cluster answers.
    """
    host, _, port = (address or "").rpartition(":")
    if "/" not in host and port.isdigit():
        # Ray would try for minutes.
        try:
            socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
        except (OSError, OverflowError) as error:
            message = Errors.L411.format(address=address, reason=error)
            raise ConnectionError(message) from error
    n_cpus = workers if address in (None, "", "local") else None
    ray.init(address, include_dashboard=False, num_cpus=n_cpus)


class Annotator:
    """An actor: it loads the pipeline once and then annotates one shard per call.

    task (Task): The settings.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.nlp = task.pipeline.load()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Annotate a shard and write its file.

        row (Dict[str, Any]): The fields of a `Shard`.
        RETURNS (Dict[str, Any]): The name of the shard, the numbers of its rows and
            entities, and an error, empty if there is none.
        """
        shard = Shard(**row)
        result = {"name": shard.name, "n_rows": 0, "n_entities": 0, "error": ""}
        try:
            entities = self._annotate(shard)
        # A pipeline's components may raise exceptions of any type. If one left this
        # method, Ray would end the whole dataset for one bad row. As the result of its
        # shard it reaches `annotate`, which raises L409 when the others are done.
        except Exception as err:
            return {**result, "error": f"{type(err).__name__}: {err}"}
        found = sum(len(row or ()) for row in entities)
        return {**result, "n_rows": len(entities), "n_entities": found}

    def _annotate(self, shard: Shard) -> list[Entities]:
        task = self.task
        with counted(task.output, shard):
            where = task.source.where(shard.source)
            with task.source.open(shard.source) as file:
                rows = format_of(shard.source).read(file, where, shard, task.columns)
            texts = [for_spacy(text) for text in rows.texts if text is not None]
            self._forget()
            with self.nlp.memory_zone():
                docs = self.nlp.pipe(texts, batch_size=task.batch_size)
                entities = [
                    None if text is None else _entities(next(docs))
                    for text in rows.texts
                ]
            task.output.write(shard.name, rows.render(entities))
        return entities

    def _forget(self) -> None:
        """Drop the vectors of words of other shards, which differ by rounding from new
        ones: the file of a shard does not depend on the worker that writes it."""
        for _, pipe in self.nlp.pipeline:
            model = getattr(pipe, "model", None)
            if isinstance(model, Model):
                clear_cache(model)


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
