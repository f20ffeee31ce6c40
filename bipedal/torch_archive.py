"""Read what `torch.save` wrote, without trust.

Such a file is a zip archive: a pickle, which is a program, and the bytes of the tensors beside it.
This reader follows the program with stand-ins for the few names that tensors need, and refuses
every other. Unlike `torch.load(weights_only=True)` it looks at checksums, holds a tensor against
the bytes that are there before it makes one, and lets nothing be hashed or nested without end.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from bipedal.errors import UserError

MAX_PICKLE_BYTES = 2 << 20
"""The tensors lie beside it: a model's takes 2 kB, a run's state less than 1 MB."""
MAX_DIMENSIONS = 8
DTYPES: Mapping[str, torch.dtype] = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""Names of PyTorch's storages, and what they hold."""


def read_entries(path: Path, data: bytes) -> dict[str, bytes]:
    """Contents of a zip archive's entries by their names, checksums checked; UserError if not one.

    `path` is for messages. The entries together are no larger than the archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(data):
                raise UserError(f"{path} unpacks to more than it holds, which no model file does")
            return {entry.filename: archive.read(entry) for entry in entries}
    except UserError:
        raise
    except Exception:
        raise _damaged(path) from None


def read_torch(path: Path, data: bytes) -> Any:
    """What `torch.save` wrote: containers of tensors (on the CPU) and plain values.

    Raises `UserError` if the file is damaged or holds anything else.
    """
    entries = read_entries(path, data)
    programs = [name for name in entries if name.split("/")[1:] == ["data.pkl"]]
    if len(programs) != 1 or len(entries[programs[0]]) > MAX_PICKLE_BYTES:
        raise _damaged(path)
    folder = programs[0].split("/")[0]
    if entries.get(f"{folder}/byteorder", b"little") != b"little":
        raise UserError(f"{path} was written on a machine with another order of bytes")
    try:
        return _Reader(entries[programs[0]], folder, entries).load()
    except _RefusedError as error:
        raise UserError(
            f"{path} holds more than weights and plain values: it names {str(error)[:80]!a}, which "
            "may be code; nothing of it was run"
        ) from None
    except Exception:
        raise _damaged(path) from None


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is not a model file, or it is damaged: train or copy it again")


class _RefusedError(Exception):
    """A name that no model file needs."""


class _StorageType(NamedTuple):
    """Stands for one of PyTorch's storages."""

    dtype: torch.dtype


def _rebuild_tensor(
    storage: object, offset: object, size: object, stride: object, *_: object
) -> Tensor:
    """Make a tensor of a storage, as `torch._utils._rebuild_tensor_v2`; ValueError if it is short.

    A tensor of more elements than its storage holds, by strides of 0, is refused: a few bytes would
    make one of any size.
    """
    if type(storage) is not Tensor or type(size) is not tuple or type(stride) is not tuple:
        raise ValueError("not a tensor")
    numbers: tuple[Any, ...] = (offset, *size, *stride)
    if not all(type(number) is int and 0 <= number < 1 << 40 for number in numbers):
        raise ValueError("a tensor of odd numbers")
    if len(size) != len(stride) or len(size) > MAX_DIMENSIONS:
        raise ValueError("a tensor of odd dimensions")
    first = numbers[0]
    last = first + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    elements = math.prod(size)
    if elements > len(storage) or (elements and last >= len(storage)):
        raise ValueError("larger than its storage")
    return storage.as_strided(size, stride, first)


def _rebuild_parameter(data: object, *_: object) -> Tensor:
    """The tensor that a parameter holds."""
    if type(data) is not Tensor:
        raise ValueError("not a tensor")
    return data


def _ordered_dict(*items: object) -> OrderedDict[Any, Any]:
    """An empty dictionary: the unpickler fills it, and looks at its keys."""
    if items:
        raise ValueError("a dictionary that fills itself")
    return OrderedDict()


_NAMES: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): _StorageType(dtype) for name, dtype in DTYPES.items()},
}

_PythonUnpickler: Any = pickle._Unpickler


class _Reader(_PythonUnpickler):  # type: ignore[misc]
    """Python's own unpickler written in Python, with the names of this file and no sets."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, program: bytes, folder: str, entries: Mapping[str, bytes]) -> None:
        super().__init__(io.BytesIO(program))
        self._folder = folder
        self._entries = entries
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name."""
        if (module, name) not in _NAMES:
            raise _RefusedError(f"{module}.{name}")
        return _NAMES[module, name]

    def persistent_load(self, pid: object) -> Tensor:
        """The bytes of a storage as a flat tensor: ("storage", type, key, device, elements)."""
        if not (type(pid) is tuple and len(pid) == 5 and pid[0] == "storage"):
            raise ValueError("not a storage")
        _, kind, key, _, elements = pid
        if type(kind) is not _StorageType or type(key) is not str or type(elements) is not int:
            raise ValueError("not a storage")
        data = self._entries[f"{self._folder}/data/{key}"]
        if elements * kind.dtype.itemsize != len(data):
            raise ValueError("a storage of another size")
        if key not in self._storages:
            writable = bytearray(data)
            self._storages[key] = (
                torch.frombuffer(writable, dtype=kind.dtype)
                if writable
                else torch.empty(0, dtype=kind.dtype)
            )
        if self._storages[key].dtype != kind.dtype:
            raise ValueError("a storage of two kinds")
        return self._storages[key]

    def load_setitem(self) -> None:
        """Take an item of a dictionary whose key is plain: tuples of tuples hash without end."""
        self._check_keys(self.stack[-2:])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Take several items."""
        self._check_keys(self.stack)
        super().load_setitems()

    def load_dict(self) -> None:
        """Make a dictionary of items."""
        self._check_keys(self.stack)
        super().load_dict()

    def load_build(self) -> None:
        """Leave out what a dictionary has beside its items (`_metadata` of a state_dict)."""
        self.stack.pop()
        if type(self.stack[-1]) is not OrderedDict:
            raise ValueError("a state for something that has none")

    def refuse(self) -> None:
        """Refuse what no model file needs."""
        raise ValueError("an operation that no model file needs")

    @staticmethod
    def _check_keys(items: list[object]) -> None:
        if not all(type(key) in (str, int) for key in items[::2]):
            raise ValueError("a key that is no name")

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.BUILD[0]] = load_build


for _operation in (
    pickle.EMPTY_SET,
    pickle.ADDITEMS,
    pickle.FROZENSET,
    pickle.BYTEARRAY8,
    pickle.INST,
    pickle.OBJ,
    pickle.NEWOBJ,
    pickle.NEWOBJ_EX,
    pickle.EXT1,
    pickle.EXT2,
    pickle.EXT4,
    pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER,
    pickle.DUP,
):
    _Reader.dispatch[_operation[0]] = _Reader.refuse
