"""Word vectors are read from files and pipelines, and quantized."""

import gzip

import numpy as np
import pytest
import spacy
from spacy.strings import get_string_id

from spacy_lstm_ner.data.quantize import quantize, read_vectors, rotation

N_WORDS, WIDTH = 300, 8
NAMES = [f"word{i}" for i in range(N_WORDS)]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((WIDTH, WIDTH)) * [4, 3, 2, 2, 1, 1, 0.5, 0.5]
    return (rng.standard_normal((N_WORDS, WIDTH)) @ mixed.T + 1).astype("f")


def text_of(vectors, header=True) -> str:
    lines = [
        " ".join([w, *map(repr, row)])
        for w, row in zip(NAMES, vectors.tolist(), strict=True)
    ]
    return "\n".join([f"{N_WORDS} {WIDTH}"] * header + lines) + "\n"


@pytest.mark.parametrize("kind", ["header", "no header", "gzip", "pipeline"])
def test_read(vectors, kind, tmp_path):
    path = tmp_path / ("v.vec.gz" if kind == "gzip" else "v.vec")
    if kind == "pipeline":
        nlp = spacy.blank("xx")
        for word, row in zip(NAMES, vectors, strict=True):
            nlp.vocab.set_vector(word, row)
        nlp.to_disk(path)
    else:
        data = text_of(vectors, kind != "no header").encode()
        path.write_bytes(gzip.compress(data) if kind == "gzip" else data)
    words, found = read_vectors(str(path))
    assert words == NAMES
    np.testing.assert_allclose(found, vectors, rtol=1e-6)
    words, found = read_vectors(str(path), limit=7)
    assert words == NAMES[:7]
    assert found.shape == (7, WIDTH)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a 1 2\nb 1 x\n", r"line 2: found 'b 1 x"),
        ("a 1 2\nb 1\n", r"line 2: found 'b 1"),
        ("a 1 2\n\n", r"line 2: found"),
        ("", "found 'no vectors'"),
        ("3 2\n", "found 'no vectors'"),
    ],
)
def test_files_that_are_no_vectors(text, where, tmp_path):
    path = tmp_path / "v.vec"
    path.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=rf"L221\].*v\.vec.*{where}"):
        read_vectors(str(path))


def test_pipeline_without_vectors(tmp_path):
    spacy.blank("xx").to_disk(tmp_path)
    with pytest.raises(ValueError, match=r"L221\].*no vectors"):
        read_vectors(str(tmp_path))


def test_rotation(vectors):
    R = rotation(vectors, 4)
    np.testing.assert_allclose(R @ R.T, np.eye(WIDTH), atol=1e-5)
    covariance = np.cov((vectors @ R).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-2)
    products = np.diag(covariance).reshape(4, 2).prod(axis=1)
    plain = np.diag(np.cov(vectors.T)).reshape(4, 2).prod(axis=1)
    assert products.max() / products.min() < plain.max() / plain.min()


class TestQuantize:
    @pytest.fixture(autouse=True)
    def _needs_scikit_learn(self):
        pytest.importorskip("sklearn", reason="needs the extra `quantize`")

    def test_each_vector_has_the_nearest_centroids(self, vectors):
        made = quantize(NAMES, vectors, parts=4, centroids=16, rotate=False)
        table = made.table
        assert table.codes.shape == (N_WORDS, 4)
        assert table.centroids.shape == (4, 16, 2)
        low = [get_string_id(name) & 0xFFFFFFFF for name in NAMES]
        assert table.keys.tolist() == sorted(low)
        row = table.keys.tolist().index(low[5])
        for part, code in enumerate(table.codes[row]):
            piece = vectors[5, 2 * part : 2 * part + 2]
            distances = ((table.centroids[part] - piece) ** 2).sum(axis=1)
            assert code == distances.argmin()

    def test_quality(self, vectors):
        """A centroid for each vector loses nothing; a rotation loses less."""
        exact = quantize(NAMES, vectors, parts=1, centroids=256)
        few = quantize(NAMES, vectors, parts=4, centroids=8, rotate=False)
        rotated = quantize(NAMES, vectors, parts=4, centroids=8)
        assert 0.5 < few.variance < rotated.variance < exact.variance <= 1
        assert few.cosine < rotated.cosine < exact.cosine <= 1 + 1e-6

    def test_same_seed_same_table(self, vectors):
        first, second = (quantize(NAMES, vectors, parts=2, centroids=9) for _ in "ab")
        assert first.table.to_bytes() == second.table.to_bytes()

    def test_the_first_of_two_words_with_one_key_stays(self, vectors):
        made = quantize([*NAMES, NAMES[0]], np.vstack([vectors, vectors[1:2]]), parts=2)
        assert len(made.table.keys) == N_WORDS

    @pytest.mark.parametrize("settings", [{"parts": 3}, {"parts": 2, "centroids": 257}])
    def test_settings_that_do_not_fit(self, vectors, settings):
        with pytest.raises(ValueError, match=r"L223\].*width 8"):
            quantize(NAMES, vectors, **settings)


def test_without_scikit_learn(monkeypatch, vectors):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"L222\].*spacy-lstm-ner\[quantize\]"):
        quantize(NAMES, vectors)
