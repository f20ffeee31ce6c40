"""The loop: collect, update, log, save, stop; and its exact continuation.

A run saves its whole state (`saved_models/resume.pt`) at the end of an iteration whenever
`SAVE_SECONDS` have passed since the last time. Saving reads and changes nothing, so *when*
it happens leaves no trace in the results: on one machine and thread count, a run that was stopped
or killed and resumed gives the same bits as one that was not.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from bipedal import ppo, schedules
from bipedal.checkpoint import Model, load_model, load_state, save_model, save_state
from bipedal.config import TrainConfig
from bipedal.curriculum import Curriculum
from bipedal.engines import ENGINES
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.episode import make_policy
from bipedal.evaluation.selection import EVALUATION_SEED, EXAMINERS, confirm, on_cpu, with_gain
from bipedal.logs import RunLog
from bipedal.networks import Actor, Critic, flatten_parameters
from bipedal.normalizer import ObservationNormalizer, RewardScaler
from bipedal.processes import keep_freed_memory
from bipedal.report.video import record_episode
from bipedal.rollout import Collector, EpisodeStatistics, Rollout
from bipedal.run_directory import continue_run, discard_run, lock_run, prepare_run
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM, reward_threshold

if TYPE_CHECKING:
    from bipedal.engines.warp import WarpEngine

SAVE_SECONDS = 15.0
"""Work that a kill may cost, plus at most one iteration."""


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


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended."""

    run_dir: Path
    timesteps: int
    elapsed: float
    finished: bool
    """False if it was asked to stop before the last iteration."""
    solved: bool
    """Whether it ended early because the environment was solved."""


