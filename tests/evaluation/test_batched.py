"""Greedy trials against an engine whose every number is known, and against Gymnasium."""

import copy
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from bipedal.checkpoint import Model, load_model
from bipedal.config import Memory
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.batched import Trials, play_trials
from bipedal.evaluation.obstacles import Kind, Obstacle
from bipedal.evaluation.score import evaluate
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer
from bipedal.physics.constants import START_X
from bipedal.walker import FloatArray, Step


@dataclass
class ScriptedEngine:
    """Environment i ends after `lengths[i]` timesteps, again and again; a reward is the seed."""

    lengths: tuple[int, ...] = (2, 4)
    fall: tuple[bool, ...] = (True, False)
    seeds: list[int] = field(default_factory=list)

    @property
    def num_envs(self) -> int:
        return len(self.lengths)

    def reset(self, seed: int) -> FloatArray:
        self.seeds.append(seed)
        self.time = np.zeros(self.num_envs, dtype=np.int64)
        return self._seen()

    def _seen(self) -> FloatArray:
        return np.repeat(self.time[:, None], 3, axis=1).astype(np.float32)

    def obstacles(self) -> list[list[Obstacle]]:
        assert not self.time.any(), "the terrain of this episode"
        stump = Obstacle(Kind.STUMP, START_X + 2.0, START_X + 2.5)  # behind REACH of 1 m
        return [[stump] for _ in self.lengths]

    def step(self, actions: FloatArray) -> Step:
        assert actions.shape == (self.num_envs, 2)
        self.actions = actions
        self.time += 1
        over = self.time % np.array(self.lengths) == 0
        falls = over & np.array(self.fall)
        reward = np.where(falls, -100.0, float(self.seeds[-1]))
        seen = self._seen()
        return Step(seen, reward, falls, over & ~falls, seen, 0.5 * self.time)


def make_model(frames: int = 1) -> Model:
    width = 3 * frames
    actor, critic = Actor(width, 2, hidden_sizes=(4,)), Critic(width, hidden_sizes=(4,))
    return Model(actor, critic, ObservationNormalizer((3,)), {}, Memory(frames))


def play(engine: ScriptedEngine, **options: object) -> list[Trials]:
    return play_trials(make_model(), engine, 7, **options)  # type: ignore[arg-type]


def test_each_environment_plays_one_whole_episode() -> None:
    engine = ScriptedEngine()
    (trials,) = play(engine)
    assert engine.seeds == [7]
    assert trials.returns.tolist() == [7 - 100, 4 * 7]
    assert trials.lengths.tolist() == [2, 4]
    assert trials.fell.tolist() == [True, False]
    assert trials.distances.tolist() == [1.0, 2.0]
    summary = trials.summary()
    assert summary["mean_return"] == (7 - 100 + 28) / 2
    assert summary["fall_rate"] == 0.5
    assert summary["mean_speed"] == pytest.approx(3.0 / (6 / 50))


def test_the_environments_are_shared_out_among_the_gains() -> None:
    engine = ScriptedEngine(lengths=(2, 3, 4, 5), fall=(False,) * 4)
    first, second = play(engine, gains=(1.0, 0.5))
    assert (first.lengths.tolist(), second.lengths.tolist()) == ([2, 3], [4, 5])


def test_a_gain_is_a_factor_on_the_last_layer() -> None:
    model = make_model()
    actor, scaled = model.actor, copy.deepcopy(model.actor)
    scaled.scale_output(0.5)
    engine = ScriptedEngine()
    play_trials(model, engine, 7, (1.0, 0.5))  # type: ignore[arg-type]
    with torch.no_grad():
        seen = torch.full((3,), 3.0)  # at the last action
        expected = torch.stack([actor(seen), scaled(seen)])
    np.testing.assert_allclose(engine.actions, expected, rtol=1e-6)


def test_obstacles_are_counted_by_gain() -> None:
    near, far = play(ScriptedEngine(lengths=(1, 3, 9), fall=(True,) * 3), gains=(1.0,) * 3)[::2]
    assert near.crossings.rates() == {"stump": None, "stairs": None, "pit": None}
    assert far.crossings.rates() == {"stump": 1.0, "stairs": None, "pit": None}


def test_a_policy_with_a_memory_is_shown_it() -> None:
    """The scripted engine's observation is the time."""
    engine = ScriptedEngine(lengths=(4,), fall=(False,))
    model = make_model(frames=3)
    play_trials(model, engine, 7)  # type: ignore[arg-type]
    with torch.no_grad():
        shown = torch.tensor([3.0, 2.0, 1.0]).repeat_interleave(3)
        expected = model.actor(shown)[None]
    np.testing.assert_allclose(engine.actions, expected, rtol=1e-6)


def test_trials_tell_what_gymnasium_would() -> None:
    """Other terrains and another summation order, so alike is all they can be."""
    model = load_model("pretrained:walker")
    engine = WarpEngine("BipedalWalker-v3", 16, 0)
    try:
        (trials,) = play_trials(model, engine, 0)
    finally:
        engine.close()
    scored = evaluate(model, "BipedalWalker-v3", episodes=2).to_json()
    assert trials.summary().keys() <= scored.keys()
    assert np.median(trials.returns) == pytest.approx(scored["mean_return"], abs=3.0)
    assert np.median(trials.lengths) == pytest.approx(scored["mean_length"], rel=0.05)
    speeds = trials.distances / trials.lengths * 50
    assert np.median(speeds) == pytest.approx(scored["mean_speed"], rel=0.05)
