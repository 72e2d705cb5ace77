"""Matrix products, cut into parts that BLAS multiplies fast.

BLAS copies both matrices into its own order before it multiplies them. If there are few
rows, the copy of the weights takes longer than the arithmetic, and a recurrent layer
repeats it at each step of time. The way around the copy depends on the processor:

- OpenBLAS, which is in the wheels of NumPy, has AVX-512 kernels for small matrices that
  read them in place. It takes them for products of up to a million multiplications, so
  larger products are cut into columns, and many rows into blocks of rows.
- On other processors, up to seven rows are multiplied one by one, because BLAS copies
  nothing for a product of a vector and a matrix.

Letters of array axes: the product of (M, K) and (K, N) is (M, N).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...types import FloatsXd

# Most multiplications M K N of OpenBLAS's small kernels. For transposed weights the
# limit is M N <= 1,200 instead (sgemm_small_kernel_permit_skylakex.c).
_MOST = 1_000_000
# Numbers in an AVX-512 register: narrower parts leave it half empty.
_REGISTER = 16
# Rows of a block, if there are many.
_ROWS = 48


def config_has_small_kernels(config: dict[str, Any]) -> bool:
    """Whether NumPy's BLAS has fast kernels for small matrices on this processor.

    config (Dict[str, Any]): `numpy.show_config(mode="dicts")`.
    """
    blas = config.get("Build Dependencies", {}).get("blas", {}).get("name", "")
    simd = config.get("SIMD Extensions", {})
    features = {*simd.get("baseline", []), *simd.get("found", [])}
    # NumPy says X86_V4 from 2.4 on.
    return "openblas" in blas and not features.isdisjoint({"AVX512_SKX", "X86_V4"})


_config: Any = np.show_config(mode="dicts")
SMALL_KERNELS = config_has_small_kernels(_config)


def multiplier(xp: Any, weights: FloatsXd, out: FloatsXd) -> Callable[[FloatsXd], None]:
    """Prepare products of the same weights, into the same memory.

    xp: NumPy or CuPy.
    weights: (..., K, N)
    out: Receives the products.  (..., M, N)
    RETURNS: Multiplies rows, (..., M, K), by the weights.
    """
    matmul = xp.matmul
    n_rows, n_columns = out.shape[-2:]
    cut: Any = None
    if xp is np and SMALL_KERNELS:
        width = columns_per_part(n_rows, weights.shape[-2], n_columns)
        if width < n_columns:
            cut = np.s_[..., None, :, :]
            weights, out = _cut_columns(weights, width), _cut_columns(out, width)
    elif 1 < n_rows < 8:
        cut = np.s_[..., None, :]
        weights, out = weights[..., None, :, :], out[..., None, :]

    # CuPy's matmul takes `out` by keyword alone.
    def multiply_whole(rows: FloatsXd) -> None:
        matmul(rows, weights, out=out)

    def multiply_parts(rows: FloatsXd) -> None:
        matmul(rows[cut], weights, out=out)

    return multiply_whole if cut is None else multiply_parts


def multiply_once(xp: Any, rows: FloatsXd, weights: FloatsXd, out: FloatsXd) -> None:
    """Multiply many rows, (..., M, K), by weights, once. The other arguments: see
    `multiplier`."""
    n_rows = rows.shape[-2]
    n_cut = n_rows // _ROWS * _ROWS if xp is np and SMALL_KERNELS else 0
    if n_cut:
        blocks = _cut_rows(out[..., :n_cut, :])
        multiply = multiplier(xp, weights[..., None, :, :], blocks)
        multiply(_cut_rows(rows[..., :n_cut, :]))
    if n_cut < n_rows:
        multiplier(xp, weights, out[..., n_cut:, :])(rows[..., n_cut:, :])


@lru_cache(maxsize=1024)
def columns_per_part(n_rows: int, n_inner: int, n_columns: int) -> int:
    """The width of the parts of a product: as wide as small kernels take, in equal
    parts that fill registers; all columns if there are no such parts.

    n_rows, n_inner, n_columns: M, K, N.
    """
    n_per_column = n_rows * n_inner
    if n_per_column * n_columns <= _MOST:
        return n_columns
    step = 1 if n_columns % _REGISTER else _REGISTER
    widest = _MOST // n_per_column // step * step
    for width in range(widest, _REGISTER - 1, -step):
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
