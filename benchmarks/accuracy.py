"""F1 of `lstm_ner` against spaCy's `ner`, trained on the same data with several seeds.

    python benchmarks/accuracy.py CORPORA --json accuracy.json --plot accuracy.svg
    python benchmarks/accuracy.py CORPORA --vectors assets/glove

CORPORA has one folder per corpus: `btc` (the Broad Twitter Corpus: sections a, b, e, g
are the training part, h is dev, f is test), `wikigold` (the first 80% of the sentences
are the training part, the next 10% dev, the last 10% test), and any others with
train.conll, dev.conll and test.conll in BIO, for example `wnut17` and the demo corpus.

`ner` is the one of spaCy's quickstart (`spacy init config -p ner -o efficiency`). With
--vectors, it includes them like the quickstart's "accuracy". It looks up the exact form
only, so its table gets an entry for each form of the corpus whose lower-case form has
one. "by probability" is the same trained `lstm_ner`, decoded by probability with the
threshold fitted to dev; scores on dev itself are optimistic. Precision, recall and F1
are in percent. An entity is "seen" if its text is the text of an entity of the training
part, whatever the label; this holds for gold and predicted entities. "best" is the
evaluation with the best dev score. Each training runs in its own process with one
thread. Times are processor times from the first update on, with evaluations and saving.
words/s is the fastest of three rounds of `nlp.pipe`. A cell is the mean over the seeds
(lowest to highest).
"""

import argparse
import importlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

import spacy
import srsly
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from spacy.util import load_config, registry
from thinc.api import Config

from spacy_lstm_ner.component.gold import token_spans
from spacy_lstm_ner.component.lstm_ner import LSTMNer
from spacy_lstm_ner.data.conll import ConllCorpus
from spacy_lstm_ner.data.tag_schemes import to_spans, to_tags
from spacy_lstm_ner.reports.plots import check_picture
from spacy_lstm_ner.tags import TokenSpan

CONFIGS = Path(__file__).parent.parent / "configs"
# The sections of the Broad Twitter Corpus, by part.
BTC = {"train": ["a", "b", "e", "g"], "dev": ["h"], "test": ["f"]}

# The lines of `make_logger` begin with this.
TIMES = "times: "
# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")

Measures = dict[str, float]
# Of a corpus, by column of the table: the measures of each run.
Columns = dict[str, list[Measures]]


class Prepared(NamedTuple):
    """A corpus, ready for training.

    name (str): Its folder's name.
    files (Dict[str, Path]): The .spacy file of each part.
    docs (Dict[str, List[Doc]]): The annotated texts of each part.
    seen (Set[str]): The texts of the entities of the training part.
    vectors (Optional[Path]): The vectors for a pipeline that looks up the exact form.
    """

    name: str
    files: dict[str, Path]
    docs: dict[str, list[Doc]]
    seen: set[str]
    vectors: Path | None


class Entity(NamedTuple):
    """An entity, the index of its Doc, and its text."""

    doc: int
    span: TokenSpan
    text: str


def main() -> int:
    """Train, evaluate, print the tables, write the files that are asked for."""
    args = _make_parser().parse_args()
    try:
        if args.plot:
            check_picture(args.plot)
        if args.crf:
            import_crfsuite()
        with tempfile.TemporaryDirectory() as temporary:
            results = run(args, args.output or Path(temporary))
        if args.plot:
            args.plot.parent.mkdir(parents=True, exist_ok=True)
            n_seeds = f"{len(args.seeds)} seeds" if args.seeds[1:] else "one seed"
            draw(results, args.plot, title=f"{args.part} parts, {n_seeds}")
    except (OSError, ValueError, ImportError, RuntimeError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="CORPORA", help="folder of the corpora")
    add("--corpora", nargs="+", metavar="NAME", help="default: all in the folder")
    add("--config", action="append", type=Path, dest="configs", metavar="FILE.cfg",
        help="of a pipeline with lstm_ner, a column with its name; may be repeated; "
        "default: configs/default.cfg, with --vectors configs/vectors.cfg")  # fmt: skip
    add("--vectors", type=Path, help="pipeline with word vectors, for all columns")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    add("--part", choices=("dev", "test"), default="dev",
        help="to report; default: dev. test is for the end: what is chosen by a look "
        "at it is no longer measured by it")  # fmt: skip
    add("--crf", action="store_true", help="add a linear CRF, by sklearn-crfsuite")
    add("--max-steps", type=int, metavar="N", help="of training; default: the config's")
    add("--output", type=Path, metavar="FOLDER",
        help="keep the models here, and do not train again those that are here with "
        "the same config: delete them when code or corpora change")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the measures of all runs")
    add("--plot", type=Path, metavar="FILE", help="draw F1: .svg, .png or .pdf")
    return parser


