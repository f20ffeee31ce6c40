"""Play one episode of a policy in a fresh environment of Gymnasium's, and say how it went."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from bipedal.checkpoint import Model
from bipedal.engines.gymnasium import make_env
from bipedal.evaluation.gait import Gait, analyse
from bipedal.evaluation.obstacles import (
    Crossings,
    Kind,
    count_crossings,
    find_obstacles,
    obstacle_at,
)
from bipedal.evaluation.trajectory import Trajectory, TrajectoryRecorder
from bipedal.history import Recollection
from bipedal.normalizer import ObservationNormalizer
from bipedal.walker import OBSERVATION_DIM, FloatArray

Policy = Callable[[FloatArray], FloatArray]
"""One raw observation (24,) to one action (4,), both float32."""

Statistics = Literal["saved", "none", "fresh"]
"""Which observation statistics a policy is shown the world through."""


@dataclass(frozen=True)
class Episode:
    """One episode and how the robot moved in it."""

    seed: int
    episodic_return: float
    """Undiscounted sum of raw rewards."""
    length: int
    """Timesteps."""
    fell: bool
    distance: float
    """Metres walked."""
    crossings: Crossings
    """Obstacles that it met and crossed."""
    ended_at: Kind | None
    """Kind of the obstacle that it was busy with when it ended."""
    gait: Gait
    trajectory: Trajectory | None
    """Row by row, where it was asked for."""


def run_episode(policy: Policy, env_id: str, seed: int, *, keep_trajectory: bool = True) -> Episode:
    """Play one whole episode in a fresh environment seeded with `seed`."""
    env = make_env(env_id)
    observation, _ = env.reset(seed=seed)
    recorder = TrajectoryRecorder(env, seed)
    terminated = truncated = False
    episodic_return = 0.0
    while not (terminated or truncated):
        observation, reward, terminated, truncated, _ = env.step(policy(observation))
        recorder.record(float(reward))
        episodic_return += float(reward)
    env.close()
    trajectory = recorder.finish(terminated, truncated)
    obstacles = find_obstacles(trajectory.boxes)
    end = float(trajectory.hull_position[-1, 0])
    return Episode(
        seed=seed,
        episodic_return=episodic_return,
        length=len(trajectory.rewards),
        fell=trajectory.fell,
        distance=end - trajectory.start_x,
        crossings=count_crossings(obstacles, end),
        ended_at=obstacle_at(obstacles, end),
        gait=analyse(trajectory),
        trajectory=trajectory if keep_trajectory else None,
    )


class _FreshStatistics:
    """A policy that starts each episode knowing nothing of the world's scale.

    What a new `NormalizeObservation` wrapper around an evaluation environment does: it forgets
    the training statistics and estimates others on the way.
    """

    def __init__(self, model: Model) -> None:
        self.normalizer = ObservationNormalizer((OBSERVATION_DIM,))
        self.policy = make_policy(dataclasses.replace(model, normalizer=self.normalizer))

    def __call__(self, observation: FloatArray) -> FloatArray:
        self.normalizer.update(torch.from_numpy(observation)[None])
        return self.policy(observation)


class _Remembering:
    """A policy with a memory, which begins empty."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.recollection: Recollection | None = None

    def __call__(self, observation: FloatArray) -> FloatArray:
        latest = torch.from_numpy(observation)[None]
        if self.recollection is None:
            self.recollection = Recollection(self.model.memory, latest)
        else:
            self.recollection.see(latest, torch.tensor([False]))
        return self.model.act(self.recollection.recall()[0].numpy())


def make_policy(model: Model, statistics: Statistics = "saved") -> Policy:
    """Make the greedy policy of a model for one episode."""
    if statistics == "fresh":
        return _FreshStatistics(model)
    if statistics == "none":
        model = dataclasses.replace(model, normalizer=ObservationNormalizer((OBSERVATION_DIM,)))
    return model.act if model.memory.frames == 1 else _Remembering(model)
