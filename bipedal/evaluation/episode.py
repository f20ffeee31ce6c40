"""Play greedy episodes on the batched engine, many side by side, and say how each went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bipedal.capture import Captured
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.gait import Gait, analyse
from bipedal.evaluation.obstacles import (
    Crossings,
    Floats,
    Kind,
    count_crossings,
    find_obstacles,
    obstacle_at,
)
from bipedal.evaluation.recorder import Recorder
from bipedal.evaluation.trajectory import Trajectory
from bipedal.foreign_policy import ForeignPolicy
from bipedal.fused.episodes import play_greedily
from bipedal.physics.constants import START_X
from bipedal.policy import Policy
from bipedal.walker import WALKER_ID, FloatArray, Step

Act = Callable[[FloatArray], FloatArray]
"""One raw observation (24,) to one action (4,), both float32."""
Player = Policy | ForeignPolicy | Act
"""Whatever can play an episode."""
ActBatch = Callable[[Tensor, Tensor], Tensor]
"""Raw observations (N, 24), and where they are an episode's first (N,), to actions (N, 4)."""


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
    gait: Gait | None
    """Where the episode was recorded."""
    trajectory: Trajectory | None
    """Timestep by timestep, where it was asked for."""


def begin(policy: Player, gain: Tensor | None = None) -> ActBatch:
    """Let a policy begin episodes; returns what to ask for actions.

    `gain` (N, 1) replaces that of a `Policy`, for each environment. A policy that goes on learning
    plays with the network that it has now.
    """
    if isinstance(policy, Policy):
        player, device, net = policy, policy.device, policy.net_in_float64()
        player.restart()
        return lambda observations, begun: player.act_batch(
            observations.to(device), begun.to(device), gain=gain, net=net
        ).to(observations.device)
    if isinstance(policy, ForeignPolicy):
        policy.restart()
        return policy.act_batch
    act = policy
    return lambda observations, begun: torch.from_numpy(np.stack([*map(act, observations.numpy())]))


def env_id_of(policy: Player) -> str:
    """The environment that a policy was trained in; BipedalWalker-v3 for a plain function."""
    return policy.env_id if isinstance(policy, Policy | ForeignPolicy) else WALKER_ID


def run_episode(policy: Player, env_id: str, seed: int, *, keep_trajectory: bool = True) -> Episode:
    """Play one whole episode, that of `reset(seed=seed)`."""
    with closing(WarpEngine(env_id, 1, seed, autoreset=False, rest=True)) as engine:
        ((_, episode),) = play_episodes(
            begin(policy), engine, [seed], recorded=[0], keep_trajectories=keep_trajectory
        )
    return episode


def play_recorded(act: ActBatch, engine: WarpEngine, recorder: Recorder) -> Iterator[Step]:
    """Play the first episode of an engine with one environment; yields each step once it is noted.

    Who stops listening breaks the episode off. The trajectory is `recorder.finish(0)`.
    """
    observation, begun = engine.reset(), torch.ones(1, dtype=torch.bool)
    recorder.begin(0)
    done = False
    while not done:
        step = engine.step(act(observation, begun))
        recorder.record(step)
        done = bool(step.done)
        yield step
        observation, begun = engine.observation, torch.zeros(1, dtype=torch.bool)


