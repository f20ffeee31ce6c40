"""Run a study's trials, in local processes or on a Ray cluster, so that none is run twice.

Every trial has a folder with its `trial.json`: written whole when the trial has ended, well or
badly. A trial without one has not ended and starts over; so a study that is killed loses what was
running and no more. A trial that failed is reported with its error, and tried again when the study
is resumed; the number of attempts stays in its row. Where there are no such folders, as in a fresh
clone, a study that is resumed goes on from its published tables. Trials of different configurations
never stand in one table.
"""

from __future__ import annotations

import functools
import importlib.util
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bipedal.errors import RunFailedError, UserError
from bipedal.progress import console
from bipedal.run_directory import lock_run
from bipedal.studies import find_study
from bipedal.studies.configuration import Settings, fingerprint, git_commit, settings_of
from bipedal.studies.executors import (
    Executor,
    TrialFailedError,
    jobs_that_fit,
    make_executor,
    run_all,
)
from bipedal.studies.page import write_page
from bipedal.studies.records import (
    Folders,
    check_same,
    collect,
    find_records,
    folder_of,
    folders_of,
    has_tables,
    is_done,
    published_records,
    read_published,
    read_record,
    write_record,
)
from bipedal.studies.study import FIRST_SEED, Row, Study, Trial


@dataclass(frozen=True)
class Plan:
    """Which trials a study is to have, and where."""

    study: Study
    folders: Folders
    arms: Sequence[str]
    seeds: int
    timesteps: int
    first_seed: int = FIRST_SEED
    cores: int = 1
    """Of each trial."""

    @cached_property
    def settings(self) -> Mapping[str, Settings]:
        """Full configuration by arm, for all arms of the study."""
        return {
            arm: settings_of(self.study, arm, self.timesteps, self.cores) for arm in self.study.arms
        }

    def trials(self) -> Iterator[Trial]:
        """All of them, seed by seed, so that an unfinished study has whole seeds."""
        for seed in range(self.first_seed, self.first_seed + self.seeds):
            for arm in self.arms:
                folder = folder_of(self.folders, arm, seed)
                yield Trial(arm, seed, self.timesteps, folder, self.cores)


@contextmanager
def open_plan(plan: Plan, *, resume: bool) -> Iterator[None]:
    """Hold the study's folder; `UserError` if it has trials that cannot be gone on with."""
    folders, settings = plan.folders, plan.settings  # refused before anything is written
    folders.trials.mkdir(parents=True, exist_ok=True)
    with lock_run(folders.trials):
        records, where = find_records(plan.study, folders), folders.trials
        adopted = not records and has_tables(folders)
        if not resume and (records or adopted):
            raise UserError(
                f"{where if records else folders.page} already holds trials: add --resume to go on "
                "with them, or choose another --out"
            )
        if adopted:
            records, where = published_records(folders), folders.page
        check_same(records, settings, where)
        if adopted:
            for trial, record in records:
                trial.folder.mkdir(parents=True, exist_ok=True)
                write_record(trial, record)
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

    def settle(trial: Trial) -> str:
        return f"{trial.arm}, seed {trial.seed}: {_settle(plan, trial, executor)}"

    def ended(how: str) -> None:
        nonlocal done
        done += 1
        say(f"[{done}/{total}] {how}")

    run_all(executor, [functools.partial(settle, trial) for trial in waiting], ended)


def _settle(plan: Plan, trial: Trial, executor: Executor) -> str:
    """Run a trial and write down how it ended; returns that in a few words."""
    settings = plan.settings[trial.arm]
    record = {
        "attempts": read_record(trial).get("attempts", 0) + 1,
        "configuration": fingerprint(settings),
        "commit": git_commit(),
        "settings": settings,
    }
    shutil.rmtree(trial.folder, ignore_errors=True)
    trial.folder.mkdir(parents=True)
    write_record(trial, {**record, "status": "running"})
    try:
        result = executor.run(plan.study.name, trial)
        if result["configuration"] != record["configuration"]:  # on a cluster, or edited meanwhile
            raise TrialFailedError("it ran with other packages or source than the study began with")
    except TrialFailedError as error:
        write_record(trial, {**record, "status": "failed", "error": str(error)[:300]})
        return f"failed, {error}"
    write_record(trial, {**record, "status": "done", **result})
    return f"{result['seconds']:.0f} s"


