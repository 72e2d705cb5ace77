"""The command line, `python -m spacy_lstm_ner COMMAND`: what `spacy` itself lacks.

Training, evaluation and packaging are commands of spaCy.
"""

import argparse
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.util import minibatch
from spacy.vocab import Vocab

from ..checks import check_at_least, check_beta
from ..component.confidences import scored_spans, span_key
from ..component.given import token_spans
from ..component.gold import judge
from ..component.lstm_ner import LSTMNer
from ..course.demo_corpus import unseen_share, write_corpus
from ..course.lab import (
    LEARN_RATES,
    RECALL_STEPS,
    UPDATES,
    measure_gradients,
    measure_recall,
)
from ..data.conll import DOCS, ConllCorpus
from ..data.glove import load_glove
from ..data.json_lines import for_spacy, read_texts, write_records
from ..data.word2vec import MODELS, train_word2vec
from ..errors import Errors
from ..reports.metrics import (
    area_under_roc,
    expected_calibration_error,
    reliability_bins,
)
from ..reports.plots import check_picture, draw_decay, draw_reliability
from ..reports.visualize import render_page
from ..tags import INVALID, SCHEMES

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
    except (OSError, ValueError, ImportError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spacy_lstm_ner",
        description="What spaCy's own commands lack for lstm_ner.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_data_commands(commands)
    _add_confidence_commands(commands)
    _add_report_commands(commands)
    return parser


def _add_data_commands(commands: Any) -> None:
    demo = _add(
        commands, "demo-corpus", _demo_corpus, "generate the demo corpus as CoNLL files"
    )
    demo.add_argument("folder", type=Path, metavar="OUTDIR", help="where to write")
    demo.add_argument(
        "--seed", type=int, default=0, help="another seed, other sentences"
    )

    convert = _add(
        commands, "convert", _convert, "convert CoNLL files to spaCy's binary format"
    )
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

    _add_annotate(commands)

    raw_text = _add(
        commands, "raw-text", _raw_text, "write texts as JSON lines, for spacy pretrain"
    )
    raw_text.add_argument("inputs", nargs="+", type=Path, metavar="DATA.spacy")
    raw_text.add_argument("output", type=Path, metavar="OUTPUT.jsonl")

    vectors = _add(
        commands,
        "vectors",
        _vectors,
        "make GloVe's word vectors, for configs/vectors.cfg",
    )
    vectors.add_argument("output", type=Path, metavar="OUTDIR")
    vectors.add_argument(
        "--limit", type=int, metavar="N", help="number of words; default: all 400,000"
    )

    _add_word2vec(commands)


def _add_word2vec(commands: Any) -> None:
    word2vec = _add(
        commands,
        "word2vec",
        _word2vec,
        "train word vectors on raw text, for spacy init vectors",
    )
    word2vec.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="INPUT",
        help="a text per line; if it ends in .jsonl or .ndjson, the field 'text' of "
        "each line; if it ends in .spacy, the words of its texts",
    )
    word2vec.add_argument("output", type=Path, metavar="OUTPUT.vec")
    word2vec.add_argument(
        "--lang", default="en", help="whose tokenizer splits the texts; default: en"
    )
    settings = signature(train_word2vec).parameters
    model = settings["model"].default
    word2vec.add_argument(
        "--model", choices=MODELS, default=model, help=f"default: {model}"
    )
    for name, what in (
        ("width", "width of the vectors"),
        ("window", "words on each side, at most, that are around a word"),
        ("min_count", "words that occur less often are left out"),
        ("epochs", "passes over the texts"),
        ("seed", "another seed, other vectors"),
    ):
        default = settings[name].default
        word2vec.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            default=default,
            metavar="N",
            help=f"{what}; default: {default}",
        )


def _add_annotate(commands: Any) -> None:
    annotate = _add(
        commands,
        "annotate",
        _annotate,
        "add entities to the rows of Parquet or JSONL files, in parallel with Ray",
    )
    _add_model(annotate)
    annotate.add_argument(
        "source", type=Path, metavar="INPUT", help="a file, or a folder of files"
    )
    annotate.add_argument(
        "output",
        type=Path,
        metavar="OUTDIR",
        help="where to write, or to go on after an interruption",
    )
    annotate.add_argument(
        "--workers", type=int, default=2, metavar="N", help="processes; default: 2"
    )
    annotate.add_argument(
        "--batch-size", type=int, metavar="N", help="default: that of the pipeline"
    )
    annotate.add_argument(
        "--text-column", default="text", metavar="NAME", help="default: text"
    )
    annotate.add_argument(
        "--entities-column",
        default="entities",
        metavar="NAME",
        help="default: entities",
    )
    annotate.add_argument(
        "--rows-per-shard",
        type=int,
        default=10_000,
        metavar="N",
        help="rows of each file of the output, at most; default: 10000",
    )
    annotate.add_argument(
        "--code", type=Path, metavar="FILE.py", help="import it before the model"
    )


