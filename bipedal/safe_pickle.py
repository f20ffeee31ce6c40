"""Read pickled observation statistics without running anything that is in the pickle.

A pickle is a program. This reader follows it, but every name that it may use stands for an inert
object of this file that only remembers what it was given; anything else is refused.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from bipedal.errors import UserError
from bipedal.normalizer import ObservationNormalizer
from bipedal.walker import OBSERVATION_DIM

Floats = npt.NDArray[np.float64]


class Attributes:
    """Stands for an object in a pickle, such as a RunningMeanStd: takes its attributes."""

    def __setstate__(self, state: dict[str, object]) -> None:
        """Keep them, whatever they are."""
        self.attributes = state


class _Array:
    """Stands for numpy's array in a pickle: remembers what it would be made of."""

    def __init__(self, *_: object) -> None:
        self.parts: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, data = state
        self.parts = (data, dtype, shape)


class _Dtype:
    """Stands for numpy's dtype in a pickle: its name and byte order."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


def _array_from_buffer(data: object, dtype: object, shape: object, _order: object) -> _Array:
    array = _Array()
    array.parts = (data, dtype, shape)
    return array


def _scalar(dtype: object, data: object) -> _Array:
    return _array_from_buffer(data, dtype, (), "C")


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError("unexpected encoding")
    return text.encode("latin1")


_KNOWN_NAMES: Mapping[str, Any] = {
    "RunningMeanStd": Attributes,
    "_reconstruct": _Array,
    "_frombuffer": _array_from_buffer,
    "scalar": _scalar,
    "ndarray": _Array,
    "dtype": _Dtype,
    "encode": _encode,
}
_KNOWN_MODULES = (
    "gymnasium.wrappers.utils",
    "gymnasium.wrappers.normalize",  # before Gymnasium 1.0
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
    "_codecs",
)


def is_known(module: str, name: str) -> bool:
    """Whether pickled statistics may need this name."""
    return module in _KNOWN_MODULES and name in _KNOWN_NAMES


_PythonUnpickler: Any = pickle._Unpickler


class StatisticsUnpickler(_PythonUnpickler):  # type: ignore[misc]
    """Python's own unpickler written in Python (the C one can be made to reserve gigabytes)."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)
    stateful: ClassVar[tuple[type, ...]] = (Attributes, _Array, _Dtype)
    """Stand-ins that a pickle may give a state."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name; UserError if there is none."""
        if is_known(module, name):
            return _KNOWN_NAMES[name]
        raise UserError(
            f"the statistics name {f'{module}.{name}'[:80]!a}, which no statistics need and "
            "which may be code; nothing of them was run"
        )

    def load_build(self) -> None:
        """Give a stand-in its state; a class or function must not be changed by a file."""
        if not isinstance(self.stack[-2], self.stateful):
            raise pickle.UnpicklingError("a state for something that has none")
        super().load_build()

    def load_bytearray8(self) -> None:
        """Take the bytes that are there; the original first reserves as many as are announced."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.stack.append(self.read(length))

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def to_array(value: object) -> Floats:
    """Make a real array of what a pickle said of one; ValueError if that is no float array."""
    if isinstance(value, int | float):
        return np.array(float(value))
    if not isinstance(value, _Array):
        raise ValueError("not an array")
    data, dtype, shape = value.parts
    if not isinstance(dtype, _Dtype) or dtype.name not in ("f4", "f8"):
        raise ValueError("not a float array")
    order = ">" if dtype.order == ">" else "<"
    flat = np.frombuffer(data, dtype=order + dtype.name)
    return flat.reshape(shape).astype(np.float64)


def parse_statistics(data: bytes, source: str) -> ObservationNormalizer:
    """Read pickled observation statistics of this robot (24 numbers); UserError says what is wrong.

    `source` names the data in messages. Only gymnasium's RunningMeanStd is accepted, and
    nothing in the pickle is called but this module's inert stand-ins.
    """
    try:
        statistics = StatisticsUnpickler(io.BytesIO(data)).load()
    except UserError as error:
        raise UserError(f"{source} is refused: {error}") from None
    except Exception:
        statistics = None
    return make_normalizer(statistics, source, "gymnasium's RunningMeanStd")


def make_normalizer(statistics: object, source: str, kind: str) -> ObservationNormalizer:
    """Make a normaliser of what a pickle said of a RunningMeanStd, `kind` in messages.

    Raises `UserError` if it said of none, or as `check_statistics` does.
    """
    try:
        if not isinstance(statistics, Attributes):
            raise ValueError("something else")
        attributes = statistics.attributes
        mean, var, count = (to_array(attributes[name]) for name in ("mean", "var", "count"))
    except Exception:
        raise UserError(f"{source} does not hold {kind}, or only a part of it") from None
    return check_statistics(mean, var, count, source)


def check_statistics(
    mean: Floats, var: Floats, count: Floats, source: str
) -> ObservationNormalizer:
    """Make a normaliser of mean (24,), variance (24,) and count ().

    Raises `UserError` if these are no possible statistics of 24 numbers; `source` is for messages.
    """
    if mean.shape != (OBSERVATION_DIM,) or var.shape != (OBSERVATION_DIM,) or count.shape != ():
        raise UserError(
            f"{source} holds statistics of shape {mean.shape}, but an observation has "
            f"{OBSERVATION_DIM} numbers"
        )
    finite = np.isfinite(mean).all() and np.isfinite(var).all() and np.isfinite(count)
    if not finite or (var < 0).any() or count <= 0:
        raise UserError(f"{source} holds impossible statistics (not finite, or negative)")
    normalizer = ObservationNormalizer((OBSERVATION_DIM,))
    normalizer.mean.copy_(torch.from_numpy(mean))
    normalizer.var.copy_(torch.from_numpy(var))
    normalizer.count.fill_(float(count))
    return normalizer
