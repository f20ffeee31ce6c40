"""What torch.save wrote is read as torch reads it; everything else ends in one sentence, soon."""

import io
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bipedal.errors import UserError
from bipedal.torch_archive import MAX_PICKLE_BYTES, read_torch

PATH = Path("model.pth")


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def archive(program: bytes, **storages: bytes) -> bytes:
    """A file with this pickle and these storages."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", program)
        for key, data in storages.items():
            file.writestr(f"archive/data/{key}", data)
    return buffer.getvalue()


def same(one: Any, other: Any) -> bool:
    if isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in other)
    if isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


DTYPES = (torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)
TENSORS = st.builds(
    lambda dtype, shape: (
        (torch.arange(60) % 3)[: int(torch.tensor(shape).prod())].reshape(shape).to(dtype)
    ),
    st.sampled_from(DTYPES),
    st.sampled_from([(), (0,), (5,), (2, 3), (3, 4, 5)]),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.integers()
VALUES = st.recursive(
    PLAIN | TENSORS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(KEYS, inner).map(OrderedDict)
    ),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_what_torch_saves_comes_back(value: object) -> None:
    assert same(read_torch(PATH, saved(value)), value)


def test_views_parameters_and_shared_storages_come_back() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    value = {
        "turned": base.T,
        "row": base[1],
        "again": base,
        "parameter": torch.nn.Parameter(base),
        "module": torch.nn.Linear(3, 2).state_dict(),
    }
    assert same(read_torch(PATH, saved(value)), value)


def test_a_tensor_may_be_written_to() -> None:
    tensor = read_torch(PATH, saved({"a": torch.zeros(3)}))["a"]
    tensor += 1.0
    assert tensor.tolist() == [1.0, 1.0, 1.0]


def test_a_view_of_any_size_is_refused() -> None:
    with pytest.raises(UserError, match="not a model file"):
        read_torch(PATH, saved(torch.zeros(1).expand(1_000_000)))


STORAGE = b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def number(value: int) -> bytes:
    data = value.to_bytes(8, "little", signed=True)
    return b"\x8a\x08" + data


def tensor(elements: int, offset: int, size: int, stride: int) -> bytes:
    """The program of a tensor of one dimension."""
    storage = b"(" + STORAGE + number(elements) + b"tQ"
    shape = number(size) + b"\x85" + number(stride) + b"\x85"
    return b"\x80\x02" + REBUILD + b"(" + storage + number(offset) + shape + b"\x89NtR."


def test_a_tensor_by_hand() -> None:
    data = torch.arange(4.0).numpy().tobytes()
    assert read_torch(PATH, archive(tensor(4, 1, 2, 2), **{"0": data})).tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    "program",
    [
        tensor(3_000_000_000, 0, 3_000_000_000, 1),  # 12 GB that are not there
        tensor(4, 0, 5, 1),
        tensor(4, 1, 4, 1),
        tensor(4, 0, 4, 2),
        tensor(4, 0, 4, -1),
        tensor(4, -1, 2, 1),
        tensor(4, 1 << 50, 0, 1),
        tensor(5, 0, 4, 1),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(program: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(UserError, match="not a model file"):
        read_torch(PATH, archive(program, **{"0": bytes(16)}))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def doubled(times: int) -> bytes:
    """A tuple of the same tuple twice, and so on: 2^times leaves in a few bytes."""
    return b"\x80\x02)" + b"q\x00h\x00\x86" * times


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a key that hashes for ever": lambda: b"\x80\x02}" + doubled(60)[2:] + b"Ns.",
    "the same in one go": lambda: b"\x80\x02}(" + doubled(60)[2:] + b"Nu.",
    "the same in a dictionary of its own": lambda: b"\x80\x02(" + doubled(60)[2:] + b"Nd.",
    "the same in a set": lambda: b"\x80\x04\x8f(" + doubled(60)[2:] + b"\x90.",
    "the same in a frozen set": lambda: b"\x80\x04(" + doubled(60)[2:] + b"\x91.",
    "an ordered dictionary of it": lambda: (
        b"\x80\x02ccollections\nOrderedDict\n(" + doubled(60)[2:] + b"tR."
    ),
    "bytes that are not there": lambda: b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".",
    "a state for a tuple": lambda: b"\x80\x02)}b.",
    "a state for a name": lambda: b"\x80\x02ctorch\nFloatStorage\n}b.",
    "a storage that is none": lambda: b"\x80\x02)Q.",
    "a tensor of nothing": lambda: b"\x80\x02" + REBUILD + b")R.",
    "a parameter of nothing": lambda: b"\x80\x02ctorch._utils\n_rebuild_parameter\n(NtR.",
    "no end": lambda: b"\x80\x02}",
    "too long": lambda: b"\x80\x02" + b"N0" * (MAX_PICKLE_BYTES // 2) + b"N.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_ends_in_a_sentence(name: str) -> None:
    with pytest.raises(UserError, match="not a model file"):
        read_torch(PATH, archive(HOSTILE[name]()))


def test_deep_nesting_is_read_without_recursion() -> None:
    deep = read_torch(PATH, archive(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."))
    assert len(deep) == 1


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "torch.load", "torch.ByteTensor"])
def test_a_name_is_refused_by_its_name(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    program = f"c{module}\n{attribute}\n(Vx\ntR.".encode()
    with pytest.raises(UserError, match=f"it names '{name}'.*nothing of it was run"):
        read_torch(PATH, archive(program))


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", saved({"a": 1})[:-30], pickle.dumps({"a": 1}), archive(b"N.")[:40]],
    ids=["nothing", "two letters", "no end", "a pickle", "no directory"],  # zip files hold the time
)
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="not a model file"):
        read_torch(PATH, data)


SOUND = saved({"policy": torch.nn.Linear(3, 2).state_dict(), "gain": 0.8, "memory": [1, 1]})
with zipfile.ZipFile(io.BytesIO(SOUND)) as _file:
    PROGRAM = _file.read("archive/data.pkl")
    STORED = {
        name.split("/")[-1]: _file.read(name)
        for name in _file.namelist()
        if name.startswith("archive/data/")
    }


@given(st.lists(st.tuples(st.integers(0, len(PROGRAM) - 1), st.integers(0, 255)), max_size=8))
@settings(max_examples=400, deadline=None)
def test_a_mutated_program_gives_values_or_a_sentence(changes: list[tuple[int, int]]) -> None:
    """Past the checksum, which a forger makes anew."""
    program = bytearray(PROGRAM)
    for place, value in changes:
        program[place] = value
    try:
        read_torch(PATH, archive(bytes(program), **STORED))
    except UserError as error:
        assert "model.pth" in str(error)


def test_bytes_in_another_order_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", b"N.")
        file.writestr("archive/byteorder", b"big")
    with pytest.raises(UserError, match="another order of bytes"):
        read_torch(PATH, buffer.getvalue())
