"""Words -> a `ClusterTable`: the Brown clusters of `spacy-lookups-data`, or the
k-means clusters of word vectors.

Brown clusters need the extra `clusters`, k-means needs the extra `quantize`.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from spacy.util import load_language_data, registry

from ..errors import Errors
from ..layers.words.clusters import ClusterTable
from ..layers.words.keys import keys_of
from .quantize import SAMPLE, Vectors, k_means

Numbers = NDArray[np.integer[Any]]

# The name of a table in `spacy-lookups-data`.
_TABLE = "lexeme_cluster"
# A number is 16 bits, and 0 is no cluster.
MAX_CLUSTERS = 0xFFFF


def read_brown_clusters(
    lang: str, *, limit: int | None = None
) -> tuple[list[str], Numbers]:
    """Read the Brown clusters of a language (Brown et al. 1992).

    lang (str): The code of the language: en, de or es.
    limit (Optional[int]): Number of words; the first ones, which are the most frequent.
    RETURNS (Tuple[List[str], ndarray]): The words (W), and the name of the cluster of
        each, a number (W,). 0: the word has none.
    RAISES ImportError (L231): If spacy-lookups-data is not installed.
    RAISES ValueError (L232): If it has no clusters of this language.
    """
    languages = registry.lookups.get_all()
    files = {name: each[_TABLE] for name, each in languages.items() if _TABLE in each}
    if not files:
        raise ImportError(Errors.L231)
    if lang not in files:
        known = ", ".join(sorted(files))
        raise ValueError(Errors.L232.format(lang=lang, known=known))
    paths = cast(dict[str, int], load_language_data(files[lang]))
    return list(paths)[:limit], np.array(list(paths.values())[:limit])


def cluster_vectors(vectors: Vectors, *, clusters: int, seed: int = 0) -> Numbers:
    """Cluster vectors by k-means. The same input and seed give the same clusters.

    vectors (ndarray): The vectors.  (W, M)
    clusters (int): Number of clusters, at most 65,535 and at most W.
    RETURNS (ndarray): The number of the cluster of each vector, from 1.  (W,)
    RAISES ImportError (L222): If scikit-learn is not installed.
    RAISES ValueError (L233): If there are too many clusters, or less than one.
    """
    means = k_means(clusters, seed)
    if not 1 <= clusters <= min(MAX_CLUSTERS, len(vectors)):
        raise ValueError(Errors.L233.format(clusters=clusters, n=len(vectors)))
    sample = np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE]
    means.fit(vectors[sample])
    return np.asarray(means.predict(vectors)) + 1


def make_table(words: Sequence[str], clusters: Numbers) -> ClusterTable:
    """Make the table of words that have a cluster.

    words (Sequence[str]): The words, the most frequent first: the first one of two with
        the same key stays.
    clusters (ndarray): The name of the cluster of each word, a number; 0: none.  (W,)
    RETURNS (ClusterTable): The table, which numbers the clusters anew, without gaps.
    """
    there = np.flatnonzero(clusters)
    keys, kept = keys_of([words[i] for i in there.tolist()])
    _, numbers = np.unique(clusters[there[kept]], return_inverse=True)
    return ClusterTable(keys, (numbers + 1).astype(np.uint16))
