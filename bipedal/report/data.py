"""What a run directory holds, read without insisting that the run has come far.

Somebody else may have written these files: they are regular files of limited size, and whatever
stands in them reads as something that can be shown, or as nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bipedal.errors import UserError
from bipedal.files import read_file
from bipedal.walker import ENV_IDS, REWARD_THRESHOLD

Table = dict[str, np.ndarray]
"""Columns of a CSV file: float64 with NaN for an empty cell; str for `gait/class`."""

Json = Mapping[str, Any]

MAX_TABLE_BYTES = 32 * 2**20
"""A hundred times the metrics of a long run."""
MAX_COLUMNS = 1000
MAX_JSON_BYTES = 2**20
MAX_NUMBER = 1e15
"""Beyond it a number is damage, and the axis of a figure could not hold it."""


@dataclass(frozen=True)
class Run:
    """Everything a report says of a run; what it does not have yet is empty."""

    name: str
    config: Json
    """config.json: {"config": {...}, "versions": {...}, "hardware": {...}}"""
    metrics: Table
    evaluations: Table
    score: Json
    """score.json: what `bipedal evaluate --json` says of the finished run's best model."""

    @property
    def settings(self) -> Json:
        """Hyperparameters of the run."""
        settings: Json = self.config.get("config", {})
        return settings

    @property
    def reward_threshold(self) -> float | None:
        """Mean return at which Gymnasium calls the environment solved."""
        env_id = self.settings.get("env_id")
        return REWARD_THRESHOLD if env_id in ENV_IDS else None


def read_run(run_dir: Path) -> Run:
    """Read the files of a run, even while it is being written.

    Raises:
        UserError: a file is there but cannot be read: a device, a pipe, or far too large.
    """
    config = _read_json(run_dir / "config.json")
    return Run(
        name=run_dir.resolve().name,
        config={key: value for key, value in config.items() if isinstance(value, dict)},
        metrics=read_table(run_dir / "metrics.csv"),
        evaluations=read_table(run_dir / "evaluations.csv"),
        score=_read_json(run_dir / "score.json"),
    )


def read_table(path: Path) -> Table:
    """Read a CSV file of a run, even one that is being written: each column by its name.

    A last line torn in the middle of its writing (no line end) and lines with too few or too many
    cells are left out; of two columns with one name the first counts. A missing file reads as one
    with no columns.

    Raises:
        UserError: the file cannot be read, or is no table of a run.
    """
    if not path.exists():
        return {}
    text = read_file(path, MAX_TABLE_BYTES).decode("utf-8-sig", errors="replace")
    # Nothing in these tables is quoted. Without quotes a line is a row whatever stands in it.
    lines = text.replace("\0", "").replace("\r", "").split("\n")[:-1]
    if not lines:
        return {}
    header = lines[0].split(",")
    if len(header) > MAX_COLUMNS:
        raise UserError(f"{path} is not the table of a run: it has {len(header)} columns")
    rows = [cells for cells in (line.split(",") for line in lines[1:]) if len(cells) == len(header)]
    table: Table = {}
    for index, name in enumerate(header):
        table.setdefault(name, _column(name, [row[index] for row in rows]))
    return table


def _column(name: str, cells: Sequence[str]) -> np.ndarray:
    """Cells of one column as an array: text for a class, else numbers with NaN for no number."""
    if name.endswith("/class"):
        return np.array([cell[:40] for cell in cells], dtype=np.str_)
    return np.array([_number(cell) for cell in cells], dtype=np.float64)


def _number(cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        return math.nan
    return number if abs(number) <= MAX_NUMBER else math.nan


def _read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file; a missing or damaged file reads as empty."""
    if not path.exists():
        return {}
    try:
        contents = json.loads(read_file(path, MAX_JSON_BYTES))
    except (ValueError, RecursionError):
        return {}
    return contents if isinstance(contents, dict) else {}


def points(table: Table, y: str, x: str = "timesteps") -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in which both columns have a number: x in millions of timesteps, y as is."""
    if x not in table or y not in table:
        return np.empty(0), np.empty(0)
    known = np.isfinite(table[x]) & np.isfinite(table[y])
    return table[x][known] / 1e6, table[y][known]


def last(table: Table, column: str) -> float:
    """Last number in a column; NaN where there is none."""
    _, values = points(table, column)
    return float(values[-1]) if values.size else math.nan
