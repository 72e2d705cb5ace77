"""Products in parts, against whole ones."""

import numpy as np
import pytest

from spacy_lstm_ner.layers.recurrent import matmul as products
from spacy_lstm_ner.layers.recurrent.matmul import (
    has_small_kernels,
    multiplier,
    multiply_once,
    untransposed,
)


@pytest.fixture(params=[False, True], ids=["other kernels", "small kernels"])
def small_kernels(request, monkeypatch):
    """Each of the ways to cut, whatever this processor does."""
    monkeypatch.setattr(products, "has_small_kernels", lambda: request.param)
    return request.param


def random(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("f")


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


SHAPES = [
    (1, 5, 3),
    (4, 64, 64),
    (7, 65, 48),
    (33, 128, 256),
    (200, 100, 96),
    (130, 300, 30),
    (150, 1024, 256),  # too large for small kernels
    (0, 5, 3),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("transposed", [False, True])
def test_multiplier(shape, transposed, small_kernels):
    m, k, n = shape
    rows = random(2, m, k)
    weights = random(4, 2, n, k).swapaxes(-1, -2) if transposed else random(4, 2, k, n)
    out = np.full((4, 2, m, n), np.nan, dtype="f")
    multiply_by_weights = multiplier(np, weights, out)
    for factor in (1, 2):
        multiply_by_weights(factor * rows)
        assert_same(out, factor * rows @ weights)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_transposed_weights(n_rows, small_kernels):
    weights = random(2, 5, 3).swapaxes(-1, -2)
    found = untransposed(np, weights, n_rows)
    assert np.array_equal(found, weights)
    assert found.flags["C_CONTIGUOUS"] == (small_kernels and n_rows > 1)


@pytest.mark.parametrize("shape", [*SHAPES, (48, 8, 4), (512, 193, 96)], ids=str)
def test_many_rows(shape, small_kernels):
    m, k, n = shape
    rows, weights = random(2, m, k), random(4, 2, k, n)
    # Rows of each step together, as for a single sequence.
    for out in (np.empty((4, 2, m, n), "f"), np.moveaxis(random(m, 4, 2, n), 0, -2)):
        out[:] = np.nan
        multiply_once(np, rows, weights, out)
        assert_same(out, rows @ weights)


@pytest.mark.parametrize(
    ("shape", "whole_or_rows", "columns"),
    [
        ((1, 256, 256), (1, 256 * 256), (1, 256 * 256)),
        ((5, 10, 20), (5, 10 * 20), (1, 5 * 10 * 20)),
        ((32, 256, 256), (1, 32 * 256 * 256), (4, 32 * 256 * 64)),
        ((100, 100, 100), (1, 100**3), (1, 100**3)),
        ((101, 100, 100), (1, 101 * 100**2), (2, 101 * 100 * 50)),
        ((256, 96, 96), (1, 256 * 96 * 96), (3, 256 * 96 * 32)),
        ((200, 200, 96), (1, 200 * 200 * 96), (6, 200 * 200 * 16)),
        ((130, 300, 40), (1, 130 * 300 * 40), (2, 130 * 300 * 20)),
        ((130, 300, 30), (1, 130 * 300 * 30), (1, 130 * 300 * 30)),
        ((150, 1024, 256), (1, 150 * 1024 * 256), (1, 150 * 1024 * 256)),
    ],
    ids=str,
)
def test_number_and_size_of_parts(
    shape, whole_or_rows, columns, small_kernels, monkeypatch
):
    found = []

    def matmul(rows, weights, out):
        n_parts = out[..., 0, 0].size
        found.append((n_parts, out.size * k // n_parts))

    monkeypatch.setattr(np, "matmul", matmul)
    m, k, n = shape
    multiplier(np, random(k, n), np.empty((m, n), "f"))(random(m, k))
    assert found == [columns if small_kernels else whole_or_rows]


@pytest.mark.parametrize(
    ("blas", "features", "expected"),
    [
        ("scipy-openblas", ["X86_V3", "X86_V4"], True),
        ("scipy-openblas", ["AVX2", "AVX512F", "AVX512_SKX"], True),
        ("scipy-openblas", ["X86_V3"], False),
        ("accelerate", ["X86_V4"], False),
        (None, None, False),
    ],
    ids=str,
)
def test_which_processors_have_small_kernels(blas, features, expected, monkeypatch):
    config = {}
    if blas:
        config = {
            "Build Dependencies": {"blas": {"name": blas}},
            "SIMD Extensions": {"baseline": ["X86_V2"], "found": features},
        }
    monkeypatch.setattr(np, "show_config", lambda mode: config)
    assert has_small_kernels.__wrapped__() is expected
