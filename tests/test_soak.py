"""Called again and again from one process, nothing grows: memory, threads, open files."""

from __future__ import annotations

import gc
import mmap
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.score import evaluate
from bipedal.report.report import write_report
from bipedal.report.video import record_episode
from bipedal.run_directory import read_run_config
from bipedal.training_loop import train

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MAX_MEGABYTES = 8.0
"""What memory may grow by, all calls together: allocators settle slowly."""


class Use(NamedTuple):
    """What this process takes."""

    megabytes: float
    threads: int
    files: int


def use() -> Use:
    gc.collect()
    (line,) = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return Use(int(line) / 1024, threading.active_count(), len(os.listdir("/proc/self/fd")))


def step_engine(_: Path) -> None:
    with closing(WarpEngine("BipedalWalker-v3", 64, 0, threads=2)) as engine:
        engine.reset()
        engine.step(torch.zeros(64, 4))


def drop_engine(_: Path) -> None:
    engine = WarpEngine("BipedalWalker-v3", 64, 0, threads=2)
    engine.reset()
    engine.step(torch.zeros(64, 4))


def load(run: Path) -> None:
    load_model(run)
    load_model(run / "saved_models" / "best_model.safetensors")


def play(run: Path) -> None:
    evaluate(load_model(run), "BipedalWalker-v3", episodes=2)


def film(run: Path) -> None:
    record_episode(load_model(run), "BipedalWalker-v3", 0, run / "a.gif", max_seconds=0.3)


def train_anew(run: Path) -> None:
    train(read_run_config(run), run / "another")
    shutil.rmtree(run / "another")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "before", "calls"),
    [
        (step_engine, 5, 40),
        (drop_engine, 5, 40),
        (load, 20, 200),
        (play, 5, 20),
        (film, 5, 20),
        (train_anew, 5, 20),
        (write_report, 6, 8),
    ],
)
def test_nothing_grows(run: Path, job: Callable[[Path], object], before: int, calls: int) -> None:
    """After `before` calls, which fill caches."""
    for _ in range(before):
        job(run)
    first = use()
    for _ in range(calls):
        job(run)
    last = use()
    assert last.megabytes - first.megabytes < MAX_MEGABYTES
    assert (last.threads, last.files) == (first.threads, first.files)


def test_growth_is_seen() -> None:
    first = use()
    with mmap.mmap(-1, 20 << 20) as kept, open(os.devnull):  # new pages, not freed ones
        kept.write(b"x" * len(kept))
        last = use()
    assert last.megabytes - first.megabytes > MAX_MEGABYTES
    assert last.files == first.files + 1
