"""Is a preset robust, or was it luck? Each stage is launched as a user would launch it."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError
from bipedal.presets import RECORD, get_preset
from bipedal.studies.configuration import plain
from bipedal.studies.study import Measure, Result, Study, Trial
from bipedal.studies.training import (
    SCORE_MEASURES,
    SHARE,
    checkpoints,
    evaluation_curve,
    score,
    score_row,
)
from bipedal.tables import read_table


class Recipe(NamedTuple):
    """Presets of which each starts from the best model of the one before."""

    presets: tuple[str, ...]
    episodes: int = 100
    """That score the best model."""


RECIPES = {
    "default": Recipe(("default",), episodes=1000),
    "record": Recipe(("record",), episodes=1000),
    "seed": Recipe(("seed",)),
    "hardcore": Recipe(("hardcore", "hardcore-careful", "hardcore-polish"), episodes=1000),
}
FINAL_EPISODES = 100
"""That score the last model, where training went on to its end."""


def stages_of(arm: str, timesteps: int) -> list[TrainConfig]:
    """The stages of an arm, each with its preset's budget or `timesteps`, whichever is less."""
    presets = [get_preset(name) for name in RECIPES[arm].presets]
    return [
        replace(preset, total_timesteps=min(preset.total_timesteps, timesteps), init_from=None)
        for preset in presets
    ]


def configure(arm: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    return {
        "stages": [plain(config) for config in stages_of(arm, timesteps)],
        "episodes": [RECIPES[arm].episodes, FINAL_EPISODES],
    }


def launch(config: TrainConfig, trial: Trial, start: Path | None) -> Path:
    """Train one stage by `bipedal train`, from the model in `start`; returns the run's directory.

    Raises `RunFailedError` with the command's last words if it fails.
    """
    run_dir, log = trial.folder / config.preset, trial.folder / f"{config.preset}.log"
    options = ["--preset", config.preset, "--seed", str(trial.seed), "--run-dir", str(run_dir)]
    options += ["--total-timesteps", str(config.total_timesteps)]
    if start is not None:
        options += ["--init-from", str(start)]
    with open(log, "w") as errors:
        command = [sys.executable, "-m", "bipedal", "train", *options]
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=errors).returncode
    if code:
        said = log.read_text(errors="replace").strip().splitlines()
        raise RunFailedError(f"exit code {code}: {said[-1] if said else 'it said nothing'}")
    return run_dir


def run(trial: Trial) -> Result:
    """Train the stages one after another; the score of the best model and of the last."""
    run_dirs: list[Path] = []
    timesteps, seconds = 0, 0.0
    for config in stages_of(trial.arm, trial.timesteps):
        launched = time.monotonic()
        run_dirs.append(launch(config, trial, run_dirs[-1] if run_dirs else None))
        seconds += time.monotonic() - launched
        last_iteration = read_table(run_dirs[-1] / "metrics.csv")[-1]
        timesteps += last_iteration["timesteps"]
    solved = last_iteration["timesteps"] < config.total_timesteps
    best = score(load_model(run_dirs[-1]), config.env_id, RECIPES[trial.arm].episodes)
    last = best
    if not solved:  # a run that stopped because it was solved ends with its best model
        model = load_model(checkpoints(run_dirs[-1])[-1])
        last = score(model, config.env_id, FINAL_EPISODES)
    told = best.to_json()
    gait = told["gait"]
    row = {
        "timesteps": timesteps,
        "stopped_as_solved": solved,
        "wall_seconds": round(seconds, 1),
        **score_row(best),
        "std_return": round(told["std_return"], 2),
        "iqm_return": round(told["iqm_return"], 2),
        "max_return": round(told["max_return"], 2),
        "share_solved": told["share_solved"],
        **{name: gait[name] for name in ("posture", "legwork")},
        "upright": round(gait["postures"]["upright"], 3),
        **{name: round(gait[name], 3) for name in ("hull_height", "lying_share", "step_symmetry")},
        "solved": told["solved"],
        "final_return": round(last.mean_return, 2),
        "final_fall_rate": last.summary()["fall_rate"],
    }
    return Result([row], evaluation_curve(run_dirs))


STUDY = Study(
    name="seeds",
    title="Seeds: is a preset robust, or was it luck?",
    claimed="Nothing: this is how a preset is scored.",
    method="A preset, or several in a row of which each starts from the best model of the one "
    "before, trained by `bipedal train` and timed from launch to exit, imports and the closing "
    "score of 100 episodes included. The best model of the last stage, by the run's own "
    "evaluations, then plays 1,000 fresh episodes, of `seed` 100; the last model plays "
    f"{FINAL_EPISODES}, unless training stopped because it was solved: it then ends with its best. "
    "The curves are the evaluations on the way.",
    arms=tuple(RECIPES),
    trial=run,
    configure=configure,
    timesteps=RECORD.total_timesteps,
    seeds=10,
    measures=(
        *SCORE_MEASURES,
        Measure("share_solved", "episodes that reach 300, share", digits=2, bounds=SHARE),
        Measure("solved", "mean return of 300 and more", "share"),
        Measure("upright", "upright episodes, share", digits=2, bounds=SHARE),
        Measure("hull_height", "height of the hull, m", digits=2),
        Measure("final_return", "return of the last model"),
        Measure("timesteps", "timesteps", digits=0),
        Measure("wall_seconds", "launch to exit, s"),
    ),
    claims=(),
)