def run(args: argparse.Namespace, output: Path) -> dict[str, Columns]:
    """Measure all corpora; the table of each is printed as soon as it is done."""
    configs = load_configs(args.configs, with_vectors=bool(args.vectors))
    settings = {key: str(value) for key, value in vars(args).items()}
    results: dict[str, Columns] = {}
    for name in find_corpora(args.folder, args.corpora):
        corpus = prepare(args.folder / name, output / name, args.vectors)
        columns = results[name] = {}
        for column, measures in run_corpus(corpus, configs, args, output / name):
            columns.setdefault(column, []).append(measures)
            print(f"{name}, {column}: F1 {measures['F1']:.1f}", file=sys.stderr)
            if args.json:
                args.json.parent.mkdir(parents=True, exist_ok=True)
                srsly.write_json(args.json, {"settings": settings, "runs": results})
        docs = corpus.docs[args.part]
        is_seen = [ent.text in corpus.seen for doc in docs for ent in doc.ents]
        print(f"\n{name}, {args.part}: {len(docs)} texts, {len(is_seen)} entities, "
              f"{sum(is_seen)} of them seen; seeds {args.seeds}")  # fmt: skip
        print(render(columns), flush=True)
    return results


def run_corpus(
    corpus: Prepared, configs: dict[str, Config], args: argparse.Namespace, output: Path
) -> Iterator[tuple[str, Measures]]:
    """Train and evaluate each system with each seed.

    YIELDS (Tuple[str, Measures]): The column and the measures of a run.
    """
    for seed in args.seeds:
        for column, config in configs.items():
            vectors = corpus.vectors if column == "ner" else args.vectors
            folder = output / column / f"seed-{seed}"
            ready = adapt(config, corpus.files, vectors, args.max_steps, seed=seed)
            times = train(ready, folder)
            for decoding, nlp in load_decoders(folder / "model-best", corpus.files):
                measures = evaluate(nlp, corpus.files[args.part], corpus.seen)
                yield column + decoding, {"seed": seed, **measures, **times}
            if not args.output:
                shutil.rmtree(folder)
    if args.crf:
        nlp = spacy.blank("en")
        crf: Any = nlp.add_pipe("benchmark_linear_crf")
        start = time.process_time()
        crf.fit(corpus.docs["train"], max_iterations=min(100, args.max_steps or 100))
        seconds = time.process_time() - start
        measures = evaluate(nlp, corpus.files[args.part], corpus.seen)
        yield "linear CRF", {**measures, "seconds in all": seconds}


# Corpora


def find_corpora(folder: Path, names: list[str] | None) -> list[str]:
    """The corpora to use: those named, or all in the folder.

    RAISES ValueError: If there is none, or not one that is named.
    """
    special = ("btc", "wikigold")
    paths = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    found = [p.name for p in paths if p.name in special or (p / "train.conll").exists()]
    if not found or not set(names or []) <= set(found):
        raise ValueError(f"'{folder}' has the corpora {found}: expected {names or 1}.")
    return names or found


def prepare(source: Path, output: Path, vectors: Path | None) -> Prepared:
    """Read a corpus, and write its parts in spaCy's format."""
    docs = read_parts(source)
    files = {part: output / f"{part}.spacy" for part in docs}
    output.mkdir(parents=True, exist_ok=True)
    for part, file in files.items():
        DocBin(docs=docs[part]).to_disk(file)
    seen = {ent.text for doc in docs["train"] for ent in doc.ents}
    if vectors:
        vectors = add_forms(vectors, docs, output / "vectors-of-ner")
    return Prepared(source.name, files, docs, seen, vectors)


