"""How does training with the notebook's own settings develop? (The notebook, 5.1.)"""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np

from bipedal.checkpoint import load_model
from bipedal.presets import SEED
from bipedal.studies.study import Claim, Measure, Result, Study, Trial
from bipedal.studies.training import checkpoints, learning_curve, score, score_row, train_in

PHASES = 5
EPISODES = 20
COLUMNS = {
    "training_return": "charts/episodic_return",
    "entropy": "losses/entropy",
    "std": "charts/std",
    "falls_in_training": "charts/fall_rate",
}


def run(trial: Trial) -> Result:
    """Train the `seed` preset; a row a phase."""
    config = replace(SEED, engine="warp", video_interval=0, evaluation_interval=0)
    run_dir = train_in(trial, config, checkpoints=PHASES)
    with open(run_dir / "metrics.csv", newline="") as file:
        metrics = list(csv.DictReader(file))
    rows = []
    for phase, path in enumerate(checkpoints(run_dir)):
        part = metrics[len(metrics) * phase // PHASES : len(metrics) * (phase + 1) // PHASES]
        means = {
            name: round(float(np.mean([float(row[column]) for row in part if row[column]])), 3)
            for name, column in COLUMNS.items()
        }
        played = score(load_model(path), config.env_id, EPISODES)
        rows.append({"condition": STUDY.conditions[phase], **means, **score_row(played)})
    return Result(rows, learning_curve(run_dir, "metrics.csv", "charts/episodic_return_mean"))


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
    timesteps=SEED.total_timesteps,
    seeds=4,
    measures=(
        Measure("training_return", "return in training"),
        Measure("return", "greedy return"),
        Measure("entropy", "entropy, nats"),
        Measure("std", "standard deviation", digits=3),
    ),
    claims=(
        Claim(
            "the greedy policy is better at the end than after the first fifth",
            "return",
            more=(f"phase {PHASES}",),
            less=("phase 1",),
        ),
    ),
    classes=("gait",),
)
