"""What does each lever of the preset `hardcore` give?"""

from __future__ import annotations

from dataclasses import replace

from bipedal.config import DEFAULT, HARDCORE
from bipedal.studies.study import Claim, Result, Study, Trial
from bipedal.studies.training import SCORE_MEASURES, train_and_score

EPISODES = 100
RECIPE = "the preset"
QUIET = "noise left to itself"
HARD = "falls cost 100 instead of 10"
CURRICULUM = "obstacles that grow with success, for half of the budget"
FAR = "a long view: discount factor 0.998 throughout"
END = "the far end is a termination"
LARGE = "twice the batch"
WIDE = "networks 128 wide"
MEMORY = "memory: 3 observations, a quarter of a second apart"

BASE = replace(HARDCORE, stop_when_solved=False)
ARMS = {
    RECIPE: BASE,
    QUIET: replace(BASE, std_min=DEFAULT.std_min),
    HARD: replace(BASE, reward_floor=DEFAULT.reward_floor),
    CURRICULUM: replace(BASE, curriculum_share=0.5),
    FAR: replace(BASE, gamma=DEFAULT.final_gamma, final_gamma=DEFAULT.final_gamma),
    END: replace(BASE, endless_course=False),
    LARGE: replace(
        BASE,
        num_envs=2 * BASE.num_envs,
        minibatch_size=2 * BASE.minibatch_size,
        evaluation_interval=BASE.evaluation_interval // 2,
    ),
    WIDE: replace(BASE, hidden_sizes=(128, 128)),
    MEMORY: replace(BASE, frames=3, frame_stride=12),
}


def run(trial: Trial) -> Result:
    """Train for the budget and score the best model."""
    return train_and_score(trial, ARMS[trial.arm], EPISODES)


STUDY = Study(
    name="hardcore-levers",
    title="Hardcore: what each lever of the preset gives",
    claimed="The preset `hardcore` keeps its noise, softens falls, looks two seconds ahead and "
    "beyond the far end of the course; it has no curriculum, no memory, and batches and networks "
    "no larger than they are. Each of these is for the better.",
    method="The preset, cut to the budget, and eight arms that differ from it in one lever each. "
    f"The best model of a run, by its own evaluations, plays {EPISODES} fresh episodes in "
    "Gymnasium's own environment: raw reward, full obstacles. The curves are those evaluations. "
    "What a lever gives in `hardcore-careful` and `hardcore-polish` may differ.",
    arms=tuple(ARMS),
    trial=run,
    timesteps=8_000_000,
    seeds=4,
    measures=SCORE_MEASURES,
    claims=tuple(
        Claim(text, "return", more=(RECIPE,), less=(arm,))
        for text, arm in (
            ("noise must be kept", QUIET),
            ("falls that cost 10 are better than falls that cost 100", HARD),
            ("without a curriculum is better than with", CURRICULUM),
            ("a short view beats a long one", FAR),
            ("the far end is better told as a truncation", END),
            ("a larger batch does not help", LARGE),
            ("wider networks do not help", WIDE),
            ("without memory is better than with", MEMORY),
        )
    ),
)
