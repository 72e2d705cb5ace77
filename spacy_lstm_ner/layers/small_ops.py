"""Operations on the CPU that suit small models better than Thinc's."""

from typing import Any

from thinc.api import Model, NumpyOps

from ..types import Floats2d, Ints2d


class SmallOps(NumpyOps):
    """Thinc's operations on the CPU, with two differences.

    Matrix products are NumPy's. Thinc's own product (BLIS) reaches a third to a quarter
    of the speed of `numpy.matmul`, which is OpenBLAS in the wheels of NumPy.

    `gather_add`, which hash embeddings use, accepts tables in read-only memory, as
    joblib, Ray and memory maps hand them over.
    """

    def __init__(self) -> None:
        super().__init__(use_blis=False)

    def gather_add(self, table: Floats2d, indices: Ints2d) -> Floats2d:
        """The sum of the rows of a table with some indices.

        table (Floats2d): (N, O)
        indices (Ints2d): (B, K)
        RETURNS (Floats2d): (B, O)
        """
        if table.flags.writeable:
            return super().gather_add(table, indices)
        return table[indices].sum(axis=1)


def use_small_ops(model: Model[Any, Any]) -> None:
    """Let all nodes of a model use `SmallOps`.

    The choice is part of each node's ops: pickling keeps it, saving does not,
    `Model.copy` loses it (the copy is slower, and right). Ops of other kinds (GPU,
    Apple) stay as they are.

    model (Model): The model; changed in place.
    """
    ops = SmallOps()
    for node in model.walk():
        if type(node.ops) is NumpyOps:
            node.ops = ops
