"""The form in which a table has a word, and the static vectors of a vocab."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.strings import get_string_id
from spacy.vectors import BaseVectors, Mode, Vectors
from spacy.vocab import Vocab
from thinc.api import get_array_module

from ...chains.log_space import to_numpy
from ...types import Floats2d

Hashes = NDArray[np.uint64]


class VocabVectors:
    """The static vectors of a vocab."""

    def __init__(self, vectors: BaseVectors) -> None:
        self._vectors = vectors
        self.width: int = vectors.shape[1]

    def has(self, hashes: Hashes) -> NDArray[np.bool_]:
        return np.array([form in self._vectors for form in hashes.tolist()], dtype=bool)

    def vectors_of(
        self, hashes: Hashes, wanted: NDArray[np.bool_], ops: Any
    ) -> Floats2d:
        if not wanted.any():
            return ops.alloc2f(len(hashes), self.width)
        found = self._vectors.get_batch(hashes.tolist())
        is_wanted = get_array_module(found).asarray(wanted)[:, None]
        return ops.asarray2f(found * is_wanted, dtype="f")


def find_forms(
    orths: Hashes, vocab: Vocab, has: Callable[[Hashes], NDArray[np.bool_]]
) -> tuple[Hashes, NDArray[np.bool_]]:
    """The form of each word in which a table has it, and whether it has one.  (L,)

    orths (ndarray): The 64-bit hashes of the words' texts.  (L,)
    vocab (Vocab): Holds their strings.
    has (Callable): Whether the table has the words with these 64-bit hashes.
    """
    forms = orths.copy()
    is_found = has(forms)
    missing = np.flatnonzero(~is_found)
    lower = [vocab.strings[orth].lower() for orth in forms[missing].tolist()]
    for others in (lower, [_DIGIT.sub("0", word) for word in lower]):
        hashes = np.array([get_string_id(word) for word in others], dtype=np.uint64)
        is_new = has(hashes) & ~is_found[missing]
        forms[missing[is_new]] = hashes[is_new]
        is_found[missing[is_new]] = True
    return forms, is_found


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
    return np.where(chosen < 0, np.uint64(0), to_numpy(sums))