class Trainer:
    """A run in memory: networks, optimisers, environments, and where it has got to."""

    def __init__(self, config: TrainConfig, run_dir: Path) -> None:
        """Begin at timestep 0; starts the engine's processes."""
        config.validate()
        self.run_dir = run_dir
        self.models_dir = run_dir / "saved_models"
        use_cuda = config.device != "cpu" and torch.cuda.is_available()
        if config.device == "cuda" and not use_cuda:
            raise UserError("--device cuda: there is no GPU that PyTorch can use here")
        self.device = torch.device("cuda" if use_cuda else "cpu")
        # One thread an operation: for networks this small a second one costs more in waiting than
        # it gives. Actor and critic learn side by side, and the engine has threads of its own.
        torch.set_num_threads(1)
        keep_freed_memory()

        self.model = _initial_model(config, self.models_dir)
        self.config = config
        self.actor, self.critic = self.model.actor, self.model.critic
        for module in (self.actor, self.critic, self.model.normalizer):
            module.to(self.device)
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

        self.settings = ppo.UpdateSettings(
            epochs=config.epochs,
            minibatch_size=config.minibatch_size,
            clip_range=config.clip_range,
            entropy_coefficient=config.entropy_coefficient,
            max_grad_norm=config.max_grad_norm,
        )
        self.iteration = 0
        self.timesteps = 0
        self.episodes = 0
        self.elapsed = 0.0
        self.recent_returns: deque[float] = deque(maxlen=config.best_window)
        self.best_return = -math.inf
        self.gain = 1.0
        self.solved = False
        self._threshold = reward_threshold(config.env_id)

        self._examiner = EXAMINERS[config.engine](config.env_id, config.evaluation_episodes)
        self.engine = ENGINES[config.engine](config.env_id, config.num_envs, config.seed)
        try:
            self.curriculum = None
            if config.curriculum_share:
                self.curriculum = Curriculum(cast("WarpEngine", self.engine))
            self.collector = Collector(
                self.engine,
                self.model.normalizer,
                RewardScaler(config.num_envs, config.gamma).to(self.device),
                action_dim=ACTION_DIM,
                steps=config.rollout_steps,
                device=self.device,
                generator=self.generator,
                reward_floor=config.reward_floor,
                endless_course=config.endless_course,
                memory=self.model.memory,
            )
        except BaseException:
            self.close()
            raise

    # One iteration --------------------------------------------------------------------------------

    def iterate(self, log: RunLog) -> Progress:
        """Collect a rollout, improve on it, log it, and save what is due."""
        started = time.perf_counter()
        config = self.config
        learning_rates = self._set_learning_rates()
        self._bound_std()
        gamma = self._gamma()
        self.collector.reward_scaler.gamma = gamma
        rollout, episodes = self.collector.collect(self.actor, self.critic)
        statistics, variance = self._update(rollout, gamma)
        self.iteration += 1
        self.timesteps += config.batch_size
        self.episodes += len(episodes)
        self.recent_returns.extend(episode.episodic_return for episode in episodes)
        if self.curriculum is not None:
            self._teach(self.curriculum, episodes)
        if config.learning_rate_schedule == "adaptive":
            self._adapt_learning_rates(statistics.approx_kl)

        self._keep_what_is_due(log)

        seconds = time.perf_counter() - started
        self.elapsed += seconds
        std = float(self.actor.bounded_log_std().detach().exp().mean())
        row = {
            "iteration": self.iteration,
            "timesteps": self.timesteps,
            **_episode_metrics(episodes),
            "charts/episodic_return_mean": self._mean_return(),
            "charts/episodes": self.episodes,
            "charts/policy_learning_rate": learning_rates[0],
            "charts/critic_learning_rate": learning_rates[1],
            "charts/std": std,
            "charts/gamma": gamma,
            **(
                {} if self.curriculum is None else {"charts/difficulty": self.curriculum.difficulty}
            ),
            "losses/policy_loss": statistics.policy_loss,
            "losses/value_loss": statistics.value_loss,
            "losses/entropy": statistics.entropy,
            "losses/approx_kl": statistics.approx_kl,
            "losses/clip_fraction": statistics.clip_fraction,
            "losses/explained_variance": variance,
            "charts/SPS": round(config.batch_size / seconds),
            "time/elapsed": round(self.elapsed, 3),
        }
        log.write_metrics(row)
        return Progress(
            iteration=self.iteration,
            iterations=config.iterations,
            timesteps=self.timesteps,
            total_timesteps=config.iterations * config.batch_size,
            mean_return=self._mean_return(),
            best_return=self.best_return,
            std=std,
            steps_per_second=config.batch_size / seconds,
            elapsed=self.elapsed,
        )

    def _teach(self, curriculum: Curriculum, episodes: list[EpisodeStatistics]) -> None:
        """Let the obstacles grow with success, and be Gymnasium's when the curriculum is over."""
        if self.timesteps < self.config.curriculum_share * self.config.total_timesteps:
            curriculum.learn(episodes)
        else:
            curriculum.end()

    def _keep_what_is_due(self, log: RunLog) -> None:
        """Save, evaluate and film where this iteration is one for it."""
        config = self.config
        if config.best_by == "training" and 2 * len(self.recent_returns) >= config.best_window:
            self._save_if_best(self._mean_return())  # a handful of lucky episodes is no measure
        if self.iteration % config.checkpoint_interval == 0:
            self._save_model(f"checkpoint_{self.iteration}.pth")
        last = self.iteration == config.iterations
        interval = config.evaluation_interval
        promising = self._mean_return() >= config.evaluation_min_return
        if interval and (last or (promising and self.iteration % interval == 0)):
            row, self.gain = self._examiner.evaluate(self.model)
            at = {"iteration": self.iteration, "timesteps": self.timesteps}
            elapsed = round(self.elapsed, 3)  # until this iteration began
            log.write_evaluation({**at, "time/elapsed": elapsed, **row})
            mean_return = float(row["mean_return"])
            if config.best_by == "evaluation":
                self._save_if_best(mean_return)
            if config.stop_when_solved and mean_return >= self._threshold:
                self.solved = self._is_solved()
        if config.video_interval and self.iteration % config.video_interval == 0:
            self._record_video()

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
        statistics = ppo.update(
            self.actor,
            self.critic,
            self.actor_optimizer,
            self.critic_optimizer,
            batch,
            self.settings,
            self.generator,
        )
        return statistics, ppo.explained_variance(rollout.values, returns)

    @property
    def _progress(self) -> float:
        """Share of the annealing behind us, 0 to 1. When it is over it begins again, a warm restart
        (Loshchilov & Hutter 2017): a run that is stuck gets another chance."""
        return self.timesteps / self.config.anneal_timesteps % 1.0

    def _bound_std(self) -> None:
        """Narrow the range of the standard deviation, where the preset anneals its upper end."""
        config = self.config
        first = self.timesteps < config.anneal_timesteps
        initial = config.std_max if first else config.restart_std_max
        std_max = schedules.geometric(initial, config.final_std_max, self._progress)
        restarted = std_max > self.actor.std_bounds[1]
        self.actor.std_bounds = (config.std_min, std_max)
        if restarted:
            nn.init.constant_(self.actor.log_std, math.log(std_max))  # the bound alone would not
            self.actor.scale_output(self.gain)  # begin with what the greedy policy does best
            self.gain = 1.0
        self.actor.project_log_std()

    def _gamma(self) -> float:
        """Discount factor of this iteration; it grows once and stays."""
        config = self.config
        share = self.timesteps / config.anneal_timesteps
        return 1.0 - schedules.geometric(1.0 - config.gamma, 1.0 - config.final_gamma, share)

    def _set_learning_rates(self) -> tuple[float, float]:
        """Anneal, where the schedule is linear; returns the rates of this iteration."""
        config = self.config
        rates = []
        for optimizer, initial in (
            (self.actor_optimizer, config.policy_learning_rate),
            (self.critic_optimizer, config.critic_learning_rate),
        ):
            group = optimizer.param_groups[0]
            if config.learning_rate_schedule == "linear":
                final = initial * config.final_learning_rate_scale
                group["lr"] = schedules.linear_learning_rate(initial, final, self._progress)
            rates.append(group["lr"])
        return rates[0], rates[1]

    def _adapt_learning_rates(self, kl: float) -> None:
        for optimizer in (self.actor_optimizer, self.critic_optimizer):
            group = optimizer.param_groups[0]
            group["lr"] = schedules.adaptive_learning_rate(group["lr"], kl, self.config.target_kl)

    def _mean_return(self) -> float:
        return float(np.mean(self.recent_returns)) if self.recent_returns else math.nan

    # What is kept ---------------------------------------------------------------------------------

    def _save_model(self, name: str) -> None:
        self.model.info = {
            "env_id": self.config.env_id,
            "preset": self.config.preset,
            "seed": self.config.seed,
            "iteration": self.iteration,
            "timesteps": self.timesteps,
            "training_return": self._mean_return(),
            "gain": self.gain,
        }
        save_model(self.models_dir / name, with_gain(self.model, self.gain))

    def _save_if_best(self, score: float) -> None:
        """Keep the model if it scores higher than any before."""
        if score > self.best_return:
            self.best_return = score
            self._save_model("best_model.pth")

    @property
    def solved_enough(self) -> bool:
        """Whether the environment is solved and that is all that was asked for."""
        return self.solved and self.config.stop_when_solved

    @property
    def finished(self) -> bool:
        """Whether all iterations are done, or no more are needed."""
        return self.solved_enough or self.iteration >= self.config.iterations

    def finish(self) -> None:
        """Save the last model; it is also the best one where nothing was ever measured."""
        self._save_model(f"checkpoint_{self.iteration}.pth")
        if not (self.models_dir / "best_model.pth").exists():
            self._save_model("best_model.pth")

    def _is_solved(self) -> bool:
        """Have more episodes played; the model that passes is the best."""
        mean_return = confirm(self._examiner, self.model, self.gain, self._threshold)
        if mean_return is None:
            return False
        self.best_return = mean_return
        self._save_model("best_model.pth")
        return True

    def _record_video(self) -> None:
        path = self.run_dir / "videos" / f"iteration_{self.iteration}.mp4"
        try:
            record_episode(
                make_policy(on_cpu(with_gain(self.model, self.gain))),
                self.config.env_id,
                EVALUATION_SEED,
                path,
            )
        except UserError as error:  # the request was right: it is the disk
            raise RunFailedError(f"{error}; go on with --resume") from None

    def save(self) -> None:
        """Write the state of the run."""
        save_state(
            self.models_dir / "resume.pt",
            {
                "iteration": self.iteration,
                "timesteps": self.timesteps,
                "episodes": self.episodes,
                "elapsed": self.elapsed,
                "recent_returns": list(self.recent_returns),
                "best_return": self.best_return,
                "gain": self.gain,
                "solved": self.solved,
                "std_bounds": list(self.actor.std_bounds),
                "actor": self.actor.state_dict(),
                "critic": self.critic.state_dict(),
                "actor_optimizer": self.actor_optimizer.state_dict(),
                "critic_optimizer": self.critic_optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "collector": self.collector.state(),
                "curriculum": None if self.curriculum is None else self.curriculum.state(),
            },
        )

    def restore(self) -> None:
        """Go on from the last saved state; nothing saved means from the beginning."""
        path = self.models_dir / "resume.pt"
        if not path.exists():
            return
        state = load_state(path)
        try:
            self.iteration = state["iteration"]
            self.timesteps = state["timesteps"]
            self.episodes = state["episodes"]
            self.elapsed = state["elapsed"]
            self.recent_returns.extend(state["recent_returns"])
            self.best_return = state["best_return"]
            self.gain = state["gain"]
            self.solved = state["solved"]
            std_min, std_max = state["std_bounds"]
            self.actor.std_bounds = (std_min, std_max)
            self.actor.load_state_dict(state["actor"])
            self.critic.load_state_dict(state["critic"])
            self.actor_optimizer.load_state_dict(state["actor_optimizer"])
            self.critic_optimizer.load_state_dict(state["critic_optimizer"])
            self.generator.set_state(state["generator"])
            self.collector.restore(state["collector"])
            if self.curriculum is not None:
                self.curriculum.restore(state["curriculum"])
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError):
            raise UserError(f"{path} does not fit this run's configuration") from None

    def close(self) -> None:
        """End all processes."""
        self.engine.close()
        self._examiner.close()


