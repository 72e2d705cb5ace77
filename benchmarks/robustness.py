"""Random Docs, random training runs and damaged model folders: what is silently wrong.

    python benchmarks/robustness.py docs --n 3000
    python benchmarks/robustness.py training folders --n 500 --seed 7

Each trial is drawn from a seed of its own. A table counts the outcomes. Each violation
follows, with the arguments that repeat it; if there is any, the exit status is 1.

- "docs": `nlp.pipe` over one to six odd Docs, with odd settings. Each token is B, I or
  O; no entity begins or ends in white space, crosses the start of a sentence or
  replaces a preset one; confidences lie within 0 to 1; the rest of the batch, a second
  run, saving and retokenization change nothing.
- "training": random examples, settings and methods of a tiny recognizer. Losses are
  finite, errors and warnings come from the catalogues (L, E and W with a number),
  labels fit the weights, and a saved pipeline predicts as before.
- "folders": a saved pipeline in which a file is damaged predicts exactly as before, or
  raises an exception. "ugly" are exceptions whose message is of no catalogue and names
  no missing file; these are listed, but count as refused. "undetectable" are flipped
  bits of the settings that make another valid setting, and changes of files that spaCy
  reads and this package does not check.
"""

import argparse
import atexit
import json
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import numpy as np
import spacy
from random_docs import (
    KEY,
    LABELS,
    Random,
    Spans,
    entities,
    other_vocab,
    random_doc,
    random_example,
    random_spans,
    recognizer,
    same,
    scored,
    trained,
)
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import filter_spans
from thinc.api import Adam, fix_random_seed

from spacy_lstm_ner import confidence

NEW_LABELS = ("art", "B-x", "O", "名", "-")
CATALOGUE = re.compile(r"\[[LEW]\d{3,4}\]")


class ViolationError(AssertionError):
    """Something went wrong without a word."""


def require(holds: object, what: str) -> None:
    if not holds:
        raise ViolationError(what)


def docs_trial(rng: Random) -> str:
    """`nlp.pipe` over a batch of odd Docs, with odd settings."""
    nlp = trained(rng.randrange(4))
    ner: Any = nlp.get_pipe("lstm_ner")
    ner.clear_cache()
    ner.overwrite = rng.random() < 0.3
    ner.decoding = rng.choice(["best_path", "probability"])
    ner.threshold = rng.choice([0, 0.0, 0.2, 0.9, 1])
    ner.label_thresholds = rng.choice([{}, {"geo": 0.05}])
    ner.candidates = rng.random() < 0.3
    ner.temperature = rng.choice([1.0, 0.5, 3])
    state = rng.getrandbits(64)

    def batch() -> list[Doc]:
        again = Random(state)
        n = again.randint(1, 6)
        vocabs = [again.choice([nlp.vocab, nlp.vocab, other_vocab()]) for _ in range(n)]
        return [random_doc(again, vocab) for vocab in vocabs]

    before = batch()
    docs = list(nlp.pipe(batch(), batch_size=rng.choice([1, 2, 256])))
    alone = [next(nlp.pipe([doc])) for doc in batch()]
    for old, doc, single in zip(before, docs, alone, strict=True):
        check_doc(old, doc, ner)
        require(entities(doc) == entities(single), "batch: other entities")
        require(same(scored(doc), scored(single), 1e-5), "batch: other confidences")
        saved = Doc(doc.vocab).from_bytes(doc.to_bytes())
        require(entities(doc) == entities(saved), "bytes: other entities")
        require(same(scored(doc), scored(saved), 0), "bytes: other confidences")
    first = [(entities(doc), scored(doc)) for doc in docs]
    for (ents, scores), doc in zip(first, nlp.pipe(docs), strict=True):
        require(ents == entities(doc), "second run: other entities")
        require(same(scores, scored(doc), 1e-5), "second run: other confidences")
    for doc in docs:
        check_retokenization(rng, doc)
    return "with entities" if any(scores for _, scores in first) else "without entities"


