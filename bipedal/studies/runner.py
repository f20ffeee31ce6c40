"""Run a study's trials, in local processes or on a Ray cluster, so that none is run twice.

Under runs/studies/NAME/ every trial has a folder ARM/SEED with its `trial.json`: written whole when
the trial has ended, well or badly. A trial without one has not ended and starts over; so a study
that is killed loses what was running and no more. A trial that failed is reported with its error,
and tried again when the study is resumed; the number of attempts stays in its row. Where there is
no such folder, as in a fresh clone, a study that is resumed goes on from its published tables.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from bipedal.checkpoint import atomic_write
from bipedal.errors import RunFailedError, UserError
from bipedal.processes import usable_cores
from bipedal.progress import console
from bipedal.run_directory import lock_run
from bipedal.studies import find_study
from bipedal.studies.page import RESULTS, write_page
from bipedal.studies.study import FIRST_SEED, Row, Study, Trial
from bipedal.studies.trial import RESULT, run_trial
from bipedal.tables import read_table

RUNS = Path("runs/studies")
LOG = "log.txt"


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
    """A process for each trial, on one core, so that their clocks can be compared."""

    def __init__(self, jobs: int) -> None:
        """Give every one of `jobs` trials at once a core, in turn."""
        self.jobs = jobs
        self._cores: SimpleQueue[int] = SimpleQueue()
        usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
        for job in range(jobs):
            self._cores.put(usable[job % len(usable)])
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(self, name: str, trial: Trial) -> dict[str, Any]:
        """Run one trial in a process of its own."""
        core = self._cores.get()
        command = [
            *(sys.executable, "-m", "bipedal.studies.trial", name, trial.arm, str(trial.seed)),
            *(str(trial.timesteps), str(trial.folder), str(core)),
        ]
        try:
            with open(trial.folder / LOG, "w") as log:
                # A session of its own: Ctrl-C is the study's; the pipe tells of the study's end.
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
                )
            self._running.add(process)
            if self._closed:
                process.kill()
            code = process.wait()
            self._running.discard(process)
        finally:
            self._cores.put(core)
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
            process.kill()


class RayExecutor:
    """A task for each trial on a Ray cluster, one core each."""

    def __init__(self, address: str, jobs: int) -> None:
        """Connect; `local` starts a cluster of `jobs` cores on this machine."""
        try:
            import ray
        except ImportError:
            raise UserError("--address needs Ray: pip install 'bipedal[cluster]'") from None
        self.jobs = jobs
        self._ray = ray
        self._closed = False
        self._running: set[Any] = set()
        options: dict[str, Any] = {"num_cpus": jobs} if address == "local" else {}
        try:
            ray.init(address, include_dashboard=False, log_to_driver=False, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"there is no Ray cluster at {address}: {error}") from None
        self._task = ray.remote(num_cpus=1, max_retries=0)(_run_anywhere)

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


def _run_anywhere(name: str, trial: Trial) -> dict[str, Any]:
    """Run a trial on a machine where its folder does not exist; what it leaves is dropped."""
    with tempfile.TemporaryDirectory() as folder:
        return run_trial(name, trial._replace(folder=Path(folder)))


@dataclass(frozen=True)
class Plan:
    """Which trials a study is to have."""

    study: Study
    arms: Sequence[str]
    seeds: int
    timesteps: int

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return RUNS / self.study.name

    @property
    def facts(self) -> dict[str, Any]:
        """What trials must have in common to stand in one table."""
        return {"timesteps": self.timesteps, "bipedal": version("bipedal")}

    def trials(self) -> Iterator[Trial]:
        """All of them, seed by seed, so that an unfinished study has whole seeds."""
        for seed in range(FIRST_SEED, FIRST_SEED + self.seeds):
            for arm in self.arms:
                folder = self.folder / arm / str(seed)
                yield Trial(arm, seed, self.timesteps, folder)


@contextmanager
def open_plan(plan: Plan, *, resume: bool) -> Iterator[None]:
    """Hold the study's folder; `UserError` if it holds other trials, or some and no `resume`."""
    facts = plan.facts
    path = plan.folder / "study.json"
    plan.folder.mkdir(parents=True, exist_ok=True)
    with lock_run(plan.folder):
        if not path.exists():
            if resume:
                _adopt_published(plan)
            atomic_write((path, json.dumps(facts).encode()))
        elif not resume:
            raise UserError(
                f"{plan.folder} already holds trials: add --resume to go on with them, or remove it"
            )
        elif json.loads(path.read_text()) != facts:
            raise UserError(
                f"{plan.folder} holds trials of {path.read_text()}, which cannot be mixed with "
                f"{json.dumps(facts)}: remove it to begin anew"
            )
        yield


