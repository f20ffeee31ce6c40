"""What trials have in common: train with PPO, score in Gymnasium, thin out the learning curve."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.errors import UserError
from bipedal.evaluation.score import Evaluation, evaluate
from bipedal.policy import Policy, Statistics
from bipedal.seeds import FINAL_SEED
from bipedal.studies.study import Measure, Result, Row, Trial
from bipedal.train import train

CURVE_POINTS = 80
"""Most points of a learning curve that are kept."""
SCORE_MEASURES = (
    Measure("return", "return"),
    Measure("fall_rate", "falls, share", digits=2),
    Measure("speed", "speed, m/s", digits=2),
)
"""Of a `score_row`."""


def train_in(trial: Trial, config: TrainConfig, checkpoints: int | None = None) -> Path:
    """Train with the trial's seed and budget; returns the run's directory.

    With a number of `checkpoints` these stand at even places, the last one at the end; UserError if
    the budget has fewer iterations, or too few to divide them.
    """
    run_dir = trial.folder / "run"
    config = replace(config, seed=trial.seed, total_timesteps=trial.timesteps, final_episodes=0)
    if checkpoints is not None:
        config = replace(config, checkpoint_interval=-(-config.iterations // checkpoints))
        if -(-config.iterations // config.checkpoint_interval) != checkpoints:
            raise UserError(
                f"{trial.timesteps} timesteps are {config.iterations} iterations, which cannot be "
                f"shared out among {checkpoints} phases: take a multiple of "
                f"{checkpoints * config.batch_size}"
            )
    train(config, run_dir)
    return run_dir


def score(
    model: Policy, env_id: str, episodes: int, statistics: Statistics = "saved"
) -> Evaluation:
    """Greedy episodes in Gymnasium's own environment, in this process."""
    return evaluate(model, env_id, episodes=episodes, seed=FINAL_SEED, statistics=statistics)


def checkpoints(run_dir: Path) -> list[Path]:
    """Numbered checkpoints of a run, in order."""
    found = (run_dir / "saved_models").glob("checkpoint_*.pth")
    return sorted(found, key=lambda path: int(path.stem.split("_")[1]))


def score_row(evaluation: Evaluation, prefix: str = "") -> Row:
    """The columns that a trial's row has of a score."""
    summary = evaluation.summary()
    return {
        f"{prefix}return": round(summary["mean_return"], 2),
        f"{prefix}fall_rate": summary["fall_rate"],
        f"{prefix}speed": round(summary["mean_speed"], 3),
        f"{prefix}gait": evaluation.gait()["class"],
    }


def learning_curve(run_dir: Path, table: str, column: str) -> Sequence[Row]:
    """A column of a run's table against timesteps and seconds, thinned out."""
    with open(run_dir / table, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[column]]
    step = -(-len(rows) // CURVE_POINTS) or 1
    return [
        {
            "timesteps": int(row["timesteps"]),
            "seconds": float(row["time/elapsed"]),
            "return": round(float(row[column]), 2),
        }
        for row in rows[::-step][::-1]
    ]


def train_and_score(trial: Trial, config: TrainConfig, episodes: int) -> Result:
    """Train; the score of the best model, and the greedy evaluations on the way as its curve."""
    run_dir = train_in(trial, config)
    curve = learning_curve(run_dir, "evaluations.csv", "mean_return")
    return Result([score_row(score(load_model(run_dir), config.env_id, episodes))], curve)
