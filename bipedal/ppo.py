"""Proximal policy optimisation: the mathematics, nothing else.

Two papers are cited by equation throughout:

* GAE: Schulman, Moritz, Levine, Jordan & Abbeel 2016, "High-dimensional continuous control using
  generalized advantage estimation", arXiv:1506.02438.
* PPO: Schulman, Wolski, Dhariwal, Radford & Klimov 2017, "Proximal policy optimization
  algorithms", arXiv:1707.06347.

Shapes: T timesteps of a rollout, N environments, B = T·N samples, O observation and A action
dimensions. Rewards and values are in units of scaled reward, log-probabilities and entropies in
nats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bipedal.models import Actor, Critic, gaussian_entropy, gaussian_log_prob


class NonFiniteLossError(ArithmeticError):
    """A loss or gradient became NaN or infinite; it has not reached the parameters."""


def generalized_advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    done: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Advantages Â of a rollout: GAE equation 16, in the recursive form of PPO equations 11-12.

    δ_t = r_t + γ V(s_{t+1}) − V(s_t) and Â_t = δ_t + γλ Â_{t+1}, with the two ends of an episode
    told apart: after a *termination* there is no future, V(s_{t+1}) = 0; after a *truncation* (a
    time limit) there is one that nobody saw, so V of the true final observation stands in
    for it. In both cases, and at the rollout's end, the sum over later δ stops.

    All arguments (T, N): `next_values` is V of the observation that really followed, never of
    an autoreset one; `terminated` and `done` (terminated or truncated) are bool. Returns
    (T, N). The target for the critic is Â + V (the TD(λ) return).
    """
    continues = gamma * gae_lambda * (~done).to(rewards.dtype)
    deltas = rewards + gamma * next_values * (~terminated).to(rewards.dtype) - values
    advantages = torch.empty_like(deltas)
    following = torch.zeros_like(deltas[0])
    for t in range(len(deltas) - 1, -1, -1):
        following = deltas[t] + continues[t] * following
        advantages[t] = following
    return advantages


