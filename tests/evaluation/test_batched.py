"""Greedy episodes on an engine whose every number is known, and against Gymnasium."""

import copy
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.batched import Episodes, play_episodes
from bipedal.evaluation.obstacles import Floats
from bipedal.evaluation.score import evaluate
from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.physics.constants import START_X
from bipedal.policy import Policy
from bipedal.walker import OBSERVATION_DIM, Step


@dataclass
class ScriptedEngine:
    """Environment i ends after `lengths[i]` timesteps, again and again; a reward is the seed."""

    lengths: tuple[int, ...] = (2, 4)
    fall: tuple[bool, ...] = (True, False)
    seeds: list[int] = field(default_factory=list)

    @property
    def num_envs(self) -> int:
        return len(self.lengths)

    device = torch.device("cpu")

    def reset(self, seed: int) -> Tensor:
        self.seeds.append(seed)
        self.time = torch.zeros(self.num_envs, dtype=torch.int64)
        return self._seen()

    @property
    def observation(self) -> Tensor:
        return self._seen()

    def snapshot(self, rows: Iterable[int]) -> dict[str, Tensor]:
        return {"time": self.time[list(rows)]}

    def restore_rows(self, rows: Iterable[int], snapshot: dict[str, Tensor]) -> None:
        self.time[list(rows)] = snapshot["time"]

    def _seen(self) -> Tensor:
        return self.time[:, None].repeat(1, OBSERVATION_DIM).float()

    def boxes(self) -> list[Floats]:
        assert not self.time.any(), "the terrain of this episode"
        stump = [START_X + 2.0, 3.0, START_X + 2.5, 3.4]  # it lies beyond the reach of 1 m
        return [np.array([stump]) for _ in self.lengths]

    def step(self, actions: Tensor) -> Step:
        assert actions.shape == (self.num_envs, 2)
        self.actions = actions
        self.time += 1
        over = self.time % torch.tensor(self.lengths) == 0
        falls = over & torch.tensor(self.fall)
        reward = torch.where(falls, -100.0, float(self.seeds[-1])).double()
        seen = self._seen()
        return Step(seen, reward, falls, over & ~falls, seen, 0.5 * self.time.double())


def make_model(frames: int = 1) -> Policy:
    torch.manual_seed(0)
    width = OBSERVATION_DIM * frames
    actor, critic = Actor(width, 2, hidden_sizes=(4,)), Critic(width, hidden_sizes=(4,))
    return Policy(actor, critic, ObservationNormalizer((OBSERVATION_DIM,)), FrameStack(frames))


def play(engine: ScriptedEngine, **options: object) -> list[Episodes]:
    return play_episodes(make_model(), engine, 7, **options)  # type: ignore[arg-type]


def test_each_environment_plays_one_whole_episode() -> None:
    engine = ScriptedEngine()
    (episodes,) = play(engine)
    assert engine.seeds == [7]
    assert episodes.returns.tolist() == [7 - 100, 4 * 7]
    assert episodes.lengths.tolist() == [2, 4]
    assert episodes.fell.tolist() == [True, False]
    assert episodes.distances.tolist() == [1.0, 2.0]
    summary = episodes.summary()
    assert summary["mean_return"] == (7 - 100 + 28) / 2
    assert summary["fall_rate"] == 0.5
    assert summary["mean_speed"] == pytest.approx(3.0 / (6 / 50))


def test_the_environments_are_shared_out_among_the_gains() -> None:
    engine = ScriptedEngine(lengths=(2, 3, 4, 5), fall=(False,) * 4)
    first, second = play(engine, gains=(1.0, 0.5))
    assert (first.lengths.tolist(), second.lengths.tolist()) == ([2, 3], [4, 5])


def test_all_gains_play_the_same_terrains() -> None:
    """With equal gains the episodes are equal, terrain, push and all."""
    policy = load_model("pretrained:hardcore")
    with closing(WarpEngine("BipedalWalkerHardcore-v3", 6, 0)) as engine:
        first, second = play_episodes(policy, engine, 5, (0.4, 0.4))
        assert first.returns.tolist() == second.returns.tolist()
        assert len(set(first.returns.tolist())) == 3


def test_a_gain_is_a_factor_on_the_last_layer() -> None:
    model = make_model()
    actor, scaled = model.actor, copy.deepcopy(model.actor)
    scaled.scale_output(0.5)
    engine = ScriptedEngine()
    play_episodes(model, engine, 7, (1.0, 0.5))  # type: ignore[arg-type]
    with torch.no_grad():
        seen = torch.full((OBSERVATION_DIM,), 3.0)  # at the last action
        expected = torch.stack([actor(seen), scaled(seen)])
    np.testing.assert_allclose(engine.actions, expected, rtol=1e-5)


def test_obstacles_are_counted_by_gain() -> None:
    near, far = play(ScriptedEngine(lengths=(1, 3, 9), fall=(True,) * 3), gains=(1.0,) * 3)[::2]
    assert near.crossings.rates() == {"stump": None, "stairs": None, "pit": None}
    assert far.crossings.rates() == {"stump": 1.0, "stairs": None, "pit": None}


def test_a_policy_with_a_memory_is_shown_it() -> None:
    """The scripted engine's observation is the time."""
    engine = ScriptedEngine(lengths=(4,), fall=(False,))
    model = make_model(frames=3)
    play_episodes(model, engine, 7)  # type: ignore[arg-type]
    with torch.no_grad():
        shown = torch.tensor([3.0, 2.0, 1.0]).repeat_interleave(OBSERVATION_DIM)
        expected = model.actor(shown)[None]
    np.testing.assert_allclose(engine.actions, expected, rtol=1e-5)


def test_they_tell_what_gymnasium_would() -> None:
    """The same episodes in another summation order, so nearly the same is all they can be."""
    model = load_model("pretrained:walker")
    with closing(WarpEngine("BipedalWalker-v3", 2, 0)) as engine:
        (episodes,) = play_episodes(model, engine, 3)
    scored = evaluate(model, "BipedalWalker-v3", episodes=2, seed=3)
    assert episodes.summary().keys() <= scored.to_json().keys()
    np.testing.assert_allclose(episodes.returns, scored.returns, atol=3.0)
    np.testing.assert_allclose(
        episodes.lengths, [episode.length for episode in scored.episodes], rtol=0.05
    )
    assert episodes.summary()["mean_speed"] == pytest.approx(
        scored.summary()["mean_speed"], rel=0.05
    )
