"""The command that writes a model card."""

from functools import partial
from pathlib import Path
from typing import Annotated

import spacy

from ..data.files import shown
from ..data.formats.registry import find_inputs
from ..data.replacing import replacing
from ..errors import Errors
from .outputs import Force, check_file, has_text
from .shared import (
    Component,
    Data,
    Model,
    Opt,
    Quiet,
    app,
    progress,
    read_examples,
)


@app.command("model-card")
def model_card(
    model: Model,
    data: Data,
    output: Annotated[
        Path | None,
        Opt(
            metavar="README.md",
            help="File to write; the picture lies beside it. Default: README.md in "
            "the folder of the pipeline",
        ),
    ] = None,
    name: Annotated[
        str | None, Opt(help="Name on the card. Default: the name of the package")
    ] = None,
    dataset: Annotated[
        str | None, Opt(help="Name of the texts of DATA. Default: the file's name")
    ] = None,
    component: Component = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write the README of a model for the Hugging Face hub."""
    from ..reports.card import MARK, Card, measure, render_card
    from ..reports.plots import CREATOR, METADATA, check_picture, draw_reliability
    from ..reports.recognizers import find_recognizer

    if output is None:
        if not Path(model).is_dir():
            raise ValueError(Errors.L390.format(model=model))
        output = Path(model) / "README.md"
    picture = output.with_name(f"{output.stem}-reliability.png")
    check_picture(picture)
    for path, endings, mark in ((output, [".md"], MARK), (picture, METADATA, CREATOR)):
        check_file(
            path,
            endings,
            partial(has_text, text=mark),
            inputs=[data],
            force=force,
        )
    find_inputs(data)
    nlp = spacy.load(model)
    component, ner = find_recognizer(nlp, component)
    examples = read_examples(nlp, data)
    if not any(eg.reference.ents for eg in examples):
        raise ValueError(Errors.L391.format(path=data))
    docs = nlp.pipe(eg.predicted for eg in examples)
    bar = progress(docs, quiet=quiet, total=len(examples))
    for eg, doc in zip(examples, bar, strict=True):
        eg.predicted = doc
    measured = measure(examples, ner)
    card = Card(
        name=shown(name or "{lang}_{name}".format(**nlp.meta)),
        dataset=shown(dataset or data.stem),
        meta=nlp.meta,
        component=component,
        ner=ner,
        others=[
            pipe
            for pipe in nlp.pipe_names
            if pipe != component and "doc.ents" in nlp.get_pipe_meta(pipe).assigns
        ],
        measured=measured,
        picture=shown(picture.name) if len(measured.correct) else None,
    )
    if card.picture is not None:
        title = f"{card.name} on {card.dataset}"
        # No font has the others.
        title = "".join(char for char in title if char.isprintable())
        draw_reliability(measured.confidences, measured.correct, picture, title=title)
        print(f"{picture}: {len(measured.correct)} entities")
    with replacing(output) as new:
        new.write_text(render_card(card), encoding="utf8")
    print(f"{output}: model card of {card.name}, measured on {len(examples)} texts")
