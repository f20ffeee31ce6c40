"""GRPO for a robot: advantages relative to a group that started in the same state; no critic.

Shao et al. 2024, "DeepSeekMath: pushing the limits of mathematical reasoning in open language
models", arXiv:2402.03300, section 4.1, with the parts that make sense here: there is no reference
model to stay near (β = 0), and an "output" is a piece of an episode.

* A group are G rollouts from one and the same state, which the engine's snapshots make cheap: the
  start of an episode, or the middle of one.
* A rollout ends with its episode or at the horizon H, and is judged by the sum of its raw rewards.
* Outcome supervision (section 4.1.2): every timestep of rollout i gets the advantage
  Â_i = (R_i - mean R) / std R of its group.
* `to-go`, a variant that is not the paper's and nearer to what a critic would say: timestep t of
  rollout i gets what is left of R_i from t on, relative to the same of the others still going.
* Equation 3 without its KL term: the clipped surrogate, averaged over each rollout and then over
  rollouts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from bipedal.engines.warp import WarpEngine
from bipedal.initial import new_policy
from bipedal.networks import flatten_parameters, gaussian_log_prob
from bipedal.presets import DEFAULT
from bipedal.seeds import row_seeds


@dataclass(frozen=True)
class GrpoConfig:
    """Hyperparameters; what is not here is as in the `default` preset of PPO."""

    group_size: int
    """Rollouts G from one state."""
    horizon: int
    """Timesteps H of a rollout at most."""
    start: Literal["episode", "middle"]
    """Where groups begin: with an episode, or where the last rollouts have got to."""
    supervision: Literal["outcome", "to-go"] = "outcome"
    num_envs: int = 64
    """Rollouts of an iteration, all groups together."""
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 5e-4
    clip_range: float = 0.2
    initial_log_std: float = -0.5
    std_min: float = 0.1
    std_max: float = 0.61
    env_id: str = "BipedalWalker-v3"


def group_advantages(
    rewards: Tensor, valid: Tensor, group_size: int, supervision: Literal["outcome", "to-go"]
) -> Tensor:
    """Advantages (T, N) of N rollouts, the first `group_size` of which are the first group.

    `rewards` (T, N) raw, `valid` (T, N) bool: whether the rollout was still going. Where a group
    does not differ its advantage is 0. With `to-go` the group at t are its rollouts that are
    still going, the sums of what is left of their rewards.
    """
    kept = rewards * valid
    if supervision == "outcome":
        left = kept.sum(0, keepdim=True).expand_as(kept)
        weight = torch.ones_like(kept)
    else:
        left = kept.flip(0).cumsum(0).flip(0)
        weight = valid.to(kept.dtype)
    grouped = left.reshape(len(left), -1, group_size)
    weight = weight.reshape(len(left), -1, group_size)
    count = weight.sum(-1, keepdim=True).clamp(min=1.0)
    mean = (grouped * weight).sum(-1, keepdim=True) / count
    deviation = (grouped - mean) * weight
    std = (deviation.square().sum(-1, keepdim=True) / count).sqrt()
    advantages: Tensor = (deviation / (std + 1e-6)).flatten(1, 2) * valid
    return advantages


def surrogate_loss(
    log_ratio: Tensor, advantages: Tensor, valid: Tensor, clip_range: float
) -> Tensor:
    """Negative of equation 3 without KL: mean over a rollout's timesteps, then over rollouts.

    All (T, B); returns a scalar to minimise.
    """
    ratio = torch.exp(log_ratio)
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    gain = torch.minimum(ratio * advantages, clipped * advantages) * valid
    return -(gain.sum(0) / valid.sum(0).clamp(min=1)).mean()


class Grpo:
    """A learner: policy, optimiser, engine."""

    def __init__(self, config: GrpoConfig, seed: int) -> None:
        """Make it; nothing is played yet."""
        self.config = config
        self.generator = torch.Generator().manual_seed(seed)
        self.random = np.random.default_rng(seed)
        self.policy = new_policy(
            replace(
                DEFAULT,
                seed=seed,
                initial_log_std=config.initial_log_std,
                std_min=config.std_min,
                std_max=config.std_max,
            )
        )
        """Its critic stays as it began."""
        self.actor, self.normalizer = self.policy.actor, self.policy.normalizer
        self.optimizer = torch.optim.Adam(
            [flatten_parameters(self.actor)], lr=config.learning_rate, eps=1e-5, fused=True
        )
        seeds = row_seeds(seed, config.num_envs)
        self.engine = WarpEngine(config.env_id, config.num_envs, seeds)
        self.observation = self.engine.reset().clone()
        self.timesteps = 0
        """Steps that rollouts are made of; what a finished one idles is not counted."""

    def iterate(self) -> None:
        """Give every group its state, play, judge, learn."""
        self._gather_groups()
        observations, actions, rewards, valid = self._play()
        advantages = group_advantages(
            rewards, valid, self.config.group_size, self.config.supervision
        )
        self._learn(observations, actions, advantages, valid)
        self.timesteps += int(valid.sum())

    def _gather_groups(self) -> None:
        """Put all rollouts of a group into the state of one of them."""
        config, engine = self.config, self.engine
        if config.start == "episode":
            engine.begin_episodes(range(config.num_envs))
        for first in range(0, config.num_envs, config.group_size):
            group = range(first, first + config.group_size)
            chosen = int(self.random.choice(group)) if config.start == "middle" else first
            state = engine.snapshot([chosen] * config.group_size)
            engine.restore_rows(group, state)
        self.observation = engine.observation.clone()

    @torch.no_grad()
    def _play(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Play to the horizon, or until all rollouts have ended; returns (T, N, ...) tensors."""
        log_std = self.actor.bounded_log_std()
        alive = torch.ones(self.config.num_envs, dtype=torch.bool)
        seen, taken, earned, valid = [], [], [], []
        raw = []
        for _ in range(self.config.horizon):
            raw.append(self.observation)
            seen.append(self.normalizer(self.observation))
            mean = self.actor(seen[-1])
            noise = torch.randn(mean.shape, generator=self.generator)
            taken.append(mean + noise * log_std.exp())
            step = self.engine.step(taken[-1])
            earned.append(step.reward.float())
            valid.append(alive.clone())
            alive &= ~step.done
            self.observation = step.observation.clone()
            if not alive.any():
                break
        mask = torch.stack(valid)
        self.normalizer.update(torch.stack(raw)[mask])
        return torch.stack(seen), torch.stack(taken), torch.stack(earned), mask

    def _learn(self, observations: Tensor, actions: Tensor, advantages: Tensor, valid: Tensor
               ) -> None:  # fmt: skip
        """Some epochs of steps on the clipped surrogate; a minibatch holds whole rollouts."""
        config = self.config
        with torch.no_grad():
            old = gaussian_log_prob(self.actor(observations), self.actor.bounded_log_std(), actions)
        for _ in range(config.epochs):
            order = torch.randperm(config.num_envs, generator=self.generator)
            for part in order.chunk(config.minibatches):
                log_std = self.actor.bounded_log_std()
                mean = self.actor(observations[:, part])
                log_ratio = gaussian_log_prob(mean, log_std, actions[:, part]) - old[:, part]
                loss = surrogate_loss(
                    log_ratio, advantages[:, part], valid[:, part], config.clip_range
                )
                self.optimizer.zero_grad(set_to_none=False)
                loss.backward()
                nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], 0.5)
                self.optimizer.step()
                self.actor.project_log_std()

    def learn(self, timesteps: int, seconds: float, watch: Callable[[int, float], None]) -> None:
        """Iterate until a budget is used up; `watch` hears of timesteps and seconds each time."""
        began = time.monotonic()
        while self.timesteps < timesteps and time.monotonic() - began < seconds:
            self.iterate()
            watch(self.timesteps, time.monotonic() - began)
        self.engine.close()
