"""A rollout without a return to Python: what it wrote down is what a second engine does."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_training_loop import TOY
from torch import Tensor

from bipedal.config import TrainConfig
from bipedal.engines.warp import WarpEngine
from bipedal.initial import new_policy
from bipedal.learner import Learner
from bipedal.physics.constants import FALL_REWARD
from bipedal.policy import Policy
from bipedal.rollout import Collector
from bipedal.seeds import row_seeds

HARDCORE = "BipedalWalkerHardcore-v3"


def make_learner(config: TrainConfig) -> Learner:
    torch.manual_seed(0)
    policy = new_policy(config)
    policy.normalizer.mean.normal_(std=0.1)
    policy.normalizer.var.uniform_(0.5, 2.0)
    return Learner(config, policy, torch.Generator().manual_seed(config.seed))


@pytest.mark.parametrize("env_id", ["BipedalWalker-v3", HARDCORE])
@pytest.mark.parametrize(("num_envs", "threads"), [(1, 1), (5, 1), (17, 2), (150, 2)])
def test_what_was_written_down_is_what_happens(
    env_id: str, num_envs: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bipedal.engines.warp.usable_cores", lambda: threads)
    config = replace(TOY, env_id=env_id, num_envs=num_envs, rollout_steps=90, minibatch_size=90)
    with ExitStack() as stack:
        learner = stack.enter_context(closing(make_learner(config)))
        collector, policy = learner.collector, learner.policy
        assert collector._fused is not None
        seeds = row_seeds(config.seed, num_envs)
        engine = stack.enter_context(closing(WarpEngine(env_id, num_envs, seeds)))
        seen, returns, lengths = engine.reset(), torch.zeros(num_envs).double(), [0] * num_envs
        for _ in range(2):
            rollout, episodes = learner.collector.collect()
            raw, ended = collector._raw, []
            for t in range(config.rollout_steps):
                assert torch.equal(raw.observations[t], seen)
                answer = engine.step(rollout.actions[t])
                seen = answer.observation
                returns += answer.reward
                lengths = [length + 1 for length in lengths]
                assert torch.equal(raw.final_frames[t, :, 0], answer.final_observation)
                assert torch.equal(raw.rewards[t], answer.reward)
                assert torch.equal(raw.distances[t], answer.distance)
                assert torch.equal(rollout.terminated[t], answer.terminated)
                assert torch.equal(rollout.done[t], answer.done)
                for env in answer.done.nonzero()[:, 0].tolist():
                    fell = bool(answer.terminated[env]) and answer.reward[env] == FALL_REWARD
                    told = (env, float(returns[env]), lengths[env], float(answer.distance[env]))
                    ended.append((*told, fell))
                    returns[env], lengths[env] = 0.0, 0
            assert [tuple(episode) for episode in episodes] == ended
        assert torch.equal(collector._history.frames()[:, 0], seen)
        assert_policy(policy, learner.collector)


def assert_policy(policy: Policy, collector: Collector) -> None:
    """A rollout shows the actor what it should, and means are its."""
    collector.policy.normalizer.mean.add_(0.01)
    before = [policy.normalizer.mean.clone(), policy.normalizer.var.clone()]
    rollout, _ = collector.collect()
    policy.normalizer.mean.copy_(before[0])
    policy.normalizer.var.copy_(before[1])
    raw = collector._raw
    assert torch.equal(rollout.observations, policy.network_input(raw.observations[:, :, None]))
    torch.testing.assert_close(
        raw.means, policy.actor(rollout.observations).detach(), rtol=1e-5, atol=1e-6
    )


def rollouts(config: TrainConfig, count: int) -> list[Tensor]:
    with closing(make_learner(config)) as learner:
        return [learner.collector.collect()[0].observations.clone() for _ in range(count)]


def test_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(TOY, num_envs=40, minibatch_size=40)
    one: list[Tensor] = []
    two: list[Tensor] = []
    for threads, found in ((1, one), (2, two)):
        monkeypatch.setattr("bipedal.engines.warp.usable_cores", lambda threads=threads: threads)
        found.extend(rollouts(config, 2))
    assert all(map(torch.equal, one, two))


def test_an_actor_that_gives_nan_is_told() -> None:
    with closing(make_learner(TOY)) as learner:
        with torch.no_grad():
            next(learner.policy.actor.net.parameters()).fill_(np.nan)
        with pytest.raises(ValueError, match="an action is NaN"):
            learner.collector.collect()


@pytest.mark.parametrize(
    "change", [{"frames": 2}, {"engine": "gymnasium"}, {"hidden_sizes": (12,)}]
)
@pytest.mark.reference
def test_other_rollouts_return_to_python_for_each_step(change: dict[str, object]) -> None:
    with closing(make_learner(replace(TOY, **change))) as learner:  # type: ignore[arg-type]
        assert learner.collector._fused is None
        learner.collector.collect()


def test_no_rollout_before_a_reset_or_after_close() -> None:
    engine = WarpEngine("BipedalWalker-v3", 4, 0)
    with pytest.raises(ValueError, match="reset comes before"):
        engine.play(1, [lambda: None])
    engine.reset()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.play(1, [lambda: None])
