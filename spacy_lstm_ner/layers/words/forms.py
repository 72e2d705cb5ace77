"""The form in which a table has a word, and the static vectors of a vocab."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.strings import get_string_id
from spacy.vectors import BaseVectors, Mode, Vectors
from spacy.vocab import Vocab
from thinc.api import get_array_module, to_numpy

from ...types import Floats2d

Hashes = NDArray[np.uint64]


class VocabVectors:
    """The static vectors of a vocab."""

    def __init__(self, vectors: BaseVectors) -> None:
        self._vectors = vectors

    def rows_of(self, hashes: Hashes) -> NDArray[np.intp]:
        """0 for words with a vector, else -1: not all vectors are rows of a table."""
        rows = [0 if form in self._vectors else -1 for form in hashes.tolist()]
        return np.array(rows, dtype=np.intp)

    def vectors_of(self, rows: NDArray[np.intp], forms: Hashes, ops: Any) -> Floats2d:
        """As of `vectors.Source`."""
        width = self._vectors.shape[1]  # 0 if the vectors are gone
        if not width or not (rows >= 0).any():
            return ops.alloc2f(len(forms), width)
        found = self._vectors.get_batch(forms.tolist())
        is_wanted = get_array_module(found).asarray(rows >= 0)[:, None]
        return ops.asarray2f(found * is_wanted, dtype="f")


def find_forms(
    orths: Hashes, vocab: Vocab, rows_of: Callable[[Hashes], NDArray[np.intp]]
) -> tuple[Hashes, NDArray[np.intp]]:
    """The form of each word in which a table has it, and its row there, or -1.  (L,)

    orths (ndarray): The 64-bit hashes of the words' texts.  (L,)
    vocab (Vocab): Holds their strings.
    rows_of (Callable): The rows of the words with these 64-bit hashes, or -1.
    """
    forms, rows = orths.copy(), rows_of(orths)
    missing = np.flatnonzero(rows < 0)
    lower = [vocab.strings[orth].lower() for orth in forms[missing].tolist()]
    for others in (lower, [_DIGIT.sub("0", word) for word in lower]):
        hashes = np.array([get_string_id(word) for word in others], dtype=np.uint64)
        found = rows_of(hashes)
        is_new = (found >= 0) & (rows[missing] < 0)
        forms[missing[is_new]] = hashes[is_new]
        rows[missing[is_new]] = found[is_new]
    return forms, rows


_DIGIT = re.compile(r"\d")


def vector_stamps(orths: Hashes, vocab: Vocab) -> Hashes:
    """A number for the static vector of each word, which changes with the vector:
    `Vocab.set_vector` changes a row in place. The number is the sum of the vector's
    bits; 0 for words without a vector, and for all words if the vectors are not rows of
    a table (floret, custom vectors), because rows cannot be set there.

    orths (ndarray): The 64-bit hashes of the words' texts.  (T,)
    vocab (Vocab): Holds their strings and the static vectors.
    RETURNS (ndarray): (T,)
    """
    vectors = vocab.vectors
    if type(vectors) is not Vectors or vectors.mode != Mode.default:
        return np.zeros(len(orths), dtype=np.uint64)
    row_of, strings, rows = vectors.key2row.get, vocab.strings, []
    for orth in orths.tolist():  # by the rule of `find_forms`, fast for a single text
        row = row_of(orth, -1)
        if row == -1:
            lower = strings[orth].lower()
            row = row_of(get_string_id(lower), -1)
            if row == -1:
                row = row_of(get_string_id(_DIGIT.sub("0", lower)), -1)
        rows.append(row)
    chosen = np.array(rows, dtype=np.intp)
    table = vectors.data
    if not table.size:
        return np.zeros(len(orths), dtype=np.uint64)
    xp = get_array_module(table)
    found = table[xp.asarray(chosen)]
    sums = found.view(f"uint{8 * found.itemsize}").sum(axis=1, dtype="uint64")
    return np.asarray(np.where(chosen < 0, np.uint64(0), to_numpy(sums)))
