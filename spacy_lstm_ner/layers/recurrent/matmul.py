"""Products of matrices, cut into parts that BLAS is fast at.

BLAS copies both matrices into an order of its own before it multiplies them. Where rows
are few, to copy the weights takes longer than the arithmetic, and at each step of time
they are copied again. How to do without the copy depends on the processor:

OpenBLAS, which is in the wheels of NumPy, has kernels for AVX-512 that read matrices as
they lie, and takes them for products of up to a million multiplications. So larger ones
are cut into columns, and if there are many rows, into rows.

On other processors, up to seven rows are quicker one by one: a vector times a matrix
needs no copy either.

Letters of array axes: M rows, K columns of the rows, N columns of the product.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from ...types import FloatsXd

# Of a product that OpenBLAS's small kernels take: M K N. Of transposed weights, they
# take only results of up to 1,200 numbers, M N (sgemm_small_kernel_permit_skylakex.c).
_MOST = 1_000_000
# Numbers in a register of AVX-512: narrower parts leave it half empty.
_REGISTER = 16
# Rows that are multiplied together, where there are many.
_ROWS = 48


def multiplier(xp: Any, weights: FloatsXd, out: FloatsXd) -> Callable[[FloatsXd], None]:
    """To multiply rows by the same weights, again and again into the same memory.

    xp: NumPy or CuPy.
    weights: (..., K, N)
    out: Receives the products.  (..., M, N)
    RETURNS: Multiplies rows, (..., M, K).
    """
    matmul = xp.matmul
    n_rows, n_columns = out.shape[-2:]
    where: Any = None
    if xp is np and has_small_kernels():
        width = _columns(n_rows * weights.shape[-2], n_columns)
        if width < n_columns:
            where = np.s_[..., None, :, :]
            weights, out = _cut_columns(weights, width), _cut_columns(out, width)
    elif 1 < n_rows < 8:
        where = np.s_[..., None, :]
        weights, out = weights[..., None, :, :], out[..., None, :]

    def multiply_whole(rows: FloatsXd) -> None:
        matmul(rows, weights, out=out)

    def multiply_parts(rows: FloatsXd) -> None:
        matmul(rows[where], weights, out=out)

    return multiply_whole if where is None else multiply_parts


def untransposed(xp: Any, weights: FloatsXd, n_rows: int) -> FloatsXd:
    """Transposed weights in the order in which multipliers are fast on them: as no
    transposed ones, for small kernels.

    xp: NumPy or CuPy.
    weights: A transposed view.  (..., K, N)
    n_rows: Most rows that they are multiplied with: M.
    RETURNS: The same numbers.
    """
    if n_rows > 1 and xp is np and has_small_kernels():
        return np.ascontiguousarray(weights)
    return weights


def multiply_once(xp: Any, rows: FloatsXd, weights: FloatsXd, out: FloatsXd) -> None:
    """Many rows times weights, once.

    xp: NumPy or CuPy.
    rows: (..., M, K)
    weights: (..., K, N)
    out: Receives the product.  (..., M, N)
    """
    n_rows = rows.shape[-2]
    n_cut = n_rows - n_rows % _ROWS if xp is np and has_small_kernels() else 0
    if n_cut:
        parts = _cut_rows(out[..., :n_cut, :])
        multiplier(xp, weights[..., None, :, :], parts)(_cut_rows(rows[..., :n_cut, :]))
    if n_cut < n_rows:
        multiplier(xp, weights, out[..., n_cut:, :])(rows[..., n_cut:, :])


@cache
def has_small_kernels() -> bool:
    """Whether NumPy's BLAS has fast kernels for small matrices on this processor."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {}).get("name", "")
    simd = config.get("SIMD Extensions", {})
    features = {*simd.get("baseline", []), *simd.get("found", [])}
    # X86_V4 is the name from NumPy 2.4 on.
    return "openblas" in blas and not features.isdisjoint({"AVX512_SKX", "X86_V4"})


@lru_cache(maxsize=1024)
def _columns(n_per_column: int, n_columns: int) -> int:
    """Columns of a part: as many as small kernels take, in equal parts that fill
    registers; all, if there is no such part.

    n_per_column (int): Multiplications for each: M K.
    """
    if n_per_column * n_columns <= _MOST:
        return n_columns
    step = 1 if n_columns % _REGISTER else _REGISTER
    most = _MOST // n_per_column // step * step
    for width in range(most, _REGISTER - 1, -step):
        if not n_columns % width:
            return width
    return n_columns


def _cut_columns(matrix: FloatsXd, width: int) -> FloatsXd:
    """A view: (..., M, N) -> (..., N / width, M, width)."""
    *others, n = matrix.shape
    return matrix.reshape(*others, n // width, width).swapaxes(-2, -3)


def _cut_rows(matrix: FloatsXd) -> FloatsXd:
    """A view: (..., M, N) -> (..., M / 48, 48, N)."""
    *others, m, n = matrix.shape
    return matrix.reshape(*others, m // _ROWS, _ROWS, n)