def run_plan(
    plan: Plan, executor: Executor, say: Callable[[str], None] = lambda text: None
) -> None:
    """Run all trials that have not ended well yet; `say` hears of each one that ends."""
    waiting = [trial for trial in plan.trials() if _status(trial) != "done"]
    total = sum(1 for _ in plan.trials())
    done = total - len(waiting)
    if done:
        say(f"{done} of {total} trials are done already")
    with ThreadPoolExecutor(executor.jobs) as threads:
        try:
            running = {threads.submit(_settle, plan.study.name, t, executor): t for t in waiting}
            left: set[Future[str]] = set(running)
            while left:
                ended, left = wait(left, return_when=FIRST_COMPLETED)
                for future in ended:
                    done += 1
                    trial = running[future]
                    say(f"[{done}/{total}] {trial.arm}, seed {trial.seed}: {future.result()}")
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            executor.close()
            raise


def _settle(name: str, trial: Trial, executor: Executor) -> str:
    """Run a trial and write down how it ended; returns that in a few words."""
    attempts = _record(trial).get("attempts", 0) + 1
    shutil.rmtree(trial.folder, ignore_errors=True)
    trial.folder.mkdir(parents=True)
    _write_record(trial, {"status": "running", "attempts": attempts})
    try:
        result = executor.run(name, trial)
    except TrialFailedError as error:
        _write_record(trial, {"status": "failed", "attempts": attempts, "error": str(error)[:300]})
        return f"failed, {error}"
    _write_record(trial, {"status": "done", "attempts": attempts, **result})
    return f"{result['seconds']:.0f} s"


def _write_record(trial: Trial, record: dict[str, Any]) -> None:
    atomic_write((trial.folder / "trial.json", json.dumps(record).encode()))


