"""Play one episode of a policy in a fresh environment of Gymnasium's, and say how it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bipedal.engines.reference import make_env
from bipedal.evaluation.gait import Gait, analyse
from bipedal.evaluation.obstacles import (
    Crossings,
    Kind,
    count_crossings,
    find_obstacles,
    obstacle_at,
)
from bipedal.evaluation.trajectory import Trajectory, TrajectoryRecorder
from bipedal.policy import Policy
from bipedal.walker import FloatArray

Act = Callable[[FloatArray], FloatArray]
"""One raw observation (24,) to one action (4,), both float32."""


def begin(policy: Policy | Act) -> Act:
    """Let a policy begin an episode; returns what to ask for actions."""
    if not isinstance(policy, Policy):
        return policy
    policy.restart()
    return policy.act


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


def run_episode(
    policy: Policy | Act, env_id: str, seed: int, *, keep_trajectory: bool = True
) -> Episode:
    """Play one whole episode in a fresh environment seeded with `seed`."""
    act = begin(policy)
    env = make_env(env_id)
    observation, _ = env.reset(seed=seed)
    recorder = TrajectoryRecorder(env)
    terminated = truncated = False
    episodic_return = 0.0
    while not (terminated or truncated):
        observation, reward, terminated, truncated, _ = env.step(act(observation))
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
