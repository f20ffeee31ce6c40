"""Collect a rollout: T timesteps from N environments, in the shape that the update reads."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bipedal.envs import FALL_REWARD, FloatArray, VectorEngine
from bipedal.models import Actor, Critic, gaussian_log_prob
from bipedal.normalizer import ObservationNormalizer, RewardScaler


class EpisodeStatistics(NamedTuple):
    """What is known of a training episode when it ends (stochastic policy, raw reward)."""

    episodic_return: float
    length: int
    distance: float
    """Metres walked."""
    fell: bool


class Rollout(NamedTuple):
    """T timesteps of N environments; autoreset rows are not in it."""

    observations: Tensor
    """(T, N, O) normalised as the policy saw them, float32."""
    actions: Tensor
    """(T, N, A) as sampled; the environment clips them to ±1."""
    log_probs: Tensor
    """(T, N) of those actions when they were sampled."""
    rewards: Tensor
    """(T, N) scaled."""
    values: Tensor
    """(T, N) V(s)."""
    next_values: Tensor
    """(T, N) V(s′) of the observation that really followed."""
    terminated: Tensor
    """(T, N) bool"""
    done: Tensor
    """(T, N) bool, terminated or truncated."""


class Collector:
    """Plays the current policy and keeps what must last from one rollout to the next.

    Each timestep updates the observation statistics before they are used, as
    `gymnasium.wrappers.NormalizeObservation` does.
    """

    def __init__(
        self,
        engine: VectorEngine,
        normalizer: ObservationNormalizer,
        reward_scaler: RewardScaler,
        *,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        """Reset the engine; `generator` (on the CPU) samples the actions."""
        self.engine = engine
        self.normalizer = normalizer
        self.reward_scaler = reward_scaler
        self.device = device
        self.generator = generator
        self._returns = np.zeros(engine.num_envs)
        self._lengths = np.zeros(engine.num_envs, dtype=np.int64)
        self._observation = self._see(engine.reset())

    def _tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        """Copy of an engine's array, which the next step overwrites, on the device."""
        return torch.tensor(array, device=self.device)

    def _see(self, observation: FloatArray) -> Tensor:
        """Update the statistics with raw observations (N, O) and normalise them."""
        raw = self._tensor(observation)
        self.normalizer.update(raw)
        normalised: Tensor = self.normalizer(raw)
        return normalised

    @torch.no_grad()
    def collect(
        self, actor: Actor, critic: Critic, steps: int
    ) -> tuple[Rollout, list[EpisodeStatistics]]:
        """Play `steps` timesteps; returns them and the episodes that ended on the way."""
        num_envs = self.engine.num_envs
        shape = (steps, num_envs)
        device = self.device
        observations = torch.empty((*shape, self._observation.shape[-1]), device=device)
        actions = torch.empty((*shape, actor.log_std.shape[-1]), device=device)
        means = torch.empty_like(actions)
        rewards = torch.empty(shape, device=device)
        terminated = torch.empty(shape, dtype=torch.bool, device=device)
        done = torch.empty_like(terminated)
        cut_rows: list[tuple[int, int]] = []  # (t, environment) of each truncation
        cut_observations: list[Tensor] = []
        episodes: list[EpisodeStatistics] = []

        log_std = actor.bounded_log_std()
        std = log_std.exp()
        for t in range(steps):
            observations[t] = self._observation
            means[t] = actor(self._observation)
            noise = torch.randn(actions[t].shape, generator=self.generator)
            actions[t] = means[t] + std * noise.to(device)
            step = self.engine.step(actions[t].cpu().numpy())

            step_done = step.terminated | step.truncated
            terminated[t] = self._tensor(step.terminated)
            done[t] = self._tensor(step_done)
            rewards[t] = self.reward_scaler(self._tensor(step.reward), done[t])
            self._returns += step.reward
            self._lengths += 1
            for index in np.flatnonzero(step_done):
                if not step.terminated[index]:
                    cut_rows.append((t, int(index)))
                    cut_observations.append(
                        self.normalizer(self._tensor(step.final_observation[index]))
                    )
                episodes.append(
                    EpisodeStatistics(
                        float(self._returns[index]),
                        int(self._lengths[index]),
                        float(step.distance[index]),
                        bool(step.terminated[index] and step.reward[index] == FALL_REWARD),
                    )
                )
                self._returns[index] = 0.0
                self._lengths[index] = 0
            self._observation = self._see(step.observation)

        # V of every state at once. What follows row t is row t + 1, after the last row the
        # observation that waits for the next rollout, and at a time limit the final observation;
        # after a termination the next episode's first value stands there, which GAE leaves out.
        values = critic(observations)
        next_values = torch.cat([values[1:], critic(self._observation)[None]])
        if cut_rows:
            rows = torch.tensor(cut_rows, device=device)
            next_values[rows[:, 0], rows[:, 1]] = critic(torch.stack(cut_observations))

        log_probs = gaussian_log_prob(means, log_std, actions)
        rollout = Rollout(
            observations, actions, log_probs, rewards, values, next_values, terminated, done
        )
        return rollout, episodes

    def state(self) -> dict[str, Any]:
        """Everything but the networks and the generator that the next rollout depends on."""
        return {
            "engine": {name: torch.tensor(a) for name, a in self.engine.state().items()},
            "normalizer": copy.deepcopy(self.normalizer.state_dict()),
            "reward_scaler": copy.deepcopy(self.reward_scaler.state_dict()),
            "observation": self._observation.clone(),
            "returns": torch.tensor(self._returns),
            "lengths": torch.tensor(self._lengths),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self.engine.restore({name: t.numpy() for name, t in state["engine"].items()})
        self.normalizer.load_state_dict(state["normalizer"])
        self.reward_scaler.load_state_dict(state["reward_scaler"])
        self._observation = state["observation"].to(self.device)
        self._returns = state["returns"].numpy().copy()
        self._lengths = state["lengths"].numpy().copy()
