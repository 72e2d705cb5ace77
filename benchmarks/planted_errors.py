"""How many planted errors of annotation are at the top of the list of `check --folds`.

    python benchmarks/planted_errors.py train.spacy configs/default.cfg --folds 3

Of the entities of a corpus, some are relabelled, cut by one token, or removed, at
random. Then the texts are judged, and the table shows how many planted errors the first
lines of each list have. An error counts as found if a line names a span that overlaps
the entity that was there before. The errors that the corpus has itself are listed too.

- "all models" is the list of `check --folds`: the mean of the models.
- "unseen" judges each text only by the model that has not learned it.
- "token softmax" sorts tokens by the probability of the tag they have, from the same
  models. Neighbours on this list are one line.
- "cleanlab" is `cleanlab.token_classification.filter.find_label_issues` with these
  probabilities, if cleanlab is installed.
"""

import argparse
import importlib
import importlib.util
import os
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import numpy as np
import spacy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.util import load_config, minibatch
from thinc.api import to_numpy

from spacy_lstm_ner.chains.path_sums import PathSums
from spacy_lstm_ner.component.gold import token_spans
from spacy_lstm_ner.data.tag_schemes import to_tags
from spacy_lstm_ner.reports.check import Data
from spacy_lstm_ner.reports.check.folds import cut, doubts_of_folds
from spacy_lstm_ner.reports.recognizers import find_recognizer
from spacy_lstm_ner.reports.trials import Trained, Trainer
from spacy_lstm_ner.reports.trials.training import raw_docs

# A line of a list: the number of the text, and the limits of the span.
Line = tuple[int, int, int]


class Planted(NamedTuple):
    """A planted error.

    text (int): Number of the text, from 0.
    start, end (int): Limits of the entity that was there.
    kind (str): What was done to it.
    """

    text: int
    start: int
    end: int
    kind: str


