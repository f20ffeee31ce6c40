"""A run in memory, and one iteration of it: learn, evaluate, log, keep."""

from __future__ import annotations

import math
import time
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bipedal.checkpoint import SINGLE, load_model, save_best_model, save_model
from bipedal.config import TrainConfig
from bipedal.device import choose_device, short_memory_explained
from bipedal.engines.warp import quiet_warp
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.selection import Selection
from bipedal.fused.kernel import load_beside
from bipedal.fused.network import supports
from bipedal.initial import initial_policy
from bipedal.learner import Learner
from bipedal.logs import RunLog
from bipedal.report.video import record_episode
from bipedal.rollout import EpisodeStatistics
from bipedal.seeds import EVALUATION_SEED
from bipedal.stage import describe


@dataclass(frozen=True)
class Progress:
    """What a watcher is told after every iteration."""

    iteration: int
    timesteps: int
    total_timesteps: int
    mean_return: float
    """Mean of the last `best_window` training episodes; NaN before the first has ended."""
    best_return: float
    std: float
    stage: str
    """What the robot has come to, in words; see `stage.py`."""
    steps_per_second: float
    elapsed: float
    """Seconds of training, all sittings together."""


class Trainer:
    """A run in memory: policy, learner, and where it has got to."""

    def __init__(
        self,
        config: TrainConfig,
        run_dir: Path,
        on_phase: Callable[[str], None] = lambda phase: None,
    ) -> None:
        """Begin at timestep 0. `on_phase` is told of what takes longer than learning."""
        config.validate()
        self.config = config
        self.run_dir = run_dir
        self.models_dir = run_dir / "saved_models"
        device = choose_device(config.device, config.num_envs)
        self.policy = initial_policy(config, self.models_dir).to(device)
        self.generator = torch.Generator(device).manual_seed(config.seed)
        self.iteration = 0
        self.timesteps = 0
        self.episodes = 0
        self.elapsed = 0.0
        self.recent_returns: deque[float] = deque(maxlen=config.best_window)
        self._recent: deque[EpisodeStatistics] = deque(maxlen=config.best_window)  # for watchers
        self._on_phase = on_phase
        if supports(self.policy.actor):
            quiet_warp()
            load_beside()
        with short_memory_explained(), ExitStack() as stack:
            self.selection = stack.enter_context(closing(Selection(config, device)))
            learner = Learner(config, self.policy, self.generator)
            self.learner = stack.enter_context(closing(learner))
            self._resources = stack.pop_all()

    # One iteration --------------------------------------------------------------------------------

    def iterate(self, log: RunLog) -> Progress:
        """Learn for an iteration, log it, and keep what is due."""
        started = time.perf_counter()
        with short_memory_explained():
            learned = self.learner.learn(self.timesteps)
        self.iteration += 1
        self.timesteps += self.config.batch_size
        self.episodes += len(learned.episodes)
        self.recent_returns.extend(episode.episodic_return for episode in learned.episodes)
        self._recent.extend(learned.episodes)
        self._keep_what_is_due(log)
        seconds = time.perf_counter() - started
        self.elapsed += seconds
        log.write_metrics(
            {
                "iteration": self.iteration,
                "timesteps": self.timesteps,
                **_episode_metrics(learned.episodes),
                "charts/episodic_return_mean": self._mean_return(),
                "charts/episodes": self.episodes,
                **learned.metrics,
                "charts/SPS": round(self.config.batch_size / seconds),
                "time/elapsed": round(self.elapsed, 3),
            }
        )
        return Progress(
            iteration=self.iteration,
            timesteps=self.timesteps,
            total_timesteps=self.config.iterations * self.config.batch_size,
            mean_return=self._mean_return(),
            best_return=self.selection.best_return,
            std=self.policy.actor.mean_std(),
            stage=describe(self._recent),
            steps_per_second=self.config.batch_size / seconds,
            elapsed=self.elapsed,
        )

    def _mean_return(self) -> float:
        return float(np.mean(self.recent_returns)) if self.recent_returns else math.nan

    # What is kept ---------------------------------------------------------------------------------

    def _keep_what_is_due(self, log: RunLog) -> None:
        """Save, evaluate and film where this iteration is one for it."""
        config, selection = self.config, self.selection
        if selection.is_best_in_training(self.recent_returns):
            self._save_best_model()
        if self.iteration % config.checkpoint_interval == 0:
            self._save_checkpoint()
        if selection.is_due(self.iteration, self._mean_return()):
            self._on_phase("evaluating")
            result = selection.evaluate(self.policy)
            at = {"iteration": self.iteration, "timesteps": self.timesteps}
            elapsed = round(self.elapsed, 3)  # until this iteration began
            log.write_evaluation({**at, "time/elapsed": elapsed, **result.row})
            if config.best_by == "evaluation" and selection.is_best(result.mean_return):
                self._save_best_model()
            if selection.looks_solved(result):
                self._on_phase("confirming")
                if selection.confirm(self.policy):
                    self._save_best_model()
        if config.video_interval and self.iteration % config.video_interval == 0:
            self._record_video()

    def _save_best_model(self) -> None:
        self._describe_policy()
        save_best_model(self.models_dir, self.policy)

    def _save_checkpoint(self) -> None:
        self._describe_policy()
        save_model(self.models_dir / f"checkpoint_{self.iteration}.pth", self.policy)

    def _describe_policy(self) -> None:
        """Write into the policy what its file is to say of it."""
        self.policy.info = {
            "env_id": self.config.env_id,
            "preset": self.config.preset,
            "seed": self.config.seed,
            "iteration": self.iteration,
            "timesteps": self.timesteps,
            "training_return": self._mean_return(),
            "gain": self.policy.gain,
            **self.learner.model_info(),
        }

    def _record_video(self) -> None:
        path = self.run_dir / "videos" / f"iteration_{self.iteration}.mp4"
        try:
            record_episode(self.policy.share(), self.config.env_id, EVALUATION_SEED, path)
        except (UserError, RunFailedError) as error:  # a film is no reason to end a run
            warnings.warn(f"training goes on without a video: {error}", stacklevel=1)

    @property
    def finished(self) -> bool:
        """Whether all timesteps are done, or no more are needed."""
        return self.solved or self.timesteps >= self.config.total_timesteps

    @property
    def solved(self) -> bool:
        """Whether the environment is solved and that is all that was asked for."""
        return self.selection.solved and self.config.stop_when_solved

    def finish(self) -> None:
        """Save the last model; it is also the best one where nothing was ever measured."""
        self._save_checkpoint()
        best = self.models_dir / "best_model.pth"
        if not best.exists():
            self._save_best_model()
        elif not best.with_suffix(SINGLE).exists():  # a save was killed before it
            save_model(best.with_suffix(SINGLE), load_model(best))

    # Exact continuation ---------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that an exact resume needs, on the CPU."""
        actor, critic = self.policy.actor, self.policy.critic
        state = {
            "iteration": self.iteration,
            "timesteps": self.timesteps,
            "episodes": self.episodes,
            "elapsed": self.elapsed,
            "recent_returns": list(self.recent_returns),
            "selection": self.selection.state(),
            "gain": self.policy.gain,
            "std_bounds": list(actor.std_bounds),
            "actor": actor.state_dict(),
            "critic": critic.state_dict(),
            "generator": self.generator.get_state(),
            **self.learner.state(),
        }
        on_cpu: dict[str, Any] = _on_cpu(state)
        return on_cpu

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        actor, critic = self.policy.actor, self.policy.critic
        self.iteration = state["iteration"]
        self.timesteps = state["timesteps"]
        self.episodes = state["episodes"]
        self.elapsed = state["elapsed"]
        self.recent_returns.extend(state["recent_returns"])
        self.selection.restore(state["selection"])
        self.policy.gain = state["gain"]
        std_min, std_max = state["std_bounds"]
        actor.std_bounds = (std_min, std_max)
        actor.load_state_dict(state["actor"])
        critic.load_state_dict(state["critic"])
        _restore_generator(self.generator, state["generator"])
        self.learner.restore(state)

    def close(self) -> None:
        """End all threads and processes."""
        self._resources.close()


