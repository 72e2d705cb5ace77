"""What makes a model fast on the CPU: the matrix product, and memory that stays."""

from functools import cache
from typing import Any

import numpy as np
from thinc.api import Model, NumpyOps


def use_fast_products(model: Model[Any, Any]) -> None:
    """Let all nodes of a model multiply matrices with NumPy's BLAS.

    Thinc's own CPU product (BLIS) reaches a third to a quarter of the speed of
    `numpy.matmul`, which is OpenBLAS in the wheels of NumPy. Each node keeps its own
    ops, so this choice stays with the model, through pickling too; it is not saved, but
    made anew whenever the model is built. `Model.copy` goes back to Thinc's ops, which
    are slower but right. Ops of other kinds (GPU, Apple) stay as they are.

    model (Model): The model; changed in place.
    """
    ops = NumpyOps(use_blis=False)
    for node in model.walk():
        if type(node.ops) is NumpyOps:
            node.ops = ops


@cache
def keep_freed_memory() -> None:
    """Let the process keep the memory that one batch frees for the next one.

    glibc gives the system back what is free at the end of the heap beyond twice the
    largest block that was freed so far. So, batch by batch, the same memory comes anew
    and page by page: a tenth of the time of prediction, up to a fifth of that of
    training. To have freed a block of 32 MB once, which need not be written to, lets
    the process keep 64 MB. With other allocators this does nothing.
    """
    np.empty(2**25 - 2**16, dtype=np.uint8)
