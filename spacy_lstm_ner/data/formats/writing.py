"""Docs -> files of the formats that people go on working with."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc, DocBin, Span

from ...component.confidences import confidence, has_confidences
from ...component.white_space import entities_of
from ...errors import Errors, Warnings
from ...tags import IOB_OUTSIDE, OUTSIDE
from ..columns import UNKNOWN, read_tag
from ..conll import DOCSTART
from ..json_lines import write_records
from ..replacing import replacing
from . import columns, doccano, label_studio, prodigy
from .docs import INCORRECT_SPANS_KEY, SPANS_KEY
from .loading import DOC_BIN

logger = logging.getLogger("spacy.lstm_ner")

# Labels of Label Studio's template for named entities.
_FROM, _TO = "label", "text"


class Written(NamedTuple):
    """A Doc as the formats see it.

    number: Its number, from 1.
    text: The text.
    spans: The entities; or all spans, if some overlap.
    wrong: Spans that are known to be no entities.
    is_complete: All tokens are annotated.
    is_predicted: A recognizer has predicted the entities, and their confidences.
    doc: The Doc.
    """

    number: int
    text: str
    spans: Sequence[Span]
    wrong: Sequence[Span]
    is_complete: bool
    is_predicted: bool
    doc: Doc


Writer = Callable[[Sequence[Written], Path], None]


def write_docs(
    docs: Sequence[Doc],
    path: Path,
    name: str,
    *,
    spans_key: str = SPANS_KEY,
    incorrect_spans_key: str = INCORRECT_SPANS_KEY,
) -> None:
    """Write Docs, and tell what the format cannot say.

    docs (Sequence[Doc]): The Docs.
    path (Path): The file.
    name (str): The format, one of `ENDINGS`.
    spans_key (str): The span group of all spans, in Docs in which some overlap.
    incorrect_spans_key (str): The span group of spans that are known to be wrong.
    RAISES ValueError (L283): If a token or a label can't be written in columns.
    """
    if name == DOC_BIN:
        with replacing(path) as new:
            DocBin(docs=docs).to_disk(new)
        return
    found = [
        _look(i, doc, spans_key, incorrect_spans_key) for i, doc in enumerate(docs, 1)
    ]
    _WRITERS[name](found, path)
    _log_losses(found, name, spans_key)


def _look(number: int, doc: Doc, spans_key: str, incorrect_spans_key: str) -> Written:
    return Written(
        number,
        doc.text,
        doc.spans.get(spans_key, []) or doc.ents,
        list(doc.spans.get(incorrect_spans_key, [])),
        is_complete=all(token.ent_iob != 0 for token in doc),
        is_predicted=any(map(has_confidences, doc.spans.values())),
        doc=doc,
    )


def _log_losses(found: Sequence[Written], name: str, spans_key: str) -> None:
    n_wrong = sum(len(w.wrong) for w in found if name != prodigy.NAME or w.is_complete)
    if n_wrong:
        logger.warning(Warnings.L292.format(n=n_wrong, format=name))
    n_partial = sum(
        not w.is_complete and any(token.ent_iob == IOB_OUTSIDE for token in w.doc)
        for w in found
    )
    if n_partial and name != columns.NAME:
        logger.warning(Warnings.L291.format(n=n_partial, format=name))
    if name == columns.NAME:
        n_spans = sum(len(w.spans) - len(w.doc.ents) for w in found)
        if n_spans:
            message = Warnings.L294.format(n=n_spans, key=spans_key, format=name)
            logger.warning(message)
        n_spaces = sum(token.is_space for w in found for token in w.doc)
        n_texts = sum(all(token.is_space for token in w.doc) for w in found)
        if n_spaces or n_texts:
            logger.warning(Warnings.L293.format(n=n_spaces, n_texts=n_texts))


def _write_prodigy(found: Sequence[Written], path: Path) -> None:
    """A task per text; of texts that are annotated in part, a binary task per span."""
    write_records(path, (task for written in found for task in _tasks(written)))


def _tasks(written: Written) -> Iterator[dict[str, Any]]:
    if written.is_complete:
        task = prodigy_task(written.doc, written.spans)
        # Tasks to correct have no answer.
        yield task if written.is_predicted else {**task, "answer": "accept"}
        return
    answers = [(s, "accept") for s in written.spans]
    answers += [(s, "reject") for s in written.wrong]
    for span, answer in answers:
        task = prodigy_task(written.doc, [span])
        yield {**task, "answer": answer, "_is_binary": True}
    if not answers:
        task = prodigy_task(written.doc, [])
        yield {**task, "answer": "ignore", "_is_binary": True}


def prodigy_task(doc: Doc, spans: Iterable[Span]) -> dict[str, Any]:
    """A task of Prodigy: a text, its tokens and some spans, without an answer.

    doc (Doc): The text.
    spans (Iterable[Span]): Spans of it. Those that a recognizer has predicted have a
        score.
    """
    tokens = [
        {
            "text": token.text,
            "start": token.idx,
            "end": token.idx + len(token),
            "id": token.i,
            "ws": bool(token.whitespace_),
        }
        for token in doc
    ]
    found = [_prodigy_span(span) for span in spans]
    return {"text": doc.text, "tokens": tokens, "spans": found}


def _prodigy_span(span: Span) -> dict[str, Any]:
    found = {
        "start": span.start_char,
        "end": span.end_char,
        "token_start": span.start,
        "token_end": span.end - 1,
        "label": span.label_,
    }
    score = confidence(span)
    return found if score is None else {**found, "score": score}


def _write_doccano(found: Sequence[Written], path: Path) -> None:
    """A record per text."""
    write_records(
        path,
        (
            {
                "id": written.number,
                "text": written.text,
                "label": [[s.start_char, s.end_char, s.label_] for s in written.spans],
                **_partial(written),
            }
            for written in found
        ),
    )


def _partial(written: Written) -> dict[str, bool]:
    """A field of our own for texts that are annotated in part, which the tools keep."""
    return {} if written.is_complete else {"partial": True}


def _write_label_studio(found: Sequence[Written], path: Path) -> None:
    """A task per text: annotated, or predicted, or neither."""
    tasks = [_label_studio_task(written) for written in found]
    with replacing(path) as new:
        new.write_text(
            json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", encoding="utf8"
        )


def label_studio_results(number: int, spans: Iterable[Span]) -> list[dict[str, Any]]:
    """The regions of a task of Label Studio, for its template for named entities.

    number (int): The number of the task.
    spans (Iterable[Span]): The spans. Those that a recognizer has predicted have a
        score.
    """
    results = []
    for i, span in enumerate(spans):
        result: dict[str, Any] = {
            "id": f"{number}-{i}",
            "from_name": _FROM,
            "to_name": _TO,
            "type": "labels",
            "value": {
                "start": span.start_char,
                "end": span.end_char,
                "text": span.text,
                "labels": [span.label_],
            },
        }
        score = confidence(span)
        results.append(result if score is None else {**result, "score": score})
    return results


def _label_studio_task(written: Written) -> dict[str, Any]:
    results = label_studio_results(written.number, written.spans)
    scores = [result["score"] for result in results if "score" in result]
    task: dict[str, Any] = {
        "id": written.number,
        "data": {_TO: written.text, **_partial(written)},
    }
    if written.is_predicted:
        # Label Studio sorts tasks by this score: that of the least certain entity.
        prediction = {
            "model_version": "lstm_ner",
            **({"score": min(scores)} if scores else {}),
            "result": results,
        }
        return {**task, "predictions": [prediction]}
    is_known = written.is_complete or written.spans
    return {**task, "annotations": [{"result": results}] if is_known else []}


def _write_conll(found: Sequence[Written], path: Path) -> None:
    """Lines of tokens and tags, and an empty line behind each text."""
    with replacing(path) as new, new.open("w", encoding="utf8", newline="") as file:
        for written in found:
            lines = list(_lines(written))
            file.writelines(f"{line}\n" for line in lines)
            if lines:
                file.write("\n")


def _lines(written: Written) -> Iterator[str]:
    # Without white space at the ends of entities.
    starts = {entity.start for entity in entities_of(written.doc)}
    for token in written.doc:
        if token.is_space:
            continue
        tag = UNKNOWN if token.ent_iob == 0 else OUTSIDE
        if token.ent_type_:
            tag = f"{'B' if token.i in starts else 'I'}-{token.ent_type_}"
        meaning = _misread(token.text, tag)
        if meaning is not None:
            raise ValueError(
                Errors.L283.format(
                    word=token.text, tag=tag, i=written.number, meaning=meaning
                )
            )
        yield f"{token.text}\t{tag}"


def _misread(word: str, tag: str) -> str | None:
    """What a reader of columns would take a token or its tag for, if not for it."""
    if word == DOCSTART:
        return "the start of a document"
    if any(mark in word + tag for mark in "\t\n\r"):
        return "several columns or lines"
    if word != word.strip(" ") or word.startswith("\ufeff"):
        return "another token"
    read = read_tag(tag)
    if read is None or read.name != tag:
        return "another tag"
    return None


_WRITERS: dict[str, Writer] = {
    prodigy.NAME: _write_prodigy,
    doccano.NAME: _write_doccano,
    label_studio.NAME: _write_label_studio,
    columns.NAME: _write_conll,
}
# The endings of the files of each format that can be written.
ENDINGS: dict[str, Iterable[str]] = {
    DOC_BIN: (".spacy",),
    prodigy.NAME: (".jsonl", ".ndjson"),
    doccano.NAME: (".jsonl", ".ndjson"),
    label_studio.NAME: (".json",),
    columns.NAME: (".conll", ".iob", ".tsv", ".txt"),
}
