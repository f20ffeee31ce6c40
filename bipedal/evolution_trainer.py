"""Learn by an evolution strategy: play a generation, go where it did better."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Any

import torch
from torch import Tensor

from bipedal import evolution
from bipedal.engines.warp import WarpEngine
from bipedal.networks import flatten_parameters
from bipedal.rollout import EpisodeStatistics
from bipedal.schedules import learning_rate, linear
from bipedal.seeds import row_seeds
from bipedal.shaping import Shaping
from bipedal.trainer import Learned, Trainer

ADAM_BETAS = (0.9, 0.99)
"""A run has some hundred generations: the mean of squared gradients must not take a thousand."""
WORST = 20.0
"""How far below a generation's median return an episode may count."""


class EvolutionTrainer(Trainer):
    """A run that learns by an evolution strategy: an iteration is a generation.

    Every environment plays one episode with weights of its own. The two of a pair, θ ± σ ε, play
    the same terrain. Statistics of observations stay as they are.
    """

    def _open(self, stack: ExitStack) -> None:
        config = self.config
        self.policy = self.policy.with_gain_in_weights()
        self.parameters = flatten_parameters(self.policy.actor.net)
        self.optimizer = torch.optim.Adam(
            [self.parameters], lr=config.policy_learning_rate, betas=ADAM_BETAS, eps=1e-12
        )
        engine = WarpEngine(config.env_id, config.num_envs, config.seed, autoreset=False)
        self.engine = stack.enter_context(closing(engine))
        self._shaping = Shaping.of(config)

    def _learn(self) -> Learned:
        """Play a generation and step to better weights."""
        config = self.config
        progress = self.timesteps / config.total_timesteps
        deviation = linear(config.perturbation, config.final_perturbation, progress)
        rate = learning_rate(config, config.policy_learning_rate, progress)
        directions = evolution.perturbations(
            config.num_envs // 2, len(self.parameters), self.generator
        )
        weights = evolution.population(self.parameters.data, directions, deviation)
        returns, episodes = self._play(weights)
        fitness = evolution.fitness(returns, WORST)
        self.optimizer.param_groups[0]["lr"] = rate
        self.parameters.grad = -evolution.ascent(directions, fitness.float(), deviation)
        self.optimizer.step()
        metrics = {
            "charts/policy_learning_rate": rate,
            "charts/perturbation": deviation,
            "charts/median_return": float(returns.median()),
        }
        return Learned(sum(episode.length for episode in episodes), episodes, metrics)

    def _play(self, weights: Tensor) -> tuple[Tensor, list[EpisodeStatistics]]:
        """One episode with each actor's weights (N, P).

        Returns what training makes of their rewards, (N,) float64, and the episodes.
        """
        policy, engine = self.policy, self.engine
        num_envs = engine.num_envs
        policy.restart()
        observation = engine.reset(self._terrains())
        begun = torch.ones(num_envs, dtype=torch.bool)
        playing = begun.clone()
        shaped, raw = torch.zeros(2, num_envs, dtype=torch.float64)
        length = torch.zeros(num_envs, dtype=torch.int64)
        distance = torch.zeros(num_envs, dtype=torch.float64)
        fell = torch.zeros(num_envs, dtype=torch.bool)
        while playing.any():
            before = observation.clone()
            shown = policy.observe(before, begun)
            action = torch.tanh(evolution.forward_each(policy.actor.net, weights, shown))
            step = engine.step(action)
            shaped += playing * self._shaping(step.reward, before, action)
            raw += playing * step.reward
            length += playing
            ends = playing & step.done
            distance[ends] = step.distance[ends]
            fell |= ends & step.fell
            playing &= ~step.done
            observation = engine.observation
            begun = torch.zeros_like(begun)
        columns = (column.tolist() for column in (raw, length, distance, fell))
        episodes = [EpisodeStatistics(*row) for row in zip(range(num_envs), *columns, strict=True)]
        return shaped, episodes

    def _terrains(self) -> list[int]:
        """Seeds of this generation's episodes, those of a pair the same."""
        pairs = self.config.num_envs // 2
        first = row_seeds(self.config.seed, 1)[0] + self.iteration * pairs
        return [*range(first, first + pairs)] * 2

    def _learner_state(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict()}

    def _restore_learner(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
