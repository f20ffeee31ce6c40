"""`bipedal` commands side by side, each on a core of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from bipedal.seeds import FINAL_SEED

Job = TypeVar("Job")
Row = TypeVar("Row")
Core = int | None
"""Number of a core; None for all of them."""


def map_on_cores(
    work: Callable[[Job, Core], Row], jobs: Iterable[Job], *, one_by_one: bool = False
) -> list[Row]:
    """Call `work` with each job and the next free core, or one job after another on all cores."""
    cores: list[Core] = [None]
    if hasattr(os, "sched_getaffinity") and not one_by_one:
        cores = [*sorted(os.sched_getaffinity(0))]
    free: SimpleQueue[Core] = SimpleQueue()
    for core in cores:
        free.put(core)

    def run(job: Job) -> Row:
        core = free.get()
        try:
            return work(job, core)
        finally:
            free.put(core)

    with ThreadPoolExecutor(len(cores)) as pool:
        return list(pool.map(run, jobs))


def bipedal(core: Core, log: Path, *arguments: str) -> str:
    """Run a `bipedal` command, progress to `log`; returns what it printed.

    Raises `subprocess.CalledProcessError` if the command fails.
    """
    command = [sys.executable, "-m", "bipedal.cli", *arguments]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    with open(log, "a") as errors:
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=errors, text=True
        ).stdout


def score(core: Core, log: Path, model: Path, episodes: int) -> dict[str, Any]:
    """Fresh episodes of Gymnasium's own environment: what `bipedal evaluate --json` tells."""
    many = ["--episodes", str(episodes), "--seed", str(FINAL_SEED)]
    answer: dict[str, Any] = json.loads(bipedal(core, log, "evaluate", str(model), *many, "--json"))
    return answer
