"""Where a run goes that is not told where, and which one goes on."""

from __future__ import annotations

from pathlib import Path

from bipedal.config import TrainConfig
from bipedal.errors import UserError

RUNS = Path("runs")


def new_run_dir(config: TrainConfig) -> Path:
    """Name a new run after what it trains; a number is added if the name is taken."""
    config.validate()
    name = f"{config.env_id}-{config.preset}-seed{config.seed}"
    number, path = 1, RUNS / name
    while path.exists():
        number += 1
        path = RUNS / f"{name}-{number}"
    return path


def find_latest_run() -> Path:
    """Find the run under `runs/` that was written to last; UserError if there is none."""
    states = [*RUNS.glob("*/saved_models/resume.pt"), *RUNS.glob("*/config.json")]
    if not states:
        raise UserError("there is no run under runs/ to resume: give its --run-dir")
    latest = max(states, key=lambda path: path.stat().st_mtime)
    return latest.parents[1] if latest.name == "resume.pt" else latest.parent
