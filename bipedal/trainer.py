"""A run in memory, and one iteration of it: collect, update, evaluate, log, keep."""

from __future__ import annotations

import math
import time
import warnings
from collections import deque
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from bipedal import ppo, schedules
from bipedal.checkpoint import save_model
from bipedal.config import TrainConfig
from bipedal.curriculum import Curriculum
from bipedal.engines import make_engine
from bipedal.engines.warp import WarpEngine
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.selection import Selection
from bipedal.initial import initial_policy
from bipedal.logs import RunLog
from bipedal.networks import flatten_parameters
from bipedal.normalizer import RewardScaler
from bipedal.policy import Policy
from bipedal.report.video import record_episode
from bipedal.rollout import Collector, EpisodeStatistics, Rollout
from bipedal.seeds import EVALUATION_SEED

RETURN_MEAN, RETURN_VARIANCE = "discounted_return_mean", "discounted_return_variance"
"""Keys of a model's `info`: the deviation is the unit of its critic's values."""


@dataclass(frozen=True)
class Progress:
    """What a watcher is told after every iteration."""

    iteration: int
    iterations: int
    timesteps: int
    total_timesteps: int
    mean_return: float
    """Mean of the last `best_window` training episodes; NaN before the first has ended."""
    best_return: float
    std: float
    steps_per_second: float
    elapsed: float
    """Seconds of training, all sittings together."""


