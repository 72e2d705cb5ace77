"""Speed of the default pipeline on the CPU and on a GPU, and what it learns there.

    python benchmarks/gpu.py train.conll dev.conll

For each device, in a process of its own: configs/default.cfg is trained for 300 updates
of 32 texts, from the same seed, with dropout 0.1, and then annotates the second file.
The CPU has one thread. Without a GPU, or without CuPy, only the CPU is measured, and
the table says so.

- "training": words per second of `nlp.update`, the first 10 updates left out.
- "pipe": words per second of `nlp.pipe`, best of 3 rounds.
- "one text": milliseconds of `nlp(text)`, median of 100 texts.
- "F1": of the entities in the second file. Random numbers differ between devices.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import spacy
import srsly
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, minibatch
from thinc.api import fix_random_seed, require_cpu, require_gpu
from thinc.compat import has_cupy_gpu

from spacy_lstm_ner.data.conll import ConllCorpus

CONFIG = Path(__file__).parent.parent / "configs" / "default.cfg"
TASKS = ("training", "pipe", "one text", "F1")
N_UPDATES, N_WARM, BATCH_SIZE = 300, 10, 32


def main() -> None:
    """Print a table: a row for each task, a column for each device."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("train", type=Path, help="CoNLL file with tokens and BIO tags")
    parser.add_argument("dev", type=Path, help="another one")
    parser.add_argument("--updates", type=int, default=N_UPDATES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table")
    parser.add_argument("--device", choices=("cpu", "gpu"), help="measure only this")
    args = parser.parse_args()
    if args.device:
        (require_gpu if args.device == "gpu" else require_cpu)()
        print(srsly.json_dumps(measure(args.train, args.dev, args.updates)))
        return
    devices = ["cpu", "gpu"] if has_cupy_gpu else ["cpu"]
    table = {device: in_process(args, device) for device in devices}
    print(f"{'':>10}" + "".join(f"{device:>12}" for device in devices))
    for task in TASKS:
        row = [f"{table[device][task]:12.1f}" for device in devices]
        print(f"{task:>10}" + "".join(row))
    if not has_cupy_gpu:
        print("No GPU that CuPy can use: the CPU alone was measured.")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(args.json, table)


def in_process(args: argparse.Namespace, device: str) -> dict[str, float]:
    """`measure` in a new process, because a process has one device."""
    command = [sys.executable, __file__, str(args.train), str(args.dev)]
    command += ["--device", device, "--updates", str(args.updates)]
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    figures: dict[str, float] = srsly.json_loads(output.splitlines()[-1])
    return figures


def measure(train: Path, dev: Path, n_updates: int) -> dict[str, float]:
    """The figures of the device that Thinc uses."""
    fix_random_seed(0)
    nlp = load_model_from_config(load_config(CONFIG), auto_fill=True)
    examples, held_out = read(nlp, train), read(nlp, dev)
    sgd = nlp.initialize(lambda: examples)
    n_words, start = 0, 0.0
    batches = minibatch(cycle(examples), BATCH_SIZE)
    for i, batch in enumerate(islice(batches, n_updates)):
        if i == min(N_WARM, n_updates - 1):
            n_words, start = 0, time.perf_counter()
        nlp.update(batch, sgd=sgd, drop=0.1)
        n_words += sum(len(eg.reference) for eg in batch)
    figures = {"training": n_words / (time.perf_counter() - start)}
    texts = [eg.text for eg in held_out]
    n_words = sum(len(eg.reference) for eg in held_out)
    nlp(texts[0])
    rounds = [seconds(nlp, texts) for _ in range(3)]
    figures["pipe"] = n_words / min(rounds)
    each = []
    for text in texts[:100]:
        start = time.perf_counter()
        nlp(text)
        each.append(time.perf_counter() - start)
    figures["one text"] = 1000 * statistics.median(each)
    figures["F1"] = 100 * nlp.evaluate(held_out)["ents_f"]
    return figures


def read(nlp: Language, path: Path) -> list[Example]:
    """The examples of a file, as raw text and annotation."""
    gold = [eg.reference for eg in ConllCorpus(path)(spacy.blank("en"))]
    return [Example(nlp.make_doc(doc.text), doc) for doc in gold]


def seconds(nlp: Language, texts: list[str]) -> float:
    """Time to annotate texts."""
    start = time.perf_counter()
    for _ in nlp.pipe(texts):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
