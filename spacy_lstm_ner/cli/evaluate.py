"""Commands about a trained pipeline: calibration, scores, uncertain texts."""

from pathlib import Path
from typing import Annotated, Any

import spacy
from spacy.language import Language
from spacy.training import Example

from ..data.files import shown
from ..data.formats.registry import find_inputs
from ..data.json_lines import (
    ENDINGS,
    for_spacy,
    parse_json,
    read_texts,
    write_records,
)
from ..errors import Errors
from ..reports.rank import DEFAULT, MEASURES, rank_texts
from .outputs import (
    Force,
    check_file,
    check_folder,
    has_fields,
    has_text,
    is_pipeline,
    write_pipeline,
)
from .shared import (
    Arg,
    Component,
    Data,
    Model,
    Opt,
    Quiet,
    app,
    choice,
    progress,
    read_examples,
)


@app.command("calibrate")
def calibrate(
    model: Model,
    data: Data,
    output: Annotated[Path, Arg(metavar="OUTDIR", help="Folder of the new pipeline")],
    beta: Annotated[
        float | None,
        Opt(
            help="Decode by probability, with the threshold of the best F-score in "
            "which recall is BETA times as important as precision. Default: keep the "
            "decoding"
        ),
    ] = None,
    component: Component = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Fit confidences, and a threshold, to held-out data."""
    from ..checks import check_beta
    from ..component.facts import write_meta
    from ..reports.recognizers import find_recognizer

    check_folder(output, is_pipeline, force=force)
    find_inputs(data)
    if beta is not None:
        check_beta(beta)
    nlp = spacy.load(model)
    name, ner = find_recognizer(nlp, component)
    examples = _examples_before(nlp, name, data, quiet=quiet)
    if not any(eg.reference.ents for eg in examples):
        raise ValueError(Errors.L208.format(path=data))
    fitted = ner.calibrate(progress(examples, quiet=quiet), beta=beta)
    ner.write_settings(nlp.get_pipe_config(name))
    print(f"temperature {fitted.temperature:.3f}")
    if fitted.f_score is not None:
        f_score = 100 * fitted.f_score
        print(f"threshold {fitted.threshold:.4f}, with an F-score of {f_score:.1f}")
    errors = f"{fitted.error:.3f}, was {fitted.error_before:.3f}"
    print(f"calibration error of {fitted.n_spans} entities {errors}")
    write_meta(nlp, name, ner.facts)
    write_pipeline(nlp, output)
    print(f"{output}: fitted to {len(examples)} texts")


@app.command("reliability")
def reliability(
    model: Model,
    data: Data,
    output: Annotated[
        Path, Arg(metavar="OUTPUT.svg", help="Picture to write: .svg, .png or .pdf")
    ],
    component: Component = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Draw how often entities are right, by confidence."""
    from ..component.reliability import expected_calibration_error, reliability_bins
    from ..reports.judged import judged_confidences
    from ..reports.metrics import area_under_roc
    from ..reports.plots import CREATOR, METADATA, check_picture, draw_reliability
    from ..reports.recognizers import find_recognizer

    check_picture(output)
    check_file(
        output,
        METADATA,
        lambda path: has_text(path, CREATOR),
        inputs=[data],
        force=force,
    )
    find_inputs(data)
    nlp = spacy.load(model)
    name, ner = find_recognizer(nlp, component)
    examples = _examples_before(nlp, name, data, quiet=quiet)
    confidences, correct = judged_confidences(
        progress(examples, quiet=quiet), ner, batch_size=nlp.batch_size
    )
    if not len(correct):
        raise ValueError(Errors.L216.format(name=name, path=data))
    draw_reliability(confidences, correct, output, title=shown(f"{model} on {data}"))
    print(f"{'confidence':>12}{'right':>8}{'entities':>10}")
    for row in zip(*reliability_bins(confidences, correct), strict=True):
        print("{:>12.3f}{:>8.3f}{:>10}".format(*row))
    error = expected_calibration_error(confidences, correct)
    area = area_under_roc(confidences, correct)
    print(f"expected calibration error {error:.3f}, area under ROC {area:.3f}")
    print(f"{output}: {len(correct)} entities of {len(examples)} texts")


@app.command("rank")
def rank(
    model: Model,
    texts: Annotated[
        Path,
        Arg(
            help="File with a text per line, or a .jsonl or .ndjson file with a field "
            "'text' per line"
        ),
    ],
    output: Annotated[Path, Arg(metavar="OUTPUT.jsonl", help="File to write")],
    by: Annotated[
        str, choice(MEASURES, "Measure to sort by, the most uncertain text first")
    ] = DEFAULT,
    component: Component = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Sort raw texts by how uncertain a pipeline is."""
    from ..reports.recognizers import docs_before, find_recognizer

    check_file(
        output,
        ENDINGS,
        lambda path: has_fields(path, MEASURES),
        inputs=[texts],
        force=force,
    )
    records = read_texts(texts)
    for i, record in enumerate(records, start=1):
        taken = [name for name in MEASURES if name in record]
        if taken:
            message = Errors.L215.format(path=texts, i=i, names=taken)
            raise ValueError(message)
    nlp = spacy.load(model)
    name, ner = find_recognizer(nlp, component)
    docs = docs_before(nlp, name, (for_spacy(record["text"]) for record in records))
    bar = progress(docs, quiet=quiet, total=len(records))
    ranked = rank_texts(records, bar, ner, by=by, batch_size=nlp.batch_size)
    write_records(output, ranked)
    print(f"{output}: {len(ranked)} texts, the most uncertain first")


@app.command("scores")
def scores(
    metrics: Annotated[
        Path, Arg(metavar="METRICS.json", help="Output of spacy evaluate --output")
    ],
) -> None:
    """Print the scores that 'spacy evaluate --output' wrote."""
    found = _read_scores(metrics)
    rows = [
        *sorted((found["ents_per_type"] or {}).items()),
        ("all", {key: found[f"ents_{key}"] for key in "prf"}),
    ]
    print(f"{metrics}, in percent")
    print(f"{'entities':<12}{'precision':>10}{'recall':>10}{'F1':>10}")
    for label, row in rows:
        cells = "".join(f"{100 * (row[key] or 0):>10.1f}" for key in "prf")
        print(f"{label:<12}{cells}")


def _read_scores(path: Path) -> dict[str, Any]:
    found = parse_json(path.read_bytes())
    if not isinstance(found, dict) or "ents_per_type" not in found:
        raise ValueError(Errors.L204.format(path=path))
    return found


def _examples_before(
    nlp: Language, name: str, data: Path, *, quiet: bool
) -> list[Example]:
    """Examples whose predicted Docs the components before a recognizer processed."""
    from ..reports.recognizers import docs_before

    examples = read_examples(nlp, data)
    docs = docs_before(nlp, name, (eg.predicted for eg in examples))
    bar = progress(docs, quiet=quiet, total=len(examples))
    for eg, doc in zip(examples, bar, strict=True):
        eg.predicted = doc
    return examples
