"""The cache of compiled kernels may be damaged, or impossible to write."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import warp as wp

from bipedal.engines.warp import quiet_warp
from bipedal.errors import RunFailedError
from bipedal.physics.kernels import load_kernels, start_warp


@wp.kernel(module="unique")
def count(numbers: wp.array(dtype=wp.int32)):
    numbers[wp.tid()] = wp.tid()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, and nothing loaded."""
    quiet_warp()
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path / "cache"))
    count.module.unload()
    return tmp_path / "cache"


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def scramble(path: Path) -> None:
    path.write_bytes(bytes(number * 37 % 256 for number in range(path.stat().st_size)))


@pytest.mark.parametrize("ending", ["o", "meta"])
@pytest.mark.parametrize("damage", [halve, empty, scramble])
def test_what_is_damaged_is_compiled_anew(
    cache: Path, ending: str, damage: Callable[[Path], None]
) -> None:
    load_kernels([count], "cpu")
    (file,) = cache.glob(f"wp_*/*.{ending}")
    sound = file.stat().st_size
    damage(file)
    count.module.unload()
    load_kernels([count], "cpu")
    assert file.stat().st_size == sound
    numbers: Any = wp.zeros(3, dtype=wp.int32, device="cpu")
    wp.launch(count, 3, [numbers], device="cpu")
    assert numbers.numpy().tolist() == [0, 1, 2]


def test_a_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    cache.write_text("a file, not a directory")
    with pytest.raises(RunFailedError) as caught:
        load_kernels([count], "cpu")
    message = str(caught.value)
    assert message.startswith(f"cannot compile the walker's physics into {cache}: ")
    assert message.endswith("; set WARP_CACHE_PATH to a directory that can be written")


def test_a_cache_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/home/.cache")

    monkeypatch.setattr(wp, "init", fail)
    with pytest.raises(RunFailedError, match="Permission denied; set WARP_CACHE_PATH"):
        start_warp()
