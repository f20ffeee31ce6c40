"""What is written down of a study's trials, from their folders to tables and back.

A trial's folder is ARM/SEED below the study's, its record the `trial.json` there: its status, the
number of attempts, the configuration and commit it was run with and, when it has ended, its
seconds, rows and curve, or its error.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bipedal.errors import RunFailedError, UserError
from bipedal.files import atomic_write, read_file
from bipedal.studies.configuration import Settings, describe_difference, fingerprint
from bipedal.studies.study import Row, Study, Trial
from bipedal.tables import read_table

COMMON = ("arm", "seed", "status")
ENDING = ("attempts", "seconds", "configuration", "commit", "error")
"""Columns of a row that are its trial's."""
PROJECT = Path(__file__).parents[2]
MAX_RECORD_BYTES = 1 << 24
"""Of a study's JSON files."""
Record = dict[str, Any]


class Folders(NamedTuple):
    """Where a study writes."""

    page: Path
    """Tables, figures, page."""
    trials: Path
    """ARM/SEED of each trial."""


def folders_of(name: str, out: Path | None = None) -> Folders:
    """All below `out`; without one, in the project's own checkout results/studies/NAME, which is
    published, and runs/studies/NAME; anywhere else runs/studies/NAME alone.
    """
    runs = Path("runs/studies") / name
    if out is not None:
        return Folders(out, out / "trials")
    if (PROJECT / "pyproject.toml").exists() and Path.cwd().resolve() == PROJECT.resolve():
        return Folders(Path("results/studies") / name, runs)
    return Folders(runs, runs / "trials")


class Collected(NamedTuple):
    """All trials of a study that have ended, the failed ones too."""

    rows: list[Row]
    points: list[Row]
    """Of their curves."""
    settings: dict[str, Settings]
    """Full configurations by their hash."""


def folder_of(folders: Folders, arm: str, seed: int) -> Path:
    """A trial's folder."""
    return folders.trials / arm / str(seed)


def write_record(trial: Trial, record: Record) -> None:
    """Write it whole or not at all."""
    atomic_write((trial.folder / "trial.json", json.dumps(record).encode()))


def read_record(trial: Trial) -> Record:
    """What is known of a trial; nothing if it was never begun."""
    path = trial.folder / "trial.json"
    if not path.exists():
        return {}
    try:
        record: Record = json.loads(read_file(path, MAX_RECORD_BYTES))
    except ValueError:
        raise RunFailedError(f"{path} is damaged: remove it") from None
    return record


def is_done(trial: Trial) -> bool:
    """Whether it has ended well."""
    return read_record(trial).get("status") == "done"


def find_records(study: Study, folders: Folders) -> list[tuple[Trial, Record]]:
    """Every trial that was begun, seed by seed; those of earlier calls are among them."""
    paths = folders.trials.glob("*/*")
    seeds = sorted({int(path.name) for path in paths if path.name.isdecimal()})
    trials = [
        Trial(arm, seed, 0, folder_of(folders, arm, seed))
        for seed, arm in itertools.product(seeds, study.arms)
    ]
    return [(trial, record) for trial in trials if (record := read_record(trial))]


def collect(study: Study, folders: Folders) -> Collected:
    """Gather the trials that have ended."""
    found = Collected([], [], {})
    for trial, record in find_records(study, folders):
        if record["status"] not in ("done", "failed"):
            continue
        common = dict(zip(COMMON, (trial.arm, trial.seed, record["status"]), strict=True))
        more = {name: record[name] for name in ENDING if name in record}
        rows = record.get("rows") or [
            {"condition": name} for name in study.conditions or (trial.arm,)
        ]
        found.rows.extend({**common, **row, **more} for row in rows)
        found.points.extend(
            {"arm": trial.arm, "seed": trial.seed, **point} for point in record.get("curve", ())
        )
        found.settings[record["configuration"]] = record["settings"]
    return found


# Published tables ---------------------------------------------------------------------------------


def has_tables(folders: Folders) -> bool:
    """Whether tables were published."""
    return (folders.page / "trials.csv").exists()


def read_published(folders: Folders) -> tuple[Collected, dict[str, Any]]:
    """The published tables and summary; `UserError` if there are none."""
    if not has_tables(folders):
        raise UserError(f"{folders.page} holds no tables of a study: give the --out of one")
    curves, settings = folders.page / "curves.csv", folders.page / "configurations.json"
    found = Collected(
        list(read_table(folders.page / "trials.csv")),
        list(read_table(curves)) if curves.exists() else [],
        json.loads(read_file(settings, MAX_RECORD_BYTES)) if settings.exists() else {},
    )
    return found, json.loads(read_file(folders.page / "summary.json", MAX_RECORD_BYTES))


def published_records(folders: Folders) -> list[tuple[Trial, Record]]:
    """Records of the trials in the published tables, for a study whose folders are gone."""
    (rows, points, settings), _ = read_published(folders)
    found = []
    for arm, seed in dict.fromkeys((row["arm"], row["seed"]) for row in rows):
        own = [row for row in rows if (row["arm"], row["seed"]) == (arm, seed)]
        record: Record = {"status": own[0]["status"]}
        record |= {name: own[0][name] for name in ENDING if own[0].get(name) is not None}
        if record.get("configuration") in settings:
            record["settings"] = settings[record["configuration"]]
        if record["status"] == "done":
            record["rows"] = [_without(row, (*COMMON, *ENDING)) for row in own]
            record["curve"] = [
                _without(point, ("arm", "seed"))
                for point in points
                if (point["arm"], point["seed"]) == (arm, seed)
            ]
        found.append((Trial(arm, seed, 0, folder_of(folders, arm, seed)), record))
    return found


def _without(row: Row, names: Sequence[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def check_same(
    records: Sequence[tuple[Trial, Record]], settings: Mapping[str, Settings], where: Path
) -> None:
    """`UserError` if a trial was run with another configuration than its arm has now.

    So it is if nobody knows with which: before configurations were recorded.
    """
    for trial, record in records:
        if "settings" not in record:
            raise UserError(
                f"{where} does not say with which configuration its trials were run, so new ones "
                "cannot be added: choose another --out, or remove it"
            )
        now = settings.get(trial.arm, {})
        if record["configuration"] != fingerprint(now):
            difference = describe_difference(record["settings"], now)
            raise UserError(
                f"{where} holds trials of another configuration ({trial.arm}: {difference}), which "
                "cannot be mixed with new ones: choose another --out, or remove it"
            )
