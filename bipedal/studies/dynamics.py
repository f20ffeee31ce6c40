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
    SHARE,
    budgeted,
    checkpoints,
    learning_curve,
    posture_row,
    score,
    score_row,
    train_in,
    walks_or_runs,
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
    """The notebook's values in 16 environments, with a checkpoint at the end of each phase.

    An iteration has the notebook's 2,048 samples. Minibatches of 256 instead of 64 and the batched
    engine make a trial three times as fast.
    """
    config = replace(
        SEED,
        num_envs=16,
        rollout_steps=128,
        minibatch_size=256,
        video_interval=0,
        evaluation_interval=0,
    )
    return budgeted(config, timesteps, PHASES)


def configure(_: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    return {"train": plain(config_of(timesteps)), "episodes": EPISODES}


def run(trial: Trial) -> Result:
    """Train as the notebook does; a row a phase."""
    config = config_of(trial.timesteps)
    run_dir = train_in(trial, config)
    metrics = read_table(run_dir / "metrics.csv")
    rows = []
    for phase, path in enumerate(checkpoints(run_dir)):
        part = metrics[len(metrics) * phase // PHASES : len(metrics) * (phase + 1) // PHASES]
        means = {name: _mean(part, column) for name, column in COLUMNS.items()}
        played = score(load_model(path), config.env_id, EPISODES)
        rows.append(
            {
                "condition": STUDY.conditions[phase],
                **means,
                **score_row(played),
                **posture_row(played),
                "walks_or_runs": walks_or_runs(played),
            }
        )
    return Result(rows, learning_curve(run_dir, "metrics.csv", "charts/episodic_return_mean"))


def _mean(rows: Sequence[Row], column: str) -> float | None:
    """Mean of a column where it has values; None where no episode ended."""
    values = [row[column] for row in rows if row[column] is not None]
    return round(float(np.mean(values)), 3) if values else None


STUDY = Study(
    name="dynamics",
    title="Dynamics: three million timesteps with the notebook's settings",
    claimed="The robot falls in the first million timesteps, kneels and crawls in the second and "
    "walks in the third, while its entropy falls slowly (the notebook, section 5.1).",
    method="The notebook's networks (256-256), learning rates, epochs, discount factor and noise "
    "over its 3M timesteps, in 16 environments of 128 steps with minibatches of 256 instead of "
    "one of 2048 with minibatches of 64. A phase is a fifth of the training. The training columns "
    "are means over its episodes; the others are the greedy policy at its end, in "
    f"{EPISODES} fresh episodes of Gymnasium's environment. A robot kneels if the posture of most "
    "of them is kneeling (docs/gait.md); one that ends within five seconds does not count.",
    arms=("notebook",),
    conditions=tuple(f"phase {phase + 1}" for phase in range(PHASES)),
    trial=run,
    configure=configure,
    timesteps=SEED.total_timesteps,
    seeds=8,
    measures=(
        Measure("training_return", "return in training"),
        Measure("return", "greedy return"),
        Measure("kneels", "kneels", "share"),
        Measure("lying_share", "a lower leg lies, share of time", digits=2, bounds=SHARE),
        Measure("walks_or_runs", "walks or runs", "share"),
        Measure("entropy", "entropy, nats"),
        Measure("std", "standard deviation", digits=3, bounds=(0.0, math.inf)),
    ),
    claims=(
        Claim("a lower leg lies more in the second million timesteps (phase 3) than at the end",
              "lying_share", more=("phase 3",), less=(f"phase {PHASES}",), paired=True),
        Claim("the greedy policy is better at the end than after the first fifth",
              "return", more=(f"phase {PHASES}",), less=("phase 1",), paired=True),
    ),
    classes=("gait",),
)  # fmt: skip
