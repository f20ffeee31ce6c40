"""Files made to exhaust memory or time are refused at once."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from model_files import assert_refused, contents_of, notebook_statistics, write_files

from bipedal.checkpoint import MAX_STATISTICS_BYTES, load_model, load_state, statistics_path
from bipedal.errors import UserError
from bipedal.policy import Policy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory by /proc")


def peak_kib() -> int:
    """The most memory that this process has had resident, in KiB."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line)


@contextlib.contextmanager
def cheap(megabytes: int = 300, seconds: float = 5.0) -> Iterator[None]:
    """What happens here takes neither memory nor processor time."""
    started = time.process_time()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present use again
    before = peak_kib()
    yield
    assert peak_kib() - before < megabytes * 1024
    assert time.process_time() - started < seconds


def array_of(data: bytes, shape: bytes) -> bytes:
    """Opcodes of an array of doubles with these opcodes for data and shape."""
    dtype = b"cnumpy\ndtype\n(Vf8\nI00\nI01\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
    return b"cnumpy.core.numeric\n_frombuffer\n(" + data + dtype + shape + b"VC\ntR"


def with_mean(mean: bytes) -> bytes:
    """Statistics whose mean is made by these opcodes."""
    start = b"\x80\x02cgymnasium.wrappers.utils\nRunningMeanStd\n)\x81}("
    return start + b"Vmean\n" + mean + b"Vvar\nF1.0\nVcount\nF1.0\nub."


BOMBS = {
    "memo index": b"\x80\x02Nr\xff\xff\xff\xff.",
    "bytearray announced": b"\x80\x05\x96" + (2 << 30).to_bytes(8, "little") + b".",
    "bytes announced": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
    "text announced": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"x.",
    "frame announced": b"\x80\x04\x95" + (1 << 62).to_bytes(8, "little") + b"N.",
    "a shape of 2^31": with_mean(array_of(b"U\x08abcdefgh", b"(L2147483648L\nt")),
    "2^31 as data": with_mean(array_of(b"L2147483648L\n", b"(I268435456\nt")),
    "a list as data": with_mean(array_of(b"](I1\nI2\ne", b"(I24\nt")),
    "texts encoded again and again": (
        b"\x80\x02c_codecs\nencode\nq\x00(V" + b"x" * 8000 + b"\nVlatin1\ntq\x01"
        + b"h\x00h\x01R" * 1600 + b"."
    ),
    "tuples in tuples, hashed": b"\x80\x02})" + b"\x85" * (MAX_STATISTICS_BYTES - 12) + b"K\x01s.",
    "lists in lists": b"\x80\x02" + b"]" * 8000 + b"a" * 7999 + b".",
    "an integer of many digits": b"I" + b"9" * 16000 + b"\n.",
    "padding": pickle.dumps(notebook_statistics()) + bytes(MAX_STATISTICS_BYTES),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_statistics_that_are_a_bomb_are_refused(model_path: Path, bomb: str) -> None:
    contents = torch.load(model_path, weights_only=True)
    del contents["statistics_sha256"]
    write_files(model_path, contents, BOMBS[bomb])
    with cheap():
        assert_refused(model_path)


def test_a_huge_sparse_file_of_statistics_is_refused(model_path: Path) -> None:
    os.truncate(statistics_path(model_path), 1 << 40)
    with cheap():
        assert_refused(model_path, "too large")


def test_a_huge_sparse_model_is_refused(model_path: Path) -> None:
    os.truncate(model_path, 1 << 40)
    with cheap():
        assert_refused(model_path, "too large")


@pytest.mark.parametrize("special", ["/dev/zero", "/dev/full", "/dev/null"])
def test_devices_are_not_read(special: str) -> None:
    with cheap(), pytest.raises(UserError, match="not a file"):
        load_model(special)


def test_a_pipe_is_not_waited_for(model_path: Path) -> None:
    model_path.unlink()
    os.mkfifo(model_path)
    with cheap():
        assert_refused(model_path, "not a file")


def test_a_zip_bomb_is_refused(model_path: Path) -> None:
    with zipfile.ZipFile(model_path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("m/version", b"3")
        with archive.open("m/data.pkl", "w", force_zip64=True) as entry:
            for _ in range(400):
                entry.write(bytes(1 << 20))
    assert model_path.stat().st_size < 4 << 20
    with cheap(100, 1.0):
        assert_refused(model_path)


def test_a_zip_bomb_of_overlapping_entries_is_refused(model_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/version", b"3")
        archive.writestr("m/data/0", bytes(1 << 20))
        entry = archive.getinfo("m/data/0")
        for number in range(1, 500):
            again = copy.copy(entry)
            again.filename = again.orig_filename = f"m/data/{number}"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    model_path.write_bytes(buffer.getvalue())
    with cheap(100, 1.0):
        assert_refused(model_path)


def stride_0(*shape: int) -> torch.Tensor:
    """Zeros of any shape that take four bytes."""
    return torch.zeros(1).expand(*shape)


def widened(width: int, depth: int) -> dict[str, torch.Tensor]:
    """Weights of a large perceptron that take no space."""
    sizes = [24, *[width] * depth, 4]
    weights = {"log_std": torch.zeros(4)}
    for index in range(depth + 1):
        weights[f"net.{2 * index}.weight"] = stride_0(sizes[index + 1], sizes[index])
        weights[f"net.{2 * index}.bias"] = stride_0(sizes[index + 1])
    return weights


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": widened(10**6, 2)},
        {"policy": widened(4096, 8)},
        {"policy": widened(2, 1200)},
        {"critic": widened(4096, 10)},
        {"critic": widened(2, 1200)},
        {"log_std": stride_0(10**6, 10**6)},
        {"log_std": stride_0(4)},
        {"net.0.bias": stride_0(10**9)},
        {"net.0.weight": stride_0(10**6, 10**6)},
        {"net.1.weight": stride_0(10**6)},
    ],
)
def test_weights_larger_than_their_file_are_refused(
    model_path: Path, model: Policy, changes: dict[str, Any]
) -> None:
    contents = contents_of(model)
    for name, value in changes.items():
        (contents if name in contents else contents["policy"])[name] = value
    write_files(model_path, contents)
    with cheap():
        assert_refused(model_path)


def test_a_storage_that_claims_more_than_it_has_is_refused(model_path: Path) -> None:
    torch.save({"a": torch.arange(4.0)}, model_path)
    with zipfile.ZipFile(model_path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(parts)).split("/")[0]
    pickled = parts[f"{root}/data.pkl"]
    forged = pickled.replace(b"K\x04tq\x07Q", b"M\xa0\x0ftq\x07Q")
    forged = forged.replace(b"K\x00K\x04\x85", b"K\x00M\xa0\x0f\x85")
    assert len(forged) == len(pickled) + 2
    with zipfile.ZipFile(model_path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, forged if name.endswith("data.pkl") else part)
    with pytest.raises(UserError):
        load_state(model_path)
