import dataclasses

import pytest

from bipedal import schedules
from bipedal.config import TrainConfig

CONFIG = dataclasses.replace(
    TrainConfig(),
    num_envs=10,
    rollout_steps=10,
    anneal_timesteps=1000,
    restart_timesteps=0,
    policy_learning_rate=4e-4,
    critic_learning_rate=8e-4,
    final_learning_rate_scale=0.5,
    gamma=0.9,
    final_gamma=0.99,
    std_max=0.4,
    final_std_max=0.1,
    restart_std_max=0.2,
    torque_share=0.2,
    final_torque_share=0.8,
)
"""Batches of 100 timesteps."""


def test_geometric_schedule() -> None:
    path = [schedules.geometric(4.0, 1.0, p) for p in (0.0, 0.5, 1.0, 1.5)]
    assert path == pytest.approx([4.0, 2.0, 1.0, 1.0])


def test_a_geometric_schedule_between_equal_ends_is_constant_to_the_bit() -> None:
    assert {schedules.geometric(0.61, 0.61, step / 1000) for step in range(1001)} == {0.61}


def test_linear_schedule() -> None:
    rates = [schedules.linear(4.0, 0.0, p) for p in (0.0, 0.25, 1.0, 1.1)]
    assert rates == [4, 3, 0, 0]
    assert [schedules.linear(4.0, 2.0, p) for p in (0.0, 0.5, 1.5)] == [4, 3, 2]


def test_values_when_training_begins() -> None:
    assert schedules.hyperparameters(CONFIG, 0) == pytest.approx((4e-4, 8e-4, 0.9, 0.4, 0.2))


def test_values_half_way() -> None:
    """Rates fall in a straight line; 1 - γ, the deviation and 1 - share by equal factors."""
    expected = (3e-4, 6e-4, 1 - (0.1 * 0.01) ** 0.5, (0.4 * 0.1) ** 0.5, 1 - (0.8 * 0.2) ** 0.5)
    assert schedules.hyperparameters(CONFIG, 500) == pytest.approx(expected)


def test_after_the_annealing_the_discount_factor_and_the_share_of_torque_stay() -> None:
    assert schedules.hyperparameters(CONFIG, 1000) == pytest.approx((4e-4, 8e-4, 0.99, 0.2, 0.8))
    expected = (3e-4, 6e-4, 0.99, (0.2 * 0.1) ** 0.5, 0.8)
    assert schedules.hyperparameters(CONFIG, 2500) == pytest.approx(expected)


def test_constant_learning_rates_stay() -> None:
    constant = dataclasses.replace(CONFIG, learning_rate_schedule="constant")
    assert {schedules.hyperparameters(constant, t)[:2] for t in range(0, 3000, 100)} == {
        (4e-4, 8e-4)
    }


def restarts(**changes: float) -> list[int]:
    """Timesteps of the iterations in which the noise starts anew."""
    config = dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]
    return [t for t in range(0, 3500, 100) if schedules.noise_restarts(config, t)]


def test_the_noise_restarts_once_a_period() -> None:
    assert restarts() == [1000, 2000, 3000]


def test_a_restart_comes_before_the_annealing_is_over_or_after_it() -> None:
    """The discount factor and the share of torque know nothing of it."""
    early = dataclasses.replace(CONFIG, restart_timesteps=500)
    assert restarts(restart_timesteps=500) == [500, 1000, 1500, 2000, 2500, 3000]
    expected = (4e-4, 8e-4, 1 - (0.1 * 0.01) ** 0.5, 0.2, 1 - (0.8 * 0.2) ** 0.5)
    assert schedules.hyperparameters(early, 500) == pytest.approx(expected)
    half = (3.5e-4, 7e-4, 0.99, 0.2**0.75 * 0.1**0.25, 0.8)
    assert schedules.hyperparameters(early, 1250) == pytest.approx(half)
    late = dataclasses.replace(CONFIG, restart_timesteps=2000)
    assert restarts(restart_timesteps=2000) == [2000]
    assert schedules.hyperparameters(late, 1500) == pytest.approx((2e-4, 4e-4, 0.99, 0.1, 0.8))


def test_a_period_that_is_no_multiple_of_a_batch_restarts_in_the_iteration_after_it() -> None:
    assert restarts(anneal_timesteps=1050) == [1100, 2100, 3200]


def test_noise_that_grows_restarts_as_rarely() -> None:
    assert restarts(std_max=0.1, final_std_max=0.3, restart_std_max=0.1) == [1000, 2000, 3000]


def test_constant_noise_never_restarts() -> None:
    assert restarts(final_std_max=0.4, restart_std_max=0.4) == []
