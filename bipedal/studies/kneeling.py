"""What keeps the robot off its knees? (The notebook, 5.2.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.presets import DEFAULT, SEED
from bipedal.studies.configuration import plain
from bipedal.studies.study import Claim, Measure, Result, Row, Study, Trial
from bipedal.studies.training import (
    SHARE,
    budgeted,
    checkpoints,
    posture_row,
    score,
    score_row,
    train_in,
    walks_or_runs,
)

FAST: Mapping[str, Any] = {
    "num_envs": 64,
    "rollout_steps": 128,
    "minibatch_size": 2048,
    "hidden_sizes": (64, 64),
    "policy_learning_rate": 2 * SEED.policy_learning_rate,
    "critic_learning_rate": 2 * SEED.critic_learning_rate,
}
"""What makes 3M timesteps of the notebook's recipe take two minutes instead of half an hour.

The environments, minibatches and networks of the `default` preset. A minibatch 32 times as large
allows larger steps: twice the notebook's rates are about those that `default` was tuned to.
`dynamics` keeps the notebook's networks and rates, and so checks this cell.
"""
NOTEBOOK = "the notebook's recipe"
NO_NORM, NO_BONUS, NEITHER = "no LayerNorm", "no entropy bonus", "neither"
LARGE_BONUS, LESS_NOISE = "entropy bonus of 0.01", "initial standard deviation of 0.6"
LONG_VIEW, SHAPED = "discount factor of 0.998", "costs of posture and torque"
ARMS: Mapping[str, Mapping[str, Any]] = {
    NOTEBOOK: {},
    NO_NORM: {"layer_norm": False},
    NO_BONUS: {"entropy_coefficient": 0.0},
    NEITHER: {"layer_norm": False, "entropy_coefficient": 0.0},
    LARGE_BONUS: {"entropy_coefficient": 0.01},
    LESS_NOISE: {"initial_log_std": DEFAULT.initial_log_std},
    LONG_VIEW: {"gamma": 0.998, "final_gamma": 0.998},
    SHAPED: {
        name: getattr(DEFAULT, name)
        for name in ("posture_cost", "torque_share", "final_torque_share")
    },
}
"""What each arm changes in the notebook's recipe."""
EPISODES = 20
PARTS = 5
MOMENTS = tuple(f"after_{100 * (part + 1) // PARTS}_%" for part in range(PARTS))


def config_of(arm: str, timesteps: int) -> TrainConfig:
    """The notebook's recipe in a faster form, changed as the arm says."""
    config = replace(SEED, video_interval=0, evaluation_interval=0)
    return budgeted(replace(config, **{**FAST, **ARMS[arm]}), timesteps, PARTS)


def configure(arm: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    return {"train": plain(config_of(arm, timesteps)), "episodes": EPISODES}


def run(trial: Trial) -> Result:
    """Train, and look at the greedy policy's posture at every fifth of the training."""
    config = config_of(trial.arm, trial.timesteps)
    found = checkpoints(train_in(trial, config))
    scores = [score(load_model(path), config.env_id, EPISODES) for path in found]
    moments: dict[str, Any] = {}
    for moment, played in zip(MOMENTS, scores, strict=True):
        moments |= {moment: played.gait()["class"], **posture_row(played, f"_{moment}")}
    row: Row = {
        "lying_share": round(sum(moments[f"lying_share_{name}"] for name in MOMENTS) / PARTS, 4),
        "kneels_at_the_end": moments[f"kneels_{MOMENTS[-1]}"],
        "ever_kneels": any(moments[f"kneels_{name}"] for name in MOMENTS),
        "walks_or_runs": walks_or_runs(scores[-1]),
        **score_row(scores[-1]),
        **moments,
    }
    return Result([row])


def _lies_less(text: str, *pairs: tuple[str, str]) -> Claim:
    """A claim that the first arm of each pair lies less than the second."""
    remedied, untreated = zip(*pairs, strict=True)
    return Claim(f"{text} keeps lower legs off the ground", "lying_share",
                 more=untreated, less=remedied)  # fmt: skip


STUDY = Study(
    name="kneeling",
    title="Kneeling: what keeps the robot off its knees",
    claimed="The robot falls into a local optimum, crawling on its knees. Entropy regularisation "
    "(0.001) keeps it exploring and LayerNorm keeps its features alive; the two cure kneeling "
    "(the notebook, section 5.2). And of our own: costs of posture and torque in training's "
    "reward cure it (docs/learner.md).",
    method="The notebook's recipe over the notebook's 3M timesteps: raw reward, 10 epochs, a "
    "discount factor of 0.99, an initial standard deviation of 1, LayerNorm and an entropy bonus "
    "of 0.001. Each other arm changes what it is called after. To have enough seeds, all arms "
    "train in a faster form than the notebook: 64 environments of 128 steps, minibatches of 2048, "
    "twice its learning rates, and networks of 64-64 instead of 256-256. At each fifth of the "
    f"training the greedy policy plays {EPISODES} fresh episodes of Gymnasium's environment. A "
    "robot kneels if the posture of most of them is kneeling (docs/gait.md); an episode that ends "
    "within five seconds does not count as one. The claims are put to the share of time in which a "
    "lower leg lies on the ground, averaged over the five moments.",
    arms=tuple(ARMS),
    trial=run,
    configure=configure,
    timesteps=SEED.total_timesteps,
    seeds=8,
    measures=(
        Measure("lying_share", "a lower leg lies, share of time", digits=2, bounds=SHARE),
        Measure("ever_kneels", "kneels at one of five moments", "share"),
        Measure("kneels_at_the_end", "kneels at the end", "share"),
        Measure("walks_or_runs", "walks or runs at the end", "share"),
        Measure("return", "return at the end"),
    ),
    claims=(
        _lies_less("LayerNorm", (NOTEBOOK, NO_NORM), (NO_BONUS, NEITHER)),
        _lies_less("an entropy bonus of 0.001", (NOTEBOOK, NO_BONUS), (NO_NORM, NEITHER)),
        _lies_less("LayerNorm together with an entropy bonus of 0.001", (NOTEBOOK, NEITHER)),
        _lies_less("an entropy bonus of 0.01", (LARGE_BONUS, NO_BONUS)),
        _lies_less("an initial standard deviation of 0.6 instead of 1", (LESS_NOISE, NOTEBOOK)),
        _lies_less("a discount factor of 0.998 instead of 0.99", (LONG_VIEW, NOTEBOOK)),
        _lies_less("shaping by posture and torque", (SHAPED, NOTEBOOK)),
    ),
    classes=MOMENTS,
)