def _add_confidence_commands(commands: Any) -> None:
    calibrate = _add(
        commands,
        "calibrate",
        _calibrate,
        "fit confidences, and with --beta the threshold, to held-out data",
    )
    _add_model(calibrate)
    calibrate.add_argument("data", type=Path, metavar="DATA.spacy")
    calibrate.add_argument("output", type=Path, metavar="OUTDIR")
    calibrate.add_argument(
        "--beta",
        type=float,
        help="decode by probability, with the threshold of the best F-score where "
        "recall is BETA times as important as precision; default: keep the decoding",
    )
    _add_component(calibrate)

    reliability = _add(
        commands,
        "reliability",
        _reliability,
        "draw how often entities are right, by their confidence",
    )
    _add_model(reliability)
    reliability.add_argument("data", type=Path, metavar="DATA.spacy")
    reliability.add_argument("output", type=Path, metavar="OUTPUT.svg")
    _add_component(reliability)

    rank = _add(
        commands, "rank", _rank, "sort raw texts by how unsure a pipeline is of them"
    )
    _add_model(rank)
    rank.add_argument(
        "texts",
        type=Path,
        metavar="TEXTS",
        help="a text per line; if it ends in .jsonl or .ndjson, the field 'text' of "
        "each line",
    )
    rank.add_argument("output", type=Path, metavar="OUTPUT.jsonl")
    rank.add_argument(
        "--by",
        choices=_RANK_BY,
        default="entropy",
        help="what the first text has the most of; default: entropy",
    )
    _add_component(rank)


def _add_report_commands(commands: Any) -> None:
    visualize = _add(
        commands,
        "visualize",
        _visualize,
        "show predicted beside gold entities on an HTML page",
    )
    _add_model(visualize)
    visualize.add_argument("data", type=Path, metavar="DATA.spacy")
    visualize.add_argument("output", type=Path, metavar="OUTPUT.html")
    visualize.add_argument(
        "--limit",
        type=int,
        default=200,
        metavar="N",
        help="number of Docs; default: 200",
    )

    scores = _add(
        commands, "scores", _scores, "print what 'spacy evaluate --output' has written"
    )
    scores.add_argument("metrics", type=Path, metavar="METRICS.json")

    lab = _add(
        commands,
        "lab",
        _lab,
        "measure and draw how far back in time networks learn",
    )
    lab.add_argument(
        "folder",
        type=Path,
        metavar="OUTDIR",
        help="where to write gradients.json, gradients.svg and recall.json",
    )
    lab.add_argument(
        "--corpus",
        type=Path,
        required=True,
        metavar="FILE.conll",
        help="what taggers are trained on and measured with",
    )
    lab.add_argument(
        "--updates",
        type=int,
        default=UPDATES,
        metavar="N",
        help=f"of each network; default: {UPDATES}",
    )
    lab.add_argument("--seed", type=int, default=0, help="another seed, other weights")


def _add(
    commands: Any, name: str, command: Callable[..., None], help_: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_)
    parser.set_defaults(command=command)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a trained pipeline: its folder or its name")


def _add_component(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--component", metavar="NAME", help="default: the only lstm_ner"
    )


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


def _raw_text(inputs: list[Path], output: Path) -> None:
    _check_suffix(output, ".jsonl")
    texts = []
    for path in inputs:
        _check_data(path)
        texts += [doc.text for doc in DocBin().from_disk(path).get_docs(Vocab())]
    output.parent.mkdir(parents=True, exist_ok=True)
    write_records(output, ({"text": text} for text in texts))
    print(f"{output}: {len(texts)} texts")


def _vectors(output: Path, limit: int | None) -> None:
    check_at_least(1, limit=limit)
    nlp = load_glove(limit=limit)
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
    n_words, width = nlp.vocab.vectors.shape
    print(f"{output}: {n_words} vectors of width {width}")


