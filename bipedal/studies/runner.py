"""Run a study's trials, in local processes or on a Ray cluster, so that none is run twice.

Under runs/studies/NAME/ every trial has a folder ARM/SEED with its `trial.json`: written whole when
the trial has ended, well or badly. A trial without one has not ended and starts over; so a study
that is killed loses what was running and no more. A trial that failed is reported with its error,
and tried again when the study is resumed; the number of attempts stays in its row. Where there is
no such folder, as in a fresh clone, a study that is resumed goes on from its published tables.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bipedal.errors import RunFailedError, UserError
from bipedal.files import atomic_write
from bipedal.processes import usable_cores
from bipedal.progress import console
from bipedal.run_directory import lock_run
from bipedal.studies import find_study
from bipedal.studies.executors import Executor, LocalExecutor, RayExecutor, TrialFailedError
from bipedal.studies.page import write_page
from bipedal.studies.records import (
    Facts,
    adopt_published,
    collect,
    folder_of,
    is_done,
    read_record,
    trial_of,
    write_record,
)
from bipedal.studies.study import FIRST_SEED, Row, Study, Trial


@dataclass(frozen=True)
class Plan:
    """Which trials a study is to have."""

    study: Study
    arms: Sequence[str]
    seeds: int
    timesteps: int

    @property
    def facts(self) -> Facts:
        """What trials must have in common to stand in one table."""
        return {"timesteps": self.timesteps, "bipedal": version("bipedal")}

    def trials(self) -> Iterator[Trial]:
        """All of them, seed by seed, so that an unfinished study has whole seeds."""
        for seed in range(FIRST_SEED, FIRST_SEED + self.seeds):
            for arm in self.arms:
                yield trial_of(self.study, arm, seed, self.timesteps)


@contextmanager
def open_plan(plan: Plan, *, resume: bool) -> Iterator[None]:
    """Hold the study's folder; `UserError` if it holds other trials, or some and no `resume`."""
    facts, folder = plan.facts, folder_of(plan.study)
    path = folder / "study.json"
    folder.mkdir(parents=True, exist_ok=True)
    with lock_run(folder):
        if not path.exists():
            if resume:
                adopt_published(plan.study, facts)
            atomic_write((path, json.dumps(facts).encode()))
        elif not resume:
            raise UserError(
                f"{folder} already holds trials: add --resume to go on with them, or remove it"
            )
        elif json.loads(path.read_text()) != facts:
            raise UserError(
                f"{folder} holds trials of {path.read_text()}, which cannot be mixed with "
                f"{json.dumps(facts)}: remove it to begin anew"
            )
        yield


def run_plan(
    plan: Plan, executor: Executor, say: Callable[[str], None] = lambda text: None
) -> None:
    """Run all trials that have not ended well yet; `say` hears of each one that ends."""
    waiting = [trial for trial in plan.trials() if not is_done(trial)]
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
    attempts = read_record(trial).get("attempts", 0) + 1
    shutil.rmtree(trial.folder, ignore_errors=True)
    trial.folder.mkdir(parents=True)
    write_record(trial, {"status": "running", "attempts": attempts})
    try:
        result = executor.run(name, trial)
    except TrialFailedError as error:
        write_record(trial, {"status": "failed", "attempts": attempts, "error": str(error)[:300]})
        return f"failed, {error}"
    write_record(trial, {"status": "done", "attempts": attempts, **result})
    return f"{result['seconds']:.0f} s"


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
