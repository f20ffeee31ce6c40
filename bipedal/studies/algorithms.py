"""Do GRPO, TRPO, DDPG and DQN do worse than PPO here? And SAC, TQC? (The notebook, 5.3, 5.4.)"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bipedal.checkpoint import load_model, save_model
from bipedal.config import RAW_REWARD, TrainConfig
from bipedal.evaluation.episode import Act, run_episode
from bipedal.policy import Policy
from bipedal.presets import DEFAULT
from bipedal.seeds import FINAL_SEED
from bipedal.studies.configuration import plain
from bipedal.studies.grpo import GrpoConfig
from bipedal.studies.study import Claim, Measure, Result, Study, Trial
from bipedal.trainer import Progress
from bipedal.training_loop import train

SECONDS = 60.0
"""Wall clock of a trial on its core, snapshots included, their scores not."""
LONGER = {"SAC": 300.0, "TQC": 300.0}
"""Those that would hardly have begun."""
GRID = 8
"""Snapshots along each of the two budgets, at most."""
EPISODES = 5
"""Of each snapshot."""
TIMESTEPS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
CLOCK = (10, 20, 40, 60)
"""Where the curves are read off."""

GROUPS: dict[str, dict[str, Any]] = {
    "GRPO, 8 from the start": {"group_size": 8, "horizon": 1600, "start": "episode"},
    "GRPO, 64 from the start": {"group_size": 64, "horizon": 1600, "start": "episode"},
    "GRPO, 8 mid-episode, 128 steps": {"group_size": 8, "horizon": 128, "start": "middle"},
    "GRPO, 64 mid-episode, 128 steps": {"group_size": 64, "horizon": 128, "start": "middle"},
    "GRPO, 8 mid-episode, 32 steps": {"group_size": 8, "horizon": 32, "start": "middle"},
    "GRPO, 8 mid-episode, 128 steps, rewards to go": {
        "group_size": 8, "horizon": 128, "start": "middle", "supervision": "to-go",
    },
}  # fmt: skip
PEERS = {
    "TRPO": "trpo",
    "DDPG": "ddpg",
    "DQN, 3 torques a joint": "dqn-3",
    "DQN, 5 torques a joint": "dqn-5",
    "DQN, 7 torques a joint": "dqn-7",
    "SAC": "sac",
    "TQC": "tqc",
}
SAMPLED_SLOWLY = tuple(arm for arm in PEERS if arm not in ("TRPO", "DQN, 7 torques a joint"))
"""Peers that get beyond 10,000 timesteps and not far."""


def seconds_of(arm: str) -> float:
    """Wall clock that an arm has."""
    return LONGER.get(arm, SECONDS)


class Snapshots:
    """Keeps a learner's policy at even places of both budgets and where curves are read off."""

    def __init__(self, trial: Trial, save: Callable[[Path], None]) -> None:
        """`save` writes the policy as it is."""
        self.kept: list[tuple[int, float, Path]] = []
        """Timesteps, seconds and file of each."""
        self._trial = trial
        self._save = save
        self._place: tuple[int, ...] = ()

    def __call__(self, timesteps: int, seconds: float) -> None:
        """Keep the policy if one of the budgets has come to its next place."""
        clock = seconds_of(self._trial.arm)
        place = (
            min(GRID, timesteps * GRID // self._trial.timesteps),
            min(GRID, int(seconds * GRID / clock)),
            sum(timesteps >= at for at in TIMESTEPS),
            sum(seconds >= at for at in CLOCK),
        )
        if place != self._place:
            self._place = place
            path = self._trial.folder / f"{timesteps}.pth"
            self._save(path)
            self.kept.append((timesteps, seconds, path))


def run(trial: Trial) -> Result:
    """Learn until the clock has run down, then score what was kept on the way."""
    if trial.arm == "PPO":
        kept, load = _learn_ppo(trial)
    elif trial.arm in GROUPS:
        kept, load = _learn_grpo(trial)
    else:
        kept, load = _learn_peer(trial)
    curve = []
    for timesteps, seconds, path in kept:
        policy = load(path)
        played = [
            run_episode(policy, DEFAULT.env_id, FINAL_SEED + episode, keep_trajectory=False)
            for episode in range(EPISODES)
        ]
        curve.append(
            {
                "timesteps": timesteps,
                "seconds": round(seconds, 2),
                "return": round(float(np.mean([e.episodic_return for e in played])), 2),
            }
        )
    row = {
        "timesteps": kept[-1][0],
        "best": max(point["return"] for point in curve),
        **{f"at_{at}": read_off(curve, "timesteps", at) for at in TIMESTEPS},
        **{f"after_{at}_s": read_off(curve, "seconds", at) for at in CLOCK},
    }
    return Result([row], curve)


def read_off(curve: Sequence[Mapping[str, float]], column: str, at: float) -> float | None:
    """Return at a place, between the snapshots before and after it; None beyond the curve.

    The last snapshot, taken just before the clock ran down, counts for a place up to 3 % behind.
    """
    places = [point[column] for point in curve]
    if not places[0] <= at <= 1.03 * places[-1]:
        return None
    return round(float(np.interp(at, places, [point["return"] for point in curve])), 2)


Learned = tuple[list[tuple[int, float, Path]], Callable[[Path], Policy | Act]]
ROUNDS = 10
"""A learner ends, at the latest, after so many times a trial's timesteps."""


def ppo_config(timesteps: int) -> TrainConfig:
    """The default preset without its evaluations: the policy is the mean as it is.

    It learns from the raw reward, as the others do.
    """
    return dataclasses.replace(
        DEFAULT,
        **RAW_REWARD,
        total_timesteps=ROUNDS * timesteps,
        checkpoint_interval=1,
        evaluation_interval=0,
        best_by="training",
        stop_when_solved=False,
        final_episodes=0,
    )


def configure(arm: str, timesteps: int) -> dict[str, Any]:
    """All that decides a trial."""
    common = {
        "seconds": seconds_of(arm),
        "snapshots": [GRID, *TIMESTEPS, *CLOCK],
        "episodes": EPISODES,
        "rounds": ROUNDS,
    }
    if arm == "PPO":
        return {**common, "train": plain(ppo_config(timesteps))}
    if arm in GROUPS:
        return {**common, "grpo": dataclasses.asdict(GrpoConfig(**GROUPS[arm]))}
    from bipedal.studies import peers

    return {**common, "peer": peers.values_of(PEERS[arm])}


def _learn_ppo(trial: Trial) -> Learned:
    config = dataclasses.replace(ppo_config(trial.timesteps), seed=trial.seed)
    models = trial.folder / "run" / "saved_models"
    snapshots = Snapshots(trial, save=lambda path: None)
    clock = [0.0]

    def watch(progress: Progress) -> None:
        clock[0] = progress.elapsed
        snapshots(progress.timesteps, progress.elapsed)

    train(
        config,
        trial.folder / "run",
        on_iteration=watch,
        should_stop=lambda: clock[0] >= seconds_of(trial.arm),
    )
    kept = [
        (timesteps, seconds, models / f"checkpoint_{timesteps // config.batch_size}.pth")
        for timesteps, seconds, _ in snapshots.kept
    ]
    return kept, lambda path: load_model(path).act


def _learn_grpo(trial: Trial) -> Learned:
    from bipedal.studies.grpo import Grpo

    learner = Grpo(GrpoConfig(**GROUPS[trial.arm]), trial.seed)
    snapshots = Snapshots(trial, lambda path: save_model(path, learner.policy))
    learner.learn(ROUNDS * trial.timesteps, seconds_of(trial.arm), snapshots)
    return snapshots.kept, lambda path: load_model(path).act


def _learn_peer(trial: Trial) -> Learned:
    from bipedal.studies import peers

    name, timesteps = PEERS[trial.arm], ROUNDS * trial.timesteps
    learner = peers.make_peer(name, trial.seed, timesteps)
    snapshots = Snapshots(trial, lambda path: peers.save_peer(learner, path))
    peers.learn(learner, timesteps, seconds_of(trial.arm), snapshots)
    return snapshots.kept, lambda path: peers.load_peer(name, path)


def _better_than(others: Iterable[str], measure: str, when: str) -> tuple[Claim, ...]:
    return tuple(
        Claim(f"PPO has a higher return than {other} {when}", measure, more=("PPO",), less=(other,))
        for other in others
    )


STUDY = Study(
    name="algorithms",
    title="Algorithms: PPO beside GRPO, TRPO, DDPG, DQN, SAC and TQC",
    claimed="GRPO is unsuitable: it needs many rollouts from the same state and has no critic to "
    "tell good steps from bad ones. DQN cannot handle continuous torques, DDPG is brittle, TRPO "
    "slow; PPO is the right choice (the notebook, sections 5.3 and 5.4).",
    method="Every algorithm learns on our engine and one core for "
    f"{SECONDS:.0f} s of wall clock; SAC and TQC, which would hardly have begun, for "
    f"{LONGER['TQC']:.0f} s. PPO is the `default` preset, without the gain that it tries in "
    "evaluations. GRPO is ours (`bipedal/studies/grpo.py`), with PPO's networks, statistics and "
    "initial noise: groups of 8 or 64 rollouts from one state, the start of an episode or the "
    "middle of one; a variant judges by the rewards to go. The others are Stable-Baselines3's and "
    "sb3-contrib's with the zoo's hyperparameters for BipedalWalker-v3, DQN with those for "
    f"LunarLander. Snapshots of the greedy policy play {EPISODES} fresh episodes in Gymnasium's "
    "own environment; a return at so many timesteps or seconds is interpolated between the "
    "snapshots before and after; empty where a learner did not get that far. The column for 10k "
    "timesteps, with its claims, was added when it was seen how few timesteps the slow ones get.",
    arms=("PPO", *GROUPS, *PEERS),
    trial=run,
    configure=configure,
    timesteps=1_000_000,
    seeds=8,
    measures=(
        Measure("best", "best snapshot"),
        *(Measure(f"at_{at}", f"{at // 1000}k timesteps") for at in TIMESTEPS),
        *(Measure(f"after_{at}_s", f"{at} s") for at in CLOCK),
    ),
    claims=(
        *_better_than(GROUPS, "at_300000", "after 300k timesteps"),
        *_better_than({**GROUPS, **PEERS}, f"after_{CLOCK[-1]}_s", f"after {CLOCK[-1]} s"),
        *_better_than(("TRPO",), "at_100000", "after 100k timesteps"),
        *_better_than(SAMPLED_SLOWLY, "at_10000", "after 10k timesteps"),
    ),
    requires=("stable_baselines3", "sb3_contrib"),
)
