"""Names of array and model types.

Arrays are NumPy's or, on a GPU, CuPy's. No static type covers both, so these names say
the shape and kind to the reader only; arrays that are always NumPy's say NDArray.
"""

from typing import Any, TypeAlias

Floats1d: TypeAlias = Any
Floats2d: TypeAlias = Any
Floats3d: TypeAlias = Any
Floats4d: TypeAlias = Any
Floats5d: TypeAlias = Any
Ints1d: TypeAlias = Any
Ints2d: TypeAlias = Any
FloatsXd: TypeAlias = Any
IntsXd: TypeAlias = Any
