"""Tables of clusters are made from spacy-lookups-data and from word vectors."""

import gzip
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import srsly
from spacy.strings import get_string_id
from spacy.util import registry

from spacy_lstm_ner.data import clusters as module
from spacy_lstm_ner.data.clusters import (
    cluster_vectors,
    make_table,
    read_brown_clusters,
)
from spacy_lstm_ner.layers.words.clusters import ClusterTable

# Little-endian bit paths, as spaCy writes them; 0 is no cluster.
PATHS = {"the": 11, "a": 262140, "rare": 0, "Rome": 678, "Paris": 678}


def numbers_of(table: ClusterTable, *words: str) -> list[int]:
    hashes = np.array([get_string_id(word) for word in words], dtype="uint64")
    return table.numbers_of(table.rows_of(hashes)).tolist()


class TestTable:
    def test_clusters_are_numbered_without_gaps(self):
        table = make_table(list(PATHS), np.array(list(PATHS.values())))
        words = ["the", "Rome", "Paris", "a", "rare", "none"]
        assert numbers_of(table, *words) == [1, 2, 2, 3, 0, 0]
        assert len(table.keys) == 4
        assert (np.diff(table.keys.astype("int64")) > 0).all()

    def test_the_first_of_two_words_with_one_key_stays(self):
        table = make_table(["a", "b", "a"], np.array([5, 6, 6]))
        assert numbers_of(table, "a", "b") == [1, 2]
        assert len(table.keys) == 2

    def test_no_words(self):
        assert make_table(["a"], np.zeros(1, int)).n_clusters == 0
        assert make_table([], np.zeros(0, int)).n_clusters == 0


@pytest.fixture
def lookups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Path]]:
    """Of two languages, the first has clusters, in a compressed file."""
    data = gzip.compress(srsly.json_dumps(PATHS).encode())
    (tmp_path / "tl_lexeme_cluster.json.gz").write_bytes(data)
    tables = {
        "tl": {"lexeme_cluster": tmp_path / "tl_lexeme_cluster.json"},
        "fi": {"lexeme_norm": tmp_path / "fi_lexeme_norm.json"},
    }
    monkeypatch.setattr(registry.lookups, "get_all", lambda: tables)
    return tables


@pytest.mark.usefixtures("lookups")
class TestBrown:
    @pytest.mark.parametrize("limit", [None, 3])
    def test_words_and_their_paths(self, limit: int | None):
        words, paths = read_brown_clusters("tl", limit=limit)
        found = zip(words, paths.tolist(), strict=True)
        assert list(found) == list(PATHS.items())[:limit]

    @pytest.mark.parametrize("lang", ["fi", "xx", "words.vec"])
    def test_language_without_clusters(self, lang: str):
        with pytest.raises(ValueError, match=rf"L232\].*'{lang}', only for tl\..*--cl"):
            read_brown_clusters(lang)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry.lookups, "get_all", dict)
    with pytest.raises(ImportError, match=r"L231\].*spacy-lstm-ner\[clusters\]"):
        read_brown_clusters("en")


@pytest.mark.skipif(
    find_spec("spacy_lookups_data") is None, reason="needs the extra `clusters`"
)
def test_english():
    table = make_table(*read_brown_clusters("en", limit=20_000))
    london, paris, ran = numbers_of(table, "London", "Paris", "ran")
    assert london == paris != ran
    assert len(table.to_bytes()) < 100_000


class TestVectors:
    @pytest.fixture(autouse=True)
    def _needs_scikit_learn(self):
        pytest.importorskip("sklearn", reason="needs the extra `quantize`")

    @pytest.fixture
    def vectors(self) -> np.ndarray:
        """Vector i is near the corner i % 3."""
        noise = np.random.default_rng(0).normal(0, 0.1, (60, 5))
        return (np.eye(3, 5)[np.arange(60) % 3] + noise).astype("f")

    @pytest.mark.parametrize("sample", [20, 100])
    def test_near_vectors_have_a_number(
        self, sample: int, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ):
        """Vectors that are not in the sample too."""
        monkeypatch.setattr(module, "SAMPLE", sample)
        numbers = cluster_vectors(vectors, clusters=3).tolist()
        assert sorted(numbers[:3]) == [1, 2, 3]
        assert numbers == numbers[:3] * 20

    def test_same_seed_same_clusters(self, vectors: np.ndarray):
        first, second = (cluster_vectors(vectors, clusters=9) for _ in "ab")
        assert first.tolist() == second.tolist()

    @pytest.mark.parametrize("clusters", [0, 61])
    def test_numbers_that_do_not_fit(self, vectors: np.ndarray, clusters: int):
        with pytest.raises(ValueError, match=rf"L233\].* is {clusters}: .*\(60\)"):
            cluster_vectors(vectors, clusters=clusters)

    def test_more_clusters_than_16_bits_can_number(self, vectors: np.ndarray):
        many = np.broadcast_to(vectors[:1], (70_000, 5))
        with pytest.raises(ValueError, match=r"L233\].* is 66000: .*65,535"):
            cluster_vectors(many, clusters=66_000)


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"L222\].*spacy-lstm-ner\[quantize\]"):
        cluster_vectors(np.eye(2, dtype="f"), clusters=2)
