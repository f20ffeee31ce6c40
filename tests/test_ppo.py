"""The mathematics against numbers worked out by hand, and one step against another formula."""

import copy
import itertools
import math

import pytest
import torch
from descent import Descent
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, tensor
from torch.distributions import Normal, kl_divergence

from bipedal import ppo
from bipedal.networks import Actor, Critic, gaussian_entropy, gaussian_log_prob


def advantages_of(
    rewards: list[float],
    values: list[float],
    next_values: list[float],
    terminated: list[bool],
    done: list[bool],
    gamma: float = 0.5,
    gae_lambda: float = 0.5,
) -> list[float]:
    columns = (tensor(column)[:, None] for column in (rewards, values, next_values))
    flags = (tensor(column)[:, None] for column in (terminated, done))
    result = ppo.generalized_advantages(*columns, *flags, gamma=gamma, gae_lambda=gae_lambda)
    return result[:, 0].tolist()


class TestGeneralizedAdvantages:
    def test_without_an_end_bootstraps_the_rollout_end(self) -> None:
        # δ = 1 + ½·4 − 2 = 1 | 2 + ½·6 − 4 = 1 | 3 + ½·8 − 6 = 1;  Â_t = δ_t + ¼ Â_{t+1}
        result = advantages_of([1, 2, 3], [2, 4, 6], [4, 6, 8], [False] * 3, [False] * 3)
        assert result == [1 + 0.25 * 1.25, 1.25, 1.0]

    def test_termination_has_no_future(self) -> None:
        # δ_1 = 2 − 4 = −2 whatever stands in next_values, and nothing of δ_2 flows back
        result = advantages_of(
            [1, 2, 3], [2, 4, 6], [4, 99, 8], [False, True, False], [False, True, False]
        )
        assert result == [1 + 0.25 * -2, -2.0, 1.0]

    def test_truncation_bootstraps_but_cuts_the_sum(self) -> None:
        # δ_1 = 2 + ½·10 − 4 = 3 with V(final observation) = 10; Â_1 = δ_1 alone
        result = advantages_of([1, 2, 3], [2, 4, 6], [4, 10, 8], [False] * 3, [False, True, False])
        assert result == [1 + 0.25 * 3, 3.0, 1.0]

    def test_terminated_and_truncated_at_once_is_terminated(self) -> None:
        assert advantages_of([1.0], [2.0], [10.0], [True], [True]) == [-1.0]

    def test_lambda_one_is_the_discounted_return_minus_value(self) -> None:
        result = advantages_of(
            [1, 1, 1], [5, 6, 7], [6, 7, 4], [False] * 3, [False] * 3, gamma=0.5, gae_lambda=1.0
        )
        assert result[0] == pytest.approx(1 + 0.5 + 0.25 + 0.125 * 4 - 5)

    def test_lambda_zero_is_the_temporal_difference(self) -> None:
        result = advantages_of(
            [1, 1], [5, 6], [6, 4], [False] * 2, [False] * 2, gamma=0.9, gae_lambda=0.0
        )
        assert result == pytest.approx([1 + 0.9 * 6 - 5, 1 + 0.9 * 4 - 6])

    @given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**31))
    def test_equals_the_defining_sum(self, steps: int, envs: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        shape = (steps, envs)
        rewards, values, next_values = (torch.randn(shape, generator=generator) for _ in range(3))
        ends = torch.randint(0, 4, shape, generator=generator)
        terminated, done = ends == 0, ends <= 1
        gamma, gae_lambda = 0.9, 0.8
        result = ppo.generalized_advantages(
            rewards, values, next_values, terminated, done, gamma=gamma, gae_lambda=gae_lambda
        )
        for n in range(envs):
            for t in range(steps):  # GAE equation 16, term by term
                expected = 0.0
                for k in range(t, steps):
                    future = 0.0 if terminated[k, n] else float(next_values[k, n])
                    delta = float(rewards[k, n]) + gamma * future - float(values[k, n])
                    expected += (gamma * gae_lambda) ** (k - t) * delta
                    if done[k, n]:
                        break
                assert float(result[t, n]) == pytest.approx(expected, abs=1e-4)


class TestClippedSurrogate:
    @pytest.mark.parametrize(
        ("ratio", "advantage", "objective"),
        [
            (1.0, 3.0, 3.0),
            (1.5, 2.0, 1.2 * 2.0),  # a good action may not become more than 1.2 times as likely
            (0.5, 2.0, 0.5 * 2.0),  # ... but nothing stops its return
            (1.5, -2.0, 1.5 * -2.0),  # a bad action made likelier is blamed in full
            (0.5, -2.0, 0.8 * -2.0),  # a bad action need not become rarer than 0.8 times
        ],
    )
    def test_every_case(self, ratio: float, advantage: float, objective: float) -> None:
        loss = ppo.clipped_surrogate_loss(tensor([math.log(ratio)]), tensor([advantage]), 0.2)
        assert float(loss) == pytest.approx(-objective, rel=1e-6)

    def test_is_the_mean_over_samples(self) -> None:
        log_ratio = tensor([math.log(1.5), math.log(0.5)])
        loss = ppo.clipped_surrogate_loss(log_ratio, tensor([2.0, -2.0]), 0.2)
        assert float(loss) == pytest.approx(-(2.4 - 1.6) / 2, rel=1e-6)

    @pytest.mark.parametrize(("ratio", "advantage"), [(1.5, 2.0), (0.5, -2.0)])
    def test_no_gradient_beyond_the_clip(self, ratio: float, advantage: float) -> None:
        log_ratio = tensor([math.log(ratio)], requires_grad=True)
        ppo.clipped_surrogate_loss(log_ratio, tensor([advantage]), 0.2).backward()
        assert log_ratio.grad is not None and float(log_ratio.grad) == 0.0

    def test_gradient_at_ratio_one_is_the_policy_gradient(self) -> None:
        log_ratio = torch.zeros(2, requires_grad=True)
        ppo.clipped_surrogate_loss(log_ratio, tensor([2.0, -6.0]), 0.2).backward()
        assert log_ratio.grad is not None and log_ratio.grad.tolist() == [-1.0, 3.0]


class TestGaussians:
    def test_log_prob_by_hand(self) -> None:
        # σ = 1: −½ − ½ log 2π;  σ = ½, distance 1 = 2σ: −2 + log 2 − ½ log 2π
        mean, action = tensor([[0.0, 1.0]]), tensor([[1.0, 2.0]])
        log_std = tensor([0.0, math.log(0.5)])
        expected = -0.5 - 2 + math.log(2) - math.log(2 * math.pi)
        assert float(gaussian_log_prob(mean, log_std, action)) == pytest.approx(expected)

    def test_entropy_by_hand(self) -> None:
        # one unit Gaussian has ½ log 2πe = 1.418939 nats; halving σ takes log 2 away
        assert float(gaussian_entropy(torch.zeros(1))) == pytest.approx(1.4189385)
        assert float(gaussian_entropy(tensor([0.0, math.log(0.5)]))) == pytest.approx(
            2 * 1.4189385 - math.log(2)
        )

    def test_agree_with_torch(self) -> None:
        torch.manual_seed(0)
        mean, action, log_std = torch.randn(5, 4), torch.randn(5, 4), torch.randn(4)
        reference = Normal(mean, log_std.exp())
        torch.testing.assert_close(
            gaussian_log_prob(mean, log_std, action), reference.log_prob(action).sum(-1)
        )
        torch.testing.assert_close(gaussian_entropy(log_std), reference.entropy()[0].sum())


class TestKL:
    def test_by_hand(self) -> None:
        # E[r − 1 − log r] of r = 2 and r = ½: (1 − log 2 − ½ + log 2) / 2 = ¼
        assert float(ppo.approximate_kl(tensor([math.log(2), -math.log(2)]))) == pytest.approx(0.25)

    def test_estimates_the_true_divergence(self) -> None:
        torch.manual_seed(0)
        old, new = Normal(0.0, 1.0), Normal(0.1, 0.9)
        sample = old.sample((200_000,))
        estimate = ppo.approximate_kl(new.log_prob(sample) - old.log_prob(sample))
        assert float(estimate) == pytest.approx(float(kl_divergence(old, new)), rel=0.03)

    @given(st.lists(st.floats(-3, 3), min_size=1, max_size=20))
    def test_is_never_negative(self, log_ratio: list[float]) -> None:
        assert float(ppo.approximate_kl(tensor(log_ratio))) >= 0.0


class TestSmallParts:
    def test_value_loss_by_hand(self) -> None:
        assert float(ppo.value_loss(tensor([1.0, 2.0]), tensor([3.0, 1.0]))) == 0.5 * (4 + 1) / 2

    def test_advantages_normalised_by_hand(self) -> None:
        result = ppo.normalize_advantages(tensor([1.0, 2.0, 3.0]))
        root = math.sqrt(1.5)
        assert result.tolist() == pytest.approx([-root, 0.0, root], rel=1e-6)
        assert ppo.normalize_advantages(tensor([5.0])).tolist() == [0.0]

    def test_explained_variance_by_hand(self) -> None:
        returns = tensor([1.0, 2.0, 3.0])
        assert ppo.explained_variance(returns, returns) == 1.0
        assert ppo.explained_variance(torch.zeros(3), returns) == 0.0
        assert ppo.explained_variance(tensor([1.0, 2.0, 4.5]), returns) == pytest.approx(0.25)
        assert math.isnan(ppo.explained_variance(returns, torch.ones(3)))

    @given(st.integers(1, 300), st.integers(1, 64))
    def test_minibatches_cover_everything_once(self, size: int, minibatch_size: int) -> None:
        generator = torch.Generator().manual_seed(0)
        parts = list(ppo.minibatches(size, minibatch_size, generator))
        assert sorted(torch.cat(parts).tolist()) == list(range(size))
        assert all(len(part) >= min(minibatch_size, size) for part in parts)
        assert all(len(part) < 2 * minibatch_size for part in parts)


def make_batch(actor: Actor, size: int) -> ppo.Batch:
    observations = torch.randn(size, 3)
    with torch.no_grad():
        log_std = actor.bounded_log_std()
        actions = actor(observations) + log_std.exp() * torch.randn(size, 2)
        log_probs = gaussian_log_prob(actor(observations), log_std, actions)
    return ppo.Batch(observations, actions, log_probs, torch.randn(size), torch.randn(size))


class TestUpdate:
    def setup_method(self) -> None:
        torch.manual_seed(3)
        self.actor = Actor(3, 2, hidden_sizes=(5,), initial_log_std=-0.7)
        self.critic = Critic(3, hidden_sizes=(5,))
        self.batch = make_batch(self.actor, 8)
        self.generator = torch.Generator().manual_seed(0)

    def update(self, batch: ppo.Batch, lr: float, **settings: float) -> ppo.UpdateStatistics:
        known = {
            "epochs": 1,
            "minibatch_size": 8,
            "clip_range": 0.2,
            "entropy_coefficient": 0.01,
            "max_grad_norm": 0.5,
        }
        update = ppo.Update(
            self.actor,
            self.critic,
            Descent(self.actor, lr),
            Descent(self.critic, lr),
            batch,
            ppo.UpdateSettings(**{**known, **settings}),  # type: ignore[arg-type]
        )
        return update(self.generator)

    def test_one_step_equals_an_independent_formula(self) -> None:
        """At ratio 1 the step is that of the plain policy gradient, written with torch.Normal."""
        actor = Actor(3, 2, hidden_sizes=(5,), initial_log_std=-0.7)
        actor.load_state_dict(self.actor.state_dict())
        critic = Critic(3, hidden_sizes=(5,))
        critic.load_state_dict(self.critic.state_dict())
        observations, actions, _, raw, returns = self.batch
        advantages = (raw - raw.mean()) / (raw.var(unbiased=False).sqrt() + 1e-8)
        policy = Normal(actor(observations), actor.log_std.exp())
        objective = (policy.log_prob(actions).sum(1) * advantages).mean()
        objective = objective + 0.01 * policy.entropy().sum(1).mean()
        (-objective).backward()
        ((critic(observations) - returns) ** 2).mean().mul(0.5).backward()

        self.update(self.batch, lr=0.1)

        for module, reference in ((self.actor, actor), (self.critic, critic)):
            gradients = [p.grad for p in reference.parameters() if p.grad is not None]
            norm = torch.cat([g.flatten() for g in gradients]).norm()
            scale = min(1.0, 0.5 / float(norm))
            for parameter, before in zip(module.parameters(), reference.parameters(), strict=True):
                assert before.grad is not None
                torch.testing.assert_close(
                    parameter, before - 0.1 * scale * before.grad, atol=1e-6, rtol=1e-5
                )

    def test_statistics_of_a_first_step(self) -> None:
        result = self.update(self.batch, lr=0.0)
        assert result.approx_kl == pytest.approx(0.0, abs=1e-6)
        assert result.clip_fraction == 0.0
        assert result.entropy == pytest.approx(2 * (-0.7 + 1.4189385))

    def test_a_repeated_update_moves_towards_the_advantage(self) -> None:
        def weighted(actor: Actor) -> Tensor:
            with torch.no_grad():
                log_prob = gaussian_log_prob(
                    actor(self.batch.observations), actor.bounded_log_std(), self.batch.actions
                )
            return (log_prob * ppo.normalize_advantages(self.batch.advantages)).mean()

        before = weighted(self.actor)
        self.update(self.batch, lr=0.05, epochs=20, entropy_coefficient=0.0)
        assert weighted(self.actor) > before

    def test_clipping_bounds_how_far_an_update_goes(self) -> None:
        result = self.update(self.batch, lr=0.5, epochs=200, entropy_coefficient=0.0)
        assert result.clip_fraction > 0
        assert result.approx_kl < 1.0

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    @pytest.mark.parametrize("field", ["advantages", "returns", "observations"])
    def test_a_non_finite_loss_is_refused_before_it_spreads(self, field: str, bad: float) -> None:
        column = getattr(self.batch, field).clone()
        column[0] = bad
        with pytest.raises(ppo.NonFiniteLossError):
            self.update(self.batch._replace(**{field: column}), lr=0.1)
        for module in (self.actor, self.critic):
            assert all(bool(torch.isfinite(p).all()) for p in module.parameters())

    def test_log_std_stays_within_its_bounds(self) -> None:
        self.actor.std_bounds = (0.4, 0.6)
        self.update(self.batch, lr=100.0, max_grad_norm=100.0)
        assert float(self.actor.log_std.exp().min().detach()) >= 0.4 - 1e-6
        assert float(self.actor.log_std.exp().max().detach()) <= 0.6 + 1e-6

    def test_learning_side_by_side_gives_the_bits_of_one_after_the_other(self) -> None:
        actor, critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        settings = ppo.UpdateSettings(3, 2, 0.2, 0.01, 0.5)
        generator = torch.Generator().manual_seed(0)
        epochs = [ppo.minibatches(8, 2, generator) for _ in range(3)]
        first, second = Descent(actor, 0.1), Descent(critic, 0.1)
        for index in itertools.chain(*epochs):
            ppo.policy_step(actor, first, self.batch, settings, index)
        for index in itertools.chain(*epochs):
            ppo.value_step(critic, second, self.batch, settings, index)
        self.update(self.batch, lr=0.1, epochs=3, minibatch_size=2)
        for ours, expected in ((self.actor, actor), (self.critic, critic)):
            for name, value in ours.state_dict().items():
                assert torch.equal(value, expected.state_dict()[name]), name