def run_study(
    name: str,
    *,
    out: Path | None = None,
    seeds: int | None = None,
    first_seed: int = FIRST_SEED,
    jobs: int | None = None,
    cores: int = 1,
    resume: bool = False,
    address: str | None = None,
    timesteps: int | None = None,
    arms: Sequence[str] = (),
) -> Path:
    """Run a study, or what of it is left, and write its tables and page; returns the page.

    None and empty stand for the study's own numbers, and for as many jobs as have their cores.
    Raises `UserError` for what cannot be asked.
    """
    study = find_study(name)
    if not study.arms:
        raise UserError(f"{name} is no study: see bipedal {name} --help")
    _need(name, "scipy", *study.requires)
    plan = Plan(
        study,
        folders_of(name, out),
        arms=arms or study.arms,
        seeds=study.seeds if seeds is None else seeds,
        timesteps=study.timesteps if timesteps is None else timesteps,
        first_seed=first_seed,
        cores=cores,
    )
    jobs = jobs_that_fit(cores) if jobs is None else jobs
    _check(plan, jobs)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    executor = make_executor(address, jobs, cores)
    try:
        with open_plan(plan, resume=resume):
            try:
                run_plan(plan, executor, say)
            finally:
                found = collect(study, plan.folders)
                if found.rows:
                    made = {"command": _command(plan, found.rows)}
                    page = write_page(study, plan.folders.page, found, made)
    finally:
        executor.close()
    if all(row["status"] == "failed" for row in found.rows):
        raise RunFailedError(f"every trial failed, the first with: {found.rows[0]['error']}")
    return page


def rewrite_page(name: str, out: Path | None = None) -> Path:
    """Make the page, summary and figures anew from a study's tables; returns the page."""
    study, folders = find_study(name), folders_of(name, out)
    _need(name, "scipy")
    found, summary = read_published(folders)
    made = {key: value for key, value in summary.items() if key in ("command", "facts")}
    return write_page(study, folders.page, found, made)


def _need(name: str, *modules: str) -> None:
    """`UserError` if a module is missing that the package itself does without."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise UserError(f"{name} needs {module}: pip install 'bipedal-walker[studies]'")


def _check(plan: Plan, jobs: int) -> None:
    """`UserError` for numbers and arms that cannot be asked for."""
    numbers = {"seeds": plan.seeds, "timesteps": plan.timesteps, "jobs": jobs, "cores": plan.cores}
    for option, value in numbers.items():
        if value < 1:
            raise UserError(f"--{option} must be at least 1, not {value}")
    if plan.first_seed < 0:
        raise UserError(f"--first-seed must be 0 or more, not {plan.first_seed}")
    for arm in plan.arms:
        if arm not in plan.study.arms:
            arms = "; ".join(plan.study.arms)
            raise UserError(f"{plan.study.name} has no arm {arm!r}: they are {arms}")


def _command(plan: Plan, rows: Sequence[Row]) -> str:
    """The command that makes the same rows."""
    study = plan.study
    arms = [arm for arm in study.arms if any(row["arm"] == arm for row in rows)]
    seeds = [row["seed"] for row in rows]
    parts = ["bipedal study", study.name, f"--seeds {max(seeds) - min(seeds) + 1}"]
    if min(seeds) != FIRST_SEED:
        parts.append(f"--first-seed {min(seeds)}")
    if plan.timesteps != study.timesteps:
        parts.append(f"--timesteps {plan.timesteps}")
    if plan.cores != 1:
        parts.append(f"--cores {plan.cores}")
    if arms != list(study.arms):
        parts.append(f"--arms {shlex.join(arms)}")
    return " ".join(parts)