def read_parts(source: Path) -> dict[str, list[Doc]]:
    """The texts of the training, dev and test parts."""
    if source.name == "wikigold":
        docs = read([source / "wikigold.conll"], scheme="IOB1")
        first, second = len(docs) * 8 // 10, len(docs) * 9 // 10
        return {"train": docs[:first], "dev": docs[first:second], "test": docs[second:]}
    files = BTC if source.name == "btc" else {part: [part] for part in BTC}
    return {
        part: read([source / f"{name}.conll" for name in names])
        for part, names in files.items()
    }


def read(paths: list[Path], *, scheme: str = "IOB2") -> list[Doc]:
    """The annotated sentences of CoNLL files."""
    corpus = ConllCorpus(list(paths), scheme=scheme)
    return [eg.reference for eg in corpus(spacy.blank("en"))]


def add_forms(vectors: Path, docs: dict[str, list[Doc]], output: Path) -> Path:
    """Give each form of a corpus the vector of its lower-case form, if it has none.

    RETURNS (Path): The pipeline with the vectors.
    """
    nlp = spacy.load(vectors)
    strings, table = nlp.vocab.strings, nlp.vocab.vectors
    words = {token.text for part in docs.values() for doc in part for token in doc}
    for word in sorted(words):
        form, lower = strings.add(word), strings[word.lower()]
        if table.mode == "default" and form not in table and lower in table:
            table.add(form, row=table.find(key=lower))
    nlp.to_disk(output)
    return output


# Training


def load_configs(paths: list[Path] | None, *, with_vectors: bool) -> dict[str, Config]:
    """The configs to train, by column.

    RAISES ValueError: If two columns would have the same name.
    """
    ner = init_config(lang="en", pipeline=["ner"], optimize="efficiency", gpu=False)
    embed = ner["components"]["tok2vec"]["model"]["embed"]
    embed["include_static_vectors"] = with_vectors
    configs = {"ner": ner}
    for path in paths or [CONFIGS / ("vectors.cfg" if with_vectors else "default.cfg")]:
        if path.stem in configs:
            raise ValueError(f"Two columns are named '{path.stem}': rename '{path}'.")
        configs[path.stem] = load_config(path)
    return configs


def adapt(
    config: Config,
    files: dict[str, Path],
    vectors: Path | None,
    max_steps: int | None,
    *,
    seed: int,
) -> Config:
    """A config for one training, with a logger of times."""
    config = config.copy()
    config["paths"].update(train=str(files["train"]), dev=str(files["dev"]))
    config["system"]["seed"] = seed
    if vectors:
        config["initialize"]["vectors"] = str(vectors)
    training = config["training"]
    training["logger"] = {"@loggers": "benchmark_times"}
    if max_steps:
        frequency = min(max_steps, training["eval_frequency"])
        training.update(max_steps=max_steps, eval_frequency=frequency)
    return config.interpolate()


def train(config: Config, folder: Path) -> Measures:
    """Train in a process of its own, unless the folder has the result.

    RETURNS (Measures): The seconds and steps it took.
    RAISES RuntimeError: If training fails.
    """
    file, log, done = folder / "config.cfg", folder / "train.log", folder / "times.json"
    if not (done.is_file() and file.read_text("utf8") == config.to_str()):
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        config.to_disk(file)
        command = [sys.executable, "-m", "spacy", "train", str(file)]
        command += ["--code", __file__, "--output", str(folder)]
        with log.open("w", encoding="utf8") as stream:
            status = subprocess.run(
                command, stdout=stream, stderr=subprocess.STDOUT, check=False
            )
        lines = log.read_text("utf8").splitlines()
        if status.returncode:
            raise RuntimeError("\n".join(["Training failed:", *lines[-20:]]))
        srsly.write_json(done, read_times(lines))
        shutil.rmtree(folder / "model-last")
    return dict(srsly.read_json(done))


