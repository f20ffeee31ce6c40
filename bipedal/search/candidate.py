"""One training run of a search, as the trial of a study: it runs wherever those do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bipedal.config import TrainConfig, config_from_json, config_to_json
from bipedal.presets import get_preset
from bipedal.studies.configuration import plain
from bipedal.studies.study import Result, Row, Study, Trial
from bipedal.studies.training import budgeted, evaluation_curve, train_in

WORST = -100.0
"""What counts before the first evaluation: about the return of a robot that falls at once."""


def describe(preset: str, changes: Mapping[str, Any]) -> str:
    """The arm of a candidate: its configuration in a line of text."""
    return json.dumps({"preset": preset, **changes}, sort_keys=True)


def with_changes(arm: str) -> TrainConfig:
    """Undo `describe`; evaluations decide on the best model of a candidate."""
    given = json.loads(arm)
    preset = config_to_json(get_preset(given["preset"]))
    return replace(config_from_json({**preset, **given}), best_by="evaluation")


def configuration(arm: str, timesteps: int) -> TrainConfig:
    """What a candidate trains with; `UserError` if the values do not go together."""
    config = budgeted(with_changes(arm), timesteps)
    config.validate()
    return config


def area(curve: Sequence[Row], timesteps: int) -> float:
    """Mean, over a budget of timesteps, of the best greedy evaluation so far.

    It is `WORST` until the first one. What a run that stopped had reached counts to the end of the
    budget. So what learns sooner and what ends higher both score more.
    """
    total, best, since = 0.0, WORST, 0
    for point in curve:
        now = min(point["timesteps"], timesteps)
        total += best * (now - since)
        best, since = max(best, point["return"]), now
    return (total + best * (timesteps - since)) / timesteps


def run(trial: Trial) -> Result:
    """Train once; keeps nothing but how good it was."""
    config = configuration(trial.arm, trial.timesteps)
    run_dir = train_in(trial, config)
    curve = evaluation_curve([run_dir])
    shutil.rmtree(run_dir)
    best = max((point["return"] for point in curve), default=WORST)
    return Result([{"area": area(curve, trial.timesteps), "best": best}])


CANDIDATE = Study(
    name="search",
    title="A candidate of a search",
    claimed="",
    method="",
    arms=(),
    trial=run,
    configure=lambda arm, timesteps: {"train": plain(configuration(arm, timesteps))},
    timesteps=1,
    seeds=1,
    measures=(),
    claims=(),
)
