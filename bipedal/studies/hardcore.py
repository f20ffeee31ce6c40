"""Which lever is worth a long run on Hardcore? (The notebook, 6.)"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from bipedal.checkpoint import load_model, save_model
from bipedal.config import RAW_REWARD, TrainConfig
from bipedal.normalizer import ObservationNormalizer
from bipedal.policy import Policy
from bipedal.presets import DEFAULT, HARDCORE_FINETUNE
from bipedal.studies.configuration import plain
from bipedal.studies.study import Claim, Result, Study, Trial
from bipedal.studies.training import SCORE_MEASURES, budgeted, train_and_score
from bipedal.walker import HARDCORE_ID, OBSERVATION_DIM

EPISODES = 100
NOTEBOOK = "fine-tuned (the notebook's recipe)"
FORGOT = "fine-tuned, without the statistics"
FREELY = "fine-tuned, rate and noise of a beginner"
SCRATCH = "from scratch"
FLOOR = "from scratch, falls cost 10"
CURRICULUM = "from scratch, curriculum"
BOTH = "from scratch, falls cost 10, curriculum"
ALL = "fine-tuned, rate and noise of a beginner, falls cost 10, curriculum"

COMMON: dict[str, Any] = {"stop_when_solved": False, "evaluation_interval": 40}
SOFT: dict[str, Any] = {"reward_floor": -10.0}
GROWING: dict[str, Any] = {"curriculum_share": 0.8}
START: dict[str, Any] = {"init_from": "pretrained:walker"}
RECIPE = replace(HARDCORE_FINETUNE, **COMMON, **START)
BASE = replace(
    DEFAULT,
    env_id=HARDCORE_ID,
    **RAW_REWARD,
    final_gamma=DEFAULT.gamma,
    final_std_max=0.2,
    evaluation_min_return=-1e9,
    **COMMON,
)
"""The `default` preset, annealed over the trial's budget, to the end of it."""
ARMS = {
    NOTEBOOK: RECIPE,
    FORGOT: RECIPE,
    FREELY: replace(BASE, **START),
    SCRATCH: BASE,
    FLOOR: replace(BASE, **SOFT),
    CURRICULUM: replace(BASE, **GROWING),
    BOTH: replace(BASE, **SOFT, **GROWING),
    ALL: replace(BASE, **SOFT, **GROWING, **START),
}
WITHOUT_STATISTICS, BEGINNER = "without its statistics", "with a beginner's noise"
CHANGES = {FORGOT: WITHOUT_STATISTICS, FREELY: BEGINNER, ALL: BEGINNER}
"""What is done to the walker before an arm starts from it."""


def config_of(arm: str, timesteps: int) -> TrainConfig:
    """An arm, annealed over the budget."""
    return budgeted(replace(ARMS[arm], anneal_timesteps=timesteps, restart_timesteps=0), timesteps)


def configure(arm: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    change = {"walker": CHANGES.get(arm)}
    return {"train": plain(config_of(arm, timesteps)), "episodes": EPISODES, **change}


def run(trial: Trial) -> Result:
    """Train for the budget and score the best model."""
    config = config_of(trial.arm, trial.timesteps)
    if trial.arm in CHANGES:
        start = trial.folder / "walker.pth"
        save_model(start, changed_walker(CHANGES[trial.arm]))
        config = replace(config, init_from=str(start))
    return train_and_score(trial, config, EPISODES)


def changed_walker(change: str) -> Policy:
    """The pretrained walker without its statistics, or with a beginner's noise."""
    walker = load_model(START["init_from"])
    if change == WITHOUT_STATISTICS:
        return walker.with_normalizer(ObservationNormalizer((OBSERVATION_DIM,)))
    walker.actor.std_bounds = (BASE.std_min, BASE.std_max)
    nn.init.constant_(walker.actor.log_std, BASE.initial_log_std)
    return walker


STUDY = Study(
    name="hardcore",
    title="Hardcore: which lever is worth a long run?",
    claimed="BipedalWalkerHardcore-v3 yields to fine-tuning: start from the walker's weights and "
    "statistics, with a learning rate of 1e-5 and more entropy (the notebook, section 6).",
    method="The notebook's recipe (preset `hardcore-finetune`) and the same without the walker's "
    "statistics, against the `default` preset annealed over the budget with a constant discount: "
    "from the same walker, with a beginner's noise; from scratch; from scratch with a fall that "
    "costs 10 instead of 100 in training, with obstacles that grow with success for four fifths "
    "of the budget (`curriculum_share`), with both; and all of it together. Three million "
    "timesteps each on our engine, which rank the levers and solve nothing. The best model of a "
    f"run, by its own evaluations, plays {EPISODES} fresh episodes in Gymnasium's own "
    "environment: raw reward, full obstacles. The curves are those evaluations. So early a "
    "robot that stands still earns more than one that runs and falls; each claim is therefore put "
    "to the speed as well, which was added when the first returns were seen.",
    arms=tuple(ARMS),
    trial=run,
    configure=configure,
    timesteps=3_000_000,
    seeds=8,
    measures=SCORE_MEASURES,
    claims=tuple(
        Claim(f"{text}: {what}", what, more=more, less=less)
        for what in ("return", "speed")
        for text, more, less in (
            ("the notebook's recipe beats training from scratch", (NOTEBOOK,), (SCRATCH,)),
            ("the walker's statistics help the notebook's recipe", (NOTEBOOK,), (FORGOT,)),
            ("a beginner's learning rate and noise beat the recipe's", (FREELY,), (NOTEBOOK,)),
            ("starting from the walker beats starting from scratch",
             (FREELY, ALL), (SCRATCH, BOTH)),
            ("cheaper falls help", (FLOOR, BOTH), (SCRATCH, CURRICULUM)),
            ("the curriculum helps", (CURRICULUM, BOTH), (SCRATCH, FLOOR)),
        )
    ),
)  # fmt: skip
