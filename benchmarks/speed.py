"""Words per second of `lstm_ner` against spaCy's `ner`, on one core, in one process.

    python benchmarks/speed.py train.conll

Both pipelines are tokenizer + entity recognizer: `lstm_ner` of configs/default.cfg, and
`ner` of spaCy's quickstart (`spacy init config -p ner -o efficiency`). Each is trained
for one short pass, so that it finds entities; then both annotate the texts in turn,
several times. What counts is the ratio within a round: absolute figures depend on the
machine.
"""

import argparse
import json
import os
import statistics
import time
from itertools import islice
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import spacy
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, minibatch

from spacy_lstm_ner.readers import ConllCorpus

DEFAULT_CONFIG = Path(__file__).parent.parent / "configs" / "default.cfg"


def main() -> None:
    """Print a table of the rounds, and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="CoNLL file with tokens and BIO tags")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=256)
    args = parser.parse_args()
    examples = list(ConllCorpus(args.corpus)(spacy.blank("en")))
    quickstart = init_config(
        lang="en", pipeline=["ner"], optimize="efficiency", silent=True
    )
    rivals = {
        "ner": load_model_from_config(quickstart, auto_fill=True),
        "lstm_ner": load_model_from_config(load_config(DEFAULT_CONFIG), auto_fill=True),
    }
    for nlp in rivals.values():
        fit(nlp, examples)
    texts = [eg.reference.text for eg in examples]
    n_words = sum(len(doc) for doc in spacy.blank("en").pipe(texts))
    print(f"{'round':>5} {'ner':>12} {'lstm_ner':>12} {'ratio':>8}   words/s")
    ratios = []
    for i in range(args.rounds):
        ner, lstm_ner = (
            n_words / seconds(nlp, texts, args.batch_size) for nlp in rivals.values()
        )
        ratios.append(lstm_ner / ner)
        print(f"{i + 1:>5} {ner:>12,.0f} {lstm_ner:>12,.0f} {ratios[-1]:>8.2f}")
    result = {
        "corpus": args.corpus.name,
        "words": n_words,
        "batch_size": args.batch_size,
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }
    print(json.dumps(result))


def fit(nlp: Language, examples: list[Example], *, steps: int = 40) -> None:
    """Train a new pipeline on a few batches of 50 sentences."""
    examples = [Example(nlp.make_doc(eg.text), eg.reference) for eg in examples]
    sgd = nlp.initialize(lambda: examples)
    for batch in islice(minibatch(examples, 50), steps):
        nlp.update(batch, sgd=sgd, drop=0.1)


def seconds(nlp: Language, texts: list[str], batch_size: int) -> float:
    """Time that a pipeline takes to annotate raw texts."""
    start = time.perf_counter()
    for _ in nlp.pipe(texts, batch_size=batch_size):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
