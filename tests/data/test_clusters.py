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
from spacy_lstm_ner.data.clusters import brown_clusters, vector_clusters

# Little-endian bit paths, as spaCy writes them; 0 is no cluster.
PATHS = {"the": 11, "a": 262140, "rare": 0, "Rome": 678, "Paris": 678}


def numbers_of(table, *words: str) -> list[int]:
    hashes = np.array([get_string_id(word) for word in words], dtype="uint64")
    return table.numbers_of(hashes).tolist()


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
    def test_words_of_a_bit_path_have_a_number(self):
        table = brown_clusters("tl")
        words = ["the", "Rome", "Paris", "a", "rare", "none"]
        assert numbers_of(table, *words) == [1, 2, 2, 3, 0, 0]
        assert len(table.keys) == 4
        assert (np.diff(table.keys.astype("int64")) > 0).all()

    def test_limit(self):
        table = brown_clusters("tl", limit=3)
        assert numbers_of(table, "the", "a", "rare", "Rome") == [1, 2, 0, 0]

    @pytest.mark.parametrize("lang", ["fi", "xx", "words.vec"])
    def test_language_without_clusters(self, lang: str):
        with pytest.raises(ValueError, match=rf"L232\].*'{lang}', only for tl\..*--cl"):
            brown_clusters(lang)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry.lookups, "get_all", dict)
    with pytest.raises(ImportError, match=r"L231\].*spacy-lstm-ner\[clusters\]"):
        brown_clusters("en")


@pytest.mark.skipif(
    find_spec("spacy_lookups_data") is None, reason="needs the extra `clusters`"
)
def test_english():
    table = brown_clusters("en", limit=20_000)
    london, paris, ran = numbers_of(table, "London", "Paris", "ran")
    assert london == paris != ran
    assert len(table.to_bytes()) < 100_000


class TestVectors:
    @pytest.fixture(autouse=True)
    def _needs_scikit_learn(self):
        pytest.importorskip("sklearn", reason="needs the extra `quantize`")

    @pytest.fixture
    def words(self) -> list[str]:
        return [f"word{i}" for i in range(60)]

    @pytest.fixture
    def vectors(self) -> np.ndarray:
        """Word i is near the corner i % 3."""
        rng = np.random.default_rng(0)
        return (np.eye(3, 5)[np.arange(60) % 3] + rng.normal(0, 0.1, (60, 5))).astype(
            "f"
        )

    def test_near_words_have_a_number(self, words, vectors):
        table = vector_clusters(words, vectors, clusters=3)
        assert table.n_clusters == 3
        numbers = numbers_of(table, *words)
        assert len(set(numbers)) == 3
        assert numbers == numbers[:3] * 20

    def test_same_seed_same_table(self, words, vectors):
        first, second = (vector_clusters(words, vectors, clusters=9) for _ in "ab")
        assert first.to_bytes() == second.to_bytes()

    def test_fitted_to_a_sample(self, words, vectors, monkeypatch):
        monkeypatch.setattr(module, "SAMPLE", 20)
        numbers = numbers_of(vector_clusters(words, vectors, clusters=3), *words)
        assert numbers == numbers[:3] * 20

    def test_the_first_of_two_words_with_one_key_stays(self, words, vectors):
        twice = [*words, "word0"], np.vstack([vectors, vectors[1:2]])
        once = vector_clusters(words, vectors, clusters=3)
        table = vector_clusters(*twice, clusters=3)
        assert len(table.keys) == 60
        same = [numbers_of(t, "word0") == numbers_of(t, "word3") for t in (once, table)]
        assert same == [True, True]

    @pytest.mark.parametrize("clusters", [0, 61])
    def test_numbers_that_do_not_fit(self, words, vectors, clusters):
        with pytest.raises(ValueError, match=rf"L233\].* is {clusters}: .*\(60\)"):
            vector_clusters(words, vectors, clusters=clusters)

    def test_more_numbers_than_16_bits(self):
        vectors = np.zeros((70_000, 1), dtype="f")
        with pytest.raises(ValueError, match=r"L233\].*65,535"):
            vector_clusters(["w"] * 70_000, vectors, clusters=66_000)


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"L222\].*spacy-lstm-ner\[quantize\]"):
        vector_clusters(["a", "b"], np.eye(2, dtype="f"), clusters=2)
