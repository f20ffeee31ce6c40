"""Do entropy regularisation and LayerNorm keep the robot off its knees? (The notebook, 5.2.)"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.evaluation.gait import GaitClass
from bipedal.presets import SEED
from bipedal.studies.configuration import plain
from bipedal.studies.study import Claim, Measure, Result, Study, Trial
from bipedal.studies.training import budgeted, checkpoints, score, score_row, train_in

ENTROPIES = (0.0, 0.001, 0.01)
CELLS: dict[str, dict[str, Any]] = {
    f"entropy {entropy:g}, {'LayerNorm' if norm else 'no LayerNorm'}": {
        "entropy_coefficient": entropy,
        "layer_norm": norm,
    }
    for norm in (True, False)
    for entropy in ENTROPIES
}
LEVERS: dict[str, dict[str, Any]] = {
    "initial std 0.6": {"initial_log_std": -0.5, "std_max": 0.61, "final_std_max": 0.61},
    "three times the learning rates": {"policy_learning_rate": 9e-4, "critic_learning_rate": 12e-4},
}
"""Each changes one thing of the notebook's own cell, entropy 0.001 with LayerNorm."""
EPISODES = 10
PARTS = 5


def config_of(arm: str, timesteps: int) -> TrainConfig:
    """The notebook's values in 16 environments, changed as the arm says."""
    config = replace(
        SEED,
        engine="warp",
        num_envs=16,
        rollout_steps=128,
        minibatch_size=256,
        video_interval=0,
        evaluation_interval=0,
        anneal_timesteps=timesteps,
        **{**CELLS, **LEVERS}[arm],
    )
    return budgeted(config, timesteps, PARTS)


def configure(arm: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    return {"train": plain(config_of(arm, timesteps)), "episodes": EPISODES}


def run(trial: Trial) -> Result:
    """Train as the notebook does, and look at the gait at every fifth of the training."""
    config = config_of(trial.arm, trial.timesteps)
    found = checkpoints(train_in(trial, config))
    scores = [score(load_model(path), config.env_id, EPISODES) for path in found]
    classes = {
        f"after_{100 * (part + 1) // PARTS}_%": played.gait()["class"]
        for part, played in enumerate(scores)
    }
    kneeling = [GaitClass.KNEELING.value == name for name in classes.values()]
    row = {
        "kneels_at_the_end": kneeling[-1],
        "ever_kneels": any(kneeling),
        "walks_or_runs": classes["after_100_%"]
        in (GaitClass.WALKING.value, GaitClass.RUNNING.value),
        **score_row(scores[-1]),
        **classes,
    }
    return Result([row])


def _with(norm: bool) -> list[str]:
    return [name for name, cell in CELLS.items() if cell["layer_norm"] is norm]


def _at(entropy: float) -> list[str]:
    return [name for name, cell in CELLS.items() if cell["entropy_coefficient"] == entropy]


NOTEBOOK = "entropy 0.001, LayerNorm"
STUDY = Study(
    name="kneeling",
    title="Kneeling: entropy regularisation and LayerNorm",
    claimed="The robot falls into a local optimum, crawling on its knees. Entropy regularisation "
    "(0.001) keeps it exploring and LayerNorm keeps its features alive; the two cure kneeling "
    "(the notebook, section 5.2).",
    method="The notebook's networks (256-256), learning rates, epochs, discount and initial "
    "standard deviation (1.0), in 16 environments of 128 steps (the notebook's 2048 samples an "
    "iteration) with minibatches of 256 instead of 64, for 600,000 timesteps on our engine. At "
    f"each fifth of the training the greedy policy plays {EPISODES} fresh episodes in Gymnasium's "
    "own environment; its gait is the class that most of them have. Beside the six cells: two "
    "other changes to the notebook's own cell.",
    arms=(*CELLS, *LEVERS),
    trial=run,
    configure=configure,
    timesteps=600_000,
    seeds=10,
    measures=(
        Measure("return", "return at the end"),
        Measure("kneels_at_the_end", "kneels at the end", "share"),
        Measure("ever_kneels", "ever kneels", "share"),
        Measure("walks_or_runs", "walks or runs at the end", "share"),
    ),
    claims=(
        Claim("LayerNorm makes kneeling rarer (at any time)", "ever_kneels",
              more=_with(False), less=_with(True)),
        Claim("LayerNorm makes kneeling rarer (at the end)", "kneels_at_the_end",
              more=_with(False), less=_with(True)),
        Claim("entropy 0.001 makes kneeling rarer than none (at any time)", "ever_kneels",
              more=_at(0.0), less=_at(0.001)),
        Claim("entropy 0.01 makes kneeling rarer than none (at any time)", "ever_kneels",
              more=_at(0.0), less=_at(0.01)),
        Claim("LayerNorm raises the return", "return", more=_with(True), less=_with(False)),
        Claim("entropy 0.001 raises the return", "return", more=_at(0.001), less=_at(0.0)),
        Claim("entropy 0.01 raises the return", "return", more=_at(0.01), less=_at(0.0)),
        *(Claim(f"{lever} raises the return of the notebook's own cell", "return",
                more=(lever,), less=(NOTEBOOK,)) for lever in LEVERS),
    ),
    classes=tuple(f"after_{100 * (part + 1) // PARTS}_%" for part in range(PARTS)),
)  # fmt: skip
