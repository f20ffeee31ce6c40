"""Which model of a run is the best, and whether the run may stop.

An evaluator plays greedy episodes while a run trains. What it returns steers the run and is never
a score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bipedal.config import TrainConfig
from bipedal.device import CPU
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import Episode, begin, play_all_at_once, play_episodes
from bipedal.evaluation.gait import Posture
from bipedal.evaluation.score import Evaluation
from bipedal.fused.episodes import can_play
from bipedal.logs import Row
from bipedal.policy import Policy
from bipedal.seeds import CONFIRMATION_SEED, EVALUATION_SEED
from bipedal.walker import HARDCORE_ID, REWARD_THRESHOLD

CONFIRMATION_EPISODES = 192
"""Episodes that decide whether a run that looks solved is."""
GAIT_EPISODES = 4
"""Episodes of an evaluation whose gait is analysed."""
GREEDY_GAINS = (1.0, 0.8, 0.65)
"""Candidates for the gain of the greedy policy, the factor on the actor's last layer.

While it learns, a policy pushes its mean far into the tanh to win against its own noise, which the
environment cuts off at ±1. Without the noise the same mean is too strong: the robot runs faster
than it has learned to, and falls. In trials with tuning seeds 0.6 to 0.8 times the last layer
turned 17 % of falls into 0 to 3 %; what fits changes from model to model, so it is tried.
"""
QUIET = 0.2
"""Standard deviation below which the greedy policy is what is trained, with a gain of 1.

All episodes of an evaluation are then played with that gain: falls in one episode of a hundred
are only seen in many.
"""


class Result(NamedTuple):
    """What an evaluation found."""

    row: Row
    """Columns of evaluations.csv."""
    mean_return: float
    std_return: float
    gain: float
    """Gain with which the greedy policy did best."""
    kneels: bool
    """Whether the robot kneels in most of the episodes whose gait was analysed."""


class Evaluator:
    """Plays greedy episodes with frozen statistics, on terrains no score is taken on."""

    def __init__(
        self,
        env_id: str,
        episodes: int,
        gains: Sequence[float] = GREEDY_GAINS,
        device: torch.device = CPU,
    ) -> None:
        """Make room for `episodes` episodes with each gain, which are played side by side."""
        self._env_id = env_id
        self._gains = gains
        rows = episodes * len(gains)
        self._engine = WarpEngine(
            env_id, rows, EVALUATION_SEED, device=str(device), autoreset=False, rest=True
        )

    def evaluate(self, policy: Policy) -> Result:
        """Play the same episodes with every gain there is to try."""
        gains = self._gains if policy.actor.mean_std() >= QUIET else (1.0,)
        count = self._engine.num_envs // len(gains)
        gain = torch.tensor(gains, dtype=torch.float64, device=policy.device)
        gain = gain.repeat_interleave(count)
        seeds = [*range(EVALUATION_SEED, EVALUATION_SEED + count)] * len(gains)
        recorded = [row for row in range(len(seeds)) if row % count < GAIT_EPISODES]
        played = self._play(policy, gain, seeds, recorded)
        evaluations = [
            Evaluation(self._env_id, EVALUATION_SEED, [played[first + row] for row in range(count)])
            for first in range(0, len(seeds), count)
        ]
        best = max(range(len(evaluations)), key=lambda index: evaluations[index].mean_return)
        summary, gait = evaluations[best].summary(), evaluations[best].gait()
        row = {
            **summary,
            **_crossed(self._env_id, evaluations[best].crossed()),
            **_gait(gait),
            "gain": gains[best],
        }
        kneels = gait["posture"] == Posture.KNEELING
        return Result(row, summary["mean_return"], summary["std_return"], gains[best], kneels)

    def returns(self, policy: Policy, part: int) -> npt.NDArray[np.float64]:
        """Play a part of the confirmation's episodes with the policy's own gain."""
        count = self._engine.num_envs
        first = CONFIRMATION_SEED + part * count
        seeds = range(first, first + count)
        gain = torch.full((count,), policy.gain, dtype=torch.float64, device=policy.device)
        played = self._play(policy, gain, seeds)
        return np.array([played[number].episodic_return for number in range(count)])

    def _play(
        self, policy: Policy, gain: Tensor, seeds: Sequence[int], recorded: Sequence[int] = ()
    ) -> dict[int, Episode]:
        """The episodes of some seeds, by number; `gain` (N,) for each environment."""
        engine = self._engine
        if can_play(policy, engine):
            return play_all_at_once(policy, engine, seeds, gain, recorded=recorded)
        act = begin(policy.share(), gain[:, None])
        stateless = policy.frame_stack.frames == 1
        return dict(play_episodes(act, engine, seeds, recorded=recorded, capture=stateless))

    def close(self) -> None:
        """End the engine's threads."""
        self._engine.close()