def _word2vec(inputs: list[Path], output: Path, lang: str, **settings: Any) -> None:
    _check_suffix(output, ".vec")
    nlp = spacy.blank(lang)
    docs = [doc for path in inputs for doc in _read_docs(path, nlp)]
    output.parent.mkdir(parents=True, exist_ok=True)
    n_words = train_word2vec(docs, output, **settings)
    print(f"{output}: {n_words} vectors, from {sum(map(len, docs))} tokens")


def _read_docs(path: Path, nlp: Language) -> Iterable[Doc]:
    """Texts, as the tokenizer splits them or as they are split already."""
    if path.suffix.lower() != ".spacy":
        return nlp.pipe(for_spacy(record["text"]) for record in read_texts(path))
    _check_data(path)
    return DocBin().from_disk(path).get_docs(nlp.vocab)


def _annotate(model: str, source: Path, output: Path, **settings: Any) -> None:
    from ..data.annotate import annotate  # noqa: PLC0415 (an extra)

    done = annotate(model, source, output, **settings)
    print(
        f"{output}: {done.n_files} files, of which {done.n_kept} were there; "
        f"{done.n_rows} rows annotated, {done.n_entities} entities"
    )


def _visualize(model: str, data: Path, output: Path, limit: int) -> None:
    _check_suffix(output, ".html")
    _check_data(data)
    if limit < 0:
        raise ValueError(Errors.L120.format(limit=limit))
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
    try:
        scores = json.loads(metrics.read_text(encoding="utf8"))
    except ValueError as err:
        raise ValueError(Errors.L204.format(path=metrics)) from err
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


def _lab(folder: Path, corpus: Path, **settings: Any) -> None:
    picture = folder / "gradients.svg"
    check_picture(picture)
    check_at_least(1, updates=settings["updates"])
    decays = measure_gradients(corpus, **settings)
    accuracies = measure_recall(**settings)
    folder.mkdir(parents=True, exist_ok=True)
    draw_decay(decays, picture, title=f"Gradients of taggers, on {corpus.name}")
    _write_json(
        folder / "gradients.json",
        {
            "corpus": str(corpus),
            **settings,
            "networks": {name: decay._asdict() for name, decay in decays.items()},
        },
    )
    _write_json(
        folder / "recall.json",
        {"steps": RECALL_STEPS, **settings, "accuracy": accuracies},
    )
    k = 30
    print(f"gradient {k} steps back, as a share of that at the token of the loss")
    print(f"{'tagger':<22}{'before':>10}{'after':>10}{'accuracy':>10}")
    for name, (before, after, accuracy) in decays.items():
        print(f"{name:<22}{before[k]:>10.1e}{after[k]:>10.1e}{accuracy:>10.3f}")
    print(f"recall of a word {RECALL_STEPS} steps back, by learning rate")
    print(f"{'network':<22}" + "".join(f"{rate:>10}" for rate in LEARN_RATES))
    for name, by_rate in accuracies.items():
        print(
            f"{name:<22}" + "".join(f"{by_rate[rate]:>10.3f}" for rate in LEARN_RATES)
        )
    print(f"{folder}: gradients.json, gradients.svg, recall.json")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf8")


def _calibrate(
    model: str, data: Path, output: Path, beta: float | None, component: str | None
) -> None:
    _check_data(data)
    if beta is not None:
        check_beta(beta)
    nlp = spacy.load(model)
    name, ner = _find_component(nlp, component)
    if beta is not None:
        settings = {"components": {name: {"decoding": "probability"}}}
        nlp = spacy.load(model, config=settings)
        name, ner = _find_component(nlp, component)
        # What somebody has set at run time would win over what is fitted.
        for setting in ("decoding", "threshold"):
            ner.cfg.pop(setting, None)
        ner.cfg["label_thresholds"] = {}
    examples = _process_before(nlp, name, data)
    if not any(eg.reference.ents for eg in examples):
        raise ValueError(Errors.L208.format(path=data))
    print(f"temperature {ner.calibrate(examples):.3f}")
    if beta is not None:
        threshold, f_score = ner.fit_threshold(examples, beta=beta)
        # One threshold for all labels.
        fitted = {"threshold": threshold, "label_thresholds": {}}
        nlp.get_pipe_config(name).update(fitted)
        print(f"threshold {threshold:.4f}, with an F-score of {100 * f_score:.1f}")
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
    print(f"{output}: fitted to {len(examples)} texts")