def make_logger() -> Callable[..., Any]:
    """A logger of spaCy's that writes a line of JSON with step, score and seconds of
    processor time for each evaluation."""

    def setup(nlp: Language, stdout: IO[str], stderr: IO[str]) -> Any:
        start = time.process_time()

        def log_step(info: dict[str, Any] | None) -> None:
            if info is not None:
                seconds = time.process_time() - start
                row = {"step": info["step"], "score": info["score"], "seconds": seconds}
                print(TIMES + srsly.json_dumps(row), file=stdout, flush=True)

        return log_step, lambda: None

    return setup


registry.loggers("benchmark_times", func=make_logger)


def read_times(lines: Iterable[str]) -> Measures:
    """Steps and seconds until the best score was first reached, and in all."""
    logged = (line.removeprefix(TIMES) for line in lines if line.startswith(TIMES))
    rows = [srsly.json_loads(line) for line in logged]
    best = max(rows, key=lambda row: row["score"])
    return {
        "steps to best": best["step"],
        "seconds to best": best["seconds"],
        "steps in all": rows[-1]["step"],
        "seconds in all": rows[-1]["seconds"],
    }


# Evaluation


def load_decoders(
    model: Path, files: dict[str, Path]
) -> Iterator[tuple[str, Language]]:
    """A trained pipeline, and if it has an lstm_ner, decoding by probability, too.

    YIELDS (Tuple[str, Language]): What to add to the name of the column, the pipeline.
    """
    nlp = spacy.load(model)
    yield "", nlp
    for name, pipe in nlp.pipeline:
        if isinstance(pipe, LSTMNer):
            nlp = spacy.load(model)
            ner: Any = nlp.get_pipe(name)
            examples = list(Corpus(files["dev"])(nlp))
            earlier = nlp.pipe_names[: nlp.pipe_names.index(name)]
            with nlp.select_pipes(enable=earlier):
                for eg in examples:
                    eg.predicted = nlp(eg.predicted)
            ner.calibrate(examples, beta=1.0)
            yield " by probability", nlp


def evaluate(nlp: Language, file: Path, seen: set[str]) -> Measures:
    """Score a pipeline on the tokens of the corpus, and time it on the raw text."""
    examples = list(Corpus(file)(nlp))
    found = entities(nlp.pipe([eg.predicted for eg in examples]))
    gold = entities(eg.reference for eg in examples)
    texts = [eg.reference.text for eg in examples]
    return {**measure(gold, found, seen), "words/s": words_per_second(nlp, texts)}


def entities(docs: Iterable[Doc]) -> set[Entity]:
    """The entities of some Docs."""
    return {
        Entity(i, span, ent.text)
        for i, doc in enumerate(docs)
        for span, ent in zip(token_spans(doc.ents), doc.ents, strict=True)
    }


def measure(gold: set[Entity], found: set[Entity], seen: set[str]) -> Measures:
    """Precision, recall and F1 of all entities, of seen and unseen ones, and of types.

    gold (Set[Entity]): The annotated entities.
    found (Set[Entity]): The predicted ones.
    seen (Set[str]): The texts of the entities of the training part.
    """
    groups: dict[str, Callable[[Entity], bool]] = {
        "": lambda ent: True,
        ", seen": lambda ent: ent.text in seen,
        ", unseen": lambda ent: ent.text not in seen,
    }
    measures = {}
    for group, belongs in groups.items():
        scores = precision_recall_f1(*(set(filter(belongs, s)) for s in (gold, found)))
        for name, score in zip(("precision", "recall", "F1"), scores, strict=True):
            measures[name + group] = score
    for label in sorted({ent.span.label for ent in gold}):
        of_label = [{e for e in s if e.span.label == label} for s in (gold, found)]
        measures[f"F1 of {label}"] = precision_recall_f1(*of_label)[2]
    return measures


def precision_recall_f1(
    gold: set[Entity], found: set[Entity]
) -> tuple[float, float, float]:
    """In percent; 0 where there is nothing to count."""
    n_right = len(gold & found)
    precision, recall = n_right / max(len(found), 1), n_right / max(len(gold), 1)
    f1 = 2 * n_right / max(len(gold) + len(found), 1)
    return 100 * precision, 100 * recall, 100 * f1