def clipped_surrogate_loss(log_ratio: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """Negative L^CLIP, PPO equation 7: −E[min(r Â, clip(r, 1−ε, 1+ε) Â)].

    `log_ratio` (B,) = log π(a|s) − log π_old(a|s), so r = exp(log_ratio) (PPO equation 6);
    `advantages` (B,); `clip_range` ε. Returns a scalar to minimise.
    """
    ratio = torch.exp(log_ratio)
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()


def value_loss(values: Tensor, returns: Tensor) -> Tensor:
    """Half the mean squared error of the critic, ½ E[(V − R)²]: half of L^VF in PPO equation 9.

    Both (B,). The change of value is not clipped: Andrychowicz et al. 2021 found that harmful.
    """
    return 0.5 * (values - returns).square().mean()


def approximate_kl(log_ratio: Tensor) -> Tensor:
    """Estimate KL(π_old ‖ π) = E[r − 1 − log r], in nats, from samples of π_old.

    The low-variance, never negative estimator "k3" of Schulman 2020, "Approximating KL
    divergence". `log_ratio` (B,); returns a scalar.
    """
    return (torch.expm1(log_ratio) - log_ratio).mean()


def normalize_advantages(advantages: Tensor) -> Tensor:
    """Shift and scale one minibatch of advantages (B,) to mean 0 and standard deviation 1."""
    std, mean = torch.std_mean(advantages, correction=0)
    return (advantages - mean) / (std + 1e-8)


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """Share of the variance of the returns that the critic predicts, 1 − Var[R − V]/Var[R].

    1 is perfect, 0 no better than a constant; NaN where the returns do not vary.
    """
    variance = returns.var(correction=0)
    if variance == 0:
        return float("nan")
    return float(1.0 - (returns - values).var(correction=0) / variance)


def linear_learning_rate(initial: float, progress: float) -> float:
    """Learning rate annealed linearly from `initial` to 0 as `progress` goes from 0 to 1."""
    return initial * max(0.0, 1.0 - progress)


def adaptive_learning_rate(
    current: float, kl: float, target_kl: float, bounds: tuple[float, float] = (1e-5, 1e-2)
) -> float:
    """Next learning rate that keeps the policy's change near `target_kl` nats an iteration.

    The idea of PPO section 4 (there for the penalty β) applied to the step size, with rsl_rl's
    numbers: divide by 1.5 where the measured KL is above twice the target, multiply by 1.5 where
    it is below half, within `bounds`.
    """
    if kl > 2.0 * target_kl:
        return max(current / 1.5, min(current, bounds[0]))
    if kl < 0.5 * target_kl:
        return min(current * 1.5, max(current, bounds[1]))
    return current


class Batch(NamedTuple):
    """A rollout flattened for the update, B samples each."""

    observations: Tensor
    """(B, O) normalised, float32."""
    actions: Tensor
    """(B, A) as sampled, before the environment clips them."""
    log_probs: Tensor
    """(B,) log π_old(a|s)."""
    advantages: Tensor
    """(B,)"""
    returns: Tensor
    """(B,) the critic's target, Â + V."""


@dataclass(frozen=True)
class UpdateSettings:
    """What the update needs to know, a part of the training configuration."""

    epochs: int
    minibatch_size: int
    clip_range: float
    entropy_coefficient: float
    max_grad_norm: float


class UpdateStatistics(NamedTuple):
    """Means over all minibatches of an update, except where said otherwise."""

    policy_loss: float
    value_loss: float
    entropy: float
    approx_kl: float
    """Mean over the last epoch, each minibatch before its step: how far the policy has moved."""
    clip_fraction: float


def minibatches(size: int, minibatch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices 0 … size−1 once, shuffled, in parts of `minibatch_size`.

    A remainder smaller than that is joined to the last part, so that no minibatch is tiny.
    """
    order = torch.randperm(size, generator=generator)
    count = max(1, size // minibatch_size)
    for index in range(count):
        end = size if index == count - 1 else (index + 1) * minibatch_size
        yield order[index * minibatch_size : end]


def _step(optimizer: torch.optim.Optimizer, module: nn.Module, loss: Tensor, limit: float) -> None:
    """One gradient step with the global norm clipped to `limit`; refuses a non-finite one."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(module.parameters(), limit)
    if not torch.isfinite(norm):
        raise NonFiniteLossError(
            f"the loss ({loss.item()}) or its gradient (norm {norm.item()}) is not finite"
        )
    optimizer.step()


def update(
    actor: Actor,
    critic: Critic,
    actor_optimizer: torch.optim.Optimizer,
    critic_optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: UpdateSettings,
    generator: torch.Generator,
) -> UpdateStatistics:
    """Improve actor and critic on one rollout: PPO algorithm 1, the inner loop.

    Several epochs of minibatch steps on L^CLIP + c S (PPO equation 9 without the value term,
    which here has a network and an optimiser of its own) and on the value loss. Raises
    `NonFiniteLossError` before a NaN or infinity can reach a parameter.
    """
    totals = torch.zeros(4)
    last_epoch_kl = torch.zeros(())
    steps = 0
    for _ in range(settings.epochs):
        epoch_kls = []
        for index in minibatches(len(batch.advantages), settings.minibatch_size, generator):
            observations = batch.observations[index]
            log_std = actor.bounded_log_std()
            log_prob = gaussian_log_prob(actor(observations), log_std, batch.actions[index])
            log_ratio = log_prob - batch.log_probs[index]
            advantages = normalize_advantages(batch.advantages[index])
            policy_loss = clipped_surrogate_loss(log_ratio, advantages, settings.clip_range)
            entropy = gaussian_entropy(log_std)
            _step(
                actor_optimizer,
                actor,
                policy_loss - settings.entropy_coefficient * entropy,
                settings.max_grad_norm,
            )
            actor.project_log_std()

            critic_loss = value_loss(critic(observations), batch.returns[index])
            _step(critic_optimizer, critic, critic_loss, settings.max_grad_norm)

            with torch.no_grad():
                epoch_kls.append(approximate_kl(log_ratio))
                clipped = (torch.expm1(log_ratio).abs() > settings.clip_range).float().mean()
                totals += torch.stack([policy_loss, critic_loss, entropy, clipped]).cpu()
            steps += 1
        last_epoch_kl = torch.stack(epoch_kls).mean()
    mean_policy, mean_value, mean_entropy, mean_clipped = (totals / steps).tolist()
    return UpdateStatistics(
        mean_policy, mean_value, mean_entropy, float(last_epoch_kl), mean_clipped
    )
