"""How does training with the notebook's own settings develop? (The notebook, 5.1.)"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.presets import SEED
from bipedal.studies.configuration import plain
from bipedal.studies.study import Claim, Measure, Result, Row, Study, Trial
from bipedal.studies.training import (
    budgeted,
    checkpoints,
    learning_curve,
    score,
    score_row,
    train_in,
)
from bipedal.tables import read_table

PHASES = 5
EPISODES = 20
COLUMNS = {
    "training_return": "charts/episodic_return",
    "entropy": "losses/entropy",
    "std": "charts/std",
    "falls_in_training": "charts/fall_rate",
}


def config_of(timesteps: int) -> TrainConfig:
    """The `seed` preset on our engine, with a checkpoint at the end of each phase."""
    config = replace(SEED, engine="warp", video_interval=0, evaluation_interval=0)
    return budgeted(config, timesteps, PHASES)


def configure(_: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    return {"train": plain(config_of(timesteps)), "episodes": EPISODES}


def run(trial: Trial) -> Result:
    """Train the `seed` preset; a row a phase."""
    config = config_of(trial.timesteps)
    run_dir = train_in(trial, config)
    metrics = read_table(run_dir / "metrics.csv")
    rows = []
    for phase, path in enumerate(checkpoints(run_dir)):
        part = metrics[len(metrics) * phase // PHASES : len(metrics) * (phase + 1) // PHASES]
        means = {name: _mean(part, column) for name, column in COLUMNS.items()}
        played = score(load_model(path), config.env_id, EPISODES)
        rows.append({"condition": STUDY.conditions[phase], **means, **score_row(played)})
    return Result(rows, learning_curve(run_dir, "metrics.csv", "charts/episodic_return_mean"))


def _mean(rows: Sequence[Row], column: str) -> float | None:
    """Mean of a column where it has values; None where no episode ended."""
    values = [row[column] for row in rows if row[column] is not None]
    return round(float(np.mean(values)), 3) if values else None


STUDY = Study(
    name="dynamics",
    title="Dynamics: three million steps with the notebook's settings",
    claimed="Within 3M timesteps the robot goes from falling over kneeling and shuffling to a "
    "stable walk, while its entropy falls slowly (the notebook, section 5.1).",
    method="The `seed` preset, every number of the notebook, in one environment of our engine, "
    "for its 3M timesteps. Means of the training episodes over each fifth of the training, and "
    f"the greedy policy at its end over {EPISODES} fresh episodes in Gymnasium's own environment.",
    arms=("seed preset",),
    conditions=tuple(f"phase {phase + 1}" for phase in range(PHASES)),
    trial=run,
    configure=configure,
    timesteps=SEED.total_timesteps,
    seeds=8,
    measures=(
        Measure("training_return", "return in training"),
        Measure("return", "greedy return"),
        Measure("entropy", "entropy, nats"),
        Measure("std", "standard deviation", digits=3, bounds=(0.0, math.inf)),
    ),
    claims=(
        Claim(
            "the greedy policy is better at the end than after the first fifth",
            "return",
            more=(f"phase {PHASES}",),
            less=("phase 1",),
            paired=True,
        ),
    ),
    classes=("gait",),
)