def check_doc(old: Doc, doc: Doc, ner: Any) -> None:
    """What holds of a Doc behind the recognizer, by the Doc before it."""
    require([t.text for t in old] == [t.text for t in doc], "other words")
    require(all(token.ent_iob_ in {*"BIO"} for token in doc), "token without IOB")
    blocked = [t.i for t in old if t.ent_iob_ == "B" and not t.ent_type_]
    require(
        all(doc[i].ent_iob_ == "B" and not doc[i].ent_type_ for i in blocked), "block"
    )
    presets = [] if ner.overwrite else entities(old)
    require(set(presets) <= set(entities(doc)), "preset entity lost")
    group = doc.spans[KEY]
    require(len(group) == len(group.attrs["scores"]), "scores do not fit the group")
    in_group = {(s.start, s.end, s.label_) for s in group}
    new = [span for span in entities(doc) if span not in presets]
    require({span[:3] for span in new} <= in_group, "entity is not in the group")
    for span, score in zip(group, group.attrs["scores"].tolist(), strict=True):
        is_preset = (span.start, span.end, span.label_) in {p[:3] for p in presets}
        found = confidence(span)
        if is_preset:
            require(found is None and np.isnan(score), "confidence of a preset entity")
            continue
        require(found == score and 0 <= score <= 1.0, "confidence out of range")
        require(span.label_ in LABELS, "unknown label")
        require(not (span[0].is_space or span[-1].is_space), "white space at an end")
        require(not any(t.is_sent_start for t in span[1:]), "crosses a sentence start")


def check_retokenization(rng: Random, doc: Doc) -> None:
    """Merge and split; the group has no words that it did not have."""
    doc.spans.pop("other", None)  # spaCy's groups do not follow
    before = scored(doc)
    with doc.retokenize() as retokenizer:
        for span in filter_spans(random_spans(rng, doc, LABELS, 4)):
            token = span[0]
            if rng.random() < 0.5:
                retokenizer.merge(span)
            elif 1 < len(token) < 100:
                parts = [token.text[:1], token.text[1:]]
                retokenizer.split(token, parts, heads=[(token, 0), (token, 0)])
    after = scored(doc)
    kept = {span: score for span, score in before.items() if span in after}
    require(same(after, kept, 0), "retokenization: other words or confidences")
    Doc(doc.vocab).from_bytes(doc.to_bytes())


def training_trial(rng: Random) -> str:
    """Random methods, in a random order."""
    fix_random_seed(rng.randrange(1000))
    settings: dict[str, Any] = {
        "entity_ratio": rng.choice([None, None, [0.1, 0.3], [0, 0]]),
        "incorrect_spans_key": rng.choice([None, "wrong"]),
        "missed_costs": rng.choice([{}, {"*": 1.0}, {"geo": 2, "*": 0}]),
        "spurious_costs": rng.choice([{}, {"*": 0.5}, {"new": 2}]),
    }
    nlp = recognizer(rng, **settings)
    ner: Any = nlp.get_pipe("lstm_ner")

    def examples(labels: tuple[str, ...] = LABELS) -> list[Example]:
        return [random_example(rng, nlp, labels) for _ in range(rng.randint(0, 6))]

    sample = examples() or [Example(nlp.make_doc(""), nlp.make_doc(""))]
    nlp.initialize(rng.choice([lambda: sample, None]))
    sgd = Adam(0.001, use_averages=True)
    losses: dict[str, float] = {}
    actions: dict[str, Callable[[], object]] = {
        "update": lambda: nlp.update(examples(), sgd=sgd, drop=0.1, losses=losses),
        "gather": lambda: ner.update(examples(), sgd=rng.choice([None, False])),
        "step": lambda: ner.finish_update(sgd),
        "grow": lambda: nlp.update(examples(LABELS + NEW_LABELS), sgd=sgd),
        "add_label": lambda: ner.add_label(rng.choice(NEW_LABELS)),
        "resume": lambda: nlp.resume_training(sgd=sgd),
        "rehearse": lambda: nlp.rehearse(examples(), sgd=sgd, losses=losses),
        "calibrate": lambda: ner.calibrate(examples(), beta=rng.choice([None, 1])),
        "evaluate": lambda: nlp.evaluate(examples()),
        "average": lambda: check_averages(nlp, sgd),
        "load": lambda: nlp.from_bytes(nlp.to_bytes()),
    }
    told = set()
    for _ in range(rng.randint(2, 10)):
        name = rng.choice(list(actions))
        try:
            actions[name]()
        except ValueError as err:
            found = CATALOGUE.search(str(err))
            require(found, f"{name}: {type(err).__name__}: {str(err)[:200]}")
            told.add(f"{name}: {found.group()}" if found else "")
        require(all(map(np.isfinite, losses.values())), f"{name}: loss {losses}")
        n_tags = ner.model.get_ref("output_layer").get_param("b").shape[0]
        require(n_tags == 1 + 2 * len(ner.labels), f"{name}: labels and weights")
    check_loaded(nlp, spacy.blank("xx", config=nlp.config).from_bytes(nlp.to_bytes()))
    return ", ".join(sorted(told)) or "no errors"


