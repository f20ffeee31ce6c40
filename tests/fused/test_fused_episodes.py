"""Episodes without a return to Python against the same episodes step by step."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

from bipedal.config import TrainConfig
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import begin, play_all_at_once, play_episodes
from bipedal.fused.episodes import can_play
from bipedal.initial import new_policy
from bipedal.loading.load import load_policy
from bipedal.policy import Policy
from bipedal.walker import ENV_IDS


def make_policy(**change: Any) -> Policy:
    policy = new_policy(TrainConfig(seed=3, **change))
    policy.normalizer.mean.normal_(std=0.1)
    policy.normalizer.var.uniform_(0.1, 0.5)
    return policy


def make_engine(env_id: str, count: int, threads: int) -> WarpEngine:
    return WarpEngine(env_id, count, 0, threads=threads, time_limit=300, autoreset=False, rest=True)


@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize(("count", "threads"), [(1, 1), (20, 2), (140, 2)])
def test_episodes_are_those_of_single_steps(env_id: str, count: int, threads: int) -> None:
    """Motors are on or off, so that the last bits of an action do not matter."""
    policy = make_policy()
    policy.actor.scale_output(1e12)
    gain = torch.linspace(1.0, 0.5, count, dtype=torch.float64)
    gain[count // 2] = 0.0  # it sinks to the ground
    seeds = [*range(50, 50 + count)]
    recorded = [*range(0, count, 3)]
    with closing(make_engine(env_id, count, threads)) as engine:
        found = play_all_at_once(policy, engine, seeds, gain, recorded=recorded)
        again = play_all_at_once(policy, engine, seeds, gain, recorded=recorded)
    with closing(make_engine(env_id, count, 1)) as engine:
        act = begin(policy, gain[:, None])
        expected = dict(play_episodes(act, engine, seeds, recorded=recorded))
    assert expected[count // 2].fell
    for number in range(count):
        np.testing.assert_equal(asdict(found[number]), asdict(expected[number]))
        np.testing.assert_equal(asdict(again[number]), asdict(expected[number]))


def test_a_walker_walks() -> None:
    policy = load_policy("pretrained:walker")
    assert isinstance(policy, Policy)
    gain = torch.ones(8, dtype=torch.float64)
    with closing(WarpEngine(ENV_IDS[0], 8, 0, autoreset=False, rest=True)) as engine:
        played = play_all_at_once(policy, engine, [*range(8)], gain)
    assert np.mean([episode.episodic_return for episode in played.values()]) > 330


@pytest.mark.parametrize("change", [{"frames": 2}, {"hidden_sizes": (12,)}, {"activation": "tanh"}])
def test_other_policies_are_asked_step_by_step(change: dict[str, Any]) -> None:
    with closing(make_engine(ENV_IDS[0], 1, 1)) as engine:
        assert can_play(make_policy(), engine)
        assert not can_play(make_policy(**change), engine)
