"""What a run directory holds, read without insisting that the run has come far.

Somebody else may have written these files: they are regular files of limited size, and whatever
stands in them reads as something that can be shown, or as nothing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bipedal.files import read_file
from bipedal.tables import Columns, read_columns
from bipedal.walker import ENV_IDS, REWARD_THRESHOLD

Json = Mapping[str, Any]

MAX_JSON_BYTES = 2**20


@dataclass(frozen=True)
class Run:
    """Everything a report says of a run; what it does not have yet is empty."""

    name: str
    config: Json
    """config.json: {"config": {...}, "versions": {...}, "hardware": {...}}"""
    metrics: Columns
    evaluations: Columns
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
        # In UTF-8, as the page is, whatever the system's locale: some byte may be no text at all.
        name=os.fsencode(run_dir.resolve().name).decode(errors="replace"),
        config={key: value for key, value in config.items() if isinstance(value, dict)},
        metrics=read_columns(run_dir / "metrics.csv"),
        evaluations=read_columns(run_dir / "evaluations.csv"),
        score=_read_json(run_dir / "score.json"),
    )


def _read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file; a missing or damaged file reads as empty."""
    if not path.exists():
        return {}
    try:
        contents = json.loads(read_file(path, MAX_JSON_BYTES))
    except (ValueError, RecursionError):
        return {}
    return contents if isinstance(contents, dict) else {}


def points(columns: Columns, y: str, x: str = "timesteps") -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in which both columns have a number: x in millions of timesteps, y as is."""
    if x not in columns or y not in columns:
        return np.empty(0), np.empty(0)
    known = np.isfinite(columns[x]) & np.isfinite(columns[y])
    return columns[x][known] / 1e6, columns[y][known]


def last(columns: Columns, column: str) -> float:
    """Last number in a column; NaN where there is none."""
    _, values = points(columns, column)
    return float(values[-1]) if values.size else math.nan
