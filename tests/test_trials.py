"""Greedy trials against an engine whose every number is known, and against Gymnasium."""

import copy
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from bipedal.checkpoint import load_model
from bipedal.envs import FloatArray, Step
from bipedal.evaluate import evaluate
from bipedal.models import Actor
from bipedal.normalizer import ObservationNormalizer
from bipedal.physics.engine import WarpEngine
from bipedal.trials import Trials, play_trials


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
        return np.ones((self.num_envs, 3), dtype=np.float32)

    def step(self, actions: FloatArray) -> Step:
        assert actions.shape == (self.num_envs, 2)
        self.actions = actions
        self.time += 1
        over = self.time % np.array(self.lengths) == 0
        falls = over & np.array(self.fall)
        reward = np.where(falls, -100.0, float(self.seeds[-1]))
        seen = np.ones((self.num_envs, 3), dtype=np.float32)
        return Step(seen, reward, falls, over & ~falls, seen, 0.5 * self.time)


def play(engine: ScriptedEngine, **options: object) -> list[Trials]:
    actor, normalizer = Actor(3, 2, hidden_sizes=(4,)), ObservationNormalizer((3,))
    return play_trials(actor, normalizer, engine, 7, **options)  # type: ignore[arg-type]


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
    actor = Actor(3, 2, hidden_sizes=(4,))
    scaled = copy.deepcopy(actor)
    scaled.scale_output(0.5)
    engine = ScriptedEngine()
    normalizer = ObservationNormalizer((3,))
    play_trials(actor, normalizer, engine, 7, (1.0, 0.5))  # type: ignore[arg-type]
    with torch.no_grad():
        expected = torch.stack([actor(torch.ones(3)), scaled(torch.ones(3))])
    np.testing.assert_allclose(engine.actions, expected, rtol=1e-6)


def test_trials_tell_what_gymnasium_would() -> None:
    """Other terrains and another summation order, so alike is all they can be."""
    model = load_model("pretrained:walker")
    engine = WarpEngine("BipedalWalker-v3", 16, 0)
    try:
        (trials,) = play_trials(model.actor, model.normalizer, engine, 0)
    finally:
        engine.close()
    scored = evaluate(model, "BipedalWalker-v3", episodes=2).to_json()
    assert trials.summary().keys() <= scored.keys()
    assert np.median(trials.returns) == pytest.approx(scored["mean_return"], abs=3.0)
    assert np.median(trials.lengths) == pytest.approx(scored["mean_length"], rel=0.05)
    speeds = trials.distances / trials.lengths * 50
    assert np.median(speeds) == pytest.approx(scored["mean_speed"], rel=0.05)