def check_averages(nlp: Language, sgd: Any) -> None:
    """Averaged weights predict and save; then all is as it was."""
    before = observed(nlp)
    with nlp.use_params(sgd.averages):
        other = spacy.blank("xx", config=nlp.config).from_bytes(nlp.to_bytes())
        check_loaded(nlp, other)
    require(agree(before, observed(nlp)), "use_params: other predictions afterwards")


TEXTS = (
    "Anna met Anna in Oslo .",
    "the New York May 2024\n\nOslo",
    "東京 👩 x - -",
    "",
    "\n",
)


def observed(nlp: Language) -> list[tuple[Spans, dict[Any, float]]]:
    """What a pipeline predicts on fixed texts."""
    return [(entities(doc), scored(doc)) for doc in nlp.pipe(TEXTS)]


def agree(some: list[Any], others: list[Any]) -> bool:
    return all(
        ents == other_ents and same(scores, other_scores, 1e-6)
        for (ents, scores), (other_ents, other_scores) in zip(some, others, strict=True)
    )


def check_loaded(nlp: Language, other: Language) -> None:
    one, two = nlp.get_pipe("lstm_ner"), other.get_pipe("lstm_ner")
    require(one.labels == two.labels, "save and load: other labels")
    require(agree(observed(nlp), observed(other)), "save and load: other predictions")


CFG = "lstm_ner/cfg"
OURS = (CFG, "lstm_ner/model")
WRONG: list[Any] = [
    "x",
    5,
    -1,
    1e39,
    float("nan"),
    float("inf"),
    [],
    [1, 2],
    {"x": "y"},
]
WRONG += [None, 10**400, {"geo": -1}, [[[]]], "\0"]
# Valid values of a setting may change predictions, as users want them to.
ALLOWED = {"temperature": [5], "missed_costs": [], "spurious_costs": []}


@cache
def saved(seed: int, weights: int) -> tuple[Path, list[Any]]:
    """A saved pipeline, and what it predicts."""
    nlp = trained(seed, weights)
    nlp.get_pipe("lstm_ner").candidates = True
    folder = Path(tempfile.mkdtemp(prefix="robustness-"))
    atexit.register(shutil.rmtree, folder)
    nlp.to_disk(folder)
    return folder, observed(spacy.load(folder))


