"""The command that converts annotation."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import spacy
from spacy.tokens import Doc

from ..data.columns import UNKNOWN, show_tags
from ..data.conll import DOCS, ConllCorpus
from ..data.formats import FORMATS, Options
from ..data.formats.docs import INCORRECT_SPANS_KEY, SPANS_KEY
from ..data.formats.loading import DOC_BIN, Loaded, is_docs, load_docs
from ..data.formats.writing import ENDINGS, write_docs
from ..data.tag_schemes import INVALID, SCHEMES
from ..errors import Errors
from ..tags import OUTSIDE
from .outputs import Force, check_file
from .shared import Arg, Opt, Quiet, app, choice, print_counts, progress

# The defaults of the reader are those of the options.
_CONLL = ConllCorpus.__init__.__kwdefaults__ or {}
_AUTO = "auto"


@app.command("convert")
def convert(
    inputs: Annotated[
        list[Path], Arg(metavar="INPUT", help="Files of annotation, or folders of them")
    ],
    output: Annotated[Path, Arg(metavar="OUTPUT", help="File to write")],
    format_: Annotated[
        str,
        choice([_AUTO, *FORMATS], "Format of the input", "--format"),
    ] = _AUTO,
    to: Annotated[str, choice(ENDINGS, "Format of the output")] = DOC_BIN,
    lang: Annotated[str, Opt("--lang", "-l", help="Language of the tokenizer")] = "en",
    model: Annotated[
        str | None, Opt(help="Pipeline whose tokenizer is used instead")
    ] = None,
    layer: Annotated[
        str | None, Opt(help="Layer or column of the entities, if there are several")
    ] = None,
    labels: Annotated[
        Path | None, Opt(help="File with the names of numbered tags, one per line")
    ] = None,
    annotator: Annotated[
        str | None, Opt(help="Read one annotator only. Default: merge all")
    ] = None,
    spans_key: Annotated[
        str, Opt(help="Span group of all spans, where some overlap")
    ] = SPANS_KEY,
    incorrect_spans_key: Annotated[
        str, Opt(help="Span group of spans that are known to be wrong")
    ] = INCORRECT_SPANS_KEY,
    word_column: Annotated[
        int, Opt(help="Column of the tokens: 0 is the first, -1 the last")
    ] = _CONLL["word_column"],
    tag_column: Annotated[int, Opt(help="Column of the tags")] = _CONLL["tag_column"],
    separator: Annotated[
        str | None,
        Opt(help=r"Separator of columns, such as '\t'. Default: a tab or spaces"),
    ] = _CONLL["separator"],
    scheme: Annotated[str, choice(SCHEMES, "Tagging scheme")] = _CONLL["scheme"],
    invalid: Annotated[
        str, choice(INVALID, "What to do with invalid sequences of tags")
    ] = _CONLL["invalid"],
    docs: Annotated[str, choice(DOCS, "Unit that becomes a Doc")] = _CONLL["docs"],
    comment: Annotated[str | None, Opt(help="Start of lines to skip")] = _CONLL[
        "comment"
    ],
    limit: Annotated[int, Opt(help="Number of Docs, 0 for all")] = _CONLL["limit"],
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Convert annotation to spaCy's format, or to another one."""
    # People edit files of the other formats: those are replaced with --force only.
    is_ours = is_docs if to == DOC_BIN else _never
    check_file(output, ENDINGS[to], is_ours, inputs=inputs, force=force)
    columns = {
        "word_column": word_column,
        "tag_column": tag_column,
        "separator": separator and separator.replace(r"\t", "\t"),
        "scheme": scheme,
        "invalid": invalid,
        "comment": comment,
    }
    changed = [name for name, value in columns.items() if value != _CONLL[name]]
    if changed and format_ not in (_AUTO, "conll"):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise ValueError(
            Errors.L279.format(options=names, path=inputs[0], format=format_)
        )
    if changed:
        format_ = "conll"
    loaded = load_docs(
        inputs,
        spacy.blank(lang) if model is None else spacy.load(model),
        name=None if format_ == _AUTO else format_,
        options=Options(layer, labels, {**columns, "docs": docs, "limit": limit}),
        annotator=annotator,
        join=docs == "document",
        limit=limit,
        output=output,
        spans_key=spans_key,
        incorrect_spans_key=incorrect_spans_key,
        progress=lambda texts: progress(texts, quiet=quiet),
    )
    write_docs(
        loaded.docs,
        output,
        to,
        spans_key=spans_key,
        incorrect_spans_key=incorrect_spans_key,
    )
    _print_reading(loaded)
    _print_docs(output, loaded.docs)


def _never(path: Path) -> bool:
    return False


def _print_reading(loaded: Loaded) -> None:
    formats = Counter(name for _, name in loaded.formats)
    for name, n in formats.items():
        first = next(path for path, other in loaded.formats if other == name)
        more = f" and {n - 1} other files" if n > 1 else ""
        print(f"read {first}{more} as {name}")
    if loaded.n_merged:
        names = f", by {', '.join(loaded.annotators)}" if loaded.annotators else ""
        print(
            f"merged {loaded.n_merged} further annotations of the same texts{names}: "
            "entities are those on which all agree"
        )


def _print_docs(output: Path, docs: list[Doc]) -> None:
    labels = [ent.label_ for doc in docs for ent in doc.ents]
    print_counts(output, len(docs), sum(map(len, docs)), labels)
    n_unknown = sum(token.ent_iob == 0 for doc in docs for token in doc)
    print(f"{n_unknown} tokens without annotation")
    if first := next((doc for doc in docs if doc.ents), None):
        words = [token.text for token in first]
        print(f"first entities: {show_tags(words, _tags(first))}")


def _tags(doc: Doc) -> list[str]:
    """The tags of the tokens of a Doc, in BIO."""
    marks = {"": UNKNOWN, "O": OUTSIDE}
    return [marks.get(t.ent_iob_) or f"{t.ent_iob_}-{t.ent_type_}" for t in doc]
