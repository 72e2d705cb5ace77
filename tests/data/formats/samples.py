"""Two texts in all formats: the first has two entities, the second has none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spacy_lstm_ner.data.formats import FORMATS

TEXTS = ["Zoë Ngo saw 🦉 Lake Iso.", "No one."]
SPANS = [[(0, 7, "PER"), (14, 22, "LOC")], []]
TOKEN_SPANS = [[(0, 2, "PER"), (4, 6, "LOC")], []]
WORDS = [["Zoë", "Ngo", "saw", "🦉", "Lake", "Iso", "."], ["No", "one", "."]]
TAGS = [["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O"], ["O", "O", "O"]]


def lines(records: list[Any]) -> str:
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)


def _records(make: Any) -> list[Any]:
    return [make(text, spans) for text, spans in zip(TEXTS, SPANS, strict=True)]


def _prodigy(text: str, spans: Any) -> dict[str, Any]:
    marked = [{"start": s, "end": e, "label": n} for s, e, n in spans]
    return {"text": text, "spans": marked, "answer": "accept", "meta": {}}


def _doccano_relations(text: str, spans: Any) -> dict[str, Any]:
    marked = [
        {"id": i, "label": n, "start_offset": s, "end_offset": e}
        for i, (s, e, n) in enumerate(spans)
    ]
    return {"text": text, "entities": marked, "relations": [], "Comments": []}


def _label_studio(text: str, spans: Any) -> dict[str, Any]:
    result = [
        {
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {"start": s, "end": e, "text": text[s:e], "labels": [n]},
        }
        for s, e, n in spans
    ]
    return {"data": {"text": text}, "annotations": [{"result": result}]}


def _min(text: str, spans: Any) -> dict[str, Any]:
    regions = [{"start": s, "end": e, "labels": [n]} for s, e, n in spans]
    found = {"ner": regions} if regions else {}
    return {"id": 1, "tweet": text, **found, "annotator": 1}


def _brat() -> dict[str, str]:
    files = {}
    for i, (text, spans) in enumerate(zip(TEXTS, SPANS, strict=True)):
        files[f"{i}.txt"] = text
        files[f"{i}.ann"] = "".join(
            f"T{j}\t{n} {s} {e}\t{text[s:e]}\n" for j, (s, e, n) in enumerate(spans)
        )
    return files


def rows(
    make: Callable[[int, str, str], str],
    *,
    before: str = "",
    first: str = "",
    texts: bool = False,
) -> str:
    """A line for each number, word and tag, with lines before each sentence and before
    all."""
    content = first
    for text, words, tags in zip(TEXTS, WORDS, TAGS, strict=True):
        content += before + (f"# text = {text}\n" if texts else "")
        pairs = zip(words, tags, strict=True)
        content += "".join(make(i, *pair) for i, pair in enumerate(pairs, start=1))
        content += "\n"
    return content


def _conll2012() -> str:
    content = "#begin document (x); part 000\n"
    for words, spans in zip(WORDS, TOKEN_SPANS, strict=True):
        cells = ["*"] * len(words)
        for start, end, label in spans:
            cells[start] = f"({label}*" if end > start + 1 else f"({label})"
            cells[end - 1] += ")" if end > start + 1 else ""
        for i, (word, cell) in enumerate(zip(words, cells, strict=True)):
            content += f"x 0 {i} {word} XX * - - - - {cell} * -\n"
        content += "\n"
    return content + "#end document\n"


def _webanno() -> str:
    content = "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Name|value\n\n"
    base = 0
    for i, (text, words, spans) in enumerate(
        zip(TEXTS, WORDS, TOKEN_SPANS, strict=True), start=1
    ):
        content += f"\n#Text={text}\n"
        end = 0
        for j, word in enumerate(words):
            start = text.index(word, end)
            end = start + len(word)
            marks = [f"{n}[{k}]" for k, (s, e, n) in enumerate(spans) if s <= j < e]
            offsets = [
                base + len(text[:n].encode("utf-16-le")) // 2 for n in (start, end)
            ]
            cell = "|".join(marks) or "_"
            content += f"{i}-{j + 1}\t{offsets[0]}-{offsets[1]}\t{word}\t{cell}\t\n"
        base += len(text.encode("utf-16-le")) // 2 + 1
    return content


NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BILOU = [["B-PER", "L-PER", "O", "O", "B-LOC", "E-LOC", "O"], ["O"] * 3]
PLAIN = [["PER", "PER", "O", "O", "LOC", "LOC", "O"], ["O"] * 3]


def _with_objects(text: str, spans: list[Any]) -> dict[str, Any]:
    names = ("start", "end", "label")
    return {"text": text, "entities": [dict(zip(names, s, strict=True)) for s in spans]}


def _hf(tags: list[list[Any]], words: str = "tokens", column: str = "ner_tags") -> str:
    pairs = zip(WORDS, tags, strict=True)
    return lines([{words: w, column: t, "id": "1"} for w, t in pairs])


_IDS = [[NAMES.index(tag) for tag in tags] for tags in TAGS]
_CONLLU = "{i}\t{w}\t_\t_\t_\t_\t_\t_\t_\t{m}\n"

# The files of each sample by name, which begins with that of the format. The first file
# is given to the reader; of BRAT, the folder.
SAMPLES: dict[str, dict[str, str]] = {
    "prodigy": {"p.jsonl": lines(_records(_prodigy))},
    "doccano": {"d.jsonl": lines(_records(lambda t, s: {"text": t, "label": s}))},
    "doccano-1": {"d.jsonl": lines(_records(lambda t, s: {"text": t, "labels": s}))},
    "doccano-data": {
        "d.json": json.dumps(_records(lambda t, s: {"data": t, "label": s}))
    },
    "doccano-relations": {"r.jsonl": lines(_records(_doccano_relations))},
    "label-studio": {"l.json": json.dumps(_records(_label_studio), indent=1)},
    "label-studio-min": {"l.json": json.dumps(_records(_min))},
    "brat": _brat(),
    "spacy-tuples": {"s.json": json.dumps(_records(lambda t, s: [t, {"entities": s}]))},
    "spacy-tuples-page": {
        "s.json": json.dumps(
            {
                "classes": ["PER", "LOC"],
                "annotations": [
                    None,
                    *_records(lambda t, s: [t, {"entities": s}]),
                ],
            }
        )
    },
    "records": {"r.jsonl": lines(_records(lambda t, s: {"text": t, "entities": s}))},
    "records-objects": {"r.json": json.dumps(_records(_with_objects))},
    "gliner": {
        "g.json": json.dumps(
            [
                {"tokenized_text": words, "ner": [[s, e - 1, n] for s, e, n in spans]}
                for words, spans in zip(WORDS, TOKEN_SPANS, strict=True)
            ]
        )
    },
    "hf": {"h.jsonl": _hf(TAGS)},
    "hf-ids": {"h.jsonl": _hf(_IDS), "h.labels.txt": "\n".join(NAMES)},
    "hf-info": {
        "h.jsonl": _hf(_IDS, "words", "labels"),
        "dataset_info.json": json.dumps(
            {"features": {"ner_tags": {"feature": {"names": NAMES}}}}
        ),
    },
    "hf-model": {
        "h.json": json.dumps([json.loads(line) for line in _hf(_IDS).splitlines()]),
        "config.json": json.dumps({"id2label": dict(enumerate(NAMES))}),
    },
    "hf-bilou": {"h.jsonl": _hf(BILOU, column="tags")},
    "hf-plain": {"h.jsonl": _hf(PLAIN)},
    "conllu-plus": {
        "c.conllup": rows(
            lambda i, w, t: f"{i}\t{w}\t{t}\n",
            first="# global.columns = ID FORM NER:X\n",
            texts=True,
        )
    },
    "conllu-name": {
        "c.conllu": rows(lambda i, w, t: _CONLLU.format(i=i, w=w, m=f"name={t}"))
    },
    "conllu-ner": {
        "c.conllu": rows(
            lambda i, w, t: _CONLLU.format(i=i, w=w, m="_" if t == "O" else f"NER={t}")
        )
    },
    "multiconer": {
        "m.conll": rows(
            lambda _, w, t: f"{w} _ _ {t}\n", before="# id 1f\tdomain=train\n"
        )
    },
    "conll2012": {"x.gold_conll": _conll2012()},
    "germeval": {
        "g.tsv": rows(
            lambda i, w, t: f"{i}\t{w}\t{t}\tO\n", before="#\tx [2010-01-01]\n"
        )
    },
    "webanno": {"w.tsv": _webanno()},
    "conll": {"c.conll": rows(lambda _, w, t: f"{w}\t{t}\n")},
}


def write(name: str, folder: Path) -> Path:
    """Write the files of a sample; return the first one, or the folder of several."""
    files = SAMPLES[name]
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf8", newline="")
    return folder if name == "brat" else folder / next(iter(files))


def format_of(name: str) -> str:
    """The format that a sample is in."""
    return max((f for f in FORMATS if name.startswith(f)), key=len)
