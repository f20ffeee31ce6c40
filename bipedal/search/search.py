"""Search for better hyperparameters: candidates are proposed, trained with a few seeds, compared.

A candidate trains with the same seeds as all others, one after another, and is worth the mean over
them (`candidate.area`). After each seed it is given up if it is below the median of what others
were after as many. Candidate 0 is the preset as it is. Each is written down when it ends, so a
search that is cut off loses those that were running and no more.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bipedal.errors import RunFailedError, UserError
from bipedal.presets import check_start, get_preset
from bipedal.progress import console
from bipedal.run_directory import lock_run
from bipedal.search.candidate import CANDIDATE, describe
from bipedal.search.records import (
    Tried,
    best_of,
    open_records,
    write_best,
    write_table_of,
    write_tried,
)
from bipedal.search.space import DEFAULT_SPACE, Space, read_space
from bipedal.studies.configuration import fingerprint, settings_of
from bipedal.studies.executors import (
    Executor,
    TrialFailedError,
    jobs_that_fit,
    make_executor,
    run_all,
)
from bipedal.studies.study import Trial

if TYPE_CHECKING:
    from bipedal.search.proposals import Proposal, Proposals


@dataclass(frozen=True)
class Plan:
    """What a search is to do."""

    preset: str
    space: Space
    candidates: int
    """The preset itself included."""
    seeds: Sequence[int]
    timesteps: int
    """Of training, for each seed."""
    cores: int
    """Of each run."""
    out: Path

    def settings(self) -> dict[str, Any]:
        """All that decides what a candidate is worth, as plain values."""
        return {
            "seeds": list(self.seeds),
            "space": {name: vars(entry) for name, entry in self.space.items()},
            **settings_of(CANDIDATE, describe(self.preset, {}), self.timesteps, self.cores),
        }


def run_search(
    preset: str,
    out: Path,
    *,
    space: Path | None = None,
    candidates: int = 30,
    seeds: int = 4,
    first_seed: int = 0,
    timesteps: int = 2_000_000,
    jobs: int | None = None,
    cores: int = 1,
    address: str | None = None,
    resume: bool = False,
) -> Path:
    """Search, or do what of a search is left; returns the file with the best configuration.

    `space` is a file for `read_space`, by default `DEFAULT_SPACE`; None for `jobs` stands for as
    many as fit. Raises `UserError` for what cannot be asked, and `RunFailedError` if nothing could
    be trained.
    """
    if importlib.util.find_spec("optuna") is None:
        raise UserError("search needs Optuna: pip install 'bipedal-walker[search]'")
    check_start(get_preset(preset))
    plan = Plan(
        preset,
        DEFAULT_SPACE if space is None else read_space(space),
        candidates,
        range(first_seed, first_seed + seeds),
        timesteps,
        cores,
        out,
    )
    settings = plan.settings()  # refused before anything is written
    executor = make_executor(address, jobs_that_fit(cores) if jobs is None else jobs, cores)
    with contextlib.closing(executor):
        out.mkdir(parents=True, exist_ok=True)
        with lock_run(out):
            tried = open_records(out, settings, resume=resume)
            return _search(plan, tried, executor)


def _search(plan: Plan, tried: list[Tried], executor: Executor) -> Path:
    from bipedal.search.proposals import Proposals  # Optuna comes with it

    proposals = Proposals(get_preset(plan.preset), plan.space, tried)
    try:
        _try_all(plan, proposals, tried, executor)
    finally:
        if tried:
            write_table_of(plan.out, tried)
    best = best_of(tried)
    if best is None:
        raise RunFailedError(f"every candidate failed, the first with: {tried[0].error}")
    return write_best(plan.out, plan.preset, best)


def _try_all(plan: Plan, proposals: Proposals, tried: list[Tried], executor: Executor) -> None:
    """Try as many candidates as are left, several at once, and add them to `tried`."""

    def ended(one: Tried) -> None:
        tried.append(one)
        _say(f"[{len(tried)}/{plan.candidates}] {_in_words(one, tried)}")

    job = functools.partial(_try, plan, proposals, executor)
    run_all(executor, [job] * (plan.candidates - len(tried)), ended)


def _try(plan: Plan, proposals: Proposals, executor: Executor) -> Tried:
    """Draw a candidate, train it with one seed after another, and write down how it did."""
    proposal = proposals.draw()
    began = time.monotonic()
    areas: list[float] = []
    bests: list[float] = []
    status, error = "done", None
    try:
        for seed in plan.seeds:
            row = _train(plan, proposal, seed, executor)
            areas.append(row["area"])
            bests.append(row["best"])
            if len(areas) < len(plan.seeds) and proposals.is_hopeless(proposal, areas):
                status = "pruned"
                break
    except (TrialFailedError, UserError) as problem:  # UserError: values that do not go together
        status, error = "failed", str(problem)[:300]
    seconds = round(time.monotonic() - began, 1)
    tried = Tried(proposal.number, status, proposal.changes, areas, bests, seconds, error)
    write_tried(plan.out, tried)
    proposals.tell(proposal, tried)
    return tried


def _train(plan: Plan, proposal: Proposal, seed: int, executor: Executor) -> dict[str, Any]:
    """Train a candidate with one seed, wherever the executor does; returns its row."""
    arm = describe(plan.preset, proposal.changes)
    expected = fingerprint(settings_of(CANDIDATE, arm, plan.timesteps, plan.cores))
    folder = plan.out / "trials" / f"{proposal.number:05}" / str(seed)
    shutil.rmtree(folder, ignore_errors=True)  # of a candidate that was cut off
    folder.mkdir(parents=True)
    trial = Trial(arm, seed, plan.timesteps, folder.resolve(), plan.cores)
    result = executor.run(CANDIDATE.name, trial)
    if result["configuration"] != expected:
        raise TrialFailedError("it ran with other packages or source than the search began with")
    row: dict[str, Any] = result["rows"][0]
    return row


def _in_words(tried: Tried, all_of_them: Sequence[Tried]) -> str:
    """How a candidate did, beside the preset where that is done."""
    changes = ", ".join(f"{name} {_short(value)}" for name, value in tried.changes.items())
    what = changes or "the preset as it is"
    if tried.status == "failed":
        return f"failed, {tried.error}: {what}"
    if tried.status == "pruned":
        return f"given up after {len(tried.areas)} of its seeds: {what}"
    own = next((one.value for one in all_of_them if one.number == 0), None)
    beside = "" if own is None or tried.number == 0 else f" (the preset {own:.1f})"
    return f"{tried.value:.1f}{beside}: {what}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