def _reliability(model: str, data: Path, output: Path, component: str | None) -> None:
    check_picture(output)
    _check_data(data)
    nlp = spacy.load(model)
    name, ner = _find_component(nlp, component)
    confidences, right = [], []
    examples = _process_before(nlp, name, data)
    docs = ner.pipe((eg.predicted for eg in examples), batch_size=nlp.batch_size)
    for eg, doc in zip(examples, docs, strict=True):
        own = {
            span_key(each.span): each.score
            for group in doc.spans.values()
            for each in scored_spans(group)
            if each.component == name
        }
        judged = judge(eg, token_spans(doc.ents))
        for ent, is_right in zip(doc.ents, judged, strict=True):
            if is_right is not None and span_key(ent) in own:
                confidences.append(own[span_key(ent)])
                right.append(is_right)
    if not right:
        raise ValueError(Errors.L216.format(name=name, path=data))
    scores, correct = np.array(confidences), np.array(right, dtype=bool)
    output.parent.mkdir(parents=True, exist_ok=True)
    draw_reliability(scores, correct, output, title=f"{model} on {data}")
    print(f"{'confidence':>12}{'right':>8}{'entities':>10}")
    for row in zip(*reliability_bins(scores, correct), strict=True):
        print("{:>12.3f}{:>8.3f}{:>10}".format(*row))
    error, area = (
        measure(scores, correct)
        for measure in (expected_calibration_error, area_under_roc)
    )
    print(f"expected calibration error {error:.3f}, area under ROC {area:.3f}")
    print(f"{output}: {len(scores)} entities of {len(examples)} texts")


def _rank(
    model: str, texts: Path, output: Path, by: str, component: str | None
) -> None:
    _check_suffix(output, ".jsonl")
    if output.exists() and output.samefile(texts):
        raise ValueError(Errors.L213.format(path=output))
    records = read_texts(texts)
    for i, record in enumerate(records, start=1):
        taken = [name for name in _RANK_BY if name in record]
        if taken:
            message = Errors.L215.format(path=texts, i=i, names=taken)
            raise ValueError(message)
    nlp = spacy.load(model)
    name, ner = _find_component(nlp, component)
    ranked = []
    docs = _pipe_before(nlp, name, (for_spacy(record["text"]) for record in records))
    pairs = zip(records, docs, strict=True)
    for batch in minibatch(pairs, nlp.batch_size):
        uncertainties = ner.uncertainty([doc for _, doc in batch])
        for (record, doc), (probability, entropy) in zip(
            batch, uncertainties, strict=True
        ):
            measures = {
                "probability": probability,
                "entropy": entropy,
                "entropy_per_token": entropy / max(len(doc), 1),
            }
            ranked.append({**record, **measures})
    sign = 1 if by == "probability" else -1
    ranked.sort(key=lambda record: sign * record[by])
    output.parent.mkdir(parents=True, exist_ok=True)
    write_records(output, ranked)
    print(f"{output}: {len(ranked)} texts, the most uncertain first")


# What `rank` can go by, and writes: the probability of all entities of the text (lowest
# first), or the entropy of how they may lie, in nats (highest first).
_RANK_BY = ("entropy", "entropy_per_token", "probability")


def _find_component(nlp: Language, name: str | None) -> tuple[str, LSTMNer]:
    """The recognizer of this name, or the only one."""
    found = {n: pipe for n, pipe in nlp.pipeline if isinstance(pipe, LSTMNer)}
    names = [name] if name in found else list(found) if name is None else []
    if len(names) != 1:
        asked = "the only one" if name is None else repr(name)
        raise ValueError(
            Errors.L206.format(asked=asked, pipes=nlp.pipe_names, names=list(found))
        )
    return names[0], found[names[0]]


def _process_before(nlp: Language, name: str, data: Path) -> list[Example]:
    """Examples whose predicted Docs are as they come to a component."""
    examples = list(Corpus(data)(nlp))
    docs = _pipe_before(nlp, name, (eg.predicted for eg in examples))
    for eg, doc in zip(examples, docs, strict=True):
        eg.predicted = doc
    return examples


def _pipe_before(nlp: Language, name: str, texts: Iterable[str | Doc]) -> Iterator[Doc]:
    """Texts as they come to a component."""
    later = nlp.pipe_names[nlp.pipe_names.index(name) :]
    return nlp.pipe(texts, disable=later)


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