def play_episodes(
    act: ActBatch,
    engine: WarpEngine,
    seeds: Sequence[int],
    *,
    recorded: Sequence[int] = (),
    keep_trajectories: bool = False,
    capture: bool = False,
) -> Iterator[tuple[int, Episode]]:
    """Play the episode of each seed; yields its number in `seeds` and what became of it.

    The engine must not reset environments by itself, and there are at least as many seeds as
    environments. Environment i begins with the i-th, and each that is done goes on with the next
    seed that nobody has taken. Episodes come as they end.

    With `capture` a step on CUDA becomes a graph: `act` must then be a function of tensors alone.

    `recorded` are the environments whose episodes get a gait. `keep_trajectories` keeps these row
    by row as well, which takes memory.
    """
    rows = range(engine.num_envs)

    def play(observation: Tensor, begun: Tensor) -> Step:
        return engine.step(act(observation, begun))

    step_all = Captured(play, engine.device) if capture else play
    tally = _Tally(engine, Recorder(engine, recorded), keep_trajectories)
    observation = engine.reset(seeds[: engine.num_envs])
    begun = torch.ones(engine.num_envs, dtype=torch.bool, device=engine.device)
    playing = dict(zip(rows, rows, strict=True))  # the episodes that environments play
    waiting = iter(range(engine.num_envs, len(seeds)))
    tally.begin(rows)
    while playing:
        with torch.no_grad():
            step = step_all(observation, begun)
        tally.add(step)
        ended = [row for row in step.done.nonzero()[:, 0].tolist() if row in playing]
        for row in ended:
            number = playing.pop(row)
            yield number, tally.finish(row, seeds[number], step)
        following = dict(zip(ended, waiting, strict=False))
        if following:
            engine.begin_episodes(following, [seeds[number] for number in following.values()])
            tally.begin(following)
            playing |= following
        observation = engine.observation
        begun = torch.zeros_like(begun)
        begun[list(following)] = True


def play_all_at_once(
    policy: Policy,
    engine: WarpEngine,
    seeds: Sequence[int],
    gain: Tensor,
    *,
    recorded: Sequence[int] = (),
) -> dict[int, Episode]:
    """The same as `play_episodes` with a seed for each environment, by compiled code.

    `can_play` says where that is possible. `gain` (N,) replaces that of the policy.
    """
    recorder = Recorder(engine, recorded)
    tally = _Tally(engine, recorder, keep_trajectories=False)
    engine.reset(seeds)
    tally.begin(range(len(seeds)))
    played = play_greedily(policy, engine, gain, recorded)
    answer = engine.memory[1]
    recorder.take_in(played.notes, played.lengths[list(recorded)].tolist(), answer)
    tally.take_in(played.returns, played.lengths)
    return {row: tally.finish(row, seed, answer) for row, seed in enumerate(seeds)}


class _Tally:
    """What has come so far of the episodes that an engine's environments play."""

    def __init__(self, engine: WarpEngine, recorder: Recorder, keep_trajectories: bool) -> None:
        self._engine = engine
        self._recorder = recorder
        self._keep_trajectories = keep_trajectories
        self._returns = torch.zeros(engine.num_envs, dtype=torch.float64, device=engine.device)
        self._lengths = torch.zeros(engine.num_envs, dtype=torch.int64, device=engine.device)
        self._boxes: dict[int, Floats] = {}

    def begin(self, rows: Iterable[int]) -> None:
        """Forget the last episodes of some environments, where the next have just begun."""
        rows = list(rows)
        self._returns[rows] = 0.0
        self._lengths[rows] = 0
        for row, boxes in zip(rows, self._engine.boxes(rows), strict=True):
            self._boxes[row] = boxes
            if row in self._recorder:
                self._recorder.begin(row)

    def add(self, step: Step) -> None:
        """Add up what a step has led to."""
        self._returns += step.reward
        self._lengths += 1
        self._recorder.record(step)

    def take_in(self, returns: Tensor, lengths: Tensor) -> None:
        """The sums of whole episodes, both (N,)."""
        self._returns.copy_(returns)
        self._lengths.copy_(lengths)

    def finish(self, row: int, seed: int, step: Step) -> Episode:
        """What became of an environment's episode, that of `seed`, which ended with this step."""
        obstacles = find_obstacles(self._boxes[row])
        distance = float(step.distance[row])
        end = START_X + distance
        trajectory = self._recorder.finish(row) if row in self._recorder else None
        return Episode(
            seed=seed,
            episodic_return=float(self._returns[row]),
            length=int(self._lengths[row]),
            fell=bool(step.fell[row]),
            distance=distance,
            crossings=count_crossings(obstacles, end),
            ended_at=obstacle_at(obstacles, end),
            gait=None if trajectory is None else analyse(trajectory),
            trajectory=trajectory if self._keep_trajectories else None,
        )
