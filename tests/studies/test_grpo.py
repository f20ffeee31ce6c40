import numpy as np
import pytest
import torch

from bipedal.studies.grpo import Grpo, GrpoConfig, group_advantages, surrogate_loss

TOY = GrpoConfig(group_size=4, horizon=16, start="middle", num_envs=8, epochs=1, minibatches=2)


def test_outcome_advantages_by_hand() -> None:
    # Two groups of two. Rollout 0 ended after one timestep; what came later is not its own.
    rewards = torch.tensor([[1.0, 1.0, 5.0, 5.0], [9.0, 2.0, 0.0, 0.0]])
    valid = torch.tensor([[True, True, True, True], [False, True, True, True]])
    # Sums 1 and 3: mean 2, deviation 1. Sums 5 and 5: no difference, no advantage.
    expected = torch.tensor([[-1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    found = group_advantages(rewards, valid, 2, "outcome")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_advantages_to_go_by_hand() -> None:
    rewards = torch.tensor([[0.0, 2.0], [4.0, 0.0]])
    valid = torch.ones(2, 2, dtype=torch.bool)
    # What is left: at 0 it is 4 and 2, at 1 it is 4 and 0.
    expected = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    found = group_advantages(rewards, valid, 2, "to-go")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_to_go_compares_only_what_is_still_going() -> None:
    rewards = torch.tensor([[0.0, 0.0, 0.0], [3.0, 1.0, 100.0]])
    valid = torch.tensor([[True, True, True], [True, True, False]])
    found = group_advantages(rewards, valid, 3, "to-go")
    torch.testing.assert_close(found[1], torch.tensor([1.0, -1.0, 0.0]), atol=1e-5, rtol=0)


def test_the_surrogate_weighs_rollouts_alike() -> None:
    # Ratio 1: a rollout of two timesteps with advantage 1, one of a single timestep with 3.
    advantages = torch.tensor([[1.0, 3.0], [1.0, 0.0]])
    valid = torch.tensor([[True, True], [True, False]])
    assert surrogate_loss(torch.zeros(2, 2), advantages, valid, 0.2) == pytest.approx(-2.0)


def test_the_surrogate_is_clipped() -> None:
    log_ratio = torch.log(torch.tensor([[1.5, 0.5]]))
    advantages = torch.tensor([[1.0, -1.0]])
    loss = surrogate_loss(log_ratio, advantages, torch.ones(1, 2, dtype=torch.bool), 0.2)
    assert loss == pytest.approx(-(1.2 - 0.8) / 2)


@pytest.mark.parametrize("start", ["middle", "episode"])
def test_a_group_starts_in_one_state(start: str) -> None:
    learner = Grpo(GrpoConfig(group_size=4, horizon=16, start=start, num_envs=8), seed=3)  # type: ignore[arg-type]
    learner.iterate()
    learner._gather_groups()
    groups = learner.observation.unflatten(0, (2, 4))
    assert (groups == groups[:, :1]).all()
    assert not torch.equal(groups[0, 0], groups[1, 0])
    learner.engine.close()


def test_the_same_actions_from_one_state_earn_the_same() -> None:
    learner = Grpo(TOY, seed=3)
    learner.iterate()
    learner._gather_groups()
    for _ in range(20):
        step = learner.engine.step(torch.tensor([[0.3, -0.6, 0.9, 0.1]]).repeat(8, 1))
    np.testing.assert_array_equal(step.observation[:4], np.tile(step.observation[0], (4, 1)))
    learner.engine.close()


def test_the_same_seed_learns_the_same() -> None:
    ends = []
    for _ in range(2):
        learner = Grpo(TOY, seed=5)
        learner.learn(500, 60.0, lambda timesteps, seconds: None)
        ends.append(torch.cat([p.detach().flatten() for p in learner.actor.parameters()]))
        assert 500 <= learner.timesteps < 500 + 8 * 16
    assert torch.equal(*ends)


def test_it_learns_what_a_group_can_tell() -> None:
    """A reward that prefers one action: the mean moves there."""
    learner = Grpo(TOY, seed=1)
    before = learner.actor(torch.zeros(24)).detach()
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        observations = torch.zeros(16, 8, 24)
        mean = learner.actor(observations).detach()
        actions = mean + 0.6 * torch.randn(mean.shape, generator=generator)
        valid = torch.ones(16, 8, dtype=torch.bool)
        advantages = group_advantages(actions[..., 0], valid, 4, "to-go")
        learner._learn(observations, actions, advantages, valid)
    after = learner.actor(torch.zeros(24)).detach()
    assert after[0] > before[0] + 0.005
    learner.engine.close()
