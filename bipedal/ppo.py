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

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from bipedal import capture
from bipedal.adam import Adam
from bipedal.capture import Captured
from bipedal.fused.network import supports
from bipedal.fused.steps import FusedSteps, fused_policy_steps, fused_value_steps
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
    gamma: float | Tensor,
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
    """A rollout flattened for the update, B samples each, in the same memory each time."""

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

    A remainder smaller than that is joined to the last part, so that no minibatch is tiny. They are
    on the generator's device.
    """
    order = torch.randperm(size, generator=generator, device=generator.device)
    count = max(1, size // minibatch_size)
    cuts = [minibatch_size * index for index in range(1, count)]
    return list(order.tensor_split(cuts))


def _step(optimizer: Adam, loss: Tensor, limit: float) -> Tensor:
    """One gradient step with the norm clipped to `limit`; returns the norm before.

    A gradient that is not finite counts as zero: the caller is told by the norm.
    """
    gradient = optimizer.gradient.zero_()
    loss.backward()
    norm: Tensor = torch.linalg.vector_norm(gradient)
    gradient.mul_((limit / (norm + 1e-6)).clamp_(max=1.0))
    gradient.masked_fill_(~torch.isfinite(norm), 0.0)
    optimizer.step()
    return norm


class PolicyStep(NamedTuple):
    """What a minibatch said of the policy, before the step that it led to."""

    loss: Tensor
    entropy: Tensor
    log_ratio: Tensor
    """(minibatch,) log π(a|s) − log π_old(a|s)."""
    norm: Tensor
    """Of the gradient, before it was clipped."""


def policy_step(
    actor: Actor,
    optimizer: Adam,
    batch: Batch,
    settings: UpdateSettings,
    index: Tensor,
) -> PolicyStep:
    """One minibatch step on −L^CLIP − c S: PPO equation 9 without its value term.

    `index` (minibatch,) are the samples of the minibatch.
    """
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
    norm = _step(optimizer, loss, settings.max_grad_norm)
    actor.project_log_std()
    return PolicyStep(policy_loss.detach(), entropy.detach(), log_ratio.detach(), norm)


def value_step(
    critic: Critic,
    optimizer: Adam,
    batch: Batch,
    settings: UpdateSettings,
    index: Tensor,
) -> tuple[Tensor, Tensor]:
    """One minibatch step on the value loss; returns the loss before it, and the gradient's norm."""
    values = critic(batch.observations.index_select(0, index))
    loss = value_loss(values, batch.returns.index_select(0, index))
    norm = _step(optimizer, loss, settings.max_grad_norm)
    return loss.detach(), norm


class Improvement(NamedTuple):
    """What the steps of one network said, still on the GPU if they were taken there."""

    statistics: Tensor
    """(n,) means over the minibatches of the last epoch."""
    norms: list[Tensor]
    """Of every gradient."""

    def read(self) -> list[float]:
        """Copy the statistics to the host; `NonFiniteLossError` if a gradient was broken."""
        largest = torch.stack(self.norms).amax()  # NaN if one of them is
        *values, norm = torch.cat([self.statistics, largest[None]]).tolist()
        if not math.isfinite(norm):
            raise NonFiniteLossError(f"the loss or its gradient (norm {norm}) is not finite")
        return values


def improve_policy(
    step: Callable[[Tensor], PolicyStep], epochs: Sequence[Sequence[Tensor]], clip_range: float
) -> Improvement:
    """Do `policy_step` with every minibatch of every epoch.

    `epochs` are the minibatches' indices. Statistics: policy loss, entropy, KL and clip fraction.
    """
    norms: list[Tensor] = []
    rows: list[Tensor] = []
    for minibatches_of_epoch in epochs:
        rows.clear()
        for index in minibatches_of_epoch:
            done = step(index)
            norms.append(done.norm.clone())  # the next step may overwrite it
            if minibatches_of_epoch is epochs[-1]:
                rows.append(_policy_statistics(done, clip_range))
    return Improvement(torch.stack(rows).mean(0), norms)


def _policy_statistics(done: PolicyStep, clip_range: float) -> Tensor:
    """(4,) policy loss, entropy, KL and the share of clipped ratios of a minibatch."""
    clipped = (torch.expm1(done.log_ratio).abs() > clip_range).float().mean()
    return torch.stack([done.loss, done.entropy, approximate_kl(done.log_ratio), clipped])


