"""Where a study's trials run: local processes, or a Ray cluster."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from bipedal.errors import UserError
from bipedal.processes import usable_cores
from bipedal.studies.study import Trial
from bipedal.studies.trial import RESULT, run_trial

T = TypeVar("T")
LOG = "log.txt"
RETRIES = 2
"""How often a trial on a cluster is begun again after its machine or process was lost."""


class TrialFailedError(Exception):
    """A trial ended without a result; says why in one line."""


class StudyStoppedError(Exception):
    """A trial was cut off because the study is being stopped: it has not ended."""


class Executor(Protocol):
    """Where trials run."""

    jobs: int
    """How many at once."""

    def run(self, name: str, trial: Trial) -> dict[str, Any]:
        """Run one trial and wait for it; called by `jobs` threads.

        Raises `TrialFailedError`, or `StudyStoppedError` after `close`.
        """
        ...

    def close(self) -> None:
        """Cut off what is running."""
        ...


class LocalExecutor:
    """A process for each trial on cores of its own, so that their clocks can be compared."""

    def __init__(self, jobs: int, cores: int = 1) -> None:
        """Give every one of `jobs` trials at once so many cores, in turn."""
        self.jobs = jobs
        self._free: SimpleQueue[str] = SimpleQueue()
        usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
        for first in range(0, jobs * cores, cores):
            own = [usable[core % len(usable)] for core in range(first, first + cores)]
            self._free.put(",".join(map(str, own)))
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(self, name: str, trial: Trial) -> dict[str, Any]:
        """Run one trial in a process of its own."""
        cores = self._free.get()
        command = [
            *(sys.executable, "-m", "bipedal.studies.trial", name, trial.arm, str(trial.seed)),
            *(str(trial.timesteps), str(trial.folder), cores),
        ]
        try:
            with open(trial.folder / LOG, "w") as log:
                # A session of its own: Ctrl-C is the study's; the pipe tells of the study's end.
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
                )
            self._running.add(process)
            if self._closed:
                _end(process)
            code = process.wait()
            self._running.discard(process)
        finally:
            self._free.put(cores)
        if self._closed:
            raise StudyStoppedError
        if code != 0:
            said = (trial.folder / LOG).read_text(errors="replace").strip().splitlines()
            raise TrialFailedError(f"exit code {code}: {said[-1] if said else 'it said nothing'}")
        result: dict[str, Any] = json.loads((trial.folder / RESULT).read_text())
        return result

    def close(self) -> None:
        """Kill what is running."""
        self._closed = True
        for process in list(self._running):
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a trial and what it started."""
    if not hasattr(os, "killpg"):  # Windows
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class RayExecutor:
    """A task for each trial on a Ray cluster."""

    def __init__(self, address: str, jobs: int, cores: int = 1) -> None:
        """Connect; `local` starts a cluster on this machine, large enough for `jobs` trials."""
        try:
            import ray
        except ImportError:
            raise UserError("--address needs Ray: pip install 'bipedal-walker[cluster]'") from None
        self.jobs = jobs
        self._ray = ray
        self._closed = False
        self._running: set[Any] = set()
        options: dict[str, Any] = {"num_cpus": jobs * cores} if address == "local" else {}
        try:
            ray.init(address, include_dashboard=False, log_to_driver=False, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"there is no Ray cluster at {address}: {error}") from None
        # A trial whose machine goes away is begun again elsewhere; one that fails is not.
        self._task = ray.remote(num_cpus=cores, max_retries=RETRIES)(_run_anywhere)

    def run(self, name: str, trial: Trial) -> dict[str, Any]:
        """Run one trial somewhere on the cluster."""
        if self._closed:
            raise StudyStoppedError
        task = self._task.remote(name, trial)
        self._running.add(task)
        try:
            result: dict[str, Any] = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            if self._closed:
                raise StudyStoppedError from None
            said = str(error).strip().splitlines()
            raise TrialFailedError(said[-1] if said else type(error).__name__) from None
        finally:
            self._running.discard(task)
        return result

    def close(self) -> None:
        """End our tasks and leave the cluster."""
        self._closed = True
        for task in list(self._running):
            self._ray.cancel(task, force=True)
        self._ray.shutdown()


def make_executor(address: str | None, jobs: int, cores: int) -> Executor:
    """Processes on this machine, or tasks on the Ray cluster at `address`."""
    if address is None:
        return LocalExecutor(jobs, cores)
    return RayExecutor(address, jobs, cores)


def run_all(
    executor: Executor, jobs: Sequence[Callable[[], T]], ended: Callable[[T], None]
) -> None:
    """Do jobs that wait for an executor, as many at once as it has room for.

    `ended` is told what each returned, as they end, in the caller's thread. An exception, be it of
    a job, of `ended` or Ctrl-C, cuts off what is running.
    """
    with ThreadPoolExecutor(executor.jobs) as threads:
        try:
            left: set[Future[T]] = {threads.submit(job) for job in jobs}
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for future in done:
                    ended(future.result())
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            executor.close()
            raise


def jobs_that_fit(cores: int) -> int:
    """How many trials at once have so many cores of this machine each."""
    return max(1, usable_cores() // max(1, cores))


def _run_anywhere(name: str, trial: Trial) -> dict[str, Any]:
    """Run a trial on a machine where its folder does not exist; what it leaves is dropped."""
    with tempfile.TemporaryDirectory() as folder:
        return run_trial(name, trial._replace(folder=Path(folder)))