def _gait(summary: Mapping[str, Any]) -> Row:
    """A summary of gaits as columns."""
    return {
        f"gait/{name}": math.nan if value is None else value
        for name, value in summary.items()
        if not isinstance(value, dict)
    }


def _crossed(env_id: str, crossed: Mapping[str, float | None]) -> Row:
    """Shares of obstacles crossed as columns, where there are obstacles."""
    if env_id != HARDCORE_ID:
        return {}
    return {
        f"crossed/{kind}": math.nan if share is None else share for kind, share in crossed.items()
    }


def make_evaluator(config: TrainConfig, device: torch.device) -> Evaluator | None:
    """The evaluator of a run on a device; None if it has no evaluations.

    A run whose best model training decides has its policy judged as it trains: with a gain of 1.
    """
    if config.evaluation_interval == 0:
        return None
    gains = GREEDY_GAINS if config.best_by == "evaluation" else (1.0,)
    return Evaluator(config.env_id, config.evaluation_episodes, gains, device)


def sure_mean(mean: float, std: float) -> float:
    """What the mean of 100 fresh episodes will hardly be below: two of its standard errors."""
    return mean - 2.0 * std / math.sqrt(100)


def is_hopeless(returns: npt.NDArray[np.float64]) -> bool:
    """Whether a confirmation that has begun with these `returns` (E,) will hardly succeed.

    A standard error of the mean so far is left to luck.
    """
    mean, std = float(returns.mean()), float(returns.std())
    return sure_mean(mean, std) + std / math.sqrt(len(returns)) < REWARD_THRESHOLD


class Selection:
    """Keeps the best score of a run so far, and decides whether it is solved."""

    def __init__(self, config: TrainConfig, device: torch.device = CPU) -> None:
        """Make the run's evaluator; nothing was measured yet."""
        self._config = config
        self._evaluator = make_evaluator(config, device)
        self.best_return = -math.inf
        self.solved = False
        self._parts = 0  # of confirmations, all attempts together

    def is_best(self, mean_return: float) -> bool:
        """Whether a model with this mean return is better than all before; remembers it if so."""
        better = mean_return > self.best_return
        if better:
            self.best_return = mean_return
        return better

    def is_best_in_training(self, returns: Sequence[float]) -> bool:
        """The same by the last training episodes, where these are what decides.

        A handful of lucky episodes is no measure: at least half of `best_window` is.
        """
        config = self._config
        if config.best_by != "training" or 2 * len(returns) < config.best_window:
            return False
        return self.is_best(float(np.mean(returns)))

    def is_due(self, iteration: int, training_return: float) -> bool:
        """Whether this iteration is one for an evaluation, as the last is."""
        config = self._config
        if self._evaluator is None:
            return False
        due = iteration % config.evaluation_interval == 0
        promising = training_return >= config.evaluation_min_return
        return (due and promising) or iteration == config.iterations

    def evaluate(self, policy: Policy) -> Result:
        """Evaluate the policy and set its gain; only where `is_due` says so."""
        assert self._evaluator is not None
        result = self._evaluator.evaluate(policy)
        policy.gain = result.gain
        return result

    def looks_solved(self, result: Result) -> bool:
        """Whether `confirm` is to decide if the run is over: its own rule holds already.

        A robot that kneels is not done, whatever it scores: training costs it something to kneel.
        """
        sure = sure_mean(result.mean_return, result.std_return)
        over = sure >= REWARD_THRESHOLD and not result.kneels
        return self._config.stop_when_solved and over

    def confirm(self, policy: Policy) -> bool:
        """Whether the environment is solved, and that ends the run; then this model is the best.

        It is if 100 fresh episodes would surely have a mean return of the threshold. Plays
        CONFIRMATION_EPISODES on terrains that the run has not played before, and gives up early.
        """
        assert self._evaluator is not None
        returns: npt.NDArray[np.float64] = np.empty(0)
        while len(returns) < CONFIRMATION_EPISODES:
            returns = np.concatenate([returns, self._evaluator.returns(policy, self._parts)])
            self._parts += 1
            if is_hopeless(returns):
                return False
        self.solved = sure_mean(float(returns.mean()), float(returns.std())) >= REWARD_THRESHOLD
        if self.solved:
            self.best_return = float(returns.mean())
        return self.solved

    def state(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return {
            "best_return": self.best_return,
            "solved": self.solved,
            "confirmation_parts": self._parts,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self.best_return = state["best_return"]
        self.solved = state["solved"]
        self._parts = state["confirmation_parts"]

    def close(self) -> None:
        """End the evaluator's threads."""
        if self._evaluator is not None:
            self._evaluator.close()
