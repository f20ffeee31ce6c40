"""Load compiled kernels from Warp's cache on disk, or compile them into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import warp as wp

from bipedal.errors import RunFailedError


def start_warp() -> None:
    """Start Warp; `RunFailedError` if it cannot make its cache."""
    try:
        wp.init()
    except OSError as error:
        raise _cannot_compile(error) from None


def load_kernels(kernels: Iterable[Any], device: str, block_dim: int | None = None) -> None:
    """Load kernels, so that their first launch need not; on CUDA for blocks of so many threads.

    What the cache holds of them may be damaged: a full disk or a loss of power cuts files short.
    It is then thrown away and compiled anew. Raises `RunFailedError` if that does not help.
    """
    for kernel in kernels:
        try:
            wp.load_module(kernel.module, device=device, block_dim=block_dim)
        except Exception:  # Warp has no class of its own for this
            _forget(kernel.module.name)
            try:
                wp.load_module(kernel.module, device=device, block_dim=block_dim)
            except Exception as error:
                raise _cannot_compile(error) from error


def _forget(module: str) -> None:
    """Delete what the cache holds of a module."""
    cache = wp.config.kernel_cache_dir
    assert cache is not None  # since Warp has started
    for directory in Path(cache).glob(f"wp_{module}_*"):
        shutil.rmtree(directory, ignore_errors=True)


def _cannot_compile(error: Exception) -> RunFailedError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return RunFailedError(
        f"cannot compile the walker's physics into {wp.config.kernel_cache_dir}: {why}; set "
        "WARP_CACHE_PATH to a directory that can be written"
    )
