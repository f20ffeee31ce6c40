"""Collect a rollout: T timesteps from N environments, in the shape that the update reads."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bipedal.capture import Captured
from bipedal.engines.warp import WarpEngine
from bipedal.fused.episodes import can_play
from bipedal.fused.rollout import FusedRollout
from bipedal.history import History
from bipedal.networks import gaussian_log_prob
from bipedal.normalizer import RewardScaler
from bipedal.physics.constants import FALL_REWARD
from bipedal.policy import Policy
from bipedal.shaping import Shaping
from bipedal.walker import VectorEngine


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


class _Raw(NamedTuple):
    """What the environments answered, before it is made into a rollout; all (T, N, ...)."""

    observations: Tensor
    """(T, N, O)"""
    final_frames: Tensor
    """(T, N, F, O) what the policy would have been shown at an episode's end."""
    means: Tensor
    """(T, N, A) mean actions."""
    rewards: Tensor
    """(T, N) float64"""
    returns: Tensor
    """(T, N) float64, sum of the episode's rewards so far."""
    lengths: Tensor
    """(T, N) int64, timesteps of the episode so far."""
    distances: Tensor
    """(T, N) float64, m."""


class Collector:
    """Plays the current policy and keeps what must last from one rollout to the next.

    All of it stays where the networks live. Where the engine is there too, a rollout is one CUDA
    graph (`capture.py`).

    A rollout sees the world through the statistics as they were when it began; afterwards they
    learn from its observations, all at once. So all its samples are scaled alike, and a policy
    that has not changed gives the same log-probabilities when it is asked again.
    """

    def __init__(
        self,
        engine: VectorEngine,
        policy: Policy,
        reward_scaler: RewardScaler,
        *,
        steps: int,
        generator: torch.Generator,
        shaping: Shaping,
        endless_course: bool,
    ) -> None:
        """Reset the engine and make room for rollouts of `steps` timesteps.

        `generator`, on the policy's device, samples the actions; rewards in a rollout are shaped
        and scaled, those of episodes' statistics are raw. On an `endless_course` only a fall is a
        termination, and the far end a truncation.
        """
        self.engine = engine
        self.policy = policy
        self.reward_scaler = reward_scaler
        self.generator = generator
        self.shaping = shaping
        self.endless_course = endless_course
        device, num_envs = policy.device, engine.num_envs
        self._play = Captured(self._play_all, engine.device)
        self._scale = Captured(reward_scaler, device)
        first = engine.reset().to(device)
        self._history = History(policy.frame_stack, first)
        self._returns = torch.zeros(num_envs, dtype=torch.float64, device=device)
        self._lengths = torch.zeros(num_envs, dtype=torch.int64, device=device)

        def room(*width: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(steps, num_envs, *width, dtype=dtype, device=device)

        observation_dim = first.shape[-1]
        action_dim = len(policy.actor.log_std)
        frames = policy.frame_stack.frames
        self._raw = _Raw(
            observations=room(observation_dim),
            final_frames=room(frames, observation_dim),
            means=room(action_dim),
            rewards=room(dtype=torch.float64),
            returns=room(dtype=torch.float64),
            lengths=room(dtype=torch.int64),
            distances=room(dtype=torch.float64),
        )
        self.rollout = Rollout(  # of the last call of `collect`
            observations=room(frames * observation_dim),
            actions=room(action_dim),
            log_probs=room(),
            rewards=room(),
            values=room(),
            next_values=room(),
            terminated=room(dtype=torch.bool),
            done=room(dtype=torch.bool),
        )
        self._fell = room(dtype=torch.bool)
        self._fused = self._fuse()

    def _fuse(self) -> FusedRollout | None:
        """The steps of a rollout without a return to Python, where that is possible."""
        engine, policy, rollout, raw = self.engine, self.policy, self.rollout, self._raw
        if not (isinstance(engine, WarpEngine) and can_play(policy, engine)):
            return None
        return FusedRollout(
            engine,
            policy.actor,
            policy.normalizer,
            steps=len(rollout.actions),
            memory={
                "episode_return": self._returns,
                "episode_length": self._lengths,
                "raw_observations": raw.observations,
                "observations": rollout.observations,
                "means": raw.means,
                "actions": rollout.actions,
                "final_observations": raw.final_frames,
                "rewards": raw.rewards,
                "returns": raw.returns,
                "distances": raw.distances,
                "lengths": raw.lengths,
                "terminations": rollout.terminated,
                "ends": rollout.done,
            },
        )

    @torch.no_grad()
    def collect(self) -> tuple[Rollout, list[EpisodeStatistics]]:
        """Play; returns the timesteps and the episodes that ended on the way.

        The rollout lies in the same memory each time: the next call overwrites it.
        """
        rollout, raw = self.rollout, self._raw
        # The noise first, with the actions on top: a step then costs one addition.
        rollout.actions.normal_(generator=self.generator)
        self._play()
        self._compute_final_values()
        episodes = self._ended_episodes()
        shaped = self.shaping(raw.rewards, raw.observations, rollout.actions)
        rollout.rewards.copy_(self._scale(shaped, rollout.done))
        self.policy.normalizer.update(raw.observations.flatten(0, 1))
        return rollout, episodes

    def _play_all(self) -> None:
        """Play T timesteps with the noise that lies in the rollout's actions."""
        rollout, raw, actor = self.rollout, self._raw, self.policy.actor
        log_std = actor.bounded_log_std()
        rollout.actions.mul_(log_std.exp())
        if self._fused is None:
            for t in range(len(rollout.actions)):
                self._step(t)
        else:
            self._fused()
            self._history.push(self._fused.observation, rollout.done[-1])
        self._history.align()
        torch.logical_and(rollout.terminated, raw.rewards == FALL_REWARD, out=self._fell)
        if self.endless_course:
            rollout.terminated.copy_(self._fell)
        rollout.log_probs.copy_(gaussian_log_prob(raw.means, log_std, rollout.actions))
        self._compute_values()

    def _step(self, t: int) -> None:
        """Play timestep t in all environments and write down what happened."""
        rollout, raw, policy = self.rollout, self._raw, self.policy
        frames = self._history.frames()
        raw.observations[t] = frames[:, 0]
        rollout.observations[t] = policy.network_input(frames)
        raw.means[t] = policy.actor(rollout.observations[t])
        rollout.actions[t] += raw.means[t]
        step = self.engine.step(rollout.actions[t].to(self.engine.device))
        raw.rewards[t] = step.reward
        raw.distances[t] = step.distance
        rollout.terminated[t] = step.terminated
        rollout.done[t] = step.done
        done = rollout.done[t]
        raw.final_frames[t] = self._history.frames_after(step.final_observation.to(policy.device))
        self._history.push(step.observation.to(policy.device), done)
        self._returns += raw.rewards[t]
        self._lengths += 1
        raw.returns[t] = self._returns
        raw.lengths[t] = self._lengths
        self._returns.masked_fill_(done, 0.0)
        self._lengths.masked_fill_(done, 0)

    def _compute_values(self) -> None:
        """V of every state at once.

        What follows row t is row t + 1, and after the last row the observation that waits for the
        next rollout. After a termination the next episode's first value stands there, which GAE
        leaves out.
        """
        rollout, policy, critic = self.rollout, self.policy, self.policy.critic
        values, next_values = rollout.values, rollout.next_values
        values.copy_(critic(rollout.observations))
        next_values[:-1] = values[1:]
        next_values[-1] = critic(policy.network_input(self._history.frames()))

    def _compute_final_values(self) -> None:
        """V of what was observed last where an episode was truncated: it followed there."""
        rollout, policy = self.rollout, self.policy
        truncated = (rollout.done & ~rollout.terminated).nonzero(as_tuple=True)
        final = policy.network_input(self._raw.final_frames[truncated])
        rollout.next_values[truncated] = policy.critic(final)

    def _ended_episodes(self) -> list[EpisodeStatistics]:
        """Read out the episodes that ended in this rollout, in the order of their ends."""
        raw = self._raw
        ends = self.rollout.done.nonzero(as_tuple=True)
        columns = (raw.returns, raw.lengths, raw.distances, self._fell)
        ended = [ends[1], *(column[ends] for column in columns)]
        # One copy to the host; float64 holds all of them exactly.
        rows = torch.stack([column.double() for column in ended], dim=1).tolist()
        return [
            EpisodeStatistics(int(env), episodic_return, int(length), distance, bool(fell))
            for env, episodic_return, length, distance, fell in rows
        ]

    def state(self) -> dict[str, Any]:
        """Everything but the networks and the generator that the next rollout depends on."""
        return {
            "engine": dict(self.engine.state()),
            "normalizer": copy.deepcopy(self.policy.normalizer.state_dict()),
            "reward_scaler": copy.deepcopy(self.reward_scaler.state_dict()),
            "history": self._history.state(),
            "shaping": self.shaping.state(),
            "returns": self._returns.clone(),
            "lengths": self._lengths.clone(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self.engine.restore(state["engine"])
        self.policy.normalizer.load_state_dict(state["normalizer"])
        self.reward_scaler.load_state_dict(state["reward_scaler"])
        self._history.restore(state["history"])
        self.shaping.restore(state["shaping"])
        self._returns.copy_(state["returns"])
        self._lengths.copy_(state["lengths"])
