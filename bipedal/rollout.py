"""Collect a rollout: T timesteps from N environments, in the shape that the update reads."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bipedal.config import Memory
from bipedal.history import Recollection
from bipedal.networks import Actor, Critic, gaussian_log_prob
from bipedal.normalizer import ObservationNormalizer, RewardScaler
from bipedal.walker import Step, VectorEngine


class EpisodeStatistics(NamedTuple):
    """What is known of a training episode when it ends (stochastic policy, raw reward)."""

    env: int
    """Number of its environment."""
    episodic_return: float
    length: int
    distance: float
    """Metres walked."""
    fell: bool


class Rollout(NamedTuple):
    """T timesteps of N environments; autoreset rows are not in it."""

    observations: Tensor
    """(T, N, F·O) the F observations the policy saw at once, normalised, float32."""
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

    A rollout sees the world through the statistics as they were when it began; afterwards they
    learn from its observations, all at once. So all its samples are scaled alike, and a policy
    that has not changed gives the same log-probabilities when it is asked again.
    """

    def __init__(
        self,
        engine: VectorEngine,
        normalizer: ObservationNormalizer,
        reward_scaler: RewardScaler,
        *,
        action_dim: int,
        steps: int,
        device: torch.device,
        generator: torch.Generator,
        reward_floor: float,
        endless_course: bool,
        memory: Memory,
    ) -> None:
        """Reset the engine and make room for rollouts of `steps` timesteps.

        `memory` says which observations the policy is shown at once. `generator` (on the CPU)
        samples the actions; rewards in a rollout are at least `reward_floor` before they are
        scaled, those of episodes' statistics are raw. On an `endless_course` only a fall is a
        termination, and the far end a truncation.
        """
        self.engine = engine
        self.normalizer = normalizer
        self.reward_scaler = reward_scaler
        self.device = device
        self.generator = generator
        self.reward_floor = reward_floor
        self.endless_course = endless_course
        self._returns = np.zeros(engine.num_envs)
        self._lengths = np.zeros(engine.num_envs, dtype=np.int64)
        first = self._tensor(engine.reset())
        self._recollection = Recollection(memory, first)

        def room(*width: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(steps, engine.num_envs, *width, dtype=dtype, device=device)

        observation_dim = first.shape[-1]
        self._raw_observations = room(observation_dim)
        self._raw_rewards = room(dtype=torch.float64)
        self._means = room(action_dim)
        self._rollout = Rollout(
            observations=room(memory.frames * observation_dim),
            actions=room(action_dim),
            log_probs=room(),
            rewards=room(),
            values=room(),
            next_values=room(),
            terminated=room(dtype=torch.bool),
            done=room(dtype=torch.bool),
        )

    def _tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        """Copy of an engine's array, which the next step overwrites, on the device."""
        return torch.tensor(array, device=self.device)

    @torch.no_grad()
    def collect(self, actor: Actor, critic: Critic) -> tuple[Rollout, list[EpisodeStatistics]]:
        """Play; returns the timesteps and the episodes that ended on the way.

        The rollout lies in the same memory each time: the next call overwrites it.
        """
        rollout = self._rollout
        episodes: list[EpisodeStatistics] = []
        cuts: list[tuple[int, int, Tensor]] = []  # (t, environment, what was seen at the end)
        log_std = actor.bounded_log_std()
        # The noise first, with the actions on top: a step then costs one addition.
        noise = torch.randn(rollout.actions.shape, generator=self.generator)
        rollout.actions.copy_(noise.to(self.device)).mul_(log_std.exp())
        for t in range(len(rollout.actions)):
            seen = self._recollection.recall()
            self._raw_observations[t] = seen[:, 0]
            rollout.observations[t] = self.normalizer(seen).flatten(-2)
            self._means[t] = actor(rollout.observations[t])
            rollout.actions[t] += self._means[t]
            step = self.engine.step(rollout.actions[t].cpu().numpy())
            self._raw_rewards[t] = torch.from_numpy(step.reward)
            terminated = step.fell if self.endless_course else step.terminated
            rollout.terminated[t] = torch.from_numpy(terminated)
            done = step.terminated | step.truncated
            rollout.done[t] = torch.from_numpy(done)
            self._returns += step.reward
            self._lengths += 1
            for env in np.flatnonzero(done):
                if not terminated[env]:
                    final = self._tensor(step.final_observation[env])
                    cuts.append((t, int(env), self._recollection.imagine(int(env), final)))
                episodes.append(self._end_episode(int(env), step))
            self._recollection.see(self._tensor(step.observation), rollout.done[t])

        rollout.log_probs.copy_(gaussian_log_prob(self._means, log_std, rollout.actions))
        self._judge(critic, cuts)
        floored = self._raw_rewards.clamp_(min=self.reward_floor)
        rollout.rewards.copy_(self.reward_scaler(floored, rollout.done))
        self.normalizer.update(self._raw_observations.flatten(0, 1))
        return rollout, episodes

    def _end_episode(self, env: int, step: Step) -> EpisodeStatistics:
        """Sum up the episode that just ended in an environment."""
        episode = EpisodeStatistics(
            env,
            float(self._returns[env]),
            int(self._lengths[env]),
            float(step.distance[env]),
            bool(step.fell[env]),
        )
        self._returns[env] = 0.0
        self._lengths[env] = 0
        return episode

    def _judge(self, critic: Critic, cuts: Sequence[tuple[int, int, Tensor]]) -> None:
        """V of every state at once.

        What follows row t is row t + 1, after the last row the observation that waits for the next
        rollout, and at a truncation the final observation; after a termination the next
        episode's first value stands there, which GAE leaves out.
        """
        values, next_values = self._rollout.values, self._rollout.next_values
        values.copy_(critic(self._rollout.observations))
        next_values[:-1] = values[1:]
        next_values[-1] = critic(self.normalizer(self._recollection.recall()).flatten(-2))
        for t, env, seen in cuts:
            next_values[t, env] = critic(self.normalizer(seen).flatten(-2))

    def state(self) -> dict[str, Any]:
        """Everything but the networks and the generator that the next rollout depends on."""
        return {
            "engine": {name: torch.tensor(a) for name, a in self.engine.state().items()},
            "normalizer": copy.deepcopy(self.normalizer.state_dict()),
            "reward_scaler": copy.deepcopy(self.reward_scaler.state_dict()),
            "recollection": self._recollection.state(),
            "returns": torch.tensor(self._returns),
            "lengths": torch.tensor(self._lengths),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self.engine.restore({name: t.numpy() for name, t in state["engine"].items()})
        self.normalizer.load_state_dict(state["normalizer"])
        self.reward_scaler.load_state_dict(state["reward_scaler"])
        self._recollection.restore(state["recollection"])
        self._returns = state["returns"].numpy().copy()
        self._lengths = state["lengths"].numpy().copy()
