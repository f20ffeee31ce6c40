"""What a run directory holds, read without insisting that the run has come far."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Table = dict[str, np.ndarray]
"""Columns of a CSV file: float64 with NaN for an empty cell; str for `gait/class`."""

Json = Mapping[str, Any]


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
        import gymnasium

        try:
            return gymnasium.spec(str(self.settings.get("env_id", ""))).reward_threshold
        except gymnasium.error.Error:
            return None


def read_run(run_dir: Path) -> Run:
    """Read the files of a run, even while it is being written."""
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
    cells are left out. A missing file reads as one with no columns.
    """
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace").replace("\0", "")
    complete = text[: text.rfind("\n") + 1]
    rows = list(csv.reader(io.StringIO(complete)))
    if not rows:
        return {}
    header = rows[0]
    cells = [row for row in rows[1:] if len(row) == len(header)]
    columns = zip(*cells, strict=True) if cells else ([] for _ in header)
    return {name: _column(name, list(column)) for name, column in zip(header, columns, strict=True)}


def _column(name: str, cells: Sequence[str]) -> np.ndarray:
    """Cells of one column as an array: text for a class, else numbers with NaN for no number."""
    if name.endswith("/class"):
        return np.array(cells, dtype=np.str_)
    return np.array([_number(cell) for cell in cells], dtype=np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file; a missing or broken file reads as empty."""
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
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
    return float(values[-1]) if values.size else float("nan")
