"""Rows per second of `annotate` with one worker and with two, and a killed worker.

    python benchmarks/ray_scaling.py train.conll

The sentences of the file are repeated to N rows in one Parquet file, each with its
number. A pipeline `lstm_ner` of configs/default.cfg annotates them with each number of
workers, in turn, and the best of all rounds counts; its weights are random unless
--model names a trained pipeline. The time to start actors and to load the pipeline is
measured on one row per worker and subtracted. Beside them, as many processes of
`nlp.pipe` without Ray: two cores that share caches and clock are less than twice as
fast as one. In a last run, one actor is killed (SIGKILL) about half-way, and the output
is compared byte by byte with the others. Needs the extra `ray` and a core for each
worker.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import spacy
from spacy.training import Example
from spacy.util import import_file, load_config, load_model_from_config

from spacy_lstm_ner.data.annotate import annotate
from spacy_lstm_ner.data.conll import ConllCorpus

# A component that kills its process once, after so many texts.
KILLER = """
import os, signal
from pathlib import Path
from spacy.language import Language

@Language.factory("killer", default_config={"marker": "", "after": 0})
def make(nlp, name, marker, after):
    seen = 0
    def killer(doc):
        nonlocal seen
        seen += 1
        if seen > after and not Path(marker).exists():
            Path(marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return doc
    return killer
"""
CONFIG = Path(__file__).parent.parent / "configs" / "default.cfg"


def main() -> None:
    """Print rows per second, the ratio, and whether nothing was lost, as JSON too."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="CoNLL file with tokens and BIO tags")
    parser.add_argument("--rows", type=int, default=200_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows-per-shard", type=int, default=5_000, metavar="N")
    parser.add_argument("--model", type=Path, help="default: of random weights")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        examples = list(ConllCorpus(args.corpus)(spacy.blank("en")))
        model = args.model or random_model(folder / "model", examples)
        texts = [eg.reference.text for eg in examples]
        write_rows(folder / "all.parquet", texts, args.rows)
        ray.init(
            num_cpus=max(args.workers), include_dashboard=False, log_to_driver=False
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        speeds = dict.fromkeys(args.workers, 0.0)
        plain = dict.fromkeys(args.workers, 0.0)
        for i, n in itertools.product(range(args.rounds), args.workers):
            few = folder / f"few-{n}.parquet"
            write_rows(few, texts, n)
            start_up = seconds(model, few, folder / f"few-{i}-{n}", n, rows_per_shard=1)
            source, output = folder / "all.parquet", folder / f"all-{i}-{n}"
            total = seconds(model, source, output, n, args.rows_per_shard)
            speed = args.rows / (total - start_up)
            speeds[n] = max(speeds[n], speed)
            plain[n] = max(plain[n], speed_without_ray(model, texts, n))
            print(
                f"{n} workers: {args.rows:,} rows in {total:.1f} s, of which "
                f"{start_up:.1f} s to start; {speed:,.0f} rows/s; load "
                f"{os.getloadavg()[0]:.1f}",
                flush=True,
            )
        first, last = args.workers[0], args.workers[-1]
        ratio = speeds[last] / speeds[first]
        plain_ratio = plain[last] / plain[first]
        print(
            f"{last} workers against {first}: {ratio:.2f} times; processes without "
            f"Ray: {plain_ratio:.2f} times"
        )
        code, marker = folder / "killer.py", folder / "killed"
        code.write_text(KILLER, encoding="utf8")
        after = args.rows // (2 * last)
        add_killer(model, folder / "killer", code, marker, after)
        output = folder / "all-killed"
        total = seconds(
            folder / "killer", source, output, last, args.rows_per_shard, code
        )
        rounds = itertools.product(range(args.rounds), args.workers)
        outputs = [folder / f"all-{i}-{n}" for i, n in rounds]
        is_same = all(content(each) == content(output) for each in outputs)
        rows = pq.ParquetDataset(sorted(output.glob("part-*"))).read()["id"]
        is_complete = rows.to_pylist() == list(range(args.rows))
        is_killed = marker.exists()
        print(f"a worker killed: {total:.1f} s in all; same bytes: {is_same}")
    result = {
        "corpus": args.corpus.name,
        "rows": args.rows,
        "cores": len(os.sched_getaffinity(0)),
        "ray": ray.__version__,
        "rows_per_second": {n: round(speed) for n, speed in speeds.items()},
        "ratio": round(ratio, 2),
        "rows_per_second_without_ray": {n: round(speed) for n, speed in plain.items()},
        "ratio_without_ray": round(plain_ratio, 2),
        "killed": is_killed,
        "complete_without_duplicates": is_complete,
        "same_bytes_as_without_kill": is_same,
    }
    print(json.dumps(result))


def random_model(path: Path, examples: list[Example]) -> Path:
    """Write a pipeline of random weights."""
    nlp = load_model_from_config(load_config(CONFIG), auto_fill=True)
    nlp.initialize(lambda: examples)
    nlp.to_disk(path)
    return path


def write_rows(path: Path, texts: list[str], n: int) -> None:
    """The texts in turn, n in all, numbered, so that no two are the same."""
    rows = [f"{texts[i % len(texts)]} {i}" for i in range(n)]
    pq.write_table(pa.table({"id": range(n), "text": rows}), path)


def seconds(
    model: Path,
    source: Path,
    output: Path,
    workers: int,
    rows_per_shard: int,
    code: Path | None = None,
) -> float:
    """How long a run takes."""
    start = time.perf_counter()
    settings = {"workers": workers, "rows_per_shard": rows_per_shard, "code": code}
    annotate(model, source, output, **settings)
    return time.perf_counter() - start


def speed_without_ray(model: Path, texts: list[str], n: int) -> float:
    """Rows per second of processes of `nlp.pipe` at the same time, together."""
    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(speed_of_pipe, [model] * n, [texts] * n))


def speed_of_pipe(model: Path, texts: list[str], rounds: int = 5) -> float:
    """Rows per second of `nlp.pipe`, as a worker calls it."""
    nlp = spacy.load(model)
    start = time.perf_counter()
    for _ in range(rounds):
        nlp.get_pipe("lstm_ner").clear_cache()
        with nlp.memory_zone():
            for _ in nlp.pipe(texts):
                pass
    return rounds * len(texts) / (time.perf_counter() - start)


def add_killer(model: Path, output: Path, code: Path, marker: Path, after: int) -> None:
    """The pipeline with the killer at its end."""
    import_file("killer", code)
    nlp = spacy.load(model)
    nlp.add_pipe("killer", config={"marker": str(marker), "after": after})
    nlp.to_disk(output)


def content(output: Path) -> dict[str, bytes]:
    """The bytes of all files with rows."""
    return {path.name: path.read_bytes() for path in output.glob("part-*")}


if __name__ == "__main__":
    main()