def _record(trial: Trial) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((trial.folder / "trial.json").read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise RunFailedError(f"{trial.folder / 'trial.json'} is damaged: remove it") from None
    return record


def _status(trial: Trial) -> str:
    status: str = _record(trial).get("status", "waiting")
    return status


COMMON = ("arm", "seed", "status")
ENDING = ("attempts", "seconds", "error")
"""Columns of a row that are its trial's."""


def _adopt_published(plan: Plan) -> None:
    """Take over the trials of the study's published tables, if they can be mixed with these."""
    published = RESULTS / plan.study.name
    try:
        summary = json.loads((published / "summary.json").read_text())
        rows = read_table(published / "trials.csv")
        curves = published / "curves.csv"
        points = read_table(curves) if curves.exists() else []
    except FileNotFoundError:
        return
    if summary["facts"] != plan.facts:
        return
    for arm, seed in dict.fromkeys((row["arm"], row["seed"]) for row in rows):
        own = [row for row in rows if (row["arm"], row["seed"]) == (arm, seed)]
        record: dict[str, Any] = {"status": own[0]["status"]}
        record |= {name: own[0][name] for name in ENDING if own[0].get(name) is not None}
        if record["status"] == "done":
            record["rows"] = [_without(row, (*COMMON, *ENDING)) for row in own]
            record["curve"] = [
                _without(point, ("arm", "seed"))
                for point in points
                if (point["arm"], point["seed"]) == (arm, seed)
            ]
        trial = Trial(arm, seed, plan.timesteps, plan.folder / arm / str(seed))
        trial.folder.mkdir(parents=True, exist_ok=True)
        _write_record(trial, record)


def _without(row: Row, names: Sequence[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def collect(study: Study) -> tuple[list[Row], list[Row]]:
    """Rows of all trials that have ended, the failed ones too, and points of their curves.

    Those of earlier calls with other arms or seeds are among them.
    """
    rows: list[Row] = []
    points: list[Row] = []
    folder = RUNS / study.name
    seeds = sorted({int(path.name) for path in folder.glob("*/*") if path.name.isdecimal()})
    for seed, arm in itertools.product(seeds, study.arms):
        trial = Trial(arm, seed, 0, folder / arm / str(seed))
        record = _record(trial)
        if record.get("status") not in ("done", "failed"):
            continue
        common = dict(zip(COMMON, (trial.arm, trial.seed, record["status"]), strict=True))
        more: dict[str, Any] = {name: record[name] for name in ENDING if name in record}
        found = record.get("rows") or [{"condition": name} for name in study.conditions or (arm,)]
        rows.extend({**common, **row, **more} for row in found)
        points.extend(
            {"arm": trial.arm, "seed": trial.seed, **point} for point in record.get("curve", ())
        )
    return rows, points


def run_study(
    name: str,
    *,
    seeds: int | None = None,
    jobs: int | None = None,
    resume: bool = False,
    address: str | None = None,
    timesteps: int | None = None,
    arms: Sequence[str] = (),
) -> Path:
    """Run a study, or what of it is left, and write its tables and page; returns the page.

    None and empty stand for the study's own numbers, and a job a core. Raises `UserError` for what
    cannot be asked.
    """
    study = find_study(name)
    plan = Plan(
        study,
        arms=arms or study.arms,
        seeds=study.seeds if seeds is None else seeds,
        timesteps=study.timesteps if timesteps is None else timesteps,
    )
    jobs = usable_cores() if jobs is None else jobs
    for option, value in (("seeds", plan.seeds), ("timesteps", plan.timesteps), ("jobs", jobs)):
        if value < 1:
            raise UserError(f"--{option} must be at least 1, not {value}")
    for arm in plan.arms:
        if arm not in study.arms:
            raise UserError(f"{name} has no arm {arm!r}: they are {'; '.join(study.arms)}")
    for module in study.requires:
        if importlib.util.find_spec(module) is None:
            raise UserError(f"{name} needs {module}: pip install 'bipedal[studies]'")

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    executor: Executor = LocalExecutor(jobs) if address is None else RayExecutor(address, jobs)
    try:
        with open_plan(plan, resume=resume):
            try:
                run_plan(plan, executor, say)
            finally:
                rows, points = collect(study)
                page = None
                if rows:
                    page = write_page(study, rows, points, _command(plan, rows), plan.facts)
    finally:
        executor.close()
    if page is None or all(row["status"] == "failed" for row in rows):
        raise RunFailedError(f"every trial failed, the first with: {rows[0]['error']}")
    return page


def _command(plan: Plan, rows: Sequence[Row]) -> str:
    """The command that makes the same rows."""
    study = plan.study
    arms = [arm for arm in study.arms if any(row["arm"] == arm for row in rows)]
    parts = [
        "bipedal study",
        study.name,
        f"--seeds {max(r['seed'] for r in rows) - FIRST_SEED + 1}",
    ]
    if plan.timesteps != study.timesteps:
        parts.append(f"--timesteps {plan.timesteps}")
    if arms != list(study.arms):
        parts.append("--arms " + " ".join(f"'{arm}'" for arm in arms))
    return " ".join(parts)
