"""Cost of many labels: `lstm_ner` with each decoder, and spaCy's `ner`.

    python benchmarks/labels.py train.conll --json labels.json

The entities of the corpus get as many labels as are asked for, in turn. Each pipeline
runs in a process of its own, on one thread: `ner` of spaCy's quickstart, and configs/
default.cfg with `LogSoftmax.v1` and `CRF.v1`. Each is trained with 20 updates before
prediction is measured. Processor time, because it depends least on what else runs:

- "initialize": `nlp.initialize` with all texts, in seconds.
- "update": `nlp.update` with about 500 words, in milliseconds, best of the rounds.
- "one text": `nlp(text)`, in milliseconds, median of 20 texts.
- "256 texts": `nlp.pipe` with a batch of 256 texts, in seconds, best of the rounds.
- "memory": peak of the resident memory over that after imports, in MB.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import spacy
import srsly
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import load_config, load_model_from_config

from spacy_lstm_ner.data.conll import ConllCorpus

CONFIGS = Path(__file__).parent.parent / "configs"
SIDES = ("ner", "LogSoftmax", "CRF")
TASKS = ("initialize", "update", "one text", "256 texts", "memory")
BATCH_WORDS = 500
MB = 1024  # of the unit of `ru_maxrss`


def main() -> None:
    """Print a table: a row for each task and number of labels."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="CoNLL file with tokens and BIO tags")
    parser.add_argument("--labels", default="8,50,200,1000,2000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    numbers = [int(n) for n in args.labels.split(",")]
    if args.side:
        print(srsly.json_dumps(measure(args.corpus, args.side, *numbers, args.rounds)))
        return
    table = {}
    print(f"{'labels':>8}{'task':>14}" + "".join(f"{side:>14}" for side in SIDES))
    for n_labels in numbers:
        costs = {side: in_process(args, side, n_labels) for side in SIDES}
        for task in TASKS:
            row = [f"{costs[side][task]:14.2f}" for side in SIDES]
            print(f"{n_labels:8}{task:>14}" + "".join(row), flush=True)
        table[n_labels] = costs
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(args.json, table)


def in_process(args: argparse.Namespace, side: str, n_labels: int) -> dict[str, float]:
    """`measure` in a new process."""
    command = [sys.executable, __file__, str(args.corpus), "--side", side]
    command += ["--labels", str(n_labels), "--rounds", str(args.rounds)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    costs: dict[str, float] = srsly.json_loads(output.splitlines()[-1])
    return costs


def measure(corpus: Path, side: str, n_labels: int, rounds: int) -> dict[str, float]:
    """The cost of each task."""
    nlp = build(side)
    examples = relabelled(nlp, corpus, [f"LABEL{i}" for i in range(n_labels)])
    texts = [eg.reference.text for eg in examples]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    costs = {"initialize": seconds(lambda: nlp.initialize(lambda: examples))}
    sgd = nlp.create_optimizer()
    batches = cycle(by_words(examples))
    updates = [
        seconds(lambda: nlp.update(next(batches), sgd=sgd, drop=0.1)) for _ in range(20)
    ]
    costs["update"] = 1000 * min(updates[-rounds:])
    each = [seconds(lambda text=text: nlp(text)) for text in texts[:20]]
    costs["one text"] = 1000 * statistics.median(each)
    costs["256 texts"] = min(
        seconds(lambda: list(nlp.pipe(texts[:256], batch_size=256)))
        for _ in range(rounds)
    )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    costs["memory"] = (after - before) / MB
    return costs


def build(side: str) -> Language:
    """A pipeline, untrained."""
    if side == "ner":
        config = init_config(
            lang="en", pipeline=["ner"], optimize="efficiency", silent=True
        )
        return load_model_from_config(config, auto_fill=True)
    name = "components.lstm_ner.model.decode.@layers"
    overrides = {name: f"spacy_lstm_ner.{side}.v1"}
    config = load_config(CONFIGS / "default.cfg", overrides=overrides)
    return load_model_from_config(config, auto_fill=True)


def relabelled(nlp: Language, corpus: Path, labels: list[str]) -> list[Example]:
    """The examples of a corpus, with other labels: all of them, as often as possible.
    The recognizer knows all labels, even if there are fewer entities."""
    _, recognizer = nlp.pipeline[-1]
    for label in labels:
        recognizer.add_label(label)
    next_label = cycle(labels)
    examples = []
    for eg in ConllCorpus(corpus)(spacy.blank("en")):
        reference = eg.reference
        reference.set_ents(
            [
                Span(reference, ent.start, ent.end, label=next(next_label))
                for ent in reference.ents
            ],
            default="outside",
        )
        examples.append(Example(nlp.make_doc(reference.text), reference))
    return examples


def by_words(examples: list[Example]) -> list[list[Example]]:
    """Batches of about 500 words."""
    batches: list[list[Example]] = [[]]
    for eg in examples:
        if sum(len(other.reference) for other in batches[-1]) > BATCH_WORDS:
            batches.append([])
        batches[-1].append(eg)
    return batches


def seconds(run: Callable[[], object]) -> float:
    """Processor time of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


if __name__ == "__main__":
    main()
