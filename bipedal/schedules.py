"""How hyperparameters change while training goes on: pure functions of its progress."""

from __future__ import annotations

from typing import NamedTuple

from bipedal.config import TrainConfig


class Hyperparameters(NamedTuple):
    """What one iteration learns with."""

    policy_learning_rate: float
    critic_learning_rate: float
    gamma: float
    """Discount factor."""
    std_max: float
    """Largest standard deviation of an action."""
    torque_share: float
    """Share of what progress pays that torque takes."""


def hyperparameters(config: TrainConfig, timesteps: int) -> Hyperparameters:
    """The values after so many timesteps.

    Learning rates and the largest standard deviation are annealed over `anneal_timesteps`. After
    `restart_timesteps` they begin again, a warm restart (Loshchilov & Hutter 2017): a run that is
    stuck gets another chance. The discount factor and the share of torque grow once and stay.
    """
    grown = timesteps / config.anneal_timesteps
    annealed = timesteps % _period(config) / config.anneal_timesteps
    initial_std = config.restart_std_max if restarts(config, timesteps) else config.std_max
    return Hyperparameters(
        policy_learning_rate=learning_rate(config, config.policy_learning_rate, annealed),
        critic_learning_rate=learning_rate(config, config.critic_learning_rate, annealed),
        gamma=1.0 - geometric(1.0 - config.gamma, 1.0 - config.final_gamma, grown),
        std_max=geometric(initial_std, config.final_std_max, annealed),
        torque_share=1.0
        - geometric(1.0 - config.torque_share, 1.0 - config.final_torque_share, grown),
    )


def restarts(config: TrainConfig, timesteps: int) -> int:
    """How often the annealing has begun again after so many timesteps."""
    return timesteps // _period(config)


def _period(config: TrainConfig) -> int:
    """Timesteps from one warm restart to the next."""
    return config.restart_timesteps or config.anneal_timesteps


def noise_restarts(config: TrainConfig, timesteps: int) -> bool:
    """Whether the standard deviation starts anew in the iteration that begins now.

    It does with every warm restart, where the restart has noise of its own to begin with.
    """
    again = restarts(config, timesteps) > restarts(config, timesteps - config.batch_size)
    return timesteps > 0 and again and config.restart_std_max != config.final_std_max


def learning_rate(config: TrainConfig, initial: float, progress: float) -> float:
    """What has become of the rate `initial` as `progress` goes from 0 to 1."""
    if config.learning_rate_schedule == "constant":
        return initial
    return linear(initial, initial * config.final_learning_rate_scale, progress)


def linear(initial: float, final: float, progress: float) -> float:
    """From `initial` to `final` in a straight line as `progress` goes from 0 to 1."""
    return initial + (final - initial) * min(1.0, progress)


def geometric(initial: float, final: float, progress: float) -> float:
    """From `initial` to `final`, both above 0, by equal factors as `progress` goes to 1.

    Exact where the two are equal: rounding would make a constant go up and down.
    """
    progress = min(1.0, progress)
    return initial if initial == final else float(initial ** (1.0 - progress) * final**progress)
