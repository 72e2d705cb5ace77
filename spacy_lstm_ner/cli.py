"""The command line, `python -m spacy_lstm_ner COMMAND`: what `spacy` itself lacks.

Training, evaluation and packaging are commands of spaCy.
"""

import argparse
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Corpus

from .bio import INVALID, SCHEMES
from .demo_corpus import unseen_share, write_corpus
from .errors import Errors
from .readers import DOCS, ConllCorpus
from .visualize import render_page

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run a command.

    args (Optional[Sequence[str]]): The arguments; None: those of the process.
    RETURNS (int): The exit status: 0, or 1 if files or their contents are at fault.
    RAISES SystemExit: With status 2 if the arguments are at fault.
    """
    settings = vars(_make_parser().parse_args(args))
    command = settings.pop("command")
    try:
        command(**settings)
    except (OSError, ValueError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spacy_lstm_ner", description="Corpora and pages for lstm_ner."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo-corpus", help="generate the demo corpus as CoNLL files"
    )
    demo.set_defaults(command=_demo_corpus)
    demo.add_argument("folder", type=Path, metavar="OUTDIR", help="where to write")
    demo.add_argument(
        "--seed", type=int, default=0, help="another seed, other sentences"
    )

    convert = commands.add_parser(
        "convert", help="convert CoNLL files to spaCy's binary format"
    )
    convert.set_defaults(command=_convert)
    convert.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="a file, or a folder of files"
    )
    convert.add_argument("output", type=Path, metavar="OUTPUT.spacy")
    convert.add_argument(
        "--word-column", type=int, default=0, metavar="N", help="default: 0, the first"
    )
    convert.add_argument(
        "--tag-column", type=int, default=-1, metavar="N", help="default: -1, the last"
    )
    convert.add_argument(
        "--separator",
        type=lambda text: text.replace(r"\t", "\t"),
        help=r"what separates columns: '\t', for instance; default: a tab or spaces",
    )
    convert.add_argument(
        "--scheme", choices=SCHEMES, default="IOB2", help="of the tags; default: IOB2"
    )
    convert.add_argument(
        "--invalid",
        choices=INVALID,
        default="repair",
        help="what to do with an invalid sequence of tags; default: repair",
    )
    convert.add_argument(
        "--docs",
        choices=DOCS,
        default="sentence",
        help="one Doc per ...; default: sentence",
    )
    convert.add_argument(
        "--comment", metavar="TEXT", help="what lines to skip begin with"
    )
    convert.add_argument(
        "--limit", type=int, default=0, metavar="N", help="number of Docs; default: all"
    )

    visualize = commands.add_parser(
        "visualize", help="show predicted beside gold entities on an HTML page"
    )
    visualize.set_defaults(command=_visualize)
    visualize.add_argument("model", help="a trained pipeline: its folder or its name")
    visualize.add_argument("data", type=Path, metavar="DATA.spacy")
    visualize.add_argument("output", type=Path, metavar="OUTPUT.html")
    visualize.add_argument(
        "--limit",
        type=int,
        default=200,
        metavar="N",
        help="number of Docs; default: 200",
    )

    scores = commands.add_parser(
        "scores", help="print what 'spacy evaluate --output' has written"
    )
    scores.set_defaults(command=_scores)
    scores.add_argument("metrics", type=Path, metavar="METRICS.json")
    return parser


def _demo_corpus(folder: Path, seed: int) -> None:
    corpus = write_corpus(folder, seed=seed)
    for part, sentences in corpus.items():
        n_tokens = sum(len(sentence.words) for sentence in sentences)
        labels = [span.label for sentence in sentences for span in sentence.spans]
        _print_counts(folder / f"{part}.conll", len(sentences), n_tokens, labels)
    for part in ("dev", "test"):
        share = unseen_share(corpus["train"], corpus[part])
        print(f"{share:.0%} of the entities of {part} are no entities of train")


def _convert(inputs: list[str], output: Path, **settings: Any) -> None:
    _check_suffix(output, ".spacy")
    corpus = ConllCorpus(list(inputs), **settings)
    docs = [eg.reference for eg in corpus(spacy.blank("xx"))]
    output.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs).to_disk(output)
    labels = [ent.label_ for doc in docs for ent in doc.ents]
    _print_counts(output, len(docs), sum(map(len, docs)), labels)


def _visualize(model: str, data: Path, output: Path, limit: int) -> None:
    _check_suffix(output, ".html")
    _check_data(data)
    nlp = spacy.load(model)
    examples = list(islice(Corpus(data)(nlp), limit or None))
    for eg, doc in zip(
        examples, nlp.pipe(eg.predicted for eg in examples), strict=True
    ):
        eg.predicted = doc
    output.parent.mkdir(parents=True, exist_ok=True)
    title = f"{model} on {data}: {len(examples)} texts"
    page = render_page(examples, title=title, lang=nlp.meta["lang"])
    output.write_text(page, encoding="utf8")
    print(f"{output}: {len(examples)} texts")


def _scores(metrics: Path) -> None:
    scores = srsly.read_json(metrics)
    if not isinstance(scores, dict) or "ents_per_type" not in scores:
        raise ValueError(Errors.L204.format(path=metrics))
    rows = [
        *sorted((scores["ents_per_type"] or {}).items()),
        ("all", {key: scores[f"ents_{key}"] for key in "prf"}),
    ]
    print(f"{metrics}, in percent")
    print(f"{'entities':<12}{'precision':>10}{'recall':>10}{'F1':>10}")
    for label, row in rows:
        cells = "".join(f"{100 * (row[key] or 0):>10.1f}" for key in "prf")
        print(f"{label:<12}{cells}")


def _print_counts(
    path: Path, n_docs: int, n_tokens: int, labels: Iterable[str]
) -> None:
    counts = Counter(labels)
    of_labels = ", ".join(f"{label} {n}" for label, n in counts.most_common())
    print(
        f"{path}: {n_docs} sentences or documents, {n_tokens} tokens, "
        f"{counts.total()} entities ({of_labels})"
    )


def _check_suffix(output: Path, suffix: str) -> None:
    """Keep a forgotten argument from overwriting what was meant as input."""
    if output.suffix != suffix:
        raise ValueError(Errors.L201.format(output=output, suffix=suffix))


def _check_data(path: Path) -> None:
    if not path.is_file():
        raise ValueError(Errors.L202.format(path=path))
    try:
        DocBin().from_disk(path)
    except (zlib.error, KeyError, ValueError, UnicodeDecodeError) as err:
        raise ValueError(Errors.L203.format(path=path)) from err
