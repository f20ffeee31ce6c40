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

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bipedal.networks import Actor, Critic, gaussian_entropy, gaussian_log_prob


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
    """Means over the minibatches of the last epoch, each before its step."""

    policy_loss: float
    value_loss: float
    entropy: float
    approx_kl: float
    """How far the policy has moved."""
    clip_fraction: float


def minibatches(size: int, minibatch_size: int, generator: torch.Generator) -> list[Tensor]:
    """The indices 0 … size−1 once, shuffled, in parts of `minibatch_size`.

    A remainder smaller than that is joined to the last part, so that no minibatch is tiny.
    """
    order = torch.randperm(size, generator=generator)
    count = max(1, size // minibatch_size)
    cuts = [minibatch_size * index for index in range(1, count)]
    return list(order.tensor_split(cuts))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor, limit: float) -> None:
    """One gradient step with the global norm clipped to `limit`; refuses a non-finite one."""
    optimizer.zero_grad(set_to_none=False)  # in place: the gradient is one vector, see models.py
    loss.backward()
    norm = nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], limit)
    if not torch.isfinite(norm):
        raise NonFiniteLossError(
            f"the loss ({loss.item()}) or its gradient (norm {norm.item()}) is not finite"
        )
    optimizer.step()


def improve_policy(
    actor: Actor,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    epochs: Sequence[Sequence[Tensor]],
    settings: UpdateSettings,
) -> list[float]:
    """Minibatch steps on −L^CLIP − c S: PPO equation 9 without its value term.

    `epochs` are the minibatches' indices. Returns policy loss, entropy, KL and clip fraction.
    """
    for minibatches_of_epoch in epochs:
        statistics = []
        for index in minibatches_of_epoch:
            observations, actions, old_log_probs, advantages = (
                column.index_select(0, index) for column in batch[:4]
            )
            log_std = actor.bounded_log_std()
            log_ratio = gaussian_log_prob(actor(observations), log_std, actions) - old_log_probs
            policy_loss = clipped_surrogate_loss(
                log_ratio, normalize_advantages(advantages), settings.clip_range
            )
            entropy = gaussian_entropy(log_std)
            loss = policy_loss - settings.entropy_coefficient * entropy
            _step(optimizer, loss, settings.max_grad_norm)
            actor.project_log_std()
            statistics.append((policy_loss.detach(), entropy.detach(), log_ratio.detach()))
    return _policy_statistics(statistics, settings.clip_range)


def _policy_statistics(
    statistics: Sequence[tuple[Tensor, Tensor, Tensor]], clip_range: float
) -> list[float]:
    """Means over minibatches of policy loss, entropy, KL and the share of clipped ratios."""
    rows = [
        torch.stack(
            [
                policy_loss,
                entropy,
                approximate_kl(log_ratio),
                (torch.expm1(log_ratio).abs() > clip_range).float().mean(),
            ]
        )
        for policy_loss, entropy, log_ratio in statistics
    ]
    means: list[float] = torch.stack(rows).mean(0).tolist()
    return means


def improve_value(
    critic: Critic,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    epochs: Sequence[Sequence[Tensor]],
    settings: UpdateSettings,
) -> float:
    """Minibatch steps on the value loss; returns its mean over the last epoch."""
    for minibatches_of_epoch in epochs:
        losses = []
        for index in minibatches_of_epoch:
            values = critic(batch.observations.index_select(0, index))
            loss = value_loss(values, batch.returns.index_select(0, index))
            _step(optimizer, loss, settings.max_grad_norm)
            losses.append(loss.detach())
    return float(torch.stack(losses).mean())


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

    Several epochs of minibatch steps. The two networks share nothing but the batch, so they learn
    at the same time, a thread each, to the same bits as one after the other. Raises
    `NonFiniteLossError` before a NaN or infinity can reach a parameter.
    """
    size, device = len(batch.advantages), batch.advantages.device
    epochs = [
        [index.to(device) for index in minibatches(size, settings.minibatch_size, generator)]
        for _ in range(settings.epochs)
    ]
    with ThreadPoolExecutor(1) as other_thread:
        learned = other_thread.submit(
            improve_value, critic, critic_optimizer, batch, epochs, settings
        )
        policy_loss, entropy, kl, clip_fraction = improve_policy(
            actor, actor_optimizer, batch, epochs, settings
        )
    return UpdateStatistics(policy_loss, learned.result(), entropy, kl, clip_fraction)
