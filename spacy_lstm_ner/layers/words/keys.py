"""Keys of the words of a table, so that it needs no strings.

A word's key is 32 bits of the hash of its text. Of the words that a table of W words
lacks, about one in 2^32 / W is taken for one that it has.
"""

import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from spacy.strings import get_string_id

_BITS = np.uint64(0xFFFFFFFF)
_KEYS = ("keys", "counts")
_ZIP = b"PK"


class TableError(ValueError):
    """A table cannot be read; the message says what was found and expected."""


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


def read_arrays(data: bytes, *names: str) -> dict[str, Any]:
    """The arrays of a table, from a file in NumPy's format `npz`.

    data (bytes): The content of the file.
    names (str): The arrays that it must have, beside those of `pack_keys`.
    RETURNS (Dict[str, ndarray]): The arrays by name.
    RAISES TableError: If it has another format, or other arrays.
    """
    expected, found = [*_KEYS, *names], ["no table of arrays"]
    if data.startswith(_ZIP):
        try:
            with np.load(BytesIO(data), allow_pickle=False) as arrays:
                found = list(arrays)
                if set(expected) <= set(found):
                    return {name: arrays[name] for name in expected}
        except (ValueError, EOFError, BadZipFile, zlib.error) as err:
            raise TableError(str(err)) from err
    listed = f"found {', '.join(found)}; expected {', '.join(expected)}"
    raise TableError(listed)