def main() -> None:
    """Plant, train, judge, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA.spacy")
    add("config", type=Path, metavar="CONFIG")
    add("--folds", type=int, default=5)
    add("--errors", type=int, default=200, help="number of planted errors")
    add("--seed", type=int, default=0)
    add("--max-steps", type=int, help="of training; default: the config's")
    add("--first", type=int, nargs="+", default=[50, 100, 200, 400, 800])
    args = parser.parse_args()
    overrides = {"training.max_steps": args.max_steps} if args.max_steps else {}
    trainer = Trainer(load_config(args.config, overrides, interpolate=False))
    docs = list(DocBin().from_disk(args.data).get_docs(spacy.blank("en").vocab))
    docs, planted = plant(docs, args.errors, args.seed)
    print(f"{len(docs)} texts, {len(planted)} planted errors:", count_kinds(planted))
    lists = make_lists(docs, trainer, args.folds, args.seed)
    print("| list |", " | ".join(f"first {n}" for n in args.first), "|")
    print("|---" * (1 + len(args.first)) + "|")
    for name, lines in lists.items():
        found = [str(n_found(lines[:n], planted)) for n in args.first]
        print(f"| {name} |", " | ".join(found), "|", flush=True)


# Planting


def plant(
    docs: Sequence[Doc], n_errors: int, seed: int
) -> tuple[list[Doc], list[Planted]]:
    """Copies of Docs with errors. An entity of one token is never cut."""
    rng = random.Random(seed)
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    places = [(i, k) for i, doc in enumerate(docs) for k in range(len(doc.ents))]
    chosen = set(rng.sample(places, n_errors))
    result, planted = [], []
    for i, doc in enumerate(docs):
        copy, ents = doc.copy(), []
        for k, ent in enumerate(copy.ents):
            if (i, k) not in chosen:
                ents.append(ent)
                continue
            kinds = ["relabelled"] if len(labels) > 1 else []
            kinds += ["removed", *(["cut"] if len(ent) > 1 else [])]
            kind = rng.choice(kinds)
            planted.append(Planted(i, ent.start, ent.end, kind))
            if kind == "relabelled":
                label = rng.choice([each for each in labels if each != ent.label_])
                ents.append(Span(copy, ent.start, ent.end, label))
            elif kind == "cut":
                at_start = rng.random() < 0.5
                start, end = ent.start + at_start, ent.end - (not at_start)
                ents.append(Span(copy, start, end, ent.label_))
        copy.set_ents(ents)
        result.append(copy)
    return result, planted


def count_kinds(planted: Sequence[Planted]) -> str:
    kinds = sorted({each.kind for each in planted})
    return ", ".join(f"{sum(p.kind == k for p in planted)} {k}" for k in kinds)


def n_found(lines: Iterable[Line], planted: Iterable[Planted]) -> int:
    """Number of planted errors that some lines name."""
    by_text: dict[int, list[tuple[int, int]]] = {}
    for text, start, end in lines:
        by_text.setdefault(text, []).append((start, end))
    return sum(
        any(start < each.end and each.start < end for start, end in by_text[each.text])
        for each in planted
        if each.text in by_text
    )


# Lists


def make_lists(
    docs: list[Doc], trainer: Trainer, n_folds: int, seed: int
) -> dict[str, list[Line]]:
    """All lists, from the same models."""
    data = Data({"train": docs})
    texts = list(data.docs())
    folds = cut(texts, n_folds, seed)
    seen: list[list[NDArray[np.float64]]] = [[] for _ in docs]
    unseen: list[NDArray[np.float64]] = [np.zeros(0)] * len(docs)
    models = []

    def look(number: int, trained: Trained) -> None:
        print(f"fold {number}: {trained.scores}", file=sys.stderr, flush=True)
        models.append(trained)
        for i, probs in enumerate(tag_probabilities(docs, trained.nlp)):
            seen[i].append(probs)
            if folds[i] == number - 1:
                unseen[i] = probs

    found = doubts_of_folds(data, trainer, n_folds=n_folds, seed=seed, on_fold=look)
    again = iter(models)
    alone = doubts_of_folds(
        data,
        lambda *args, **kwargs: next(again),
        n_folds=n_folds,
        seed=seed,
        only_unseen=True,
    )
    tags = [to_tags(token_spans(doc.ents), len(doc)) for doc in docs]
    names = find_recognizer(models[0].nlp, None)[1].tag_set.names
    given = [[names.index(tag) for tag in each] for each in tags]
    mean = [np.mean(each, axis=0) for each in seen]
    lists = {
        "`check --folds`: all models": lines_of(found.doubts),
        "unseen": lines_of(alone.doubts),
        "token softmax, all models": token_lines(given, mean),
        "token softmax, unseen": token_lines(given, unseen),
    }
    if importlib.util.find_spec("cleanlab"):
        lists["cleanlab, all models"] = cleanlab_lines(given, mean)
        lists["cleanlab, unseen"] = cleanlab_lines(given, unseen)
    return lists


def lines_of(doubts: Iterable[Any]) -> list[Line]:
    """The lines of doubts."""
    return [
        (each.entity.number - 1, each.entity.span.start, each.entity.span.end)
        for each in doubts
    ]


def tag_probabilities(
    docs: Sequence[Doc], nlp: Language
) -> Iterator[NDArray[np.float64]]:
    """The probability of each tag at each token of Docs without white space.  (T, N)"""
    name, ner = find_recognizer(nlp, None)
    for batch in minibatch(raw_docs(docs, nlp, before=name), nlp.batch_size):
        chain = ner.paths(batch, ner.settings).chain
        probs = to_numpy(PathSums(chain).marginals())
        yield from np.split(probs, np.cumsum(chain.lengths)[:-1])


def token_lines(
    given: Sequence[Sequence[int]], probs: Sequence[NDArray[np.float64]]
) -> list[Line]:
    """Tokens by the probability of the tag they have, the lowest first."""
    scored = [
        (float(probs[i][t, tag]), i, t)
        for i, tags in enumerate(given)
        for t, tag in enumerate(tags)
    ]
    return joined((i, t) for _, i, t in sorted(scored))


def cleanlab_lines(
    given: Sequence[Sequence[int]], probs: Sequence[NDArray[np.float64]]
) -> list[Line]:
    """The tokens that cleanlab lists, in its order."""
    find = importlib.import_module("cleanlab.token_classification.filter")
    return joined(find.find_label_issues(list(given), list(probs)))


def joined(tokens: Iterable[tuple[int, int]]) -> list[Line]:
    """Tokens as lines. A token beside one that is listed already adds no line."""
    lines: list[Line] = []
    listed: set[tuple[int, int]] = set()
    for text, token in tokens:
        if not {(text, token - 1), (text, token + 1)} & listed:
            lines.append((text, token, token + 1))
        listed.add((text, token))
    return lines


if __name__ == "__main__":
    main()