class Trainer:
    """A run in memory: policy, optimisers, environments, and where it has got to."""

    def __init__(self, config: TrainConfig, run_dir: Path) -> None:
        """Begin at timestep 0; starts the engine's threads or processes."""
        config.validate()
        self.config = config
        self.run_dir = run_dir
        self.models_dir = run_dir / "saved_models"
        self.policy = initial_policy(config, self.models_dir).to(_choose_device(config.device))
        self.actor, self.critic = self.policy.actor, self.policy.critic
        self.actor_optimizer, self.critic_optimizer = (
            torch.optim.Adam(
                [flatten_parameters(module)], lr=rate, eps=config.adam_epsilon, fused=True
            )
            for module, rate in (
                (self.actor, config.policy_learning_rate),
                (self.critic, config.critic_learning_rate),
            )
        )
        # On the CPU in any case: a seed draws the same numbers whatever the device.
        self.generator = torch.Generator().manual_seed(config.seed)
        self.iteration = 0
        self.timesteps = 0
        self.episodes = 0
        self.elapsed = 0.0
        self.recent_returns: deque[float] = deque(maxlen=config.best_window)
        with ExitStack() as stack:
            self.selection = stack.enter_context(closing(Selection(config)))
            engine = make_engine(config.engine, config.env_id, config.num_envs, config.seed)
            self.engine = stack.enter_context(closing(engine))
            self.curriculum = None
            if config.curriculum_share:
                self.curriculum = Curriculum(cast(WarpEngine, self.engine))
            self.collector = Collector(
                self.engine,
                self.policy,
                _reward_scaler(config, self.policy),
                steps=config.rollout_steps,
                generator=self.generator,
                reward_floor=config.reward_floor,
                endless_course=config.endless_course,
            )
            self._resources = stack.pop_all()

    # One iteration --------------------------------------------------------------------------------

    def iterate(self, log: RunLog) -> Progress:
        """Collect a rollout, improve on it, log it, and keep what is due."""
        started = time.perf_counter()
        values = self._set_hyperparameters()
        rollout, episodes = self.collector.collect()
        statistics, variance = self._update(rollout, values.gamma)
        self.iteration += 1
        self.timesteps += self.config.batch_size
        self.episodes += len(episodes)
        self.recent_returns.extend(episode.episodic_return for episode in episodes)
        if self.curriculum is not None:
            self._teach(self.curriculum, episodes)
        self._keep_what_is_due(log)
        seconds = time.perf_counter() - started
        self.elapsed += seconds
        log.write_metrics(
            {
                "iteration": self.iteration,
                "timesteps": self.timesteps,
                **_episode_metrics(episodes),
                "charts/episodic_return_mean": self._mean_return(),
                "charts/episodes": self.episodes,
                "charts/policy_learning_rate": values.policy_learning_rate,
                "charts/critic_learning_rate": values.critic_learning_rate,
                "charts/std": self._std(),
                "charts/gamma": values.gamma,
                **self._difficulty_metric(),
                **{f"losses/{name}": value for name, value in statistics._asdict().items()},
                "losses/explained_variance": variance,
                "charts/SPS": round(self.config.batch_size / seconds),
                "time/elapsed": round(self.elapsed, 3),
            }
        )
        return Progress(
            iteration=self.iteration,
            iterations=self.config.iterations,
            timesteps=self.timesteps,
            total_timesteps=self.config.iterations * self.config.batch_size,
            mean_return=self._mean_return(),
            best_return=self.selection.best_return,
            std=self._std(),
            steps_per_second=self.config.batch_size / seconds,
            elapsed=self.elapsed,
        )

    def _set_hyperparameters(self) -> schedules.Hyperparameters:
        """Learning rates, discount factor and standard deviation of this iteration."""
        config, actor = self.config, self.actor
        values = schedules.hyperparameters(config, self.timesteps)
        self.actor_optimizer.param_groups[0]["lr"] = values.policy_learning_rate
        self.critic_optimizer.param_groups[0]["lr"] = values.critic_learning_rate
        self.collector.reward_scaler.gamma = values.gamma
        actor.std_bounds = (config.std_min, values.std_max)
        if schedules.noise_restarts(config, self.timesteps):
            nn.init.constant_(actor.log_std, math.log(values.std_max))
            actor.scale_output(self.policy.gain)  # begin with what the greedy policy does best
            self.policy.gain = 1.0
        actor.project_log_std()
        return values

    def _update(self, rollout: Rollout, gamma: float) -> tuple[ppo.UpdateStatistics, float]:
        """Advantages, then the PPO update; returns its statistics and the explained variance."""
        advantages = ppo.generalized_advantages(
            rollout.rewards,
            rollout.values,
            rollout.next_values,
            rollout.terminated,
            rollout.done,
            gamma=gamma,
            gae_lambda=self.config.gae_lambda,
        )
        returns = advantages + rollout.values
        batch = ppo.Batch(
            rollout.observations.flatten(0, 1),
            rollout.actions.flatten(0, 1),
            rollout.log_probs.flatten(),
            advantages.flatten(),
            returns.flatten(),
        )
        config = self.config
        statistics = ppo.update(
            self.actor,
            self.critic,
            self.actor_optimizer,
            self.critic_optimizer,
            batch,
            ppo.UpdateSettings(
                epochs=config.epochs,
                minibatch_size=config.minibatch_size,
                clip_range=config.clip_range,
                entropy_coefficient=config.entropy_coefficient,
                max_grad_norm=config.max_grad_norm,
            ),
            self.generator,
        )
        return statistics, ppo.explained_variance(rollout.values, returns)

    def _teach(self, curriculum: Curriculum, episodes: list[EpisodeStatistics]) -> None:
        """Let the obstacles grow with success, and be Gymnasium's when the curriculum is over."""
        if self.timesteps < self.config.curriculum_share * self.config.total_timesteps:
            curriculum.learn(episodes)
        else:
            curriculum.end()

    def _mean_return(self) -> float:
        return float(np.mean(self.recent_returns)) if self.recent_returns else math.nan

    def _std(self) -> float:
        return float(self.actor.bounded_log_std().detach().exp().mean())

    def _difficulty_metric(self) -> dict[str, float]:
        return {} if self.curriculum is None else {"charts/difficulty": self.curriculum.difficulty}

    # What is kept ---------------------------------------------------------------------------------

    def _keep_what_is_due(self, log: RunLog) -> None:
        """Save, evaluate and film where this iteration is one for it."""
        config, selection = self.config, self.selection
        if selection.is_best_in_training(self.recent_returns):
            self._save_model("best_model.pth")
        if self.iteration % config.checkpoint_interval == 0:
            self._save_model(f"checkpoint_{self.iteration}.pth")
        result = selection.evaluate(self.policy, self.iteration, self._mean_return())
        if result is not None:
            at = {"iteration": self.iteration, "timesteps": self.timesteps}
            elapsed = round(self.elapsed, 3)  # until this iteration began
            log.write_evaluation({**at, "time/elapsed": elapsed, **result.row})
            if config.best_by == "evaluation" and selection.is_best(result.mean_return):
                self._save_model("best_model.pth")
            if selection.confirm(self.policy, result):
                self._save_model("best_model.pth")
        if config.video_interval and self.iteration % config.video_interval == 0:
            self._record_video()

    def _save_model(self, name: str) -> None:
        self.policy.info = {
            "env_id": self.config.env_id,
            "preset": self.config.preset,
            "seed": self.config.seed,
            "iteration": self.iteration,
            "timesteps": self.timesteps,
            "training_return": self._mean_return(),
            "gain": self.policy.gain,
            RETURN_MEAN: float(self.collector.reward_scaler.mean),
            RETURN_VARIANCE: float(self.collector.reward_scaler.var),
        }
        save_model(self.models_dir / name, self.policy)

    def _record_video(self) -> None:
        path = self.run_dir / "videos" / f"iteration_{self.iteration}.mp4"
        try:
            record_episode(self.policy.share(), self.config.env_id, EVALUATION_SEED, path)
        except (UserError, RunFailedError) as error:  # a film is no reason to end a run
            warnings.warn(f"training goes on without a video: {error}", stacklevel=1)

    @property
    def finished(self) -> bool:
        """Whether all iterations are done, or no more are needed."""
        return self.solved or self.iteration >= self.config.iterations

    @property
    def solved(self) -> bool:
        """Whether the environment is solved and that is all that was asked for."""
        return self.selection.solved and self.config.stop_when_solved

    def finish(self) -> None:
        """Save the last model; it is also the best one where nothing was ever measured."""
        self._save_model(f"checkpoint_{self.iteration}.pth")
        if not (self.models_dir / "best_model.pth").exists():
            self._save_model("best_model.pth")

    def close(self) -> None:
        """End all threads and processes."""
        self._resources.close()


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


def _choose_device(name: str) -> torch.device:
    """Where the networks live; UserError if there is no such device."""
    use_cuda = name != "cpu" and torch.cuda.is_available()
    if name == "cuda" and not use_cuda:
        raise UserError("--device cuda: there is no GPU that PyTorch can use here")
    return torch.device("cuda" if use_cuda else "cpu")


def _episode_metrics(episodes: list[EpisodeStatistics]) -> dict[str, float]:
    """Means over the episodes that ended in an iteration; NaN if none did."""

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else math.nan

    return {
        "charts/episodic_return": mean([e.episodic_return for e in episodes]),
        "charts/episodic_length": mean([float(e.length) for e in episodes]),
        "charts/distance": mean([e.distance for e in episodes]),
        "charts/fall_rate": mean([float(e.fell) for e in episodes]),
    }
