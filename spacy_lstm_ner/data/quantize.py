"""Word vectors -> a `WordTable`, by product quantization.

The vectors are rotated first, so that the parts are independent and have equal shares
of the variance: optimized product quantization, the parametric solution (Ge et al.
2013). The rotation is not undone, because the layer that reads the table learns a
projection of the vectors anyway.

Needs the extra `quantize`.
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.util import load_model

from ..checks import check_at_least
from ..errors import Errors
from ..layers.words.keys import keys_of
from ..layers.words.word_table import WordTable

Vectors = NDArray[np.floating]

# Vectors that the centroids are fitted to, at most.
SAMPLE = 100_000
# A code is a byte.
MAX_CENTROIDS = 256


class Quantized(NamedTuple):
    """A table, and how much of the vectors it keeps.

    table: The table.
    variance: Share of the variance of the vectors that is kept.
    cosine: Mean cosine of a vector and its quantized form.
    """

    table: WordTable
    variance: float
    cosine: float


def read_vectors(source: str, *, limit: int | None = None) -> tuple[list[str], Vectors]:
    """Read word vectors.

    source (str): A file of text, plain or gzipped, as word2vec and fastText write it (a
        word and its numbers per line, perhaps behind a line with two numbers), or the
        folder or the name of a spaCy pipeline.
    limit (Optional[int]): Number of words; the first ones, which are the most frequent
        in a file. None: all.
    RETURNS (Tuple[List[str], ndarray]): The words (W) and their vectors (W, M).
    RAISES ValueError (L221): If a line has no word or another number of numbers, or if
        there are no vectors.
    """
    if Path(source).is_file():
        words, vectors = _read_text(Path(source), limit)
    else:
        vocab = load_model(source).vocab
        by_row = sorted(vocab.vectors.key2row.items(), key=itemgetter(1))[:limit]
        words = [str(vocab.strings[key]) for key, _ in by_row]
        rows = [row for _, row in by_row]
        vectors = np.asarray(vocab.vectors.data, dtype="f")[rows]
    if not words:
        raise ValueError(Errors.L221.format(where=source, found="no vectors"))
    return words, vectors


def _read_text(path: Path, limit: int | None) -> tuple[list[str], Vectors]:
    words: list[str] = []
    rows: list[Vectors] = []
    for i, line in enumerate(_lines(path)):
        word, *numbers = line.rstrip().split(" ")
        if i == 0 and len(numbers) == 1:
            continue  # the number of words, and the width
        where = f"{path}, line {i + 1}"
        try:
            row = np.array(numbers, dtype="f")
        except ValueError as err:
            raise ValueError(Errors.L221.format(where=where, found=line[:80])) from err
        if not word or not len(row) or (rows and len(row) != len(rows[0])):
            raise ValueError(Errors.L221.format(where=where, found=line[:80]))
        words.append(word)
        rows.append(row)
        if len(words) == limit:
            break
    return words, np.array(rows, dtype="f")


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for line in file:
            yield line.decode("utf-8", errors="replace")


def quantize(
    words: Sequence[str],
    vectors: Vectors,
    *,
    parts: int = 10,
    centroids: int = 256,
    rotate: bool = True,
    seed: int = 0,
    on_part: Callable[[], object] = lambda: None,
) -> Quantized:
    """Make a table. The same input and seed give the same table: the arithmetic is in
    double precision, and what is kept in single, so that a processor's rounding does
    not show.

    words (Sequence[str]): The words, the most frequent first: the first one of two with
        the same key stays.
    vectors (ndarray): Their vectors.  (W, M)
    parts (int): Number of parts; M has to be a multiple of it.
    centroids (int): Centroids of each part, at most 256 and at most W.
    rotate (bool): Rotate the vectors first.
    on_part (Callable[[], object]): Called after each part.
    RETURNS (Quantized): The table and its quality.
    RAISES ImportError (L222): If scikit-learn is not installed.
    RAISES ValueError: If a setting is out of its range (L048, L223).
    """
    means = k_means(centroids, seed)
    check_at_least(1, parts=parts, centroids=centroids)
    width = vectors.shape[1]
    if width % parts or centroids > min(MAX_CENTROIDS, len(words)):
        message = Errors.L223.format(
            parts=parts, centroids=centroids, width=width, n=len(words)
        )
        raise ValueError(message)
    keys, kept = keys_of(words)
    vectors = vectors[kept].astype("float64")
    if rotate:
        vectors = vectors @ rotation(vectors, parts)
    rng = np.random.default_rng(seed)
    sample = rng.permutation(len(vectors))[:SAMPLE]
    codes = np.empty((len(keys), parts), dtype=np.uint8)
    centers = np.empty((parts, centroids, width // parts), dtype="f")
    for i, part in enumerate(np.split(vectors, parts, axis=1)):
        means.fit(part[sample])
        centers[i] = means.cluster_centers_
        codes[:, i] = _nearest(part, centers[i].astype("float64"))
        on_part()
    table = WordTable(keys, codes, centers)
    found = centers[np.arange(parts), codes].reshape(vectors.shape)
    lost = ((vectors - found) ** 2).sum()
    variance = 1 - lost / ((vectors - vectors.mean(axis=0)) ** 2).sum()
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(found, axis=1)
    cosine = (vectors * found).sum(axis=1)[norms > 0] / norms[norms > 0]
    return Quantized(table, float(variance), float(cosine.mean()))


def _nearest(vectors: Vectors, centers: Vectors) -> NDArray[np.intp]:
    from sklearn.metrics import pairwise_distances_argmin  # noqa: PLC0415

    return np.asarray(pairwise_distances_argmin(vectors, centers))


def k_means(n: int, seed: int) -> Any:
    """The k-means of scikit-learn, from one random start.

    RETURNS (KMeans): Not fitted yet.
    RAISES ImportError (L222): If scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import KMeans  # noqa: PLC0415
    except ImportError as err:
        raise ImportError(Errors.L222) from err
    return KMeans(n, n_init=1, random_state=seed)


def rotation(vectors: Vectors, parts: int) -> Vectors:
    """The rotation that makes parts independent, with equal products of variances: the
    principal axes, each given to the part whose product is the smallest and that has
    room (eigenvalue allocation, Ge et al. 2013).

    RETURNS (ndarray): Multiplied from the right.  (M, M)
    """
    variances, axes = np.linalg.eigh(np.cov(vectors.T, dtype="float64"))
    # An axis may point either way: its largest component is made positive.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))])
    room = vectors.shape[1] // parts
    taken: list[list[int]] = [[] for _ in range(parts)]
    products = np.zeros(parts)
    for axis in np.argsort(-variances).tolist():
        free = [i for i in range(parts) if len(taken[i]) < room]
        part = min(free, key=lambda i: products[i])
        taken[part].append(axis)
        products[part] += np.log(max(variances[axis], 1e-12))
    return np.asarray(axes[:, [axis for each in taken for axis in each]])
