"""Keys of the words of a table, so that it needs no strings.

A word's key is 32 bits of the hash of its text. Of the words that a table of W words
lacks, about one in 2^32 / W is taken for one that it has.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.strings import get_string_id

_BITS = np.uint64(0xFFFFFFFF)


def keys_of(words: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """The keys of words, ascending, and the index of the first word of each key.

    words (Sequence[str]): The words, the most frequent first.
    """
    hashes = np.array([get_string_id(word) for word in words], dtype="uint64")
    return np.unique(hashes.astype(np.uint32), return_index=True)


def find_keys(keys: NDArray[np.uint32], hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The index of each word's key, or -1.

    keys (ndarray): The low 32 bits of the hashes of the words of a table, ascending.
        (W,)
    hashes (ndarray): The 64-bit hashes of the texts of words.  (L,)
    RETURNS (ndarray): (L,)
    """
    if not len(keys):
        return np.full(len(hashes), -1)
    wanted = (hashes & _BITS).astype(np.uint32)
    rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[rows] == wanted, rows, -1)


def pack_keys(keys: NDArray[np.uint32]) -> dict[str, Any]:
    """Ascending keys in few bytes, for a file: the lower 16 bits of each, and for each
    value of the upper 16 bits, how many keys begin with it.

    RETURNS (Dict[str, ndarray]): The arrays, by name: "keys" (W,), "counts" (2^16,).
    """
    counts = np.bincount(keys >> np.uint32(16), minlength=1 << 16)
    smallest = np.min_scalar_type(counts.max())
    return {"keys": keys.astype(np.uint16), "counts": counts.astype(smallest)}


def unpack_keys(arrays: Mapping[str, Any]) -> NDArray[np.uint32]:
    """The keys of `pack_keys`."""
    upper = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    return np.asarray(np.repeat(upper, arrays["counts"]) | arrays["keys"])
