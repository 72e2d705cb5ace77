"""Cost of `lstm_ner` against length of texts, size of batches and age of the process.

    python benchmarks/scaling.py train.conll --json scaling.json

The pipeline is that of configs/default.cfg, trained for two passes. Texts of other
lengths are joined or cut from those of the corpus.

- "us per word": processor time of the recognizer without the tokenizer, best of the
  rounds. The ratios below it compare with texts of 20 tokens in batches of 256.
- "bytes per token": peak of the memory that one text of all words allocates.
- "growth": how much the resident memory of the process grows from 50,000 to 1,000,000
  distinct words, each seen once, in memory zones of 250 texts. The tokenizer alone is
  measured too, because spaCy causes most of the growth.
- "cold start": time from the start of a process to the first entity, for `ner` too.
- "two processes": `nlp.pipe(n_process=2)` against one process, on four times as many
  words. It needs two free cores. For texts of 20 tokens, spaCy takes longer to send a
  Doc between processes than to annotate it.
"""

import argparse
import gc
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc
from speed import build, fit

from spacy_lstm_ner.data.conll import ConllCorpus

LENGTHS = (10, 20, 100, 1000, 10_000, 100_000)
BATCH_SIZES = (1, 8, 32, 256, 1024)
LOAD = "import sys, spacy; nlp = spacy.load(sys.argv[1]); "
COLD_START = LOAD + "print(len(nlp('Ada flew to Paris').ents))"
GROWTH = LOAD + "import scaling; print(scaling.growth(nlp))"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="CoNLL file with tokens and BIO tags")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--words", type=int, default=100_000, help="of each measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables")
    args = parser.parse_args()
    examples = list(ConllCorpus(args.corpus)(spacy.blank("en")))
    pipelines = {name: build()[name] for name in ("ner", "lstm_ner")}
    for nlp in pipelines.values():
        fit(nlp, examples, n_passes=2)
    nlp = pipelines["lstm_ner"]
    words = [token.text for eg in examples for token in eg.reference]
    words = (words * (args.words // len(words) + 1))[: args.words]
    standard = cost(nlp, words, 20, 256, args.rounds)
    result: dict[str, Any] = {"us per word": standard}
    for length in LENGTHS:
        show(
            result,
            f"{length} tokens",
            cost(nlp, words, length, 256, args.rounds) / standard,
        )
    for size in BATCH_SIZES:
        show(
            result,
            f"batches of {size}",
            cost(nlp, words, 20, size, args.rounds) / standard,
        )
    show(result, "bytes per token", bytes_per_token(nlp, words))
    for length in (20, 200, 1000):
        gain = gain_of_two(nlp, words * 4, length, args.rounds)
        show(result, f"two processes, by {length}", gain)
    pipelines["tokenizer"] = spacy.blank("en")
    for name, nlp in pipelines.items():
        grown, _ = in_new_process(nlp, GROWTH)
        show(result, f"growth of {name} in MB", grown)
    for name, nlp in pipelines.items():
        seconds = [in_new_process(nlp, COLD_START)[1] for _ in range(args.rounds)]
        show(result, f"cold start of {name} in s", statistics.median(seconds))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(args.json, result)


def show(result: dict[str, Any], name: str, value: float) -> None:
    """A row of the table."""
    result[name] = value
    print(f"{name:>24}  {value:10.2f}", flush=True)


def cost(
    nlp: Language, words: list[str], length: int, size: int, n_rounds: int
) -> float:
    """Microseconds per word."""
    ner: Any = nlp.get_pipe("lstm_ner")
    rounds = []
    for _ in range(n_rounds):
        docs = [
            Doc(nlp.vocab, words=words[i : i + length])
            for i in range(0, len(words), length)
        ]
        start = time.process_time()
        for _ in ner.pipe(docs, batch_size=size):
            pass
        rounds.append((time.process_time() - start) / len(words) * 1e6)
    return min(rounds)


def bytes_per_token(nlp: Language, words: list[str]) -> float:
    """Peak memory of one long text, beyond the text itself."""
    doc = Doc(nlp.vocab, words=words)
    tracemalloc.start()
    nlp.get_pipe("lstm_ner")(doc)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / len(words)


def gain_of_two(nlp: Language, words: list[str], length: int, n_rounds: int) -> float:
    """How many times as fast two processes are as one."""
    texts = [" ".join(words[i : i + length]) for i in range(0, len(words), length)]
    ratios = []
    for _ in range(n_rounds):
        seconds = {}
        for n_process in (1, 2):
            start = time.perf_counter()
            size = max(8, 5000 // length)
            for _ in nlp.pipe(texts, batch_size=size, n_process=n_process):
                pass
            seconds[n_process] = time.perf_counter() - start
        ratios.append(seconds[1] / seconds[2])
    return statistics.median(ratios)


def growth(nlp: Language) -> float:
    """Growth of the resident memory over a million distinct words, in megabytes."""
    rng = random.Random(0)
    n_words, at_first = 0, 0.0
    while n_words < 1_000_000:
        with nlp.memory_zone():
            for doc in nlp.pipe(new_texts(rng, 250)):
                n_words += len(doc)
        if not at_first and n_words >= 50_000:
            at_first = resident()
    return resident() - at_first


def new_texts(rng: random.Random, n: int) -> Iterator[str]:
    """Texts of 20 words of random letters."""
    for _ in range(n):
        letters = rng.choices("abcdefghijklmnopqrstuvwxyz", k=180)
        yield " ".join("".join(letters[i : i + 9]) for i in range(0, 180, 9))


def resident() -> float:
    """Resident memory of this process in megabytes (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def in_new_process(nlp: Language, code: str) -> tuple[float, float]:
    """The number that code prints about a pipeline, and the seconds that it runs."""
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, folder],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent,
        )
        return float(done.stdout), time.perf_counter() - start


if __name__ == "__main__":
    main()
