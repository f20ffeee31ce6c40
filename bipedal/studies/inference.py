"""Do missing statistics ruin inference? (The notebook, 4.3.)"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.policy import Policy, Statistics
from bipedal.presets import DEFAULT
from bipedal.studies.configuration import plain, pretrained_digest
from bipedal.studies.study import Claim, Measure, Result, Study, Trial
from bipedal.studies.training import SHARE, budgeted, checkpoints, score, score_row, train_in

EPISODES = 50
SAVED, MISSING, FRESH = "saved with the model", "none", "fresh, estimated on the way"
EARLY, OTHER = "of a checkpoint before it", "of another run (pretrained:walker)"


def config_of(timesteps: int) -> TrainConfig:
    """The `default` preset with an early checkpoint."""
    return budgeted(replace(DEFAULT, checkpoint_interval=25), timesteps)


def configure(_: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    other = {"other_sha256": pretrained_digest("walker")}
    return {"train": plain(config_of(timesteps)), "episodes": EPISODES, **other}


def run(trial: Trial) -> Result:
    """Train until solved, then play the best model with five kinds of statistics."""
    config = config_of(trial.timesteps)
    run_dir = train_in(trial, config)
    model = load_model(run_dir)

    def seen_through(other: Policy) -> Policy:
        return model.with_normalizer(other.normalizer)

    tried: list[tuple[str, Policy, Statistics]] = [
        (SAVED, model, "saved"),
        (MISSING, model, "none"),
        (FRESH, model, "fresh"),
        (EARLY, seen_through(load_model(checkpoints(run_dir)[0])), "saved"),
        (OTHER, seen_through(load_model("pretrained:walker")), "saved"),
    ]
    rows = []
    for condition, changed, statistics in tried:
        played = score(changed, config.env_id, EPISODES, statistics)
        rows.append({"condition": condition, **score_row(played)})
    return Result(rows)


STUDY = Study(
    name="statistics",
    title="Statistics: inference with saved, missing, fresh and foreign ones",
    claimed="A policy that is shown observations without the statistics it was trained with "
    "fails; they must be saved with every model (the notebook, section 4.3).",
    method="The `default` preset until solved. Its best model then plays "
    f"{EPISODES} fresh episodes of Gymnasium's own environment with each kind of statistics: its "
    "own; none (raw observations, clipped to ±10); new ones that begin with each episode, as a "
    "new wrapper makes them; its own after the first 25 iterations (205k timesteps); those of "
    "pretrained:walker, another run.",
    arms=("default preset",),
    conditions=(SAVED, MISSING, FRESH, EARLY, OTHER),
    trial=run,
    configure=configure,
    timesteps=DEFAULT.total_timesteps,
    seeds=10,
    measures=(
        Measure("return", "return"),
        Measure("fall_rate", "falls, share", digits=2, bounds=SHARE),
    ),
    claims=tuple(
        Claim(f"statistics {other} are worse than those saved with the model", "return",
              more=(SAVED,), less=(other,), paired=True)
        for other in (MISSING, FRESH, EARLY, OTHER)
    ),
)  # fmt: skip