def _initial_model(config: TrainConfig, models_dir: Path) -> Model:
    """Make new networks, or take those of `init_from` with their statistics and sizes.

    The run keeps a copy of the latter as its `checkpoint_0`: it can go on without the original.
    """
    if config.init_from is None:
        generator = torch.Generator().manual_seed(config.seed)
        observation_dim = config.frames * OBSERVATION_DIM
        actor = Actor(
            observation_dim,
            ACTION_DIM,
            hidden_sizes=config.hidden_sizes,
            activation=config.activation,
            layer_norm=config.layer_norm,
            initial_log_std=config.initial_log_std,
            std_min=config.std_min,
            std_max=config.std_max,
            generator=generator,
        )
        critic = Critic(
            observation_dim,
            hidden_sizes=config.hidden_sizes,
            activation=config.activation,
            layer_norm=config.layer_norm,
            generator=generator,
        )
        return Model(actor, critic, ObservationNormalizer((OBSERVATION_DIM,)), {}, config.memory)
    start = models_dir / "checkpoint_0.pth"
    model = load_model(start if start.exists() else config.init_from)
    if not start.exists():
        save_model(start, model)
    model.actor.std_bounds = (config.std_min, config.std_max)
    model.actor.project_log_std()
    return model


def _with_real_sizes(config: TrainConfig) -> TrainConfig:
    """Write the sizes of the model to start from into the configuration of the run."""
    if config.init_from is None:
        return config
    model = load_model(config.init_from)
    actor = model.actor
    return replace(
        config,
        frames=model.memory.frames,
        frame_stride=model.memory.stride,
        hidden_sizes=actor.hidden_sizes,
        activation=actor.activation,
        layer_norm=actor.layer_norm,
    )


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


