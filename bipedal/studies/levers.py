"""What does each lever of the preset `hardcore` give?"""

from __future__ import annotations

from dataclasses import replace

from bipedal.config import DEFAULT, HARDCORE
from bipedal.studies.study import Claim, Result, Study, Trial
from bipedal.studies.training import SCORE_MEASURES, train_and_score

EPISODES = 100
RECIPE = "the preset"
SOFT = "falls cost 10 instead of 100"
AT_ONCE = "no curriculum"
SHORT = "a short view: discount factor 0.99 throughout"
FAR = "a long view from the start: 0.998 throughout"
SMALL = "the batches and epochs of `default`"
MEMORY = "memory: 3 observations, a quarter of a second apart"

BASE = replace(HARDCORE, stop_when_solved=False, evaluation_interval=60)
ARMS = {
    RECIPE: BASE,
    SOFT: replace(BASE, reward_floor=-10.0),
    AT_ONCE: replace(BASE, curriculum_share=0.0),
    SHORT: replace(BASE, final_gamma=BASE.gamma),
    FAR: replace(BASE, gamma=BASE.final_gamma),
    SMALL: replace(
        BASE,
        num_envs=DEFAULT.num_envs,
        minibatch_size=DEFAULT.minibatch_size,
        epochs=DEFAULT.epochs,
        evaluation_interval=BASE.evaluation_interval * BASE.num_envs // DEFAULT.num_envs,
    ),
    MEMORY: replace(BASE, frames=3, frame_stride=12),
}


def run(trial: Trial) -> Result:
    """Train for the budget, annealed over it, and score the best model."""
    config = replace(ARMS[trial.arm], anneal_timesteps=trial.timesteps)
    return train_and_score(trial, config, EPISODES)


STUDY = Study(
    name="hardcore-levers",
    title="Hardcore: what each lever of the preset gives",
    claimed="The preset `hardcore` has obstacles that grow with success, the full cost of a fall, "
    "a discount factor that grows to 0.998 and batches larger than `default`'s, and no memory; "
    "each of these is for the better.",
    method="The preset and six arms that differ from it in one lever each, all annealed over a "
    "budget of a fifth of the preset's. The best model of a run, by its own evaluations, plays "
    f"{EPISODES} fresh episodes in Gymnasium's own environment: raw reward, full obstacles. The "
    "curves are those evaluations. What a lever gives at the end of a long run may differ.",
    arms=tuple(ARMS),
    trial=run,
    timesteps=15_000_000,
    seeds=4,
    measures=SCORE_MEASURES,
    claims=tuple(
        Claim(text, "return", more=(RECIPE,), less=(arm,))
        for text, arm in (
            ("falls that cost 100 are better than falls that cost 10", SOFT),
            ("the curriculum helps", AT_ONCE),
            ("a view that grows beats a short one", SHORT),
            ("a view that grows beats one that is long from the start", FAR),
            ("batches larger than those of `default` help", SMALL),
            ("without memory is better than with", MEMORY),
        )
    ),
)