def words_per_second(nlp: Language, texts: list[str]) -> float:
    """The fastest of three rounds of `nlp.pipe`, with the tokenizer."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        n_words = sum(map(len, nlp.pipe(texts, batch_size=256)))
        rounds.append(n_words / (time.process_time() - start))
    return max(rounds)


# The linear CRF


@Language.factory("benchmark_linear_crf")
class LinearCRF:
    """A conditional random field on words, shapes and suffixes of five tokens."""

    def __init__(self, nlp: Language, name: str) -> None:
        self.crf: Any = None

    def fit(self, docs: list[Doc], *, max_iterations: int) -> None:
        """Train with the usual elastic net (Okazaki 2007), without a look at dev."""
        self.crf = import_crfsuite().CRF(
            c1=0.1,
            c2=0.1,
            max_iterations=max_iterations,
            all_possible_transitions=True,
        )
        tags = [to_tags(token_spans(doc.ents), len(doc)) for doc in docs]
        self.crf.fit([crf_features(doc) for doc in docs], tags)

    def __call__(self, doc: Doc) -> Doc:
        """Set the entities of the best path."""
        (tags,) = self.crf.predict([crf_features(doc)])
        spans, _ = to_spans(list(tags), scheme="IOB2", invalid="repair")
        doc.set_ents([Span(doc, *span) for span in spans])
        return doc


def import_crfsuite() -> Any:
    """The package.

    RAISES ImportError: If it is not installed.
    """
    try:
        return importlib.import_module("sklearn_crfsuite")
    except ImportError as err:
        command = "pip install sklearn-crfsuite"
        raise ImportError(f"--crf needs one more package: `{command}`.") from err


def crf_features(doc: Doc) -> list[list[str]]:
    """Features of each token: of its own and two more on either side."""
    own = [
        (token.lower_, token.shape_, token.text[:3], token.text[-3:], token.text[-2:],
         token.is_title, token.is_upper, token.is_digit)
        for token in doc
    ]  # fmt: skip
    n = len(own)
    return [
        [
            f"{j - i} {k} {value}"
            for j in range(max(i - 2, 0), min(i + 3, n))
            for k, value in enumerate(own[j])
        ]
        for i in range(n)
    ]


# Reports


def spread(values: list[float]) -> tuple[float, float, float]:
    """Mean, lowest and highest."""
    return statistics.mean(values), min(values), max(values)


def render(columns: Columns) -> str:
    """The table of a corpus, a row for each measure."""
    names = {name: None for runs in columns.values() for run in runs for name in run}
    rows = [["", *columns]]
    for name in names:
        digits = 0 if name.startswith(("steps", "words")) else 1
        cells = (
            _cell([run[name] for run in runs if name in run], digits)
            for runs in columns.values()
        )
        if name != "seed":
            rows.append([name, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ((f"{c:<{w}}" for c, w in zip(r, widths, strict=True)) for r in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)


def _cell(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    mean, low, high = (f"{value:,.{digits}f}" for value in spread(values))
    return mean if len(values) == 1 else f"{mean} ({low} to {high})"


def draw(results: dict[str, Columns], output: Path, *, title: str) -> None:
    """Bars of the mean F1, with a line from the lowest to the highest seed."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(1.5 + 2.5 * len(results), 4), layout="constrained")
    axes = figure.subplots()
    names = list(next(iter(results.values())))
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        bars = [spread([run["F1"] for run in runs[name]]) for runs in results.values()]
        axes.bar(
            [x + (i + 0.5) * width - 0.4 for x in range(len(bars))],
            [mean for mean, _, _ in bars],
            width,
            yerr=list(
                zip(*((m - low, high - m) for m, low, high in bars), strict=True)
            ),
            capsize=3,
            color=COLOURS[i % len(COLOURS)],
            label=name,
        )
    axes.set_xticks(range(len(results)), list(results))
    axes.set_ylabel("F1 in percent")
    axes.set_title(title)
    axes.legend(fontsize="small")
    figure.savefig(output, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
