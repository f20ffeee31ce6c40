"""Running statistics: what turns raw observations into what the network sees.

The statistics are part of the model. A policy that is shown observations scaled in another way
than in training is another policy, usually one that falls; so they live in module buffers and
are saved with every checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EMPTY_COUNT = 1e-4
"""Samples in empty statistics, so that there is a mean of 0 and a variance of 1 (Gymnasium)."""


class RunningMeanStd(nn.Module):
    """Mean and variance of a stream of batches, merged exactly (Chan, Golub & LeVeque 1979).

    The same numbers and the same starting point (mean 0, variance 1, count `EMPTY_COUNT`) as
    `gymnasium.wrappers.utils.RunningMeanStd`, so that the statistics of either can be read as
    those of the other. All three buffers are float64: `mean` and `var` of the given shape,
    `count` a scalar number of samples.
    """

    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        """Start empty statistics of samples of the given shape."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("var", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(EMPTY_COUNT, dtype=torch.float64))

    @torch.no_grad()
    def update(self, batch: Tensor) -> None:
        """Merge a batch of samples, shape `(N, *shape)`, N >= 1."""
        batch_var, batch_mean = torch.var_mean(batch.to(torch.float64), dim=0, correction=0)
        # A tensor: torch takes number / tensor for number * (1 / tensor), which rounds twice.
        count = torch.full_like(self.count, batch.shape[0])
        weight = count / (self.count + count)
        delta = batch_mean - self.mean
        self.mean.addcmul_(delta, weight)
        self.var.lerp_(batch_var, weight).addcmul_(weight * (1.0 - weight) * delta, delta)
        self.count.add_(count)


class ObservationNormalizer(RunningMeanStd):
    """Observations to zero mean and unit variance, clipped to ±`clip` standard deviations.

    `forward` maps `(..., *shape)` of any float dtype to float32; the division is done in
    float64, as in `gymnasium.wrappers.NormalizeObservation` (epsilon 1e-8).
    """

    epsilon = 1e-8
    clip = 10.0

    @torch.no_grad()
    def forward(self, observation: Tensor) -> Tensor:
        """Normalise with the statistics as they stand; does not update them."""
        scaled = (observation.to(torch.float64) - self.mean) / torch.sqrt(self.var + self.epsilon)
        return scaled.clamp(-self.clip, self.clip).to(torch.float32)


class EpisodeNormalizer(ObservationNormalizer):
    """An observation normaliser that starts each episode knowing nothing of the world's scale.

    What a new `NormalizeObservation` wrapper around an evaluation environment does: it estimates
    the statistics on the way, for each environment its own. Call `take_in` with the observations
    of N environments before normalising them; they are then `(N, F, observation_dim)`.
    """

    def __init__(self, observation_dim: int) -> None:
        """Know nothing, of no environment yet."""
        super().__init__((observation_dim,))
        self._estimating = False

    def restart(self) -> None:
        """Forget all environments: the next observations begin their episodes."""
        self._estimating = False

    @torch.no_grad()
    def take_in(self, observations: Tensor, begun: Tensor | None = None) -> None:
        """Update each environment's statistics with its latest observation, (N, O).

        Where `begun` (N,) says that it is an episode's first, the last episode is forgotten.
        """
        if not self._estimating:
            self._begin_estimates(*observations.shape)
        elif begun is not None:
            self._forget(begun)
        weight = 1.0 / (self.count + 1.0)
        delta = observations[:, None].double() - self.mean
        self.mean.add_(weight * delta)
        self.var.add_(weight * delta.square()).mul_(1.0 - weight)
        self.count.add_(1.0)

    def _begin_estimates(self, num_envs: int, observation_dim: int) -> None:
        """Statistics of N environments: mean and variance (N, 1, O), count (N, 1, 1)."""
        self.mean = self.mean.new_zeros(num_envs, 1, observation_dim)
        self.var = torch.ones_like(self.mean)
        self.count = self.count.new_full((num_envs, 1, 1), EMPTY_COUNT)
        self._estimating = True

    def _forget(self, begun: Tensor) -> None:
        """Empty the statistics of environments whose episode begins."""
        begun = begun[:, None, None]
        self.mean.masked_fill_(begun, 0.0)
        self.var.masked_fill_(begun, 1.0)
        self.count.masked_fill_(begun, EMPTY_COUNT)


class RewardScaler(RunningMeanStd):
    """Rewards divided by the running standard deviation of the discounted return.

    Engstrom et al. 2020, "Implementation matters in deep policy gradients", and Gymnasium's
    `NormalizeReward` (epsilon 1e-8). The discounted return of an environment starts again when its
    episode ends, at a time limit as well as at a termination. Scaled rewards are clipped to
    ±`clip`.
    """

    epsilon = 1e-8
    clip = 10.0

    discounted_return: Tensor
    gamma: Tensor

    def __init__(self, num_envs: int, gamma: float) -> None:
        """Track `num_envs` environments with discount factor `gamma`, which may be set anew."""
        super().__init__(())
        factor = torch.tensor(gamma, dtype=torch.float64)
        self.register_buffer("gamma", factor, persistent=False)
        self.register_buffer("discounted_return", torch.zeros(num_envs, dtype=torch.float64))

    def start_from(self, mean: float, var: float, count: float) -> None:
        """Begin with a known mean and variance of the discounted return, as if of `count` samples.

        A critic that was trained before predicts in units of that deviation.
        """
        self.mean.fill_(mean)
        self.var.fill_(var)
        self.count.fill_(count)

    @torch.no_grad()
    def forward(self, rewards: Tensor, done: Tensor) -> Tensor:
        """Update with T timesteps and scale them.

        `rewards` (T, N) raw, `done` (T, N) bool, whether the episode ended with this reward;
        returns (T, N) float32.
        """
        rewards = rewards.to(torch.float64)
        continues = (~done).to(torch.float64)
        discounted_returns = torch.empty_like(rewards)
        for t, reward in enumerate(rewards):
            self.discounted_return.mul_(self.gamma).add_(reward)
            discounted_returns[t] = self.discounted_return
            self.discounted_return.mul_(continues[t])
        self.update(discounted_returns.flatten())
        scaled = rewards / torch.sqrt(self.var + self.epsilon)
        return scaled.clamp(-self.clip, self.clip).to(torch.float32)
