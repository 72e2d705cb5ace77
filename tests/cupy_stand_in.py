"""A stand-in for CuPy, so that what runs on a GPU is tested where there is none.

Its arrays are no NumPy arrays. They do not turn into such ones by themselves, do not
mix with them, and refuse what CuPy's refuse.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import thinc.util
from numpy.lib.mixins import NDArrayOperatorsMixin
from thinc.api import Model, NumpyOps, Ops

# Methods that universal functions of CuPy 14.2 have.
_METHODS = {
    "add": ("accumulate", "at", "reduce", "reduceat"),
    "multiply": ("accumulate", "reduce"),
    **dict.fromkeys(("subtract", "maximum", "minimum"), ("at",)),
}
# Functions that take NumPy's arrays or plain lists.
_FROM_HOST = ("asarray", "array")


class Array(NDArrayOperatorsMixin):
    """An array on the device."""

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    def __array__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("an implicit conversion to a NumPy array")

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any
    ) -> Any:
        function = ufunc if method == "__call__" else _method(ufunc, method)
        return _apply(function, args, kwargs)

    def __array_function__(
        self, function: Any, types: Any, args: Any, kwargs: Any
    ) -> Any:
        return _apply(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._host, name)
        if name == "tolist":
            return value
        if callable(value):
            return lambda *args, **kwargs: _apply(value, args, kwargs)
        return _to_device(value)

    def __getitem__(self, key: Any) -> Any:
        return _to_device(self._host[_to_host(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        _refuse_host(value)
        self._host[_to_host(key)] = _to_host(value)

    def __len__(self) -> int:
        return len(self._host)

    def __bool__(self) -> bool:
        return bool(self._host)

    def __float__(self) -> float:
        return float(self._host)

    def __int__(self) -> int:
        return int(self._host)

    def get(self) -> np.ndarray:
        """The array on the host."""
        return self._host.copy()


class _Namespace(SimpleNamespace):
    """NumPy's functions, for arrays on the device."""

    ndarray = Array
    __hash__ = object.__hash__  # a module is hashable

    @staticmethod
    def split(array: Array, places: np.ndarray) -> list[Array]:
        """CuPy's function takes the places on the host."""
        return [Array(part) for part in np.split(array._host, places)]

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        if name in ("linalg", "random"):
            return _Submodule(value)
        if isinstance(value, np.ufunc):
            return _UFunc(value)
        if isinstance(value, type) or not callable(value):
            return value
        return _Submodule(np).__getattr__(name)


class _Submodule:
    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._module, name)
        if name in _FROM_HOST:
            return lambda *args, **kwargs: _to_device(
                np.array(*_to_host(args), **kwargs)
            )
        return lambda *args, **kwargs: _apply(function, args, kwargs)


class _UFunc:
    """A universal function, and such methods as CuPy's has."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._ufunc is np.matmul and len(args) > 2:
            raise TypeError("CuPy's matmul takes `out` by its name alone")
        return _apply(self._ufunc, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        method = _method(self._ufunc, name)
        return lambda *args, **kwargs: _apply(method, args, kwargs)


def _method(ufunc: np.ufunc, name: str) -> Any:
    if name not in _METHODS.get(ufunc.__name__, ()):
        # CuPy raises this type for methods without a kernel; code may rely on the type.
        raise NotImplementedError(f"{ufunc.__name__}.{name} is not supported")
    return getattr(ufunc, name)


def _apply(function: Any, args: Any, kwargs: Any) -> Any:
    """Call a function of NumPy with the arrays of the device."""
    _refuse_host((args, kwargs))
    result = function(*_to_host(args), **_to_host(kwargs))
    out = kwargs.get("out")
    if out is not None:
        return out[0] if isinstance(out, tuple) else out
    return _to_device(result)


def _refuse_host(value: Any) -> None:
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array where one of the device is needed")
    for part in _parts(value):
        _refuse_host(part)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _to_host(value: Any) -> Any:
    if isinstance(value, Array):
        return value._host
    if isinstance(value, dict):
        return {key: _to_host(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_to_host, value))
    return value


def _to_device(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return Array(np.asarray(value))
    if isinstance(value, list) or type(value) is tuple:
        is_shape = all(isinstance(part, int) for part in value)
        return value if is_shape else type(value)(map(_to_device, value))
    return value


XP: Any = _Namespace()


class StandInOps(Ops):
    """Operations on the device."""

    name = "cupy"
    xp = XP

    def __init__(self) -> None:
        super().__init__("gpu", 0)

    def to_numpy(self, data: Any, *, byte_order: str | None = None) -> np.ndarray:
        """The array on the host."""
        return data.get() if isinstance(data, Array) else data


def _by_host(name: str) -> Any:
    def operation(self: StandInOps, *args: Any, **kwargs: Any) -> Any:
        host = getattr(NumpyOps(), name)
        return _to_device(host(*_to_host(args), **_to_host(kwargs)))

    return operation


# CuPy has kernels for these: the operations of the host take their place.
for _name in (
    "hash",
    "seq2col",
    "backprop_seq2col",
    "reduce_max",
    "backprop_reduce_max",
):
    setattr(StandInOps, _name, _by_host(_name))


def use_stand_in(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    """Have Thinc take the stand-in for CuPy, and move a model to the device.

    monkeypatch (MonkeyPatch): Undoes the former.
    model (Model): The model.
    """
    monkeypatch.setattr(thinc.util, "has_cupy", True)
    monkeypatch.setattr(thinc.util, "cupy", XP)
    model._to_ops(StandInOps())
