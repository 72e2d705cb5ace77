"""Products in parts, against whole ones."""

import numpy as np
import pytest

from spacy_lstm_ner.layers.recurrent import matmul
from spacy_lstm_ner.layers.recurrent.matmul import (
    columns_per_part,
    config_has_small_kernels,
    multiplier,
    multiply_once,
)


@pytest.fixture(params=[False, True])
def both_kernels(request, monkeypatch):
    """Both ways to cut, on any processor."""
    monkeypatch.setattr(matmul, "SMALL_KERNELS", request.param)


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
@pytest.mark.usefixtures("both_kernels")
def test_multiplier(shape, transposed):
    m, k, n = shape
    rows = random(2, m, k)
    weights = random(4, 2, n, k).swapaxes(-1, -2) if transposed else random(4, 2, k, n)
    out = np.full((4, 2, m, n), np.nan, dtype="f")
    multiply_by_weights = multiplier(np, weights, out)
    for factor in (1, 2):
        multiply_by_weights(factor * rows)
        assert_same(out, factor * rows @ weights)


@pytest.mark.parametrize("shape", [*SHAPES, (48, 8, 4), (512, 193, 96)], ids=str)
@pytest.mark.usefixtures("both_kernels")
def test_many_rows(shape):
    m, k, n = shape
    rows, weights = random(2, m, k), random(4, 2, k, n)
    # Rows of each step together, as for a single sequence.
    for out in (np.empty((4, 2, m, n), "f"), np.moveaxis(random(m, 4, 2, n), 0, -2)):
        out[:] = np.nan
        multiply_once(np, rows, weights, out)
        assert_same(out, rows @ weights)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 10, 20), 20),
        ((100, 100, 100), 100),
        ((101, 100, 100), 50),
        ((32, 256, 256), 64),
        ((256, 96, 96), 32),
        ((200, 200, 96), 16),
        ((130, 300, 40), 20),
        ((130, 300, 30), 30),  # no equal parts of a register or more
        ((150, 1024, 256), 256),
    ],
    ids=str,
)
def test_columns_per_part(shape, expected):
    assert columns_per_part(*shape) == expected


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
def test_which_processors_have_small_kernels(blas, features, expected):
    config = {}
    if blas:
        config = {
            "Build Dependencies": {"blas": {"name": blas}},
            "SIMD Extensions": {"baseline": ["X86_V2"], "found": features},
        }
    assert config_has_small_kernels(config) is expected