def _on_cpu(state: Any) -> Any:
    """The same dictionaries and lists with every tensor on the CPU."""
    if isinstance(state, Mapping):
        return {name: _on_cpu(value) for name, value in state.items()}
    if isinstance(state, list):
        return [_on_cpu(value) for value in state]
    return state.cpu() if isinstance(state, torch.Tensor) else state


GENERATOR_BYTES = (5056, 16)
"""Lengths of the state of a CPU's generator and of a GPU's."""


def _restore_generator(generator: torch.Generator, state: torch.Tensor) -> None:
    """Go on with a generator's state; that of another device's can only be a new seed.

    So a run may go on elsewhere, but not bit for bit. Raises `ValueError` for anything else.
    """
    if state.dtype != torch.uint8 or state.dim() != 1 or len(state) not in GENERATOR_BYTES:
        raise ValueError("not the state of a generator")
    if len(state) == len(generator.get_state()):
        generator.set_state(state)
    else:
        generator.manual_seed(zlib.crc32(state.numpy().tobytes()))


def _episode_metrics(episodes: Sequence[EpisodeStatistics]) -> dict[str, float]:
    """Means over the episodes that ended in an iteration; NaN if none did."""

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else math.nan

    return {
        "charts/episodic_return": mean([e.episodic_return for e in episodes]),
        "charts/episodic_length": mean([float(e.length) for e in episodes]),
        "charts/distance": mean([e.distance for e in episodes]),
        "charts/fall_rate": mean([float(e.fell) for e in episodes]),
    }
