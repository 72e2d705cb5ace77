"""Words -> a `ClusterTable`: the Brown clusters of `spacy-lookups-data`, or the
k-means clusters of word vectors.

Brown clusters need the extra `clusters`, k-means needs the extra `quantize`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from spacy.util import load_language_data, registry

from ..errors import Errors
from ..layers.words.clusters import ClusterTable
from ..layers.words.keys import keys_of
from .quantize import SAMPLE, Vectors, k_means

# The name of a table in `spacy-lookups-data`, and the number of a word without cluster.
_TABLE, _NONE = "lexeme_cluster", 0
# A number is 16 bits, and 0 is no cluster.
MAX_CLUSTERS = 0xFFFF


def brown_clusters(lang: str, *, limit: int | None = None) -> ClusterTable:
    """The Brown clusters of a language: en, de or es (Brown et al. 1992).

    lang (str): The code of the language.
    limit (Optional[int]): Number of words; the first ones, which are the most frequent.
    RETURNS (ClusterTable): The words that have a cluster.
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
    paths = load_language_data(files[lang])
    words = [word for word in list(paths)[:limit] if paths[word] != _NONE]
    return _table(words, [paths[word] for word in words])


def vector_clusters(
    words: Sequence[str], vectors: Vectors, *, clusters: int, seed: int = 0
) -> ClusterTable:
    """Cluster word vectors by k-means. The same input and seed give the same table.

    words (Sequence[str]): The words, the most frequent first: the first one of two with
        the same key stays.
    vectors (ndarray): Their vectors.  (W, M)
    clusters (int): Number of clusters, at most 65,535 and at most W.
    RETURNS (ClusterTable): The cluster of each word.
    RAISES ImportError (L222): If scikit-learn is not installed.
    RAISES ValueError (L233): If there are too many clusters, or less than one.
    """
    means = k_means(clusters, seed)
    if not 1 <= clusters <= min(MAX_CLUSTERS, len(words)):
        raise ValueError(Errors.L233.format(clusters=clusters, n=len(words)))
    sample = np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE]
    means.fit(vectors[sample])
    return _table(words, means.predict(vectors))


def _table(words: Sequence[str], names: ArrayLike) -> ClusterTable:
    """The table of words and the names of their clusters, which are numbers."""
    keys, kept = keys_of(words)
    _, numbers = np.unique(np.asarray(names)[kept], return_inverse=True)
    return ClusterTable(keys, (numbers + 1).astype(np.uint16))