def improve_value(
    step: Callable[[Tensor], tuple[Tensor, Tensor]], epochs: Sequence[Sequence[Tensor]]
) -> Improvement:
    """Do `value_step` with every minibatch; its statistic is the mean loss of the last epoch."""
    norms: list[Tensor] = []
    losses: list[Tensor] = []
    for minibatches_of_epoch in epochs:
        losses.clear()
        for index in minibatches_of_epoch:
            loss, norm = step(index)
            norms.append(norm.clone())
            losses.append(loss.clone())
    return Improvement(torch.stack(losses).mean()[None], norms)


def improve_policy_at_once(
    steps: FusedSteps, epochs: Sequence[Sequence[Tensor]], clip_range: float
) -> Improvement:
    """`improve_policy` in one native call."""
    indices = list(chain.from_iterable(epochs))
    done = steps(indices)
    log_ratios = done.log_ratios.split([len(index) for index in indices])
    each = zip(done.losses, done.entropies, log_ratios, done.norms, strict=True)
    rows = [
        _policy_statistics(PolicyStep(*step), clip_range) for step in list(each)[-len(epochs[-1]) :]
    ]
    return Improvement(torch.stack(rows).mean(0), [done.norms])


def improve_value_at_once(steps: FusedSteps, epochs: Sequence[Sequence[Tensor]]) -> Improvement:
    """`improve_value` in one native call."""
    done = steps(list(chain.from_iterable(epochs)))
    return Improvement(done.losses[-len(epochs[-1]) :].mean()[None], [done.norms])


class Update:
    """Improves actor and critic on one rollout after another: PPO algorithm 1, the inner loop.

    Several epochs of minibatch steps. The two networks share nothing but the batch, so they learn
    at the same time, to the same bits as one after the other: in two threads of a CPU, or on two
    streams of a GPU, where a step is a graph (`capture.py`).
    """

    def __init__(
        self,
        actor: Actor,
        critic: Critic,
        actor_optimizer: Adam,
        critic_optimizer: Adam,
        batch: Batch,
        settings: UpdateSettings,
    ) -> None:
        """Learn from what lies in `batch` when it is called."""
        self._settings = settings
        self._size, self._device = len(batch.advantages), batch.advantages.device
        self._improve_policy = self._make_improve_policy(actor, actor_optimizer, batch)
        self._improve_value = self._make_improve_value(critic, critic_optimizer, batch)

    def _make_improve_policy(
        self, actor: Actor, optimizer: Adam, batch: Batch
    ) -> Callable[[Sequence[Sequence[Tensor]]], Improvement]:
        settings = self._settings
        if self._fuses(actor):
            steps = fused_policy_steps(
                actor,
                optimizer,
                observations=batch.observations,
                actions=batch.actions,
                log_probs=batch.log_probs,
                advantages=batch.advantages,
                clip_range=settings.clip_range,
                entropy_coefficient=settings.entropy_coefficient,
                max_grad_norm=settings.max_grad_norm,
            )
            return partial(improve_policy_at_once, steps, clip_range=settings.clip_range)
        step = Captured(partial(policy_step, actor, optimizer, batch, settings), self._device)
        return lambda epochs: improve_policy(
            partial(step, variant=actor.std_is_fixed), epochs, settings.clip_range
        )

    def _make_improve_value(
        self, critic: Critic, optimizer: Adam, batch: Batch
    ) -> Callable[[Sequence[Sequence[Tensor]]], Improvement]:
        settings = self._settings
        if self._fuses(critic):
            steps = fused_value_steps(
                critic,
                optimizer,
                observations=batch.observations,
                returns=batch.returns,
                max_grad_norm=settings.max_grad_norm,
            )
            return partial(improve_value_at_once, steps)
        step = Captured(partial(value_step, critic, optimizer, batch, settings), self._device)
        return partial(improve_value, step)

    def _fuses(self, module: Actor | Critic) -> bool:
        return supports(module) and not capture.records(self._device)

    def __call__(self, generator: torch.Generator) -> UpdateStatistics:
        """Take all steps; `generator`, on the batch's device, draws the minibatches.

        Raises `NonFiniteLossError` for a NaN or infinity, which has not reached a parameter.
        """
        settings = self._settings
        epochs = [
            minibatches(self._size, settings.minibatch_size, generator)
            for _ in range(settings.epochs)
        ]
        value, policy = capture.run_beside(
            partial(self._improve_value, epochs),
            partial(self._improve_policy, epochs),
            self._device,
        )
        (value_loss,) = value.read()
        policy_loss, entropy, kl, clip_fraction = policy.read()
        return UpdateStatistics(policy_loss, value_loss, entropy, kl, clip_fraction)
