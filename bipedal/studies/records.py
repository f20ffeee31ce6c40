"""What is written down of a study's trials, from their folders to tables and back.

A trial's folder is runs/studies/NAME/ARM/SEED, its record the `trial.json` there: its status, the
number of attempts and, when it has ended, its seconds, rows and curve, or its error.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bipedal.errors import RunFailedError
from bipedal.files import atomic_write
from bipedal.studies.page import RESULTS
from bipedal.studies.study import Row, Study, Trial
from bipedal.tables import read_table

RUNS = Path("runs/studies")
COMMON = ("arm", "seed", "status")
ENDING = ("attempts", "seconds", "error")
"""Columns of a row that are its trial's."""
Facts = Mapping[str, Any]
"""What trials must have in common to stand in one table."""


def folder_of(study: Study) -> Path:
    """Where a study's trials are kept."""
    return RUNS / study.name


def trial_of(study: Study, arm: str, seed: int, timesteps: int) -> Trial:
    """A trial and its folder."""
    return Trial(arm, seed, timesteps, folder_of(study) / arm / str(seed))


def write_record(trial: Trial, record: dict[str, Any]) -> None:
    """Write it whole or not at all."""
    atomic_write((trial.folder / "trial.json", json.dumps(record).encode()))


def read_record(trial: Trial) -> dict[str, Any]:
    """What is known of a trial; nothing if it was never begun."""
    try:
        record: dict[str, Any] = json.loads((trial.folder / "trial.json").read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise RunFailedError(f"{trial.folder / 'trial.json'} is damaged: remove it") from None
    return record


def is_done(trial: Trial) -> bool:
    """Whether it has ended well."""
    return read_record(trial).get("status") == "done"


def adopt_published(study: Study, facts: Facts) -> None:
    """Take over the trials of the study's published tables, if those have these facts."""
    published = RESULTS / study.name
    try:
        summary = json.loads((published / "summary.json").read_text())
        rows = read_table(published / "trials.csv")
        curves = published / "curves.csv"
        points = read_table(curves) if curves.exists() else []
    except FileNotFoundError:
        return
    if summary["facts"] != facts:
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
        trial = trial_of(study, arm, seed, facts["timesteps"])
        trial.folder.mkdir(parents=True, exist_ok=True)
        write_record(trial, record)


def _without(row: Row, names: Sequence[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def collect(study: Study) -> tuple[list[Row], list[Row]]:
    """Rows of all trials that have ended, the failed ones too, and points of their curves.

    Those of earlier calls with other arms or seeds are among them.
    """
    rows: list[Row] = []
    points: list[Row] = []
    folders = folder_of(study).glob("*/*")
    seeds = sorted({int(path.name) for path in folders if path.name.isdecimal()})
    for seed, arm in itertools.product(seeds, study.arms):
        trial = trial_of(study, arm, seed, timesteps=0)
        record = read_record(trial)
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
