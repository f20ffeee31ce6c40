"""The gate for files that somebody else may have written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bipedal.errors import UserError
from bipedal.files import read_file


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(UserError, match="too large"):
        read_file(path, 4)


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="needs /proc")
def test_a_file_without_a_size_or_an_end_is_refused() -> None:
    with pytest.raises(UserError, match="too large"):
        read_file(Path("/proc/self/pagemap"), 1000)


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    look = os.fstat

    def look_and_grow(descriptor: int) -> os.stat_result:
        facts = look(descriptor)
        with open(path, "ab") as file:
            file.write(b"6" * 1000)
        return facts

    monkeypatch.setattr(os, "fstat", look_and_grow)
    with pytest.raises(UserError, match="too large"):
        read_file(path, 5)


@pytest.mark.parametrize("name", [".", "missing", "a\0b", "x" * 300])
def test_what_is_no_file_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_file(tmp_path / name, 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late: nothing is asked by the name, only of what was opened."""
    path = tmp_path / "a"
    path.touch()
    like = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda *_, **__: like)
    rescue = threading.Timer(30.0, path.write_bytes, [b""])  # of a reader that waits
    rescue.start()
    try:
        with pytest.raises(UserError, match="not a file"):
            read_file(path, 10)
    finally:
        rescue.cancel()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for name in (".", "missing"):
        for _ in range(5):
            with pytest.raises(UserError):
                read_file(tmp_path / name, 10)
    assert len(os.listdir("/proc/self/fd")) == before