def damage(rng: Random, folder: Path, donor: Path) -> tuple[str, str]:
    """Damage a file; its name, and how."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    chosen = rng.choice([*files, *(folder / name for name in OURS * 4)])
    name, data = chosen.relative_to(folder).as_posix(), chosen.read_bytes()
    how = rng.choice(["truncate", "flip", "delete", "swap", "donate", "empty", "edit"])
    if how == "edit" and name != CFG:
        how = "flip"
    if how == "truncate":
        chosen.write_bytes(data[: rng.randrange(len(data) + 1)])
    elif how == "flip":
        flipped = bytearray(data or b"\0")
        for _ in range(rng.choice([1, 1, 5])):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        chosen.write_bytes(flipped)
    elif how == "delete":
        chosen.unlink()
    elif how == "swap":
        other = rng.choice(files)
        chosen.write_bytes(other.read_bytes())
        other.write_bytes(data)
        name = name if other.relative_to(folder).as_posix() not in OURS else CFG
    elif how == "donate":  # the same file of another pipeline with the same labels
        shutil.copy(donor / name, chosen)
    elif how == "empty":
        chosen.write_bytes(b"")
    else:
        how = edit(rng, chosen)
    return name, how


def edit(rng: Random, path: Path) -> str:
    """Replace a value of the settings, or change the labels."""
    cfg = json.loads(path.read_text(encoding="utf8"))
    labels: list[str] = list(cfg["labels"])
    if rng.random() < 0.3:
        changed = [labels[::-1], labels[1:], [*labels, "new"], labels[:1] * 3]
        cfg["labels"] = rng.choice([*changed, "abc", [1, 2, 3], [None], [[]] * 3, ""])
        path.write_text(json.dumps(cfg), encoding="utf8")
        return "labels"
    key, value = rng.choice(list(cfg)), rng.choice(WRONG)
    if key in ALLOWED and value in ALLOWED[key]:
        value = "x"
    if key == "config" and rng.random() < 0.7:
        key = f"config.{(inner := rng.choice(list(cfg['config'])))}"
        cfg["config"][inner] = value
    else:
        cfg[key] = value
    path.write_text(json.dumps(cfg), encoding="utf8")
    return f"{key} = {str(value)[:20]}"


def folders_trial(rng: Random) -> str:
    """Load a damaged copy of a pipeline, and predict."""
    (folder, expected), (donor, _) = saved(0, 0), saved(0, 1)
    with tempfile.TemporaryDirectory(prefix="robustness-") as temporary:
        copy = Path(temporary) / "model"
        shutil.copytree(folder, copy)
        name, how = damage(rng, copy, donor)
        where = name if name in OURS else "files of spaCy"
        try:
            found = observed(spacy.load(copy))
        except FileNotFoundError:
            return f"{where}: refused"
        # Any type refuses the file: spaCy, Thinc, srsly and NumPy raise their own.
        except Exception as err:
            if CATALOGUE.search(str(err)) or "Can't read file" in str(err):
                return f"{where}: refused"
            if where not in OURS:
                return f"{where}: ugly"
            return f"{where}: ugly ({how}: {type(err).__name__}: {str(err)[:90]!r})"
    if agree(expected, found):
        return f"{where}: same predictions"
    if where not in OURS or (name, how) == (CFG, "flip"):
        return f"{where}: undetectable ({name}, {how})"
    raise ViolationError(f"{name}, {how}: other predictions")


TRIALS = {"docs": docs_trial, "training": training_trial, "folders": folders_trial}


def run(name: str, seeds: range) -> tuple[Counter[str], list[str]]:
    """Count the outcomes of trials, and list violations.

    name (str): What is tried.
    seeds (range): The seed of each trial.
    """
    outcomes: Counter[str] = Counter()
    violations = []
    for seed in seeds:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = TRIALS[name](Random(seed))
                foreign = [w for w in caught if not CATALOGUE.match(str(w.message))]
                require(not foreign, f"warning: {[str(w.message) for w in foreign]}")
            # Listed with its seed, whatever its type; the other trials must still run.
            except Exception as err:
                outcome = "violation"
                what = f"{type(err).__name__}: {str(err)[:300]}"
                violations.append(f"{name} --n 1 --seed {seed}: {what}")
        outcomes[outcome] += 1
        outcomes.update({"warned": 1} if caught else {})
    return outcomes, violations


def main() -> None:
    """Print the table of outcomes and the violations."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trials", nargs="+", choices=TRIALS)
    parser.add_argument("--n", type=int, default=100, help="number of trials of each")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first trial")
    args = parser.parse_args()
    all_violations = []
    for name in args.trials:
        outcomes, violations = run(name, range(args.seed, args.seed + args.n))
        for outcome, n in outcomes.most_common():
            print(f"{name:>10}{n:8}  {outcome}", flush=True)
        all_violations += violations
    print(f"{len(all_violations)} violations", *all_violations, sep="\n")
    sys.exit(bool(all_violations))


if __name__ == "__main__":
    main()
