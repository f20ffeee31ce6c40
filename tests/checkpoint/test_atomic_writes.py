"""A save that is cut off at any point leaves a whole model."""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from model_files import ModelMaker, same_model

from bipedal import files
from bipedal.checkpoint import load_model, save_model
from bipedal.files import temporary_path
from bipedal.policy import Policy


class KilledError(BaseException):
    """The process ends here; nothing that it would do afterwards happens."""


STEPS = 7
"""Open and flush two files, rename both, flush the directory."""


class Reaper:
    """Ends the process at the n-th step that a save makes towards the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = math.inf
        monkeypatch.setattr(os, "replace", self._guard(os.replace))
        monkeypatch.setattr(os, "fsync", self._guard(lambda descriptor: None))
        monkeypatch.setattr(Path, "unlink", self._guard(Path.unlink))
        monkeypatch.setattr(files, "open", self._open, raising=False)

    def _step(self) -> None:
        if self.left <= 0:
            raise KilledError
        self.left -= 1

    def _guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            self._step()
            return function(*arguments, **options)

        return guarded

    def _open(self, name: Path, mode: str, **options: Any) -> Any:
        file = builtins.open(name, mode, **options)  # noqa: SIM115
        if mode == "rb":
            return file
        try:
            self._step()  # killed with the file empty ...
            if self.left == 0:
                file.write(b"PK\x03\x04half a file")  # ... or begun
        except KilledError:
            file.close()
            raise
        return file

    def save(self, path: Path, model: Policy, steps: float) -> bool:
        """Save, but be killed after so many steps; returns whether it was."""
        self.left = steps
        try:
            save_model(path, model)
        except KilledError:
            return True
        finally:
            self.left = math.inf
        return False


@pytest.mark.usefixtures("no_waiting")
def test_a_kill_at_any_step_and_another_later_leave_a_whole_model(
    tmp_path: Path, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [make_model(seed=seed) for seed in range(3)]

    def index(path: Path) -> int:
        loaded = load_model(path)
        (found,) = (number for number, model in enumerate(models) if same_model(loaded, model))
        return found

    reaper = Reaper(monkeypatch)
    outcomes = set()
    for first, second in itertools.product(range(STEPS + 1), repeat=2):
        path = tmp_path / f"{first}-{second}.pth"
        reaper.save(path, models[0], math.inf)
        killed = reaper.save(path, models[1], first)
        after_first = index(path)
        assert killed == (first < STEPS)
        assert after_first in ((0, 1) if killed else (1,))
        killed = reaper.save(path, models[2], second)
        after_second = index(path)
        # What has once been readable does not become older.
        assert after_second in ((after_first, 2) if killed else (2,))
        reaper.save(path, models[0], math.inf)
        assert index(path) == 0
        outcomes.add((after_first, after_second))
    assert outcomes == {(0, 0), (0, 2), (1, 1), (1, 2)}


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("failing", [1, 2])
def test_a_rename_that_fails_leaves_a_whole_model(
    model_path: Path,
    model: Policy,
    make_model: ModelMaker,
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
) -> None:
    newer = make_model(seed=1)
    calls = []

    def replace(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == failing:
            raise PermissionError(errno.EACCES, "in use by another process")
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(PermissionError):
            save_model(model_path, newer)
    loaded = load_model(model_path)
    assert same_model(loaded, model) or same_model(loaded, newer)
    save_model(model_path, newer)
    assert same_model(load_model(model_path), newer)
    assert not temporary_path(model_path).exists()


@pytest.mark.parametrize("full_at", [1, 2])
def test_a_full_disk_leaves_the_old_files_and_no_litter(
    model_path: Path,
    model: Policy,
    make_model: ModelMaker,
    monkeypatch: pytest.MonkeyPatch,
    full_at: int,
) -> None:
    opened: list[Path] = []

    class FullDisk(io.FileIO):
        def write(self, data: Any) -> int:
            if len(opened) == full_at:
                super().write(bytes(data)[:100])
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    def open_file(name: Path, mode: str, **options: Any) -> Any:
        if mode == "rb":
            return builtins.open(name, mode, **options)
        opened.append(name)
        return FullDisk(name, mode)

    with monkeypatch.context() as patch:
        patch.setattr(files, "open", open_file, raising=False)
        with pytest.raises(OSError, match="No space left"):
            save_model(model_path, make_model(seed=1))
    assert same_model(load_model(model_path), model)
    assert sorted(p.name for p in model_path.parent.iterdir()) == ["walker.pth", "walker_stats.pkl"]


@pytest.mark.usefixtures("no_waiting")
def test_a_full_disk_after_a_kill_does_not_lose_the_model(
    model_path: Path, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = make_model(seed=1)
    with monkeypatch.context() as patch:
        reaper = Reaper(patch)
        steps = next(
            steps
            for steps in range(STEPS)
            if reaper.save(model_path, newer, steps) and same_model(load_model(model_path), newer)
        )
    assert temporary_path(model_path).exists(), steps

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(OSError, match="No space"):
            save_model(model_path, make_model(seed=2))
    assert same_model(load_model(model_path), newer)


def test_a_reader_beside_a_writer_always_sees_a_whole_model(
    model_path: Path, model: Policy, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    models = [model, make_model((16,), seed=1)]
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            for each in models:
                save_model(model_path, each)
                time.sleep(0.01)

    seen = set()
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(keep_writing)
        try:
            for _ in range(60):
                loaded = load_model(model_path)
                layers = len(loaded.actor.hidden_sizes)
                assert same_model(loaded, models[0] if layers == 2 else models[1])
                seen.add(layers)
        finally:
            stop.set()
        writer.result()
    assert seen == {1, 2}
