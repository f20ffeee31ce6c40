"""What does each lever of the Hardcore recipe give? One taken away at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.presets import DEFAULT, HARDCORE, HARDCORE_CAREFUL
from bipedal.studies.configuration import plain
from bipedal.studies.study import Claim, Result, Row, Study, Trial
from bipedal.studies.training import (
    SCORE_MEASURES,
    budgeted,
    checkpoints,
    score,
    score_row,
    train_in,
)

EPISODES = 100
BOLD, QUIET, DEAR = "hardcore", "hardcore, noise left to itself", "hardcore, falls cost 100"
CAREFUL, ENDING = "hardcore-careful", "hardcore-careful, the course has an end"
CONDITIONS = {
    BOLD: HARDCORE,
    QUIET: replace(HARDCORE, std_min=DEFAULT.std_min),
    DEAR: replace(HARDCORE, reward_floor=DEFAULT.reward_floor),
    CAREFUL: HARDCORE_CAREFUL,
    ENDING: replace(HARDCORE_CAREFUL, endless_course=False),
}
ARMS = {BOLD: (BOLD,), QUIET: (QUIET,), DEAR: (DEAR,), CAREFUL: (CAREFUL, ENDING)}
"""The conditions of each arm; those of `hardcore-careful` start from one and the same model."""


def config_of(condition: str, timesteps: int) -> TrainConfig:
    """A condition, cut to the preset's first numbered checkpoint, or to `timesteps`."""
    config = replace(CONDITIONS[condition], init_from=None)
    first = config.checkpoint_interval * config.batch_size
    return budgeted(config, min(first, timesteps), checkpoints=1)


def start_of(arm: str, timesteps: int) -> TrainConfig | None:
    """What an arm trains before its conditions: for the second stage all of the first."""
    if arm != CAREFUL:
        return None
    return budgeted(HARDCORE, min(HARDCORE.total_timesteps, timesteps))


def configure(arm: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    start = start_of(arm, timesteps)
    return {
        "start": None if start is None else plain(start),
        "train": [plain(config_of(condition, timesteps)) for condition in ARMS[arm]],
        "episodes": EPISODES,
    }


def run(trial: Trial) -> Result:
    """Train each condition of the arm and score the model that it ends with."""
    start = start_of(trial.arm, trial.timesteps)
    init_from = None if start is None else str(train_in(trial, start, "start"))
    rows: list[Row] = []
    for number, condition in enumerate(ARMS[trial.arm]):
        config = replace(config_of(condition, trial.timesteps), init_from=init_from)
        run_dir = train_in(trial, config, f"run-{number}")
        played = score(load_model(checkpoints(run_dir)[-1]), config.env_id, EPISODES)
        rows.append({"condition": condition, **score_row(played)})
    return Result(rows)


STUDY = Study(
    name="hardcore-levers",
    title="Hardcore: what each lever of the recipe gives",
    claimed="Noise that stays, falls that cost little and a course without an end are what makes "
    "the Hardcore presets learn (docs/hardcore.md).",
    method="The preset of a stage and the same with one lever taken away, cut to the preset's "
    "first numbered checkpoint: 4.9M timesteps of `hardcore`, 9.8M of `hardcore-careful`, which "
    "starts with the lever and without it from the same model, the best of a whole `hardcore` run. "
    f"The model at that checkpoint plays {EPISODES} fresh episodes in Gymnasium's own environment.",
    arms=tuple(ARMS),
    conditions=tuple(CONDITIONS),
    trial=run,
    configure=configure,
    timesteps=HARDCORE.total_timesteps,
    seeds=8,
    measures=SCORE_MEASURES,
    claims=(
        Claim("noise that stays raises the return", "return", more=(BOLD,), less=(QUIET,)),
        Claim("cheap falls raise the return", "return", more=(BOLD,), less=(DEAR,)),
        Claim("a course without an end raises the return", "return", more=(CAREFUL,),
              less=(ENDING,), paired=True),
    ),
)  # fmt: skip
