"""Compiling beside something else."""

from __future__ import annotations

import threading

import pytest

from bipedal.errors import RunFailedError
from bipedal.fused import kernel


def test_what_fails_beside_is_told_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Semaphore(0)

    def fail(kernels: object, device: str) -> None:
        asked.release()
        raise RunFailedError("no room")

    monkeypatch.setattr(kernel, "load_kernels", fail)
    kernel.load_beside()
    assert asked.acquire(timeout=60)
    with pytest.raises(RunFailedError, match="no room"):
        kernel.load()


def test_who_needs_it_waits_for_what_compiles_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def compile_slowly(kernels: object, device: str) -> None:
        begun.set()
        assert go_on.wait(timeout=60)
        done.append("compiled")

    monkeypatch.setattr(kernel, "load_kernels", compile_slowly)
    kernel.load_beside()
    assert begun.wait(timeout=60)
    threading.Timer(0.05, go_on.set).start()
    kernel.load()
    assert done == ["compiled", "compiled"]
