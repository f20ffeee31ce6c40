"""Learn by proximal policy optimisation: collect a rollout, improve on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from bipedal import ppo, schedules
from bipedal.adam import Adam
from bipedal.capture import Captured
from bipedal.config import TrainConfig
from bipedal.curriculum import Curriculum
from bipedal.engines import make_engine
from bipedal.engines.warp import WarpEngine
from bipedal.errors import UserError
from bipedal.logs import Row
from bipedal.networks import flatten_parameters
from bipedal.normalizer import RewardScaler
from bipedal.policy import Policy
from bipedal.replay import FallReplay
from bipedal.rollout import Collector, EpisodeStatistics
from bipedal.shaping import Shaping

RETURN_MEAN, RETURN_VARIANCE = "discounted_return_mean", "discounted_return_variance"
"""Keys of a model's `info`: the deviation is the unit of its critic's values."""


class Learned(NamedTuple):
    """What an iteration has led to."""

    episodes: list[EpisodeStatistics]
    """That ended in it."""
    metrics: Row
    """Columns of metrics.csv."""


class Learner:
    """Environments and optimisers, and what one iteration does with them."""

    def __init__(self, config: TrainConfig, policy: Policy, generator: torch.Generator) -> None:
        """Start the environments on the policy's device.

        `generator`, on the same device, draws actions and minibatches.
        """
        self.config = config
        self.policy = policy
        self.generator = generator
        self.actor_optimizer, self.critic_optimizer = (
            Adam(flatten_parameters(module), rate, config.adam_epsilon)
            for module, rate in (
                (policy.actor, config.policy_learning_rate),
                (policy.critic, config.critic_learning_rate),
            )
        )
        self.engine = make_engine(
            config.engine, config.env_id, config.num_envs, config.seed, policy.device
        )
        self.curriculum = None
        if config.curriculum_share:
            self.curriculum = Curriculum(cast(WarpEngine, self.engine))
        self.collector = Collector(
            self.engine,
            policy,
            _reward_scaler(config, policy),
            steps=config.rollout_steps,
            generator=generator,
            shaping=Shaping(config.reward_floor, config.posture_cost, config.torque_share),
            endless_course=config.endless_course,
        )
        self.replay = None
        if config.replay_falls:
            engine = cast(WarpEngine, self.engine)
            self.replay = FallReplay(engine, config.replay_falls, generator)
        self._advantages = torch.empty_like(self.collector.rollout.rewards)
        self._returns = torch.empty_like(self._advantages)
        self._compute_advantages = Captured(self._advantages_of_rollout, policy.device)
        self._update = self._make_update()

    def _make_update(self) -> ppo.Update:
        """The PPO update, which reads the rollout where it lies."""
        config, rollout = self.config, self.collector.rollout
        batch = ppo.Batch(
            rollout.observations.flatten(0, 1),
            rollout.actions.flatten(0, 1),
            rollout.log_probs.flatten(),
            self._advantages.flatten(),
            self._returns.flatten(),
        )
        settings = ppo.UpdateSettings(
            epochs=config.epochs,
            minibatch_size=config.minibatch_size,
            clip_range=config.clip_range,
            entropy_coefficient=config.entropy_coefficient,
            max_grad_norm=config.max_grad_norm,
        )
        actor, critic = self.policy.actor, self.policy.critic
        optimizers = self.actor_optimizer, self.critic_optimizer
        return ppo.Update(actor, critic, *optimizers, batch, settings)

    def learn(self, timesteps: int) -> Learned:
        """Collect a rollout and update the networks, `timesteps` after training began."""
        values = self._set_hyperparameters(timesteps)
        episodes = self.collector.collect()[1]
        if self.engine.device.type == "cuda":  # where a step does not wait for the answer
            cast(WarpEngine, self.engine).check_overflow()
        statistics, variance = self.improve()
        if self.curriculum is not None:
            self._teach(self.curriculum, episodes, timesteps + self.config.batch_size)
        if self.replay is not None:
            self.replay.learn(episodes)
        metrics = {
            "charts/policy_learning_rate": values.policy_learning_rate,
            "charts/critic_learning_rate": values.critic_learning_rate,
            "charts/std": self.policy.actor.mean_std(),
            "charts/gamma": values.gamma,
            "charts/torque_weight": self.collector.shaping.torque_weight,
            **self._difficulty_metric(),
            **{f"losses/{name}": value for name, value in statistics._asdict().items()},
            "losses/explained_variance": variance,
        }
        return Learned(episodes, metrics)

    def _set_hyperparameters(self, timesteps: int) -> schedules.Hyperparameters:
        """Set what changes from iteration to iteration."""
        config, actor = self.config, self.policy.actor
        values = schedules.hyperparameters(config, timesteps)
        self.actor_optimizer.set_rate(values.policy_learning_rate)
        self.critic_optimizer.set_rate(values.critic_learning_rate)
        self.collector.reward_scaler.gamma.fill_(values.gamma)
        self.collector.shaping.torque_share = values.torque_share
        actor.std_bounds = (config.std_min, values.std_max)
        if schedules.noise_restarts(config, timesteps):
            nn.init.constant_(actor.log_std, math.log(values.std_max))
            actor.scale_output(self.policy.gain)  # begin with what the greedy policy does best
            self.policy.gain = 1.0
        actor.project_log_std()
        return values

    def improve(self) -> tuple[ppo.UpdateStatistics, float]:
        """Learn from the last rollout; returns the update's statistics and explained variance."""
        self._compute_advantages()
        statistics = self._update(self.generator)
        return statistics, ppo.explained_variance(self.collector.rollout.values, self._returns)

    def _advantages_of_rollout(self) -> None:
        """Advantages, and the critic's targets, in the memory that the update reads."""
        rollout = self.collector.rollout
        advantages = ppo.generalized_advantages(
            rollout.rewards,
            rollout.values,
            rollout.next_values,
            rollout.terminated,
            rollout.done,
            gamma=self.collector.reward_scaler.gamma,
            gae_lambda=self.config.gae_lambda,
        )
        self._advantages.copy_(advantages)
        torch.add(advantages, rollout.values, out=self._returns)

    def _teach(
        self, curriculum: Curriculum, episodes: list[EpisodeStatistics], timesteps: int
    ) -> None:
        """Let the obstacles grow with success, and be Gymnasium's when the curriculum is over."""
        if timesteps < self.config.curriculum_share * self.config.total_timesteps:
            curriculum.learn(episodes)
        else:
            curriculum.end()

    def _difficulty_metric(self) -> dict[str, float]:
        return {} if self.curriculum is None else {"charts/difficulty": self.curriculum.difficulty}

    def model_info(self) -> dict[str, Any]:
        """What a model file says of its learner."""
        scaler = self.collector.reward_scaler
        return {RETURN_MEAN: float(scaler.mean), RETURN_VARIANCE: float(scaler.var)}

    def state(self) -> dict[str, Any]:
        """What an exact resume needs beside the networks and the generator."""
        return {
            "actor_optimizer": self.actor_optimizer.state(),
            "critic_optimizer": self.critic_optimizer.state(),
            "collector": self.collector.state(),
            "curriculum": None if self.curriculum is None else self.curriculum.state(),
            "replay": None if self.replay is None else self.replay.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self.actor_optimizer.restore(state["actor_optimizer"])
        self.critic_optimizer.restore(state["critic_optimizer"])
        self.collector.restore(state["collector"])
        if self.curriculum is not None:
            self.curriculum.restore(state["curriculum"])
        if self.replay is not None:
            self.replay.restore(state["replay"])

    def close(self) -> None:
        """End the environments' threads and processes."""
        self.engine.close()


def _reward_scaler(config: TrainConfig, policy: Policy) -> RewardScaler:
    """Make the scaler of a run; a model to start from brings the units of its critic.

    They count as one batch, so that the scale follows another discount factor or reward floor soon.
    """
    scaler = RewardScaler(config.num_envs, config.gamma)
    mean, var = policy.info.get(RETURN_MEAN), policy.info.get(RETURN_VARIANCE)
    if config.init_from is not None and isinstance(mean, float) and isinstance(var, float):
        if not (math.isfinite(mean) and 0.0 < var < math.inf):
            raise UserError(f"{config.init_from} holds a scale of rewards that is not finite")
        scaler.start_from(mean, var, config.batch_size)
    return scaler.to(policy.device)
