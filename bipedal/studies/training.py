"""What trials have in common: train with PPO, score, thin out the learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.errors import UserError
from bipedal.evaluation.gait import GaitClass, Posture
from bipedal.evaluation.score import Evaluation, evaluate
from bipedal.policy import Policy, Statistics
from bipedal.seeds import FINAL_SEED
from bipedal.studies.study import Measure, Result, Row, Trial
from bipedal.tables import read_table
from bipedal.training_loop import train

CURVE_POINTS = 80
"""Most points of a learning curve that are kept."""
SHARE = (0.0, 1.0)
SCORE_MEASURES = (
    Measure("return", "return"),
    Measure("fall_rate", "falls, share", digits=2, bounds=SHARE),
    Measure("speed", "speed, m/s", digits=2),
)
"""Of a `score_row`."""
LASTING = 250
"""Timesteps, five seconds, that a robot keeps going before it is said to kneel."""


def budgeted(config: TrainConfig, timesteps: int, checkpoints: int | None = None) -> TrainConfig:
    """A configuration with a trial's budget, and without a closing score.

    With a number of `checkpoints` these stand at even places, the last one at the end; UserError if
    the budget has fewer iterations, or too few to divide them.
    """
    config = replace(config, total_timesteps=timesteps, final_episodes=0)
    if checkpoints is not None:
        config = replace(config, checkpoint_interval=-(-config.iterations // checkpoints))
        if -(-config.iterations // config.checkpoint_interval) != checkpoints:
            raise UserError(
                f"{timesteps} timesteps are {config.iterations} iterations, which cannot be "
                f"shared out among {checkpoints} phases: take a multiple of "
                f"{checkpoints * config.batch_size}"
            )
    return config


def train_in(trial: Trial, config: TrainConfig, name: str = "run") -> Path:
    """Train with the trial's seed; returns the run's directory, `name` in the trial's folder."""
    run_dir = trial.folder / name
    train(replace(config, seed=trial.seed), run_dir)
    return run_dir


def score(
    model: Policy, env_id: str, episodes: int, statistics: Statistics = "saved"
) -> Evaluation:
    """Score the greedy policy on the episodes that all studies share."""
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


def posture_row(evaluation: Evaluation, suffix: str = "") -> Row:
    """How a robot carries itself: whether it kneels in most episodes, and what that rests on.

    Shares of episodes and of time, the hull's height in m. A robot that falls within `LASTING`
    timesteps has no time to kneel, and counts as one that does not.
    """
    played = [(e.length, e.gait) for e in evaluation.episodes if e.gait is not None]
    kneel = [length >= LASTING and gait.posture is Posture.KNEELING for length, gait in played]
    lying = sum(length * gait.lying_share for length, gait in played)
    gait = evaluation.gait()
    return {
        f"kneels{suffix}": sum(kneel) > len(kneel) / 2,
        f"kneeling_share{suffix}": sum(kneel) / len(kneel),
        f"lying_share{suffix}": round(lying / sum(length for length, _ in played), 3),
        f"hull_height{suffix}": round(gait["hull_height"], 2),
        f"legwork{suffix}": gait["legwork"],
    }


def walks_or_runs(evaluation: Evaluation) -> bool:
    """Whether most episodes neither fall nor kneel, and come forward in real steps."""
    classes = evaluation.gait()["classes"]
    share: float = classes[GaitClass.WALKING.value] + classes[GaitClass.RUNNING.value]
    return share > 0.5


def learning_curve(run_dir: Path, table: str, column: str) -> list[Row]:
    """A column of a run's table against timesteps and seconds, thinned out."""
    rows = [row for row in read_table(run_dir / table) if row[column] is not None]
    step = -(-len(rows) // CURVE_POINTS) or 1
    return [
        {
            "timesteps": row["timesteps"],
            "seconds": float(row["time/elapsed"]),
            "return": round(float(row[column]), 2),
        }
        for row in rows[::-step][::-1]
    ]


def evaluation_curve(run_dirs: Sequence[Path]) -> list[Row]:
    """Greedy evaluations of runs of which each goes on from the one before."""
    curve: list[Row] = []
    timesteps, seconds = 0, 0.0
    for run_dir in run_dirs:
        curve += [
            {
                "timesteps": timesteps + point["timesteps"],
                "seconds": seconds + point["seconds"],
                "return": point["return"],
            }
            for point in learning_curve(run_dir, "evaluations.csv", "mean_return")
        ]
        last = read_table(run_dir / "metrics.csv")[-1]
        timesteps, seconds = timesteps + last["timesteps"], seconds + last["time/elapsed"]
    return curve


def train_and_score(trial: Trial, config: TrainConfig, episodes: int) -> Result:
    """Train; the score of the best model, and the greedy evaluations on the way as its curve."""
    run_dir = train_in(trial, config)
    curve = evaluation_curve([run_dir])
    return Result([score_row(score(load_model(run_dir), config.env_id, episodes))], curve)
