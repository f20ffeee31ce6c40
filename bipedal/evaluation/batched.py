"""Try the greedy policy on a batched engine: quick enough to do it often while training.

These trials steer a run: which model is kept as the best, and whether to stop. They are never a
score; scores are played one by one in Gymnasium's own environment (`bipedal.evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from bipedal.checkpoint import Model
from bipedal.evaluation.obstacles import NONE, Crossings, count_crossings
from bipedal.evaluation.score import summarise_episodes
from bipedal.history import Recollection
from bipedal.physics.constants import START_X

if TYPE_CHECKING:
    from bipedal.engines.warp import WarpEngine


@dataclass(frozen=True)
class Trials:
    """E whole episodes of a greedy policy."""

    returns: npt.NDArray[np.float64]
    """(E,) undiscounted sums of raw rewards."""
    lengths: npt.NDArray[np.int64]
    """(E,) timesteps."""
    fell: npt.NDArray[np.bool_]
    """(E,)"""
    distances: npt.NDArray[np.float64]
    """(E,) metres walked."""
    crossings: Crossings
    """Obstacles that they met and crossed."""

    def summary(self) -> Mapping[str, float]:
        """Mean return and so on, by the names of `evaluate --json`."""
        return summarise_episodes(self.returns, self.lengths, self.fell, self.distances)


@torch.no_grad()
def play_trials(
    model: Model,
    engine: WarpEngine,
    seed: int,
    gains: Sequence[float] = (1.0,),
) -> list[Trials]:
    """Play one episode in each of the engine's environments, which begin with `seed`.

    The environments are shared out evenly among `gains`, in that order; the mean action is
    tanh(gain · network). Returns the trials of each gain.
    """
    actor = model.actor
    device = actor.log_std.device
    share = engine.num_envs // len(gains)
    gain = torch.tensor(gains, device=device).repeat_interleave(share)[:, None]
    recollection = Recollection(model.memory, torch.tensor(engine.reset(seed), device=device))
    obstacles = engine.obstacles()
    returns = np.zeros(engine.num_envs)
    lengths = np.zeros(engine.num_envs, dtype=np.int64)
    fell = np.zeros(engine.num_envs, dtype=np.bool_)
    distances = np.zeros(engine.num_envs)
    running = np.ones(engine.num_envs, dtype=np.bool_)
    begun = torch.zeros(engine.num_envs, dtype=torch.bool)  # what comes after an end is not counted
    while running.any():
        seen = model.normalizer(recollection.recall()).flatten(-2)
        step = engine.step(torch.tanh(gain * actor.net(seen)).cpu().numpy())
        returns += np.where(running, step.reward, 0.0)
        lengths += running
        ended = running & (step.terminated | step.truncated)
        fell[ended] = step.fell[ended]
        distances[ended] = step.distance[ended]
        running &= ~ended
        recollection.see(torch.tensor(step.observation, device=device), begun)
    parts = [slice(index * share, (index + 1) * share) for index in range(len(gains))]
    crossings = [
        count_crossings(standing, START_X + walked)
        for standing, walked in zip(obstacles, distances, strict=True)
    ]
    return [
        Trials(returns[p], lengths[p], fell[p], distances[p], sum(crossings[p], NONE))
        for p in parts
    ]
