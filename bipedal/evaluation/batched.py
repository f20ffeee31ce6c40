"""Play many greedy episodes at once on the batched engine: quick enough to do it while training.

What they return steers a run: which model is kept as the best, and whether to stop. It is never a
score; scores are played one by one in Gymnasium's own environment (`bipedal.evaluation.score`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.engine_recorder import EngineRecorder
from bipedal.evaluation.gait import Gait, analyse
from bipedal.evaluation.obstacles import NONE, Crossings, count_crossings, find_obstacles
from bipedal.evaluation.score import summarise_episodes
from bipedal.physics.constants import START_X
from bipedal.policy import Policy


@dataclass(frozen=True)
class Episodes:
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
    gaits: Sequence[Gait]
    """How the robots moved in the first few of them."""

    def summary(self) -> dict[str, float]:
        """Mean return and so on, by the names of `evaluate --json`."""
        return summarise_episodes(self.returns, self.lengths, self.fell, self.distances)


@torch.no_grad()
def play_episodes(
    policy: Policy,
    engine: WarpEngine,
    seed: int,
    gains: Sequence[float] = (1.0,),
    *,
    gaits: int = 0,
) -> list[Episodes]:
    """Play one episode in each of the engine's environments, which begin with `seed`.

    The environments are shared out evenly among `gains`, in that order; the mean action is
    tanh(gain · network). All gains play the same terrains, so that they differ in nothing else.
    Returns the episodes of each gain, the first `gaits` of them with their gait.
    """
    player = policy.share()
    share = engine.num_envs // len(gains)
    gain = torch.tensor(gains, device=policy.device).repeat_interleave(share)[:, None]
    engine.reset(seed)
    beginnings = engine.snapshot(range(share))
    for first in range(share, share * len(gains), share):
        engine.restore_rows(range(first, first + share), beginnings)
    observation = engine.observation.to(policy.device)
    boxes = engine.boxes()
    parts = [range(first, first + share) for first in range(0, share * len(gains), share)]
    recorded_rows = [row for part in parts for row in part[:gaits]]
    recorder = EngineRecorder(engine, recorded_rows) if recorded_rows else None
    returns, lengths, fell, distances = _empty_totals(engine)
    running = torch.ones_like(fell)
    while running.any():
        actions = player.act_batch(observation, gain=gain)
        step = engine.step(actions.to(engine.device))
        if recorder is not None:
            recorder.record(step)
        returns += torch.where(running, step.reward, 0.0)
        lengths += running
        ended = running & step.done
        fell |= ended & step.fell
        distances = torch.where(ended, step.distance, distances)
        running &= ~ended  # an environment's next episode goes on, and is not counted
        observation = step.observation.to(policy.device)
    crossings = [
        count_crossings(find_obstacles(standing), START_X + walked)
        for standing, walked in zip(boxes, distances.tolist(), strict=True)
    ]
    recorded = [] if recorder is None else recorder.finish()
    return [
        Episodes(
            returns[part.start : part.stop].cpu().numpy(),
            lengths[part.start : part.stop].cpu().numpy(),
            fell[part.start : part.stop].cpu().numpy(),
            distances[part.start : part.stop].cpu().numpy(),
            sum(crossings[part.start : part.stop], NONE),
            [analyse(trajectory) for trajectory in recorded[number * gaits :][:gaits]],
        )
        for number, part in enumerate(parts)
    ]


def _empty_totals(engine: WarpEngine) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns, lengths, falls and distances of N episodes that have not begun."""

    def zeros(dtype: torch.dtype) -> Tensor:
        return torch.zeros(engine.num_envs, dtype=dtype, device=engine.device)

    return zeros(torch.float64), zeros(torch.int64), zeros(torch.bool), zeros(torch.float64)
