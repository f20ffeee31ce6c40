"""Greedy episodes side by side, on an engine whose every number is known and on the real one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from contextlib import closing

import numpy as np
import pytest
import torch
from torch import Tensor

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import Episode, begin, play_episodes, run_episode
from bipedal.evaluation.obstacles import Floats
from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.physics.constants import START_X
from bipedal.policy import Policy
from bipedal.walker import ENV_IDS, HARDCORE_ID, OBSERVATION_DIM, WALKER_ID, Step


class ScriptedEngine:
    """The episode of seed s lasts s timesteps of a reward of s each; it ends in a fall if s is odd.

    An observation is the time since the episode's beginning.
    """

    env_id = HARDCORE_ID
    device = torch.device("cpu")

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.actions: list[Tensor] = []
        self.begun: list[int] = []

    def reset(self, seeds: Sequence[int]) -> Tensor:
        self.seed, self.time = [0] * self.num_envs, [0] * self.num_envs
        return self.begin_episodes(range(self.num_envs), seeds)

    def begin_episodes(self, rows: Iterable[int], seeds: Sequence[int]) -> Tensor:
        for row, seed in zip(rows, seeds, strict=True):
            self.seed[row], self.time[row] = seed, 0
            self.begun.append(seed)
        return self.observation

    @property
    def observation(self) -> Tensor:
        return torch.tensor(self.time)[:, None].repeat(1, OBSERVATION_DIM).float()

    def boxes(self, rows: Sequence[int]) -> list[Floats]:
        assert all(self.time[row] == 0 for row in rows), "those of this episode"
        # From 4 timesteps on a robot is past the reach of 1 m.
        return [np.array([[START_X + 0.2, 3.0, START_X + 0.5, 3.4]])] * len(rows)

    def step(self, actions: Tensor) -> Step:
        self.actions.append(actions)
        self.time = [time + 1 for time in self.time]
        over = [time >= seed for time, seed in zip(self.time, self.seed, strict=True)]
        falls = [done and seed % 2 == 1 for done, seed in zip(over, self.seed, strict=True)]
        reward = [-100.0 if fall else seed for fall, seed in zip(falls, self.seed, strict=True)]
        distance = 0.5 * torch.tensor(self.time).double()
        fell = torch.tensor(falls)
        truncated = torch.tensor(over) & ~fell
        rewards = torch.tensor(reward, dtype=torch.float64)
        return Step(self.observation, rewards, fell, truncated, self.observation, distance)


def make_model(frames: int = 1) -> Policy:
    torch.manual_seed(0)
    width = OBSERVATION_DIM * frames
    actor, critic = Actor(width, 4, hidden_sizes=(4,)), Critic(width, hidden_sizes=(4,))
    actor.scale_output(100.0)
    return Policy(actor, critic, ObservationNormalizer((OBSERVATION_DIM,)), FrameStack(frames))


def play(
    engine: ScriptedEngine, seeds: Sequence[int], model: Policy | None = None
) -> list[Episode]:
    act = begin(model or make_model())
    played = dict(play_episodes(act, engine, seeds))  # type: ignore[arg-type]
    return [played[number] for number in range(len(seeds))]


def test_an_episode_is_added_up() -> None:
    fallen, whole = play(ScriptedEngine(2), [3, 4])
    assert (fallen.seed, fallen.length, fallen.episodic_return) == (3, 3, 2 * 3 - 100)
    assert (whole.seed, whole.length, whole.episodic_return) == (4, 4, 4 * 4)
    assert (fallen.fell, whole.fell) == (True, False)
    assert (fallen.distance, whole.distance) == (1.5, 2.0)
    assert (fallen.ended_at, whole.ended_at) == ("stump", None)
    assert fallen.crossings.rates()["stump"] == 0.0
    assert whole.crossings.rates()["stump"] == 1.0
    assert fallen.gait is None and fallen.trajectory is None


def test_an_environment_that_is_done_goes_on_with_the_next_seed() -> None:
    engine = ScriptedEngine(2)
    seeds = [9, 2, 3, 5, 4]
    episodes = play(engine, seeds)
    assert [episode.seed for episode in episodes] == seeds
    assert [episode.length for episode in episodes] == seeds
    assert [episode.episodic_return for episode in episodes] == [
        9 * 8 - 100, 4, 6 - 100, 5 * 4 - 100, 16
    ]  # fmt: skip
    assert engine.begun == seeds
    assert len(engine.actions) == 9 + 4  # in the first, and 2 + 3 + 5 in the second


def test_a_policy_with_a_memory_forgets_the_last_episode() -> None:
    engine = ScriptedEngine(1)
    model = make_model(frames=3)
    play(engine, [2, 4], model)
    shown = [[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 2, 1]]
    frames = torch.tensor(shown, dtype=torch.float32).repeat_interleave(OBSERVATION_DIM, dim=1)
    with torch.no_grad():
        expected = model.actor(frames).numpy()
    np.testing.assert_allclose(torch.cat(engine.actions), expected, rtol=1e-5)


def test_a_gain_is_a_factor_on_the_last_layer() -> None:
    model = make_model()
    scaled = copy.deepcopy(model.actor)
    scaled.scale_output(0.5)
    act = begin(model, torch.tensor([[1.0], [0.5]]))
    seen = torch.ones(2, OBSERVATION_DIM)
    with torch.no_grad():
        expected = torch.stack([model.actor(seen[0]), scaled(seen[0])])
        actions = act(seen, torch.ones(2, dtype=torch.bool))
    np.testing.assert_allclose(actions, expected, rtol=1e-5)


def test_actions_come_to_where_the_observations_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks on a GPU, for which actions that say where they are sent stand in."""

    class Actions:
        def to(self, device: torch.device) -> torch.device:
            return device

    monkeypatch.setattr(Policy, "act_batch", lambda *_, **__: Actions())
    observations = torch.zeros(2, OBSERVATION_DIM)
    begun = torch.ones(2, dtype=torch.bool)
    act = begin(load_model("pretrained:walker"))
    assert act(observations, begun) == observations.device


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_side_by_side_and_alone_are_the_same_to_the_bit(env_id: str) -> None:
    """Whatever else is played, before and beside it; also where an engine takes up a seed late."""
    clumsy = load_model("pretrained:walker")
    clumsy.gain = 0.5
    seeds = [30, 31, 32, 33, 34]
    with closing(WarpEngine(env_id, 3, 0, autoreset=False)) as engine:
        played = dict(play_episodes(begin(clumsy), engine, seeds, recorded=[0, 1, 2]))
    for number, seed in enumerate(seeds):
        alone = run_episode(clumsy, env_id, seed, keep_trajectory=False)
        assert played[number].episodic_return == alone.episodic_return
        assert played[number].length == alone.length
        assert str(played[number].gait) == str(alone.gait)  # NaN is no equal of NaN
    assert len({episode.episodic_return for episode in played.values()}) == 5


def test_only_some_environments_are_recorded() -> None:
    policy = load_model("pretrained:walker")
    policy.gain = 0.1  # it falls at once
    with closing(WarpEngine(WALKER_ID, 2, 0, autoreset=False)) as engine:
        played = dict(
            play_episodes(begin(policy), engine, [0, 1], recorded=[1], keep_trajectories=True)
        )
    assert played[0].gait is None and played[0].trajectory is None
    assert played[1].gait is not None and played[1].trajectory is not None
    assert played[1].trajectory.rewards.sum() == pytest.approx(played[1].episodic_return)
    assert len(played[1].trajectory.rewards) == played[1].length