def train(
    config: TrainConfig,
    run_dir: Path,
    *,
    resume: bool = False,
    on_iteration: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train until the environment is solved or `config.total_timesteps` are done.

    `should_stop()`, asked at each iteration's end, may stop it before.

    A new run needs a directory without one (`UserError` otherwise); with `resume` it
    goes on from the last saved state. Raises `RunFailedError` if the job cannot go on: a
    loss that is not finite, a disk that is full. The last good models and state stay as they are.
    """
    if not resume:
        config = _with_real_sizes(config)
        prepare_run(run_dir, config)
    with ExitStack() as stack:
        stack.enter_context(lock_run(run_dir))
        if resume:
            continue_run(run_dir, config)
        try:
            trainer = Trainer(config, run_dir)
        except BaseException:
            if not resume:
                discard_run(run_dir)
            raise
        stack.callback(trainer.close)
        try:
            if resume:
                trainer.restore()
            log = RunLog(run_dir, iteration=trainer.iteration, timesteps=trainer.timesteps)
            stack.callback(log.close)
            return _run(trainer, log, on_iteration, should_stop)
        except ppo.NonFiniteLossError as error:
            raise RunFailedError(
                f"training stopped at timestep {trainer.timesteps}: {error}; the models saved so "
                "far are good, try a smaller learning rate"
            ) from None
        except OSError as error:
            raise RunFailedError(
                f"cannot write to {run_dir}: {error.strerror}; make room and go on with --resume"
            ) from None


def _run(
    trainer: Trainer,
    log: RunLog,
    on_iteration: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> Outcome:
    last_save = time.monotonic()
    stopped = False
    while not trainer.finished and not stopped:
        on_iteration(trainer.iterate(log))
        stopped = should_stop()
        if time.monotonic() - last_save > SAVE_SECONDS:
            log.flush()
            trainer.save()
            last_save = time.monotonic()
    trainer.save()
    if trainer.finished:
        trainer.finish()
    return Outcome(
        run_dir=trainer.run_dir,
        timesteps=trainer.timesteps,
        elapsed=trainer.elapsed,
        finished=trainer.finished,
        solved=trainer.solved_enough,
    )
