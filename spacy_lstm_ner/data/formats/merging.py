"""Several annotations of one text become one.

The rule: an entity counts if all complete annotations of the text have it, and none
says that it is wrong. Spans about which they differ are unknown. Everything else is
outside of entities if an annotation is complete, and unknown otherwise.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .annotated import AnnotatedText, CharSpan, Extent


def merge(texts: Iterable[AnnotatedText]) -> list[AnnotatedText]:
    """Merge the texts that have the same key, in the place of the first one.

    texts (Iterable[AnnotatedText]): The texts; those without a key stay alone.
    RETURNS (List[AnnotatedText]): The merged texts. Disputed spans are counted in
        `left_out`.
    """
    groups: dict[object, list[AnnotatedText]] = {}
    for i, text in enumerate(texts):
        key = ("alone", i) if text.key is None else ("key", text.key)
        groups.setdefault(key, []).append(text)
    return [_merge(group) if len(group) > 1 else group[0] for group in groups.values()]


def _merge(texts: Sequence[AnnotatedText]) -> AnnotatedText:
    complete = [set(text.spans) for text in texts if text.is_complete]
    wrong = {span for text in texts for span in text.wrong}
    spans = dict.fromkeys(span for text in texts for span in text.spans)
    agreed = [
        span
        for span in spans
        if span not in wrong and all(span in found for found in complete)
    ]
    disputed = spans.keys() - set(agreed)
    left_out: Counter[str] = Counter()
    for text in texts:
        left_out.update(text.left_out)
    left_out["spans on which annotators differ (left unknown)"] += len(disputed)
    return replace(
        texts[0],
        spans=agreed,
        is_complete=bool(complete),
        wrong=sorted(wrong - disputed),
        unknown=[
            *(extent for text in texts for extent in text.unknown),
            *(Extent(start, end) for start, end, _ in sorted(disputed)),
        ],
        left_out=left_out,
    )


def of_annotator(texts: Iterable[AnnotatedText], name: str) -> list[AnnotatedText]:
    """The texts of one annotator.

    name (str): The name.
    """
    return [text for text in texts if text.annotator == name]


def join_documents(texts: Iterable[AnnotatedText]) -> list[AnnotatedText]:
    """Join consecutive sentences of the same document to one text each, with the first
    character of each sentence.

    texts (Iterable[AnnotatedText]): The texts; those without a document stay alone.
    """
    groups: list[list[AnnotatedText]] = []
    for text in texts:
        is_next = (
            groups
            and text.document is not None
            and groups[-1][-1].document == text.document
        )
        if is_next:
            groups[-1].append(text)
        else:
            groups.append([text])
    return [_join(group) if len(group) > 1 else group[0] for group in groups]


def _join(texts: Sequence[AnnotatedText]) -> AnnotatedText:
    starts, length = [], 0
    for text in texts:
        starts.append(length)
        length += len(text.text) + 1
    left_out: Counter[str] = Counter()
    for text in texts:
        left_out.update(text.left_out)
    pairs = list(zip(starts, texts, strict=True))
    return replace(
        texts[0],
        text=" ".join(text.text for text in texts),
        words=[word for text in texts for word in text.words or ()] or None,
        spans=[CharSpan(s + a, s + b, n) for s, t in pairs for a, b, n in t.spans],
        wrong=[CharSpan(s + a, s + b, n) for s, t in pairs for a, b, n in t.wrong],
        unknown=[Extent(s + a, s + b) for s, t in pairs for a, b in t.unknown],
        sentences=starts,
        left_out=left_out,
    )
