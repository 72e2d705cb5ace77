"""Between Docs and tags: gold tags of an Example, constraints that a Doc sets, and
entities into `Doc.ents`.

White space has no tag. Tokens that are nothing else are left out of the path of tags
(see `taggable`), so an entity may run across them but can never begin or end there.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, SENT_START
from spacy.tokens import Doc, Span

from ..tags import tag_names
from .given import _BEGIN, _INSIDE


def allowed_tags(
    doc: Doc, tokens: NDArray[np.intp], labels: Sequence[str], given: Iterable[Span]
) -> NDArray[np.bool_] | None:
    """The tags that a Doc's existing annotation leaves open.

    Given entities stay as they are, blocked tokens stay outside, and no entity crosses
    a blocked token or the start of a sentence, or grows out of a given one.

    doc (Doc): The document.
    tokens (ndarray): Indices of its taggable tokens.  (T,)
    labels (Sequence[str]): The labels of the model.
    given (Iterable[Span]): Entities that are known to be right.
    RETURNS (Optional[ndarray]): Whether each token may have each tag, (T, N); None if
        nothing is ruled out.
    """
    if not (doc.has_annotation("ENT_IOB") or doc.has_annotation("SENT_START")):
        return None  # soon told of a text as it comes
    iob, ent_type, sent_start = doc.to_array([ENT_IOB, ENT_TYPE, SENT_START]).T
    blocked = ((iob == _INSIDE) | (iob == _BEGIN)) & (ent_type == 0)
    cut = sent_start == 1
    cut[:1] = False  # nothing comes before the first token
    cut |= blocked
    given = list(given)
    if not given and not cut.any():
        return None
    tags = tag_names(labels)
    number = {tag: i for i, tag in enumerate(tags)}
    inner = [i for i, tag in enumerate(tags) if tag[0] == "I"]
    clamped = dict.fromkeys(np.flatnonzero(blocked).tolist(), 0)
    for ent in given:
        inside = tokens[(ent.start <= tokens) & (tokens < ent.end)].tolist()
        for prefix, i in zip("B" + "I" * len(inside), inside, strict=False):
            clamped[i] = number.get(f"{prefix}-{ent.label_}", 0)
        if ent.end < len(doc):
            cut[ent.end] = True
    allowed = np.ones((len(tokens), len(tags)), dtype=bool)
    # A cut on white space counts for the next token that has a tag.
    for row in np.searchsorted(tokens, np.flatnonzero(cut)).tolist():
        allowed[row : row + 1, inner] = False
    for row, i in enumerate(tokens.tolist()):
        if i in clamped:
            allowed[row] = False
            allowed[row, clamped[i]] = True
    return allowed
