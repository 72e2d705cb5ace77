"""Commands that make data: corpora, raw text, word vectors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..checks import check_at_least
from ..data.json_lines import ENDINGS, for_spacy, read_texts, write_records
from ..data.replacing import replacing
from ..data.word2vec import MODELS, train_word2vec
from .outputs import (
    Force,
    check_file,
    check_folder,
    has_fields,
    is_pipeline,
    is_table,
    is_vectors,
    write_pipeline,
)
from .shared import (
    Arg,
    Opt,
    Quiet,
    app,
    check_data,
    choice,
    print_counts,
    progress,
)

# The defaults of the training of vectors are those of the options.
_WORD2VEC = train_word2vec.__kwdefaults__ or {}


@app.command("demo-corpus")
def demo_corpus(
    folder: Annotated[Path, Arg(metavar="OUTDIR", help="Folder to write to")],
    seed: Annotated[int, Opt(help="Another seed gives other sentences")] = 0,
    force: Force = False,
) -> None:
    """Generate the demo corpus as CoNLL files."""
    from ..course.demo_corpus import unseen_share, write_corpus

    corpus = write_corpus(folder, seed=seed, force=force)
    for part, sentences in corpus.items():
        n_tokens = sum(len(sentence.words) for sentence in sentences)
        labels = [span.label for sentence in sentences for span in sentence.spans]
        print_counts(folder / f"{part}.conll", len(sentences), n_tokens, labels)
    for part in ("dev", "test"):
        share = unseen_share(corpus["train"], corpus[part])
        print(f"{share:.0%} of the entities of {part} are no entities of train")


@app.command("raw-text")
def raw_text(
    inputs: Annotated[
        list[Path], Arg(metavar="DATA.spacy", help="Texts in .spacy format")
    ],
    output: Annotated[Path, Arg(metavar="OUTPUT.jsonl", help="File to write")],
    force: Force = False,
) -> None:
    """Write texts as JSON lines, for spacy pretrain."""
    check_file(
        output,
        ENDINGS,
        lambda path: has_fields(path, ["text"], only=True),
        inputs=inputs,
        force=force,
    )
    texts = []
    for path in inputs:
        check_data(path)
        texts += [doc.text for doc in DocBin().from_disk(path).get_docs(Vocab())]
    write_records(output, ({"text": text} for text in texts))
    print(f"{output}: {len(texts)} texts")


@app.command("vectors")
def vectors(
    output: Annotated[Path, Arg(metavar="OUTDIR", help="Folder to write to")],
    limit: Annotated[
        int | None, Opt(help="Number of words. Default: all 400,000")
    ] = None,
    force: Force = False,
) -> None:
    """Make GloVe's word vectors, for configs/vectors.cfg."""
    from ..data.glove import load_glove

    check_at_least(1, limit=limit)
    check_folder(output, is_pipeline, force=force)
    nlp = load_glove(limit=limit)
    write_pipeline(nlp, output)
    n_words, width = nlp.vocab.vectors.shape
    print(f"{output}: {n_words} vectors of width {width}")


@app.command("word2vec")
def word2vec(
    inputs: Annotated[
        list[Path],
        Arg(
            metavar="INPUT",
            help="Files with a text per line, .jsonl or .ndjson files with a field "
            "'text' per line, or .spacy files",
        ),
    ],
    output: Annotated[Path, Arg(metavar="OUTPUT.vec", help="File to write")],
    lang: Annotated[str, Opt(help="Language of the tokenizer for the texts")] = "en",
    model: Annotated[str, choice(MODELS, "Training objective")] = _WORD2VEC["model"],
    width: Annotated[int, Opt(help="Width of the vectors")] = _WORD2VEC["width"],
    window: Annotated[
        int, Opt(help="Greatest distance of context words on each side")
    ] = _WORD2VEC["window"],
    min_count: Annotated[
        int, Opt(help="Words that occur less often are left out")
    ] = _WORD2VEC["min_count"],
    epochs: Annotated[int, Opt(help="Passes over the texts")] = _WORD2VEC["epochs"],
    seed: Annotated[int, Opt(help="Another seed gives other vectors")] = _WORD2VEC[
        "seed"
    ],
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train word vectors on raw text, for spacy init vectors."""
    check_file(output, [".vec"], is_vectors, inputs=inputs, force=force)
    nlp = spacy.blank(lang)
    docs = [doc for path in inputs for doc in _read_docs(path, nlp)]
    with progress(total=epochs, quiet=quiet) as bar:
        n_words = train_word2vec(
            docs,
            output,
            model=model,
            width=width,
            window=window,
            min_count=min_count,
            epochs=epochs,
            seed=seed,
            on_epoch=bar.update,
        )
    print(f"{output}: {n_words} vectors, from {sum(map(len, docs))} tokens")


@app.command("quantize")
def quantize(
    vectors: Annotated[
        str,
        Arg(
            metavar="VECTORS",
            help="Text file of word2vec or fastText (.gz too), or the folder or name "
            "of a spaCy pipeline",
        ),
    ],
    output: Annotated[Path, Arg(metavar="OUTPUT.npz", help="File to write")],
    words: Annotated[
        int | None, Opt(help="Number of words, the first ones. Default: all")
    ] = None,
    parts: Annotated[int, Opt(help="Bytes per word: parts of a vector")] = 10,
    centroids: Annotated[int, Opt(help="Centroids of each part, at most 256")] = 256,
    rotate: Annotated[bool, Opt(help="Rotate the vectors first")] = True,
    seed: Annotated[int, Opt(help="Another seed gives another table")] = 0,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Make a small table of word vectors, for a config."""
    from ..data import quantize as quantizer

    check_at_least(1, words=words)
    check_file(output, [".npz"], is_table, inputs=[vectors], force=force)
    names, rows = quantizer.read_vectors(vectors, limit=words)
    with progress(total=parts, quiet=quiet) as bar:
        made = quantizer.quantize(
            names,
            rows,
            parts=parts,
            centroids=centroids,
            rotate=rotate,
            seed=seed,
            on_part=bar.update,
        )
    data = made.table.to_bytes()
    with replacing(output) as new:
        new.write_bytes(data)
    print(
        f"{output}: {len(made.table.keys)} words, {len(data):,} bytes for "
        f"{rows.nbytes:,}; kept {100 * made.variance:.1f}% of the variance, mean "
        f"cosine {made.cosine:.3f}"
    )


def _read_docs(path: Path, nlp: Language) -> Iterator[Doc]:
    """The texts of a file, tokenized by the pipeline unless the file has tokens."""
    if path.suffix.lower() != ".spacy":
        return nlp.pipe(for_spacy(record["text"]) for record in read_texts(path))
    check_data(path)
    return DocBin().from_disk(path).get_docs(nlp.vocab)
